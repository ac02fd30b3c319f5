"""What a surrogate model owes ProxySPEX: a Fourier series and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from shapiq_spex.spectral.series import FourierSeries

    Finish = Callable[[FourierSeries], FourierSeries]


@dataclass(frozen=True)
class Surrogate:
    """A fitted surrogate, read out.

    Attributes:
        series: The Fourier series that stands for the game.
        r2: Cross-validated R² of this very series, at most 1; None where no row can be held out
            or the held-out values do not vary.
        residuals: Values minus what was predicted for them by coefficients that never saw their
            fold, float64 (m,) in the order of the values; NaN in rows never held out, None where no
            row was.
    """

    series: FourierSeries
    r2: float | None
    residuals: np.ndarray | None = field(default=None, compare=False)


class Proxy(Protocol):
    """A model of a game that can be read out as a Fourier series; it holds settings only."""

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
    ) -> Surrogate:
        """Fit values (m,) on uniform bool coalitions (m, n); equal generators, equal answers.

        Every series goes through ``finish`` before it is judged or returned, so the R² is that
        of what the user gets.
        """
        ...
