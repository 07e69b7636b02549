"""Roles: which images of CIFAR-10 stand for the reference, the old test set and the new pool in the placebo.

Two ways to give them: at random, image by image, and by the six batches of CIFAR-10, one after the other the test set.
"""

from dataclasses import dataclass

import numpy as np

REFERENCE, OLD, NEW = range(3)
# Of CIFAR-10's 60,000 images 30,000 are the reference, 10,000 of them fitted, 10,000 old and 20,000 new.
REFERENCE_SHARE, FITTED_SHARE, OLD_SHARE = 1 / 2, 1 / 6, 1 / 6
BATCHES = 6
ROTATION_SEED = 6  # of the fitted rows, so that a rotation is the same set everywhere


@dataclass(frozen=True)
class Roles:
    """side: int8 (n,), REFERENCE, OLD or NEW; fitted: int64 rows of the reference to fit on, in random order."""

    side: np.ndarray
    fitted: np.ndarray

    def rows(self, side: int) -> np.ndarray:
        """The rows of one side, int64, ascending."""
        return np.flatnonzero(self.side == side)

    @property
    def tested(self) -> np.ndarray:
        """The rows of the old test set and the new pool, int64, ascending."""
        return np.flatnonzero(self.side != REFERENCE)


def draw_roles(num_images: int, rng: np.random.Generator) -> Roles:
    """Give every image a role at random: half of them the reference, a sixth the old test set, the rest the new pool.

    A third of the reference is fitted. ValueError where there are fewer than 6 images.
    """
    if num_images < BATCHES:
        raise ValueError(f"num_images: expected at least {BATCHES}, found {num_images}")
    order = rng.permutation(num_images)
    ends = np.round(np.array([REFERENCE_SHARE, REFERENCE_SHARE + OLD_SHARE]) * num_images).astype(np.int64)
    side = np.full(num_images, NEW, np.int8)
    side[order[: ends[0]]], side[order[ends[0] : ends[1]]] = REFERENCE, OLD
    return Roles(side, order[: round(FITTED_SHARE * num_images)])


def rotated_roles(num_images: int, rotation: int) -> Roles:
    """Give roles by batches, sixths of the images in their order: one is old, the next two are new, three reference.

    rotation: 0 to 5, the batch that is old. A third of the reference is fitted, drawn once. ValueError for another one.
    """
    if not 0 <= rotation < BATCHES or num_images < BATCHES:
        raise ValueError(
            f"rotation {rotation} of {num_images} images: expected 0 to {BATCHES - 1}, of {BATCHES} or more"
        )
    batch = np.arange(num_images) * BATCHES // num_images
    side = np.array([OLD, NEW, NEW, REFERENCE, REFERENCE, REFERENCE], np.int8)[(batch - rotation) % BATCHES]
    order = np.random.default_rng([ROTATION_SEED, rotation]).permutation(np.flatnonzero(side == REFERENCE))
    return Roles(side, order[: round(FITTED_SHARE * num_images)])
