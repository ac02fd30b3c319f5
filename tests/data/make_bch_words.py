"""Golden BCH words from the galois package: writes bch_words.json.

    python tests/data/make_bch_words.py

Polynomials and words are written as galois has them, highest degree first: the i-th symbol of a
word of length n_c is the coefficient of x^(n_c - 1 - i). Words are hexadecimal numbers whose last
bit is the coefficient of 1. `errors` lists the degrees galois corrected, and is null where galois
found more errors than the code can correct.
"""

from __future__ import annotations

import json
from pathlib import Path

import galois
import numpy as np

CODES = [(7, 1), (15, 2), (15, 5), (31, 3), (31, 5), (63, 5), (127, 5), (255, 4), (1023, 5)]


def as_hex(word):
    return hex(int("".join(map(str, word.tolist())), 2))


def corrupted(word, t, rng):
    """The word with 1 ... t errors, or a few more."""
    places = rng.choice(len(word), size=int(rng.integers(1, t + 3)), replace=False)
    out = word.copy()
    out[places] ^= 1
    return out


def received(code, word):
    """A corrupted word and the errors galois found in it."""
    decoded, count = code.decode(galois.GF2(word), output="codeword", errors=True)
    degrees = sorted(len(word) - 1 - i for i in np.flatnonzero(np.array(decoded) ^ word).tolist())
    return {"word": as_hex(word), "errors": degrees if int(count) >= 0 else None}


def vectors(length, t):
    rng = np.random.default_rng(length + t)
    code = galois.BCH(length, d=2 * t + 1)
    messages = rng.integers(0, 2, (8, code.k), dtype=np.uint8)
    words = np.array(code.encode(galois.GF2(messages)))
    return {
        "length": length,
        "t": t,
        "generator": "".join(str(int(c)) for c in code.generator_poly.coeffs),
        "codewords": [as_hex(word) for word in words],
        "received": [received(code, corrupted(word, t, rng)) for word in words],
    }


if __name__ == "__main__":
    made = {"galois": galois.__version__, "codes": [vectors(*each) for each in CODES]}
    target = Path(__file__).with_name("bch_words.json")
    target.write_text(json.dumps(made) + "\n")
