"""One call that puts a result to the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.checks import whole
from shapiq_spex.methods import checked_approximator
from shapiq_spex.spectral.refit import ridge_refit
from shapiq_spex.validation.annotation import precision
from shapiq_spex.validation.curves import curves
from shapiq_spex.validation.faithfulness import faithfulness
from shapiq_spex.validation.nulls import null_control
from shapiq_spex.validation.purse import Purse
from shapiq_spex.validation.spots import checked_contexts, spots, strongest
from shapiq_spex.validation.stability import halves, other_seeds, same_method
from shapiq_spex.validation.verdict import Validation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapiq_spex.approximator import SpectralApproximator
    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index

MOST = 10  # reported interactions that are compared
# Of the budget; what they leave goes to faithfulness.
SHARES = {"spots": 0.4, "curves": 0.2, "seeds": 0.2}


def validate(
    result: Recovery,
    game: Any,
    *,
    budget: int = 300,
    top: int = 5,
    contexts: int = 8,
    repeats: int = 3,
    annotated: Sequence[Sequence[int | str]] = (),
    index: Index | None = None,
    max_order: int | None = None,
    approximator: SpectralApproximator | None = None,
    random_state: int = 0,
) -> Validation:
    """Ask whether a result can be believed.

    - Faithfulness: R² on new coalitions at several keep-probabilities and near the full input, of
      the series and of the best additive one on the same values.
    - Removal and insertion of the players the series chooses, against those that rank highest in
      the additive one, and chance.
    - Spot checks: the strongest interactions, each tested by real ablations; see `spot_check`.
    - Stability: whether both halves of the result's masks show the same, and whether the method
      finds it again with other seeds. For those the game is asked if a fifth of the budget pays
      for a whole run; else games drawn from the result stand in ("simulated"); see
      :mod:`shapiq_spex.validation.stability`.
    - Null control: how many significant interactions the same method reports on as many masks
      where the values are shuffled, and in an additive game with the same main effects. The masks
      are those of the result unless the method chooses them by their values or stopped at a
      tolerance; see :func:`shapiq_spex.validation.nulls.null_control`.
    - Annotation: whether the reported interactions lie within groups of players known to belong
      together, and whether the strongest interactions are made of these players.

    Reported are the ten strongest significant interactions of two players or more, and the ten
    strongest where none is significant; the tests begin with the significant ones, too.

    Known coalitions, those of the result, of this run and of an `Evaluator` in front of the game,
    are never evaluated again and cost nothing; null control and annotation need none.

    Args:
        result: What was recovered.
        game: The game it was recovered from.
        budget: How many unknown coalitions may be evaluated, 0 or more.
        top: How many interactions are tested.
        contexts: Random contexts of each.
        repeats: How many null games of each kind, other seeds, and ways to halve the masks; with
            0 none of that is done.
        annotated: Groups of players, by number or name.
        index: Index that says which interactions are strongest; the result's own if left out.
        max_order: Likewise, at least 2.
        approximator: The method that runs again, for as many players and with no more coalitions
            than the result; that of the result's ledger if left out.
        random_state: Seed of everything random.

    Raises:
        ValueError: If a number is not whole, the game has another number of players, an annotated
            player is unknown, the method of the result is, or the approximator does not fit the
            result.
        TypeError: If the game, the approximator or an annotated group is none.
            Exceptions of the game pass through.

    Example:
        >>> from shapiq_spex import ProxySPEX
        >>> game = lambda x: 3.0 * x[:, 0] * x[:, 1] - x[:, 2]
        >>> found = ProxySPEX(n=12, random_state=0).recover(100, game)
        >>> checked = validate(found, game, budget=200)
        >>> table = checked.to_frame().set_index("at")
        >>> half = table.loc["50% kept"]
        >>> print(f"{half['result']:.2f}", half["main_effects"] < 0.9)
        1.00 True
        >>> table.loc["additive game", ["result", "chance"]].tolist(), checked.n_new <= 200
        ([1.0, 0.0], True)
    """
    budget, contexts = whole("validate", "budget", budget, 0), checked_contexts(contexts)
    top, repeats = whole("validate", "top", top, 0), whole("validate", "repeats", repeats, 0)
    _check_game(result, game)
    method = _method(result, approximator, repeats)
    rng = np.random.default_rng(whole("validate", "random_state", random_state, 0))
    index = index or ("BII" if result.index in ("SV", "BV") else result.index)
    max_order = max(2, result.max_order if max_order is None else max_order)
    how: dict[str, Any] = {"index": index, "max_order": max_order}
    reported = result.to_frame(**how, min_order=2, significant=True)["interaction"].tolist()[:MOST]
    reported = reported or strongest(result, MOST, **how)
    known = precision(result, reported, annotated, **how) if annotated else None
    purse, sets = Purse(game, result, budget), strongest(result, top, **how)
    share = {check: int(part * budget) for check, part in SHARES.items()}
    tested = spots(result, purse, sets, count=share["spots"], contexts=contexts, rng=rng)
    n = result.series.n
    main = ridge_refit(np.eye(n, dtype=bool), result.plan.coalitions, result.values)
    moved = curves(result.series, main, purse, share["curves"], rng)
    how |= {"repeats": repeats, "rng": rng}
    others = other_seeds(result, method, reported, purse, share["seeds"], **how)
    faithful = faithfulness(result.series, main, purse, rng)
    return Validation(
        faithful,
        moved,
        tested,
        (halves(result, method, reported, **how), others),
        null_control(result, method, **how),
        known,
        purse.n_new,
        budget,
    )


def _check_game(result: Recovery, game: Any) -> None:
    if not callable(game):
        msg = (
            "validate needs the game of the result, a function from coalitions to values, got "
            f"{game!r}; a table of retrainings has none, and its R² is already one of rows held "
            "out."
        )
        raise TypeError(msg)
    n, players = result.series.n, getattr(game, "n_players", result.series.n)
    if players != n:
        msg = f"validate needs the game of the result, with n={n} players, but it has {players}."
        raise ValueError(msg)


def _method(result: Recovery, given: Any, repeats: int) -> SpectralApproximator | None:
    """What runs again, None if nothing does."""
    if given is None and not repeats:
        return None
    method = same_method(result) if given is None else checked_approximator("validate", given)
    name, n, least = type(method).__name__, result.series.n, method.least_budget
    if method.n != n:
        msg = f"validate needs an approximator for the n={n} players of the result, got {name} "
        msg += f"for n={method.n}."
        raise ValueError(msg)
    if least > result.n_evaluations:
        msg = (
            f"validate runs the approximator with as many coalitions as the result has, "
            f"{result.n_evaluations}, but {name} needs at least {least} for n={n} players."
        )
        raise ValueError(msg)
    return method if repeats else None
