"""A game that pays for every coalition once and loses nothing."""

from __future__ import annotations

import copy
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import numpy as np
from shapiq import Game

from shapiq_spex.checks import whole
from shapiq_spex.evaluation.bars import progress_bar
from shapiq_spex.evaluation.batches import Pending, evaluated
from shapiq_spex.evaluation.engines import n_workers
from shapiq_spex.evaluation.estimate import Estimate, estimated
from shapiq_spex.evaluation.identity import identity_of, warn_of_namesakes
from shapiq_spex.evaluation.keys import coalitions_of, keys_of
from shapiq_spex.evaluation.locks import ProcessLock
from shapiq_spex.evaluation.outputs import KnownOutputs
from shapiq_spex.evaluation.protocol import (
    aggregated,
    check_path,
    gives_outputs,
    number_of_players,
    silenced,
)
from shapiq_spex.evaluation.store import Store

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from shapiq_spex.evaluation.protocol import Aggregate

__all__ = ["Evaluator"]

_ROWS_A_BATCH = 256
_BATCHES_A_WORKER = 4  # so that a slow one does not keep the others waiting for long


class Evaluator(Game):
    """A game that evaluates every coalition of another game once, and keeps what it has paid for.

    It stands wherever a game does: in front of SPEX, ProxySPEX, and all that shapiq has. Its values
    are those of the game, bit for bit; a coalition that was evaluated before, also in a run that
    was killed, is looked up. Batches run wherever ``joblib.parallel_config`` says: here, in
    threads or processes, on a cluster. Their values are recorded as they arrive; a batch whose
    worker died is run again (loky ends all its workers with one, so there it is the few batches
    under way), one that does not fit into memory is halved, and so are all after it.

    A game that has ``outputs(coalitions)``, a matrix (m, k), and ``aggregate(outputs)``, m values,
    is asked for its outputs, and these are kept: :meth:`reading` makes other values of them later.

    What decides the values is read from the game's attribute ``identity``, a dictionary, and
    checked when a store is opened again. Without that attribute the game is known by the name of
    its class or function, its number of players and their names only, so give each such game a
    file of its own.

    While the game runs, its own bar (``progress``, ``verbose``) is switched off.

    Args:
        game: A shapiq.Game, or a function from bool (m, n) to (m,), (m, 1) or (m, k) numbers. The
            value of a coalition must not depend on the other rows. With threads it is called from
            several at a time; for processes it is pickled, and unpacked once in each.
        n_players: The number of players n; a shapiq.Game tells it.
        store: A file that keeps the values beyond this process; see `Store`. Processes on one
            machine may share it; only batches they begin at the same moment are paid for twice.
        batch_size: The most coalitions the game gets at once. By default 256, and fewer where
            there are workers to be kept busy.
        progress: Whether to show a bar.

    Attributes:
        progress: Whether a bar is shown.
        keeps_values: True: nothing is gained by asking in small portions.

    Raises:
        TypeError: If the game cannot be called, its identity is no dictionary for JSON, or the
            store no path.
        ValueError: If the number of players is missing or contradicts the game's, if the batch
            size is no positive number, or if the store refuses; see `Store`.
        OSError: If the store cannot be opened.

    Warns:
        UserWarning: If the game says nothing of its identity and there is a store.

    Examples:
        >>> evaluator = Evaluator(lambda x: x.sum(axis=1), 3, progress=False)
        >>> evaluator(np.array([[True, True, False], [False, True, False], [True, True, False]]))
        array([2., 1., 2.])
        >>> evaluator.n_requested, evaluator.n_evaluated
        (2, 2)
    """

    keeps_values: ClassVar[bool] = True

    def __init__(
        self,
        game: Any,
        n_players: int | None = None,
        *,
        store: str | os.PathLike[str] | None = None,
        batch_size: int | None = None,
        progress: bool = True,
    ) -> None:
        """See the class."""
        n = number_of_players(game, n_players)
        super().__init__(n, normalize=False)
        if gives_outputs(game):  # only what a call gives has been centred already
            self.normalization_value = float(getattr(game, "normalization_value", 0.0))
        self.player_name_lookup = dict(getattr(game, "player_name_lookup", {}))
        self._game = game
        self.progress = progress
        self._aggregate: Aggregate | None = game.aggregate if gives_outputs(game) else None
        self._rows_at_most = (
            None if batch_size is None else whole("Evaluator", "batch_size", batch_size)
        )
        self._token = uuid4().hex
        self._turn = ProcessLock()
        if store is not None:
            check_path(store)
            warn_of_namesakes(game, store)
        self._known = KnownOutputs(None if store is None else Store(store, identity_of(game, n)))

    @property
    def game(self) -> Any:
        """The game whose values these are."""
        return self._game

    @property
    def store(self) -> Store | None:
        """The store, None if there is none."""
        return self._known.store

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the values, as far as the game says."""
        return identity_of(self.game, self.n_players)

    @property
    def n_requested(self) -> int:
        """How many distinct coalitions were asked for and answered, whoever paid for them."""
        return self._known.n_asked

    @property
    def n_evaluated(self) -> int:
        """How many coalitions the game was really run on, for this object and its readings."""
        return self._known.n_evaluated

    @property
    def n_from_store(self) -> int:
        """How many coalitions had been paid for before, or by another process."""
        return self._known.n_from_store

    @property
    def empty_coalition_value(self) -> float:
        """The value with every player absent."""
        return float(self(self.empty_coalition[np.newaxis])[0])

    @property
    def grand_coalition_value(self) -> float:
        """The value with every player present."""
        return float(self(self.grand_coalition[np.newaxis])[0])

    def __call__(self, coalitions: Any, *, verbose: bool = False) -> NDArray[np.float64]:
        """Return the values of coalitions, in any form shapiq knows.

        Args:
            coalitions: Bool or 0/1 (m, n), or players' numbers or names in tuples.
            verbose: Ignored: shapiq would evaluate one coalition at a time, and there is a bar.

        Raises:
            Exception: As :meth:`outputs`.
        """
        del verbose
        return super().__call__(coalitions)

    def value_function(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the values of coalitions, (m, n) to float64 (m,); errors as :meth:`outputs`."""
        return self.aggregate(self.outputs(coalitions))

    def outputs(self, coalitions: Any) -> NDArray[np.float64]:
        """Return all the game gives for each coalition.

        Args:
            coalitions: As for a call.

        Returns:
            Float64 of shape (m, k); k is 1 for a game that gives one number.

        Raises:
            ValueError: If the game gives NaN or infinity, or another shape.
            RuntimeError: If workers died three times on the same batch.
            OSError: If the store cannot be written, for example because the disk is full.
            Exception: What the game raised.

        Whatever breaks off, Ctrl-C included, nothing that was paid is lost: the same call again
        pays for the rest only. The exception says how much there is and where, and has it in its
        ``evaluated_coalitions`` (d, n) and ``evaluated_values`` (d,), or (d, k) where k > 1.
        """
        keys = self._keys(coalitions)
        with self._turn():
            try:
                self._known.save()
                if missing := self._known.missing(keys):
                    self._pay(missing, n_asked=len(set(keys)))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):  # it may have come while recording
                    with suppress(OSError):
                        self._known.save()
                self._known.put_into(error, keys, self.n_players)
                raise
            return self._known.answer(keys)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Make one value of each row of outputs.

        Args:
            outputs: Float64 (m, k).

        Raises:
            ValueError: If k > 1 and no one has said how, or if a value is NaN or infinite.
        """
        return aggregated(outputs, self._aggregate)

    def reading(self, aggregate: Aggregate) -> Evaluator:
        """Return this game with another way to make one value of the outputs.

        It shares everything with this one; a coalition paid for by either is paid for both.

        Args:
            aggregate: Function from outputs, float64 (m, k), to m values.

        Examples:
            >>> both = Evaluator(lambda x: np.c_[x[:, 0], x.sum(axis=1)], 2, progress=False)
            >>> first, size = (both.reading(lambda y, i=i: y[:, i]) for i in range(2))
            >>> row = np.array([[True, True]])
            >>> first(row), size(row), both.n_evaluated
            (array([1.]), array([2.]), 1)
        """
        other = copy.copy(self)
        other._aggregate = aggregate
        other.normalization_value = 0.0
        return other

    def missing(self, coalitions: Any) -> NDArray[np.bool_]:
        """Return those coalitions that would have to be paid for, distinct, as bool (d, n)."""
        return coalitions_of(self._known.missing(self._keys(coalitions)), self.n_players)

    def estimate(self, budget: int, *, price: float | None = None) -> Estimate:
        """Say what evaluating ``budget`` coalitions will cost, before it is paid.

        Four rounds of random coalitions, together about a twelfth of the budget, are evaluated
        where ``joblib.parallel_config`` says, and kept. The first warms up, the others are timed.
        Tokens are counted if the game has ``n_tokens(coalitions)``, numbers (m,).

        Args:
            budget: Number of coalitions.
            price: Dollars per million tokens; the game's attribute ``price``, if it has one, when
                left out.

        Raises:
            ValueError: If the budget is no positive whole number.
            Exception: As :meth:`outputs`.

        Examples:
            >>> evaluator = Evaluator(lambda x: x.sum(axis=1), 30)
            >>> evaluator.estimate(1000).masks, evaluator.n_evaluated
            (1000, 80)
        """
        budget = whole("Evaluator", "budget", budget)
        quiet = copy.copy(self)
        quiet.progress = False
        size = n_workers() * self._rows_a_batch(budget)
        price = getattr(self.game, "price", None) if price is None else price
        return estimated(quiet, budget, size, price)

    def close(self) -> None:
        """Close the store's file; it is opened again when it is needed again."""
        self._known.close()

    def __enter__(self) -> Evaluator:
        """Return the evaluator."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store's file."""
        self.close()

    def __repr__(self) -> str:
        """What was asked and what was paid."""
        return (
            f"Evaluator({type(self.game).__name__}, {self.n_players} players, "
            f"requested={self.n_requested}, evaluated={self.n_evaluated}, "
            f"from_store={self.n_from_store})"
        )

    def _keys(self, coalitions: Any) -> list[bytes]:
        return keys_of(self._check_coalitions(coalitions).astype(bool, copy=False))

    def _rows_a_batch(self, m: int) -> int:
        """A number that the clock has no part in: other batches may change the last digits."""
        size = self._rows_at_most
        if size is None:
            workers = n_workers()
            share = -(-m // (_BATCHES_A_WORKER * workers)) if workers > 1 else m
            size = min(_ROWS_A_BATCH, max(1, share))
        return int(min(size, self._known.fits))

    def _pay(self, missing: list[bytes], n_asked: int) -> None:
        """Run the game on what is missing, and record every batch when it is there."""
        size = self._rows_a_batch(len(missing))
        pending = Pending(missing, size, self._known.missing)
        results = evaluated(pending, self.game, self.n_players, self._token)
        known = n_asked - len(missing)
        try:
            with (
                progress_bar(self.progress, n_asked, known) as show,
                silenced(self.game),
                closing(results),
            ):
                for batch, outputs in results:
                    self._known.n_evaluated += len(batch.keys)
                    known += len(batch.keys)
                    show(len(batch.keys))
                    try:
                        if not self._record(batch.keys, outputs):
                            pending.part_ways()
                    except Exception as error:  # raised when all that runs is in
                        pending.fail(error)
                show(n_asked - known)  # what other processes did meanwhile
        finally:
            if pending.size < size:
                self._known.fits = pending.size

    def _record(self, keys: list[bytes], outputs: NDArray[np.float64]) -> bool:
        finite = np.isfinite(outputs).all(axis=1)
        first = self._known.record([keys[i] for i in np.flatnonzero(finite)], outputs[finite])
        if not finite.all():
            msg = (
                "A game needs to return finite values, got NaN or infinity for "
                f"{int((~finite).sum())} of {len(keys)} coalitions."
            )
            raise ValueError(msg)
        return first
