"""Bars beside or on each other, upright or lying, with their intervals and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cifar102.figures import marks

LINES = {"elinewidth": 1, "ecolor": "0.2", "capsize": 2}


def draw_bars(
    ax: Axes,
    table: pd.DataFrame,
    category: str,
    value: str,
    *,
    upright: bool,
    hue: str | None = None,
    low: str | None = None,
    high: str | None = None,
    stacked: bool = False,
    value_format: str | None = None,
    log: bool = False,
) -> None:
    """Draw a bar a row: `category` names its place, `value` its length, `hue` its colour (see charts.bars)."""
    marks.require(table, category, value, hue, low, high)
    draw, base, error = (ax.bar, "bottom", "yerr") if upright else (ax.barh, "left", "xerr")
    names, hues = list(table[category].unique()), list(marks.groups(table, hue))
    slots = slots_of(table, category, None if stacked else hue)
    taken, bases = dict.fromkeys(names, 0), np.zeros(len(names))
    for number, label, rows in hues:
        places = rows[category].map(names.index).to_numpy()
        thickness = 0.8 / rows[category].map(slots).to_numpy()
        has_all = max(slots.values()) == len(hues)
        turn = 0 if stacked else number if has_all else rows[category].map(taken).to_numpy()
        look = {"color": marks.colour(number), "label": label or None, "linewidth": 0, "error_kw": LINES}
        look |= {base: bases[places], error: marks.errors(rows, value, low, high)}
        drawn = draw(places + (turn + 0.5) * thickness - 0.4, rows[value], thickness * 0.95, **look)
        if value_format:
            texts = [value_format.format(number) for number in rows[value]]
            ax.bar_label(drawn, texts, fontsize="x-small", padding=2, label_type="center" if stacked else "edge")
        taken |= {name: taken[name] + 1 for name in rows[category]}
        if stacked:
            bases[places] += rows[value].to_numpy()
    if log:
        (ax.set_yscale if upright else ax.set_xscale)("log")
    marks.category_axis(ax, "x" if upright else "y", [marks.text_of(name) for name in names])


def slots_of(table: pd.DataFrame, category: str, hue: str | None) -> dict[object, int]:
    """Return how many bars stand side by side in each category.

    As many as `hue` has values; but where no category has them all (keywords coloured by class), those that it has.
    """
    if hue is None:
        return dict.fromkeys(table[category].unique(), 1)
    counts = table.groupby(category, sort=False)[hue].nunique()
    most = table[hue].nunique()
    return counts.to_dict() if counts.max() < most else dict.fromkeys(counts.index, most)
