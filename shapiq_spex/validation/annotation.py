"""Are the strongest interactions those that people have marked?"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.spectral.indices import interactions
from shapiq_spex.validation.verdict import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index


def precision(
    result: Recovery,
    sets: Sequence[tuple[int, ...]],
    annotated: Sequence[Sequence[int | str]],
    *,
    index: Index,
    max_order: int,
) -> Precision:
    """Compare interactions with groups of players that belong together.

    Such a group may be a planted interaction, or the sentences that together hold the answer to a
    question. An interaction is right if all its players are in one group.

    Args:
        result: What was recovered.
        sets: Its strongest interactions of two players or more.
        annotated: The groups, players by number or name.
        index: The index whose interactions choose players.
        max_order: Its order.

    Raises:
        ValueError: If a player is unknown or a group has fewer than two.
        TypeError: If a group is no list of players.
    """
    groups = [_group(result, players) for players in annotated]
    marked, n = frozenset[int]().union(*groups), result.series.n
    main = interactions(result.series, "BV", 1)
    order = np.argsort([-abs(main.get((i,), 0.0)) for i in range(n)], kind="stable").tolist()
    pairs = sorted(combinations(range(n), 2), key=lambda t: order.index(t[0]) + order.index(t[1]))
    return Precision(
        _share(sets, groups),
        _share(pairs[: len(sets)], groups),
        float(np.mean([_by_chance(len(s), groups, n) for s in sets])) if sets else float("nan"),
        float(np.mean([any(set(s) <= group for s in sets) for group in groups])),
        _among(_first_players(result, len(marked), index, max_order), marked),
        _among(order[: len(marked)], marked),
        len(marked) / n,
    )


def _group(result: Recovery, players: Sequence[int | str]) -> frozenset[int]:
    if isinstance(players, str) or not isinstance(players, Iterable):
        msg = (
            "annotated needs groups of players that belong together, such as [(0, 1), (2, 3)], got "
            f"{players!r} for a group."
        )
        raise TypeError(msg)
    group = frozenset(result.players(players))
    if len(group) < 2:
        msg = f"an annotated group needs two players or more, got {list(players)!r}."
        raise ValueError(msg)
    return group


def _first_players(result: Recovery, count: int, index: Index, max_order: int) -> list[int]:
    """The players of the strongest interactions, of as few as it takes for so many."""
    found: list[int] = []
    for players in result.to_frame(index, max_order, min_order=2)["interaction"]:
        if len(found) < count:
            found += [player for player in players if player not in found]
    return found


def _among(players: Sequence[int], marked: frozenset[int]) -> float:
    return float(np.mean([player in marked for player in players])) if players else float("nan")


def _share(sets: Sequence[tuple[int, ...]], groups: Sequence[frozenset[int]]) -> float:
    right = [any(set(s) <= group for group in groups) for s in sets]
    return float(np.mean(right)) if right else float("nan")


def _by_chance(size: int, groups: Sequence[frozenset[int]], n: int) -> float:
    """Share of all sets of a size within a group; at most, where groups have sets in common."""
    return min(1.0, sum(comb(len(group), size) for group in groups) / comb(n, size))
