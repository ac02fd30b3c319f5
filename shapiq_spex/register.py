"""Put our classes under shapiq's approximator names, and take them away again."""

from __future__ import annotations

from typing import Any

from shapiq.explainer.configuration import APPROXIMATOR_CONFIGURATIONS

from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.spex import SPEX

OURS: dict[str, type[ProxySPEX | SPEX]] = {"proxyspex": ProxySPEX, "spex": SPEX}

_shapiqs_own: dict[str, Any] = {}  # what stood under the names we took; empty when unregistered


def register() -> None:
    """Make ``approximator="spex"`` and ``"proxyspex"`` of shapiq's explainers mean our classes.

    Importing shapiq_spex does this. Doing it twice changes nothing; shapiq's "auto" is left alone.

    Example:
        >>> register()
        >>> APPROXIMATOR_CONFIGURATIONS["proxyspex"]["k-SII"].__module__
        'shapiq_spex.proxyspex.approximator'
    """
    for name, ours in OURS.items():
        if name not in _shapiqs_own:
            _shapiqs_own[name] = APPROXIMATOR_CONFIGURATIONS.get(name)
        APPROXIMATOR_CONFIGURATIONS[name] = dict.fromkeys(ours.valid_indices, ours)


def unregister() -> None:
    """Give the names back to shapiq's own classes, or remove those shapiq does not have.

    Example:
        >>> unregister()
        >>> register()
    """
    while _shapiqs_own:
        name, own = _shapiqs_own.popitem()
        if own is None:
            del APPROXIMATOR_CONFIGURATIONS[name]
        else:
            APPROXIMATOR_CONFIGURATIONS[name] = own
