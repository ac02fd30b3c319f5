"""What a result cost, how its coalitions were drawn, and what it takes to make it again."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from shapiq_spex.spectral.known import keys_of
from shapiq_spex.versions import loaded_versions


@dataclass(frozen=True)
class Ledger:
    """The bill of one recovery; printing it gives one line an item.

    Attributes:
        method: Class of the approximator.
        settings: What its constructor was given; ``random_state`` is what was drawn where none was.
        budget: How many coalitions it was allowed.
        drawn: How the coalitions were drawn, in words.
        masks: How many coalitions the game was handed.
        distinct: How many of them differ.
        cached: How many of those the game answered without running, as far as it tells.
        tokens: How many tokens a language model read for the others, None if the game cannot say.
        game_seconds: Wall time in the game.
        seconds: Wall time of the whole recovery.
        versions: Versions of Python and of the packages loaded that a result may depend on.
        reason: Why this method was taken, or where it stopped; empty if there was no choice.
        tolerance: The gain of R² at which it was to stop, None if there was none.

    Example:
        >>> from shapiq_spex import ProxySPEX
        >>> found = ProxySPEX(n=3, random_state=0).recover(8, lambda x: x.sum(axis=1))
        >>> print(found.ledger)
        method    ProxySPEX, seed 0
        settings  max_order 2, index k-SII, proxy GaussianProcess, top_order False
        masks     8 asked for, 8 distinct, 0 of them known before
        drawn     all 8 coalitions of 3 players
        seconds   ..., of which ... in the game
        versions  python ..., shapiq-spex ..., shapiq ..., numpy ..., scipy ...
    """

    method: str
    settings: dict[str, Any]
    budget: int
    drawn: str
    masks: int
    distinct: int
    cached: int
    tokens: int | None
    game_seconds: float
    seconds: float
    versions: dict[str, str]
    reason: str = ""
    tolerance: float | None = None

    @property
    def seed(self) -> int:
        """What everything random was drawn from."""
        return int(self.settings["random_state"])

    def as_record(self) -> dict[str, Any]:
        """All of it as JSON can hold it, objects among the settings told by class and fields."""
        return asdict(replace(self, settings={})) | {
            "settings": {name: _plain(value) for name, value in self.settings.items()}
        }

    def __str__(self) -> str:
        """One line an item."""
        known = f"{self.cached:,} of them known before"
        items = {
            "method": f"{self.method}, seed {self.seed}",
            "because": self.reason,
            "settings": ", ".join(f"{name} {_short(what)}" for name, what in self._told().items()),
            "masks": f"{self.masks:,} asked for, {self.distinct:,} distinct, {known}",
            "drawn": self.drawn,
            "tokens": "" if self.tokens is None else f"{self.tokens:,}",
            "seconds": f"{self.seconds:.2f}, of which {self.game_seconds:.2f} in the game",
            "versions": ", ".join(f"{name} {what}" for name, what in self.versions.items()),
        }
        return "\n".join(f"{name:<9} {what}" for name, what in items.items() if what)

    def _told(self) -> dict[str, Any]:
        return {k: v for k, v in self.settings.items() if k not in ("n", "random_state")}


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
        self._values: dict[bytes, Any] = {}
        self._run_before = n_run(game)

    def __call__(self, coalitions: np.ndarray) -> Any:
        """What the game gives."""
        self.masks += len(coalitions)
        keys = keys_of(coalitions)
        self._values |= dict.fromkeys(keys)
        self._count_tokens(coalitions)
        start = time.perf_counter()
        try:
            values = self.game(coalitions)
        finally:
            self.game_seconds += time.perf_counter() - start
        if self._store is not None:
            self._values |= zip(keys, np.asarray(values).tolist(), strict=True)
        return values

    def __getattr__(self, name: str) -> Any:
        """Whatever else the game has."""
        if name == "game":  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self.game, name)

    @property
    def _store(self) -> Any:
        """The store of an `Evaluator`, unless another meter stands between and looks after it."""
        store = None if isinstance(self.game, Meter) else getattr(self.game, "store", None)
        return store if hasattr(store, "leave_run") else None

    def leave(self, bill: Ledger, names: tuple[str, ...] | None) -> None:
        """Leave in the store, if there is one, what makes the result again without the game."""
        if self._store is not None:
            self._store.leave_run({"bill": bill.as_record(), "names": names}, self._values)

    def ledger(self, **told: Any) -> Ledger:
        """The bill so far; what a meter cannot know is told by the names of its fields."""
        distinct, run = len(self._values), n_run(self.game)
        paid = distinct if run is None else min(distinct, run - (self._run_before or 0))
        return Ledger(
            masks=self.masks,
            distinct=distinct,
            cached=distinct - paid,
            tokens=self.tokens,
            game_seconds=self.game_seconds,
            seconds=time.perf_counter() - self.started,
            versions=loaded_versions(),
            **told,
        )

    def _count_tokens(self, coalitions: np.ndarray) -> None:
        read = n_tokens(self.game, coalitions)
        if read is not None:
            self.tokens = (self.tokens or 0) + read


def n_tokens(game: Any, coalitions: np.ndarray) -> int | None:
    """How many tokens coalitions cost that were not paid for; None if the game cannot say."""
    while isinstance(game, Meter):
        game = game.game
    if hasattr(game, "expand"):  # players taken together are players of the game behind
        return n_tokens(game.game, game.expand(coalitions))
    keeps = hasattr(game, "missing")
    if keeps and len(coalitions):
        coalitions = game.missing(coalitions)
    if (count := getattr(game, "n_tokens", None)) is not None:
        return int(np.sum(count(coalitions))) if len(coalitions) else 0
    behind = getattr(game, "game", None) if keeps else None
    same = getattr(behind, "n_players", None) == getattr(game, "n_players", 0)
    return n_tokens(behind, coalitions) if same else None


def n_run(game: Any) -> int | None:
    """How many coalitions a game, or the one within it, was run on; None if nothing tells."""
    while game is not None:
        if (count := getattr(game, "n_evaluated", None)) is not None:
            return int(count)
        game = getattr(game, "game", None)
    return None


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    told = {"class": type(value).__name__}
    if is_dataclass(value):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        try:
            return told | {"fields": json.loads(json.dumps(held))}
        except TypeError:
            return told
    return told


def _short(value: Any) -> str:
    """A setting in a line."""
    plain = value is None or isinstance(value, str | int | float)
    return str(value) if plain else type(value).__name__
