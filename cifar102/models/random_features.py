"""Random features (Coates & Ng): random whitened patches, one convolution, pooling, ridge regression in closed form.

With d features and n training rows, what is solved is the smaller of two systems: d x d (normal equations, summed over
batches of images) or n x n (kernel, summed over blocks of filters). The n x d matrix is never held: 256k features
of 10,000 images need 0.4 GB for the kernel, not 10 GB.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy import optimize, special

from cifar102.cifar import check_images, check_labels
from cifar102.datasets import splits
from cifar102.models import ridge

PATCH_SIZE = 6
POOL_SIZE, POOL_STRIDE = 14, 13  # four quadrants of the 27x27 positions of a patch, one row and column shared
VARIANCE_FLOOR = 10.0  # added to a patch's variance (pixels 0-255), so that flat patches stay quiet
IMAGES_AT_A_TIME = 200  # with the filters below, 0.1 GB a tensor of responses
FILTERS_AT_A_TIME = 128


@dataclass(frozen=True)
class PatchFilters:
    """Filters for contrast-normalised patches, their whitening folded in.

    kernels: float32 (6, 6, 3, k); each sums to 0. offsets: float32 (k,), what whitening's mean takes off each response.
    """

    kernels: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets)


def draw_patch_filters(
    images: np.ndarray, num_filters: int, num_patches: int, rng: np.random.Generator
) -> PatchFilters:
    """Draw random patches of the images, whiten them (ZCA) and make them filters of length 1.

    images: uint8 (n, 32, 32, 3). num_patches: how many the whitening is fitted on. Source: Coates & Ng 2012, Learning
    feature representations with k-means, sections 2-3, with the patches themselves in place of centroids.
    """
    patches = _normalize(_patches(images, max(num_patches, num_filters), rng))
    mean = patches.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(patches, rowvar=False))
    whitener = (vectors / np.sqrt(values + 0.1)) @ vectors.T
    chosen = (patches[rng.choice(len(patches), num_filters, replace=False)] - mean) @ whitener
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True) + 1e-10
    folded = chosen @ whitener.T
    offsets = folded @ mean  # patches have mean 0, so filters sum to 0 and take off a patch's own mean themselves
    kernels = folded.T.reshape(PATCH_SIZE, PATCH_SIZE, 3, num_filters)
    return PatchFilters(kernels.astype(np.float32), offsets.astype(np.float32))


@tf.function(reduce_retracing=True)
def patch_features(images: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor, threshold: float) -> tf.Tensor:
    """Convolve, split into both signs above a threshold, average over quadrants: float32 (n, 8 k), filter by filter.

    images: uint8 (n, 32, 32, 3); kernels, offsets of PatchFilters. Source: Coates & Ng 2012, section 4.
    """
    x = tf.cast(images, tf.float32)
    num_values = PATCH_SIZE * PATCH_SIZE * 3
    means = tf.nn.avg_pool2d(tf.reduce_mean(x, axis=3, keepdims=True), PATCH_SIZE, 1, "VALID")
    squares = tf.nn.avg_pool2d(tf.reduce_mean(tf.square(x), axis=3, keepdims=True), PATCH_SIZE, 1, "VALID")
    variances = tf.maximum(squares - tf.square(means), 0) * (num_values / (num_values - 1))
    responses = tf.nn.conv2d(x, kernels, 1, "VALID") / tf.sqrt(variances + VARIANCE_FLOOR) - offsets
    signs = [tf.nn.relu(responses - threshold), tf.nn.relu(-responses - threshold)]
    pooled = tf.stack([tf.nn.avg_pool2d(sign, POOL_SIZE, POOL_STRIDE, "VALID") for sign in signs], axis=4)
    return tf.reshape(tf.transpose(pooled, [0, 3, 4, 1, 2]), [tf.shape(x)[0], 8 * tf.shape(offsets)[0]])


class RandomFeatures:
    """An estimator: fit(images, labels), then predict(images) -> logits.

    num_filters: random patches, 8 features each (two signs, four quadrants). threshold: of both signs. penalties: of
    the ridge (module ridge); the one with the most hits on `held_out` of the rows is taken, then all rows are fitted.
    The logits are the ridge's scores times one factor, fitted on the held-out rows, so that their softmax can be read
    as probabilities. Sources: Coates & Ng 2012; Recht et al. 2019, arXiv 1902.10811 (random features in CIFAR-10.1).
    """

    def __init__(
        self,
        num_classes: int = 10,
        num_filters: int = 512,
        seed: int = 0,
        threshold: float = 0.25,
        num_patches: int = 50_000,
        held_out: float = 0.1,
        penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ) -> None:
        if num_filters < 1 or not 0 < held_out < 1 or not penalties or min(penalties) <= 0:
            raise ValueError(
                f"random_features: num_filters {num_filters}, held_out {held_out}, penalties {penalties}: "
                "expected num_filters >= 1, 0 < held_out < 1, penalties above 0"
            )
        self.num_classes, self.num_filters, self.seed, self.threshold = num_classes, num_filters, seed, threshold
        self.num_patches, self.held_out, self.penalties = num_patches, held_out, tuple(penalties)
        self.filters: PatchFilters | None = None

    @property
    def num_parameters(self) -> int:
        """Fitted numbers of the linear part: 8 weights a filter and class, one intercept a class."""
        return (8 * self.num_filters + 1) * self.num_classes

    def fit(self, images: np.ndarray, labels: np.ndarray) -> "RandomFeatures":
        """Fit on images uint8 (n, 32, 32, 3) and labels, integers (n,); ValueError where they do not fit each other."""
        check_images(images)
        labels = check_labels(labels, len(images), self.num_classes)
        num_held = max(1, round(self.held_out * len(images)))
        _, held = splits.split(labels, num_held, self.seed)
        is_held = np.isin(np.arange(len(images)), held)
        rng = np.random.default_rng(self.seed)
        self.filters = draw_patch_filters(images, self.num_filters, self.num_patches, rng)
        targets, num_features = np.eye(self.num_classes)[labels], 8 * self.num_filters
        if not takes_kernel(num_features, len(images)):
            batches = self._batches(images)
            self.solution = ridge.fit_by_features(batches, targets, is_held, num_features, self.penalties)
        else:
            self.solution = ridge.fit_by_rows(
                lambda: self._blocks(images), targets, is_held, num_features, self.penalties
            )
        self.temperature = _temperature(self.solution.held_scores, labels[held])
        return self

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Give logits float32 (n, num_classes) for images uint8 (n, 32, 32, 3); ValueError before fit."""
        if self.filters is None:
            raise ValueError("random_features: predict before fit")
        check_images(images)
        scores = np.zeros((len(images), self.num_classes), np.float32)
        for first in range(0, len(images), IMAGES_AT_A_TIME):
            rows = slice(first, first + IMAGES_AT_A_TIME)
            for columns, features in self._features(images[rows]):
                scores[rows] += features @ self.solution.weights[columns]
        return (scores + self.solution.intercept) * self.temperature

    def _features(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The features of a few images, block of filters by block: (columns, float32 (n, 8 block))."""
        for first in range(0, self.num_filters, FILTERS_AT_A_TIME):
            block = slice(first, min(first + FILTERS_AT_A_TIME, self.num_filters))
            kernels, offsets = self.filters.kernels[..., block], self.filters.offsets[block]
            values = patch_features(images, kernels, offsets, self.threshold)
            yield slice(8 * block.start, 8 * block.stop), values.numpy()

    def _batches(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All features of a batch of images at a time: (rows, features)."""
        for first in range(0, len(images), IMAGES_AT_A_TIME):
            rows = np.arange(first, min(first + IMAGES_AT_A_TIME, len(images)))
            yield rows, np.concatenate([values for _, values in self._features(images[rows])], axis=1)

    def _blocks(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The features of all images for a block of filters at a time: (columns, features)."""
        for first in range(0, self.num_filters, FILTERS_AT_A_TIME):
            block = slice(first, min(first + FILTERS_AT_A_TIME, self.num_filters))
            kernels, offsets = self.filters.kernels[..., block], self.filters.offsets[block]
            parts = [
                patch_features(images[k : k + IMAGES_AT_A_TIME], kernels, offsets, self.threshold).numpy()
                for k in range(0, len(images), IMAGES_AT_A_TIME)
            ]
            yield slice(8 * block.start, 8 * block.stop), np.concatenate(parts)


def takes_kernel(num_features: int, num_rows: int) -> bool:
    """Say whether the n x n system is the smaller one."""
    return num_features > num_rows


def _patches(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rows = rng.integers(len(images), size=count)
    tops, lefts = rng.integers(images.shape[1] - PATCH_SIZE + 1, size=(2, count))
    line = np.arange(PATCH_SIZE)
    down, right = tops[:, None, None] + line[:, None], lefts[:, None, None] + line
    return images[rows[:, None, None], down, right].reshape(count, -1).astype(np.float64)


def _normalize(patches: np.ndarray) -> np.ndarray:
    centred = patches - patches.mean(axis=1, keepdims=True)
    return centred / np.sqrt(patches.var(axis=1, ddof=1, keepdims=True) + VARIANCE_FLOOR)


def _temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The factor that makes the softmax of scores likeliest for the labels."""

    def loss(log_factor: float) -> float:
        logits = scores * np.exp(log_factor)
        return float(-special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())

    return float(np.exp(optimize.minimize_scalar(loss, bounds=(-3, 5), method="bounded").x))
