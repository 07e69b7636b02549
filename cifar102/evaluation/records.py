"""What `evaluate` and `compare` give: a record that is plain JSON, its tables, its text, and the folder they go to.

A folder of results belongs to whoever asked for it: nothing in it is written over that was not written here before.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from cifar102.workspace.files import locked, plain, read_json, refuse_link, write_json

SIGN = ".cifar102.json"  # names the files that were written into a folder of results
LOCK, SCRATCH, LOCK_SECONDS = ".cifar102.lock", ".cifar102-new-", 60
# Files that the next call removes or replaces.
REPLACED = re.compile(r"(tables|figures)/[\w-]+\.(csv|json|png|svg)|every_eval_ever(/[\w-]+)+\.jsonl?")


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


def write(record: Record, folder: Path, fill: Callable[[Path], list[Path]]) -> Record:
    """Let `fill` write the files of a record into a folder of its own, then move them to `folder`; names them in it.

    Where `fill` fails, the files of an earlier call stay as they are. Else tables, figures and exports of an earlier
    call that this one does not have are removed: they are of another model or set. Two calls write one after the other.
    ValueError where a file of the user has one of the names, TimeoutError where another call writes for a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, LOCK_SECONDS, f"{folder}: another call is writing into it; name another (--output)"):
        check_folder(folder)
        for left in folder.glob(f"{SCRATCH}*/"):  # of a call that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
            names = [path.relative_to(scratch).as_posix() for path in fill(Path(scratch))]
            known = _claim(folder, names)
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / name).replace(folder / name)
        stale = {name for name in known.difference(names) if REPLACED.fullmatch(name)}
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        _sign(folder, known.union(names) - stale)
    return replace(record, files=tuple(folder / name for name in names))


def _claim(folder: Path, names: Sequence[str]) -> set[str]:
    """Note that files of these names are ours, before they are there: an interrupted call can be repeated.

    Returns the names that were ours already; ValueError where another file has one of them.
    """
    known = _written(folder)
    for name in names:
        refuse_link(folder / name)
        if (folder / name).exists() and name not in known:
            raise ValueError(f"{folder / name}: was not written by this command and is not replaced; move it away")
    _sign(folder, known.union(names))
    return known


def _sign(folder: Path, names: set[str]) -> None:
    write_json(folder / SIGN, {"made_by": "cifar102", "files": sorted(names)})


def check_folder(folder: Path) -> Path:
    """Return the absolute path of a folder of results.

    ValueError where it holds files and is none of ours, where a folder in it is a link or nothing can be written.
    """
    folder = Path(folder).expanduser().absolute()
    refuse_link(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file, expected a folder for the results (--output)")
    _check_writable(folder, "--output")
    found = sorted(path.name for path in folder.iterdir() if path.name != LOCK) if folder.is_dir() else []
    found = [name for name in found if not name.startswith(SCRATCH)]
    if found and SIGN not in found:
        raise ValueError(
            f"{folder}: holds {found[0]} and was not made by this command; expected a new or empty folder (--output)"
        )
    for path in folder.rglob("*") if found else ():
        if path.is_dir():
            refuse_link(path)
    return folder


def check_file(path: Path) -> Path:
    """Return the absolute path of a file that a record may be written to.

    ValueError where another file is there, or where none can be written.
    """
    path = Path(path).expanduser().absolute()
    refuse_link(path)
    try:
        is_free = not path.exists() or "verdict" in dict(read_json(path))
    except (OSError, TypeError, ValueError):
        is_free = False
    if not is_free:
        raise ValueError(f"{path}: is there already and holds no record of this command; name another file (--json)")
    _check_writable(path.parent, "--json")
    return path


def _check_writable(folder: Path, option: str) -> None:
    """ValueError where nothing can be written into a folder, or made beside it: said before the work, not after."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise ValueError(f"{place}: cannot be written to: {error.strerror}; name another place ({option})") from error


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
