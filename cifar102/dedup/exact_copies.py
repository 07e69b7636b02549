"""Images that are equal in every pixel, found by digest and confirmed byte by byte."""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cifar102.cifar import ImageSet, check_images
from cifar102.dedup.kernels import blocks, in_threads

BLOCK = 4096  # images, 12 MiB
COLUMNS = ("group", "set", "row", "label", "is_label_conflict")


def exact_groups(images: np.ndarray, digest_size: int = 16) -> np.ndarray:
    """Number the groups of equal images.

    images: uint8 (n, 32, 32, 3), a memory map too: it is read in blocks. Returns int64 (n,): equal numbers for equal
    pixels, counted from 0 in order of first appearance. Groups by blake2b digests of digest_size bytes; images with
    equal digests are compared byte by byte, so a collision cannot join different images.
    """
    check_images(images)
    return _number_groups(digests(images, digest_size), lambda row: images[row])


def digests(images: np.ndarray, digest_size: int = 16) -> np.ndarray:
    """blake2b digests of the 3,072 bytes of each image, uint8 (n, digest_size)."""
    if not 1 <= digest_size <= 64:
        raise ValueError(f"digest_size: expected 1 to 64 bytes, found {digest_size}")

    def work(block: slice) -> bytes:
        rows = np.ascontiguousarray(images[block]).reshape(-1, 3072)
        return b"".join(hashlib.blake2b(row, digest_size=digest_size).digest() for row in rows)

    joined = b"".join(in_threads(work, blocks(len(images), BLOCK)))
    return np.frombuffer(joined, np.uint8).reshape(len(images), digest_size)


def exact_table(sets: Mapping[str, ImageSet | tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """List the groups of equal images over several sets at once.

    sets: name -> ImageSet or (images, labels); labels None or -1 where there are none. Returns one row a member of each
    group of two or more: group int64, set, row int64, label int64 (-1: none), is_label_conflict bool. Groups and their
    members stand in the order of the sets and rows. A member is in conflict where its group holds two different labels
    of the same label space: sets named cifar100-* have their own, all others share the ten classes.
    """
    parts = {name: _images_and_labels(name, value) for name, value in sets.items()}
    if not parts:
        return _empty()
    sizes = [len(images) for images, _ in parts.values()]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    every = list(parts.values())

    def image(row: int) -> np.ndarray:
        place = int(np.searchsorted(starts, row, side="right")) - 1
        return every[place][0][row - starts[place]]

    table = pd.DataFrame(
        {
            "group": _number_groups(np.concatenate([digests(images) for images, _ in every]), image),
            "set": np.repeat(list(parts), sizes),
            "row": np.concatenate([np.arange(size) for size in sizes]),
            "label": np.concatenate([labels for _, labels in every]),
        }
    )
    table = table[table.duplicated("group", keep=False)].sort_values("group", kind="stable", ignore_index=True)
    return _mark_conflicts(table)


def _number_groups(digest: np.ndarray, image: Callable[[int], np.ndarray]) -> np.ndarray:
    """Group ids by first appearance from digests, uint8 (n, d); image(row) gives the pixels to compare."""
    keys = np.ascontiguousarray(digest).view(f"V{digest.shape[1]}").ravel()
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    leader = first[inverse]
    for row in np.flatnonzero((counts[inverse] > 1) & (leader != np.arange(len(leader)))):
        if not np.array_equal(image(row), image(leader[row])):
            leader = _split_collisions(inverse, leader, image)
            break
    return np.unique(leader, return_inverse=True)[1].astype(np.int64)


def _split_collisions(inverse: np.ndarray, leader: np.ndarray, image: Callable[[int], np.ndarray]) -> np.ndarray:
    """The first row with the same bytes for each row, where equal digests do not mean equal images."""
    seen: dict[tuple[int, bytes], int] = {}
    return np.array([seen.setdefault((inverse[row], image(row).tobytes()), row) for row in range(len(leader))])


def _mark_conflicts(table: pd.DataFrame) -> pd.DataFrame:
    space = table["set"].str.startswith("cifar100-")
    known = table[table["label"] >= 0]
    num_labels = known.groupby([known["group"], space[known.index]])["label"].nunique()
    keys = pd.MultiIndex.from_arrays([table["group"], space])
    table["is_label_conflict"] = (num_labels.reindex(keys).fillna(0).to_numpy() > 1) & (table["label"] >= 0)
    return table[list(COLUMNS)]


def _images_and_labels(name: str, value: ImageSet | tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (value.images, value.labels) if isinstance(value, ImageSet) else value
    check_images(images, name)
    labels = np.full(len(images), -1) if labels is None else np.asarray(labels)
    if labels.shape != (len(images),):
        raise ValueError(f"{name}: {len(images)} images but labels of shape {labels.shape}")
    return images, labels.astype(np.int64)


def _empty() -> pd.DataFrame:
    kinds = {"group": np.int64, "set": object, "row": np.int64, "label": np.int64, "is_label_conflict": bool}
    return pd.DataFrame({name: np.array([], kind) for name, kind in kinds.items()})
