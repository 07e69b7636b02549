"""Append-only logs of JSON lines: on disk before an append returns, one writer at a time, never rewritten.

A log that an editor on Windows has saved (a byte order mark, CR LF) is read and appended to like any other.
"""

import codecs
import contextlib
import datetime
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path

from cifar102.workspace import files

LOCK_SECONDS = 60  # an append takes milliseconds; a slow disk and many raters at once are waited for
UTF16 = "the log is UTF-16 text, expected UTF-8 (in the editor: save as, encoding UTF-8)"
Row = dict[str, object]
Check = Callable[[Mapping[str, object]], Row]


def append(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Append rows as JSON lines with one write and one fsync; when this returns, they are on disk."""
    with _held(Path(path)) as handle:
        _write(handle, rows)


def read(path: Path, check: Check) -> Iterator[tuple[int, object, str]]:
    """Give each line that is not blank: its number (from 1), the checked row, ""; or number, text, what is wrong.

    check: returns the row in its fixed form, or raises ValueError. A file that does not exist is an empty log.
    """
    content = Path(path).read_bytes() if Path(path).is_file() else b""
    wrong = UTF16 if content[:2] in files.UTF16_MARKS else ""
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if line.strip():
            row, reason = (None, wrong) if wrong else _parse(line, check)
            yield number, line.decode("utf-8", errors="replace") if row is None else row, reason


def moment(text: object) -> datetime.datetime:
    """Read an ISO 8601 time in UTC; ValueError for anything else."""
    try:
        found = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        found = None
    if found is None or found.utcoffset() != datetime.timedelta(0):
        raise ValueError(f"time is ISO 8601 in UTC, found {text!r}")
    return found


def now() -> str:
    """The time as the logs have it, ISO 8601 in UTC with milliseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class Ledger:
    """The current rows of one log, kept up with what other processes append to it: an open resource.

    The last row of each question counts. Writing here is idempotent, so that whoever did not hear that a row was saved
    may send it again: a row that is in the log already is not written again, and one that arrives late, after a newer
    one on the same question, is kept in the log without taking its place. For that each row has a `time`.
    """

    def __init__(self, path: Path, check: Check, question: Callable[[Row], Hashable]) -> None:
        self.path = Path(path)
        self.current: dict[Hashable, Row] = {}
        self._check, self._question = check, question
        self._seen: set[Hashable] = set()
        self._offset = 0

    def refresh(self) -> bool:
        """Take in the whole lines that were appended since; says whether there were any."""
        if not self.path.is_file() or self.path.stat().st_size <= self._offset:
            return False
        with self.path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        if content[:2] in files.UTF16_MARKS and not self._offset:
            raise ValueError(f"{self.path}: {UTF16}")
        start = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) and not self._offset else 0
        whole = content.rfind(b"\n") + 1  # the rest is being written, or was torn
        for line in content[start:whole].split(b"\n"):
            if line.strip():
                row, _ = _parse(line, self._check)
                self._take(row)
        self._offset += whole
        return whole > 0

    def record(self, rows: Iterable[Mapping[str, object]]) -> list[Row]:
        """Put rows on disk, in order, and return those that were new; all are checked before the first is written."""
        checked = [self._check(row) for row in rows]
        if not checked:
            return []
        with _held(self.path) as handle:
            self.refresh()
            fresh = self._unseen(checked)
            newer = self._newer_than(fresh)
            if fresh:
                _write(handle, [*fresh, *newer])
        self.refresh()
        return fresh

    def record_good(self, rows: Iterable[Mapping[str, object]], check: Check) -> list[tuple[int, str]]:
        """Put on disk the rows that `check` passes; return the positions of the others with what is wrong."""
        good, refused = [], []
        for position, row in enumerate(rows):
            try:
                good.append(check(row))
            except ValueError as error:
                refused.append((position, str(error)))
        self.record(good)
        return refused

    def _unseen(self, rows: list[Row]) -> list[Row]:
        fresh: dict[Hashable, Row] = {}
        for row in rows:
            identity = self._identity(row)
            if identity not in self._seen:
                fresh.setdefault(identity, row)
        return list(fresh.values())

    def _newer_than(self, fresh: list[Row]) -> list[Row]:
        """The rows that stand and were given later than what is written now: they are written again behind it."""
        last = {self._question(row): row for row in fresh}
        stands = [(self.current[question], row) for question, row in last.items() if question in self.current]
        return [now for now, late in stands if moment(now["time"]) > moment(late["time"])]

    def _take(self, row: Row | None) -> None:
        if row is not None:
            self.current[self._question(row)] = row
            self._seen.add(self._identity(row))

    def _identity(self, row: Row) -> Hashable:
        return self._question(row), row["verdict"], row["time"]


def _parse(line: bytes, check: Check) -> tuple[Row | None, str]:
    try:
        return check(json.loads(line.decode("utf-8"))), ""
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        return None, str(error)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """Open the log for appending, one writer at a time; the name of a new file is made durable too.

    The lock is that of a hidden file beside the log. Earlier versions of this package locked the log itself and do not
    see this lock: a process of theirs and one of this version must not write to the same log at once.
    """
    files.refuse_link(path)
    refusal = f"{path}: another process holds the log; nothing is recorded"
    with files.locked(path.with_name(f".{path.name}.lock"), LOCK_SECONDS, refusal):
        is_new = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            if os.read(handle, 2) in files.UTF16_MARKS:
                raise ValueError(f"{path}: {UTF16}")
            yield handle
        except OSError as error:
            if error.filename is None and error.errno is not None:  # a full disk does not say of which file
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
        finally:
            os.close(handle)
        if is_new and os.name != "nt":
            _sync_folder(path.parent)


def _write(handle: int, rows: Iterable[Mapping[str, object]]) -> None:
    """Append in one write, after a line feed where the file ends in a torn line, and fsync."""
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")
    size = os.lseek(handle, 0, os.SEEK_END)
    if size and os.lseek(handle, size - 1, os.SEEK_SET) >= 0 and os.read(handle, 1) != b"\n":
        content = b"\n" + content
    while content:  # one write unless the system takes less
        content = content[os.write(handle, content) :]
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable (POSIX)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
