"""Images a user names: a data set, a file or a folder, all as labelled sets of 32 x 32 RGB images."""

import os
from pathlib import Path

import numpy as np

from cifar102 import cifar
from cifar102.datasets import pictures, sets
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

ALIASES = {"cifar100": "cifar100-fine"}


def load(name: str, workspace: Workspace, data: Path | None = None) -> cifar.ImageSet:
    """Load the images that `name` stands for.

    name: a file or folder (.npy with images, .npz with images and perhaps labels, a python batch, an unpacked CIFAR
    folder, any folder of pictures of 32 x 32), else "candidates", a data set of `sets.NAMES`, all of it, or one
    part of it as in "cifar10-test". Data sets are looked for in `data`, the workspace, then CIFAR102_DATA. Labels are
    -1 where there are none. Raises ValueError or FileNotFoundError that says what was looked for.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path)
    if name == "candidates":
        return _candidates(workspace)
    base, part = _parts(name)
    missing = []
    for place in places_of(workspace, data):
        try:
            parts = sets.REGISTRY[base].read(place)
        except FileNotFoundError as error:
            missing.append(str(error))
            continue
        if part and part not in parts:
            raise ValueError(f"{name}: {base} has only the parts {sorted(parts)}")
        return parts[part] if part else _join(list(parts.values()))
    raise FileNotFoundError(f"{name}: " + "; ".join(missing))


class DataFolder(Workspace):
    """A folder of downloaded sets (--data, CIFAR102_DATA) seen as the raw/ of a workspace."""

    @property
    def raw(self) -> Path:
        return self.root


def places_of(workspace: Workspace, data: Path | None = None) -> list[Workspace]:
    """Return where downloaded sets are looked for, in this order; a `data` that is no folder is an error."""
    if data is not None and not Path(data).is_dir():
        raise FileNotFoundError(f"--data {data}: no such folder")
    environment = os.environ.get("CIFAR102_DATA", "")
    first = [DataFolder(Path(data).absolute())] if data is not None else []
    last = [DataFolder(Path(environment).absolute())] if environment else []
    return [*first, workspace, *last]


def _parts(name: str) -> tuple[str, str]:
    for known in (*sets.REGISTRY, *ALIASES):
        for part in ("", "train", "test"):
            if name == (f"{known}-{part}" if part else known):
                return ALIASES.get(known, known), part
    raise ValueError(
        f"{name!r} is no file, no folder and no data set: known are candidates, {', '.join(sets.NAMES)}, "
        "and the parts of these, such as cifar10-test"
    )


def _candidates(workspace: Workspace) -> cifar.ImageSet:
    path = workspace.candidate_images
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; notebook 01_build_subset leaves it")
    images = cifar.check_images(arrays.open_npy(path), str(path))
    labels = read_table(workspace.candidates, ("label",))["label"]
    return cifar.ImageSet(images, labels.to_numpy(np.int64))


def _join(parts: list[cifar.ImageSet]) -> cifar.ImageSet:
    return parts[0] if len(parts) == 1 else cifar.join(parts)


def _file(path: Path) -> cifar.ImageSet:
    if path.suffix == ".npy":
        return _unlabelled(arrays.read_npy(path), path)
    if path.suffix != ".npz":
        return cifar.read_batch(path)
    entry = arrays.read_npz(path)
    if "images" not in entry:
        raise ValueError(f"{path}: expected an array `images`, found {sorted(entry)}")
    found = _unlabelled(entry["images"], path)
    if "labels" not in entry:
        return found
    return cifar.ImageSet(found.images, cifar.check_labels(entry["labels"], len(found), 2**31, f"{path}: labels"))


def _folder(path: Path) -> cifar.ImageSet:
    if (path / "batches.meta").is_file():
        return _join(list(cifar.load_cifar10(path).values()))
    if (path / "meta").is_file():
        return _join(list(cifar.load_cifar100(path).values()))
    return pictures.read_folder(path)


def _unlabelled(images: object, path: Path) -> cifar.ImageSet:
    checked = cifar.check_images(images, str(path))
    return cifar.ImageSet(checked, np.full(len(checked), -1))
