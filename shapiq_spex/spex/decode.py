"""One bin -> the set that alone explains it, if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.coding.chase import soft_decode

if TYPE_CHECKING:
    from shapiq_spex.coding.bch import BCH

TRIES = 55  # flip patterns of the published soft decoder at t = 5


class Singles(NamedTuple):
    """The best single set for each of B bins.

    Attributes:
        positions: Players of the set, int (B, t) padded with -1.
        ok: Whether the signs decode to a set at all, bool (B,).
        unexplained: Share of the bin's energy that the set leaves, in [0, 1]; 1 where not ok.
    """

    positions: np.ndarray
    ok: np.ndarray
    unexplained: np.ndarray


def decode_bins(code: BCH, measured: np.ndarray, *, soft: bool) -> Singles:
    """Decode bins as if each held one coefficient rho (-1)^<d_p, k>.

    The signs relative to the zero delay are the syndrome of k. Bins whose signs are no syndrome of
    a word of weight t, for noise or other small coefficients have turned some, go through the
    soft decoder, once with the sign of the zero delay as it is and once with it turned.

    Args:
        code: The code behind the delays.
        measured: The measurements U, float64 (B, p + 1), the zero delay first.
        soft: Whether to try the soft decoder.
    """
    turned = measured < 0
    positions, ok = code.decode(turned[:, 1:] ^ turned[:, :1])
    found = Singles(positions, ok, unexplained(code, measured, positions, ok))
    if soft and not ok.all():
        hard = np.flatnonzero(~ok)
        reference = np.where(turned[hard, :1], -1.0, 1.0)
        for sign in (1.0, -1.0):
            tried, good, _ = soft_decode(code, sign * reference * measured[hard, 1:], tries=TRIES)
            left = unexplained(code, measured[hard], tried, good)
            better = good & (left < found.unexplained[hard])
            at = hard[better]
            found.positions[at], found.ok[at] = tried[better], True
            found.unexplained[at] = left[better]
    return found


def unexplained(
    code: BCH, measured: np.ndarray, positions: np.ndarray, ok: np.ndarray
) -> np.ndarray:
    """1 - (p + 1) rho^2 / |U|^2 with the best rho = mean_p U_p (-1)^<d_p, k>."""
    signs = 1.0 - 2.0 * code.syndromes(positions)
    rho = (measured[:, 0] + (measured[:, 1:] * signs).sum(axis=1)) / measured.shape[1]
    energy = (measured**2).sum(axis=1)
    share = np.divide(rho**2 * measured.shape[1], energy, out=np.zeros(len(rho)), where=energy > 0)
    return np.where(ok, np.clip(1 - share, 0.0, 1.0), 1.0)
