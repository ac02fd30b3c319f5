"""Sparse interactions of large models for shapiq: SPEX, ProxySPEX and ablation games.

Importing this package puts its approximators under shapiq's names; see :func:`register`.
"""

from shapiq_spex.evaluation import Evaluator
from shapiq_spex.explain import explain
from shapiq_spex.games import ComponentGame, MixedGame, Prompt, TextGame, TrainingGame
from shapiq_spex.plots import plot_interactions
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.register import register, unregister
from shapiq_spex.result import Recovery
from shapiq_spex.spectral import FourierSeries
from shapiq_spex.spex import SPEX
from shapiq_spex.validation import validate

__all__ = [
    "SPEX",
    "ComponentGame",
    "Evaluator",
    "FourierSeries",
    "MixedGame",
    "Prompt",
    "ProxySPEX",
    "Recovery",
    "TextGame",
    "TrainingGame",
    "explain",
    "plot_interactions",
    "register",
    "unregister",
    "validate",
]

register()
