"""Plot functions of the generalization analysis: accuracies with intervals, gaps, calibration. They compute nothing."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from scipy.special import expit, logit, ndtr, ndtri

from cifar102.figures import charts, marks

LARGEST_AREA = 200  # of a point, in square points
TICKS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.97, 0.98, 0.99, 0.995)


def original_against_new(
    ax: Axes,
    table: pd.DataFrame,
    *,
    scale: str = "probit",
    hue: str = "family",
    label: str | None = None,
    highlight: str = "this model",
    x_label: str = "accuracy on the original test set (%)",
    y_label: str = "accuracy on the new test set (%)",
) -> None:
    """Draw models as points with intervals on both axes, the diagonal, and fitted lines with their bands.

    Columns: kind ("model" or "line"), `hue` (the model's family; the fit's name), original, new, original_low,
    original_high, new_low, new_high; all 0-1, written in percent. scale: "probit", "logit" or "linear", of both axes.
    highlight: the family whose points are drawn large.
    """
    marks.require(table, "kind", "original", "new", hue, label)
    models, lines = table[table["kind"] == "model"], table[table["kind"] == "line"]
    limits = _limits(models)
    _accuracy_scales(ax, scale, limits)
    ax.plot(limits, limits, color=marks.GREY, linestyle=marks.DASHES[1], linewidth=1, label="equal accuracy")
    for number, name, rows in marks.groups(lines, hue):
        colour, dash = ("0.15", marks.DASHES[0]) if number == 0 else ("0.5", marks.DASHES[2])
        ax.plot(rows["original"], rows["new"], color=colour, linestyle=dash, linewidth=1.2, label=name, zorder=2)
        if "new_low" in rows and rows["new_low"].notna().all():
            ax.fill_between(rows["original"], rows["new_low"], rows["new_high"], color="0.2", alpha=0.15, linewidth=0)
    for number, name, rows in marks.groups(models, hue):
        across = marks.errors(rows, "original", "original_low", "original_high")
        along = marks.errors(rows, "new", "new_low", "new_high")
        look = {"color": marks.colour(number), "zorder": 3}
        ax.errorbar(rows["original"], rows["new"], along, across, fmt="none", elinewidth=0.7, alpha=0.6, **look)
        kind, size = marks.marker(number), 11 if name == highlight else 5
        ax.plot(rows["original"], rows["new"], kind, markersize=size, label=name, **look)
    if label:
        marks.point_names(ax, models[["original", "new"]].to_numpy(), list(models[label]))
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.legend(loc="upper left")  # new sets are harder: the corner above the diagonal is free


def gap_bars(
    ax: Axes,
    table: pd.DataFrame,
    *,
    label: str = "label",
    gap: str = "gap",
    low: str | None = "low",
    high: str | None = "high",
    x_label: str = "",
    y_label: str = "gap (percentage points)",
    **options: object,
) -> None:
    """Draw the accuracy gap per class or model with its interval and the zero line.

    Further options as in charts.bars, among them reference and reference_label for a published gap.
    """
    charts.bars(ax, table, x=label, y=gap, low=low, high=high, x_label=x_label, y_label=y_label, **options)
    ax.axhline(0, color="0.15", linewidth=1, zorder=2.5)


def interval_rows(
    ax: Axes,
    table: pd.DataFrame,
    *,
    label: str = "label",
    value: str = "value",
    low: str = "low",
    high: str = "high",
    hue: str | None = None,
    reference: float | None = 0,
    value_format: str | None = "{:.1f}",
    **frame: object,
) -> None:
    """Draw one estimate with its interval a row (a forest plot), the numbers written at the right.

    A row without a value stays empty, so that panels side by side keep their rows level. Of rows below each other that
    have one label the first alone shows it. reference: a value marked by a dashed line (None: no line). value_format:
    of value and ends, None for no numbers.
    Further options: x_label, y_label, reference_label, percent.
    """
    marks.require(table, label, value, low, high, hue)
    table = table.reset_index(drop=True)
    for number, name, rows in marks.groups(table, hue):
        ax.errorbar(
            rows[value],
            rows.index,
            xerr=marks.errors(rows, value, low, high),
            fmt="o",
            color=marks.colour(number),
            capsize=2.5,
            elinewidth=1.6,
            label=name or None,
        )
    if value_format:
        for height, row in table[table[value].notna()].iterrows():
            center, left, right = (value_format.format(row[part]) for part in (value, low, high))
            marks.right_note(ax, height, f"{center} [{left}, {right}]")
    marks.category_axis(ax, "y", _first_of_each([marks.text_of(name) for name in table[label].fillna("")]))
    marks.finish(ax, "x", names=(value, ""), reference=reference, **frame)


def _first_of_each(names: list[str]) -> list[str]:
    """The names, those that repeat the one above left empty."""
    return ["" if name == above else name for name, above in zip(names, ["", *names[:-1]], strict=True)]


def reliability(
    ax: Axes,
    table: pd.DataFrame,
    *,
    confidence: str = "confidence",
    accuracy: str = "accuracy",
    count: str | None = None,
    hue: str | None = None,
    low: str = "low",
    high: str = "high",
    x_label: str = "mean confidence of the bin (%)",
    y_label: str = "accuracy in the bin (%)",
) -> None:
    """Draw accuracy over confidence, bin by bin, against the diagonal of a calibrated model; both columns are 0-1.

    count: column with the images of each bin, drawn as the area of the bin's point. low, high: of the accuracy.
    """
    marks.require(table, confidence, accuracy, count, hue, low, high)
    ax.plot([0, 1], [0, 1], color=marks.GREY, linestyle=marks.DASHES[1], linewidth=1, label="calibrated")
    for number, name, rows in marks.groups(table, hue):
        look = {"color": marks.colour(number), "marker": marks.marker(number)}
        ax.plot(rows[confidence], rows[accuracy], linewidth=1.2, markersize=4, label=name or None, **look)
        ax.vlines(rows[confidence], rows[low], rows[high], linewidth=0.8, alpha=0.6, color=look["color"])
        if count:
            areas = LARGEST_AREA * rows[count] / table[count].max()
            ax.scatter(rows[confidence], rows[accuracy], areas, alpha=0.45, linewidth=0, zorder=3, **look)
    ax.set(xlim=(0, 1.01), ylim=(0, 1.01), aspect="equal")
    marks.finish(ax, "y", x_label=x_label, y_label=y_label, percent=True)
    marks.write_numbers(ax.xaxis, percent=True)


def _limits(models: pd.DataFrame) -> tuple[float, float]:
    columns = [c for c in ("original_low", "new_low", "original", "new", "original_high", "new_high") if c in models]
    values = models[columns].to_numpy(dtype=float)
    low, high = np.nanmin(values), np.nanmax(values)
    return max(low - 0.06 * (1 - low), 0.002), min(high + 0.25 * (1 - high), 0.998)


def _accuracy_scales(ax: Axes, scale: str, limits: tuple[float, float]) -> None:
    if scale not in ("probit", "logit", "linear"):
        raise ValueError(f"scale {scale!r}: expected 'probit', 'logit' or 'linear'")
    functions = {"probit": (ndtri, ndtr), "logit": (logit, expit)}.get(scale)
    for axis in ("x", "y") if functions else ():
        forward = partial(_inside, functions[0])
        getattr(ax, f"set_{axis}scale")("function", functions=(forward, functions[1]))
        getattr(ax, f"set_{axis}ticks")(_ticks(forward, limits))
    ax.set(xlim=limits, ylim=limits, box_aspect=1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())
        marks.write_numbers(axis, percent=True)


def _inside(function: Callable, accuracies: np.ndarray) -> np.ndarray:
    return function(np.clip(accuracies, 1e-6, 1 - 1e-6))  # a line drawn beyond the axes may leave 0-1


def _ticks(forward: Callable, limits: tuple[float, float]) -> list[float]:
    """Choose round accuracies at least 7 % of the axis apart."""
    low, high = forward(np.array(limits))
    ticks: list[float] = []
    for tick in TICKS:
        spot = (forward(tick) - low) / (high - low)
        if 0 <= spot <= 1 and (not ticks or spot - (forward(ticks[-1]) - low) / (high - low) >= 0.07):
            ticks.append(tick)
    return ticks
