"""Pictures where people keep them: folders, Hugging Face parquet files, WebDataset tars, one after the other.

A source is gone through by a generator, so that a million pictures need the memory of one. A tar is read and never
unpacked. What other systems leave beside pictures (`._a.png`, `.DS_Store`, `__MACOSX`) is passed over.
"""

import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow.parquet

from cifar102.cifar import ImageSet
from cifar102.datasets import pictures

IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img", "picture", "png", "jpg"), ("label", "labels", "class", "cls")
TAR_LABELS = (".cls", ".label", ".json")
COMPANIONS = {"__macosx", "thumbs.db", "desktop.ini"}  # beside names that begin with a dot
ROWS = 256  # of a parquet file held at a time
LARGEST_TEXT = 1 << 20  # bytes of a label in a tar
NAMED = 10  # unreadable pictures that a message names


@dataclass(frozen=True)
class Entry:
    """One picture of a source: its name there, its file or bytes, and the word that stands for its class, or ""."""

    name: str
    content: Path | bytes
    word: str = ""


@dataclass
class Tally:
    """What going through a source found: how many pictures, companions passed over, changes, unreadable ones."""

    pictures: int = 0
    passed_over: int = 0
    changes: Counter = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """Say what was changed, in one sentence a kind."""
        said = [f"{count:,} of {self.pictures:,} pictures: {change}" for change, count in sorted(self.changes.items())]
        return (*said, *([f"{self.passed_over:,} hidden or companion files passed over"] if self.passed_over else []))


def is_source(path: Path) -> bool:
    """Say whether a file is one that this room reads: a picture, a parquet file, a tar."""
    return path.suffix.lower() in pictures.ENDINGS | {".parquet"} or _is_tar(path)


def entries(source: Path, tally: Tally | None = None) -> Iterator[Entry]:
    """Go through the pictures of a source, in the order of their names, or as a file has them.

    source: a folder with pictures, parquet files or tars, at any depth; one parquet file, tar or picture. tally: counts
    what is passed over. Links to folders are not followed. ValueError for a member outside its tar, a null picture, a
    parquet file without an image column, a damaged archive.
    """
    source, tally = Path(source), Tally() if tally is None else tally
    if source.is_dir():
        for path in _files(source, tally):
            yield from _of_file(path, path.relative_to(source).as_posix(), path.parent != source, tally)
    else:
        yield from _of_file(source, source.name, False, tally)


def read_set(source: Path, part: str = "", fit: str = "crop", resample: str = "box") -> tuple[ImageSet, list[str]]:
    """Read a whole source as one set; labels are -1, and the word of each picture's class is beside it.

    part: of several parquet files or tars only those that have this word in their name, where there is one. Notes of
    the set say what was changed. ValueError where there is no picture, or where one is not readable: all are named.
    """
    tally, buffer, names, words = Tally(), bytearray(), [], []
    for entry in _parted(Path(source), part, tally):
        try:
            shown = pictures.read_picture(entry.content, entry.name, fit, resample)
        except ValueError as error:
            tally.unreadable.append(str(error))
            continue
        buffer += shown.pixels.tobytes()
        tally.pictures += 1
        tally.changes.update(shown.changes)
        names.append(entry.name)
        words.append(entry.word)
    if tally.unreadable:
        more = len(tally.unreadable) - NAMED
        rest = f"; and {more:,} more" if more > 0 else ""
        raise ValueError(f"{source}: {'; '.join(tally.unreadable[:NAMED])}{rest}")
    if not names:
        kinds = ", ".join(sorted(pictures.ENDINGS))
        raise ValueError(f"{source}: holds no pictures ({kinds}, .parquet, .tar) and no CIFAR files")
    images = np.frombuffer(bytes(buffer), np.uint8).reshape(-1, pictures.SIDE, pictures.SIDE, 3)
    return ImageSet(images, np.full(len(names), -1), tuple(names), notes=tally.notes()), words


def _parted(source: Path, part: str, tally: Tally) -> Iterator[Entry]:
    """The entries of one part (`test`) where files or folders are named by it, else all."""
    if not (part and source.is_dir()):
        yield from entries(source, tally)
        return
    if (source / part).is_dir():
        yield from entries(source / part, tally)
        return
    bundles = [path for path in _files(source, Tally()) if path.suffix.lower() == ".parquet" or _is_tar(path)]
    named = [path for path in bundles if part in path.name.lower()]
    for path in named:
        yield from _of_file(path, path.relative_to(source).as_posix(), False, tally)
    if not named:
        yield from entries(source, tally)


def _files(folder: Path, tally: Tally) -> Iterator[Path]:
    """All files below a folder that may hold pictures, by name, one folder's names in memory at a time."""
    with os.scandir(folder) as found:
        places = sorted(found, key=lambda place: place.name)
    for place in places:
        if place.name.startswith(".") or place.name.lower() in COMPANIONS:
            tally.passed_over += 1
        elif place.is_dir(follow_symlinks=False):
            yield from _files(Path(place.path), tally)
        elif place.is_file() and is_source(Path(place.path)):
            yield Path(place.path)


def _of_file(path: Path, name: str, is_in_folder: bool, tally: Tally) -> Iterator[Entry]:
    if path.suffix.lower() == ".parquet":
        yield from _of_parquet(path, name)
    elif _is_tar(path):
        yield from _of_tar(path, name, tally)
    else:
        yield Entry(name, path, PurePosixPath(name).parent.name if is_in_folder else "")


def _of_parquet(path: Path, name: str) -> Iterator[Entry]:
    """The pictures of a parquet file in Hugging Face's layout: bytes in the field `bytes` of the image column."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            image = next((column for column in IMAGE_COLUMNS if column in columns), None)
            if image is None:
                raise ValueError(f"expected a column of {', '.join(IMAGE_COLUMNS)}, found {columns}")
            label = next((column for column in LABEL_COLUMNS if column in columns), None)
            classes = _class_names(file.schema_arrow.metadata, label)
            row = 0
            for batch in file.iter_batches(ROWS, columns=[image, *([label] if label else [])]):
                words = batch.column(label).to_pylist() if label else [None] * len(batch)
                for value, word in zip(batch.column(image).to_pylist(), words, strict=True):
                    yield Entry(f"{name}:{row}", _content(value, row), _word(word, classes))
                    row += 1
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise ValueError(f"{path}: not readable as pictures: {error}") from error


def _content(value: object, row: int) -> bytes:
    found = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(found, bytes):
        kind = "a path without bytes" if isinstance(value, dict) and value.get("path") else type(value).__name__
        raise ValueError(f"row {row}: expected the bytes of a picture, found {kind}")
    return found


def _class_names(metadata: dict[bytes, bytes] | None, label: str | None) -> list[str]:
    """The class names that Hugging Face keeps in a file's schema, or none."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = features[label]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _word(value: object, classes: list[str]) -> str:
    if value is None:
        return ""
    is_number = isinstance(value, int) and 0 <= value < len(classes)
    return classes[value] if is_number else str(value)


def _of_tar(path: Path, name: str, tally: Tally) -> Iterator[Entry]:
    """The pictures of a tar, read member by member; files of one sample have one name up to the first dot."""
    waiting: list[tuple[str, bytes]] = []
    word = key = ""
    try:
        with tarfile.open(path, "r|*") as bundle:
            for member in bundle:
                place = _checked(member)
                if not member.isfile() or _is_companion(place):
                    tally.passed_over += member.isfile()
                    continue
                sample = str(place.parent / place.name.split(".")[0])
                if sample != key:
                    yield from _sample(name, waiting, word)
                    waiting, word, key = [], "", sample
                if place.suffix.lower() in pictures.ENDINGS:
                    waiting.append((str(place), _bytes(bundle, member, pictures.LARGEST_FILE)))
                elif place.suffix.lower() in TAR_LABELS:
                    word = _label_text(place.suffix.lower(), _bytes(bundle, member, LARGEST_TEXT)) or word
            yield from _sample(name, waiting, word)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not readable as pictures: {error}") from error


def _sample(name: str, waiting: list[tuple[str, bytes]], word: str) -> Iterator[Entry]:
    """The pictures of one sample; where it says no class, the folder's name stands for one."""
    for member, content in waiting:
        yield Entry(f"{name}:{member}", content, word or PurePosixPath(member).parent.name)


def _checked(member: tarfile.TarInfo) -> PurePosixPath:
    """The place of a member; ValueError where it points outside of the archive."""
    place = PurePosixPath(member.name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or (place.parts[:1] and place.parts[0].endswith(":")):
        raise ValueError(f"the member {member.name!r} lies outside of the archive; nothing of it is read")
    return place


def _bytes(bundle: tarfile.TarFile, member: tarfile.TarInfo, largest: int) -> bytes:
    if member.size > largest:
        raise ValueError(f"the member {member.name!r} has {member.size:,} bytes, expected at most {largest:,}")
    return bundle.extractfile(member).read()


def _label_text(suffix: str, content: bytes) -> str:
    text = content.decode("utf-8", errors="replace").strip()
    if suffix != ".json":
        return text
    found = json.loads(text)
    values = [found[key] for key in LABEL_COLUMNS if isinstance(found, dict) and key in found]
    return str(values[0]) if values else ""


def _is_companion(place: PurePosixPath) -> bool:
    parts = [part for part in place.parts if part != "."]
    return any(part.startswith(".") or part.lower() in COMPANIONS for part in parts)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))
