"""The tables and plots of faithfulness.py, from its rows."""

from __future__ import annotations

from itertools import product

import numpy as np
from harness import table

OURS = ("gp", "gp-ends", "gbt", "spex")
MINE = (*OURS, "decode")
HIERARCHY = "complete hierarchy, 10 sets of 5"
SPARSE = (
    "50 characters of degree <= 3",
    "50 characters of degree <= 3, noise of 10 dB",
    "all subsets of 10 triples",
)
TEXTS_FOR_MASKS = ("review-30", "review-60", "review-128")
COST = {  # n: budgets
    14: (1000,),
    30: (1000,),
    60: (1000, 10000),
    128: (1000,),
    256: (1000,),
    1000: (1000, 5000),
}
WORSE = {"peers": 0.02, "ridge": 0.01}  # how far below them no cell may be


class Rows:
    """Figures by game, budget, method and seed."""

    def __init__(self, rows):
        self.rows = [row for row in rows if "game" in row["cell"]]
        self.by = {}
        for row in self.rows:
            cell = row["cell"]
            self.by.setdefault((cell["game"], cell["budget"], cell["method"]), {})[cell["seed"]] = (
                row
            )
        self.families = {}
        for row in self.rows:
            self.families.setdefault(row["family"], {})[row["cell"]["game"]] = None
        self.methods = list(dict.fromkeys(row["cell"]["method"] for row in self.rows))

    def real(self):
        """Families of tables and texts: those with a linear fit."""
        return [f for f in self.families if any((g, b, "ridge") in self.by for g, b in self.at(f))]

    def at(self, *families):
        """(game, budget) of the families, in order."""
        games = [game for family in families for game in self.families.get(family, ())]
        found = {key[:2] for key in self.by}
        return [(g, b) for g in games for b in sorted(b for h, b in found if h == g)]

    def seeds(self, game, budget, method, key):
        """{seed: figure}, refusals left out; key is a name or a way to read a row."""
        read = key if callable(key) else lambda row: row.get(key)
        rows = self.by.get((game, budget, method), {})
        return {seed: v for seed, row in rows.items() if (v := read(row)) is not None}

    def mean(self, game, budget, method, key="r2"):
        values = self.seeds(game, budget, method, key).values()
        return float(np.mean(list(values))) if values else None

    def gap(self, one, other):
        """Mean difference of R² over the seeds that both (game, budget, method) have."""
        left, right = self.seeds(*one, "r2"), self.seeds(*other, "r2")
        both = left.keys() & right.keys()
        return float(np.mean([left[s] - right[s] for s in both])) if both else None


def report(log, rows, plot):
    """The whole report."""
    lines = ["# Faithfulness per model call", "", f"![R² and seconds]({plot})", ""]
    for cell in (row["cell"] for row in log.rows if "versions" in row["cell"]):
        names = ", ".join(f"{name} {v}" for name, v in cell["versions"].items())
        lines.append(f"- {cell['of']}: {names}")
    for part in (of_r2, of_indices, of_cost, of_masks, of_sparse, of_refusals):
        written = list(part(rows))
        if not written[-1].startswith("|---"):  # a table without rows
            lines += ["", *written]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------- R²
def of_r2(rows):
    yield "## Held-out R² under uniform masks"
    yield ""
    yield "Means over games and seeds; an R² below 0 counts as 0; – not run."
    yield ""
    yield (
        "Ours: gp is ProxySPEX for an index that weighs all coalitions alike (BV, BII, FBII), on "
        "uniform masks; gp-ends is ProxySPEX for the other indices, by default k-SII, which up to "
        "16 players spends a quarter of the masks near the ends, where R² does not look."
    )
    for family in rows.real():
        games = list(rows.families[family])
        budgets = sorted({b for g, b in rows.at(family) if (g, b, "ridge") in rows.by})
        extra = [b for _, b in rows.at(family) if (games[0], b, "proxyspex") in rows.by]
        budgets = sorted({*budgets, *extra})
        methods = [m for m in rows.methods if any(_r2(rows, family, b, m) for b in budgets)]
        seeds = {row["cell"]["seed"] for row in rows.rows if row["family"] == family}
        yield ""
        yield f"### {family}: {', '.join(games)}; seeds {', '.join(map(str, sorted(seeds)))}"
        yield ""
        body = [[m, *(_r2(rows, family, b, m) or "–" for b in budgets)] for m in methods]
        yield from table(["method", *(f"{b:,}" for b in budgets)], body)
    yield ""
    yield from verdicts(rows)


def _r2(rows, family, budget, method):
    """Mean R² as text, "refused", or None."""
    tried = [rows.by.get((g, budget, method)) for g in rows.families[family]]
    values = [max(r["r2"], 0) for t in tried if t for r in t.values() if "r2" in r]
    if not values:
        only_indices = any(t and any("indices" in r for r in t.values()) for t in tried)
        return "refused" if any(tried) and not only_indices else None
    some = "" if all(t and all("r2" in r for r in t.values()) for t in tried) else "*"
    return f"{np.mean(values):.3f}{some}"


def verdicts(rows):
    """What the claim stands on, over (game, budget) cells."""
    cells = [c for c in rows.at(*rows.real()) if (*c, "ridge") in rows.by]
    peers = [m for m in rows.methods if m not in MINE]
    yield "\\* refused in some of the games or seeds."
    for mine in OURS:
        mean = {c: rows.mean(*c, mine) for c in cells}
        if not any(v is not None for v in mean.values()):
            continue
        yield ""
        yield f"**{mine}**, over cells of one game and budget, means of the seeds both have:"
        yield ""
        for factor in (2, 4):
            gaps = [
                g
                for c in cells
                if (g := rows.gap((*c, mine), (c[0], factor * c[1], "proxyspex"))) is not None
            ]
            if gaps:
                share = np.mean(np.array(gaps) >= 0)
                yield (
                    f"- at least shapiq's ProxySPEX with {factor} times the budget in {share:.0%} "
                    f"of {len(gaps)} cells"
                )
        best = {}
        for c in cells:
            gaps = {p: g for p in peers if (g := rows.gap((*c, mine), (*c, p))) is not None}
            if gaps:
                best[c] = min(gaps.items(), key=lambda item: item[1])
        low = [(c, p, g) for c, (p, g) in best.items() if g < -WORSE["peers"]]
        yield f"- more than {WORSE['peers']} below the best peer in {len(low)} of {len(best)} cells"
        yield from _listed(low)
        ridge = {c: g for c in cells if (g := rows.gap((*c, mine), (*c, "ridge"))) is not None}
        low = [(c, "ridge", g) for c, g in ridge.items() if g < -WORSE["ridge"]]
        yield f"- more than {WORSE['ridge']} below ridge in {len(low)} of {len(ridge)} cells"
        yield from _listed(low)
        yield from _beside(rows, mine, cells)


def _beside(rows, mine, cells):
    """Seconds against the peer's, and the R² a method reports against the true one."""
    pairs = [[rows.mean(*c, m, "cpu_seconds") for m in ("proxyspex", mine)] for c in cells]
    totals = np.sum([pair for pair in pairs if None not in pair] or [[np.nan] * 2], axis=0)
    yield f"- seconds of computing, shapiq's ProxySPEX : {mine} = {totals[0] / totals[1]:.1f}"
    own = [[rows.mean(*c, mine, key) for key in ("own_r2", "r2")] for c in cells]
    gaps = [a - b for a, b in (pair for pair in own if None not in pair)]
    if gaps:
        low, middle, high = (f"{gap:+.3f}" for gap in np.percentile(gaps, (10, 50, 90)))
        yield f"- R² it reports minus R²: median {middle}, nine in ten above {low} and below {high}"


def _listed(cells):
    for (game, budget), peer, gap in cells:
        yield f"    - {game}, {budget:,} masks: {gap:+.3f} against {peer}"


# ---------------------------------------------------------------------- indices
def of_indices(rows):
    yield "## Indices against exact values, on the tables"
    yield ""
    yield (
        "Medians over (game, budget) cells, means of seeds within: normalised squared error, share "
        "of the ten largest. A method refused somewhere has fewer cells, in brackets."
    )
    names = dict.fromkeys(i for row in rows.rows for i in row.get("indices", {}))
    cells = [cell for cell in rows.at(*rows.real()) if (*cell, "ridge") in rows.by]
    cells = [c for c in cells if rows.mean(*c, "ridge", lambda row: "indices" in row)]
    by_index = {name: _index_figures(rows, name, cells) for name in names}
    for name, figures in by_index.items():
        yield ""
        yield f"### {name}{'' if name == 'SV' else ', order 2'}"
        yield ""
        body = [
            [m, _median(f, 0), _median(f, 1)]
            for m, f in sorted(figures.items(), key=lambda item: _middle(item[1], 0))
        ]
        yield from table(["method", "error", "top ten"], _counted(body, figures, cells))
        yield from _ratios(figures)


def _index_figures(rows, index, cells):
    """{method: {cell: (error, precision)}}"""
    found = {}
    for method, cell in product(rows.methods, cells):
        values = rows.seeds(*cell, method, lambda row: row.get("indices", {}).get(index))
        if values:
            found.setdefault(method, {})[cell] = np.mean(list(values.values()), axis=0)
    return found


def _middle(figures, k):
    return float(np.median([f[k] for f in figures.values()]))


def _median(figures, k):
    return f"{_middle(figures, k):.3g}"


def _counted(body, figures, cells):
    for row in body:
        count = len(figures[row[0]])
        if count < len(cells):
            row[0] += f" ({count} of {len(cells)})"
    return body


def _ratios(figures):
    peers = {m: f for m, f in figures.items() if m not in MINE}
    if not peers:
        return
    most = max(len(f) for f in peers.values())
    least = min((m for m in peers if len(peers[m]) == most), key=lambda m: _middle(peers[m], 0))
    for mine in (m for m in OURS if m in figures):
        cells = [c for c in figures[mine] if any(c in f for f in peers.values())]
        error, top = (np.array([figures[mine][c][k] for c in cells]) for k in (0, 1))
        best = [min(f[c][0] for f in peers.values() if c in f) for c in cells]
        tops = [max(f[c][1] for f in peers.values() if c in f) for c in cells]
        one = [peers[least][c][0] if c in peers[least] else np.nan for c in cells]
        yield ""
        yield (
            f"{mine}: error in the median {np.median(error / best):.2f} times that of each cell's "
            f"best peer, {np.nanmedian(error / one):.2f} times that of the best over all cells "
            f"({least}); top ten below the best peer's in {(top < np.array(tops) - 1e-9).sum()} "
            f"of {len(cells)} cells."
        )


# ---------------------------------------------------------------------- cost
def of_cost(rows):
    yield "## Seconds of computing and peak memory"
    yield ""
    yield (
        f"{HIERARCHY.capitalize()}; one thread, the game left out, imports and first calls left "
        "out; megabytes above the level after import. Allowed: the larger of 2 s and 1/20 of "
        "shapiq's ProxySPEX up to 1,000 masks, 120 s beyond."
    )
    yield ""
    methods = ("proxyspex", "gp", "gbt", "spex")
    body = []
    for n, budget in [(n, b) for n, budgets in COST.items() for b in budgets]:
        game = f"{HIERARCHY}, n={n}"
        seconds = {m: rows.mean(game, budget, m, "cpu_seconds") for m in methods}
        if any(v is not None for v in seconds.values()):
            memory = [rows.mean(game, budget, m, "megabytes") for m in methods]
            allowed = 120.0 if budget > 1000 else max(2.0, (seconds["proxyspex"] or 0) / 20)
            shown = [_figure(v, "{:.1f}") for v in seconds.values()]
            shown += [f"{allowed:.1f}", *(_figure(v, "{:.0f}") for v in memory)]
            body.append([n, f"{budget:,}", *shown])
    head = ["n", "masks", *(f"s {m}" for m in methods), "s allowed", *(f"MB {m}" for m in methods)]
    yield from table(head, body)


def _figure(value, form):
    return "–" if value is None else form.format(value)


# ---------------------------------------------------------------------- masks at equal R²
def of_masks(rows):
    yield "## Masks at equal R²: SPEX's decoder against ProxySPEX"
    yield ""
    yield (
        "Masks needed for an R², on the line through the measured points (R² against the logarithm "
        "of the budget, best so far); > not reached with that many."
    )
    yield ""
    games = [*TEXTS_FOR_MASKS, *(f"{HIERARCHY}, n={n}" for n in (30, 60, 128))]
    body, ratios = [], []
    for game, level in product(games, (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)):
        needed = {m: needed_for(level, _curve(rows, game, m)) for m in ("gp", "decode")}
        if None not in needed.values() and needed["gp"][0]:
            (_, gp), (reached, decode) = needed["gp"], needed["decode"]
            ratios.append(decode / gp)
            sign = "" if reached else "> "
            shown = [f"{gp:,.0f}", f"{sign}{decode:,.0f}", f"{sign}{decode / gp:.1f}"]
            body.append([game, level, *shown])
    yield from table(["game", "R²", "gp", "decode", "ratio"], body)
    if ratios:
        yield ""
        yield f"Median ratio {np.median(ratios):.1f}, those not reached taken at their bound."


def _curve(rows, game, method):
    budgets = sorted(b for g, b, m in rows.by if g == game and m == method)
    return [(b, r2) for b in budgets if (r2 := rows.mean(game, b, method)) is not None]


def needed_for(level, curve):
    """(whether reached, masks), None without a curve."""
    if not curve:
        return None
    best = np.maximum.accumulate([r2 for _, r2 in curve])
    logs = np.log([b for b, _ in curve])
    if best[-1] < level:
        return False, float(np.exp(logs[-1]))
    k = int(np.argmax(best >= level))
    if k == 0:
        return True, float(np.exp(logs[0]))
    share = (level - best[k - 1]) / (best[k] - best[k - 1])
    return True, float(np.exp(logs[k - 1] + share * (logs[k] - logs[k - 1])))


# ---------------------------------------------------------------------- sparse games, refusals
def of_sparse(rows):
    yield "## Normalised squared error on sparse games"
    yield ""
    methods = ("gp", "spex", "proxyspex")
    body = []
    for game, budget in rows.at(*SPARSE):
        errors = [
            rows.mean(game, budget, m, lambda r: 1 - r["r2"] if "r2" in r else None)
            for m in methods
        ]
        seconds = [rows.mean(game, budget, m, "cpu_seconds") for m in methods]
        shown = [_figure(e, "{:.2g}") for e in errors] + [_figure(s, "{:.1f}") for s in seconds]
        body.append([game, f"{budget:,}", *shown])
    head = ["game", "masks", *methods, *(f"s {m}" for m in methods)]
    yield from table(head, body)


def of_refusals(rows):
    yield "## Refused"
    yield ""
    kinds = {}
    for row in rows.rows:
        cell, where = row["cell"], row["cell"]["method"]
        reasons = {where: row["refused"]} if "refused" in row else {}
        reasons |= {f"{where}, {i}": why for i, why in row.get("refused_indices", {}).items()}
        for who, why in reasons.items():
            key = who, why.strip().splitlines()[-1][:160]
            kinds.setdefault(key, []).append((cell["game"], cell["budget"]))
    body = []
    for (who, why), cells in sorted(kinds.items()):
        most = sorted({f"{g} {b:,}" for g, b in cells})
        some = ", ".join(most[:3]) + (", ..." if len(most) > 3 else "")
        body.append([who, why.replace("|", "/"), len(cells), some])
    yield from table(["method", "what it says", "rows", "where"], body)
