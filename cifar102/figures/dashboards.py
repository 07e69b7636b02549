"""A run on one page: its curves, its confusion, its classes, its calibration and its surest mistakes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cifar102.analysis import calibration
from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.figures import charts, drawing, exploration, sheets
from cifar102.workspace.folders import Workspace


def draw(
    name: str,
    history: pd.DataFrame,
    probabilities: np.ndarray,
    truth: ImageSet,
    workspace: Workspace,
    *,
    title: str,
    class_names: Sequence[str] = CLASS_NAMES,
) -> drawing.SavedFigure:
    """Draw the dashboard of a run as the figure `name`.

    history: its history.csv. probabilities: float (n, classes) that it gave to the images of `truth`, rows of sum 1.
    class_names: in the order of the labels.
    """
    parts = panels(history, probabilities, truth, class_names)
    return drawing.draw_panels(name, parts, workspace, title=title, columns=3, figsize=(14, 8.5))


def panels(
    history: pd.DataFrame, probabilities: np.ndarray, truth: ImageSet, class_names: Sequence[str] = CLASS_NAMES
) -> list[tuple]:
    """The parts of a dashboard as figures.draw_panels takes them. Arguments as in draw."""
    said, labels = probabilities.argmax(axis=1), truth.labels
    curves = exploration.learning_curves({"run": history})
    loss = history.assign(epoch=history["epoch"] + 1 - history["epoch"].min())
    loss = loss.melt("epoch", [n for n in ("loss", "val_loss") if n in loss], var_name="images", value_name="value")
    loss["images"] = loss["images"].map({"loss": "training", "val_loss": "validation"})
    scores = exploration.class_scores(labels, said, class_names).drop(columns="images")
    scores = scores.melt("class_name", var_name="score", value_name="value")
    error = calibration.expected_calibration_error(probabilities, labels)
    accuracy = {"x": "epoch", "y": "accuracy", "hue": "images", "percent": True, "y_label": "accuracy (%)"}
    cells = {"row": "true", "column": "predicted", "value": "share", "value_format": ".0f"}
    lying = {"y": "class_name", "x": "value", "hue": "score", "x_label": "score (0-1)", "y_label": ""}
    return [
        (charts.curves, curves, {**accuracy, "title": "Accuracy by epoch"}),
        (charts.curves, loss, {"x": "epoch", "y": "value", "hue": "images", "y_label": "loss", "title": "Loss"}),
        (
            drawing.PLOTS["reliability"],
            calibration.reliability_table(probabilities, labels),
            {"count": "count", "title": f"Reliability, calibration error {error:.3f}"},
        ),
        (
            charts.matrix,
            exploration.confusion_table(labels, said, class_names),
            {**cells, "title": "Confusion (% of true class)"},
        ),
        (charts.horizontal_bars, scores, {**lying, "title": "Precision, recall, F1"}),
        (
            drawing.PLOTS["pictures"],
            mistakes(probabilities, truth, class_names=class_names),
            {"columns": 6, "title": "Surest mistakes"},
        ),
    ]


def mistakes(
    probabilities: np.ndarray, truth: ImageSet, count: int = 24, class_names: Sequence[str] = CLASS_NAMES
) -> pd.DataFrame:
    """The most confident mistakes as pictures with captions: set, row, pixels, caption. Arguments as in draw."""
    worst = exploration.confident_mistakes(probabilities, truth.labels, count)
    rows = worst["row"].to_numpy(np.int64)
    pixels = sheets.encode_pixels(truth.images[rows])
    pairs = worst[["predicted", "true"]].to_numpy()
    captions = [f"{class_names[predicted]}\nis {class_names[true]}" for predicted, true in pairs]
    return pd.DataFrame({"set": "pixels", "row": rows, "pixels": pixels, "caption": captions})
