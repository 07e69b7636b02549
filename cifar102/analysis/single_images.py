"""Hard images: which ones no model and most models get wrong, and how sure people are of them (CIFAR-10H)."""

import numpy as np
import pandas as pd
from scipy import stats

from cifar102.analysis import intervals
from cifar102.analysis.accuracies import Predictions, class_name, correctness


def difficulty_table(predictions: Predictions, labels: np.ndarray) -> pd.DataFrame:
    """Return one row an image, hardest first: row, label, class_name, num_right, num_models, share_right, most_said.

    predictions: model -> class ids (n,) or probabilities (n, classes), of one set; most_said: the name of the class
    that most models say (the first of equals). Images with num_right 0 are those no model gets right. Raises
    ValueError.
    """
    right = correctness(predictions, labels)
    ids = np.stack([np.asarray(v) if np.ndim(v) == 1 else np.argmax(v, axis=1) for v in predictions.values()])
    said = stats.mode(ids, axis=0).mode
    labels = np.asarray(labels)
    table = pd.DataFrame(
        {
            "row": np.arange(len(labels)),
            "label": labels,
            "class_name": [class_name(int(label)) for label in labels],
            "num_right": right.sum(axis=1).to_numpy(),
            "num_models": right.shape[1],
            "share_right": right.mean(axis=1).to_numpy(),
            "most_said": [class_name(int(label)) for label in said],
        }
    )
    return table.sort_values("num_right", kind="stable", ignore_index=True)


def hard_images(difficulty: pd.DataFrame, set_name: str, count: int = 60) -> pd.DataFrame:
    """Return a contact sheet of the hardest images: set, row, caption, group, in difficulty_table's order.

    difficulty: of difficulty_table; set_name: the array of image_sheets that holds the images. Caption: what most
    models say and what the label is. Groups: images that no model gets right, then those that few do.
    """
    shown = difficulty.head(count)
    none = f"no model of {int(shown['num_models'].iloc[0])} is right"
    group = [none if right == 0 else "few models are right" for right in shown["num_right"]]
    caption = [f"{said}\nis {name}" for said, name in shown[["most_said", "class_name"]].to_numpy()]
    return pd.DataFrame({"set": set_name, "row": shown["row"].to_numpy(), "caption": caption, "group": group})


def human_entropy(counts: np.ndarray) -> np.ndarray:
    """Return the entropy in bits of people's answers per image, float64 (n,): 0 where all agree, log2(10) at most."""
    _check_counts(counts, "counts")
    return stats.entropy(counts, axis=1, base=2)


def accuracy_by_entropy(
    predictions: Predictions, labels: np.ndarray, counts: np.ndarray, *, bins: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Return accuracy per model as a function of people's uncertainty about the images.

    counts: integers (n, 10) of CIFAR-10H. The images everybody agrees on are one bin, the others are cut into bins of
    equal counts (fewer where entropies tie). Columns: model, bin, entropy_low, entropy_high, entropy (mean), correct,
    n, accuracy, low, high (exact), human_accuracy (mean share of people who say the label), level.
    """
    right, labels, entropy = correctness(predictions, labels), np.asarray(labels), human_entropy(counts)
    if len(entropy) != len(labels):
        raise ValueError(f"counts: expected {len(labels)} rows, one an image, found {len(entropy)}")
    number = np.zeros(len(entropy), dtype=np.int64)
    unsure = entropy > 0
    if unsure.any():
        number[unsure] = 1 + pd.qcut(entropy[unsure], bins, labels=False, duplicates="drop")
    people = counts[np.arange(len(labels)), labels] / counts.sum(axis=1)
    tables = []
    for value in np.unique(number):
        rows = number == value
        correct = right[rows].sum().to_numpy()
        low, high = intervals.clopper_pearson(correct, int(rows.sum()), level)
        columns = {"model": list(right), "bin": int(value), "entropy_low": entropy[rows].min()}
        columns |= {"entropy_high": entropy[rows].max(), "entropy": entropy[rows].mean(), "correct": correct}
        columns |= {"n": int(rows.sum()), "accuracy": correct / rows.sum(), "low": low, "high": high}
        tables.append(pd.DataFrame(columns | {"human_accuracy": people[rows].mean(), "level": level}))
    return pd.concat(tables, ignore_index=True).sort_values(["model", "bin"], kind="stable", ignore_index=True)


def _check_counts(counts: np.ndarray, where: str) -> None:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.dtype.kind not in "iu" or counts.min() < 0 or (counts.sum(axis=1) < 1).any():
        raise ValueError(f"{where}: expected counts of answers (n, classes), at least one a row, found {counts.dtype}")


def people(entropy: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy_by_entropy's bins as one more model: the share of people who say the label."""
    bins = entropy.drop_duplicates("bin")
    return bins.assign(
        model="people, share who say the label", accuracy=bins["human_accuracy"], low=np.nan, high=np.nan
    )
