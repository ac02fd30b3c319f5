"""Tables and plots of `head_pruning.py`."""

from __future__ import annotations

import numpy as np
from harness import RESULTS, table

from shapiq_spex import FourierSeries
from shapiq_spex.structure import PARTS, depth_structure

KEPT = (0.83, 0.66, 0.50)
METHODS = ("series", "LASSO", "marginal", "best of random", "random")
TERMS = 600  # of a series, the largest, are kept for the depth structure


def mean_and_error(values):
    if len(values) == 1:
        return f"{100 * values[0]:.1f}"
    return f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1) / len(values) ** 0.5:.1f}"


def mean_and_spread(mean, spread):
    return f"{mean:.1f}" if np.isnan(spread) else f"{mean:.1f} ± {spread:.1f}"


def pruning_lines(log, tasks):
    for name, task in tasks.items():
        rows = log.select(part="pruning", task=name)
        if not rows:
            continue
        intact = mean_and_error([row["intact"] for row in rows])
        yield f"\n## {name}: {rows[0]['n']} heads, whole model {intact} %\n"
        yield (
            f"{task.budget} masks, {task.n_train} training examples, {task.n_test} held out; "
            f"seeds: {len(rows)}; {sum(row['seconds'] for row in rows):.0f} CPU seconds in all.\n"
        )
        for value in ("accuracy", "log_prob"):
            r2 = np.mean([row["r2"][value] for row in rows])
            how = ", ".join(sorted({row["optimise"][value] for row in rows}))
            yield f"Chosen for {value} (cross-validated R² {r2:.2f}; optimise by {how}):\n"
            body = [
                [f"{k:.0%}", *(mean_and_error(cells(rows, value, k, m)) for m in METHODS)]
                for k in KEPT
            ]
            yield from table(["heads kept", *METHODS], body)
            yield ""
            ahead = []
            for method in METHODS[1:]:
                gains = [
                    np.array(cells(rows, value, k, "series")) - cells(rows, value, k, method)
                    for k in KEPT
                ]
                ahead.append(f"{method} {mean_and_error(np.mean(gains, axis=0))}")
            yield f"Series minus, mean over all: {', '.join(ahead)}."
            better = [method for method in METHODS[:-1] if beats_random(rows, value, method)]
            yield f"More than two standard errors above random: {', '.join(better) or 'none'}.\n"


def beats_random(rows, value, method):
    """Whether the mean over all sizes is ahead by more than two standard errors over seeds."""
    chosen, chance = ([cells(rows, value, k, m) for k in KEPT] for m in (method, "random"))
    gains = (np.array(chosen) - chance).mean(axis=0)
    return len(gains) > 1 and gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(len(gains))


def cells(rows, value, kept, method):
    return [row["accuracy"][value][str(kept)][method] for row in rows]


def structures(log, tasks):
    for name in tasks:
        rows = log.select(part="pruning", task=name)
        if rows:
            several = [
                FourierSeries.from_terms(row["n"], {tuple(s): f for s, f in row["terms"]})
                for row in rows
            ]
            yield name, depth_structure(several, rows[0]["layers"])


def depth_lines(log, tasks, name_of_plot):
    yield f"\n## Depth: spectral energy of the {TERMS} largest terms for log_prob, %\n"
    for name, found in structures(log, tasks):
        frame = found.to_frame()
        rows = [
            [
                row["layer"],
                *(mean_and_spread(100 * row[p], 100 * row[f"{p}_spread"]) for p in PARTS),
            ]
            for _, row in frame.iterrows()
        ]
        shuffled = zip(found.null.mean(axis=0), found.null.std(axis=0), strict=True)
        rows.append(["shuffled", *(f"{100 * mean:.1f} ± {100 * sd:.1f}" for mean, sd in shuffled)])
        yield f"{name}; within a layer against shuffled layers: p = {found.p_value:.3f}\n"
        yield from table(["layer", *PARTS], rows)
        yield ""
    yield f"![depth]({name_of_plot}_depth.png)"


def draw(log, tasks, name_of_plot):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(tasks), figsize=(4.7 * len(tasks), 3.8), squeeze=False)
    for ax, name in zip(axes[0], tasks, strict=True):
        rows = log.select(part="pruning", task=name)
        for method in METHODS if rows else ():
            data = 100 * np.array([cells(rows, "log_prob", k, method) for k in KEPT])
            error = data.std(axis=1, ddof=min(1, data.shape[1] - 1)) / np.sqrt(data.shape[1])
            share = 100 * np.array(KEPT)
            ax.errorbar(share, data.mean(axis=1), error, marker="o", capsize=3, label=method)
        if rows:
            ax.axhline(100 * np.mean([row["intact"] for row in rows]), ls="--", color="grey")
        ax.set(title=name, xlabel="% of heads kept", ylabel="held-out accuracy, %")
    axes[0][0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name_of_plot}.png", dpi=110)
    found = list(structures(log, tasks))
    figure, axes = plt.subplots(1, len(found), figsize=(5 * len(found), 3.4), squeeze=False)
    for ax, (name, structure) in zip(axes[0], found, strict=True):
        structure.plot(ax)
        ax.set_title(name)
    for ax in axes[0][:-1]:
        ax.get_legend().remove()
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name_of_plot}_depth.png", dpi=110)
