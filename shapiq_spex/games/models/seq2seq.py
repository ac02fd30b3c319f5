"""Sequence-to-sequence models as scorers: the prompt is ablated in the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from shapiq_spex.games.models.answers import Answer
from shapiq_spex.games.models.inference import inference
from shapiq_spex.games.models.language import AnswerScorer
from shapiq_spex.games.models.local import Batch, in_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["Seq2SeqScorer"]


class Seq2SeqScorer(AnswerScorer):
    """How likely an encoder-decoder model finds an answer to a prompt.

    The arguments and values are those of `shapiq_spex.games.models.causal.CausalScorer` and
    `shapiq_spex.games.models.answers.AnswerReader`. The prompt is what the encoder reads, and it
    runs once per sequence, however many answers are scored. Special tokens around the answer are
    not scored.

    Examples:
        >>> prompt = "translate English to German: Good night"
        >>> scorer = Seq2SeqScorer("t5-small", prompt, "Gute Nacht")  # doctest: +SKIP
    """

    auto_class: ClassVar[str] = "AutoModelForSeq2SeqLM"

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of sequences, their outputs of shape (b, k)), batch by batch."""
        self.local.model.eval()

        def forward(index: NDArray[np.intp]) -> NDArray[np.float64]:
            return self._columns(self._logits_after([sequences[i] for i in index]))

        yield from in_batches(self, [len(sequence) for sequence in sequences], forward)

    def _logits_after(self, rows: Sequence[TokenIds]) -> Callable[[tuple[int, ...]], Any]:
        """Encode the rows once, whatever the decoder then reads."""
        import torch

        batch = Batch.of(rows, self.local.pad_id or 0, self._device)
        model = self.local.model
        with inference():
            states = model.get_encoder()(input_ids=batch.ids, attention_mask=batch.seen)

        def logits_after(stem: tuple[int, ...]) -> Any:
            read = torch.tensor([self._start_id, *stem], device=self._device)
            with inference():
                return model(
                    encoder_outputs=states,
                    attention_mask=batch.seen,
                    decoder_input_ids=read.expand(len(rows), -1),
                    use_cache=False,
                ).logits

        return logits_after

    @property
    def _start_id(self) -> int:
        model = self.local.model
        start = getattr(model.generation_config, "decoder_start_token_id", None)
        found: int = model.config.decoder_start_token_id if start is None else start
        return found

    def _check_model(self) -> None:
        if not getattr(self.local.model.config, "is_encoder_decoder", False):
            msg = (
                f"{type(self.local.model).__name__} has no encoder and decoder; "
                f"use from_causal_lm, from_classifier or from_encoder."
            )
            raise ValueError(msg)

    def _answer(self, text: str) -> Answer:
        found = self.local.tokenizer(
            text_target=text, truncation=False, return_offsets_mapping=True
        )
        lead, ids = self._without_special(found["input_ids"])
        offsets = found["offset_mapping"][len(lead) : len(lead) + len(ids)]
        return Answer(text, tuple(ids), tuple(lead), tuple((i, j) for i, j in offsets))

    def _generated(self, max_new_tokens: int) -> Answer:
        return self._written(*self._without_special(self._greedy(max_new_tokens)[1:]))
