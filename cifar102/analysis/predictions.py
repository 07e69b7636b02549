"""What a model says about a set of images: class ids or probabilities, and the checks they must pass."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from cifar102.cifar import CLASS_NAMES


@dataclass(frozen=True)
class SetPredictions:
    """What one model says about one set: class_ids int64 (n,), probabilities float (n, classes) or None."""

    class_ids: np.ndarray
    probabilities: np.ndarray | None = None


def class_ids(
    values: np.ndarray, count: int | None = None, num_classes: int | None = None, where: str = "predictions"
) -> np.ndarray:
    """Return class ids int64 (n,) from ids (n,) or from probabilities (n, classes), the most probable class.

    count: images expected; num_classes: ids must be below it (without it ids only may not be negative). Raises
    ValueError that names `where`, what was found and what was expected.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]  # one column of class ids, as Keras gives labels
    if values.ndim == 2:
        return check_probabilities(values, count, num_classes, where).argmax(axis=1)
    return check_class_ids(values, count, num_classes, where)


def check_class_ids(values: np.ndarray, count: int | None, num_classes: int | None, where: str) -> np.ndarray:
    """Return class ids as int64 (n,); ValueError on another shape, length, type or range."""
    values = np.asarray(values)
    expected = f"{'n' if count is None else count} integer class ids" + (
        f" 0 to {num_classes - 1}" if num_classes else ""
    )
    if values.ndim != 1:
        raise ValueError(f"{where}: expected {expected} or probabilities (n, classes), found shape {values.shape}")
    if count is not None and len(values) != count:
        raise ValueError(f"{where}: expected {expected}, found {len(values)}")
    if not len(values):
        raise ValueError(f"{where}: expected {expected}, found none")
    if values.dtype.kind not in "iu":
        raise ValueError(f"{where}: expected {expected}, found {values.dtype} values such as {values[:3].tolist()}")
    low, high = int(values.min()), int(values.max())
    if low < 0 or (num_classes is not None and high >= num_classes):
        raise ValueError(f"{where}: expected {expected}, found ids from {low} to {high}")
    return values.astype(np.int64)


def check_probabilities(
    values: np.ndarray, count: int | None = None, num_classes: int | None = None, where: str = "probabilities"
) -> np.ndarray:
    """Return probabilities as float64 (n, classes): finite, 0-1, rows that sum to 1 (within 1 %, float16 rounding).

    Rows of whole numbers are taken where each has one 1 and else zeros (one-hot class ids).
    """
    values = np.asarray(values)
    expected = f"probabilities ({'n' if count is None else count}, {num_classes or 'classes'})"
    if values.ndim != 2 or values.shape[1] < 2 or (num_classes is not None and values.shape[1] != num_classes):
        raise ValueError(f"{where}: expected {expected}, found shape {values.shape}")
    if not len(values) or (count is not None and len(values) != count):
        raise ValueError(f"{where}: expected {expected}, found {len(values)} rows")
    is_one_hot = values.dtype.kind in "iub" and (np.sort(values, axis=1) == np.eye(values.shape[1])[-1]).all()
    if values.dtype.kind != "f" and not is_one_hot:
        raise ValueError(f"{where}: expected floating-point {expected}, found {values.dtype}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(f"{where}: row {row} holds a value that is not a number; expected finite {expected}")
    if values.min() < 0 or values.max() > 1 + 1e-6:
        raise ValueError(
            f"{where}: values run from {values.min():.4g} to {values.max():.4g}, expected {expected} in 0-1"
        )
    sums = values.sum(axis=1)
    if np.abs(sums - 1).max() > 0.01:
        row = int(np.abs(sums - 1).argmax())
        raise ValueError(f"{where}: row {row} sums to {sums[row]:.4g}, expected 1 (for logits take the softmax first)")
    return values


def check_truth(labels: np.ndarray, where: str = "labels", num_classes: int | None = None) -> np.ndarray:
    """Return true labels as int64 (n,), n >= 1; ValueError names `where` where they are anything else."""
    return check_class_ids(labels, None, num_classes, where)


def from_array(values: np.ndarray, count: int | None, num_classes: int, where: str) -> SetPredictions:
    """Turn ids (n,) or probabilities (n, num_classes) into SetPredictions, checked; errors name `where`."""
    ids = class_ids(values, count, num_classes, where)
    is_table = np.ndim(values) == 2 and np.shape(values)[1] > 1
    return SetPredictions(ids, np.asarray(values, dtype=np.float64) if is_table else None)


def check_class_order(ids: np.ndarray, labels: np.ndarray, where: str) -> None:
    """Raise ValueError where the ids look like another class order than CIFAR-10's: alphabetical or shifted, say.

    ids, labels: integers (n,) 0-9. That is so where one renaming of the classes wins 20 points or more and then gets
    more than half of the images right; the error names it.
    """
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (ids, labels), 1)
    said, meant = optimize.linear_sum_assignment(counts, maximize=True)
    accuracy, renamed = np.trace(counts) / len(ids), counts[said, meant].sum() / len(ids)
    if renamed < 0.5 or renamed - accuracy < 0.2:
        return
    moved = ", ".join(f"{s} seems to mean {m} ({CLASS_NAMES[m]})" for s, m in zip(said, meant, strict=True) if s != m)
    raise ValueError(
        f"{where}: {accuracy:.1%} right as it stands, {renamed:.1%} with other class numbers: {moved}; "
        f"expected CIFAR-10's order {list(CLASS_NAMES)}"
    )
