"""Games between the words of a text and parts of what reads it, or what it has learnt from."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.games.components.game import ComponentGame
from shapiq_spex.games.components.metrics import NextTokenMetric
from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.memory import Memory, RememberingGame
from shapiq_spex.games.prompts.players import distinct
from shapiq_spex.games.prompts.spans import Encoding
from shapiq_spex.games.text import TextGame
from shapiq_spex.games.training.examples import Data
from shapiq_spex.games.training.game import TrainingGame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.players import Players
    from shapiq_spex.games.prompts.removal import Removal, RemovalKind

__all__ = ["MixedGame", "MixedPlayer"]

_AT_ONCE = 64  # training sets whose texts are scored together


@dataclass(frozen=True)
class MixedPlayer:
    """A player and where it comes from.

    Attributes:
        name: Its name.
        lens: "words", "components" or "examples".
        player: What it is in the game it comes from.
    """

    name: str
    lens: str
    player: Any


class MixedGame(RememberingGame):
    """What a model says about a text when words are gone and, with them, parts of the model.

    With a `ComponentGame` about the one text, a coalition removes words of the text and components
    of the model, and the ablated model reads the ablated text. With a `TrainingGame` whose one test
    point is the text, a coalition trains on some of the examples, and the new model is asked about
    the text without the absent words. The value is read as in that game: with no word absent the
    values are those of the game. Words come first among the players.

    An interaction of players of both lenses says that a word and a head, or a word and a training
    example, are more or less together than apart; `across` picks these.

    Args:
        text: The text.
        game: The other lens. Its settings decide model, metric, and the other players.
        words: What of the text is a player; see `shapiq_spex.games.prompts.players.make_players`.
        removal: How absent words go; see `TextGame`. By default "mask" where the model has a mask
            token, else "delete"; for a `TrainingGame` always "delete".
        progress: Whether to show a bar.

    Attributes:
        players: The players, in order, each a `MixedPlayer`.
        game: The other lens.
        progress: Whether a bar is shown.
        keeps_values: True: nothing is gained by asking in small portions, or by a cache in front.

    Raises:
        TypeError: If the text is no string, if the game is neither of the two, or if its metric
            predicts the text's own tokens.
        ValueError: If the game is not about this one text.

    Examples:
        >>> from sklearn.feature_extraction.text import CountVectorizer
        >>> from sklearn.naive_bayes import MultinomialNB
        >>> from sklearn.pipeline import make_pipeline
        >>> learner = make_pipeline(CountVectorizer(), MultinomialNB())
        >>> texts = ["good film", "fine cast", "bad film", "dull cast"]
        >>> training = TrainingGame.from_sklearn(
        ...     learner, texts, [1, 1, 0, 0], ["not bad"], [0], progress=False
        ... )
        >>> game = MixedGame("not bad", training, progress=False)
        >>> [player.lens for player in game.players]
        ['words', 'words', 'examples', 'examples', 'examples', 'examples']
        >>> whole = game.grand_coalition
        >>> without_word, without_example = whole & (np.arange(6) != 1), whole & (np.arange(6) != 4)
        >>> game(np.array([whole, without_word, without_example])).round(2)
        array([ 0.69,  0.  , -0.69])
    """

    keeps_values: ClassVar[bool] = True

    def __init__(
        self,
        text: str,
        game: ComponentGame | TrainingGame,
        *,
        words: Players = "words",
        removal: RemovalKind | Removal | None = None,
        progress: bool = True,
    ) -> None:
        """See the class."""
        _check(text, game)
        self.game, self.progress = game, progress
        source: Any = _Plain(text)
        if isinstance(game, ComponentGame):
            source = game._local
            removal = removal or ("delete" if source.mask_id is None else "mask")
        elif removal not in (None, "delete"):
            msg = f"With training examples, words are removed by 'delete' only, not {removal!r}."
            raise ValueError(msg)
        self._text = TextGame(text, source, players=words, removal=removal or "delete")
        other = "components" if isinstance(game, ComponentGame) else "examples"
        both: list[tuple[str, Any]] = [("words", each) for each in self._text.players]
        both += [(other, each) for each in game.players]
        names = distinct(player.name for _, player in both)
        self.players: tuple[MixedPlayer, ...] = tuple(
            MixedPlayer(name, lens, player)
            for name, (lens, player) in zip(names, both, strict=True)
        )
        self._memory = Memory("Running the model", "coalition")
        super().__init__(len(names), normalize=False, player_names=names)

    @property
    def lenses(self) -> list[str]:
        """The lens of every player."""
        return [player.lens for player in self.players]

    @property
    def identity(self) -> dict[str, Any]:
        """That of the other lens, and the text and how its words go."""
        return {"words": self._text.identity, "other": self.game.identity}

    def outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return all that is kept of coalitions, (m, k); as the other lens keeps it of the text."""
        rows = check_coalitions(coalitions, self.n_players)
        return self._memory.outputs(rows, self, progress=self.progress)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (m,) of outputs, as the other lens reads them."""
        return self.game.aggregate(outputs) if len(outputs) else np.zeros(0)

    def read_as(self, *, value: str) -> MixedGame:
        """Return the same game with its outputs read in another way; nothing is run again."""
        other = copy(self)
        other.game = self.game.read_as(value=value)
        return other

    def score(
        self, coalitions: Sequence[NDArray[np.bool_]]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Run coalitions, remembered or not, and yield their outputs as they are done."""
        rows = np.asarray(coalitions, dtype=bool)
        here = len(self._text.players)
        sequences, rest = self._text._substitution(rows[:, :here]), rows[:, here:]
        if isinstance(self.game, ComponentGame):
            yield from self.game._model.score_pairs(sequences, rest)
        else:
            plain: Any = self._text.scorer
            texts = [plain.decode(sequence) for sequence in sequences]
            yield from _retrained(self.game, texts, rest)

    def across(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the interactions that join both lenses.

        Args:
            frame: One with a column "interaction", such as ``recovery.to_frame("FBII", 2)``.

        Returns:
            Its rows about players of more than one lens, in order, and with a column "players" of
            their names, words first.
        """
        joins = [len({self.players[i].lens for i in found}) > 1 for found in frame["interaction"]]
        chosen = frame[joins].reset_index(drop=True)
        told = [" × ".join(self.players[i].name for i in found) for found in chosen["interaction"]]
        return chosen.assign(players=told)


def _retrained(
    game: TrainingGame, texts: list[str], present: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Train once for each distinct set of examples and ask the model about all its texts."""
    sets, which = np.unique(present, axis=0, return_inverse=True)
    which = which.reshape(-1)
    examples = np.column_stack([sets, np.ones(len(sets), dtype=bool)])[:, game._owner]
    for start in range(0, len(sets), _AT_ONCE):
        rows = np.flatnonzero((which >= start) & (which < start + _AT_ONCE))
        asked = list(dict.fromkeys(texts[row] for row in rows.tolist()))
        place = {text: number for number, text in enumerate(asked)}
        labels = np.repeat(game.data.y_test, len(asked))
        data = Data.of(game.data.X, game.data.y, asked, labels)
        for numbers, scores in game.learner.train(data, examples[start : start + _AT_ONCE]):
            for number, of_set in zip(numbers, scores, strict=True):
                mine = rows[which[rows] == start + number]
                # One text at a time: (texts, seeds, 1, classes).
                chosen = np.stack([of_set[:, [place[texts[row]]]] for row in mine])
                measured = game._measured(np.asarray(chosen, dtype=np.float64)).mean(axis=1)
                yield mine, measured.reshape(len(mine), -1)


class _Plain:
    """Cuts a text at white space, so that words can be taken out of it; all of them give it back.

    White space between words goes with the word after it; that at the two ends stays.
    """

    mask_id, max_tokens, empty_id = None, None, -1

    def __init__(self, text: str) -> None:
        inner = text.strip()
        start = text.index(inner)
        self._ends = text[:start], text[start + len(inner) :]
        stops = [stop for _, stop in _words(text)]
        self._spaced = [text[a:b] for a, b in pairwise([start, *stops])]

    @property
    def identity(self) -> dict[str, Any]:
        return {"pieces": "white space"}

    def encode(self, text: str) -> Encoding:
        spans = tuple(_words(text))
        return Encoding(tuple(range(len(spans))), spans, (False,) * len(spans))

    def decode(self, sequence: Sequence[int]) -> str:
        words = "".join(self._spaced[i] for i in sequence if i >= 0)
        return words.lstrip().join(self._ends)


def _words(text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends."""
    return [found.span() for found in re.finditer(r"\S+", text)]


def _check(text: str, game: Any) -> None:
    if not isinstance(text, str):
        msg = f"MixedGame needs the text as a string, not as a {type(text).__name__}."
        raise TypeError(msg)
    if isinstance(game, ComponentGame):
        fits = game._local.tokenizer is not None and [*map(tuple, game._inputs)] == [
            tuple(game._local.encode(text).ids)
        ]
        if isinstance(game.metric, NextTokenMetric):
            msg = "MixedGame takes words away, so NextTokenMetric has no fixed tokens to predict."
            raise TypeError(msg)
    elif isinstance(game, TrainingGame):
        tests = game.data.X_test
        fits = len(tests) == 1 and isinstance(tests[0], str) and tests[0] == text
    else:
        msg = f"MixedGame needs a ComponentGame or a TrainingGame, not {type(game).__name__}."
        raise TypeError(msg)
    if not fits:
        msg = (
            f"MixedGame needs a game about the one text {text[:40]!r}; make the "
            f"{type(game).__name__} with this text as its only input or test point."
        )
        raise ValueError(msg)
