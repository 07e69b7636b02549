"""Files: written so that none is ever half there, read so that a bad one is named, and locked."""

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
import pandas as pd

POLL_SECONDS = 0.02


@contextlib.contextmanager
def locked(path: Path, seconds: float, refusal: str = "") -> Iterator[None]:
    """Hold the lock of the file `path`, which is made for it and stays; a killed holder leaves no lock.

    `path` is a file of its own, beside what it guards: Windows lets nobody read a locked file. seconds: how long this
    waits for another holder, 0 for one try, infinite for ever; then TimeoutError names the file or says `refusal`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    timeout = seconds if math.isfinite(seconds) else -1  # filelock's word for ever
    try:
        lock = filelock.FileLock(path).acquire(timeout=timeout, poll_interval=POLL_SECONDS)
    except filelock.Timeout:
        message = refusal or f"{path}: locked by another process for more than {seconds} seconds"
        raise TimeoutError(message) from None
    with lock:
        yield


LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp(\.\w+)?")  # the temporary names of `replacing`


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success fsync it and rename it over `path`, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes 0600 files
        temporary.replace(path)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # of a write: a full disk says nothing of its file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, older_than_seconds: float = 600) -> list[Path]:
    """Remove the temporary files of writers that were killed below `folder`; returns their paths.

    Younger ones are left, for their writer may live: a large file is written for minutes, and its time moves on.
    """
    oldest = time.time() - older_than_seconds
    found = [path for path in Path(folder).rglob(".*.tmp*") if LEFTOVER.fullmatch(path.name) and path.is_file()]
    removed = [path for path in found if path.stat().st_mtime < oldest]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_text(path: Path, text: str) -> Path:
    """Write `text` as UTF-8 with line feeds, atomically."""
    return write_bytes(path, text.encode("utf-8"))


def plain(value: object) -> object:
    """Turn numpy scalars, arrays, paths, dataclass-free containers into what JSON can hold; NaN becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | range):
        return [plain(item) for item in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.as_posix() if isinstance(value, Path) else value


def write_json(path: Path, value: object) -> Path:
    """Write `value` as indented JSON, keys in the order given, atomically."""
    return write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> object:
    """Read a JSON file; ValueError names the file and the place where it does not parse."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected JSON")
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:  # UTF-8 and JSON errors are ValueErrors, and too long a number is one
        raise ValueError(f"{path}: not readable as JSON: {error}") from error


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make a JSON object; of a name that stands in it twice, json would silently keep the last value."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {doubled!r} stands twice in one object")
    return content


def write_array(path: Path, array: np.ndarray) -> Path:
    """Write an array as .npy, atomically and without pickle."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return Path(path)


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a table without its index as .csv or .parquet (the suffix says which), atomically."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: a table is written as .csv or .parquet, not as {path.suffix!r}")
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            table.to_parquet(temporary, index=False)
    return Path(path)


def read_table(path: Path, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a .csv or .parquet table; ValueError names the file and the columns that are missing from it."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table; the notebook that leaves it has not run in this workspace")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=True)
    except Exception as error:  # pyarrow and pandas raise many kinds for a damaged file
        raise ValueError(f"{path}: not readable as a {path.suffix} table: {error}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{path}: columns {missing} are missing; found {list(table.columns)}")
    return table


def hash_file(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
