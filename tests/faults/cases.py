"""One bad input and what must happen to it: the documented error, in our words, and not a file changed."""

import hashlib
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cifar102.workspace import files

PACKAGE = Path(files.__file__).resolve().parents[1]


@dataclass(frozen=True)
class Case:
    """A bad input.

    spoil: writes it into an empty folder and returns the path that the message must name (None: nothing is written,
    and `found` and `expected` are all that the message must say). read: what is called with that path, or the folder.
    found, expected: regular expressions that the message must match, what is there and what should be.
    """

    name: str
    spoil: Callable[[Path], Path | None] | None
    read: Callable[[Path], object]
    found: str
    expected: str
    error: type[Exception] = ValueError

    def __str__(self) -> str:
        return re.sub(r"\W+", "-", self.name).strip("-")


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder, hidden and temporary ones too; lock files hold nothing."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check(case: Case, folder: Path) -> None:
    """Give the bad input to its reader: the error is the documented one and names file, finding and expectation."""
    path = case.spoil(folder) if case.spoil else None
    before = contents(folder)
    with pytest.raises(case.error) as caught:
        case.read(path or folder)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError | FileNotFoundError)
    if path is not None:
        assert path.name in message, f"does not name {path.name}: {message}"
    assert re.search(case.found, message), f"does not say what was found ({case.found}): {message}"
    assert re.search(case.expected, message), f"does not say what was expected ({case.expected}): {message}"
    assert len(message) < 2000, f"{len(message)} characters are no message"
    raised_in = Path(traceback.extract_tb(caught.value.__traceback__)[-1].filename)
    assert PACKAGE in raised_in.parents, f"a traceback from inside {raised_in}: {message}"
    assert contents(folder) == before, "a file was changed, or left half-written"
