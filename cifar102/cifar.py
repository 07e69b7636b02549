"""CIFAR-10 and CIFAR-100 in their python-batch format, the only place where CIFAR's pixel layout is known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cifar102.workspace import arrays
from cifar102.workspace.files import write_bytes

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# 123 images of CIFAR-100 were added by hand, as `manual-skunk021.png` or `manual2-skunk06.png`
FILENAME = re.compile(r"(?:(?P<keyword>.+)_s_\d{6}|(?P<manual>manual2?-[a-z_]+)\d+)\.png", re.ASCII)
TRAIN_BATCHES, MOST_BATCHES = 5, 1000


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels, in file order.

    images: uint8 (n, 32, 32, 3), RGB; labels: int64 (n,); filenames: n names `{keyword}_s_{number:06d}.png`, or none.
    fine_labels and coarse_labels: int64 (n,), CIFAR-100 only, where `labels` are the fine ones.
    groups: int64 (n,), near-duplicate group of each image, of this project's releases only.
    votes: int64 (n, 10), how many people gave each class to each image, of CIFAR-10H only.
    notes: what was changed to make pictures of other sizes and colour modes such images, a sentence each.
    """

    images: np.ndarray
    labels: np.ndarray
    filenames: tuple[str, ...] = ()
    fine_labels: np.ndarray | None = None
    coarse_labels: np.ndarray | None = None
    batch_label: str = ""
    groups: np.ndarray | None = None
    votes: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def keywords(self) -> np.ndarray:
        """The Tiny Images keyword of each image, from its file name; ValueError where the set has no file names."""
        if len(self.filenames) != len(self):
            where = f"the images of {self.batch_label!r}" if self.batch_label else "these images"
            raise ValueError(
                f"{where} have no file names, so their keywords are not known (published batches have both)"
            )
        return np.array([keyword_of(name) for name in self.filenames])


def rows_to_images(rows: np.ndarray) -> np.ndarray:
    """Turn CIFAR rows (1024 red, 1024 green, 1024 blue, each row by row) into images.

    rows: uint8 (n, 3072). Returns uint8 (n, 32, 32, 3), contiguous. Inverse of images_to_rows.
    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 3072:
        raise ValueError(f"CIFAR rows are uint8 (n, 3072), found {rows.dtype} {rows.shape}")
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def images_to_rows(images: np.ndarray) -> np.ndarray:
    """Lay out images as CIFAR rows: 1024 red, 1024 green, 1024 blue, each row by row.

    images: uint8 (n, 32, 32, 3). Returns uint8 (n, 3072). Inverse of rows_to_images.
    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    return np.ascontiguousarray(check_images(images).transpose(0, 3, 1, 2)).reshape(len(images), 3072)


def check_images(images: np.ndarray, where: str = "images") -> np.ndarray:
    """Return `images` if they are uint8 (n, 32, 32, 3); ValueError says what `where` holds instead."""
    if not isinstance(images, np.ndarray):
        raise ValueError(f"{where}: expected a uint8 array (n, 32, 32, 3), found {type(images).__name__}")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (32, 32, 3):
        raise ValueError(f"{where}: expected uint8 (n, 32, 32, 3), found {images.dtype} {images.shape}")
    return images


def check_labels(labels: object, count: int, num_classes: int, where: str = "labels") -> np.ndarray:
    """Return labels as int64 (count,) in 0..num_classes-1; ValueError says what `where` holds instead."""
    try:
        values = np.asarray(labels)
    except (ValueError, OverflowError) as error:  # lists of unequal lengths
        raise ValueError(f"{where}: expected {count} labels, found no plain list: {error}") from error
    if values.ndim != 1 or len(values) != count:
        raise ValueError(f"{where}: expected {count} labels, found shape {values.shape}")
    if count and values.dtype.kind not in "iu":
        raise ValueError(f"{where}: expected integer labels, found {values.dtype}")
    if count and not (values.min() >= 0 and values.max() < num_classes):
        raise ValueError(f"{where}: labels run from {values.min()} to {values.max()}, expected 0 to {num_classes - 1}")
    return values.astype(np.int64)


def keyword_of(filename: str) -> str:
    """Return the Tiny Images keyword in a file name: `ocean_liner_s_000123.png` is of `ocean_liner`.

    CIFAR-100's hand-added `manual-skunk021.png` is of `manual-skunk`. ValueError for any other form.
    """
    match = FILENAME.fullmatch(filename)
    if not match:
        raise ValueError(f"file name {filename!r}: expected '{{keyword}}_s_{{six digits}}.png'")
    return match["keyword"] or match["manual"]


def read_batch(path: Path) -> ImageSet:
    """Read one python batch of CIFAR-10 or CIFAR-100, with a restricted unpickler.

    A batch without `filenames` or `batch_label` is read; its images then have no keywords. Raises FileNotFoundError, or
    ValueError naming the file, what was found and what was expected.
    """
    path = Path(path)
    _refuse_binary(path)
    entry = arrays.read_batch_pickle(path)
    if "data" not in entry:
        raise ValueError(f"{path}: the key 'data' is missing; found {sorted(entry)}")
    rows = entry["data"]
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 3072:
        found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"{path}: data should be uint8 (n, 3072), found {found}")
    filenames = _texts(entry.get("filenames", []), f"{path}: filenames")
    if "filenames" in entry and len(filenames) != len(rows):
        raise ValueError(f"{path}: expected {len(rows)} file names, found {len(filenames)}")
    labels = {
        key: check_labels(entry[key], len(rows), size, f"{path}: {key}")
        for key, size in (("labels", 10), ("fine_labels", 100), ("coarse_labels", 20))
        if key in entry
    }
    if ("labels" in labels) == ("fine_labels" in labels):
        raise ValueError(f"{path}: expected labels (CIFAR-10) or fine_labels (CIFAR-100), found {sorted(labels)}")
    first = labels.pop("labels", labels.get("fine_labels"))
    label = entry.get("batch_label", "")
    label = label.decode("latin-1") if isinstance(label, bytes) else str(label)
    return ImageSet(rows_to_images(rows), first, filenames, batch_label=label, **labels)


def _refuse_binary(path: Path) -> None:
    """ValueError where a file is one of CIFAR's binary version: records of one or two labels and 3072 pixels."""
    size = path.stat().st_size if path.is_file() else 0
    for labels, limit, name in ((1, 10, "CIFAR-10"), (2, 100, "CIFAR-100")):
        if size and size % (labels + 3072) == 0:
            records = np.memmap(path, np.uint8, "r").reshape(-1, labels + 3072)
            if records[:, :labels].max() < limit and (path.suffix == ".bin" or len(np.unique(records[:, 0])) > 1):
                home = f"{name.lower()}-python.tar.gz"
                raise ValueError(f"{path}: is a file of {name}'s binary version; expected the python version ({home})")


def write_batch(
    path: Path, images: np.ndarray, labels: np.ndarray, filenames: list[str], batch_label: str, **more: np.ndarray
) -> Path:
    """Write one python batch as the published ones are: pickle protocol 2 with Python 2 byte strings, atomically.

    images: uint8 (n, 32, 32, 3); labels: integers (n,). `more` adds label vectors (`coarse_labels`); where it
    does, `labels` are written as `fine_labels`, the CIFAR-100 form.
    """
    check_images(images, f"{path}: images")
    limit = 100 if more else 10
    vectors = {"fine_labels" if more else "labels": check_labels(labels, len(images), limit, f"{path}: labels")}
    for key, value in more.items():
        vectors[key] = check_labels(value, len(images), 20 if key == "coarse_labels" else 100, f"{path}: {key}")
    if len(filenames) != len(images):
        raise ValueError(f"{path}: {len(images)} images but {len(filenames)} file names")
    for name in filenames:
        if not name.isascii():
            raise ValueError(f"{path}: file name {name!r} is not ASCII")
        if not FILENAME.fullmatch(name):
            raise ValueError(f"{path}: file name {name!r}, expected '{{keyword}}_s_{{six digits}}.png'")
    entry = {"batch_label": batch_label, **{key: value.tolist() for key, value in vectors.items()}}
    return write_bytes(
        path, arrays.dump_batch_pickle(entry | {"data": images_to_rows(images), "filenames": list(filenames)})
    )


def read_meta(folder: Path) -> dict[str, tuple[str, ...]]:
    """Read the class names: `label_names` of CIFAR-10 or `fine_label_names`, `coarse_label_names` of CIFAR-100."""
    path = next((Path(folder) / name for name in ("batches.meta", "meta") if (Path(folder) / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{folder}: holds neither batches.meta (CIFAR-10) nor meta (CIFAR-100)")
    entry = arrays.read_batch_pickle(path)
    names = {key: _texts(value, f"{path}: {key}") for key, value in entry.items() if key.endswith("label_names")}
    if not names:
        raise ValueError(f"{path}: holds no label names; found {sorted(entry)}")
    return names


def write_meta(path: Path, entry: dict[str, object]) -> Path:
    """Write `batches.meta` or `meta`: lists of class names and integers, in the published pickle form, atomically."""
    return write_bytes(path, arrays.dump_batch_pickle(entry))


def load_cifar10(folder: Path, splits: Sequence[str] = ("train", "test")) -> dict[str, ImageSet]:
    """Load CIFAR-10 from `cifar-10-batches-py`: `train` (data_batch_1 on, in order) and `test`, or one of them.

    Five training batches of `num_cases_per_batch` images and as many test images are expected, or `num_train_batches`
    and `num_test_cases` where batches.meta says so (pools and releases of this project). Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    folder = Path(folder)
    meta = arrays.read_batch_pickle(_file(folder, "batches.meta", "CIFAR-10"))
    if _texts(meta.get("label_names", []), f"{folder / 'batches.meta'}: label_names") != CLASS_NAMES:
        raise ValueError(f"{folder / 'batches.meta'}: label_names are not CIFAR-10's {list(CLASS_NAMES)}")
    where = f"{folder / 'batches.meta'}"
    num_batches = _count(meta.get("num_train_batches", TRAIN_BATCHES), f"{where}: num_train_batches", MOST_BATCHES)
    expected = _count(meta.get("num_cases_per_batch", 10000), f"{where}: num_cases_per_batch")
    num_tests = _count(meta.get("num_test_cases", expected), f"{where}: num_test_cases")
    found = {}
    if "train" in splits:
        found["train"] = join([_batch(folder / f"data_batch_{k + 1}", expected) for k in range(num_batches)])
    if "test" in splits:
        found["test"] = _batch(folder / "test_batch", num_tests)
    return found


def _batch(path: Path, count: int) -> ImageSet:
    """A batch of CIFAR-10 with as many images as batches.meta says."""
    batch = read_batch(_file(path.parent, path.name, "CIFAR-10"))
    if len(batch) != count:
        raise ValueError(f"{path}: holds {len(batch)} images, batches.meta says {count}")
    if batch.fine_labels is not None:
        raise ValueError(f"{path}: found the fine_labels of CIFAR-100, expected labels 0 to 9")
    return batch


def load_cifar100(folder: Path) -> dict[str, ImageSet]:
    """Load CIFAR-100 from `cifar-100-python`: `train` and `test` with fine (0-99) and coarse (0-19) labels.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html
    """
    sets = {split: read_batch(_file(Path(folder), split, "CIFAR-100")) for split in ("train", "test")}
    for split, images in sets.items():
        if images.fine_labels is None or images.coarse_labels is None:
            raise ValueError(f"{Path(folder) / split}: CIFAR-100 has fine_labels and coarse_labels, this file has not")
    return sets


def join(sets: list[ImageSet]) -> ImageSet:
    """Put image sets behind each other; file names are kept where all of them have them."""
    named = all(len(part.filenames) == len(part) for part in sets)
    return ImageSet(
        np.concatenate([part.images for part in sets]),
        np.concatenate([part.labels for part in sets]),
        tuple(name for part in sets for name in part.filenames) if named else (),
        batch_label=", ".join(part.batch_label for part in sets),
    )


def _file(folder: Path, name: str, what: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder / name}: not found; {what} needs it (docs/running.md says where to get it)")
    return folder / name


def _count(value: object, where: str, most: int = 2**31) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{where}: expected a whole number from 1 to {most}, found {value!r}")
    return value


def _texts(values: object, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str | bytes) for value in values):
        raise ValueError(f"{where}: expected a list of names, found {type(values).__name__}")
    try:
        return tuple(value.decode("ascii") if isinstance(value, bytes) else value for value in values)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: a name is not ASCII: {error.object!r}") from error
