"""Whitened random patches as convolution filters, and the pooled features they give."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

PATCH_SIZE = 6
POOL_SIZE, POOL_STRIDE = 14, 13  # four quadrants of the 27x27 positions of a patch, one row and column shared
VARIANCE_FLOOR = 10.0  # added to a patch's variance (pixels 0-255), so that flat patches stay quiet


@dataclass(frozen=True)
class PatchFilters:
    """Filters for contrast-normalised patches, their whitening folded in.

    kernels: float32 (6, 6, 3, k); each sums to 0. offsets: float32 (k,), what whitening's mean takes off each response.
    """

    kernels: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets)


def draw(images: np.ndarray, num_filters: int, num_patches: int, rng: np.random.Generator) -> PatchFilters:
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
def features(images: tf.Tensor, kernels: tf.Tensor, offsets: tf.Tensor, threshold: float) -> tf.Tensor:
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


def _patches(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rows = rng.integers(len(images), size=count)
    tops, lefts = rng.integers(images.shape[1] - PATCH_SIZE + 1, size=(2, count))
    line = np.arange(PATCH_SIZE)
    down, right = tops[:, None, None] + line[:, None], lefts[:, None, None] + line
    return images[rows[:, None, None], down, right].reshape(count, -1).astype(np.float64)


def _normalize(patches: np.ndarray) -> np.ndarray:
    centred = patches - patches.mean(axis=1, keepdims=True)
    return centred / np.sqrt(patches.var(axis=1, ddof=1, keepdims=True) + VARIANCE_FLOOR)
