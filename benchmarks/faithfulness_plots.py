"""The plots of faithfulness.py, from its rows."""

from __future__ import annotations

import numpy as np
from faithfulness_report import COST, HIERARCHY, MINE


def draw(rows, path):
    """R² against budget, a panel a family, and seconds against n and budget."""
    families = rows.real()
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(15, 12))
    panels = axes.ravel()
    shown = [m for m in rows.methods if m in MINE or _has_r2(rows, m)]
    style = {m: _thin(k, plt.get_cmap("tab10").colors) for k, m in enumerate(shown)}
    style["proxyspex"] = {"color": "blue", "lw": 2, "ls": "--", "marker": "s", "ms": 4}
    for mine, colour in zip(MINE, ("black", "dimgrey", "grey", "red", "orange"), strict=True):
        style[mine] = {"color": colour, "lw": 2.5, "marker": "o", "ms": 4}
    for axis, family in zip(panels, families[:7], strict=False):
        _panel(rows, axis, family, shown, style)
    for axis, x in zip(panels[7:], ("players", "budget"), strict=True):
        _seconds(rows, axis, x, shown, style)
    for axis in panels:
        axis.set_visible(axis.has_data())
    handles = {
        label: h for a in panels for h, label in zip(*a.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="lower center", ncol=10, fontsize=9)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=75)
    plt.close(figure)


def _thin(k, colours):
    return {"color": colours[k % 10], "lw": 1, "ls": ("-", ":")[k // 10 % 2], "marker": ".v"[k % 2]}


def _has_r2(rows, method):
    return any("r2" in row for row in rows.rows if row["cell"]["method"] == method)


def _panel(rows, axis, family, methods, style):
    for method in methods:
        points = []
        for budget in sorted({b for _, b in rows.at(family)}):
            r2 = [rows.mean(g, budget, method) for g in rows.families[family]]
            r2 = [max(v, 0.0) for v in r2 if v is not None]
            if len(r2) == len(rows.families[family]):
                points.append((budget, np.mean(r2)))
        if points:
            axis.semilogx(*zip(*points, strict=True), label=method, **style[method])
    axis.set_title(family)
    axis.set_xlabel("masks")
    axis.set_ylabel("R²")
    axis.set_ylim(0, 1.02)


def _seconds(rows, axis, x, methods, style):
    """Against n at 1,000 masks of a hierarchy, or against the budget on the text of 60 words."""
    for method in methods:
        if x == "players":
            cells = [(n, f"{HIERARCHY}, n={n}", 1000) for n in COST]
        else:
            cells = [(b, g, b) for g, b in rows.at("MiniLM, 60 words")]
        points = [(k, rows.mean(g, b, method, "cpu_seconds")) for k, g, b in cells]
        points = [(k, s) for k, s in points if s is not None]
        if points:
            axis.loglog(*zip(*points, strict=True), label=method, **style[method])
    axis.set_xlabel(x if x == "players" else "masks")
    axis.set_ylabel("seconds of computing")
    axis.set_title("1,000 masks" if x == "players" else "60 players")
