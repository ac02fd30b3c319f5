"""The shared loop of SPEX and ProxySPEX: check, plan, ask the game, recover, convert."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from shapiq.approximator.base import Approximator

from shapiq_spex.checks import is_whole, whole
from shapiq_spex.ledger import Meter
from shapiq_spex.result import Recovery
from shapiq_spex.spectral.coalitions import PackedCoalitions
from shapiq_spex.spectral.indices import INDICES
from shapiq_spex.spectral.known import Known
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spectral.walsh import MAX_TABLE_PLAYERS, all_coalitions

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapiq.interaction_values import InteractionValues

    from shapiq_spex.spectral.indices import Index

    Game = Callable[[np.ndarray], np.ndarray]  # a shapiq.Game is one

BLOCK_ROWS = 64  # what a game that keeps nothing can lose when it fails
BLOCK_CELLS = 2**27  # coalitions x players unpacked at once for a game that keeps its values


@dataclass(frozen=True)
class CompletePlan:
    """Every coalition once."""

    coalitions: np.ndarray

    def __str__(self) -> str:
        """One line."""
        m, n = self.coalitions.shape
        return f"all {m} coalitions of {n} players"


@dataclass(frozen=True)
class DescribedPlan:
    """Coalitions, and in words how they were drawn."""

    coalitions: np.ndarray
    drawn: str

    def __str__(self) -> str:
        """One line."""
        m, n = self.coalitions.shape
        return f"{m} distinct coalitions of {n} players: {self.drawn}"


class SpectralApproximator(Approximator):
    """Recovers a game as a sparse Fourier series and converts it into an interaction index.

    A subclass says which coalitions it wants and how it recovers the series; see
    :meth:`_recover`. The object holds settings only: nothing in it changes, so a second call with
    the same game gives the same answer, also where ``random_state`` was left out.
    """

    valid_indices: ClassVar[tuple[Index, ...]] = INDICES

    def __init__(
        self,
        *,
        n: int,
        max_order: int = 2,
        index: Index = "k-SII",
        top_order: bool = False,
        random_state: int | None = None,
    ) -> None:
        """See the subclasses."""
        n, max_order = _check_settings(type(self).__name__, n, max_order, index, random_state)
        super().__init__(
            n=n,
            max_order=max_order,
            index=index,
            top_order=top_order,
            random_state=random_state,
            # shapiq's own lookup enumerates all interactions, its weights overflow at n = 1,030.
            initialize_dict=False,
            sampling_weights=np.full(n + 1, 1.0 / (n + 1)),
        )
        self._entropy: int = np.random.SeedSequence().generate_state(2, np.uint64).tolist()[0]

    def approximate(self, budget: int, game: Game, **_: Any) -> InteractionValues:
        """The index of the recovered game, as shapiq's result object.

        Args:
            budget: Number of distinct coalitions that may be evaluated.
            game: A shapiq.Game, or a function from bool (m, n) to numbers (m,).

        Raises:
            ValueError: As :meth:`recover`.
        """
        return self.recover(budget, game).interactions(
            self.index, self.max_order, top_order=self.top_order
        )

    def recover(self, budget: int, game: Game, *, tolerance: float | None = None) -> Recovery:
        """The recovered game with all that is known about it.

        The empty and the full coalition are always among those evaluated, and the series meets
        both exactly; with budget >= 2^n every coalition is evaluated and the series is exact.

        Args:
            budget: Number of distinct coalitions that may be evaluated, at least
                min(n + 2, 2^n); never exceeded.
            game: A shapiq.Game, or a function from bool (m, n) to numbers (m,).
            tolerance: Gain of R² by twice as many coalitions, in (0, 1), that is not worth them,
                for a method that can stop early: see :class:`shapiq_spex.ProxySPEX`. None to
                spend the budget.

        Raises:
            ValueError: If the budget is too small or not a whole number, the tolerance is out of
                its range or the method cannot stop early, or if the game has another number of
                players, or gives the wrong shape, NaN or infinity. This and any exception of the
                game itself carry the values already paid for in ``evaluated_coalitions`` and
                ``evaluated_values``.
        """
        self._check_budget(budget, game)
        meter, rng = Meter(game), np.random.default_rng(self.seed)
        if tolerance is None:
            found = self._recover_at_once(int(budget), meter, rng)
        else:
            found = self._recover_until(tolerance, int(budget), meter, rng)
        bill = meter.ledger(
            method=type(self).__name__,
            settings=self.settings,
            budget=int(budget),
            drawn=str(found.plan),
            reason=found.reason,
            tolerance=None if tolerance is None else float(tolerance),
        )
        names = _names(game)
        meter.leave(bill, names)
        return replace(found, ledger=bill, names=names)

    def _recover_at_once(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        if self.n <= MAX_TABLE_PLAYERS and budget >= 2**self.n:
            return self._recover_exactly(game)
        return self._recover(budget, game, rng)

    def _recover_until(
        self, tolerance: float, budget: int, game: Game, rng: np.random.Generator
    ) -> Recovery:
        """Recover from as few as will do; only some methods can."""
        del budget, game, rng
        msg = (
            f"{type(self).__name__} cannot stop early, got a tolerance of {tolerance!r}: leave it "
            "out, or take ProxySPEX."
        )
        raise ValueError(msg)

    @property
    def least_budget(self) -> int:
        """The smallest budget that will do."""
        return int(min(self.n + 2, 2 ** min(self.n, 62)))

    @property
    def seed(self) -> int:
        """The random state, or what was drawn in its place when this object was made."""
        return self._entropy if self._random_state is None else int(self._random_state)

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor has to be given for the same approximator, the seed included."""
        names = inspect.signature(type(self).__init__).parameters
        own = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return own | {"random_state": self.seed}

    @abstractmethod
    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        """Recover from fewer than 2^n coalitions."""

    def _recover_exactly(self, game: Game) -> Recovery:
        plan = CompletePlan(all_coalitions(self.n))
        values = ask(game, plan.coalitions)
        return Recovery(
            FourierSeries.from_table(values),
            plan,
            values,
            r2=1.0,
            r2_kind="exact",
            residuals=np.zeros(len(values)),
            index=self.index,
            max_order=self.max_order,
        )

    def _check_budget(self, budget: int, game: Game) -> None:
        name, least = type(self).__name__, self.least_budget
        if not is_whole(budget) or budget < least:
            msg = (
                f"{name} needs a budget that is a whole number of at least {least} coalitions "
                f"for n={self.n} players, got {budget!r}."
            )
            raise ValueError(msg)
        players = getattr(game, "n_players", self.n)
        if players != self.n:
            msg = f"{name} was made for n={self.n} players, but the game has {players}."
            raise ValueError(msg)


class Asked(Known):
    """A game asked several times in one run: each coalition is paid for once, and none is lost.

    Args:
        game: As for :func:`ask`.
        n: Number of players.
    """

    keeps_values: ClassVar[bool] = True  # so a failure keeps all that was asked, not the last part

    def __init__(self, game: Game, n: int) -> None:
        """Begin with nothing."""
        super().__init__(np.zeros((0, n), dtype=bool), np.zeros(0))
        self.game = game

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values of coalitions; errors as :func:`ask`."""
        new = self.unknown(coalitions)
        try:
            values = ask(self.game, new)
        except BaseException as error:
            _add_earlier(error, self.coalitions, self.values)
            raise
        self.add(new, values)
        return self.look_up(coalitions)


def ask(game: Game, coalitions: np.ndarray | PackedCoalitions) -> np.ndarray:
    """The values of a game, checked; what was paid for survives every failure.

    A game that keeps its own values (``keeps_values = True``) gets all coalitions at once, as far
    as they fit well into memory, any other one small block after the other.

    Args:
        game: Function from bool (m, n) to numbers (m,) or (m, 1).
        coalitions: Bool (m, n), or packed ones, which are unpacked block by block.

    Returns:
        Float64 (m,), finite.

    Raises:
        ValueError: If the game gives another shape, or NaN or infinity. This and any exception
            of the game carries ``evaluated_coalitions`` and ``evaluated_values``.

    Example:
        >>> ask(lambda x: x.sum(axis=1), np.array([[True, True], [False, True]]))
        array([2., 1.])
    """
    keeps_values = getattr(game, "keeps_values", False)
    step = max(BLOCK_CELLS // max(coalitions[:1].size, 1), 1) if keeps_values else BLOCK_ROWS
    values = np.empty(len(coalitions))
    done = 0
    try:
        for start in range(0, len(coalitions), step):
            block = coalitions[start : start + step]
            own = block.copy() if isinstance(coalitions, np.ndarray) else block
            values[start : start + len(block)] = _checked_values(game(own), len(block))
            done = start + len(block)
        _check_finite(values)
    except BaseException as error:
        if keeps_values and hasattr(error, "evaluated_values"):  # the game has said more
            _add_earlier(error, coalitions[:done], values[:done])
        else:
            keep(error, coalitions[:done], values[:done])
        raise
    return values


def keep(error: BaseException, coalitions: np.ndarray, values: np.ndarray) -> None:
    """Put what was paid for into the exception that ends the run, as :func:`ask` promises."""
    error.evaluated_coalitions = coalitions  # type: ignore[attr-defined]
    error.evaluated_values = values  # type: ignore[attr-defined]
    error.add_note(
        f"{len(values)} values had been paid for; this exception holds them as "
        "evaluated_coalitions and evaluated_values."
    )


def _add_earlier(error: BaseException, coalitions: np.ndarray, values: np.ndarray) -> None:
    """Put what was paid for by earlier calls before what the exception of the last one holds."""
    rows, known = error.evaluated_coalitions, error.evaluated_values  # type: ignore[attr-defined]
    if np.ndim(known) == 1:  # else whole outputs, which the game itself keeps
        error.evaluated_coalitions = np.concatenate([coalitions, rows])  # type: ignore[attr-defined]
        error.evaluated_values = np.concatenate([values, known])  # type: ignore[attr-defined]


def _checked_values(values: Any, m: int) -> np.ndarray:
    out = _as_real(np.asarray(values))
    if out.shape not in ((m,), (m, 1)):
        msg = f"the game needs to return one value a coalition, shape ({m},), got {out.shape}."
        raise ValueError(msg)
    return out.reshape(m)


def _as_real(values: np.ndarray) -> np.ndarray:
    msg = f"the game needs to return real numbers, got {values.dtype} values."
    if values.dtype.kind not in "biufO":  # complex numbers would be cut, texts be read
        raise ValueError(msg)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(msg) from error


def _check_finite(values: np.ndarray) -> None:
    broken = int((~np.isfinite(values)).sum())
    if broken:
        msg = (
            f"the game needs to return finite values, got NaN or infinity for {broken} of "
            f"{len(values)} coalitions."
        )
        raise ValueError(msg)


def _check_settings(
    name: str, n: int, max_order: int, index: str, random_state: int | None
) -> tuple[int, int]:
    n, max_order = whole(name, "n", n), whole(name, "max_order", max_order)
    if random_state is not None and not (is_whole(random_state) and random_state >= 0):
        msg = f"{name} needs a random_state that is None or a whole number, got {random_state!r}."
        raise ValueError(msg)
    if index not in INDICES:
        msg = f"{name} needs an index among {', '.join(INDICES)}, got {index!r}."
        raise ValueError(msg)
    return n, max_order


def _names(game: Game) -> tuple[str, ...] | None:
    """The names a game gives its players, in order; None if it names none."""
    lookup = getattr(game, "player_name_lookup", None)
    return tuple(map(str, sorted(lookup, key=lookup.__getitem__))) if lookup else None
