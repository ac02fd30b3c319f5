"""What a result cost, how its coalitions were drawn, and what it takes to make it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

PACKAGES = ("shapiq-spex", "shapiq", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Ledger:
    """The bill of one recovery; printing it gives one line an item.

    Attributes:
        method: Class of the approximator.
        seed: What everything random was drawn from.
        drawn: How the coalitions were drawn, in words.
        masks: How many coalitions the game was handed.
        distinct: How many of them differ.
        cached: How many of those the game answered without running, as far as it tells.
        tokens: How many tokens a language model read for the others, None if the game cannot say.
        game_seconds: Wall time in the game.
        seconds: Wall time of the whole recovery.
        versions: Versions of the packages a result depends on.
        reason: Why this method was taken; empty if the caller chose it.

    Example:
        >>> from shapiq_spex import ProxySPEX
        >>> found = ProxySPEX(n=3, random_state=0).recover(8, lambda x: x.sum(axis=1))
        >>> print(found.ledger)
        method    ProxySPEX, seed 0
        masks     8 asked for, 8 distinct, 0 of them known before
        drawn     all 8 coalitions of 3 players
        seconds   ..., of which ... in the game
        versions  shapiq-spex ..., shapiq ..., numpy ..., scipy ..., scikit-learn ...
    """

    method: str
    seed: int
    drawn: str
    masks: int
    distinct: int
    cached: int
    tokens: int | None
    game_seconds: float
    seconds: float
    versions: dict[str, str]
    reason: str = ""

    def __str__(self) -> str:
        """One line an item."""
        known = f"{self.cached:,} of them known before"
        items = {
            "method": f"{self.method}, seed {self.seed}",
            "because": self.reason,
            "masks": f"{self.masks:,} asked for, {self.distinct:,} distinct, {known}",
            "drawn": self.drawn,
            "tokens": "" if self.tokens is None else f"{self.tokens:,}",
            "seconds": f"{self.seconds:.2f}, of which {self.game_seconds:.2f} in the game",
            "versions": ", ".join(f"{name} {what}" for name, what in self.versions.items()),
        }
        return "\n".join(f"{name:<9} {what}" for name, what in items.items() if what)


class Meter:
    """A game that counts what it is asked, in front of another; all else is that game's own.

    Args:
        game: Function from bool (m, n) to numbers.
    """

    def __init__(self, game: Any) -> None:
        """Start the clock."""
        self.game = game
        self.started = time.perf_counter()
        self.game_seconds = 0.0
        self.masks = 0
        self.tokens: int | None = None
        self._keys: set[bytes] = set()
        self._run_before = n_run(game)

    def __call__(self, coalitions: np.ndarray) -> Any:
        """What the game gives."""
        self.masks += len(coalitions)
        self._keys.update(map(bytes, np.packbits(coalitions, axis=1)))
        self._count_tokens(coalitions)
        start = time.perf_counter()
        try:
            return self.game(coalitions)
        finally:
            self.game_seconds += time.perf_counter() - start

    def __getattr__(self, name: str) -> Any:
        """Whatever else the game has."""
        if name == "game":  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self.game, name)

    def ledger(self, method: str, seed: int, drawn: str, reason: str) -> Ledger:
        """The bill so far."""
        distinct, run = len(self._keys), n_run(self.game)
        paid = distinct if run is None else min(distinct, run - (self._run_before or 0))
        return Ledger(
            method,
            seed,
            drawn,
            self.masks,
            distinct,
            distinct - paid,
            self.tokens,
            self.game_seconds,
            time.perf_counter() - self.started,
            versions(),
            reason,
        )

    def _count_tokens(self, coalitions: np.ndarray) -> None:
        read = n_tokens(self.game, coalitions)
        if read is not None:
            self.tokens = (self.tokens or 0) + read


def n_tokens(game: Any, coalitions: np.ndarray) -> int | None:
    """How many tokens coalitions cost that were not paid for; None if the game cannot say."""
    if hasattr(game, "missing"):  # one that keeps values stands in front of the game that reads
        game, coalitions = game.game, game.missing(coalitions)
    elif hasattr(game, "expand"):  # players taken together are players of the game behind
        return n_tokens(game.game, game.expand(coalitions))
    count = getattr(game, "n_tokens", None)
    if count is None:
        return None
    return int(np.sum(count(coalitions))) if len(coalitions) else 0


def n_run(game: Any) -> int | None:
    """How many coalitions a game, or the one within it, was run on; None if nothing tells."""
    while game is not None:
        if (count := getattr(game, "n_evaluated", None)) is not None:
            return int(count)
        game = getattr(game, "game", None)
    return None


@cache
def versions() -> dict[str, str]:
    """The versions of the packages a result depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a folder, not installed
            continue
    return found
