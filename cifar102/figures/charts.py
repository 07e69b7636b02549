"""Plot functions for counts, scores and curves: each draws one table into given axes and computes nothing.

Every function takes `**frame`: x_label and y_label (with unit), reference and reference_label (a dashed line at a
value), percent (values are 0-1 and written in percent), as marks.finish has them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cifar102.figures import marks

LINES = {"elinewidth": 1, "ecolor": "0.2", "capsize": 2}
MOST_WRITTEN = 1000  # cells of a matrix with their numbers; of more only the colours are drawn
FRAME = ("x_label", "y_label", "percent", "reference", "reference_label")


def bars(ax: Axes, table: pd.DataFrame, *, x: str, y: str, **options: object) -> None:
    """Draw upright bars of column `y` over the categories of column `x`.

    Options: hue (column; bars side by side or, with stacked=True, on each other), low and high (columns, the interval's
    ends), value_format (numbers on the bars, "{:.0f}"), log, and the frame.
    """
    frame = {name: options.pop(name) for name in FRAME if name in options}
    _draw_bars(ax, table, x, y, upright=True, **options)
    marks.finish(ax, "y", names=(x, y), **frame)


def horizontal_bars(ax: Axes, table: pd.DataFrame, *, y: str, x: str, **options: object) -> None:
    """Draw lying bars of column `x` for the categories of column `y`, the first row on top. Options as in bars."""
    frame = {name: options.pop(name) for name in FRAME if name in options}
    _draw_bars(ax, table, y, x, upright=False, **options)
    marks.finish(ax, "x", names=(x, y), **frame)


def _draw_bars(
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
    """Draw a bar a row: `category` names its place, `value` its length, `hue` its colour (see bars)."""
    marks.require(table, category, value, hue, low, high)
    draw, base, error = (ax.bar, "bottom", "yerr") if upright else (ax.barh, "left", "xerr")
    names, hues = list(table[category].unique()), list(marks.groups(table, hue))
    slots = marks.slots_of(table, category, None if stacked else hue)
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


def histogram(
    ax: Axes,
    table: pd.DataFrame,
    *,
    hue: str | None = None,
    thresholds: Sequence = (),
    log: bool = False,
    y_label: str = "images",
    **frame: object,
) -> None:
    """Draw counted bins: columns bin_left, bin_right, count and, with `hue`, whose bins they are.

    thresholds: numbers or [number, name] pairs, each drawn as a labelled line. log: counts on a logarithmic axis.
    """
    marks.require(table, "bin_left", "bin_right", "count", hue)
    for number, label, rows in marks.groups(table, hue):
        ax.bar(
            rows["bin_left"],
            rows["count"],
            rows["bin_right"] - rows["bin_left"],
            align="edge",
            color=marks.colour(number),
            alpha=0.85 if hue is None else 0.55,
            linewidth=0,
            label=label or None,
        )
    if log:
        ax.set_yscale("log")
    ax.grid(visible=False, axis="x")
    ax.margins(x=0.01)
    for threshold in thresholds:
        pair = threshold if isinstance(threshold, list | tuple) else (threshold, f"{threshold:g}")
        marks.threshold_line(ax, *pair)
    marks.finish(ax, "x", names=("value", ""), y_label=y_label, **frame)


def curves(
    ax: Axes,
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    hue: str | None = None,
    dash: str | None = None,
    low: str | None = None,
    high: str | None = None,
    markers: bool = False,
    x_log: bool = False,
    y_limits: Sequence[float] | None = None,
    **frame: object,
) -> None:
    """Draw lines of column `y` over column `x`: a colour a value of `hue`, a line style a value of `dash`.

    low and high: columns with the ends of a band. y_limits: lowest and highest value of the axis.
    """
    marks.require(table, x, y, hue, dash, low, high)
    dashes = list(table[dash].dropna().unique()) if dash else [None]
    for number, name, rows in marks.groups(table, hue):
        for _, kind, line in marks.groups(rows, dash):
            style = marks.DASHES[dashes.index(line[dash].iloc[0]) % len(marks.DASHES)] if dash else marks.DASHES[0]
            colour, label = marks.colour(number), ", ".join(part for part in (name, kind) if part) or None
            marker = marks.marker(number) if markers or len(line) < 2 else None
            ax.plot(line[x], line[y], linestyle=style, color=colour, marker=marker, label=label)
            if low is not None and high is not None:
                ax.fill_between(line[x], line[low], line[high], color=colour, alpha=0.18, linewidth=0)
    if x_log:
        ax.set_xscale("log")
        marks.plain_ticks(ax.xaxis, table[x])
    elif pd.api.types.is_integer_dtype(table[x]):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # there is no epoch 1.2
    if y_limits is not None:
        ax.set_ylim(*y_limits)
    marks.finish(ax, "y", names=(x, y), **frame)


def points_per_seed(
    ax: Axes,
    table: pd.DataFrame,
    *,
    arm: str = "arm",
    value: str = "accuracy",
    mean: str = "mean",
    hue: str | None = None,
    value_format: str | None = None,
    percent: bool = True,
    **frame: object,
) -> None:
    """Draw one point a seed and a stroke at the mean, arms from top to bottom.

    Columns: the arm, its value per seed, and `mean`, the arm's mean on each of its rows (with hue: of arm and hue).
    value_format: writes the mean at the right edge, for example "{:.1%}".
    """
    marks.require(table, arm, value, mean, hue)
    arms, hues = list(table[arm].unique()), list(marks.groups(table, hue))
    for number, name, rows in hues:
        offset = 0.6 * (number - (len(hues) - 1) / 2) / len(hues)
        places = rows.assign(height=rows[arm].map(arms.index) + offset)
        colour, height = marks.colour(number), places["height"]
        ax.plot(places[value], height, "o", color=colour, markersize=5, alpha=0.6, markeredgewidth=0)
        ax.plot(places[mean], height, "|", color=colour, markersize=13, markeredgewidth=2, label=name or None)
        if value_format:
            for _, row in places.drop_duplicates("height").iterrows():
                marks.right_note(ax, row["height"], value_format.format(row[mean]))
    marks.category_axis(ax, "y", [marks.text_of(name) for name in arms])
    marks.finish(ax, "x", names=(value, ""), percent=percent, **frame)


def scatter(
    ax: Axes,
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    hue: str | None = None,
    label: str | None = None,
    size: str | None = None,
    x_ends: Sequence[str] = (None, None),
    y_ends: Sequence[str] = (None, None),
    diagonal: bool = False,
    log: bool = False,
    percent: bool = False,
    **frame: object,
) -> None:
    """Draw points of columns `x` and `y`; `label` names them, `size` is their area in square points.

    x_ends and y_ends: two columns each, the interval's ends. diagonal: equal axes with the line x = y. log, percent:
    of both axes.
    """
    marks.require(table, x, y, hue, label, size, *x_ends, *y_ends)
    for number, name, rows in marks.groups(table, hue):
        across, along, colour = marks.errors(rows, x, *x_ends), marks.errors(rows, y, *y_ends), marks.colour(number)
        ax.errorbar(rows[x], rows[y], along, across, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.5)
        area, shape = rows[size] if size else 22, marks.marker(number)
        drawn = ax.scatter(rows[x], rows[y], area, color=colour, marker=shape, label=name or None)
        drawn.set(alpha=0.75, linewidth=0, zorder=3)
    if label:
        marks.point_names(ax, table[[x, y]].to_numpy(), list(table[label]))
    if log:
        ax.set(xscale="log", yscale="log")
    if diagonal:
        limits = min(ax.get_xlim()[0], ax.get_ylim()[0]), max(ax.get_xlim()[1], ax.get_ylim()[1])
        ax.plot(limits, limits, color=marks.GREY, linewidth=1, linestyle=marks.DASHES[1], zorder=1)
        ax.set(xlim=limits, ylim=limits, box_aspect=1)
    marks.finish(ax, "y", names=(x, y), percent=percent, **frame)
    marks.write_numbers(ax.xaxis, percent)


def matrix(
    ax: Axes,
    table: pd.DataFrame,
    *,
    row: str,
    column: str,
    value: str,
    text: str | None = None,
    value_format: str = ".1f",
    center: float | None = None,
    limits: Sequence[float] = (None, None),
    value_label: str = "",
    x_label: str | None = None,
    y_label: str | None = None,
) -> None:
    """Draw a long table, one cell a row, as a matrix with the value (or column `text`) written into each cell.

    Of more than 1,000 cells only the colours are drawn, with every row and column named in small print.
    center: the value that is white, which gives a map of two colours. limits: values at the ends of the colours.
    value_label: names the colour bar; without it there is none. value_format: a format such as ".1f" or "{:,.0f}".
    """
    marks.require(table, row, column, value, text)
    rows, columns = list(table[row].unique()), list(table[column].unique())
    cells = table.set_index([row, column]).unstack(column).reindex(rows)  # noqa: PD010 a reshape, no aggregation
    values = cells[value][columns].astype(float)
    written = values if text is None else cells[text][columns].fillna("").astype(str)
    colours = {"cmap": "Blues" if center is None else "RdBu_r", "center": center, "vmin": limits[0], "vmax": limits[1]}
    bar = {"label": value_label, "fraction": 0.04, "pad": 0.02}
    spec = value_format.strip("{:}") if text is None else ""
    _draw_cells(ax, values, written.to_numpy(), spec, cbar=bool(value_label), cbar_kws=bar, **colours)
    ax.set(xlabel=column if x_label is None else x_label, ylabel=row if y_label is None else y_label)


def _draw_cells(ax: Axes, values: pd.DataFrame, written: np.ndarray, spec: str, **options: object) -> None:
    """Colour the cells by their values and write `written` into them, unless they are too many to be read."""
    import seaborn as sns  # half a second, which charts without cells do not need

    is_dense = values.size > MOST_WRITTEN
    sns.heatmap(
        values,
        ax=ax,
        xticklabels=1,
        yticklabels=1,
        annot=None if is_dense else written,
        fmt=spec,
        annot_kws={"fontsize": "small" if values.size <= 144 else "xx-small"},
        linewidths=0 if is_dense else 0.5,
        **options,
    )
    ax.grid(visible=False)  # it would show where a cell is empty
    _name_cells(ax, [marks.text_of(name) for name in values.index], [marks.text_of(name) for name in values], is_dense)


def _name_cells(ax: Axes, rows: list[str], columns: list[str], is_dense: bool) -> None:
    ax.tick_params(length=0)
    ax.set_yticklabels(rows, rotation=0)
    ax.set_xticklabels(columns, rotation=90 if is_dense else 0)
    if is_dense:
        ax.tick_params(labelsize=5)
    else:
        marks.lean_labels(ax, columns, share=0.62)
