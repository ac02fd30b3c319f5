"""Which players to keep, or to remove, so that a recovered series is best."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice
from math import comb, inf
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from shapiq_spex.checks import is_whole
from shapiq_spex.spectral.indices import interactions
from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Selection", "optimise"]

Goal = Literal["max", "min", "change"]
Method = Literal["auto", "exhaustive", "milp", "swaps"]

_FEW_CHOICES = 20_000  # are all tried
_FEW_PRODUCTS = 200  # are left to the integer program, which gives up after so many nodes
_NODES = 1_000
_LARGEST_COST = 1e3  # the program takes 1e-6 for nothing, whatever the unit of the series
_MOEBIUS_TERMS = 20_000  # at most so many are written down to count the products
_PATIENCE = 40  # exchanges without a new best
_REST = 7  # exchanges a player is left alone after one
_SMALLEST_GAIN = 1e-12  # of the scale of the series, below which a swap is rounding


@dataclass(frozen=True)
class Selection:
    """The players chosen.

    Attributes:
        kept: The players that stay, sorted.
        removed: The players that go, sorted.
        value: The series with the kept players present.
        gap: By how much the best choice of all can be better at most: 0 if this is it, None if
            nothing is known.
        method: "exhaustive" (every choice was tried), "milp" (an integer program) or "swaps"
            (greedily, then by exchanging players).
    """

    kept: tuple[int, ...]
    removed: tuple[int, ...]
    value: float
    gap: float | None
    method: str

    @property
    def coalition(self) -> np.ndarray:
        """The kept players as a bool row (n,)."""
        row = np.zeros(len(self.kept) + len(self.removed), dtype=bool)
        row[list(self.kept)] = True
        return row


def optimise(
    series: FourierSeries,
    *,
    keep: int | None = None,
    remove: int | None = None,
    goal: Goal = "max",
    method: Method = "auto",
) -> Selection:
    """Choose which players to keep, or to remove.

    Over all x with |x| = keep, f(x) is made largest ("max") or smallest ("min"), or |f(x) - f(1)|
    largest ("change"), 1 being all players. If there are few choices, all are tried. If there are
    few products in the Moebius form f(x) = sum_T m(T) prod_{i in T} x_i, each becomes a variable
    y_T of an integer program, with y_T <= x_i for i in T and y_T >= sum_{i in T} x_i - |T| + 1.
    Else players are added, and in a second run removed, one at a time, and from each result on a
    kept player is exchanged for another again and again (tabu search); the best one met is taken.

    Args:
        series: The function, over n players.
        keep: How many players stay, 0 to n.
        remove: How many players go, instead of ``keep``.
        goal: "max", "min" or "change".
        method: "exhaustive", "milp", "swaps", or "auto" for the first that is cheap.

    Returns:
        The choice, how it was found and how far from the best it can be.

    Raises:
        ValueError: Unless exactly one of keep and remove is given, in its range, and goal and
            method are known.

    Examples:
        >>> series = FourierSeries.from_terms(3, {(0,): -1.0, (1,): -0.9, (0, 1): -0.5, (2,): -0.6})
        >>> optimise(series, keep=2)
        Selection(kept=(0, 2), removed=(1,), value=1.2, gap=0.0, method='exhaustive')
        >>> optimise(series, remove=1, goal="change").removed
        (2,)
    """
    kept = _number_kept(series.n, keep, remove)
    _check_choice("goal", goal, get_args(Goal))
    _check_choice("method", method, get_args(Method))
    if goal == "change":
        whole = float(series(np.ones((1, series.n), dtype=bool))[0])
        up, down = (_largest(sign * series, kept, method, sign) for sign in (1.0, -1.0))
        return max(_towards(up, down, whole), _towards(down, up, whole), key=lambda x: x[0])[1]
    sign = 1.0 if goal == "max" else -1.0
    return _largest(sign * series, kept, method, sign)


def _towards(one: Selection, other: Selection, whole: float) -> tuple[float, Selection]:
    """How far one choice is from the whole, and the choice with the gap of both directions."""
    change = abs(one.value - whole)
    if one.gap is None or other.gap is None:
        return change, Selection(one.kept, one.removed, one.value, None, one.method)
    most = max(change + one.gap, abs(other.value - whole) + other.gap)
    return change, Selection(one.kept, one.removed, one.value, most - change, one.method)


def _largest(series: FourierSeries, keep: int, method: Method, sign: float) -> Selection:
    """The selection that makes the series largest; its value is told times sign."""
    products = None
    if method == "auto":
        method = "swaps"
        if comb(series.n, keep) <= _FEW_CHOICES:
            method = "exhaustive"
        elif (products := _products(series)) is not None and len(products) <= _FEW_PRODUCTS:
            method = "milp"
    gap: float | None = None
    if method == "exhaustive":
        row, gap = _best_of_all(series, keep), 0.0
    elif method == "milp":
        row, gap = _by_milp(series, keep, products)
    else:
        row = _by_swaps(series, keep)
    value = float(series(row[np.newaxis])[0])
    players = np.arange(series.n)
    kept, removed = tuple(players[row].tolist()), tuple(players[~row].tolist())
    return Selection(kept, removed, sign * value, gap, method)


# ---------------------------------------------------------------------- every choice
def _best_of_all(series: FourierSeries, keep: int) -> np.ndarray:
    best, found = -inf, np.zeros(series.n, dtype=bool)
    for rows in _choices(series.n, keep):
        values = series(rows)
        if values.max() > best:
            best, found = values.max(), rows[values.argmax()]
    return found


def _choices(n: int, keep: int) -> Iterator[np.ndarray]:
    """All coalitions of a size, a few thousand at a time."""
    rest = combinations(range(n), keep)
    while some := list(islice(rest, 4096)):
        rows = np.zeros((len(some), n), dtype=bool)
        np.put_along_axis(
            rows, np.array(some, dtype=np.int64).reshape(len(some), keep), values=True, axis=1
        )
        yield rows


# ---------------------------------------------------------------------- integer programming
def _products(series: FourierSeries) -> dict[tuple[int, ...], float] | None:
    """The Moebius form, without zeros; None if there are too many terms to write down."""
    if (2.0**series.degrees).sum() > _MOEBIUS_TERMS:
        return None
    terms = interactions(series, "Moebius", max(1, int(series.degrees.max(initial=1))))
    rounding = 1e-13 * np.abs(series.coefficients).sum()
    return {players: m for players, m in terms.items() if abs(m) > rounding and players}


def _by_milp(
    series: FourierSeries, keep: int, products: dict[tuple[int, ...], float] | None
) -> tuple[np.ndarray, float | None]:
    """The best choice and 0, or the best one found and how much better another can be."""
    if products is None:
        terms = interactions(series, "Moebius", max(1, int(series.degrees.max(initial=1))))
        products = {players: m for players, m in terms.items() if players}
    fallback = _by_swaps(series, keep)
    gains = np.zeros(series.n)
    for players, m in products.items():
        if len(players) == 1:
            gains[players] += m
    larger = {players: m for players, m in products.items() if len(players) > 1}
    costs = -np.concatenate([gains, list(larger.values())])
    unit = float(np.abs(costs).max(initial=0.0)) / _LARGEST_COST or 1.0
    result = milp(
        costs / unit,
        integrality=np.r_[np.ones(series.n), np.zeros(len(larger))],
        bounds=Bounds(0, 1),
        constraints=_constraints(series.n, keep, larger),
        options={"node_limit": _NODES, "mip_rel_gap": 0.0},
    )
    found = fallback
    if result.x is not None:
        chosen = np.zeros(series.n, dtype=bool)
        chosen[np.argsort(-result.x[: series.n], kind="stable")[:keep]] = True
        found = max(fallback, chosen, key=lambda row: float(series(row[np.newaxis])[0]))
    if result.status == 0:
        return found, 0.0
    bound = getattr(result, "mip_dual_bound", None)
    if bound is None or not np.isfinite(bound):
        return found, None
    nothing = float(series(np.zeros((1, series.n), dtype=bool))[0])
    return found, max(0.0, nothing - unit * bound - float(series(found[np.newaxis])[0]))


def _constraints(n: int, keep: int, larger: dict[tuple[int, ...], float]) -> list[LinearConstraint]:
    """|x| = keep, and each product is at most (if it gains) or at least what it should be."""
    rows: list[int] = []
    columns: list[int] = []
    entries: list[float] = []
    least: list[float] = []
    for number, (players, m) in enumerate(larger.items()):
        y = n + number
        if m > 0:  # sum over one player: x_i - y >= 0
            for player in players:
                rows += [len(least)] * 2
                columns += [player, y]
                entries += [1.0, -1.0]
                least.append(0.0)
        else:  # y - sum x_i >= 1 - |T|
            rows += [len(least)] * (1 + len(players))
            columns += [y, *players]
            entries += [1.0, *[-1.0] * len(players)]
            least.append(1.0 - len(players))
    size = np.r_[np.ones(n), np.zeros(len(larger))]
    constraints = [LinearConstraint(size, keep, keep)]
    if least:
        shape = (len(least), n + len(larger))
        matrix = csr_array((entries, (rows, columns)), shape=shape)
        constraints.append(LinearConstraint(matrix, least, np.inf))
    return constraints


# ---------------------------------------------------------------------- greedily, with swaps
def _by_swaps(series: FourierSeries, keep: int) -> np.ndarray:
    both = [_Walk(series, start, keep).swapped() for start in (False, True)]
    return max(both, key=lambda row: float(series(row[np.newaxis])[0]))


class _Walk:
    """A coalition that moves uphill.

    With c_S = F(S) chi_S(x), taking player i in or out changes f by g_i = -2 sum_{S with i} c_S,
    and exchanging i and j by g_i + g_j + 4 sum_{S with i, j} c_S.
    """

    def __init__(self, series: FourierSeries, start: bool, keep: int) -> None:
        self.sets = csr_array(series.support.astype(np.float64))
        self.smallest = _SMALLEST_GAIN * np.abs(series.coefficients).sum()
        self.row = np.full(series.n, start)
        signs = -1.0 if start else 1.0
        self.signed = series.coefficients * signs**series.degrees
        for _ in range(abs(int(self.row.sum()) - keep)):
            gains = np.where(self.row == start, self.gains(), -inf)
            self.flip(int(gains.argmax()))

    def gains(self) -> np.ndarray:
        return np.asarray(-2.0 * (self.sets.T @ self.signed))

    def flip(self, player: int) -> None:
        self.row[player] = not self.row[player]
        holding = self.sets[:, [player]].toarray()[:, 0] > 0
        self.signed = np.where(holding, -self.signed, self.signed)

    def swapped(self) -> np.ndarray:
        """The best row met when the best pair is exchanged again and again (tabu search).

        An exchange may be a loss, or the walk would end at the first local optimum; who was
        exchanged rests for some steps, or it would go straight back.
        """
        best, height, highest, resting = self.row.copy(), 0.0, 0.0, np.zeros(len(self.row))
        step, last = 0, 0
        while step - last <= _PATIENCE and self.row.any() and not self.row.all():
            kept, gone = np.flatnonzero(self.row), np.flatnonzero(~self.row)
            change = self.changes(kept, gone)
            change[resting[kept] > step] = -inf
            change[:, resting[gone] > step] = -inf
            i, j = np.unravel_index(change.argmax(), change.shape)
            if change[i, j] == -inf:
                break
            height += change[i, j]
            for player in (kept[i], gone[j]):
                self.flip(int(player))
                resting[player] = step + 1 + min(_REST, len(self.row) // 4)
            step += 1
            if height > highest + self.smallest:
                best, highest, last = self.row.copy(), height, step
        return best

    def changes(self, kept: np.ndarray, gone: np.ndarray) -> np.ndarray:
        """What exchanging each kept player for each that is gone gives, (kept, gone)."""
        gains = self.gains()
        weighted = csr_array(self.sets[:, kept].multiply(self.signed[:, np.newaxis]))
        shared = (weighted.T @ self.sets[:, gone]).toarray()
        return np.asarray(gains[kept][:, np.newaxis] + gains[gone] + 4.0 * shared)


# ---------------------------------------------------------------------- checks
def _number_kept(n: int, keep: int | None, remove: int | None) -> int:
    number = keep if remove is None else remove
    if (keep is None) == (remove is None) or not is_whole(number) or not 0 <= number <= n:  # type: ignore[operator]
        msg = (
            f"optimise needs exactly one of keep and remove, a whole number from 0 to {n}, "
            f"got keep={keep!r} and remove={remove!r}."
        )
        raise ValueError(msg)
    return int(number) if remove is None else n - int(number)  # type: ignore[arg-type]


def _check_choice(name: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        msg = f"optimise needs a {name} among {', '.join(allowed)}, got {given!r}."
        raise ValueError(msg)
