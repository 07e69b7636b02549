"""The forms of prediction files: arrays, JSON, text with any separator, Parquet; each becomes named columns.

Nothing in a file is run: what only a pickle could open is refused with what to do. Limits on size stand before the
readers, so that a few bytes cannot fill the memory.
"""

from pathlib import Path

from pyarrow import parquet

from cifar102.evaluation import prediction_json, prediction_text
from cifar102.evaluation.prediction_columns import Readings, array_of, by_set, readings
from cifar102.workspace.arrays import read_npy, read_npz

MOST_CELLS = 100_000_000  # of a Parquet table: 0.8 GB as float64
TORCH = """{path}: a PyTorch file can run anything when it is opened, so it is not. Give a function, in judge.py:
    import torch; from mymodel import Net
    net = Net(); net.load_state_dict(torch.load("{name}", weights_only=True)); net.eval()
    def predict(images):  # uint8 (n, 32, 32, 3)
        with torch.no_grad():
            return net(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).numpy()
and evaluate judge:predict (with the normalization of the training); predictions saved by numpy.save do as well"""
PICKLE = "{path}: a pickle can run anything and is not opened; save predictions by numpy.save(...) or to_csv(...)"
SHEET = "{path}: a spreadsheet is not read; save the sheet as CSV (in Excel: Save as, CSV UTF-8)"
PACKED = "{path}: a packed file is not read; unpack it first"
REFUSED = dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".safetensors"), TORCH)
REFUSED |= dict.fromkeys((".pkl", ".pickle", ".joblib"), PICKLE) | dict.fromkeys((".xlsx", ".xls", ".ods"), SHEET)
REFUSED |= dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".tar", ".7z"), PACKED)


def read_forms(path: Path) -> dict[str, Readings]:
    """Read a file of predictions: the set's name as the file has it ("" where it has none) -> its readings.

    Raises FileNotFoundError, or ValueError that names the
    file, what was found and what was expected or what to do.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in REFUSED:
        raise ValueError(REFUSED[suffix].format(path=path, name=path.name))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected predictions as {', '.join(SUFFIXES)}")
    if suffix not in READERS:
        raise ValueError(f"{path}: expected a file of predictions as {', '.join(SUFFIXES)}, found {path.suffix!r}")
    _check_content(path)
    return READERS[suffix](path)


def _check_content(path: Path) -> None:
    """ValueError where a file is not what its name says, as downloads leave it."""
    with path.open("rb") as file:
        start = file.read(200).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if not start:
        raise ValueError(f"{path}: found an empty file; expected predictions")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path}: found a Git LFS pointer, not the file; fetch it by `git lfs pull`")
    if start.startswith((b"<!doctype html", b"<html")):
        raise ValueError(f"{path}: found a web page, not the file; download the file itself")


def _npy(path: Path) -> dict[str, Readings]:
    value = read_npy(path)
    if isinstance(value, dict):  # numpy.save of a dictionary; opened without running anything
        return by_set(value, str(path))
    return {"": readings([(None, array_of(value, str(path)))], str(path))}


def _npz(path: Path) -> dict[str, Readings]:
    return by_set(read_npz(path), str(path))


def _parquet(path: Path) -> dict[str, Readings]:
    try:
        with parquet.ParquetFile(path) as file:
            size = file.metadata.num_rows * max(1, file.metadata.num_columns)
            if size > MOST_CELLS:
                raise ValueError(f"it has {size} cells, expected at most {MOST_CELLS}")
            table = file.read()
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise ValueError(f"{path}: not readable as .parquet: {error}") from error
    return prediction_json.of_records(table.to_pydict(), str(path))


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".json": prediction_json.read,
    ".jsonl": prediction_json.read,
    ".ndjson": prediction_json.read,
    ".csv": prediction_text.read,
    ".tsv": prediction_text.read,
    ".txt": prediction_text.read,
    ".parquet": _parquet,
}
SUFFIXES = tuple(READERS)
