"""The figures of `evaluate` and `compare`: one model on every set, beside the line, in a ranking, against another one.

Every function takes its table, the folder of results as a workspace and its title, draws through `drawing`, and returns
the figure. Tables hold values as they are drawn: percent, percentage points, ranks.
"""

import pandas as pd

from cifar102.figures import accuracy_charts, charts, drawing
from cifar102.figures.drawing import SavedFigure
from cifar102.workspace.folders import Workspace

ROW = 0.27  # inches of one row of a chart of intervals
MOST_RELIABILITY = 6  # panels of one figure


def draw_scorecard(rows: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw one model on every set: accuracy, gap to the first set and robustness side by side, a row a set.

    rows: label, and for each of accuracy, gap, robustness the columns NAME, NAME_low, NAME_high (percent and points;
    NaN where there is none). A column that is empty throughout gets no panel.
    """
    headings = {
        "accuracy": ("accuracy", "percent", None),
        "gap": ("gap to CIFAR-10", "percentage points", 0),
        "robustness": ("above the line", "percentage points", 0),
    }
    panels = []
    for name, (heading, unit, reference) in headings.items():
        if rows[name].isna().all():
            continue
        table = rows[["label", name, f"{name}_low", f"{name}_high"]].set_axis(["label", "value", "low", "high"], axis=1)
        table = table.assign(label=table["label"] if not panels else "")
        look = {"title": heading, "x_label": unit, "reference": reference}
        panels.append((accuracy_charts.interval_rows, table, look))
    widest = 0.06 * rows["label"].str.len().max()
    size = (widest + 2.9 * len(panels), 1.5 + ROW * len(rows))
    return drawing.draw_panels("08-scorecard", panels, workspace, title=title, columns=len(panels), figsize=size)


def draw_line(name: str, chart: pd.DataFrame, workspace: Workspace, *, title: str, new: str) -> SavedFigure:
    """Draw one model beside the standard models and their line on logit axes. chart: of chart_tables.line_chart."""
    return drawing.draw(
        name,
        accuracy_charts.original_against_new,
        chart,
        workspace,
        title=title,
        scale="logit",
        x_label="accuracy on CIFAR-10 test (%)",
        y_label=f"accuracy on {new} (%)",
    )


def draw_corruptions(rows: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw accuracy per corruption: a point a severity and a stroke at the mean.

    rows: corruption, severity (text), accuracy, mean (0-1), corruptions from top to bottom.
    """
    look = {"arm": "corruption", "mean": "mean", "hue": None, "x_label": "accuracy (%), a point a severity"}
    size = (6.4, 1.6 + ROW * rows["corruption"].nunique())
    return drawing.draw(
        "08-corruptions",
        charts.points_per_seed,
        rows,
        workspace,
        title=title,
        figsize=size,
        value_format="{:.1%}",
        **look,
    )


def draw_reliability(tables: dict[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw reliability, a panel a set. tables: set -> calibration.reliability_table; the first six are drawn."""
    some = list(tables.items())[:MOST_RELIABILITY]
    panels = [(accuracy_charts.reliability, table, {"title": name, "count": "count"}) for name, table in some]
    return drawing.draw_panels("08-reliability", panels, workspace, title=title, columns=min(len(panels), 3))


def draw_ranking(rows: dict[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw the ranks that each model can have, a panel a set. rows: set -> label, value, low, high."""
    panels, columns = [], min(len(rows), 3)
    for number, (name, table) in enumerate(rows.items()):
        look = {"title": name, "x_label": "rank", "reference": None, "value_format": "{:.0f}"}
        labels = "" if number % columns else table["label"]
        panels.append((accuracy_charts.interval_rows, table.assign(label=labels), look))
    labels = next(iter(rows.values()))["label"]
    size = (0.06 * labels.str.len().max() + 2.6 * columns, (1.4 + ROW * len(labels)) * -(-len(panels) // columns))
    return drawing.draw_panels("08-ranking", panels, workspace, title=title, columns=columns, figsize=size)


def draw_differences(rows: pd.DataFrame, workspace: Workspace, *, title: str, x_label: str) -> SavedFigure:
    """Draw the difference of two models on every set. rows: label, value, low, high in points."""
    size = (7, 1.4 + ROW * len(rows))
    look = {"x_label": x_label, "figsize": size}
    return drawing.draw("08-differences", accuracy_charts.interval_rows, rows, workspace, title=title, **look)


def draw_robustness(rows: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw each model of a table beside the line of the others. rows: label, value, low, high in points, best first."""
    size = (8, 1.7 + 0.21 * len(rows))
    look = {"x_label": "accuracy above the line of the others (percentage points)", "figsize": size}
    return drawing.draw("08-robustness", accuracy_charts.interval_rows, rows, workspace, title=title, **look)


def draw_table_line(charts_by_axis: dict[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw the models of a table of accuracies with their line, a panel an axis. Tables: of chart_tables.line_chart."""
    panels = []
    for axis, table in charts_by_axis.items():
        look = {
            "scale": axis,
            "title": f"{axis} axes",
            "x_label": "original accuracy (%)",
            "y_label": "new accuracy (%)",
        }
        panels.append((accuracy_charts.original_against_new, table, look))
    return drawing.draw_panels("08-line", panels, workspace, title=title, figsize=(5.4 * len(panels), 5.7))


def draw_disagreements(name: str, images: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw images that only one of two models gets right. images: set "pixels", row, pixels, caption, group."""
    return drawing.draw_sheet(name, images, workspace, title=title)
