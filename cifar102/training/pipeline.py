"""Data into a model: normalisation, and training and evaluation batches as tf.data data sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cifar102.cifar import CLASS_NAMES, ImageSet, check_images, check_labels
from cifar102.training.augmentation import find_augmentation
from cifar102.training.config import NORMALIZATIONS

ORDER = -1  # the "step" whose random numbers order an epoch
MIRRORED = -2  # the "epoch" whose random numbers say which images are mirrored in the even epochs


@dataclass(frozen=True)
class Normalization:
    """How images become network inputs; `dataclasses.asdict` of it goes into JSON, `Normalization(**entry)` back.

    kind: "unit", "per_channel" or "per_image". mean, std: three float32 values, of pixels in 0-1; 0 and 1 save for
    "per_channel".
    """

    kind: str
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.kind not in NORMALIZATIONS:
            raise ValueError(f"normalization {self.kind!r}: expected one of {', '.join(NORMALIZATIONS)}")
        for name in ("mean", "std"):
            values = tuple(float(np.float32(value)) for value in getattr(self, name))
            if len(values) != 3 or not np.isfinite(values).all() or (name == "std" and min(values) <= 0):
                raise ValueError(f"normalization {name} {values}: expected three finite values, std above 0")
            object.__setattr__(self, name, values)

    def apply(self, images: tf.Tensor | np.ndarray) -> tf.Tensor | np.ndarray:
        """Normalise images (n, h, w, 3) with pixels 0-255 of any dtype; float32, an array for an array."""
        shape = images.shape
        x = tf.reshape(tf.cast(images, tf.float32), [-1, math.prod(shape[1:])])  # long rows: one fast broadcast
        if self.kind == "per_image":
            x = _per_image(x)
        else:
            scale, offset = 1 / (255 * np.float64(self.std)), np.divide(self.mean, self.std)
            x = x * _every_pixel(scale, shape) - _every_pixel(offset, shape)
        x = tf.reshape(x, [-1, *shape[1:]])
        return x if tf.is_tensor(images) else x.numpy()


def fit_normalization(kind: str, train_images: np.ndarray) -> Normalization:
    """Make the Normalization of a kind from the training images, uint8 (n, h, w, 3); ValueError for another kind.

    "unit" divides by 255; "per_channel" takes mean and deviation of each channel over all training pixels;
    "per_image" brings each image to mean 0, deviation 1 (as tf.image.per_image_standardization).
    """
    if kind != "per_channel":
        return Normalization(kind)
    if len(train_images) == 0:
        raise ValueError("per_channel normalization: there are no training images to take mean and deviation of")
    sums, squares = np.zeros(3), np.zeros(3)
    for first in range(0, len(train_images), 1000):  # exact sums of integers, and no copy of the set
        pixels = train_images[first : first + 1000].astype(np.uint32)
        sums += pixels.sum(axis=0, dtype=np.uint32).sum(axis=(0, 1))
        squares += np.square(pixels).sum(axis=0, dtype=np.uint32).sum(axis=(0, 1))
    total = train_images.size / 3
    mean = sums / total / 255
    std = np.sqrt(np.maximum(squares / total / 255**2 - mean**2, 0))
    return Normalization(kind, tuple(mean), tuple(np.maximum(std, 1 / 255)))


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Count the batches of one epoch; ValueError where there is none."""
    if batch_size < 1 or num_images < 1:
        raise ValueError(f"{num_images} images in batches of {batch_size}: an epoch would hold no batch")
    return math.ceil(num_images / batch_size)


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    batch_size: int,
    normalization: Normalization,
    augmentation: str = "none",
    seed: int = 0,
    first_epoch: int = 0,
    augmentation_options: dict[str, object] | None = None,
) -> tf.data.Dataset:
    """Give endless training batches, epoch after epoch: float32 images (b, 32, 32, 3), float32 labels (b, num_classes).

    images: uint8 (n, 32, 32, 3), kept as they are. labels: integers (n,), or shares (n, num_classes). augmentation: a
    name of augmentation.AUGMENTATIONS, or several joined by +; "alternate_flip" mirrors a random half of the images in
    even epochs, the other half in odd ones. The order of epoch e and the random numbers of its steps follow from (seed,
    e, step) alone: a data set begun at `first_epoch` goes on exactly as the unbroken one does there.
    """
    check_images(images, "training images")
    steps = steps_per_epoch(len(images), batch_size)
    augment = find_augmentation(augmentation, augmentation_options)
    with tf.device("CPU"):
        pixels, targets = tf.constant(images), tf.constant(_targets(labels, len(images), num_classes))
        mirrored_first = tf.random.stateless_uniform([len(images)], [seed, MIRRORED]) < 0.5

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        mirrored = tf.not_equal(mirrored_first, epoch % 2 == 1)
        return _rows_of_batches(epoch_seed, mirrored, steps, batch_size)

    @tf.autograph.experimental.do_not_convert  # no control flow depends on tensors; tracing takes a third of the time
    def batch_of(rows: tf.Tensor, mirrored: tf.Tensor, step_seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = augment(tf.gather(pixels, rows), tf.gather(targets, rows), step_seed, mirrored)
        return normalization.apply(x), y

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(batches_of)
    return epochs.map(batch_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(images: np.ndarray, batch_size: int, normalization: Normalization) -> tf.data.Dataset:
    """Give all images once, in file order, normalised: float32 (b, 32, 32, 3), the last batch as small as it is."""
    steps = steps_per_epoch(len(images), batch_size)
    with tf.device("CPU"):
        pixels = tf.constant(images)
    batches = tf.data.Dataset.range(steps).map(lambda step: pixels[step * batch_size : (step + 1) * batch_size])
    return batches.map(normalization.apply, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def augmented_images(
    images: ImageSet, augmentations: Sequence[str], count: int = 10, seed: int = 0
) -> dict[str, np.ndarray]:
    """The same images under each augmentation: its name -> uint8 (count, 32, 32, 3), in one order for all.

    images: the first image of each class is taken, up to `count`. Pixels are those that enter the network, before
    normalization.
    """
    firsts = [int(np.flatnonzero(images.labels == label)[0]) for label in range(len(CLASS_NAMES))][:count]
    picked, labels = images.images[firsts], images.labels[firsts]
    unit = fit_normalization("unit", picked)
    found = {}
    for name in augmentations:
        batches = training_batches(picked, labels, len(CLASS_NAMES), len(firsts), unit, augmentation=name, seed=seed)
        pixels, _ = next(iter(batches))
        found[name] = np.clip(np.round(pixels.numpy() * 255), 0, 255).astype(np.uint8)
    return found


def _rows_of_batches(epoch_seed: tf.Tensor, mirrored: tf.Tensor, steps: int, batch_size: int) -> tf.data.Dataset:
    """The batches of an epoch in its own order: rows, whether each is mirrored, and the seed of the step."""
    order = tf.argsort(
        tf.random.stateless_uniform(tf.shape(mirrored), tf.random.fold_in(epoch_seed, ORDER), dtype=tf.float64)
    )

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rows = order[step * batch_size : (step + 1) * batch_size]
        return rows, tf.gather(mirrored, rows), tf.random.fold_in(epoch_seed, step)

    return tf.data.Dataset.range(steps).map(batch)


def _targets(labels: np.ndarray, num_images: int, num_classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if len(labels) != num_images:
        raise ValueError(f"{num_images} images but {len(labels)} labels")
    if labels.ndim == 2:
        if labels.shape[1] != num_classes:
            raise ValueError(f"label shares for {labels.shape[1]} classes, expected {num_classes}")
        return labels.astype(np.float32)
    return np.eye(num_classes, dtype=np.float32)[check_labels(labels, num_images, num_classes)]


def _every_pixel(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.tile(values.astype(np.float32), shape[1] * shape[2])


def _per_image(x: tf.Tensor) -> tf.Tensor:
    centred = x - tf.reduce_mean(x, axis=1, keepdims=True)
    deviation = tf.sqrt(tf.reduce_mean(tf.square(centred), axis=1, keepdims=True))
    # as in tf.image: an image of one colour is divided by the least deviation a grey step could give
    return centred / tf.maximum(deviation, 1 / math.sqrt(x.shape[1]))
