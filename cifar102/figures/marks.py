"""The marks all charts share: named axes, a colour a group, interval ends, reference lines, a place for the legend."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, StrMethodFormatter

GREY = "0.4"
MARKERS = "os^DvPX*"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
CHARACTER_INCHES = 0.068  # mean width of one character of a tick label, DejaVu Sans at 8 points


def require(table: pd.DataFrame, *columns: str | None) -> None:
    """Raise ValueError where the table lacks one of the columns (None: not asked for) or holds no row."""
    missing = [name for name in columns if name is not None and name not in table.columns]
    if missing:
        raise ValueError(f"columns {missing} are missing from the table of this chart; found {list(table.columns)}")
    if table.empty:
        raise ValueError("the table of this chart has no rows")


def text_of(value: object) -> str:
    """Write a category as a label: numbers without needless zeros, words as they are."""
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def groups(table: pd.DataFrame, column: str | None) -> Iterator[tuple[int, str, pd.DataFrame]]:
    """Yield number, label and rows of each value of `column`, by first appearance; one unnamed group without column."""
    if column is None:
        yield 0, "", table
        return
    for number, value in enumerate(table[column].dropna().unique()):
        yield number, text_of(value), table[table[column] == value]


def slots_of(table: pd.DataFrame, category: str, hue: str | None) -> dict[object, int]:
    """Return how many bars stand side by side in each category.

    As many as `hue` has values; but where no category has them all (keywords coloured by class), those that it has.
    """
    if hue is None:
        return dict.fromkeys(table[category].unique(), 1)
    counts = table.groupby(category, sort=False)[hue].nunique()
    most = table[hue].nunique()
    return counts.to_dict() if counts.max() < most else dict.fromkeys(counts.index, most)


def colour(number: int) -> str:
    """Return the palette's colour of a group, fixed now: "C0" would be looked up again when the style is gone."""
    palette = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    return palette[number % len(palette)]


def marker(number: int) -> str:
    """Return a marker; it changes when the colours start again, so that no two of 64 groups look the same."""
    return MARKERS[(number + number // len(mpl.rcParams["axes.prop_cycle"])) % len(MARKERS)]


def errors(table: pd.DataFrame, value: str, low: str | None, high: str | None) -> np.ndarray | None:
    """Turn interval ends into Matplotlib's distances, float (2, n), or None where the table has no interval."""
    if low is None or high is None or low not in table.columns or high not in table.columns:
        return None
    distances = np.array([table[value] - table[low], table[high] - table[value]], dtype=float)
    return np.clip(np.nan_to_num(distances), 0, None)  # a rounded value may stand a hair outside its own interval


def finish(
    ax: Axes,
    values: str,
    *,
    names: tuple[str, str] = ("", ""),
    x_label: str | None = None,
    y_label: str | None = None,
    percent: bool = False,
    reference: float | None = None,
    reference_label: str = "",
) -> None:
    """Name both axes, write their numbers, draw the reference line and the legend; the last call of a chart.

    values: "x" or "y", the axis of the values, which percent and reference belong to. names: columns along x and y,
    the axes' names where no label is given. percent: values are 0-1 and written in percent. reference: a dashed line.
    """
    if reference is not None:
        line = ax.axvline if values == "x" else ax.axhline
        line(reference, color=GREY, linewidth=1, linestyle=DASHES[1], zorder=2.5, label=reference_label or None)
    ax.set_xlabel(names[0].replace("_", " ") if x_label is None else x_label)
    ax.set_ylabel(names[1].replace("_", " ") if y_label is None else y_label)
    for axis in (ax.xaxis, ax.yaxis):
        write_numbers(axis, percent and axis.axis_name == values)
    legend(ax)


def write_numbers(axis: mpl.axis.Axis, percent: bool = False) -> None:
    """Write an axis' numbers as percent of 1 (without the sign, the label has it), or thousands with commas."""
    if percent:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}"))
    elif axis.get_scale() == "linear" and np.abs(axis.get_view_interval()).max() >= 1000:
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def plain_ticks(axis: mpl.axis.Axis, values: pd.Series) -> None:
    """Put a logarithmic axis' ticks at its own values where they are few, written with commas, not as powers."""
    places = np.unique(values.to_numpy(dtype=float))
    if len(places) <= 8 and (places >= 1).all():
        apart = 0.07 * np.log(places[-1] / places[0])  # of two that would touch the larger one is written
        kept = [k for k, place in enumerate(places) if k + 1 == len(places) or np.log(places[k + 1] / place) >= apart]
        axis.set_major_locator(FixedLocator(places[kept]))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.set_minor_locator(NullLocator())


def category_axis(ax: Axes, axis: str, labels: list[str]) -> None:
    """Write category names at 0, 1, 2 ...; along x they lean where they would touch, along y the first is on top."""
    getattr(ax, f"set_{axis}ticks")(range(len(labels)), labels)
    ax.grid(visible=False, axis=axis)
    if axis == "y":
        ax.set_ylim(len(labels) - 0.45, -0.55)
        return
    ax.set_xlim(-0.55, len(labels) - 0.45)
    lean_labels(ax, labels)


def lean_labels(ax: Axes, labels: list[str], share: float = 0.85) -> None:
    """Turn the labels along x by 40 degrees where they need more than the `share` of the panel's width there is."""
    room = share * _panel_width(ax) / max(len(labels), 1)
    if max((len(part) for label in labels for part in label.split("\n")), default=0) * CHARACTER_INCHES > room:
        ax.set_xticks(ax.get_xticks(), labels, rotation=40, ha="right", rotation_mode="anchor")


def threshold_line(ax: Axes, value: float, label: str) -> None:
    """Draw a dashed upright line at a value of the x axis with its name along it."""
    ax.axvline(value, color=GREY, linewidth=1, linestyle=DASHES[1], zorder=2.5)
    place = {"xytext": (-2.5, -3), "textcoords": "offset points", "rotation": 90, "ha": "right", "va": "top"}
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    ax.annotate(label, (value, 1), xycoords=("data", "axes fraction"), fontsize="small", bbox=box, zorder=6, **place)


def right_note(ax: Axes, height: float, text: str) -> None:
    """Write a text to the right of the axes, level with a value of the y axis."""
    place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
    ax.annotate(text, (1, height), xycoords=("axes fraction", "data"), fontsize="small", **place)


def point_names(ax: Axes, places: np.ndarray, names: list) -> None:
    """Write the names of points beside them. places: float (n, 2)."""
    for place, name in zip(places, names, strict=True):
        ax.annotate(text_of(name), place, (3, 3), textcoords="offset points", fontsize="x-small", color="0.25")


def legend(ax: Axes) -> None:
    """Put the legend above the axes, in as many columns as fit, clear of the data and below a panel's heading."""
    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return
    entry = max(map(len, labels)) * CHARACTER_INCHES + 0.45
    columns = max(1, min(len(labels), int(0.9 * _panel_width(ax) / entry)))
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.15}
    ax.legend(ncols=columns, columnspacing=1.2, handlelength=1.7, handletextpad=0.5, **place)
    if heading := ax.get_title(loc="left"):
        ax.set_title(heading, loc="left", pad=7 + 13.5 * -(-len(labels) // columns))


def _panel_width(ax: Axes) -> float:
    spec = ax.get_subplotspec()
    return ax.figure.get_figwidth() / (spec.get_gridspec().ncols if spec else 1)
