"""The sets of images in a release, read back: a room of its own, so that the words of a card make no training stale."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.cifar import ImageSet
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

MANIFEST_COLUMNS = ("split", "row", "candidate", "label", "filename", "group")


SAMPLE = "notebook 04_sample leaves it; run it in this workspace first"


def is_built(workspace: Workspace) -> bool:
    """Say whether the workspace holds a release."""
    return workspace.manifest.is_file()


def rows_of(workspace: Workspace, split: str) -> pd.DataFrame:
    """The manifest rows of one split, MANIFEST_COLUMNS and more, in file order; FileNotFoundError without a release."""
    path = workspace.manifest
    if not is_built(workspace):
        raise FileNotFoundError(f"{path} is not there: {SAMPLE}")
    manifest = read_table(path, MANIFEST_COLUMNS)
    return manifest[manifest["split"] == split].sort_values("row", kind="stable")


def load_part(workspace: Workspace, split: str) -> ImageSet:
    """Load `train` or `test` of the release, with names and groups from its manifest.

    Raises FileNotFoundError without a release, ValueError where file and manifest differ.
    """
    rows, path = rows_of(workspace, split), workspace.release / f"cifar102_{split}.npz"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: {SAMPLE}")
    images = read_release(path)
    if len(images) != len(rows) or not np.array_equal(images.labels, rows["label"]):
        raise ValueError(f"{path}: its {len(images)} labels are not the {len(rows)} that manifest.parquet has")
    return dataclasses.replace(images, filenames=tuple(rows["filename"]), groups=rows["group"].to_numpy(np.int64))


def load_from_candidates(workspace: Workspace, split: str) -> ImageSet:
    """Load a split that only the manifest names (`leftover`, `uniform`) from the candidates' pixels."""
    rows, path = rows_of(workspace, split), workspace.candidate_images
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: notebook 01_build_subset leaves it")
    pool = cifar.check_images(arrays.open_npy(path), str(path))
    candidates = rows["candidate"].to_numpy(np.int64)
    if len(rows) and not (candidates.min() >= 0 and candidates.max() < len(pool)):
        raise ValueError(f"{path}: holds {len(pool)} images, the manifest names candidate {candidates.max()}")
    images = image_set(np.array(pool[candidates]), rows["label"].to_numpy(np.int64), path, tuple(rows["filename"]))
    return dataclasses.replace(images, batch_label=split, groups=rows["group"].to_numpy(np.int64))


def read_release(path: Path) -> ImageSet:
    """Read a file with CIFAR-10.2's keys; file names are `{keyword}_s_{row:06d}.png`, as it holds only keywords."""
    entry = arrays.read_npz(path) if path.suffix == ".npz" else arrays.read_npy(path)
    missing = [key for key in ("images", "labels") if not isinstance(entry, dict) or key not in entry]
    if missing:
        found = sorted(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise ValueError(f"{path}: {missing} are missing; found {found}")
    keywords = [word.decode("latin-1") if isinstance(word, bytes) else str(word) for word in entry.get("keywords", ())]
    if keywords and len(keywords) != len(entry["images"]):
        raise ValueError(f"{path}: {len(entry['images'])} images but {len(keywords)} keywords")
    names = tuple(f"{word}_s_{row:06d}.png" for row, word in enumerate(keywords))
    return image_set(entry["images"], entry["labels"], path, names)


def image_set(images: object, labels: object, path: Path, filenames: tuple[str, ...] = ()) -> ImageSet:
    """Make a set of ten classes of arrays read from `path`; ValueError names it where they are not one."""
    images = cifar.check_images(images, str(path))
    labels = cifar.check_labels(labels, len(images), len(cifar.CLASS_NAMES), f"{path}: labels")
    return ImageSet(images, labels, filenames, batch_label=path.stem)
