"""Passes over many players: what each one asked, found, kept and cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.evaluation.keys import keys_of
from shapiq_spex.games import Subgame

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries

__all__ = ["Refinement", "Stage", "run_stage"]

_SHOWN = 5  # interactions in a printed refinement


@dataclass(frozen=True, repr=False, eq=False)
class Stage:
    """One pass over the units of a game: what was asked and found, what was kept, what it cost.

    Attributes:
        name: What the units are, such as "sentences"; "players" if they are the game's own.
        game: The game between the units, everything else present.
        recovery: What was found.
        effects: The total effect of every unit, sum of F(S)^2 over the sets S with it: the part of
            the variance over uniform coalitions that goes when it is held fixed; float64 (units,).
        kept: The numbers of the units kept, strongest first.
        n_new: How many of the coalitions no earlier stage had asked for.
        seconds: How long it took, model and recovery together.
    """

    name: str
    game: Subgame
    recovery: Recovery
    effects: NDArray[np.float64]
    kept: tuple[int, ...]
    n_new: int
    seconds: float

    @property
    def players(self) -> tuple[int, ...]:
        """The players of the whole game in the units kept, in order."""
        return tuple(sorted(player for unit in self.kept for player in self.game.groups[unit]))

    @property
    def subgame(self) -> Subgame:
        """The game between these players, all others present."""
        return Subgame(self.game.game, self.players)

    def to_frame(self, index: Index | None = None, max_order: int | None = None) -> pd.DataFrame:
        """The interactions by name, strongest first, with the columns of a recovery's."""
        frame = self.recovery.to_frame(index, max_order)
        return frame.drop(columns="interaction").rename(columns={"label": "interaction"})

    def __repr__(self) -> str:
        """One line."""
        return (
            f"Stage({self.name}: {len(self.kept)} of {len(self.effects)} kept, {self.recovery!r}, "
            f"new={self.n_new}, seconds={self.seconds:.1f})"
        )


@dataclass(frozen=True, repr=False, eq=False)
class Refinement:
    """What `refine` found, stage by stage.

    The interactions of a stage are those between its units with everything else *present*: those of
    the last stage say how the players it looked at act together in the whole text, and nothing
    about players that were dropped before.

    Attributes:
        stages: From coarse to fine; the last one is about the game's own players.
    """

    stages: tuple[Stage, ...]

    def ledger(self) -> pd.DataFrame:
        """What every stage cost and kept, one row a stage.

        Columns: stage, units, kept (how many), masks, new (masks no earlier stage had asked for),
        seconds, r2, r2_kind.
        """
        import pandas as pd

        rows = [
            {
                "stage": stage.name,
                "units": len(stage.effects),
                "kept": len(stage.kept),
                "masks": stage.recovery.n_evaluations,
                "new": stage.n_new,
                "seconds": stage.seconds,
                "r2": stage.recovery.r2,
                "r2_kind": stage.recovery.r2_kind,
            }
            for stage in self.stages
        ]
        return pd.DataFrame(rows)

    def to_frame(self, index: Index | None = None, max_order: int | None = None) -> pd.DataFrame:
        """All interactions of all stages, the last stage first; the first column is the stage."""
        import pandas as pd

        frames = []
        for stage in reversed(self.stages):
            frame = stage.to_frame(index, max_order)
            frame.insert(0, "stage", stage.name)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        """The ledger, what was kept, and the strongest interactions of the last stage."""
        kept = [
            f"kept of {stage.name}: {'; '.join(stage.game.names[unit] for unit in stage.kept)}"
            for stage in self.stages[:-1]
        ]
        found = self.stages[-1].to_frame().head(_SHOWN)
        lines = [
            f"{value:+10.3f}  {t}" for t, value in zip(found.interaction, found.value, strict=True)
        ]
        ledger = self.ledger().to_string(index=False, float_format="{:.3f}".format)
        return "\n".join([ledger, *kept, "strongest, everything else present:", *lines])


def run_stage(
    name: str,
    game: Subgame,
    *,
    keep: int | None,
    budget: int,
    method: Callable[..., Any],
    asked: set[bytes],
) -> Stage:
    """Recover a game between units and keep the best of them.

    Args:
        name: What the units are.
        game: The game between them.
        keep: How many units to keep; None for all.
        budget: Number of coalitions.
        method: Makes an approximator of the number of units n.
        asked: The coalitions of the whole game asked for so far; those of this stage are added.

    Raises:
        TypeError: If the approximator cannot recover a game.
        Exception: What recovering or the game raised, with a note that names the stage.
    """
    start = time.perf_counter()
    approximator = method(n=game.n_players)
    if not callable(getattr(approximator, "recover", None)):
        msg = (
            f"A stage needs an approximator that can recover a game, such as ProxySPEX or SPEX, "
            f"but {type(approximator).__name__} cannot."
        )
        raise TypeError(msg)
    try:
        recovery: Recovery = approximator.recover(budget, game)
    except BaseException as error:
        error.add_note(f"This was in the stage {name!r} with its {game.n_players} units.")
        raise
    effects = _total_effects(recovery.series)
    kept = np.argsort(-effects, kind="stable")[:keep]
    keys = keys_of(game.expand(recovery.plan.coalitions))
    new = set(keys) - asked
    asked |= new
    seconds = time.perf_counter() - start
    return Stage(name, game, recovery, effects, tuple(kept.tolist()), len(new), seconds)


def _total_effects(series: FourierSeries) -> NDArray[np.float64]:
    """Sum of F(S)^2 over the sets S with player i, (n,)."""
    energy = series.coefficients**2
    return np.asarray(energy @ series.support, dtype=np.float64)
