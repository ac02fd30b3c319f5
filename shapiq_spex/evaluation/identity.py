"""What makes two games the same game, and what differs where they are not."""

from __future__ import annotations

import json
import warnings
from typing import Any

__all__ = ["differences", "identity_of", "warn_of_namesakes"]

_SHOWN = 60  # characters of a value in a message
_BEFORE = 15  # of these, how many before the first difference


def identity_of(game: Any, n_players: int) -> dict[str, Any]:
    """Return all that decides the values of a game, as far as the game says.

    A game tells it in an attribute ``identity``, a dictionary of what JSON can hold. Without one
    its class or function is known by name only, with its player names: two functions of one name
    are then taken for the same game.

    Raises:
        TypeError: If the identity is no dictionary, or holds what JSON cannot.

    Examples:
        >>> identity_of(len, 3)
        {'n_players': 3, 'normalization_value': 0.0, 'game': 'builtins.len', 'player_names': []}
    """
    told = getattr(game, "identity", None)
    if told is None:
        told = {
            "game": _name_of(game),
            "player_names": list(getattr(game, "player_name_lookup", {})),
        }
    normalization = float(getattr(game, "normalization_value", 0.0))
    try:
        own = {"n_players": n_players, "normalization_value": normalization}
        identity = {**own, **told, **own}  # the game's word does not count for these two
        plain: dict[str, Any] = json.loads(json.dumps(identity, allow_nan=False))
    except (TypeError, ValueError) as error:
        msg = (
            f"The identity of a game needs to be a dictionary of texts, finite numbers, lists and "
            f"dictionaries, but that of {type(game).__name__} is not: {error}."
        )
        raise TypeError(msg) from error
    return plain


def warn_of_namesakes(game: Any, store: object) -> None:
    """Warn where a store could not tell a game from another one of the same name."""
    if getattr(game, "identity", None) is None:
        warnings.warn(
            f"The store {str(store)!r} knows this game by its name only, {_name_of(game)}: give it "
            "an attribute identity, a dictionary of what decides its values, or never open the "
            "file with another game of that name.",
            stacklevel=3,
        )


def _name_of(game: Any) -> str:
    named = game if hasattr(game, "__qualname__") else type(game)
    return f"{named.__module__}.{named.__qualname__}"


def differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    """Say what differs between two dictionaries, nothing if they are equal.

    Examples:
        >>> differences({"model": "a", "n": 3}, {"model": "b", "n": 3})
        "model ('a' there, 'b' here)"
        >>> differences({"n": 3}, {"n": 3})
        ''
    """
    names = [*there, *(name for name in here if name not in there)]
    changed = [name for name in names if there.get(name) != here.get(name)]
    return ", ".join(_difference(name, there.get(name), here.get(name)) for name in changed)


def _difference(name: str, there: Any, here: Any) -> str:
    old, new = repr(there), repr(here)
    same = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    start = max(0, same - _BEFORE) if max(len(old), len(new)) > _SHOWN else 0
    return f"{name} ({_cut(old, start)} there, {_cut(new, start)} here)"


def _cut(text: str, start: int) -> str:
    shown = text[start : start + _SHOWN]
    return "…" * (start > 0) + shown + "…" * (start + _SHOWN < len(text))
