"""Classifiers in closed form for many splits of one set of images: what does not depend on the split is computed once.

Each function takes all images and gives a classifier: a function of the rows to fit on and the rows to classify. No
label is used before it is called, so a classifier knows the labels of its fitted rows alone. Networks are too slow for
hundreds of splits; these three take a second a split at 10,000 fitted images.
"""

from collections.abc import Callable, Iterator

import numpy as np

from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.dedup import neighbours
from cifar102.models import random_features as patches
from cifar102.models import ridge

Classifier = Callable[[np.ndarray, np.ndarray], np.ndarray]
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # of the ridge, one is chosen on a tenth of the fitted rows
THRESHOLD = 0.25  # of both signs of a response (RandomFeatures)
NUM_PATCHES = 50_000  # that the whitening is fitted on
ROWS_AT_A_TIME = 2_000
# With a sixth of all images fitted, one of 64 neighbours is among them but for (5/6)^64, 9 in a million; the few images
# without one are searched anew.
NUM_NEIGHBOURS = 64


def closed_form_classifiers(images: ImageSet, num_filters: int = 128, seed: int = 0) -> dict[str, Classifier]:
    """Return random_features, linear and nearest_neighbour over all images of a set, by name.

    images: an ImageSet with labels 0-9. num_filters, seed: of random_features. A classifier takes (fitted, tested),
    int64 row numbers, fitted in random order, and returns class ids int64 (len(tested),).
    """
    return {
        "random_features": random_features(images, num_filters, seed),
        "linear": linear(images),
        "nearest_neighbour": nearest_neighbour(images),
    }


def random_features(images: ImageSet, num_filters: int = 128, seed: int = 0) -> Classifier:
    """Ridge regression on 8 features a random whitened patch (models.random_features).

    The patches and their whitening come from all images, without labels: they are the same for every role an image can
    have. Source: Coates & Ng 2012, as models.random_features.
    """
    filters = patches.draw_patch_filters(images.images, num_filters, NUM_PATCHES, np.random.default_rng(seed))
    parts = [
        patches.patch_features(images.images[rows], filters.kernels, filters.offsets, THRESHOLD).numpy()
        for rows in _slices(len(images), patches.IMAGES_AT_A_TIME)
    ]
    return _ridge(np.concatenate(parts), images.labels)


def linear(images: ImageSet) -> Classifier:
    """Ridge regression on the pixels of the image at half its size: 768 means of 2 x 2 pixels."""
    count = len(images)
    means = images.images.reshape(count, 16, 2, 16, 2, 3).mean(axis=(2, 4), dtype=np.float32)
    return _ridge(means.reshape(count, -1), images.labels)


def nearest_neighbour(images: ImageSet, num_neighbours: int = NUM_NEIGHBOURS) -> Classifier:
    """The label of the nearest fitted image by Euclidean distance, exactly.

    The nearest num_neighbours of every image among all images are searched once; of these the first fitted one counts.
    """
    pixels, labels = images.images, images.labels
    count = min(num_neighbours + 1, len(images))
    lists = neighbours.nearest(pixels, pixels, count)[1].astype(np.int32)

    def classify(fitted: np.ndarray, tested: np.ndarray) -> np.ndarray:
        is_fitted = np.zeros(len(labels), bool)
        is_fitted[fitted] = True
        hits = is_fitted[lists[tested]] & (lists[tested] != tested[:, None])
        nearest = lists[tested, hits.argmax(axis=1)].astype(np.int64)
        lost = ~hits.any(axis=1)
        if lost.any():
            nearest[lost] = fitted[neighbours.nearest(pixels[tested[lost]], pixels[fitted], 1)[1][:, 0]]
        return labels[nearest]

    return classify


def _ridge(features: np.ndarray, labels: np.ndarray) -> Classifier:
    """Ridge regression on features float32 (n, d); the penalty is chosen on every tenth fitted row."""

    def classify(fitted: np.ndarray, tested: np.ndarray) -> np.ndarray:
        targets, is_held = np.eye(len(CLASS_NAMES))[labels[fitted]], np.arange(len(fitted)) % 10 == 9
        batches = (
            (np.arange(rows.start, rows.stop), features[fitted[rows]]) for rows in _slices(len(fitted), ROWS_AT_A_TIME)
        )
        solution = ridge.fit_by_features(batches, targets, is_held, features.shape[1], PENALTIES)
        return (features[tested] @ solution.weights + solution.intercept).argmax(axis=1)

    return classify


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(first, min(first + size, count)) for first in range(0, count, size))
