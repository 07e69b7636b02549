"""Hard images: which ones no model and most models get wrong, and how sure people are of them (CIFAR-10H)."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cifar102 import array_files, intervals
from cifar102.accuracies import Predictions, class_name, correctness

HUMAN_COUNTS_HOME = "https://github.com/jcpeterson/cifar-10h, data/cifar10h-counts.npy"


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


def read_human_counts(path: Path) -> np.ndarray:
    """Read CIFAR-10H's counts: int64 (10000, 10), how many of about 50 people chose each class, in test_batch order.

    Raises FileNotFoundError, ValueError naming the file. Source: Peterson et al. 2019, jcpeterson/cifar-10h.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it is at {HUMAN_COUNTS_HOME}")
    counts = array_files.read_npy(path)
    if not isinstance(counts, np.ndarray):
        raise ValueError(f"{path}: expected integer counts (10000, 10), found a pickled {type(counts).__name__}")
    if counts.shape != (10_000, 10) or counts.dtype.kind not in "iu":
        raise ValueError(f"{path}: expected integer counts (10000, 10), found {counts.dtype} {counts.shape}")
    _check_counts(counts, str(path))
    return counts.astype(np.int64)


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
