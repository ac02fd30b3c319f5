"""What ``recover`` returns: the series, what was paid for it, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from shapiq_spex.checks import is_whole
from shapiq_spex.interop import to_interaction_values
from shapiq_spex.uncertainty import Assessment, Evidence, Uncertainty

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from shapiq.interaction_values import InteractionValues

    from shapiq_spex.ledger import Ledger
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries

R2Kind = Literal["held-out", "cross-validated", "exact"]
Unit = Literal["change", "deviation"]


class Plan(Protocol):
    """Which coalitions are evaluated; printing it says how they were drawn.

    A plan that places some of them near the ends on purpose says where they stand, as a slice
    ``near`` that only uniform coalitions follow. One that keeps them packed has them as ``packed``,
    and says ``uniform = False`` where no errors can be told of coalitions drawn like these.
    """

    @property
    def coalitions(self) -> np.ndarray:
        """Distinct coalitions, bool (m, n)."""
        ...


def status_of(r2: float | None, *notes: str) -> str:
    """What did not go as planned, one sentence after the other; "ok" if all did.

    Example:
        >>> status_of(0.9), status_of(-1.0)
        ('ok', 'R² is below 0: do not believe these interactions, spend more evaluations')
    """
    if r2 is None:
        notes = ("R² unknown: too few or constant values", *notes)
    elif r2 < 0:
        below = "R² is below 0: do not believe these interactions, spend more evaluations"
        notes = (below, *notes)
    return "; ".join(notes) or "ok"


def placed(residuals: np.ndarray | None, rows: np.ndarray | slice, count: int) -> np.ndarray | None:
    """Residuals of some rows as those of all, NaN elsewhere.

    Example:
        >>> placed(np.array([0.5]), slice(2, None), 3)
        array([nan, nan, 0.5])
    """
    if residuals is None:
        return None
    everywhere = np.full(count, np.nan)
    everywhere[rows] = residuals
    return everywhere


@dataclass(frozen=True, repr=False, eq=False)
class Recovery:
    """A game recovered as a sparse Fourier series.

    Attributes:
        series: The function that stands for the game.
        plan: The coalitions asked for.
        values: What the game said of them, float64 (m,), in the plan's order.
        r2: Share of the variance over uniform coalitions that the series explains, at most 1;
            None where it could not be measured.
        r2_kind: On what r2 was measured: "held-out" coalitions, "cross-validated" folds, or
            "exact" when every coalition was evaluated.
        residuals: Values minus predictions by coefficients that never saw them, float64 (m,), NaN
            for rows that were not held out, 0 where every coalition was evaluated; None where none
            was held out.
        status: "ok", or a sentence on what did not go as planned.
        index: Index that :meth:`interactions` uses when none is given.
        max_order: Likewise.
        reason: Why the method was taken, or what became of a check it makes; else empty.
        names: What the game calls its n players, None if it names none.
        ledger: What it cost and what it takes to make it again; see
            :class:`shapiq_spex.ledger.Ledger`. None only for a recovery put together by hand.

    Example:
        >>> import numpy as np
        >>> from shapiq_spex import ProxySPEX
        >>> both = ProxySPEX(n=2).recover(4, lambda x: 1.0 * x[:, 0] * x[:, 1])
        >>> both
        Recovery(n=2, evaluations=4, terms=4, r2=1.000 exact, status='ok')
        >>> print(both.to_frame().head(1).round(3).to_string(index=False))
        interaction label  order  value  standard_error  lower  upper  significant
             (0, 1) 0 × 1      2    1.0             0.0    1.0    1.0         True
    """

    series: FourierSeries
    plan: Plan
    values: np.ndarray
    r2: float | None
    r2_kind: R2Kind
    residuals: np.ndarray | None = None
    status: str = "ok"
    index: Index = "k-SII"
    max_order: int = 2
    reason: str = ""
    names: tuple[str, ...] | None = None
    ledger: Ledger | None = None

    @property
    def n_evaluations(self) -> int:
        """Number of distinct coalitions the game was asked for."""
        return len(self.values)

    def interactions(
        self, index: Index | None = None, max_order: int | None = None, *, top_order: bool = False
    ) -> InteractionValues:
        """Any index of the recovered series as shapiq's result object, at no further evaluation.

        Args:
            index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
            max_order: Largest interaction, a positive whole number.
            top_order: Whether to keep interactions of size max_order only.

        Raises:
            ValueError: If the index is unknown or max_order is not a positive whole number.
        """
        return to_interaction_values(
            self.series,
            index or self.index,
            self.max_order if max_order is None else max_order,
            top_order=top_order,
            estimated=self.r2_kind != "exact",
            budget=self.n_evaluations,
        )

    def to_frame(
        self,
        index: Index | None = None,
        max_order: int | None = None,
        *,
        normalise: Unit | None = None,
        by_order: bool = False,
        min_order: int = 1,
        players: Sequence[int | str] = (),
        significant: bool = False,
    ) -> pd.DataFrame:
        """The interactions as a table, strongest first, each with how far it can be trusted.

        See :mod:`shapiq_spex.uncertainty` for what the errors are estimated from.

        Args:
            index: As in :meth:`interactions`.
            max_order: Likewise.
            normalise: "change" for shares of v(N) - v(empty), "deviation" for multiples of the
                game's standard deviation over uniform coalitions, as the recovery puts it.
            by_order: Whether single players come first, then pairs, and so on.
            min_order: Smallest set shown.
            players: Only sets with all of these in them, by number or name.
            significant: Whether to show significant interactions only.

        Returns:
            A row for each non-empty interaction with the columns interaction (its players), label
            (their names, or numbers where the game gives none), order, value, standard_error (the
            root mean squared error to expect, which counts shrinkage in), lower and upper (ends of
            an interval that covers the exact value in about nine of ten cases) and significant
            (in nine of ten results none of them is false, of the single players as of the larger
            sets). Where nothing is known of the error, it is NaN and nothing is significant.

        Raises:
            ValueError: As :meth:`interactions`, or if a player or the unit is unknown or the unit
                0.
            TypeError: If players is no list of players.
        """
        import pandas as pd

        index = index or self.index
        max_order = self.max_order if max_order is None else max_order
        found = self.interactions(index, max_order)
        values = {t: float(found[t]) for t in found.interaction_lookup if t}
        trust = Assessment.of(self._uncertainty(max_order), values, index, max_order)
        keys = list(values)
        frame = pd.DataFrame(
            {
                "interaction": pd.Series(keys, dtype=object),
                "label": [self.label(t) for t in keys],
                "order": [len(t) for t in keys],
                "value": list(values.values()),
                **trust._asdict(),
            }
        )
        needed = set(self.players(players))
        wanted = np.array([len(t) >= min_order and needed <= set(t) for t in keys], dtype=bool)
        chosen = frame[wanted & (trust.significant | (not significant))]
        chosen = chosen.iloc[_strongest(chosen, by_order=by_order)].reset_index(drop=True)
        return chosen if normalise is None else _scaled(chosen, self.unit(normalise))

    def label(self, players: Iterable[int]) -> str:
        """The names of players, or their numbers where the game names none, with × between."""
        return " × ".join(str(i) if self.names is None else self.names[i] for i in players)

    def unit(self, normalise: Unit) -> float:
        """What an effect is a share of: v(N) - v(empty), or the game's standard deviation.

        The variance over uniform coalitions is that of the series and what it leaves of values
        held out; where it explains nothing of these, it is theirs.

        Raises:
            ValueError: If there is no such unit or it is 0.
        """
        if normalise not in get_args(Unit):
            msg = f"effects are normalised by {' or '.join(get_args(Unit))}, not by {normalise!r}."
            raise ValueError(msg)
        if normalise == "change":
            ends = np.array([[False] * self.series.n, [True] * self.series.n])
            size = float(np.diff(self.series(ends))[0])
        else:
            size = self._deviation()
        if size == 0:
            msg = f"effects cannot be shares of the {normalise}: it is 0."
            raise ValueError(msg)
        return size

    def _deviation(self) -> float:
        residuals = np.zeros(0) if self.residuals is None else self.residuals
        held_out = np.isfinite(residuals)
        left, energy = residuals[held_out], float(self.series.energy_by_order()[1:].sum())
        if self.r2 is not None and self.r2 <= 0 and len(left):
            return float(self.values[held_out].std())
        return float(np.sqrt(energy + (left**2).mean())) if len(left) else energy**0.5

    def players(self, group: Iterable[int | str]) -> tuple[int, ...]:
        """Players by number or name as sorted numbers.

        Raises:
            ValueError: If one is unknown or given twice.
            TypeError: If the group is no list of players.
        """
        if isinstance(group, str) or not isinstance(group, Iterable):
            msg = f"players need to come as a list of names or numbers, such as [0], got {group!r}."
            raise TypeError(msg)
        names, n = self.names or (), self.series.n
        found = [names.index(p) if isinstance(p, str) and p in names else p for p in group]
        for player in found:
            if not is_whole(player) or not 0 <= int(player) < n or found.count(player) > 1:
                msg = f"players need a name or a number from 0 to {n - 1}, each one once, got "
                msg += f"{player!r}."
                raise ValueError(msg)
        return tuple(sorted(map(int, found)))

    def _uncertainty(self, max_order: int) -> Uncertainty:
        nowhere = np.full(len(self.values), np.nan)
        residuals = nowhere if self.residuals is None else self.residuals
        if (packed := getattr(self.plan, "packed", None)) is not None:
            uniform = getattr(self.plan, "uniform", True)
            known = (residuals, self.r2) if uniform else (nowhere, None)
            return Uncertainty.of(self.series, Evidence(packed, self.values, *known), max_order)
        seen = Evidence(self.plan.coalitions, self.values, residuals, self.r2)
        near = getattr(self.plan, "near", None)
        if near is not None:
            rows = slice(near.stop, None)
            x, y = seen.coalitions, seen.values
            seen = Evidence(x[rows], y[rows], residuals[rows], self.r2, x[near])
        return Uncertainty.of(self.series, seen, max_order)

    def __repr__(self) -> str:
        """One line."""
        r2 = "unknown" if self.r2 is None else f"{self.r2:.3f} {self.r2_kind}"
        return (
            f"Recovery(n={self.series.n}, evaluations={self.n_evaluations}, "
            f"terms={len(self.series)}, r2={r2}, status={self.status!r})"
        )


def _strongest(frame: pd.DataFrame, *, by_order: bool) -> list[int]:
    """The rows in order of size, of equal ones by players."""
    rows = list(zip(frame["order"], frame["value"].abs(), frame["interaction"], strict=True))

    def place(row: int) -> tuple[int, float, tuple[int, ...]]:
        order, size, players = rows[row]
        return (order if by_order else 0, -size, players)

    return sorted(range(len(rows)), key=place)


def _scaled(frame: pd.DataFrame, unit: float) -> pd.DataFrame:
    """The effects in another unit; a negative one turns intervals round."""
    ends = ["lower", "upper"] if unit > 0 else ["upper", "lower"]
    return frame.assign(
        value=frame["value"] / unit,
        standard_error=frame["standard_error"] / abs(unit),
        lower=frame[ends[0]] / unit,
        upper=frame[ends[1]] / unit,
    )
