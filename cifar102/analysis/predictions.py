"""What a model says about a set of images: class ids or probabilities, their checks, and the files they come in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize

from cifar102.cifar import CLASS_NAMES
from cifar102.workspace.arrays import read_npy, read_npz
from cifar102.workspace.files import check_lines, read_json, read_table
from cifar102.workspace.folders import Workspace

SUFFIXES = (".json", ".npy", ".npz", ".csv")
PUBLISHED_FOLDER = re.compile(r"(original|v\d+)_predictions")
VERSION = re.compile(r"cifar10\.1-v\d+")  # v4, v6 and whatever comes later


@dataclass(frozen=True)
class SetPredictions:
    """What one model says about one set: class_ids int64 (n,), probabilities float (n, classes) or None."""

    class_ids: np.ndarray
    probabilities: np.ndarray | None = None


def read_file(path: Path, count: int | None = None, num_classes: int = 10) -> SetPredictions:
    """Read one file of predictions of one set: .npy, .npz (class_ids, probabilities), .json or .csv.

    Class ids (n,) or probabilities (n, num_classes); a .csv has one row an image, one column (ids) or one a class
    (with a header: CIFAR-10's names in their order). Raises FileNotFoundError, ValueError naming the file and what
    was expected.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected predictions as {', '.join(SUFFIXES)}")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a file of predictions as {', '.join(SUFFIXES)}, found {path.suffix!r}")
    if path.suffix == ".npz":
        return _from_archive(_arrays(path), "", path, count, num_classes)
    reader = {".npy": _npy, ".json": _json, ".csv": _csv}[path.suffix]
    return from_array(reader(path), count, num_classes, str(path))


def read_folder(folder: Path, counts: Mapping[str, int], num_classes: int = 10) -> dict[str, SetPredictions]:
    """Read a folder of per-set files `<set>.npy|npz|json|csv` or a run folder's predictions.npz.

    counts: set name -> images expected; files of other sets are an error that lists the names known. Two files of one
    set are an error as well.
    """
    folder = Path(folder)
    if (folder / "predictions.npz").is_file():
        return read_run(folder)
    found: dict[str, SetPredictions] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        name = path.name[: -len(path.suffix)]
        if name not in counts:
            raise ValueError(f"{path}: {name!r} is no set with labels here; expected one of {sorted(counts)}")
        if name in found:
            raise ValueError(f"{path}: a second file of {name}; expected one file a set")
        found[name] = read_file(path, counts[name], num_classes)
    if not found:
        raise FileNotFoundError(f"{folder}: holds no predictions; expected <set>.npy, .npz, .json or .csv")
    return found


def read_single(path: Path, counts: Mapping[str, int]) -> dict[str, SetPredictions]:
    """Read one prediction file and find its set: by its name, by its length, or as a published model's file.

    A file in CIFAR-10.1's model_predictions/<version>_predictions/ is read for every version that is there. Raises
    ValueError where the set cannot be told.
    """
    path = Path(path)
    if PUBLISHED_FOLDER.fullmatch(path.parent.name):
        names = [name for name in counts if name == "cifar10" or VERSION.fullmatch(name)]
        files = {name: path.parent.parent / f"{published_word(name)}_predictions" / path.name for name in names}
        return {name: read_file(file, counts[name]) for name, file in files.items() if file.is_file()}
    if path.name == "predictions.npz":
        return read_run(path.parent)
    if path.stem in counts:
        return {path.stem: read_file(path, counts[path.stem])}
    found = read_file(path)
    matches = [name for name, count in counts.items() if count == len(found.class_ids)]
    if len(matches) != 1:
        expected = ", ".join(f"{count} ({name})" for name, count in counts.items())
        raise ValueError(f"{path}: holds {len(found.class_ids)} predictions; expected {expected}, or a set's name")
    return {matches[0]: found}


def read_run(folder: Path) -> dict[str, SetPredictions]:
    """Read a run's predictions.npz: arrays `<set>.class_ids` and `<set>.probabilities`, file order."""
    path = Path(folder) / "predictions.npz"
    arrays = _arrays(path)
    names = sorted({name.rpartition(".")[0] for name in arrays})
    if not names or "" in names:
        raise ValueError(f"{path}: expected arrays <set>.class_ids and <set>.probabilities, found {sorted(arrays)}")
    return {name: _from_archive(arrays, f"{name}.", path, None, None) for name in names}


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


def _from_archive(
    arrays: dict[str, np.ndarray], prefix: str, path: Path, count: int | None, num_classes: int | None
) -> SetPredictions:
    ids, shares = (arrays.get(f"{prefix}{part}") for part in ("class_ids", "probabilities"))
    if ids is None and shares is None:
        raise ValueError(f"{path}: expected {prefix}class_ids or {prefix}probabilities, found {sorted(arrays)}")
    where = f"{path}: {prefix}"
    if "label_names" in arrays:
        _check_label_names([str(name) for name in arrays["label_names"]], path)
    if shares is not None:
        shares = check_probabilities(shares, count, num_classes, f"{where}probabilities")
        num_classes = shares.shape[1]
    if ids is None:
        return SetPredictions(shares.argmax(axis=1), shares)
    ids = check_class_ids(ids, len(shares) if shares is not None else count, num_classes, f"{where}class_ids")
    return SetPredictions(ids, shares)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected the predictions of a run")
    arrays = read_npz(path)
    for name, array in arrays.items():
        _check_plain(array, f"{path}: {name}")
    return arrays


def _npy(path: Path) -> np.ndarray:
    return _check_plain(read_npy(path), str(path))


def _check_plain(values: object, where: str) -> np.ndarray:
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{where}: expected an array of numbers, found a pickled {type(values).__name__}; refused")
    return values


def _json(path: Path) -> np.ndarray:
    value = read_json(path)
    if isinstance(value, dict):
        _check_label_names(value.get("label_names", CLASS_NAMES), path)
        value = value.get("probabilities", value.get("class_ids"))
    try:
        values = np.array(value)
    except ValueError as error:
        raise ValueError(f"{path}: rows of different length; expected a flat list or rows of one length") from error
    if not isinstance(value, list) or values.dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected a list of class ids or of rows of probabilities, found {_kind(value)}")
    return values


def _csv(path: Path) -> np.ndarray:
    try:
        table = pd.read_csv(check_lines(path), header=None, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parser errors are ValueErrors
        raise ValueError(f"{path}: not readable as .csv: {error}") from error
    header = [name.strip() for name in table.iloc[0]]
    if not all(_is_number(name) for name in header):
        if len(header) > 1:
            _check_label_names(header, path)
        table = table.iloc[1:]
    cells = table.map(str.strip).to_numpy()
    try:
        values = cells.astype(np.int64) if cells.shape[1] == 1 else cells.astype(np.float64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: expected one class id a row or one row of probabilities, found {error}") from error
    return values[:, 0] if values.shape[1] == 1 else values


def _check_label_names(names: object, path: Path) -> None:
    if not isinstance(names, list | tuple) or list(names) != list(CLASS_NAMES):
        raise ValueError(f"{path}: label names {names}; expected CIFAR-10's, in this order: {list(CLASS_NAMES)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(value: object) -> str:
    if isinstance(value, list):
        return f"a list of {type(value[0]).__name__}" if value else "an empty list"
    return type(value).__name__
