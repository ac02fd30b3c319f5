"""A result made again from the values in a store, without the game that gave them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.checks import is_whole
from shapiq_spex.evaluation import Store
from shapiq_spex.evaluation.protocol import aggregated
from shapiq_spex.ledger import Ledger
from shapiq_spex.methods import METHODS, again, checked_approximator
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.spectral.known import Known

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from shapiq_spex.approximator import SpectralApproximator
    from shapiq_spex.result import Recovery

__all__ = ["StoredGame", "rebuild"]


class StoredGame:
    """A game that knows the values in a store and nothing else.

    Args:
        path: The file of a `shapiq_spex.evaluation.Store`; it is read once.
        run: Which of the results made from it had these values; the last one if left out.
        aggregate: Makes one value of each row of outputs, float64 (m, k) to (m,); needed where
            the game kept more than one number a coalition and no result was made of them.

    Attributes:
        coalitions: All coalitions in the store with a value, bool (m, n).
        values: Their values, float64 (m,).
        n_players: Number of players.
        player_name_lookup: The players' names, if the game's identity tells them.
        run: What was noted down of the result; None if nothing was.
        changed: What is changed of it, in the words of :func:`rebuild`.

    Raises:
        ValueError: If the file is no store, there is no such run, or one value cannot be made of
            the outputs.
    """

    keeps_values: ClassVar[bool] = True
    n_evaluated: ClassVar[int] = 0
    changed: tuple[str, ...] = ()

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        run: int = -1,
        aggregate: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        """See the class."""
        with Store(path) as store:
            coalitions, outputs = store.read()
            runs, identity = store.runs, store.identity
        self.path = str(path)
        self.run = _chosen(self.path, runs, run)
        read = (self.run or {}).get("read")
        if aggregate is None and read is None and outputs.shape[1] > 1:
            msg = (
                f"The store {self.path!r} holds {outputs.shape[1]} numbers a coalition and no "
                "values: the run broke off. Run it again with this store, or give aggregate, which "
                "makes values of the numbers."
            )
            raise ValueError(msg)
        if aggregate is None and read is not None:
            known = Known(coalitions[read["rows"]], read["values"])
        else:
            known = Known(coalitions, aggregated(outputs, aggregate))
        self._known = known
        self.coalitions, self.values = known.coalitions, known.values
        self.n_players = int(identity["n_players"])
        names = identity.get("player_names") or (self.run or {}).get("names") or []
        self.player_name_lookup = {name: i for i, name in enumerate(names)}

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values (m,) of bool coalitions (m, n).

        Raises:
            ValueError: If one of them is not in the store.
        """
        rows = np.asarray(coalitions, dtype=bool)
        if missing := int((~self._known.has(rows)).sum()):
            why = "the run it comes from was another one or broke off; run it again"
            if self.changed:
                why = f"other ones are needed with another {', '.join(self.changed)}; run that"
            error = ValueError(
                f"The store {self.path!r} does not hold {missing} of {len(rows)} coalitions "
                f"asked for: {why} with this store."
            )
            # Nothing is paid for here, so a caller has nothing to add to the sentence.
            error.evaluated_coalitions = rows[:0]  # type: ignore[attr-defined]
            error.evaluated_values = np.zeros(0)  # type: ignore[attr-defined]
            raise error
        return self._known.look_up(rows)


def rebuild(
    path: str | os.PathLike[str],
    *,
    run: int = -1,
    aggregate: Callable[[np.ndarray], Any] | None = None,
    approximator: SpectralApproximator | None = None,
    budget: int | None = None,
    **changes: Any,
) -> Recovery:
    """Make a result again from its store: the same plan, the values there, the same recovery.

    Whatever is recovered by an approximator of this package from an `Evaluator` with a store is
    noted down there, by ``recover``, ``approximate``, :func:`shapiq_spex.explain` and the command
    line. Its ledger is that of the run, unless something is changed.

    Args:
        path: The file.
        run: Which of the results made from it, counted as in a list; the last one if left out.
        aggregate: Another way to make values of the outputs, as for `StoredGame`.
        approximator: Another method, on the same values; the same one where it is of a class of
            one's own.
        budget: Another budget.
        changes: Settings of the approximator to change, such as index or random_state.

    Raises:
        ValueError: If the file is no store, nothing was noted down there and no approximator and
            budget are given, the method of the run is not of this package, or the store does not
            hold the values asked for.
        TypeError: If the approximator is none or has no such setting.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from shapiq_spex import Evaluator, ProxySPEX
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "values.sqlite"
        >>> with Evaluator(lambda x: x[:, 0] * 2.0, 30, store=path, progress=False) as game:
        ...     found = ProxySPEX(n=30, random_state=7).recover(100, game)
        >>> rebuild(path).series == found.series
        True
        >>> folder.cleanup()
    """
    game = StoredGame(path, run=run, aggregate=aggregate)
    if game.run is None and (approximator is None or budget is None):
        msg = (
            f"The store {game.path!r} does not say what was made of it; give rebuild an "
            "approximator and a budget."
        )
        raise ValueError(msg)
    bill = game.run["bill"] if game.run else {}
    allowed = bill["budget"] if budget is None else budget
    made = _approximator(game.path, bill, approximator, changes)
    given = {"approximator": approximator, "budget": budget, "aggregate": aggregate}
    if game.run:
        game.changed = (*(name for name, what in given.items() if what is not None), *changes)
    adaptive = bill.get("tolerance") is not None and budget is None
    if adaptive and isinstance(made, ProxySPEX):
        found = made.recover(allowed, game, tolerance=bill["tolerance"])
    else:
        found = made.recover(allowed, game)
    if game.changed or game.run is None:
        return found
    return replace(found, ledger=Ledger(**bill | {"settings": made.settings}))


def _approximator(
    path: str, bill: dict[str, Any], given: Any, changes: dict[str, Any]
) -> SpectralApproximator:
    if given is not None:
        given = checked_approximator("rebuild", given)
        return type(given)(**(given.settings | changes))
    if bill["method"] not in METHODS:
        msg = (
            f"The run in the store {path!r} was made by {bill['method']}, which is not of this "
            f"package; give rebuild approximator={bill['method']}(...)."
        )
        raise ValueError(msg)
    return again(bill["method"], bill["settings"] | changes)


def _chosen(path: str, runs: list[dict[str, Any]], number: int) -> dict[str, Any] | None:
    if not is_whole(number):
        msg = f"run needs to be a whole number, the place of a run in the store, got {number!r}."
        raise ValueError(msg)
    if not runs and number == -1:
        return None
    if not -len(runs) <= number < len(runs):
        msg = f"The store {path!r} tells of {len(runs)} runs, so there is no run {number}."
        raise ValueError(msg)
    return runs[number]
