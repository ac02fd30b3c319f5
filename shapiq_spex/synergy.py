"""Interactions of training examples, sorted by the labels of their members, and drawn as images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from shapiq.interaction_values import InteractionValues

__all__ = ["draw_groups", "synergy_table"]

COLUMNS = ["interaction", "order", "value", "kind", "same_label", "alone"]


def synergy_table(found: InteractionValues, labels: Sequence[Any], test_label: Any) -> pd.DataFrame:
    """Sort the interactions of training examples at a test point, strongest first.

    The value of the game has to be larger where the model does better at the test point, as its
    margin is. An interaction says what a group does beyond its parts. Above 0 it is a **synergy**:
    together the members help more, or harm less, than apart. Below 0 it is a **redundancy**: they
    help less than apart, as duplicates do, or harm more. Members with the label of the test point
    mostly help it; where all have it, the two words can be taken as they are. A group with other
    labels in it mostly harms, and then a value above 0 says that its members do the same harm
    twice. ``alone`` tells which of the two it is.

    Args:
        found: Interactions of any index, such as ``recovery.interactions("Moebius", 2)``.
        labels: The label of each player, None where its examples have several.
        test_label: The label of the test point.

    Returns:
        A row for each interaction of two or more players that is not 0, with the columns
        interaction, order, value, kind ("synergy" or "redundancy"), same_label (whether all members
        have the label of the test point) and alone (the sum of what the members do by themselves).

    Raises:
        ValueError: If there is not one label for each player.

    Example:
        >>> from shapiq_spex import ProxySPEX
        >>> twins = lambda x: 1.0 * (x[:, 0] | x[:, 1]) + 2.0 * x[:, 2]
        >>> found = ProxySPEX(n=3).recover(8, twins).interactions("Moebius", 2)
        >>> print(synergy_table(found, ["cat", "cat", "dog"], "cat").to_string(index=False))
        interaction  order  value       kind  same_label  alone
             (0, 1)      2   -1.0 redundancy        True    2.0
    """
    import pandas as pd

    if len(labels) != found.n_players:
        msg = (
            f"synergy_table needs a label for each of the {found.n_players} players, "
            f"got {len(labels)}."
        )
        raise ValueError(msg)
    size = 1e-12 * float(np.abs(found.values).max(initial=0.0))
    rows = []
    for group in found.interaction_lookup:
        value = float(found[group])
        if len(group) > 1 and abs(value) > size:
            kind = "synergy" if value > 0 else "redundancy"
            same = all(labels[i] == test_label for i in group)
            alone = float(sum(found[(i,)] for i in group))
            rows.append((group, len(group), value, kind, same, alone))
    rows.sort(key=lambda row: (-abs(row[2]), row[0]))
    return pd.DataFrame(rows, columns=COLUMNS)


def draw_groups(
    table: pd.DataFrame,
    images: Any,
    test_image: Any,
    *,
    labels: Sequence[Any] | None = None,
    count: int = 3,
) -> Figure:
    """Draw the strongest synergies and redundancies, each group beside the test image.

    Args:
        table: From `synergy_table`; of ``table[table.same_label]`` only those of one label.
        images: The image of each player, (h, w) or (h, w, 3).
        test_image: The image of the test point.
        labels: Names to write above the images.
        count: The most groups of each kind.

    Returns:
        A matplotlib figure, a group a row.

    Raises:
        ValueError: If the table is empty.

    Example:
        >>> import pandas as pd
        >>> row = ((0, 1), 2, -1.0, "redundancy", True, 2.0)
        >>> table = pd.DataFrame([row], columns=COLUMNS)
        >>> len(draw_groups(table, np.zeros((2, 4, 4)), np.ones((4, 4))).axes)
        3
    """
    from matplotlib.figure import Figure

    kinds = ("synergy", "redundancy")
    parts = [group for kind in kinds for group in _strongest(table, kind, count)]
    if not parts:
        msg = "draw_groups needs a table with at least one interaction, got an empty one."
        raise ValueError(msg)
    across = 1 + max(len(row.interaction) for row in parts)
    figure = Figure(figsize=(1.6 * across, 1.7 * len(parts)), layout="constrained")
    grid = figure.add_gridspec(len(parts), across)
    for place, row in enumerate(parts):
        pictures = [("test", test_image)]
        for i in row.interaction:
            pictures.append((str(i) if labels is None else f"{i}: {labels[i]}", images[i]))
        for column, (title, image) in enumerate(pictures):
            axes = figure.add_subplot(grid[place, column])
            axes.imshow(image, cmap="gray_r")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(title, fontsize=9)
            if column == 0:
                axes.set_ylabel(f"{row.kind}\n{row.value:+.3g}", fontsize=9)
    return figure


def _strongest(table: pd.DataFrame, kind: str, count: int) -> list[Any]:
    chosen = table[table.kind == kind]
    order = np.argsort(-chosen.value.abs().to_numpy(), kind="stable")[:count]
    return list(chosen.iloc[order].itertuples(index=False))
