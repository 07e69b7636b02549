"""Images a user names: a data set, a file or a folder, all as labelled sets of 32 x 32 RGB images."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from cifar102 import cifar
from cifar102.datasets import picture_sources, release_sets, sets
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace
from cifar102.workspace.wording import near_names

ALIASES = {"cifar100": "cifar100-fine"}
IMAGE_KEYS, LABEL_KEYS = ("images", "x_test", "data", "x"), ("labels", "y_test", "label", "y")  # of a .npz, first wins
BESIDE = (("data", "labels"), ("images", "labels"), ("x_", "y_"), ("X_", "y_"))  # in the names of two .npy files
CLASS_WORDS = {name: label for label, name in enumerate(cifar.CLASS_NAMES)} | {"plane": 0, "car": 1}
CLASS_WORDS |= {str(label): label for label in range(len(cifar.CLASS_NAMES))}


def load(name: str, workspace: Workspace, data: Path | None = None) -> cifar.ImageSet:
    """Load the images that `name` stands for.

    name: a file or folder (.npy with images, .npz with images and perhaps labels, of IMAGE_KEYS and LABEL_KEYS, a
    python batch, an unpacked CIFAR folder, a release of this project, any folder of pictures, Hugging Face's parquet
    files or WebDataset tars, or one of these: picture_sources), else "candidates", a data set of `sets.NAMES`, all of
    it, or one part of it as in "cifar10-test". Data sets are looked for in `data`, the workspace, then CIFAR102_DATA.
    Labels are -1 where there are none. Raises ValueError or FileNotFoundError that says what was looked for.
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


def load_labelled(path: Path) -> cifar.ImageSet:
    """Load a user's own test set of CIFAR-10's ten classes, from a file or folder.

    path: a .npz with images and labels (of IMAGE_KEYS and LABEL_KEYS), a .npy with images and its labels beside it
    (`x_test.npy` and `y_test.npy`, `..._data.npy` and `..._labels.npy`), a python batch, an unpacked CIFAR-10 (its test
    images), a release of this project, or pictures (picture_sources) in folders named by class or by number 0-9, or
    with such labels in a parquet file or tar (where there is a `test` folder or file, that one). Arrays hold images of
    32 x 32, pictures are brought to it. Raises FileNotFoundError, ValueError that say what was found.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of labelled images")
    if path.is_dir():
        return _labelled_folder(path)
    if picture_sources.is_source(path):
        return _labelled_pictures(path)
    found = _file(path)
    if path.suffix == ".npy":
        found = cifar.ImageSet(found.images, _labels_beside(path))
    if len(found) and found.labels.max() < 0:
        raise ValueError(f"{path}: holds no labels; expected one of {', '.join(LABEL_KEYS)} beside the images")
    labels = cifar.check_labels(found.labels, len(found), len(cifar.CLASS_NAMES), f"{path}: labels")
    return cifar.ImageSet(found.images, labels, found.filenames)


def _labels_beside(path: Path) -> np.ndarray:
    names = [path.stem.replace(images, labels) + ".npy" for images, labels in BESIDE if images in path.stem]
    beside = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
    if beside is None:
        wanted = " or ".join(names) or "a .npz with `images` and `labels`"
        raise ValueError(f"{path}: its images have no labels; expected {wanted} beside it")
    return np.reshape(arrays.read_npy(beside), -1)


def _labelled_folder(path: Path) -> cifar.ImageSet:
    if (path / "batches.meta").is_file():
        return cifar.load_cifar10(path, ("test",))["test"]
    if (path / "cifar102_test.npz").is_file():
        return release_sets.read_release(path / "cifar102_test.npz")
    return _labelled_pictures(path)


def _labelled_pictures(path: Path) -> cifar.ImageSet:
    """Pictures whose folders, parquet column or tar members name one of the ten classes."""
    found, words = picture_sources.read_set(path, part="test")
    words = [word.lower() for word in words]
    if "" in words:
        raise ValueError(f"{path}: holds pictures without a class; expected a folder a class, such as airplane/")
    if unknown := next((word for word in words if word not in CLASS_WORDS), None):
        expected = f"a folder a class, {near_names(unknown, cifar.CLASS_NAMES)}"
        raise ValueError(f"{path}: {unknown!r} is no class of CIFAR-10; expected {expected}")
    labels = np.array([CLASS_WORDS[word] for word in words])
    return cifar.ImageSet(found.images, labels, notes=found.notes)


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
    if picture_sources.is_source(path):
        return _pictures(path)
    if path.suffix == ".npy":
        return _unlabelled(arrays.read_npy(path), path)
    if path.suffix != ".npz":
        return cifar.read_batch(path)
    entry = arrays.read_npz(path)
    images, labels = (next((key for key in keys if key in entry), "") for keys in (IMAGE_KEYS, LABEL_KEYS))
    if not images:
        raise ValueError(f"{path}: expected an array `images` (or {', '.join(IMAGE_KEYS[1:])}), found {sorted(entry)}")
    found = _unlabelled(entry[images], path)
    if not labels:
        return found
    values = np.asarray(entry[labels])
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values  # as Keras keeps them
    return cifar.ImageSet(found.images, cifar.check_labels(values, len(found), 2**31, f"{path}: {labels}"))


def _folder(path: Path) -> cifar.ImageSet:
    if (path / "batches.meta").is_file():
        return _join(list(cifar.load_cifar10(path).values()))
    if (path / "meta").is_file():
        return _join(list(cifar.load_cifar100(path).values()))
    splits = [path / f"cifar102_{split}.npz" for split in ("train", "test")]
    if any(split.is_file() for split in splits):
        return _join([release_sets.read_release(split) for split in splits if split.is_file()])
    return _pictures(path)


def _pictures(path: Path) -> cifar.ImageSet:
    """A source of pictures; labels where each has the name of one of the ten classes (numbers may mean anything)."""
    found, words = picture_sources.read_set(path)
    labels = [CLASS_WORDS.get(word.lower(), -1) if not word.isdigit() else -1 for word in words]
    return found if min(labels) < 0 else dataclasses.replace(found, labels=np.array(labels))


def _unlabelled(images: object, path: Path) -> cifar.ImageSet:
    checked = cifar.check_images(images, str(path))
    return cifar.ImageSet(checked, np.full(len(checked), -1))
