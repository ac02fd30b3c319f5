"""Approximators by name, and made again from what a ledger tells of their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapiq_spex import simple
from shapiq_spex.approximator import SpectralApproximator
from shapiq_spex.choice import Chosen
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.spex import SPEX

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS: dict[str, Any] = {"ProxySPEX": ProxySPEX, "SPEX": SPEX, "Chosen": Chosen}
METHODS |= {name: getattr(simple, name) for name in simple.__all__}
PARTS: dict[str, Any] = {"GaussianProcess": GaussianProcess, "BoostedTrees": BoostedTrees}


def checked_approximator(who: str, approximator: Any) -> SpectralApproximator:
    """What was given as an approximator, if it is one.

    Args:
        who: Who asks for it, the first word of the message.
        approximator: What was given.

    Raises:
        TypeError: If it is none.

    Example:
        >>> checked_approximator("rebuild", ProxySPEX(n=4)).least_budget
        6
    """
    if not isinstance(approximator, SpectralApproximator):
        msg = (
            f"{who} needs approximator to be an approximator of this package made for n players, "
            f"such as ProxySPEX(n=12), got {approximator!r}."
        )
        raise TypeError(msg)
    return approximator


def again(method: str, settings: Mapping[str, Any]) -> SpectralApproximator:
    """The approximator of a ledger, as it was or as its record tells.

    Args:
        method: The name of its class.
        settings: What its constructor was given.

    Raises:
        ValueError: If the method is not of this package, or a record does not tell enough of an
            object among the settings.

    Example:
        >>> again("FactorisedPairs", {"n": 5, "rank": 2, "random_state": 7}).settings["rank"]
        2
    """
    if method not in METHODS:
        msg = f"The approximator needs to be one of {', '.join(METHODS)}, got {method!r}."
        raise ValueError(msg)
    made: SpectralApproximator = METHODS[method](
        **{name: _setting(method, name, value) for name, value in settings.items()}
    )
    return made


def _setting(method: str, name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind, fields = PARTS.get(value.get("class", "")), value.get("fields")
    if kind is None or fields is None:
        msg = (
            f"The {name} of {method} was an object of the class {value.get('class')}, of which "
            f"only the name was kept; give it again, as {name}=..."
        )
        raise ValueError(msg)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
