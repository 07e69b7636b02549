"""What a model says about a set of images: class ids or probabilities, their checks, and the files of our own runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.workspace.arrays import read_npz
from cifar102.workspace.files import read_json, read_table
from cifar102.workspace.folders import Workspace

PUBLISHED_FOLDER = re.compile(r"(original|v\d+)_predictions")
VERSION = re.compile(r"cifar10\.1-v\d+")  # v4, v6 and whatever comes later


@dataclass(frozen=True)
class SetPredictions:
    """What one model says about one set: class_ids int64 (n,), probabilities float (n, classes) or None.

    rows: int64 (n,), which images of the set these are, where they are not the whole set (validation), else None.
    """

    class_ids: np.ndarray
    probabilities: np.ndarray | None = None
    rows: np.ndarray | None = None


def read_class_ids(path: Path, count: int | None = None, num_classes: int = 10) -> np.ndarray:
    """Read a published model's class ids, a flat JSON list: int64 (n,).

    count: images expected. Raises FileNotFoundError, ValueError naming the file and what was expected. People's own
    files, in any form, are read by evaluation.prediction_tables.
    """
    values = read_json(path)
    if not isinstance(values, list) or not all(type(value) is int and abs(value) < 1 << 31 for value in values):
        raise ValueError(f"{path}: expected a flat list of class ids 0 to {num_classes - 1}, found something else")
    return check_class_ids(np.array(values, dtype=np.int64), count, num_classes, str(path))


def read_run(folder: Path) -> dict[str, SetPredictions]:
    """Read a run's predictions.npz: arrays `<set>.class_ids` and `<set>.probabilities`, file order."""
    path = Path(folder) / "predictions.npz"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected the predictions of a run")
    arrays = read_npz(path)
    names = sorted({name.rpartition(".")[0] for name in arrays})
    if not names or "" in names:
        raise ValueError(f"{path}: expected arrays <set>.class_ids and <set>.probabilities, found {sorted(arrays)}")
    return {name: _of_set(arrays, name, path) for name in names}


def read_named_runs(
    workspace: Workspace, runs: pd.DataFrame, without: str = ""
) -> dict[str, dict[str, SetPredictions]]:
    """Read the predictions of runs by arm and seed: "<arm>, seed <k>" -> set -> SetPredictions, sorted by both.

    runs: rows of runs.parquet, of one study; without: an end that the arms' names lose.
    """
    runs = runs.sort_values(["arm", "seed"])
    names = runs["arm"].str.removesuffix(without) + ", seed " + runs["seed"].astype(str)
    return {name: read_run(workspace.root / run) for name, run in zip(names, runs["run"], strict=True)}


def read_runs_table(workspace: Workspace) -> pd.DataFrame:
    """Read the table of all runs, with the columns the analysis needs checked."""
    return read_table(workspace.root / "runs.parquet", ("study", "arm", "seed", "model", "dataset", "num_train", "run"))


def published_word(name: str) -> str:
    """Return how CIFAR-10.1's folder of predictions calls a set: "original" for cifar10, "v4" for cifar10.1-v4."""
    return "original" if name == "cifar10" else name.rpartition("-")[2]


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


def _of_set(arrays: Mapping[str, object], name: str, path: Path) -> SetPredictions:
    """The arrays of one set in a run's predictions.npz, checked."""
    ids, shares = arrays.get(f"{name}.class_ids"), arrays.get(f"{name}.probabilities")
    if ids is None and shares is None:
        raise ValueError(f"{path}: expected {name}.class_ids or {name}.probabilities, found {sorted(arrays)}")
    rows = arrays.get(f"{name}.rows")
    if shares is not None:
        shares = check_probabilities(shares, where=f"{path}: {name}.probabilities")
    if ids is None:
        return SetPredictions(shares.argmax(axis=1), shares, rows)
    sizes = (None, None) if shares is None else shares.shape
    return SetPredictions(check_class_ids(ids, *sizes, f"{path}: {name}.class_ids"), shares, rows)
