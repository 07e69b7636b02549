"""The figures of notebook 08 and of the placebo (06), each from tables: how they are laid out, what is on the axes.

Every function takes the figure's name, its tables and its title, draws through `drawing`, and returns the figure.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from cifar102.analysis import chart_tables, protocol
from cifar102.analysis.set_matrix import HarderOrDifferent
from cifar102.figures import accuracy_charts, charts, drawing
from cifar102.figures.drawing import SavedFigure
from cifar102.workspace.folders import Workspace

GAP_LABEL = "gap (percentage points)"
GAP_ROWS = {"value": "gap", "hue": "source"}


def draw_accuracies(name: str, accuracies: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw accuracy with its interval, a row a model and set. accuracies: of accuracy_table, with a column test."""
    return drawing.draw(
        name,
        accuracy_charts.interval_rows,
        accuracies.sort_values("model", kind="stable", ignore_index=True),
        workspace,
        title=title,
        label="model",
        value="accuracy",
        hue="test",
        percent=True,
        reference=None,
        value_format=None,
        x_label="accuracy (%)",
        figsize=(8, 5),
    )


def draw_gaps(
    name: str, gaps: pd.DataFrame, slopes: Sequence[pd.DataFrame], workspace: Workspace, *, title: str
) -> SavedFigure:
    """Draw gaps with their intervals, and below them slopes where there are any.

    gaps: of chart_tables.own_gap_rows; slopes: tables of placebo_slope, with a column source.
    """
    look = GAP_ROWS | {"reference_label": "no gap", "x_label": GAP_LABEL}
    panels = [(accuracy_charts.interval_rows, gaps, look)]
    if slopes:
        rows = pd.concat([chart_tables.slope_rows(part) for part in slopes], ignore_index=True)
        look = {"value": "slope", "hue": "source", "reference": 1, "reference_label": "slope one"}
        look |= {"value_format": "{:.2f}", "x_label": "slope of new on original accuracy"}
        panels.append((accuracy_charts.interval_rows, rows, look))
    size = (9, 2.4 + 0.44 * len(gaps))
    return drawing.draw_panels(name, panels, workspace, title=title, columns=1, figsize=size)


def draw_protocol(name: str, parts: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw the protocol parts at their own scale, and beside the published gap.

    parts: of protocol.protocol_table, of one near-duplicate rule.
    """
    rows = protocol.protocol_rows(parts)
    look = {"value": "protocol_part", "hue": "source"}
    near = look | {"value_format": "{:+.2f}", "reference_label": "no gap", "x_label": "protocol part (points)"}
    gap = protocol.PUBLISHED_GAP
    far = look | {"value_format": None, "reference": gap, "reference_label": f"published models: {gap:.1f}"}
    far |= {"x_label": "the same beside the published gap (points)"}
    panels = [(accuracy_charts.interval_rows, rows, part) for part in (near, far)]
    size = (12, 1.8 + 0.3 * len(rows))
    return drawing.draw_panels(name, panels, workspace, title=title, columns=2, figsize=size)


def draw_class_gaps(name: str, gaps: Mapping[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw the gap of each class, a panel a source of models. gaps: source -> table of gaps.class_gaps."""
    panels = []
    for source, part in gaps.items():
        heading = f"to {part['new_set'].iloc[0]}, {source}"
        panels.append((accuracy_charts.gap_bars, chart_tables.class_gap_rows(part), {"title": heading}))
    size = (8, 3.3 * len(panels) + 0.5)
    return drawing.draw_panels(name, panels, workspace, title=title, columns=1, figsize=size)


def draw_keywords(name: str, pairs: Mapping[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw new against original accuracy of each keyword, a panel a new set. pairs: heading -> keyword_pairs."""
    look = {"x": "original", "y": "new", "size": "area", "diagonal": True, "percent": True}
    look |= {"x_label": "accuracy on CIFAR-10 test (%)", "y_label": "accuracy on the new set (%), areas by its images"}
    panels = [
        (charts.scatter, chart_tables.keyword_points(part), look | {"title": f"to {heading}"})
        for heading, part in pairs.items()
    ]
    return drawing.draw_panels(name, panels, workspace, title=title)


def draw_copy_gaps(name: str, gaps: Mapping[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw gaps with and without copies. gaps: source of the models -> table of gap_without_copies_table."""
    rows = chart_tables.copy_gap_rows(gaps)
    size = (9, 1.6 + 0.3 * len(rows))
    look = GAP_ROWS | {"x_label": GAP_LABEL}
    return drawing.draw(name, accuracy_charts.interval_rows, rows, workspace, title=title, figsize=size, **look)


def draw_set_matrix(name: str, answer: HarderOrDifferent, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw accuracy by training and test set, and below it how the gap splits into harder and different."""
    look = {"row": "train", "column": "test", "value": "percent", "text": "text", "x_label": "tested on"}
    look |= {"y_label": "trained on", "title": "accuracy (%)"}
    of_split = {"x_label": "percentage points", "title": "the gap to cifar102, split"}
    panels = [
        (charts.matrix, chart_tables.set_matrix_cells(answer.matrix), look),
        (accuracy_charts.interval_rows, chart_tables.split_rows(answer.terms), of_split),
    ]
    return drawing.draw_panels(name, panels, workspace, title=title, columns=1, figsize=(7.5, 5.5))


def draw_robustness(name: str, robustness: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw each model's accuracy above the line, best first. robustness: of lines.effective_robustness."""
    rows = chart_tables.robustness_rows(robustness)
    look = {"x_label": "accuracy above the line (percentage points)", "figsize": (8, 1.7 + 0.21 * len(rows))}
    return drawing.draw(name, accuracy_charts.interval_rows, rows, workspace, title=title, **look)


def draw_ranks(
    name: str, certain: pd.DataFrame, accuracies: pd.DataFrame, workspace: Workspace, *, title: str
) -> SavedFigure:
    """Draw the ranks that each model can have. certain: of certain_ranks; accuracies: of accuracy_table."""
    rows = chart_tables.rank_rows(certain, accuracies)
    look = {"x_label": "rank", "reference": None, "value_format": "{:.0f}", "figsize": (8, 1.7 + 0.21 * len(rows))}
    return drawing.draw(name, accuracy_charts.interval_rows, rows, workspace, title=title, **look)


def draw_drop_terms(name: str, terms: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw the terms of the drop. terms: of gaps.decompose, with a column whose."""
    rows = chart_tables.drop_rows(terms)
    look = {"hue": "whose", "x_label": "percentage points of accuracy", "figsize": (8.5, 1.7 + 0.25 * len(rows))}
    return drawing.draw(name, accuracy_charts.interval_rows, rows, workspace, title=title, **look)


def draw_confusion_difference(name: str, confusion: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw how the shares of confusion change. confusion: of accuracies.confusion_difference."""
    cells = chart_tables.confusion_cells(confusion)
    look = {"row": "true", "column": "predicted", "value": "points", "center": 0, "x_label": "predicted"}
    look |= {"y_label": "true", "value_label": "percentage points of the true class", "figsize": (7.5, 6)}
    return drawing.draw(name, charts.matrix, cells, workspace, title=title, **look)


def draw_agreement_line(
    name: str, models: pd.DataFrame, version: str, workspace: Workspace, *, title: str
) -> SavedFigure:
    """Draw the accuracies that agreement foretells against the true ones. models: of AgreementLine, with errors."""
    points = chart_tables.estimate_points(models)
    look = {"x": "predicted", "y": "new", "hue": "estimate", "diagonal": True, "percent": True, "figsize": (6.5, 7)}
    look |= {"x_label": "predicted accuracy (%)", "y_label": f"accuracy on {version} (%)"}
    return drawing.draw(name, charts.scatter, points, workspace, title=title, **look)


def draw_human_entropy(name: str, curves: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw accuracy over how much people disagree, with its band. curves: of single_images.entropy_curves."""
    look = {"x": "entropy", "y": "accuracy", "hue": "model", "low": "low", "high": "high", "markers": True}
    look |= {"x_label": "entropy of people's answers (bits), mean of the bin", "y_label": "accuracy (%)"}
    look |= {"percent": True}
    return drawing.draw(name, charts.curves, curves, workspace, title=title, **look)


def draw_reliability(name: str, curves: Mapping[str, pd.DataFrame], workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw reliability by model, a panel a test set. curves: set -> table of calibration.reliability_curves."""
    panels = [(accuracy_charts.reliability, part, {"hue": "model", "title": test}) for test, part in curves.items()]
    return drawing.draw_panels(name, panels, workspace, title=title, figsize=(11.5, 5.1))


def draw_power(name: str, curve: pd.DataFrame, workspace: Workspace, *, title: str) -> SavedFigure:
    """Draw the smallest gap that a size of the new set shows. curve: of intervals.power_curve."""
    look = {"x": "n_new", "y": "gap", "hue": "label", "x_log": True, "markers": True}
    look |= {"x_label": "images in the new test set", "y_label": GAP_LABEL}
    return drawing.draw(name, charts.curves, chart_tables.power_curves(curve), workspace, title=title, **look)
