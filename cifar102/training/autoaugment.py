"""AutoAugment's CIFAR-10 policy and RandAugment, for whole batches.

Each image gets its own operations and levels; the operations are those of Pillow, as in the published code.
"""

import tensorflow as tf

from cifar102.training import pixels

# Cubuk et al. 2019, arXiv 1805.09501, table 7: (operation, probability, level 0-9) twice a line
POLICY = (
    (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
    (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
)
TOP_LEVEL = 10  # levels are 0-9 of a range cut into 10
RAND_TOP_LEVEL = 30
# RandAugment's 14 (arXiv 1909.13719, section 3): those of the policy and the identity, without Invert
RAND_OPERATIONS = tuple(name for name in pixels.NAMES if name != "Invert")


def autoaugment(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply one of the 25 pairs of operations of the published CIFAR-10 policy to each image; uint8 images.

    As published it stands between two others: "flip_crop+autoaugment+cutout". Source: Cubuk et al. 2019, table 7.
    """
    seeds = tf.random.split(seed, 3)
    num = tf.shape(images)[0]
    names = [[pixels.NAMES.index(part[0]) for part in pair] for pair in POLICY]
    operations, probabilities = tf.constant(names), tf.constant([[part[1] for part in pair] for pair in POLICY])
    levels = tf.constant([[part[2] / TOP_LEVEL for part in pair] for pair in POLICY])
    chosen = tf.random.stateless_uniform([num], seeds[0], 0, len(POLICY), tf.int32)
    happens = tf.random.stateless_uniform([num, 2], seeds[1]) < tf.gather(probabilities, chosen)
    operation = tf.where(happens, tf.gather(operations, chosen), pixels.NAMES.index("Identity"))
    signs = _signs([num, 2], seeds[2])
    images = pixels.as_uint8(images)
    for k in (0, 1):
        images = pixels.apply(images, operation[:, k], tf.gather(levels, chosen)[:, k], signs[:, k])
    return images, labels


def randaugment(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, num_operations: int = 3, level: int = 5
) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply `num_operations` operations drawn from 14 to each image, all at one level of 0-30; uint8 images.

    3 and 5 are the published choice for WRN-28-10. Source: Cubuk et al. 2019, arXiv 1909.13719, section 4.2.
    """
    seeds = tf.random.split(seed, 2)
    num = tf.shape(images)[0]
    known = tf.constant([pixels.NAMES.index(name) for name in RAND_OPERATIONS])
    drawn = tf.random.stateless_uniform([num, num_operations], seeds[0], 0, len(RAND_OPERATIONS), tf.int32)
    operation, signs = tf.gather(known, drawn), _signs([num, num_operations], seeds[1])
    levels = tf.fill([num], level / RAND_TOP_LEVEL)
    images = pixels.as_uint8(images)
    for k in range(num_operations):
        images = pixels.apply(images, operation[:, k], levels, signs[:, k])
    return images, labels


def _signs(shape: list, seed: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.random.stateless_uniform(shape, seed) < 0.5, -1.0, 1.0)
