"""Games: what a model says when some of the players (words, documents, ...) are left out.

`TrainingGame` trains a model on some of the examples; see `shapiq_spex.games.training.learners`. A
game on a text puts together things that know nothing of each other: a text and what may go of it
(`Prompt`), players (`make_players`), a way to remove them (`Delete`, `Mask`, ...) and a scorer, the
seam to a model (`ClassScorer`, `SimilarityScorer`, `CausalScorer`, `Seq2SeqScorer`,
`RemoteScorer`, or your own). `ComponentGame` puts together a model, examples, components as
players, a way to ablate them (`ZeroAblation`, ...) and a metric (`ClassMetric`, ...). A `MixedGame`
has the words of a text and components or training examples as players. A `Subgame` is any game seen
more coarsely, or for a few players only.
`shapiq_spex.games.contract` says what all games promise. torch and transformers are imported when a
model is loaded, not before.
"""

from __future__ import annotations

from shapiq_spex.games.components.ablation import MeanAblation, ResampleAblation, ZeroAblation
from shapiq_spex.games.components.game import ComponentGame
from shapiq_spex.games.components.metrics import (
    ChoiceMetric,
    ClassMetric,
    Metric,
    NextTokenMetric,
    SimilarityMetric,
)
from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.mixed import MixedGame
from shapiq_spex.games.models.causal import CausalScorer
from shapiq_spex.games.models.encoders import ClassScorer, SimilarityScorer
from shapiq_spex.games.models.remote import RemoteScorer
from shapiq_spex.games.models.scorers import Scorer
from shapiq_spex.games.models.seq2seq import Seq2SeqScorer
from shapiq_spex.games.prompts.players import Player, make_players
from shapiq_spex.games.prompts.prompt import Prompt
from shapiq_spex.games.prompts.removal import Delete, Filler, Hide, Mask, Neutral
from shapiq_spex.games.prompts.spans import Encoding
from shapiq_spex.games.subgame import Subgame, groups_of
from shapiq_spex.games.text import TextGame
from shapiq_spex.games.training.game import TrainingGame

__all__ = [
    "CausalScorer",
    "ChoiceMetric",
    "ClassMetric",
    "ClassScorer",
    "ComponentGame",
    "Delete",
    "Encoding",
    "Filler",
    "Hide",
    "Mask",
    "MeanAblation",
    "Metric",
    "MixedGame",
    "Neutral",
    "NextTokenMetric",
    "Player",
    "Prompt",
    "RemoteScorer",
    "ResampleAblation",
    "Scorer",
    "Seq2SeqScorer",
    "SimilarityMetric",
    "SimilarityScorer",
    "Subgame",
    "TextGame",
    "TrainingGame",
    "ZeroAblation",
    "check_coalitions",
    "groups_of",
    "make_players",
]
