"""Accuracy of models on one set or two: tables with intervals per model, class and subset of the images."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102.analysis import intervals
from cifar102.analysis.predictions import check_truth, class_ids
from cifar102.cifar import CLASS_NAMES

Predictions = Mapping[str, np.ndarray]


def correctness(predictions: Predictions, labels: np.ndarray, where: str = "predictions") -> pd.DataFrame:
    """Return which images each model gets right: bool (n, models), one column a model, rows in file order.

    predictions: model -> class ids (n,) or probabilities (n, classes), of one set; labels: integers (n,).
    Raises ValueError naming the model and what was expected.
    """
    labels = check_truth(labels, "labels")
    if not predictions:
        raise ValueError(f"{where}: expected at least one model, found none")
    return pd.DataFrame(
        {
            model: class_ids(values, len(labels), where=f"{where}: {model}") == labels
            for model, values in predictions.items()
        }
    )


def accuracy_table(predictions: Predictions, labels: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return one row a model: model, correct, n, accuracy, low, high (exact interval, Clopper-Pearson), level.

    predictions: model -> class ids (n,) or probabilities (n, classes), of one set; labels: integers (n,). Accuracies
    are 0-1. Raises ValueError naming the model and what was expected.
    """
    right = correctness(predictions, labels)
    return _counted(right.columns, right.sum().to_numpy(), np.full(right.shape[1], len(right)), level)


def gap_table(original: pd.DataFrame, new: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the drop from the original to the new set of each model in both accuracy tables.

    original, new: of accuracy_table, on two different sets of images. Columns: model, original, new, gap (original -
    new), low, high (Newcombe, unpaired), error_ratio (new error over original error, NaN where that is 0), n_original,
    n_new, level. Raises ValueError where no model is in both.
    """
    both = original.merge(new, on="model", suffixes=("_original", "_new"), validate="one_to_one")
    if both.empty:
        raise ValueError(f"no model is in both tables: {list(original['model'])[:5]} and {list(new['model'])[:5]}")
    low, high = intervals.newcombe(
        *(both[name].to_numpy() for name in ("correct_original", "n_original", "correct_new", "n_new")), level=level
    )
    error = 1 - both["accuracy_original"]
    return pd.DataFrame(
        {
            "model": both["model"],
            "original": both["accuracy_original"],
            "new": both["accuracy_new"],
            "gap": both["accuracy_original"] - both["accuracy_new"],
            "low": low,
            "high": high,
            "error_ratio": (1 - both["accuracy_new"]) / error.where(error > 0),
            "n_original": both["n_original"],
            "n_new": both["n_new"],
            "level": level,
        }
    )


def class_table(predictions: Predictions, labels: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return accuracy per model and true class: model, class_name, correct, n, accuracy, low, high, level."""
    right = correctness(predictions, labels)
    labels = np.asarray(labels)
    tables = []
    for label in np.unique(labels):
        chosen = right[labels == label]
        part = _counted(chosen.columns, chosen.sum().to_numpy(), np.full(right.shape[1], len(chosen)), level)
        part.insert(1, "class_name", class_name(int(label)))
        tables.append(part)
    return pd.concat(tables, ignore_index=True)


def class_gap_table(original: pd.DataFrame, new: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the gap per model and class from two class tables: gap_table's columns with class_name after model."""
    tables = []
    for name in pd.unique(original["class_name"]):
        parts = [table[table["class_name"] == name].drop(columns="class_name") for table in (original, new)]
        if parts[1].empty:
            continue
        gaps = gap_table(*parts, level=level)
        gaps.insert(1, "class_name", name)
        tables.append(gaps)
    return pd.concat(tables, ignore_index=True)


def averages_table(
    predictions: Predictions, labels: np.ndarray, leave_out: tuple[str, ...] = (), level: float = 0.95
) -> pd.DataFrame:
    """Return micro and macro accuracy per model, with the classes of `leave_out` taken out of the set.

    Columns: model, left_out, n, micro (share of images), low, high (exact, of micro), macro (mean over classes),
    macro_low, macro_high (normal, from the binomial variances of the classes), level.
    """
    right, labels = correctness(predictions, labels), np.asarray(labels)
    names = np.array([class_name(int(label)) for label in labels])
    unknown = sorted(set(leave_out) - set(names))
    if unknown or set(leave_out) >= set(names):
        raise ValueError(f"leave_out: {unknown or list(leave_out)}: expected some, not all, of {sorted(set(names))}")
    kept = ~np.isin(names, leave_out)
    right, names = right[kept], names[kept]
    micro = _counted(right.columns, right.sum().to_numpy(), np.full(right.shape[1], len(right)), level)
    by_class = right.groupby(names).agg(["mean", "size"])
    means, sizes = by_class.xs("mean", axis=1, level=1), by_class.xs("size", axis=1, level=1)
    macro = means.mean().to_numpy()
    error = np.sqrt((means * (1 - means) / sizes).sum().to_numpy()) / len(means)
    width = intervals.normal_quantile(level) * error
    return pd.DataFrame(
        {
            "model": micro["model"],
            "left_out": " ".join(leave_out),
            "n": micro["n"],
            "micro": micro["accuracy"],
            "low": micro["low"],
            "high": micro["high"],
            "macro": macro,
            "macro_low": np.maximum(macro - width, 0),
            "macro_high": np.minimum(macro + width, 1),
            "level": level,
        }
    )


def leave_one_out_table(predictions: Predictions, labels: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return averages_table of the whole set, then with each of its classes left out in turn."""
    names = [class_name(int(label)) for label in np.unique(check_truth(labels, "labels"))]
    left_out = [(), *((name,) for name in names)] if len(names) > 1 else [()]
    return pd.concat([averages_table(predictions, labels, names, level) for names in left_out], ignore_index=True)


def subset_table(
    predictions: Predictions, labels: np.ndarray, has_duplicate: np.ndarray, level: float = 0.95
) -> pd.DataFrame:
    """Return accuracy with and without the test images that have a near-duplicate in train.

    has_duplicate: bool (n,). Rows per model: subset "all", "without duplicates", "duplicates only" (where there are
    any), with accuracy_table's columns; exact intervals.
    """
    right = correctness(predictions, labels)
    flags = np.asarray(has_duplicate)
    if flags.dtype != bool or flags.shape != (len(right),):
        raise ValueError(f"has_duplicate: expected bool ({len(right)},), found {flags.dtype} {flags.shape}")
    tables = []
    for name, rows in (("all", flags | True), ("without duplicates", ~flags), ("duplicates only", flags)):
        if rows.any():
            part = _counted(right.columns, right[rows].sum().to_numpy(), np.full(right.shape[1], rows.sum()), level)
            part.insert(1, "subset", name)
            tables.append(part)
    return pd.concat(tables, ignore_index=True)


def confusion_difference(
    original: Predictions, original_labels: np.ndarray, new: Predictions, new_labels: np.ndarray
) -> pd.DataFrame:
    """Return how the confusion shares change, mean over the models: true, predicted, original, new, difference.

    Shares are of the images of the true class; difference = new - original. Both take the ten classes of CIFAR-10.
    """
    shares = [_confusion(*pair) for pair in ((original, original_labels), (new, new_labels))]
    true, predicted = np.divmod(np.arange(100), 10)
    names = np.array(CLASS_NAMES)
    return pd.DataFrame(
        {
            "true": names[true],
            "predicted": names[predicted],
            "original": shares[0].ravel(),
            "new": shares[1].ravel(),
            "difference": (shares[1] - shares[0]).ravel(),
        }
    )


def class_name(label: int) -> str:
    """Return CIFAR-10's name of a class; beyond its ten classes the number as text."""
    return CLASS_NAMES[label] if 0 <= label < len(CLASS_NAMES) else str(label)


def _confusion(predictions: Predictions, labels: np.ndarray) -> np.ndarray:
    from sklearn import metrics  # half a second, which most commands do not need

    labels = check_truth(labels, "labels", num_classes=10)
    counts = np.zeros((10, 10))
    for model, values in predictions.items():
        ids = class_ids(values, len(labels), num_classes=10, where=model)
        counts += metrics.confusion_matrix(labels, ids, labels=range(10))
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _counted(models: pd.Index, correct: np.ndarray, n: np.ndarray, level: float) -> pd.DataFrame:
    low, high = intervals.clopper_pearson(correct, n, level)
    columns = {"model": list(models), "correct": correct, "n": n, "accuracy": correct / n, "low": low, "high": high}
    return pd.DataFrame(columns | {"level": level})
