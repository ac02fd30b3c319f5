"""A result made again from the values in a store, without the game that gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.evaluation import Store
from shapiq_spex.evaluation.keys import keys_of
from shapiq_spex.evaluation.protocol import aggregated
from shapiq_spex.explain import explain

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from shapiq_spex.result import Recovery

__all__ = ["StoredGame", "rebuild"]

SETTINGS = ("approximator", "index", "max_order", "seed", "budget")


class StoredGame:
    """A game that knows the values in a store and nothing else.

    Args:
        path: The file of a `shapiq_spex.evaluation.Store`; it is read once.
        aggregate: Makes one value of each row of outputs, float64 (m, k) to (m,); needed where
            the game kept more than one number a coalition and no one left the values.

    Attributes:
        coalitions: All coalitions in the store, bool (m, n).
        values: Their values, float64 (m,).
        n_players: Number of players.
        player_name_lookup: The players' names, if the game's identity tells them.
        meta: What was left in the store beside the values.

    Raises:
        ValueError: If the file is no store, or one value cannot be made of the outputs.
    """

    keeps_values: ClassVar[bool] = True
    n_evaluated: ClassVar[int] = 0

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        aggregate: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        """See the class."""
        with Store(path) as store:
            self.coalitions, outputs = store.read()
            self.meta, identity = store.meta, store.identity
        self.path = str(path)
        told = self.meta.get("values")  # in the order of the store, which only ever grows
        if aggregate is None and told is None and outputs.shape[1] > 1:
            msg = (
                f"The store {str(path)!r} holds {outputs.shape[1]} numbers a coalition and no "
                "values: the run broke off, or was not explain's. Run it again with this store, or "
                "give aggregate, which makes values of the numbers."
            )
            raise ValueError(msg)
        if aggregate is None and told is not None:
            self.coalitions, self.values = self.coalitions[: len(told)], np.array(told)
        else:
            self.values = aggregated(outputs, aggregate)
        self.n_players = int(identity["n_players"])
        names = identity.get("player_names") or self.meta.get("names") or []
        self.player_name_lookup = {name: i for i, name in enumerate(names)}
        self._known = dict(zip(keys_of(self.coalitions), self.values.tolist(), strict=True))

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values (m,) of bool coalitions (m, n).

        Raises:
            ValueError: If one of them is not in the store.
        """
        keys = keys_of(np.asarray(coalitions, dtype=bool))
        if missing := sum(key not in self._known for key in keys):
            msg = (
                f"The store {self.path!r} does not hold {missing} of {len(keys)} coalitions "
                "asked for: the run it comes from was another one or broke off; run it again with "
                "this store."
            )
            raise ValueError(msg)
        return np.array([self._known[key] for key in keys])


def rebuild(
    path: str | os.PathLike[str],
    *,
    aggregate: Callable[[np.ndarray], Any] | None = None,
    **settings: Any,
) -> Recovery:
    """Make a result again from its store: the same plan, the values there, the same recovery.

    The command line and :func:`shapiq_spex.explain` leave their settings in the store.

    Args:
        path: The file.
        aggregate: As for `StoredGame`.
        settings: approximator ("auto", "proxyspex" or "spex"), index, max_order, seed and budget
            where the store does not hold them, or others than those there.

    Raises:
        ValueError: If the file is no store, a setting is missing, or the store does not hold the
            values these settings ask for.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from shapiq_spex import Evaluator
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "values.sqlite"
        >>> with Evaluator(lambda x: x[:, 0] * 2.0, 30, store=path, progress=False) as game:
        ...     found = explain(game, 100, random_state=7)
        >>> rebuild(path).series == found.series
        True
        >>> folder.cleanup()
    """
    game = StoredGame(path, aggregate=aggregate)
    chosen = {name: game.meta[name] for name in SETTINGS if name in game.meta} | settings
    missing = [name for name in ("approximator", "seed", "budget") if name not in chosen]
    if missing or chosen.keys() - set(SETTINGS):
        msg = (
            f"rebuild needs {', '.join(SETTINGS)}: the store {str(path)!r} and the arguments give "
            f"{', '.join(chosen) or 'none of them'}."
        )
        raise ValueError(msg)
    return explain(
        game,
        chosen["budget"],
        method=chosen["approximator"],
        index=chosen.get("index", "k-SII"),
        max_order=chosen.get("max_order", 2),
        random_state=chosen["seed"],
    )
