"""Augmentations of whole batches: f(images, labels, seed, **options) -> (images, labels), without any state.

images: uint8 or float32 (n, h, w, 3), pixels 0-255. labels: float32 (n, num_classes), one-hot or soft. seed: integers
(2,), which alone decide what happens (alternate_flip takes what the pipeline remembers instead). Each runs eagerly and
inside tf.data with equal results.
"""

import inspect
import math
from collections.abc import Callable

import tensorflow as tf

from cifar102.training import pixels

Batch = tuple[tf.Tensor, tf.Tensor]
ARGUMENTS = {"images", "labels", "seed", "mirrored"}  # what is not an option
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


def none(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> Batch:
    """Leave the batch as it is."""
    return images, labels


def alternate_flip(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, mirrored: tf.Tensor | None = None) -> Batch:
    """Mirror the images marked in `mirrored`, bool (n,): each one in every other epoch; without marks a random half.

    Source: Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds, arXiv 2404.00498, section 3.6.
    """
    if mirrored is None:
        mirrored = tf.random.stateless_uniform([tf.shape(images)[0]], seed) < 0.5
    return tf.where(mirrored[:, tf.newaxis, tf.newaxis, tf.newaxis], tf.reverse(images, [2]), images), labels


def flip_crop(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, pad: int = 4, flip: bool = True, reflect: bool = False
) -> Batch:
    """Mirror half of the images, and move each by up to `pad` pixels both ways (pad with grey, random crop).

    reflect: continue the image beyond its edges by its mirror image instead of grey.
    Source: He et al. 2015, Deep residual learning, section 4.2.
    """
    seeds = tf.random.split(seed, 3)
    num = tf.shape(images)[0]
    mirrored = tf.random.stateless_uniform([num], seeds[0]) < (0.5 if flip else 0.0)
    shifts = tf.random.stateless_uniform([2, num], seeds[1], -pad, pad + 1, tf.int32)
    if not reflect:
        return pixels.move(images, mirrored, shifts[0], shifts[1], pixels.GREY), labels
    inside = slice(pad, pad + images.shape[1])
    wider = tf.pad(images, [[0, 0], [pad, pad], [pad, pad], [0, 0]], "REFLECT")
    return pixels.move(wider, mirrored, shifts[0], shifts[1], pixels.GREY)[:, inside, inside], labels


def affine(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    rotation_degrees: float = 90.0,
    shear_degrees: float = 0.2,
    zoom: float = 0.2,
    channel_shift: float = 0.2,
    flips: bool = True,
) -> Batch:
    """Rotate, shear, zoom, mirror both ways and shift the channels of each image at random; edges are continued.

    rotation_degrees, shear_degrees: to either side. shear_degrees .2 is what Keras's old generator made of the
    published "shear .2", next to nothing; 12 degrees are about what was meant. zoom: each axis by 1 - zoom to 1 + zoom.
    channel_shift: each channel by up to this share of the range 0-1, clipped. Returns float32 images.
    """
    seeds = tf.random.split(seed, 5)
    num = tf.shape(images)[0]
    angle = tf.random.stateless_uniform([num], seeds[0], -1.0, 1.0) * math.radians(rotation_degrees)
    shear = tf.random.stateless_uniform([num], seeds[1], -1.0, 1.0) * math.radians(shear_degrees)
    scale = tf.random.stateless_uniform([2, num], seeds[2], 1 - zoom, 1 + zoom)
    signs = tf.sign(tf.random.stateless_uniform([2, num], seeds[3], -1.0, 1.0) + 1e-9)
    scale = scale * signs if flips else scale
    images = pixels.rotate_shear_zoom(tf.cast(images, tf.float32), angle, shear, scale[0], scale[1])
    shift = tf.random.stateless_uniform([num, 1, 3], seeds[4], -255.0, 255.0) * channel_shift
    lines = tf.reshape(images, [num, images.shape[1], -1]) + tf.tile(shift, [1, 1, images.shape[2]])
    return tf.reshape(tf.clip_by_value(lines, 0, 255), tf.shape(images)), labels


def cutout(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, size: int = 16) -> Batch:
    """Grey out a square of `size` pixels around a random pixel of each image, cut off at the borders.

    Source: DeVries & Taylor 2017, arXiv 1708.04552.
    """
    centre = tf.random.stateless_uniform([2, tf.shape(images)[0]], seed, 0, images.shape[1], tf.int32)
    inside = pixels.box(images.shape[1], centre[0] - size // 2, centre[1] - size // 2, size, size)
    return tf.where(inside, tf.fill(tf.shape(images), tf.cast(pixels.GREY, images.dtype)), images), labels


def mixup(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float = 1.0, probability: float = 1.0) -> Batch:
    """Blend the batch with itself in another order, by one share ~ Beta(alpha, alpha). Returns float32 images.

    probability: of a batch to be blended at all. Source: Zhang et al. 2017, arXiv 1710.09412.
    """
    seeds = tf.random.split(seed, 3)
    share = _or_whole(_beta(alpha, seeds[0]), probability, seeds[1])
    partner = _partners(images, seeds[2])
    images = tf.cast(images, tf.float32)
    mixed = share * images + (1 - share) * tf.gather(images, partner)
    return mixed, share * labels + (1 - share) * tf.gather(labels, partner)


def cutmix(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float = 1.0, probability: float = 1.0
) -> Batch:
    """Paste one box of the batch, in another order, into it; a label's share is its share of pixels, exactly.

    The box has whole pixels and about the area 1 - share, share ~ Beta(alpha, alpha), around a random pixel, cut off at
    the borders. probability: of a batch to be changed at all. Source: Yun et al. 2019, arXiv 1905.04899.
    """
    seeds = tf.random.split(seed, 4)
    size = images.shape[1]
    share = _or_whole(_beta(alpha, seeds[0]), probability, seeds[1])
    side = tf.cast(tf.sqrt(1 - share) * size, tf.int32)
    corner = tf.random.stateless_uniform([2, 1], seeds[2], 0, size, tf.int32) - side // 2
    inside = pixels.box(size, corner[0], corner[1], side, side)
    partner = _partners(images, seeds[3])
    pasted = tf.reduce_sum(tf.cast(inside[..., 0], tf.float32)) / (size * size)
    mixed = tf.where(tf.broadcast_to(inside, tf.shape(images)), tf.gather(images, partner), images)
    return mixed, (1 - pasted) * labels + pasted * tf.gather(labels, partner)


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


FUNCTIONS: dict[str, Callable[..., Batch]] = {
    "none": none,
    "alternate_flip": alternate_flip,
    "flip_crop": flip_crop,
    "affine": affine,
    "cutout": cutout,
    "mixup": mixup,
    "cutmix": cutmix,
    "autoaugment": autoaugment,
    "randaugment": randaugment,
}
AUGMENTATIONS = tuple(FUNCTIONS)


def find_augmentation(name: str, options: dict[str, object] | None = None) -> Callable[..., Batch]:
    """Give the function (images, labels, seed, mirrored=None) of an augmentation, its options filled in.

    name: one of AUGMENTATIONS, or several joined by + and applied in that order: "flip_crop+cutmix", and as published
    "flip_crop+autoaugment+cutout". options: each goes to the parts that take it. Raises ValueError for an unknown
    name, and for an option no part takes.
    """
    parts, options = name.split("+"), dict(options or {})
    for part in parts:
        if part not in FUNCTIONS:
            raise ValueError(f"augmentation {part!r}: expected one of {', '.join(AUGMENTATIONS)}, or some joined by +")
    taken = [set(inspect.signature(FUNCTIONS[part]).parameters) - ARGUMENTS for part in parts]
    if unknown := set(options) - set().union(*taken):
        raise ValueError(f"augmentation {name!r} has no option {sorted(unknown)}; it has {sorted(set().union(*taken))}")
    chosen = [{key: options[key] for key in options if key in keys} for keys in taken]

    def augment(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, mirrored: tf.Tensor | None = None) -> Batch:
        for k, (part, arguments) in enumerate(zip(parts, chosen, strict=True)):
            part_seed = tf.random.fold_in(seed, k) if k else seed
            arguments = {**arguments, "mirrored": mirrored} if part == "alternate_flip" else arguments
            images, labels = FUNCTIONS[part](images, labels, part_seed, **arguments)
        return images, labels

    return augment


def _beta(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """One draw of Beta(alpha, alpha), from two of Gamma(alpha); float64 inside, as small alphas underflow float32."""
    draws = tf.random.stateless_gamma([2], seed, tf.constant(alpha, tf.float64), dtype=tf.float64)
    return tf.cast(tf.math.divide_no_nan(draws[0], draws[0] + draws[1]), tf.float32)


def _or_whole(share: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.random.stateless_uniform([], seed) < probability, share, 1.0)


def _partners(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.argsort(tf.random.stateless_uniform([tf.shape(images)[0]], seed))


def _signs(shape: list, seed: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.random.stateless_uniform(shape, seed) < 0.5, -1.0, 1.0)
