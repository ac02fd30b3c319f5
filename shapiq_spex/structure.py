"""Where in the depth of a network a recovered series has its energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PARTS", "DepthStructure", "depth_structure"]

PARTS = ("linear", "within", "across")


@dataclass(frozen=True, repr=False, eq=False)
class DepthStructure:
    """How the spectral energy sum F(S)^2 of the non-constant terms is shared out.

    A term is linear if it is about one player, within a layer if all its players are of one layer,
    and across layers otherwise.

    Attributes:
        shares: For each series the three shares, linear, within and across, float64 (r, 3); they
            add up to 1.
        layers: The layers, ascending, (l,).
        by_layer: For each series and layer the three shares of the energy of all, float64
            (r, l, 3); a term across layers is shared out evenly among the layers it has players
            in, so all entries of a series add up to 1.
        null: The same three shares with the layers dealt out to the players at random, float64
            (permutations, 3), each the mean over the series.

    Examples:
        >>> series = FourierSeries.from_terms(4, {(0,): 2.0, (0, 1): 1.0, (1, 2): 1.0})
        >>> depth_structure(series, [0, 0, 1, 1], permutations=500).mean.round(2)
        array([0.67, 0.17, 0.17])
    """

    shares: np.ndarray
    layers: np.ndarray
    by_layer: np.ndarray
    null: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The three shares, mean over the series, (3,)."""
        return np.asarray(self.shares.mean(axis=0))

    @property
    def spread(self) -> np.ndarray:
        """Their standard deviation over the series, (3,); NaN for a single one."""
        return _spread(self.shares)

    @property
    def p_value(self) -> float:
        """How often layers dealt out at random hold at least as much energy within a layer."""
        reached = self.null[:, 1] >= self.mean[1] * (1 - 1e-12)
        return float((1 + reached.sum()) / (1 + len(self.null)))

    def to_frame(self) -> pd.DataFrame:
        """A row for all layers together and one for each: mean and spread of the three shares."""
        import pandas as pd

        means = np.vstack([self.mean, self.by_layer.mean(axis=0)])
        spreads = np.vstack([self.spread, _spread(self.by_layer)])
        rows: dict[str, Any] = {"layer": ["all", *self.layers.tolist()]}
        rows |= {part: means[:, i] for i, part in enumerate(PARTS)}
        rows |= {f"{part}_spread": spreads[:, i] for i, part in enumerate(PARTS)}
        return pd.DataFrame(rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw the shares of each layer as stacked bars, and the null control beside all layers.

        Args:
            ax: Axes of matplotlib to draw on; by default new ones.

        Returns:
            The axes.
        """
        import matplotlib.pyplot as plt

        ax = (
            plt.subplots(figsize=(1.5 + 0.7 * (len(self.layers) + 2), 3.2))[1] if ax is None else ax
        )
        energy = self.by_layer.sum(axis=2, keepdims=True)
        relative = self.by_layer / np.where(energy > 0, energy, 1.0)
        bars = np.vstack([self.null.mean(axis=0), self.mean, relative.mean(axis=0)])
        errors = np.vstack([self.null.std(axis=0), self.spread, _spread(relative)])
        names = ["layers\nshuffled", "all", *(f"L{layer}" for layer in self.layers)]
        bottom = np.zeros(len(names))
        for part, name in enumerate(PARTS):
            height = 100 * bars[:, part]
            ax.bar(names, height, bottom=bottom, width=0.7, label=name, zorder=2)
            bottom += height
            # The upper edge of a part is where it is told from the next; the last one is 100 %.
            if part < len(PARTS) - 1:
                error = 100 * np.nan_to_num(errors[:, part])
                ax.errorbar(names, bottom, error, fmt="none", ecolor="black", capsize=3, zorder=3)
        ax.set(ylabel="% of spectral energy", ylim=(0, 100))
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        return ax

    def __repr__(self) -> str:
        """One line."""
        shares = zip(PARTS, 100 * self.mean, strict=True)
        told = ", ".join(f"{part} {share:.1f} %" for part, share in shares)
        chance = 100 * self.null[:, 1].mean()
        return f"DepthStructure({told}; within by chance {chance:.1f} %, p = {self.p_value:.2g})"


def depth_structure(
    series: FourierSeries | Sequence[FourierSeries],
    layers: Sequence[int],
    *,
    permutations: int = 200,
    random_state: int = 0,
) -> DepthStructure:
    """Say how much of the energy is linear, within a layer and across layers.

    The shares of ProxySPEX's study of attention heads (Butler et al., NeurIPS 2025, section 5.2),
    with what they need to be believed: give several series, from other masks or from resampled
    examples, for error bars; and compare with layers dealt out to the players at random.

    Args:
        series: One series over n players, or several of the same game.
        layers: The layer of every player, (n,), such as ``[p.layer for p in game.players]``.
        permutations: How many times the layers are dealt out at random.
        random_state: Seed of that.

    Raises:
        ValueError: If there is no series, or one without a non-constant term, if the layers are
            not one whole number a player, or if there are no permutations.

    Examples:
        >>> both = FourierSeries.from_terms(3, {(0,): 3.0, (0, 1): 4.0})
        >>> depth_structure(both, [5, 5, 6]).mean.tolist()
        [0.36, 0.64, 0.0]
    """
    several = [series] if isinstance(series, FourierSeries) else list(series)
    numbers = np.asarray(layers)
    _check(several, numbers, permutations)
    labels, of_player = np.unique(numbers, return_inverse=True)
    parts = np.array([_energies(each, of_player, len(labels)) for each in several])
    rng = np.random.default_rng(random_state)
    null = [
        np.mean([_shares(each, order) for each in several], axis=0)
        for order in (rng.permutation(of_player) for _ in range(permutations))
    ]
    return DepthStructure(parts.sum(axis=1), labels, parts, np.array(null))


def _energies(series: FourierSeries, of_player: np.ndarray, count: int) -> np.ndarray:
    """Shares of the energy (layers, 3)."""
    touched, energy, part = _terms(series, of_player, count)
    split = energy[:, np.newaxis] * touched / touched.sum(axis=1, keepdims=True)
    return np.stack([split[part == i].sum(axis=0) for i in range(len(PARTS))], axis=1)


def _shares(series: FourierSeries, of_player: np.ndarray) -> np.ndarray:
    _, energy, part = _terms(series, of_player, int(of_player.max()) + 1)
    return np.bincount(part, weights=energy, minlength=len(PARTS))


def _terms(
    series: FourierSeries, of_player: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each non-constant term the layers it touches, its share of the energy and its part."""
    real = series.degrees > 0
    members = np.eye(count, dtype=np.float32)[of_player]
    touched = series.support[real].astype(np.float32) @ members > 0
    energy = series.coefficients[real] ** 2
    part = np.where(touched.sum(axis=1) > 1, 2, np.where(series.degrees[real] > 1, 1, 0))
    return touched, energy / energy.sum(), part


def _spread(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(axis=0, ddof=1))


def _check(several: list[FourierSeries], layers: np.ndarray, permutations: int) -> None:
    if not several or not all((each.coefficients[each.degrees > 0] != 0).any() for each in several):
        msg = "depth_structure needs series that have energy, not none and not constants alone."
        raise ValueError(msg)
    sizes = {each.n for each in several}
    if sizes != {len(layers)} or layers.ndim != 1 or layers.dtype.kind not in "iu":
        msg = (
            f"depth_structure needs the layer of every player as a whole number, but there are "
            f"{sorted(sizes)} players and layers of shape {layers.shape} and type {layers.dtype}."
        )
        raise ValueError(msg)
    if permutations < 1:
        msg = f"depth_structure needs at least one permutation for its control, got {permutations}."
        raise ValueError(msg)
