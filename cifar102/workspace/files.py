"""Files: written so that none is ever half there, read so that a bad one is named, and locked."""

import codecs
import contextlib
import csv
import hashlib
import json
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
from pyarrow import parquet

POLL_SECONDS = 0.02
MARK = "cifar102-"  # in each temporary name of `replacing`, so that nobody else's file is taken for one of ours
LEFTOVER = re.compile(rf"\..+\.{MARK}[a-z0-9_]{{8}}\.tmp(\.\w+)?")
NUMBER = r"[+-]?[\d.]+([eE][+-]?\d+)?$"
FORMULA = re.compile(rf"(?!{NUMBER})'*[=+\-@\t\r]")  # what a spreadsheet may run
GUARDED = re.compile(r"'+[=+\-@\t\r]")
# A comment ends at its first end: a pattern that may also end it later tries every way to do so, for ever.
COMMENTS = rb"(<!--((?!-->).)*-->\s*)*"
HTML = re.compile(rb"(\xef\xbb\xbf)?\s*" + COMMENTS + rb"<(!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
# What stands where a data file should, by its first bytes: what other programs leave under the name of what was asked.
OTHER_CONTENT = (
    (HTML, "an HTML page (a web page in the place of the file: download the file itself)"),
    (re.compile(rb"\s*<\?xml"), "an XML text, such as a server's error"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer (`git lfs pull` fetches the file it stands for)"),
    (re.compile(rb"\x1f\x8b"), "a gzip file that is not unpacked"),
    (re.compile(rb"BZh[1-9]1AY|\xfd7zXZ\x00|7z\xbc\xaf"), "a compressed file that is not unpacked"),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive that is not unpacked"),
    (re.compile(rb"PK\x03\x04"), "a zip archive (.npz is one)"),
    (re.compile(rb"\x93NUMPY"), "an array (.npy)"),
    (re.compile(rb"PAR1"), "a table (.parquet)"),
)
LARGEST_TABLE = 1 << 28  # cells of a .parquet table, 2 GiB of numbers; a megabyte can stand for any number of them
MOST_COLUMNS = 10_000  # of a .csv table; those of this project have a few dozen
LONGEST_LINE = 1 << 20  # bytes of a line of CSV; those of this project have a few hundred
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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


def refuse_link(path: Path) -> None:
    """ValueError where `path` is a link: what is written through one lands where nobody asked for it."""
    path = Path(path)
    if path.is_symlink() or (sys.platform == "win32" and getattr(path, "is_junction", bool)()):
        raise ValueError(f"{path}: is a link to {path.readlink()}; nothing is written through links, name its target")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success fsync it and rename it over `path`, else remove it.

    ValueError where `path` is a link.
    """
    path = Path(path)
    refuse_link(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.{MARK}", suffix=f".tmp{path.suffix}", dir=path.parent)
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


def remove_leftovers(folder: Path, below: Iterable[str], older_than_seconds: float = 600) -> list[Path]:
    """Remove the temporary files of writers of ours that were killed; returns their paths.

    Looked at are the files of `folder` itself and whatever is in those of its folders that `below` names; a link is not
    followed. Younger files are left, for their writer may live: a large one is written for minutes, and its time moves
    on.
    """
    oldest = time.time() - older_than_seconds
    found = list(Path(folder).glob(".*.tmp*"))
    for place in (Path(folder) / name for name in below):
        found += [] if place.is_symlink() else place.rglob(".*.tmp*")
    ours = [path for path in found if LEFTOVER.fullmatch(path.name) and path.is_file() and not path.is_symlink()]
    removed = [path for path in ours if path.stat().st_mtime < oldest]
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


def read_whole(path: Path, largest: int, what: str = "file") -> bytes:
    """Read a file into memory, its size looked at before; FileNotFoundError, ValueError name it and what was found."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such {what}")
    if (size := path.stat().st_size) > largest:
        raise ValueError(f"{path}: a {what} of {size} bytes, at most {largest}")
    with path.open("rb") as file:
        return file.read(largest)


def other_content(path: Path) -> str:
    """Say what a file holds that is not what its suffix says, by its first bytes; empty where they tell nothing.

    Known: web pages, Git LFS pointers, archives that are not unpacked, files of other
    kinds than was expected.
    """
    path = Path(path)
    with contextlib.suppress(OSError), path.open("rb") as file:
        first = file.read(1024)
        found = next((what for pattern, what in OTHER_CONTENT if pattern.match(first)), "")
        is_own = path.suffix and f"({path.suffix}" in found
        return f"it is {found}" if found and not is_own else ""
    return ""


def encoding_of(path: Path) -> str:
    """Return the encoding of a text file: UTF-16 by its byte order mark or its zero bytes, else UTF-8, mark or not."""
    with Path(path).open("rb") as file:
        start = file.read(2)
    if start in UTF16_MARKS:
        return "utf-16"
    if len(start) == 2 and 0 in start and start != b"\0\0":  # every second byte of plain text in UTF-16 is 0
        return "utf-16-le" if start[1] == 0 else "utf-16-be"
    return "utf-8-sig"


def read_text(path: Path) -> str:
    """Read a text file: UTF-8 with or without a byte order mark, or UTF-16 with one; any line ends become line feeds.

    Raises FileNotFoundError, UnicodeDecodeError (a ValueError).
    """
    return Path(path).read_text(encoding=encoding_of(path))


def read_json(path: Path) -> object:
    """Read a JSON file; ValueError names the file and the place where it does not parse."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected JSON")
    try:
        return parse_json(read_text(path))
    except (ValueError, RecursionError) as error:  # UTF-8 and JSON errors are ValueErrors, and too long a number is one
        raise ValueError(f"{path}: not readable as JSON: {other_content(path) or error}") from error


def read_object(path: Path) -> dict:
    """Read a JSON file that holds one object; raises as read_json does, and ValueError where it holds anything else."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def parse_json(text: str) -> object:
    """Parse JSON in which no name stands twice in one object; ValueError, RecursionError."""
    return json.loads(text, object_pairs_hook=_once_each)


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
            temporary.write_text(csv_text(table), encoding="utf-8", newline="")
        else:
            table.to_parquet(temporary, index=False)
    return Path(path)


def csv_text(table: pd.DataFrame) -> str:
    """Write a table without its index as CSV that a spreadsheet does not run.

    A text that a spreadsheet would take for a formula gets the quote in front that spreadsheets themselves hide;
    numbers are left as they are, as text too. `without_guards` takes the quotes off.
    """
    guarded = _texts_changed(table, lambda text: f"'{text}" if FORMULA.match(text) else text)
    # pandas quotes a line feed, but not a carriage return, which its own reader takes for the end of a line.
    has_return = any("\r" in str(value) for place in _text_columns(guarded) for value in guarded.iloc[:, place])
    quoting = csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL
    return guarded.to_csv(index=False, lineterminator="\n", quoting=quoting)


def without_guards(table: pd.DataFrame) -> pd.DataFrame:
    """Take off the quotes that `csv_text` put in front of texts."""
    return _texts_changed(table, lambda text: text[1:] if GUARDED.match(text) else text)


def _texts_changed(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Change all texts of a table, the names of its columns too; other values keep their types."""

    def changed(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    found = table.rename(columns=changed)
    for place in _text_columns(table):
        values = pd.Series([changed(value) for value in table.iloc[:, place]], index=table.index, dtype=object)
        found.isetitem(place, values)
    return found


def _text_columns(table: pd.DataFrame) -> list[int]:
    """The places of the columns that may hold text."""
    kinds = (pd.CategoricalDtype, pd.StringDtype)
    return [place for place, kind in enumerate(table.dtypes) if kind.kind == "O" or isinstance(kind, kinds)]


def check_lines(path: Path) -> Path:
    """Return `path` if no line of the file is longer than LONGEST_LINE; else ValueError, before a reader holds it."""
    length, number = 0, 1
    with Path(path).open("rb") as file:
        while block := file.read(LONGEST_LINE):
            first, *rest = block.split(b"\n")
            longest = max([length + len(first), *map(len, rest)])
            if longest > LONGEST_LINE:
                raise ValueError(f"{path}: a line from line {number} on is longer than {LONGEST_LINE} bytes")
            length = len(rest[-1]) if rest else length + len(first)
            number += len(rest)
    return Path(path)


def read_table(path: Path, columns: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a .csv or .parquet table; ValueError names the file and the columns that are missing from it.

    texts: columns of a .csv that are taken as they stand, though they may look like numbers or missing values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table; the notebook that leaves it has not run in this workspace")
    try:
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, texts)
    except Exception as error:  # pyarrow and pandas raise many kinds for a damaged file
        raise ValueError(f"{path}: not readable as a {path.suffix} table: {other_content(path) or error}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        found = other_content(path) or f"found {list(table.columns)}"
        raise ValueError(f"{path}: columns {missing} are missing; {found}")
    return table


def _read_parquet(path: Path) -> pd.DataFrame:
    about = parquet.read_metadata(path)
    if (cells := about.num_rows * about.num_columns) > LARGEST_TABLE:
        raise ValueError(f"it has {cells} cells, expected at most {LARGEST_TABLE}")
    return pd.read_parquet(path)


def _read_csv(path: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    """Read CSV with commas, or with the semicolons or tabs that a spreadsheet puts where a comma is a decimal point."""
    encoding = encoding_of(path)
    with check_lines(path).open(encoding=encoding) as file:
        header, first = file.readline(), file.readline()
    separator = next((mark for mark in ";\t" if mark in header and "," not in header), ",")
    _check_columns([header, first], separator)
    as_they_stand = dict.fromkeys(texts, str)
    table = without_guards(pd.read_csv(path, sep=separator, encoding=encoding, converters=as_they_stand))
    return table.rename(columns=lambda name: name.strip() if isinstance(name, str) else name)


def _check_columns(lines: list[str], separator: str) -> None:
    """ValueError for more columns than a table has, or more cells in the first row than names and a row name above it:
    pandas would make an index of each of them."""
    names, cells = (len(next(csv.reader([line], delimiter=separator), [])) for line in lines)
    if max(names, cells - 1) > MOST_COLUMNS or cells > names + 1:
        raise ValueError(f"its first row has {cells} cells under {names} names, of at most {MOST_COLUMNS}")


def hash_file(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
