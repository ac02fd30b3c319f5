"""What shapiq.plot does not draw: interactions with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index

ROW, MARGIN, WIDTH = 0.28, 1.2, 7.0  # inches


def plot_interactions(
    recovery: Recovery,
    index: Index | None = None,
    max_order: int | None = None,
    *,
    names: Sequence[str] | None = None,
    top: int = 20,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw the strongest interactions with their intervals, the strongest on top.

    A full marker is a significant interaction, an empty one may be nothing.

    Args:
        recovery: What ``recover`` returned.
        index: As in :meth:`shapiq_spex.Recovery.interactions`.
        max_order: Likewise.
        names: Names of the n players; those the result knows, or their numbers, if left out.
        top: Number of interactions to draw, at least 1.
        ax: Where to draw; a new figure if left out.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there are not n names, ``top`` is below 1, or the index is unknown.

    Example:
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from shapiq_spex import ProxySPEX
        >>> both = ProxySPEX(n=2).recover(4, lambda x: 1.0 * x[:, 0] * x[:, 1])
        >>> figure, axes = plot_interactions(both, names=["not", "bad"])
        >>> axes.get_yticklabels()[0].get_text()
        'not × bad'
    """
    import matplotlib.pyplot as plt

    names = recovery.names if names is None else names
    _check(recovery.series.n, names, top)
    frame = recovery.to_frame(index, max_order).head(top)
    if ax is None:
        _, ax = plt.subplots(figsize=(WIDTH, MARGIN + ROW * len(frame)), layout="constrained")
    values, rows = frame["value"].to_numpy(), np.arange(len(frame))
    reach = np.stack([values - frame["lower"], frame["upper"] - values])
    significant = frame["significant"].to_numpy()
    style: dict[str, Any] = {"fmt": "o", "color": "tab:blue", "capsize": 2.5, "linewidth": 1.2}
    for chosen, fill, label in (
        (significant, "tab:blue", "significant"),
        (~significant, "white", "not significant"),
    ):
        if chosen.any():
            at, around = (values[chosen], rows[chosen]), reach[:, chosen]
            ax.errorbar(*at, xerr=around, markerfacecolor=fill, label=label, **style)
    ax.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
    ax.set_yticks(rows, [_label(players, names) for players in frame["interaction"]])
    ax.set_ylim(len(frame) - 0.5, -0.5)
    found = recovery.interactions(index, max_order)
    ax.set_xlabel(f"{found.index} of order {found.max_order}, with 90% intervals")
    ax.legend(loc="best", frameon=False)
    return cast("Figure", ax.figure), ax


def _check(n: int, names: Sequence[str] | None, top: int) -> None:
    if names is not None and len(names) != n:
        msg = f"plot_interactions needs one name for each of {n} players, got {len(names)}."
        raise ValueError(msg)
    if top < 1:
        msg = f"plot_interactions needs top to be at least 1, got {top}."
        raise ValueError(msg)


def _label(players: tuple[int, ...], names: Sequence[str] | None) -> str:
    # Between dollar signs matplotlib would see mathematics.
    each = [str(i) if names is None else names[i].replace("$", r"\$") for i in players]
    return " × ".join(each)
