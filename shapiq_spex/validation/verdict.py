"""What `validate` returns: a small table, a plot, and everything behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from shapiq_spex.validation.spots import LEVEL

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from shapiq_spex.validation.nulls import Nulls
    from shapiq_spex.validation.stability import Stability

NAN = float("nan")
WIDTH, HEIGHT = 12.0, 3.6  # inches


@dataclass(frozen=True)
class Precision:
    """How many of the strongest interactions lie within one annotated group of players.

    Attributes:
        precision: Their share.
        main_effects: The same for pairs of the players with the largest main effects.
        chance: The same for sets of the same sizes chosen at random.
        recall: Share of the annotated groups with such an interaction in them.
        players: Share of annotated ones among the players of the strongest interactions, of which
            so many are taken as it needs for as many players as are annotated.
        players_main_effects: The same for as many players with the largest main effects.
        players_chance: The same for as many chosen at random.
    """

    precision: float
    main_effects: float
    chance: float
    recall: float
    players: float
    players_main_effects: float
    players_chance: float


@dataclass(frozen=True, repr=False, eq=False)
class Validation:
    """A result put to the test.

    Attributes:
        faithfulness: R² on new coalitions, see `shapiq_spex.validation.faithfulness`.
        curves: Removal and insertion, see `shapiq_spex.validation.curves`.
        spots: Interactions tested by ablations of their own, see `spot_check`.
        stability: Two halves of the result's own masks compared, and results of other seeds.
        nulls: Significant interactions in the result and in games without any.
        precision: Of annotated groups; None if there are none.
        n_new: How many coalitions were evaluated.
        budget: How many might have been.
    """

    faithfulness: pd.DataFrame
    curves: pd.DataFrame
    spots: pd.DataFrame
    stability: tuple[Stability, Stability]
    nulls: Nulls
    precision: Precision | None
    n_new: int
    budget: int

    def to_frame(self) -> pd.DataFrame:
        """The small table: a row a check.

        Returns:
            Columns check, at, measure, result, main_effects (what single players alone achieve),
            chance (what comes out by chance) and masks (paid for it); NaN where a column has
            no meaning or nothing could be measured.
        """
        import pandas as pd

        rows = [
            _row("faithfulness", level.kept, "R²", level.r2, masks=level.masks)
            | {"main_effects": level.main_effects}
            for level in self.faithfulness.itertuples()
        ]
        for name, curve in self.curves.groupby("curve", sort=False):
            sizes = f"{curve.players.min()}-{curve.players.max()} players"
            means = curve[["series", "main_effects", "chance"]].mean().to_dict()
            measure = "share gone" if name == "removal" else "share there"
            row = _row(str(name), sizes, measure, means.pop("series"), masks=curve.masks.sum())
            rows.append(row | means)
        checked = len(self.spots)
        confirmed = float(self.spots.confirmed.mean()) if checked else NAN
        cost = int(self.spots.masks.sum())
        tested = _row("spot check", f"top {checked}", "confirmed", confirmed, masks=cost)
        rows.append(tested | {"chance": LEVEL})
        for part in self.stability:
            same = _row("stability", part.at, "same strongest", part.overlap, masks=part.masks)
            rows.append(same | {"chance": part.chance})
            rows.append(_row("stability", part.at, "difference", part.difference))
        nulls = self.nulls
        for at, chance in (("shuffled values", nulls.shuffled), ("additive game", nulls.additive)):
            counted = _row("null control", at, "significant", nulls.found)
            rows.append(counted | {"chance": chance})
        if (known := self.precision) is not None:
            row = _row("annotation", "reported", "within a group", known.precision)
            rows.append(row | {"main_effects": known.main_effects, "chance": known.chance})
            rows.append(_row("annotation", "groups", "found", known.recall))
            row = _row("annotation", "players", "annotated", known.players)
            row["main_effects"] = known.players_main_effects
            rows.append(row | {"chance": known.players_chance})
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Faithfulness, curves and spot checks side by side."""
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 3, figsize=(WIDTH, HEIGHT), layout="constrained")
        _draw_faithfulness(axes[0], self.faithfulness)
        _draw_curves(axes[1], self.curves)
        _draw_spots(axes[2], self.spots)
        return cast("Figure", figure)

    def __repr__(self) -> str:
        """The table, and what it cost."""
        table = self.to_frame().to_string(index=False, na_rep="", float_format="{:.2f}".format)
        return f"{table}\n{self.n_new} new coalitions evaluated, of {self.budget} allowed"


def _row(check: str, at: str, measure: str, result: float, masks: int = 0) -> dict[str, Any]:
    """One check in the table, with nothing to compare it with."""
    told = {"check": check, "at": at, "measure": measure, "result": float(result)}
    return told | {"main_effects": NAN, "chance": NAN, "masks": int(masks)}


def _draw_faithfulness(ax: Axes, frame: pd.DataFrame) -> None:
    place = np.arange(len(frame))
    for shift, column, colour in ((-0.2, "r2", "tab:blue"), (0.2, "main_effects", "0.7")):
        label = "series" if column == "r2" else "main effects"
        ax.bar(place + shift, frame[column].clip(lower=-1), 0.4, color=colour, label=label)
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.set_xticks(place, [name.removesuffix(" kept") for name in frame["kept"]])
    ax.set(ylim=(-1.05, 1.05), xlabel="players kept", ylabel="R² on new coalitions")
    ax.legend(frameon=False)


def _draw_curves(ax: Axes, frame: pd.DataFrame) -> None:
    colours = {"series": "tab:blue", "main_effects": "tab:orange", "chance": "0.6"}
    for name, curve in frame.groupby("curve"):
        style = "o-" if name == "removal" else "s--"
        for column, colour in colours.items():
            label = column.replace("_", " ") if name == "removal" else None
            ax.plot(curve["players"], curve[column], style, color=colour, label=label)
    ax.set(xlabel="players removed (line) or inserted (dashes)", ylabel="share of v(N) - v(empty)")
    if len(frame):
        ax.legend(frameon=False)


def _draw_spots(ax: Axes, frame: pd.DataFrame) -> None:
    style: dict[str, Any] = {"fmt": "o", "color": "tab:blue", "capsize": 2.5}
    for sure, fill in ((True, "tab:blue"), (False, "white")):
        some = frame[frame["confirmed"] == sure]
        if len(some):
            label = "confirmed" if sure else "not confirmed"
            error = some["standard_error"]
            ax.errorbar(
                some["said"], some["found"], error, markerfacecolor=fill, label=label, **style
            )
    if len(frame):
        reach = float(frame[["said", "found"]].abs().max().max()) * 1.1 or 1.0
        ax.plot([-reach, reach], [-reach, reach], color="0.6", linewidth=0.8, zorder=0)
        ax.legend(frameon=False)
    ax.set(xlabel="interaction (BII) by the series", ylabel="by real ablations")
