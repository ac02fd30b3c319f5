"""Coalitions as short texts of bits, which a dictionary finds fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["coalitions_of", "keys_of", "split"]


def keys_of(coalitions: NDArray[np.bool_]) -> list[bytes]:
    r"""Pack coalitions (m, n), eight players a byte, the first one the highest bit.

    Examples:
        >>> keys_of(np.array([[True, False, True]]))
        [b'\xa0']
    """
    bits = np.packbits(coalitions, axis=1)
    return split(bits.tobytes(), len(bits))


def coalitions_of(keys: Sequence[bytes], n_players: int) -> NDArray[np.bool_]:
    r"""Unpack them again, into a new array (m, n).

    Examples:
        >>> coalitions_of([b"\xa0"], 3)
        array([[ True, False,  True]])
    """
    bits = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -(-n_players // 8))
    return np.unpackbits(bits, axis=1, count=n_players).astype(bool)


def split(text: bytes, parts: int) -> list[bytes]:
    """Cut a text into parts of one length.

    Examples:
        >>> split(b"abcdef", 3)
        [b'ab', b'cd', b'ef']
    """
    width = len(text) // max(parts, 1)
    return [text[i * width : (i + 1) * width] for i in range(parts)]
