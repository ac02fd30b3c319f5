"""Games: what a model says when some of the players (words, documents, ...) are left out.

`TrainingGame` trains a model on some of the examples; see `shapiq_spex.games.learners`. A game on a
text puts together things that know nothing of each other: a text and what may go of it
(`Prompt`), players (`make_players`), a way to remove them (`Delete`, `Mask`, ...) and a scorer, the
seam to a model (`ClassScorer`, `SimilarityScorer`, `CausalScorer`, `Seq2SeqScorer`,
`RemoteScorer`, or your own). A `Subgame` is any game seen more coarsely, or for a few players only.
`shapiq_spex.games.contract` says what all games promise. torch and transformers are imported when a
model is loaded, not before.
"""

from __future__ import annotations

from shapiq_spex.games.causal import CausalScorer
from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.encoders import ClassScorer, SimilarityScorer
from shapiq_spex.games.players import Player, make_players
from shapiq_spex.games.prompts import Prompt
from shapiq_spex.games.remote import RemoteScorer
from shapiq_spex.games.removal import Delete, Filler, Hide, Mask, Neutral
from shapiq_spex.games.scorers import Scorer
from shapiq_spex.games.seq2seq import Seq2SeqScorer
from shapiq_spex.games.spans import Encoding
from shapiq_spex.games.subgame import Subgame, groups_of
from shapiq_spex.games.text import TextGame
from shapiq_spex.games.training import TrainingGame

__all__ = [
    "CausalScorer",
    "ClassScorer",
    "Delete",
    "Encoding",
    "Filler",
    "Hide",
    "Mask",
    "Neutral",
    "Player",
    "Prompt",
    "RemoteScorer",
    "Scorer",
    "Seq2SeqScorer",
    "SimilarityScorer",
    "Subgame",
    "TextGame",
    "TrainingGame",
    "check_coalitions",
    "groups_of",
    "make_players",
]
