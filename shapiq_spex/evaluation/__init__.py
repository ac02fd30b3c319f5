"""How coalitions get their values: once each, recorded as they come, on the machines at hand.

`Evaluator` turns a game into a game that forgets nothing. It puts together the known
outputs (in memory and in a `Store`), batches (run here or through joblib) and a bar. It knows games
by what they can do, never by their class.
"""

from __future__ import annotations

from shapiq_spex.evaluation.estimate import Estimate
from shapiq_spex.evaluation.evaluator import Evaluator
from shapiq_spex.evaluation.store import Store

__all__ = ["Estimate", "Evaluator", "Store"]
