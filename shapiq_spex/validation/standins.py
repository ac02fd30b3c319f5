"""Games made of a result: its series or a part of it, with noise, or its values on other masks."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from shapiq_spex.spectral.known import Known, keys_of

if TYPE_CHECKING:
    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.series import FourierSeries


class Drawn:
    """A series, and noise as large as what a result leaves; the same when asked again."""

    def __init__(self, series: FourierSeries, result: Recovery, rng: np.random.Generator) -> None:
        """Draw it."""
        left = np.zeros(0) if result.residuals is None else result.residuals
        left = left[np.isfinite(left)]
        self.series, self.seed = series, int(rng.integers(2**32))
        self.noise = float(np.sqrt((left**2).mean())) if len(left) else 0.0

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values (m,)."""
        seeds = [[self.seed, crc32(key)] for key in keys_of(coalitions)]
        noise = [np.random.default_rng(seed).standard_normal() for seed in seeds]
        return self.series(coalitions) + self.noise * np.array(noise)


class Shuffled(Known):
    """The values of a result on other masks; masks not among those get any of the values."""

    def __init__(self, result: Recovery, rng: np.random.Generator) -> None:
        """Deal them out anew, those of the empty and the full coalition aside."""
        values = np.array(result.values)
        inner = np.flatnonzero(is_inner(result.plan.coalitions))
        values[inner] = values[rng.permutation(inner)]
        super().__init__(result.plan.coalitions, values)

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """The values (m,)."""
        spare = [crc32(key) % len(self.values) for key in keys_of(coalitions)]
        values, known = self.values[spare], self.has(coalitions)
        values[known] = self.look_up(coalitions[known])
        return values


def is_inner(coalitions: np.ndarray) -> np.ndarray:
    """Which coalitions are neither empty nor full, bool (m,)."""
    present = coalitions.sum(axis=1)
    return (present > 0) & (present < coalitions.shape[1])
