"""Looking at a data set and at a model's mistakes: tables to draw, and a run on one page."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn import metrics

from cifar102.analysis import calibration, run_tables
from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.figures import charts, drawing, sheets
from cifar102.workspace.folders import Workspace

CHANNELS = {"blue": 2, "red": 0, "green": 1}  # in the order in which the palette draws them in their colours


def pixel_sheet(groups: Mapping[str, np.ndarray], captions: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows of an image sheet that shows computed images, a heading a group: set, row, pixels, group[, caption].

    groups: heading -> uint8 (n, 32, 32, 3); captions: n texts under the images of each group.
    """
    tables = []
    for heading, images in groups.items():
        pixels = sheets.encode_pixels(images)
        table = pd.DataFrame({"set": "pixels", "row": range(len(images)), "pixels": pixels, "group": heading})
        tables.append(table if captions is None else table.assign(caption=list(captions)))
    return pd.concat(tables, ignore_index=True)


def mean_images(images: ImageSet, num_classes: int = len(CLASS_NAMES)) -> np.ndarray:
    """The mean image of each class, uint8 (num_classes, 32, 32, 3); every class has an image."""
    means = np.stack([images.images[images.labels == label].mean(axis=0) for label in range(num_classes)])
    return np.round(means).astype(np.uint8)


def normalized_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Stored float16 probabilities (n, classes) as float64 whose rows sum to 1."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)


def confident_mistakes(probabilities: np.ndarray, labels: np.ndarray, count: int) -> pd.DataFrame:
    """The wrong predictions of highest probability: row, true, predicted (class ids), confidence; the surest first.

    probabilities: float (n, classes); labels: integers (n,).
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    rows = wrong[np.argsort(-confidence[wrong], kind="stable")[:count]]
    found = {"row": rows, "true": labels[rows], "predicted": predicted[rows], "confidence": confidence[rows]}
    return pd.DataFrame(found)


def class_counts(sets: Mapping[str, ImageSet], class_names: Sequence[str] = CLASS_NAMES) -> pd.DataFrame:
    """Images of each class in each set: set, class_name, images, keywords (how many different ones they came by)."""
    rows = []
    for name, part in sets.items():
        keywords = part.keywords if part.filenames else np.array([""] * len(part))
        for label, class_name in enumerate(class_names):
            own = part.labels == label
            row = {"set": name, "class_name": class_name, "images": int(own.sum())}
            rows.append({**row, "keywords": len(set(keywords[own]) - {""})})
    return pd.DataFrame(rows)


def keyword_counts(sets: Mapping[str, ImageSet], largest: int = 20) -> pd.DataFrame:
    """Images under each of the `largest` keywords over all sets together: set, keyword, images."""
    tables = []
    for name, part in sets.items():
        words, counts = np.unique(part.keywords if part.filenames else [], return_counts=True)
        tables.append(pd.DataFrame({"set": name, "keyword": words, "images": counts}))
    table = pd.concat(tables, ignore_index=True)
    order = table.groupby("keyword")["images"].sum().sort_values(ascending=False, kind="stable").index[:largest]
    rank = {word: place for place, word in enumerate(order)}
    kept = table[table["keyword"].isin(rank)].assign(rank=lambda rows: rows["keyword"].map(rank))
    return kept.sort_values("rank", kind="stable", ignore_index=True).drop(columns="rank")


def channel_statistics(sets: Mapping[str, ImageSet]) -> pd.DataFrame:
    """Mean and deviation of each colour channel over all pixels of a set, of values 0-1: set, channel, mean, sd."""
    rows, values = [], np.arange(256) / 255
    for name, part in sets.items():
        for channel, number in CHANNELS.items():
            counts = np.bincount(part.images[..., number].ravel(), minlength=256)
            mean = np.average(values, weights=counts)
            spread = np.sqrt(np.average((values - mean) ** 2, weights=counts))
            rows.append({"set": name, "channel": channel, "mean": mean, "sd": spread})
    return pd.DataFrame(rows)


def channel_histograms(images: np.ndarray, width: int = 4) -> pd.DataFrame:
    """Share of each channel's pixels by value: channel, value (0-255, the middle of `width` values), percent.

    images: uint8 (n, h, w, 3). width divides 256.
    """
    middles = np.arange(0, 256, width) + (width - 1) / 2
    tables = []
    for channel, number in CHANNELS.items():
        counts = np.bincount(images[..., number].ravel(), minlength=256).reshape(-1, width).sum(axis=1)
        tables.append(pd.DataFrame({"channel": channel, "value": middles, "percent": 100 * counts / counts.sum()}))
    return pd.concat(tables, ignore_index=True)


def samples_by_class(
    images: ImageSet, each: int = 10, seed: int = 0, class_names: Sequence[str] = CLASS_NAMES
) -> dict[str, np.ndarray]:
    """Images drawn of each class at random: class name -> uint8 (each, 32, 32, 3), fewer where a class has fewer."""
    rng, found = np.random.default_rng(seed), {}
    for label, name in enumerate(class_names):
        rows = np.flatnonzero(images.labels == label)
        found[name] = images.images[np.sort(rng.permutation(rows)[:each])]
    return found


def prediction_sheet(
    images: ImageSet, class_ids: np.ndarray, count: int = 100, class_names: Sequence[str] = CLASS_NAMES
) -> pd.DataFrame:
    """The first images of a set with what a model says: an image sheet's set, row, pixels, caption; wrong ones marked.

    class_ids: integers (n,), the predictions in file order. A caption is the prediction, of a wrong one also the truth.
    """
    said, true = np.asarray(class_ids)[:count], images.labels[:count]
    captions = [
        class_names[p] if p == t else f"✗ {class_names[p]}\nis {class_names[t]}"
        for p, t in zip(said, true, strict=True)
    ]
    pixels = sheets.encode_pixels(images.images[:count])
    return pd.DataFrame({"set": "pixels", "row": range(len(pixels)), "pixels": pixels, "caption": captions})


def confusion_table(
    labels: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str] = CLASS_NAMES
) -> pd.DataFrame:
    """Share (%) of each true class that is predicted as each class, a cell a row: true, predicted, share."""
    cells = 100 * metrics.confusion_matrix(labels, class_ids, labels=range(len(class_names)), normalize="true")
    names = np.array(class_names)
    rows = {"true": names.repeat(len(names)), "predicted": np.tile(names, len(names)), "share": cells.ravel()}
    return pd.DataFrame(rows)


def class_scores(labels: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str] = CLASS_NAMES) -> pd.DataFrame:
    """Precision, recall and F1 (0-1) of each class, with its images: class_name, precision, recall, f1, images."""
    scores = metrics.precision_recall_fscore_support(labels, class_ids, labels=range(len(class_names)), zero_division=0)
    return pd.DataFrame(
        {"class_name": class_names, **dict(zip(("precision", "recall", "f1", "images"), scores, strict=True))}
    )


def draw_dashboard(
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
    parts = dashboard_panels(history, probabilities, truth, class_names)
    return drawing.draw_panels(name, parts, workspace, title=title, columns=3, figsize=(14, 8.5))


def dashboard_panels(
    history: pd.DataFrame, probabilities: np.ndarray, truth: ImageSet, class_names: Sequence[str] = CLASS_NAMES
) -> list[tuple]:
    """The parts of a dashboard as drawing.draw_panels takes them. Arguments as in draw_dashboard."""
    said, labels = probabilities.argmax(axis=1), truth.labels
    curves = run_tables.learning_curves({"run": history})
    loss = history.assign(epoch=history["epoch"] + 1 - history["epoch"].min())
    loss = loss.melt("epoch", [n for n in ("loss", "val_loss") if n in loss], var_name="images", value_name="value")
    loss["images"] = loss["images"].map({"loss": "training", "val_loss": "validation"})
    scores = class_scores(labels, said, class_names).drop(columns="images")
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
            confusion_table(labels, said, class_names),
            {**cells, "title": "Confusion (% of true class)"},
        ),
        (charts.horizontal_bars, scores, {**lying, "title": "Precision, recall, F1"}),
        (
            drawing.PLOTS["pictures"],
            mistake_table(probabilities, truth, class_names=class_names),
            {"columns": 6, "title": "Surest mistakes"},
        ),
    ]


def mistake_table(
    probabilities: np.ndarray, truth: ImageSet, count: int = 24, class_names: Sequence[str] = CLASS_NAMES
) -> pd.DataFrame:
    """The most confident mistakes as pictures: set, row, pixels, caption. Arguments as in draw_dashboard."""
    worst = confident_mistakes(probabilities, truth.labels, count)
    rows = worst["row"].to_numpy(np.int64)
    pixels = sheets.encode_pixels(truth.images[rows])
    pairs = worst[["predicted", "true"]].to_numpy()
    captions = [f"{class_names[predicted]}\nis {class_names[true]}" for predicted, true in pairs]
    return pd.DataFrame({"set": "pixels", "row": rows, "pixels": pixels, "caption": captions})
