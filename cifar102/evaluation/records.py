"""What `evaluate` and `compare` give: a record that is plain JSON, its tables, its text, and the folder they go to.

A folder of results belongs to whoever asked for it: nothing in it is written over that was not written here before.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from cifar102.workspace.files import plain, read_json, refuse_link, write_json

SIGN = ".cifar102.json"  # names the files that were written into a folder of results
REPLACED = re.compile(r"(tables|figures)/[\w-]+\.(csv|json|png|svg)")  # those that the next call removes or replaces


@dataclass(frozen=True)
class Record(Mapping):
    """One answer. As a mapping it is the record that `--json` prints; as text it is what the command prints.

    content: plain values, NaN as None; tables: by name, accuracies 0-1; text: the verdict first, then a table, then
    details; files: what was written, () where no folder was asked for.
    """

    content: dict
    tables: dict[str, pd.DataFrame] = field(repr=False)
    text: str = field(repr=False)
    files: tuple[Path, ...] = ()

    def __getitem__(self, key: str) -> object:
        return self.content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def __str__(self) -> str:
        return self.text + ("\n\nwrote " + "\n      ".join(map(str, self.files)) if self.files else "")

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(self.content, indent=2, ensure_ascii=False)


def make(content: dict, tables: Mapping[str, pd.DataFrame], text: str) -> Record:
    """Make a record of values that may be numpy's and NaN."""
    return Record(plain(content), dict(tables), text)


def with_files(record: Record, folder: Path, files: list[Path]) -> Record:
    """Return the record with the files it was written to, and note in the folder that they are ours.

    Tables and figures of an earlier call that this one did not write are removed: they are of another model or set.
    """
    names = {path.relative_to(folder).as_posix() for path in files}
    known = _written(folder)
    stale = {name for name in known - names if REPLACED.fullmatch(name)}
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    _sign(folder, names | known - stale)
    return replace(record, files=tuple(files))


def _sign(folder: Path, names: set[str]) -> None:
    write_json(folder / SIGN, {"made_by": "cifar102", "files": sorted(names)})


def check_folder(folder: Path) -> Path:
    """Return the absolute path of a folder of results.

    ValueError where it holds files and is none of ours, or where a folder in it is a link.
    """
    folder = Path(folder).expanduser().absolute()
    refuse_link(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file, expected a folder for the results (--output)")
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if found and SIGN not in found:
        raise ValueError(
            f"{folder}: holds {found[0]} and was not made by this command; expected a new or empty folder (--output)"
        )
    for path in folder.rglob("*") if found else ():
        if path.is_dir():
            refuse_link(path)
    return folder


def check_file(path: Path) -> Path:
    """Return the absolute path of a file that a record may be written to; ValueError where another file is there."""
    path = Path(path).expanduser().absolute()
    refuse_link(path)
    try:
        is_free = not path.exists() or "verdict" in dict(read_json(path))
    except (OSError, TypeError, ValueError):
        is_free = False
    if not is_free:
        raise ValueError(f"{path}: is there already and holds no record of this command; name another file (--json)")
    return path


def claim_files(folder: Path, names: list[str]) -> None:
    """Note in our folder that files of these names are ours, before they are written: an interrupted call can be
    repeated. Raises ValueError where a file of the user has one of the names."""
    ours = _written(folder)
    for name in names:
        if (folder / name).exists() and name not in ours:
            raise ValueError(f"{folder / name}: was not written by this command and is not replaced; move it away")
    _sign(folder, ours | set(names))


def _written(folder: Path) -> set[str]:
    sign = folder / SIGN
    content = read_json(sign) if sign.is_file() else {}
    files = content.get("files") if isinstance(content, dict) else None
    return set(map(str, files)) if isinstance(files, list) else set()


def slug(name: str) -> str:
    """Return a name as a part of file names: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "model"


def name_of(source: str) -> str:
    """Return what the folder of a source's results is called: a file's stem, all of a folder's or a function's name."""
    path = Path(source)
    is_file = path.suffix and ":" not in path.name and not path.is_dir()
    return slug((path.stem if is_file else path.name).removesuffix("_predictions"))


def shown(table: pd.DataFrame, digits: int = 1) -> str:
    """Write a table for a terminal: accuracies and differences (0-1) in percent, missing values as a dash."""
    if table.empty:
        return "(nothing)"
    return table.to_string(index=False, na_rep="-", float_format=lambda value: f"{100 * value:.{digits}f}")
