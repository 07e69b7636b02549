"""Folders in the form of CIFAR-10-C, written and opened: one array a corruption, severities one after the other.

`{corruption}.npy` is uint8 (severities * n, 32, 32, 3) and `labels.npy` the labels, repeated for each severity. A
folder made here also has corruptions.json, which says of what; without it a folder is taken for the published one.
"""

import hashlib
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import scipy
import skimage
import threadpoolctl
from tqdm import tqdm

from cifar102 import cifar
from cifar102.datasets import corruptions, sources
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json, replacing, write_array, write_json

RECORD = "corruptions.json"
TEXTURES = "snow is drawn noise, as published; frost is a generated texture, where CIFAR-10-C has photographs"
BATCH = 250  # images that are changed at once


@dataclass(frozen=True)
class CorruptionSet:
    """A folder in the form of CIFAR-10-C.

    corruptions: those it has an array of. severities: in the order of the arrays. source, provenance, pool: of the
    clean images, as their TestSet has them; empty for the published folder.
    """

    folder: Path
    corruptions: tuple[str, ...]
    severities: tuple[int, ...] = corruptions.SEVERITIES
    source: str = ""
    provenance: str = ""
    pool: str = ""


def is_corruption_set(folder: Path) -> bool:
    """Say whether a folder has the form of CIFAR-10-C: labels.npy and an array named as a corruption."""
    return (Path(folder) / "labels.npy").is_file() and bool(_names(Path(folder)))


def where_to_get(folder: Path) -> str:
    """Say where the published files come from and which folder they belong into."""
    return f"get {sources.SOURCES['CIFAR-10-C.tar'].url} and unpack it into {folder.parent}"


def describe(folder: Path) -> CorruptionSet:
    """Return what a folder holds, no corruptions where it is not there; ValueError for a damaged record."""
    folder = Path(folder)
    if not (folder / RECORD).is_file():
        return CorruptionSet(folder, _names(folder))
    record = _read_record(folder)
    about = {key: str(record.get(key, "")) for key in ("source", "provenance", "pool")}
    return CorruptionSet(folder, _names(folder), tuple(record["severities"]), **about)


def open_corruption(known: CorruptionSet, corruption: str, severity: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (images, labels) of one corruption at one severity; the images are mapped from the disk, not read.

    images: uint8 (n, 32, 32, 3), read-only; labels: int64 (n,). Raises FileNotFoundError, ValueError that name the
    file.
    """
    if severity not in known.severities:
        raise ValueError(f"{known.folder}: has severities {list(known.severities)}, not {severity}")
    path, place = known.folder / f"{corruption}.npy", known.folder / "labels.npy"
    images = cifar.check_images(_open(path), str(path))
    count, rest = divmod(len(images), len(known.severities))
    if rest or not count:
        number = {1: "one severity", 5: "five severities"}.get(len(known.severities), "its severities")
        raise ValueError(f"{path}: {len(images)} images are no {number} of equal size")
    labels = cifar.check_labels(_open(place), len(images), len(cifar.CLASS_NAMES), str(place))
    start = known.severities.index(severity) * count
    return images[start : start + count], labels[start : start + count]


def _open(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: {where_to_get(path.parent)}")
    return arrays.open_npy(path)


def write(
    folder: Path,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    source: str,
    provenance: str = "",
    pool: str = "",
    severities: Sequence[int] = corruptions.SEVERITIES,
    seed: int = 0,
) -> list[Path]:
    """Write all corruptions of a set into `folder`, in the form of CIFAR-10-C; returns the paths of the arrays.

    images: uint8 (n, 32, 32, 3); labels: integers 0-9 (n,). source, provenance, pool: of the images, for the record.
    Each array is written whole or not at all; those that are there from an earlier call of the same kind are kept, so
    that a killed call goes on. ValueError where the folder holds something else.
    """
    folder = Path(folder)
    labels = cifar.check_labels(labels, len(cifar.check_images(images)), len(cifar.CLASS_NAMES))
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes() + labels.tobytes()).hexdigest()
    record = {"made_by": "cifar102 corrupt", "source": source, "provenance": provenance, "pool": pool}
    record |= {"severities": list(severities), "seed": seed, "images": len(images), "sha256": digest}
    _check_free(folder, record)
    write_json(folder / RECORD, record | {"textures": TEXTURES, "versions": _versions()})
    write_array(folder / "labels.npy", np.tile(labels.astype(np.uint8), len(severities)))
    paths = {name: folder / f"{name}.npy" for name in corruptions.CORRUPTIONS}
    missing = [name for name, path in paths.items() if not path.is_file()]
    total = len(missing) * len(severities) * len(images)
    seconds = 1 if sys.stderr.isatty() else 30  # between two lines of a log
    with tqdm(total=total, desc="corrupt", unit=" images", unit_scale=True, mininterval=seconds) as bar:
        for name in missing:
            bar.set_postfix_str(name, refresh=False)
            with replacing(paths[name]) as temporary:
                _write_corruption(temporary, images, name, severities, seed, bar)
    return list(paths.values())


def _write_corruption(
    path: Path, images: np.ndarray, name: str, severities: Sequence[int], seed: int, bar: tqdm
) -> None:
    """Fill a file of its full size batch by batch, in threads; the map is let go before the file gets its name."""
    made = np.lib.format.open_memmap(path, "w+", np.uint8, (len(severities) * len(images), *images.shape[1:]))
    cuts = [(place, start) for place in range(len(severities)) for start in range(0, len(images), BATCH)]

    def fill(cut: tuple[int, int]) -> int:
        place, start = cut
        part = images[start : start + BATCH]
        changed = corruptions.corrupt(part, name, severities[place], seed=seed, first_row=start)
        made[place * len(images) + start :][: len(part)] = changed
        return len(part)

    # Each batch has a thread, so the BLAS of each needs no more.
    with threadpoolctl.threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        for count in threads.map(fill, cuts):
            bar.update(count)
    made.flush()


def _check_free(folder: Path, record: dict[str, object]) -> None:
    """ValueError where a folder holds anything but the corruptions of this record."""
    if folder.is_file():
        raise ValueError(f"{folder}: is a file, expected a folder for the corruptions")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / RECORD).is_file():
        raise ValueError(f"{folder}: holds files that `corrupt` did not make; name a new folder")
    found = _read_record(folder)
    if differs := [key for key, value in record.items() if found.get(key) != value]:
        key = differs[0]
        raise ValueError(f"{folder}: holds corruptions of {key} {found.get(key)!r}, asked for {record[key]!r}")


def _read_record(folder: Path) -> dict[str, object]:
    path = folder / RECORD
    record = read_json(path)
    severities = record.get("severities") if isinstance(record, dict) else None
    known = [number for number in corruptions.SEVERITIES if isinstance(severities, list) and number in severities]
    if not known or severities != known:
        raise ValueError(f"{path}: expected a record with `severities` from 1 to 5, found {severities!r}")
    return record


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in sources.CORRUPTIONS if (folder / f"{name}.npy").is_file())


def _versions() -> dict[str, str]:
    """Of what the bytes depend on: other versions may round, draw or compress in another way."""
    packages = {"numpy": np, "scipy": scipy, "scikit-image": skimage, "pillow": PIL}
    return {name: package.__version__ for name, package in packages.items()}
