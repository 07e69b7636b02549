"""The log of verdicts: one JSON object a line, appended and on disk before `append` returns, never rewritten."""

import csv
import datetime
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from cifar102 import file_lock
from cifar102.cifar import CLASS_NAMES
from cifar102.quotas import classes_of_keywords
from cifar102.workspace import write_table

VERDICTS = ("yes", "no", "unsure")
FIELDS = ("tiny_index", "keyword", "class", "rater", "verdict", "time")


class VoteLog:
    """The verdicts in one .jsonl file (README, "Votes"), an open-ended log several processes may append to.

    The current state is the last verdict per rater and image. Nothing is ever rewritten: a line that was torn by a
    kill stays in the file, is listed by `refused`, and the next vote begins on a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, *values: object, **fields: object) -> dict[str, object]:
        """Append one vote and return it as written; when this returns, the vote is on disk.

        Given as a mapping, by position (tiny_index, keyword, class, rater, verdict, time) or by name, where
        `class_name` stands for `class`. time: ISO 8601 UTC, now if left out. ValueError names a field that is wrong.
        """
        if len(values) > len(FIELDS):
            raise ValueError(f"a vote has the fields {list(FIELDS)}, found {len(values)} values")
        given = values[0] if values and isinstance(values[0], Mapping) else dict(zip(FIELDS, values, strict=False))
        return self.append_many([{**given, **fields}])[0]

    def append_many(self, votes: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
        """Append several votes with one write and one fsync; all are checked before the first is written."""
        checked = [check_vote(vote) for vote in votes]
        lines = "".join(json.dumps(vote, ensure_ascii=False) + "\n" for vote in checked)
        if checked:
            _append_durably(self.path, lines.encode("utf-8"))
        return checked

    def table(self, all: bool = False) -> pd.DataFrame:
        """Return the last verdict per rater and image, sorted by tiny_index, class and rater.

        all: every vote instead, in the order of the file. Columns tiny_index (int64), keyword, class, rater, verdict,
        time. A file that does not exist is an empty log.
        """
        votes = vote_table([vote for _, vote, reason in self._lines() if not reason])
        return votes if all else current(votes)

    def refused(self) -> pd.DataFrame:
        """Return the lines that hold no vote: columns line (from 1), text, reason."""
        rows = [(number, text, reason) for number, text, reason in self._lines() if reason]
        return pd.DataFrame(rows, columns=["line", "text", "reason"])

    def _lines(self) -> Iterator[tuple[int, object, str]]:
        lines = self.path.read_bytes().split(b"\n") if self.path.is_file() else []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield number, check_vote(json.loads(line.decode("utf-8"))), ""
            except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
                yield number, line.decode("utf-8", errors="replace"), str(error)


def check_vote(vote: Mapping[str, object]) -> dict[str, object]:
    """Return a vote with its six fields in order; ValueError says which field is missing, unknown or wrong."""
    if not isinstance(vote, Mapping):
        raise ValueError(f"a vote is an object with the fields {list(FIELDS)}, found {vote!r}")
    vote = {"class" if key == "class_name" else key: value for key, value in vote.items()}
    vote["time"] = vote.get("time") or _now()
    if set(vote) != set(FIELDS):
        raise ValueError(f"a vote has the fields {list(FIELDS)}, found {sorted(map(str, vote))}")
    index = vote["tiny_index"]
    if isinstance(index, bool) or not hasattr(index, "__index__") or not 0 <= int(index) < 2**63:
        raise ValueError(f"vote: tiny_index is a whole number from 0 on, found {index!r}")
    for field in FIELDS[1:]:
        if not isinstance(vote[field], str) or not vote[field].strip():
            raise ValueError(f"vote on {index}: {field} is text, found {vote[field]!r}")
    for field, allowed in (("class", CLASS_NAMES), ("verdict", VERDICTS)):
        if vote[field] not in allowed:
            raise ValueError(f"vote on {index}: {field} is one of {list(allowed)}, found {vote[field]!r}")
    _check_time(vote["time"])
    return {field: int(index) if field == "tiny_index" else str(vote[field]) for field in FIELDS}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


def _check_time(text: str) -> None:
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know Z
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() != datetime.timedelta(0):
        raise ValueError(f"vote: time is ISO 8601 in UTC, found {text!r}")


def vote_table(votes: list[Mapping[str, object]]) -> pd.DataFrame:
    """Make the vote table of checked votes, in the order given."""
    return pd.DataFrame(votes, columns=list(FIELDS)).astype({"tiny_index": "int64"} | dict.fromkeys(FIELDS[1:], object))


def current(votes: pd.DataFrame) -> pd.DataFrame:
    """Keep the last verdict per rater and image, sorted by tiny_index, class and rater.

    An image of a keyword that stands in two classes is asked about once per class, and both answers count.
    """
    in_two = votes["keyword"].isin(classes_of_keywords())
    asked = votes.assign(question=votes["class"].where(in_two, ""))
    last = asked.drop_duplicates(["tiny_index", "question", "rater"], keep="last")
    return last.sort_values(["tiny_index", "question", "rater"]).drop(columns="question").reset_index(drop=True)


def write_csv(path: Path, votes: pd.DataFrame) -> Path:
    """Write votes as plain CSV with the six columns, atomically."""
    return write_table(Path(path), votes[list(FIELDS)])


def read_csv(path: Path) -> pd.DataFrame:
    """Read votes from CSV; ValueError names the file and the line of a vote that is wrong."""
    votes = []
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)  # not pandas, which takes the keyword "nan" (a grandmother) for a missing value
        try:
            for row in rows:
                index = row.get("tiny_index") or ""
                votes.append(check_vote(row | {"tiny_index": int(index) if index.isdecimal() else index}))
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}: line {rows.line_num}: {error}") from error
    return vote_table(votes)


def _append_durably(path: Path, content: bytes) -> None:
    """Append under a lock in one write, after a line feed where the file ends in a torn line, and fsync."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    try:
        if not file_lock.take(handle, wait=True):
            raise TimeoutError(f"{path}: another process holds the log; the vote is not recorded")
        try:
            _append(handle, content)
        except OSError as error:  # a full disk does not say of which file
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            file_lock.give_back(handle)
    finally:
        os.close(handle)
    if is_new and os.name != "nt":
        _sync_folder(path.parent)


def _append(handle: int, content: bytes) -> None:
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
