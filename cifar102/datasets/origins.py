"""Origins: old and new test images as a two-class problem in folds, and its control, two halves of the old ones.

Whether a network can tell the two apart is asked of images that it was not trained on: it is trained on all folds but
one and answers for that one (study `old_or_new`). Both sides have as many images of each class, so that the mix of
classes gives nothing away.
"""

import dataclasses

import numpy as np

from cifar102 import cifar
from cifar102.cifar import ImageSet

FOLDS = 2
NAMES = ("old", "new")  # of the labels 0 and 1; in the control, of two halves drawn at random
SEED = 10_2001  # fixed, so that a fold is the same set everywhere


def folds(old: ImageSet, new: ImageSet, is_control: bool = False) -> tuple[ImageSet, np.ndarray]:
    """Draw as many images of each class from both sides: the images with labels 0 (old) and 1 (new), their folds.

    old, new: labelled 0-9. is_control: both sides are drawn from `old`, no image twice, as many as fit in a half of it
    and no more than there are of `new`. Folds: int64 (n,), 0 to FOLDS - 1, each with as many of both sides and classes
    as can be. ValueError where no class has images on both sides.
    """
    rng = np.random.default_rng([SEED, is_control])
    sides: list[list[np.ndarray]] = [[], []]
    for label in range(len(cifar.CLASS_NAMES)):
        first, second = (rng.permutation(np.flatnonzero(part.labels == label)) for part in (old, new))
        count = min(len(first) // (1 + is_control), len(second))
        sides[0].append(first[:count])
        sides[1].append(first[count : 2 * count] if is_control else second[:count])
    rows = [np.concatenate(side) for side in sides]
    if not len(rows[0]):
        raise ValueError(f"old or new: expected a class with images on both sides, found {len(old)} and {len(new)}")
    joined = np.concatenate([old.images[rows[0]], (old if is_control else new).images[rows[1]]])
    labels = np.repeat([0, 1], [len(side) for side in rows])
    place = np.concatenate([np.arange(len(side)) % FOLDS for side in rows])
    return ImageSet(joined, labels), place


def fold(old: ImageSet, new: ImageSet, number: int, is_control: bool = False) -> dict[str, ImageSet]:
    """Return {"train", "test"}: all folds but one, and that one. Arguments as `folds`; number: 0 to FOLDS - 1."""
    images, place = folds(old, new, is_control)
    parts = {"train": place != number, "test": place == number}
    return {
        name: dataclasses.replace(images, images=images.images[rows], labels=images.labels[rows])
        for name, rows in parts.items()
    }
