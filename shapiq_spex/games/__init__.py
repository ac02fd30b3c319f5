"""Games: what a model says when some of the players (words, tokens, ...) are left out.

A game puts together three things that know nothing of each other: players (`make_players`), a
way to remove them (`Mask`, `Delete`) and a scorer, the seam to a model (`ClassScorer`,
`SimilarityScorer`, or your own). `shapiq_spex.games.contract` says what all games promise. torch
and transformers are imported when a model is loaded, not before.
"""

from __future__ import annotations

from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.players import Encoding, Player, make_players
from shapiq_spex.games.removal import Delete, Mask
from shapiq_spex.games.scorers import ClassScorer, Scorer, SimilarityScorer
from shapiq_spex.games.text import TextGame

__all__ = [
    "ClassScorer",
    "Delete",
    "Encoding",
    "Mask",
    "Player",
    "Scorer",
    "SimilarityScorer",
    "TextGame",
    "check_coalitions",
    "make_players",
]
