"""LabelImg annotations (Pascal VOC XML): reading what a labelling program left, and writing what it can open."""

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as DefusedElementTree
from PIL import Image

from cifar102.annotations.votes import VERDICTS
from cifar102.cifar import CLASS_NAMES, check_images
from cifar102.workspace import names
from cifar102.workspace.files import refuse_link, replacing, write_bytes

COLUMNS = ("file", "class_name", "keyword", "filename", "verdict")
LARGEST_BYTES = 1 << 20  # LabelImg writes about 500 bytes; more than this is no annotation of a 32x32 image


class Refusal(NamedTuple):
    """A file that was not taken, by name, with the reason."""

    file: str
    reason: str


def read_labelimg(folder: Path) -> tuple[pd.DataFrame, list[Refusal]]:
    """Read all LabelImg .xml files under `folder`, in the order of their names.

    Returns a table with columns file, class_name, keyword, filename, verdict, and the files refused with reasons.
    `path` in the XML must end in {class}/{keyword}/{file}, with either slash. The verdict is that of the object's
    name: the class or the keyword is yes, another class no, or yes/no/unsure itself; a file without an object is a
    yes, for in this protocol only accepted images were given one. Nothing is guessed: what does not parse, has
    entities, points outside or names an unknown class is refused. Raises FileNotFoundError without a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of LabelImg files")
    rows, refused = [], []
    for path in sorted(folder.rglob("*.xml"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        try:
            rows.append((name, *_read_file(path, folder)))
        except ValueError as error:
            refused.append(Refusal(name, str(error)))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), refused


def _read_file(path: Path, folder: Path) -> tuple[str, str, str, str]:
    if folder.resolve() not in path.resolve().parents or not path.is_file():
        raise ValueError("is a link to outside the folder, or not a file")
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"has {path.stat().st_size} bytes; an annotation has at most {LARGEST_BYTES}")
    try:
        root = DefusedElementTree.parse(path, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise ValueError(f"holds what no annotation needs: {type(error).__name__}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"does not parse as XML: {error}") from error
    class_name, keyword, filename = split_path(root.findtext("path") or "")
    given = {(item.findtext("name") or "").strip() for item in root.iter("object")}
    return class_name, keyword, filename, _verdict(given, class_name, keyword)


def split_path(text: str) -> tuple[str, str, str]:
    """Split the end {class}/{keyword}/{file} off a path with either slash; ValueError says what is wrong with it."""
    parts = re.split(r"[/\\]+", text.strip())
    if len(parts) < 3 or not all(parts[-3:]):
        raise ValueError(f"path {text!r} does not end in {{class}}/{{keyword}}/{{file}}")
    if any(part.strip() in (".", "..") for part in parts):
        raise ValueError(f"path {text!r} points outside its folder")
    class_name, keyword, filename = parts[-3:]
    if class_name not in CLASS_NAMES:
        raise ValueError(f"path {text!r} names the class {class_name!r}, which is none of {list(CLASS_NAMES)}")
    for part in (keyword, filename):
        names.check_plain(part, f"path {text!r}:")
    return class_name, keyword, filename


def _verdict(given: set[str], class_name: str, keyword: str) -> str:
    verdicts = set()
    for name in given:
        if name not in (*CLASS_NAMES, *VERDICTS, keyword):
            raise ValueError(f"an object is named {name!r}: neither a class, nor the keyword, nor one of {VERDICTS}")
        verdicts.add(name if name in VERDICTS else "yes" if name in (class_name, keyword) else "no")
    if len(verdicts) > 1:
        raise ValueError(f"objects that contradict each other: {sorted(given)}")
    return verdicts.pop() if verdicts else "yes"


def write_labelimg(folder: Path, rows: pd.DataFrame) -> list[Path]:
    """Write one LabelImg .xml a row as {class}/{keyword}/{file stem}.xml under `folder`; the inverse of read_labelimg.

    rows: columns class_name, keyword, filename, and verdict where it is not yes throughout. ValueError for a name
    that read_labelimg would refuse, before anything is written.
    """
    verdicts = rows["verdict"] if "verdict" in rows else ["yes"] * len(rows)
    texts: dict[Path, bytes] = {}
    for *parts, verdict in zip(rows["class_name"], rows["keyword"], rows["filename"], verdicts, strict=True):
        class_name, keyword, filename = split_path("/".join(parts))
        if [class_name, keyword, filename] != parts or verdict not in VERDICTS:
            raise ValueError(f"{parts} with verdict {verdict!r} cannot be written as a LabelImg file")
        path = Path(folder) / class_name / keyword / f"{Path(filename).stem}.xml"
        if path in texts:
            raise ValueError(f"{path}: two rows would be written to this file")
        texts[path] = _xml(class_name, keyword, filename, verdict)
    for path in texts:
        _refuse_links(path, folder)
    return [write_bytes(path, text) for path, text in texts.items()]


def _refuse_links(path: Path, folder: Path) -> None:
    """ValueError where `path` or a folder of it below `folder` is a link."""
    for place in (path, *path.parents):
        if place == Path(folder):
            return
        refuse_link(place)


def _xml(class_name: str, keyword: str, filename: str, verdict: str) -> bytes:
    root = ElementTree.Element("annotation")
    thing = {"name": class_name if verdict == "yes" else verdict, "pose": "Unspecified", "truncated": "0"}
    box = {"xmin": "1", "ymin": "1", "xmax": "32", "ymax": "32"}
    fields = {
        "folder": keyword,
        "filename": filename,
        "path": f"{class_name}/{keyword}/{filename}",
        "source": {"database": "Tiny Images"},
        "size": {"width": "32", "height": "32", "depth": "3"},
        "segmented": "0",
        "object": thing | {"difficult": "0", "bndbox": box},
    }
    _add(root, fields)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _add(parent: ElementTree.Element, fields: dict[str, object]) -> None:
    for tag, value in fields.items():
        child = ElementTree.SubElement(parent, tag)
        if isinstance(value, dict):
            _add(child, value)
        else:
            child.text = value


def to_votes(rows: pd.DataFrame, candidates: pd.DataFrame, rater: str) -> tuple[list[dict[str, object]], list[Refusal]]:
    """Turn LabelImg rows into votes of `rater`, found among the candidates by keyword and file name.

    Returns votes for VoteLog.append_many and the files whose image is no candidate, or not one of that class.
    """
    known = {
        (class_name, keyword, filename): int(index)
        for class_name, keyword, filename, index in candidates[
            ["class_name", "keyword", "filename", "tiny_index"]
        ].itertuples(index=False, name=None)
    }
    votes, refused = [], []
    for file, class_name, keyword, filename, verdict in rows[list(COLUMNS)].itertuples(index=False, name=None):
        index = known.get((class_name, keyword, filename))
        if index is None:
            refused.append(Refusal(file, f"{class_name}/{keyword}/{filename} is no candidate"))
            continue
        vote = {"tiny_index": index, "keyword": keyword, "class": class_name, "rater": rater, "verdict": verdict}
        votes.append(vote)
    return votes, refused


def export_images(folder: Path, candidates: pd.DataFrame, images: np.ndarray) -> int:
    """Write candidates as {class}/{keyword}/{filename} PNG files for labelling programs; return how many.

    images: uint8 (n, 32, 32, 3), row i that of row i of `candidates` (columns class_name, keyword, filename). PNG keeps
    every pixel, JPEG does not. A file that is there with the same pixels is left; with others it is a ValueError,
    because a label may already hang on it.
    """
    check_images(images)
    places = candidates[["class_name", "keyword", "filename"]]
    is_unique = not places.duplicated().any()
    if len(places) != len(images) or not is_unique:
        raise ValueError(f"{len(places)} candidates, {len(images)} images, names unique: {is_unique}")
    for row, (class_name, keyword, filename) in enumerate(places.itertuples(index=False, name=None)):
        if split_path(f"{class_name}/{keyword}/{filename}") != (class_name, keyword, filename):
            raise ValueError(f"row {row}: {keyword!r} or {filename!r} is not a name that a file can have everywhere")
        path = Path(folder) / class_name / keyword / filename
        _refuse_links(path, folder)
        _write_png(path, images[row])
    return len(places)


def _write_png(path: Path, image: np.ndarray) -> None:
    if path.suffix != ".png":
        raise ValueError(f"{path}: candidates are exported as .png, never with a lossy format")
    if path.exists():
        if not np.array_equal(_pixels(path), image):
            raise ValueError(f"{path}: is there already and holds another picture")
        return
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def _pixels(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such picture")
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return np.asarray(picture)
    except Exception as error:  # Pillow's readers raise many kinds for a damaged file
        raise ValueError(f"{path}: not readable as a picture: {error}") from error
