"""Where games and algorithms meet: the method chosen, many players narrowed down to a few."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from shapiq_spex.checks import whole
from shapiq_spex.choice import Chosen
from shapiq_spex.evaluation import Evaluator
from shapiq_spex.games import Subgame, groups_of
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.spex import SPEX
from shapiq_spex.stages import Refinement, Stage, run_stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from shapiq_spex.approximator import SpectralApproximator
    from shapiq_spex.games.subgame import Groups
    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index

    Level: TypeAlias = str | re.Pattern[str] | Groups
    Units: TypeAlias = dict[str, tuple[int, ...]]

__all__ = ["METHODS", "explain", "refine", "screen"]

METHODS: dict[str, Callable[..., SpectralApproximator]] = {
    "auto": Chosen,
    "proxyspex": ProxySPEX,
    "spex": SPEX,
}


def explain(
    game: Any,
    budget: int,
    *,
    method: Literal["auto", "proxyspex", "spex"] = "auto",
    index: Index = "k-SII",
    max_order: int = 2,
    random_state: int | None = None,
    tolerance: float | None = None,
) -> Recovery:
    """Recover a game by the method that suits it; `reason` of the result says which and why.

    See :class:`shapiq_spex.choice.Chosen` for how the choice is made. No coalition is evaluated
    twice. Where an `Evaluator` keeps the values in a store, the settings are noted down there, so
    that :func:`shapiq_spex.rebuild.rebuild` makes the result again without the game.

    Args:
        game: A shapiq.Game, an `Evaluator`, or anything else that tells its ``n_players``.
        budget: Number of distinct coalitions that may be evaluated.
        method: "auto", or a method by name.
        index: What the result's interactions are unless told otherwise.
        max_order: Largest interaction, likewise.
        random_state: Seed of everything random.
        tolerance: Gain of R² by twice as many coalitions, in (0, 1), at which to stop before the
            budget is spent; the method is ProxySPEX then. None to spend it.

    Raises:
        ValueError: If the method is unknown, or is SPEX and there is a tolerance, the game does not
            tell its number of players, or a setting is refused; see ``recover`` of the method.
            Exceptions of the game pass through.

    Examples:
        >>> from shapiq_spex import Evaluator
        >>> game = Evaluator(lambda x: 2.0 * x[:, 1] * x[:, 7], 20, progress=False)
        >>> found = explain(game, 300, random_state=0)
        >>> found.to_frame("SII").interaction[0], found.reason
        ((1, 7), 'ProxySPEX: half the budget pays for no coded design of degree 3')
        >>> explain(game, 4000, random_state=0, tolerance=0.01).reason
        'levelled off at ... of 4000 coalitions: R² gained 0.00...'
    """
    if method not in METHODS:
        msg = f"explain needs a method among {', '.join(METHODS)}, got {method!r}."
        raise ValueError(msg)
    game = _paid_once(game)
    approximator = METHODS[method](
        n=game.n_players, index=index, max_order=max_order, random_state=random_state
    )
    return approximator.recover(budget, game, tolerance=tolerance)


def refine(
    game: Any,
    *levels: Level,
    budget: int,
    keep: int = 3,
    approximator: Callable[..., Any] = ProxySPEX,
    random_state: int | None = None,
) -> Refinement:
    """Explain a game of many players from coarse to fine.

    First the units of the coarsest level are the players; the ``keep`` units with the largest total
    effect go on, and of the next level only units within these, with everything else present. The
    last stage is about the players themselves. The budget is shared out evenly; what a stage
    leaves, because it has fewer coalitions, goes to the later ones. Equal coalitions of several
    stages are evaluated once.

    A unit that matters only where other units are absent may be dropped, and so is one that has a
    total effect below what the budget can tell from none: see ``r2`` in the ledger.

    Args:
        game: A `TextGame`, an `Evaluator` or a `Subgame` of one, or any game of players.
        levels: The units from coarse to fine: "paragraphs", "sentences", "parts" or a pattern for a
            game of text, or groups of players, as a list of lists or by name. Players of no unit
            stay present. By default "sentences".
        budget: Number of coalitions for all stages together.
        keep: How many units of a level are looked into.
        approximator: `ProxySPEX`, `SPEX`, or a ``functools.partial`` of one with more settings.
        random_state: Seed of everything random.

    Raises:
        TypeError: If the approximator cannot recover a game, if the game does not tell its number
            of players, or if it has no text and the units are not given as groups of players.
        ValueError: If the budget does not suffice for a stage, which a note names, or if it or
            ``keep`` is no positive whole number. Exceptions of the game itself pass through.

    Examples:
        >>> from shapiq_spex import Evaluator
        >>> game = Evaluator(lambda x: 2.0 * x[:, 1] * x[:, 7], 12, progress=False)
        >>> quarters = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
        >>> found = refine(game, quarters, budget=80, keep=2, random_state=0)
        >>> [stage.players for stage in found.stages[:1]]
        [(0, 1, 2, 6, 7, 8)]
        >>> found.stages[-1].to_frame("k-SII", 2).interaction[0]
        '1 × 7'
    """
    left, keep = whole("refine", "budget", budget), whole("refine", "keep", keep)
    game, stages = _paid_once(game), list[Stage]()
    todo = [_units(game, level) for level in levels or ("sentences",)]
    todo.append(("players", _singles(game)))
    asked: set[bytes] = set()
    alive = {player for players in todo[0][1].values() for player in players}
    for number, (name, units) in enumerate(todo):
        stages_left = len(todo) - number
        stage = run_stage(
            name,
            Subgame(game, _within(units, alive)),
            keep=keep if stages_left > 1 else None,
            budget=left // stages_left,
            method=partial(approximator, random_state=random_state),
            asked=asked,
        )
        left -= stage.recovery.n_evaluations
        alive = set(stage.players)
        stages.append(stage)
    return Refinement(tuple(stages))


def screen(
    game: Any,
    k: int,
    budget: int,
    *,
    approximator: Callable[..., Any] = ProxySPEX,
    random_state: int | None = None,
) -> Stage:
    """Narrow a game of many players down to the k that matter most, by a cheap first pass.

    The game is recovered once from few masks and its players are ranked by their total effects.
    ``subgame`` of the result is the game between the k best, all others present, for a second pass
    with any method; its coalitions are coalitions of the whole game, so with an `Evaluator` in
    front of that nothing is paid twice.

    Args:
        game: A `TextGame`, an `Evaluator` or any other game that tells its ``n_players``.
        k: How many players to keep.
        budget: Number of coalitions for the first pass.
        approximator: `ProxySPEX`, `SPEX`, or a ``functools.partial`` of one with more settings.
        random_state: Seed of everything random.

    Raises:
        TypeError: If the approximator cannot recover a game.
        ValueError: If k or the budget is no positive whole number or the budget too small.
            Exceptions of the game itself pass through.

    Examples:
        >>> from shapiq_spex import Evaluator
        >>> game = Evaluator(lambda x: 2.0 * x[:, 1] * x[:, 7], 50, progress=False)
        >>> found = screen(game, k=2, budget=200, random_state=0)
        >>> found.players
        (1, 7)
        >>> found.subgame.n_players
        2
    """
    k, budget = whole("screen", "k", k), whole("screen", "budget", budget)
    game = _paid_once(game)
    return run_stage(
        "players",
        Subgame(game, _singles(game)),
        keep=k,
        budget=budget,
        method=partial(approximator, random_state=random_state),
        asked=set(),
    )


def _paid_once(game: Any) -> Any:
    return game if getattr(game, "keeps_values", False) else Evaluator(game, progress=False)


def _singles(game: Any) -> Units:
    names = getattr(game, "player_name_lookup", None) or map(str, range(game.n_players))
    return {name: (i,) for i, name in enumerate(names)}


def _units(game: Any, level: Level) -> tuple[str, Units]:
    """The name of a level and its groups of players by name."""
    if not isinstance(level, str | re.Pattern):
        given = Subgame(game, level)
        return "groups", dict(zip(given.names, given.groups, strict=True))
    name = level if isinstance(level, str) else level.pattern
    return name, {unit: tuple(players) for unit, players in groups_of(game, level).items()}


def _within(units: Units, alive: set[int]) -> Units:
    """The units without players that are held fixed, none of them empty."""
    left = {name: tuple(i for i in players if i in alive) for name, players in units.items()}
    return {name: players for name, players in left.items() if players}
