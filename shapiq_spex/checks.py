"""Numbers that have to be whole."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_whole(number: object) -> bool:
    """Whether this is an integer, Python's or numpy's, and no truth value."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def whole(who: str, what: str, number: Any, least: int = 1) -> int:
    """The number as a Python integer, if it is a whole one and not too small.

    Args:
        who: Who asks for it, the first word of the message.
        what: What it is.
        number: The number.
        least: The smallest that will do.

    Raises:
        ValueError: If it is none.

    Example:
        >>> whole("refine", "keep", np.int64(3))
        3
    """
    if not is_whole(number) or number < least:
        kind = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        msg = f"{who} needs {what} to be {kind}, got {number!r}."
        raise ValueError(msg)
    return int(number)
