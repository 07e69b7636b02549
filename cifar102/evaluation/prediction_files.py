"""The forms of prediction files: arrays, JSON, text with any separator, Parquet; each becomes named columns.

Nothing in a file is run: what only a pickle could open is refused with what to do. Limits on size stand before the
readers, so that a few bytes cannot fill the memory.
"""

import zipfile
from pathlib import Path

import pyarrow
from pyarrow import parquet

from cifar102.evaluation import prediction_json, prediction_text
from cifar102.evaluation.functions import AS_FUNCTION
from cifar102.evaluation.prediction_columns import Readings, array_of, by_set, readings
from cifar102.workspace.arrays import read_npy, read_npz
from cifar102.workspace.files import other_content

MOST_CELLS = 100_000_000  # of a Parquet table: 0.8 GB as float64
MOST_BYTES = 800_000_000  # of what a packed file unpacks to; all of CIFAR-10-C, 750,000 rows of float64, is 60 MB
PART = 512  # rows of a Parquet table at a time
TORCH = f"{{path}}: weights of PyTorch, which only their own code can run; {AS_FUNCTION}"
PICKLE = "{path}: a pickle can run anything and is not opened; give the model as a function package.module:name, "
PICKLE += "or its predictions, saved by numpy.save(...) or to_csv(...)"
SHEET = "{path}: a spreadsheet is not read; save the sheet as CSV (in Excel: Save as, CSV UTF-8)"
PACKED = "{path}: a packed file is not read; unpack it first"
REFUSED = dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".safetensors"), TORCH)
REFUSED |= dict.fromkeys((".pkl", ".pickle", ".joblib"), PICKLE) | dict.fromkeys((".xlsx", ".xls", ".ods"), SHEET)
REFUSED |= dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".tar", ".7z"), PACKED)


def read_forms(path: Path) -> dict[str, Readings]:
    """Read a file of predictions: the set's name as the file has it ("" where it has none) -> its readings.

    Raises FileNotFoundError, or ValueError that names the file, what was found and what was expected or what to do.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in REFUSED:
        raise ValueError(REFUSED[suffix].format(path=path))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected predictions as {', '.join(SUFFIXES)}")
    if suffix not in READERS:
        raise ValueError(f"{path}: expected a file of predictions as {', '.join(SUFFIXES)}, found {path.suffix!r}")
    _check_content(path)
    return READERS[suffix](path)


def _check_content(path: Path) -> None:
    """ValueError where a file is not what its name says, as downloads leave it."""
    with path.open("rb") as file:
        start = file.read(200).lstrip(b"\xef\xbb\xbf \r\n\t")
    if not start:
        raise ValueError(f"{path}: found an empty file; expected predictions")
    if found := other_content(path):
        raise ValueError(f"{path}: {found}; expected predictions")


def _npy(path: Path) -> dict[str, Readings]:
    value = read_npy(path)
    if isinstance(value, dict):  # numpy.save of a dictionary; opened without running anything
        return by_set(value, str(path))
    return {"": readings([(None, array_of(value, str(path)))], str(path))}


def _npz(path: Path) -> dict[str, Readings]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            size = sum(member.file_size for member in bundle.infolist())
        if size > MOST_BYTES:
            raise ValueError(f"{path}: its arrays unpack to {size} bytes, expected at most {MOST_BYTES}")
    return by_set(read_npz(path), str(path))


def _parquet(path: Path) -> dict[str, Readings]:
    try:
        with parquet.ParquetFile(path) as file:
            _check_size(file.metadata)
            table = _read_parts(file)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise ValueError(f"{path}: not readable as .parquet: {error}") from error
    return prediction_json.of_records(table.to_pydict(), str(path))


def _check_size(metadata: parquet.FileMetaData) -> None:
    """ValueError where a Parquet file says that it unpacks to more than predictions can be; cells of lists count."""
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    cells = sum(group.column(k).num_values for group in groups for k in range(metadata.num_columns))
    cells = max(cells, metadata.num_rows * max(1, metadata.num_columns))
    if cells > MOST_CELLS:
        raise ValueError(f"it has {cells} cells, expected at most {MOST_CELLS}")
    size = sum(group.total_byte_size for group in groups)
    if size > MOST_BYTES:
        raise ValueError(f"it unpacks to {size} bytes, expected at most {MOST_BYTES}")


def _read_parts(file: parquet.ParquetFile) -> pyarrow.Table:
    """The table, a few rows at a time, for a text that is stored once may stand in every row; ValueError where it grows
    beyond MOST_BYTES."""
    parts, size = [], 0
    for part in file.iter_batches(batch_size=PART):
        size += part.nbytes
        if size > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
        parts.append(part)
    return pyarrow.Table.from_batches(parts, file.schema_arrow)


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
