"""The one door to every labelled image set: `load(name, workspace)`. Reads folders; never downloads."""

import dataclasses
import difflib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import array_files, cifar, sources
from cifar102.cifar import ImageSet
from cifar102.workspace import Workspace, read_table

SIZE_MATCHED_SEED = 10_2000  # fixed, so that cifar10-10k is the same set everywhere
SIZE_MATCHED_PER_CLASS = {"train": 1000, "test": 200}  # this project's default class sizes (spec dataset.md section 3)
MANIFEST_COLUMNS = ("split", "row", "candidate", "label", "filename", "group")
Sets = dict[str, ImageSet]


def load(name: str, workspace: Workspace) -> Sets:
    """Load a data set as {"train": ImageSet, "test": ImageSet}; sets that are only for testing have no "train".

    name: one of NAMES. Images are uint8 (n, 32, 32, 3), labels int64 in 0..num_classes(name)-1.
    Raises ValueError with the nearest names for an unknown one, FileNotFoundError with a file's home (or the notebook
    that leaves it) where it is missing, ValueError for a file with other content.
    """
    return LOADERS[_known(name)](Workspace(workspace))


def num_classes(name: str) -> int:
    """Return the number of classes of a data set: 10, or 100 and 20 for the fine and coarse labels of CIFAR-100."""
    return {"cifar100-fine": 100, "cifar100-coarse": 20}.get(_known(name), len(cifar.CLASS_NAMES))


def class_names(name: str, workspace: Workspace) -> tuple[str, ...]:
    """Return the class names of a data set in label order; those of CIFAR-100 are read from its `meta`."""
    if num_classes(name) == len(cifar.CLASS_NAMES):
        return cifar.CLASS_NAMES
    names = _read_folder(cifar.read_meta, Workspace(workspace).raw / "cifar-100-python", "cifar100")
    key = f"{name.removeprefix('cifar100-')}_label_names"
    if len(names.get(key, ())) != num_classes(name):
        raise ValueError(f"cifar-100-python/meta: {key} should hold {num_classes(name)} names, found {names.get(key)}")
    return names[key]


def size_matched(images: ImageSet, per_class: np.ndarray, seed: int = SIZE_MATCHED_SEED) -> ImageSet:
    """Draw `per_class[label]` images of each class at random, without replacement, kept in file order.

    per_class: integers (classes,). Where a class has fewer images, all of them are taken.
    """
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(images.labels == c))[:count] for c, count in enumerate(per_class)]
    return take(images, np.sort(np.concatenate(rows)))


def take(images: ImageSet, rows: np.ndarray) -> ImageSet:
    """Return the given rows of a set, every field of it, in the order of `rows`."""
    fields = {
        name: getattr(images, name)[rows]
        for name in ("images", "labels", "fine_labels", "coarse_labels", "groups")
        if getattr(images, name) is not None
    }
    names = tuple(images.filenames[row] for row in rows) if images.filenames else ()
    return dataclasses.replace(images, filenames=names, **fields)


def _known(name: str) -> str:
    if name not in LOADERS:
        near = difflib.get_close_matches(str(name), NAMES, n=1, cutoff=0.4)
        nearest = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown data set {name!r}: {nearest}the known names are {list(NAMES)}")
    return name


def _read_folder(read: Callable[[Path], object], folder: Path, dataset: str) -> object:
    """Read an unpacked archive; FileNotFoundError names what is missing and the archive's home."""
    try:
        return read(folder)
    except FileNotFoundError as error:
        home = sources.SOURCES[sources.DATASET_FILES[dataset][0]].url
        raise FileNotFoundError(f"{error}: get {home} and unpack it into {folder.parent}") from error


def _cifar10(workspace: Workspace) -> Sets:
    return _read_folder(cifar.load_cifar10, workspace.raw / "cifar-10-batches-py", "cifar10")


def _cifar100(kind: str) -> Callable[[Workspace], Sets]:
    def read(workspace: Workspace) -> Sets:
        sets = _read_folder(cifar.load_cifar100, workspace.raw / "cifar-100-python", "cifar100")
        return {s: dataclasses.replace(images, labels=getattr(images, f"{kind}_labels")) for s, images in sets.items()}

    return read


def _cifar101(version: str) -> Callable[[Workspace], Sets]:
    def read(workspace: Workspace) -> Sets:
        paths = [sources.find(f"cifar10.1_{version}_{part}.npy", workspace.raw) for part in ("data", "labels")]
        return {"test": _image_set(*map(array_files.read_npy, paths), paths[0])}

    return read


def _image_set(images: object, labels: object, path: Path, filenames: tuple[str, ...] = ()) -> ImageSet:
    images = cifar.check_images(images, str(path))
    labels = cifar.check_labels(labels, len(images), len(cifar.CLASS_NAMES), f"{path}: labels")
    return ImageSet(images, labels, filenames, batch_label=path.stem)


def _cifar102_published(workspace: Workspace) -> Sets:
    return {split: _read_release(_published_file(workspace.raw, split)) for split in ("train", "test")}


def _published_file(raw: Path, split: str) -> Path:
    """The .npz, or the pickled .npy that stood in its place before September 2021."""
    old = raw / "cifar-10.2" / f"cifar102_{split}.npy"
    return old if old.is_file() else sources.find(f"cifar102_{split}.npz", raw)


def _read_release(path: Path) -> ImageSet:
    """Read a file with CIFAR-10.2's keys; file names are `{keyword}_s_{row:06d}.png`, as it holds only keywords."""
    entry = array_files.read_npz(path) if path.suffix == ".npz" else array_files.read_npy(path)
    missing = [key for key in ("images", "labels") if not isinstance(entry, dict) or key not in entry]
    if missing:
        found = sorted(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise ValueError(f"{path}: {missing} are missing; found {found}")
    keywords = [word.decode("latin-1") if isinstance(word, bytes) else str(word) for word in entry.get("keywords", ())]
    if keywords and len(keywords) != len(entry["images"]):
        raise ValueError(f"{path}: {len(entry['images'])} images but {len(keywords)} keywords")
    names = tuple(f"{word}_s_{row:06d}.png" for row, word in enumerate(keywords))
    return _image_set(entry["images"], entry["labels"], path, names)


def _manifest(workspace: Workspace) -> pd.DataFrame:
    path = workspace.release / "manifest.parquet"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: notebook 04_sample leaves it; run it in this workspace first")
    return read_table(path, MANIFEST_COLUMNS)


def _rows_of(workspace: Workspace, split: str) -> pd.DataFrame:
    manifest = _manifest(workspace)
    return manifest[manifest["split"] == split].sort_values("row", kind="stable")


def _cifar102(workspace: Workspace) -> Sets:
    return {split: _built_part(workspace, split) for split in ("train", "test")}


def _built_part(workspace: Workspace, split: str) -> ImageSet:
    rows, path = _rows_of(workspace, split), workspace.release / f"cifar102_{split}.npz"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: notebook 04_sample leaves it; run it in this workspace first")
    images = _read_release(path)
    if len(images) != len(rows) or not np.array_equal(images.labels, rows["label"]):
        raise ValueError(f"{path}: its {len(images)} labels are not the {len(rows)} that manifest.parquet has")
    return dataclasses.replace(images, filenames=tuple(rows["filename"]), groups=rows["group"].to_numpy(np.int64))


def _from_candidates(split: str) -> Callable[[Workspace], Sets]:
    def read(workspace: Workspace) -> Sets:
        rows, path = _rows_of(workspace, split), workspace.built / "candidate_images.npy"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: notebook 01_build_subset leaves it")
        pool = cifar.check_images(array_files.open_npy(path), str(path))
        candidates = rows["candidate"].to_numpy(np.int64)
        if len(rows) and not (candidates.min() >= 0 and candidates.max() < len(pool)):
            raise ValueError(f"{path}: holds {len(pool)} images, the manifest names candidate {candidates.max()}")
        images = _image_set(np.array(pool[candidates]), rows["label"].to_numpy(np.int64), path, tuple(rows["filename"]))
        return {"test": dataclasses.replace(images, batch_label=split, groups=rows["group"].to_numpy(np.int64))}

    return read


def _per_class(workspace: Workspace, split: str) -> np.ndarray:
    """Images of each class in this build, or the default class size while there is no build."""
    if not (workspace.release / "manifest.parquet").is_file():
        return np.full(len(cifar.CLASS_NAMES), SIZE_MATCHED_PER_CLASS[split])
    return np.bincount(_rows_of(workspace, split)["label"], minlength=len(cifar.CLASS_NAMES))


def _cifar10_10k(workspace: Workspace) -> Sets:
    sets = _cifar10(workspace)
    return {"train": size_matched(sets["train"], _per_class(workspace, "train")), "test": sets["test"]}


def _cifar10_2k(workspace: Workspace) -> Sets:
    return {"test": size_matched(_cifar10(workspace)["test"], _per_class(workspace, "test"))}


LOADERS: dict[str, Callable[[Workspace], Sets]] = {
    "cifar10": _cifar10,
    "cifar100-fine": _cifar100("fine"),
    "cifar100-coarse": _cifar100("coarse"),
    "cifar10.1-v4": _cifar101("v4"),
    "cifar10.1-v6": _cifar101("v6"),
    "cifar10.2": _cifar102_published,
    "cifar102": _cifar102,
    "cifar102-leftover": _from_candidates("leftover"),
    "cifar102-uniform": _from_candidates("uniform"),
    "cifar10-10k": _cifar10_10k,
    "cifar10-2k": _cifar10_2k,
}
NAMES = tuple(LOADERS)
