"""Pillow's image operations for whole batches of uint8 images, each image with its own operation, level and sign."""

import math

import tensorflow as tf

from cifar102.training import geometry

MOVES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
VALUES = ("AutoContrast", "Invert", "Solarize", "Posterize", "Contrast", "Brightness")
NAMES = ("Identity", *MOVES, *VALUES, "Equalize", "Color", "Sharpness")
KINDS = (0, *(1 for _ in MOVES), *(2 for _ in VALUES), 3, 4, 5)  # of each of NAMES: what is computed together
NUM_KINDS = 6
GREY = 128
TRANSLATION = 150 / 331  # of the width: the range was set on 331-pixel ImageNet crops


def apply(images: tf.Tensor, operation: tf.Tensor, level: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Apply to each image its operation: uint8 (n, h, w, 3) in and out.

    operation: int32 (n,), index into NAMES. level: float32 (n,), 0-1 of the operation's range. sign: float32 (n,), -1
    or 1, for moves and for the four enhancements (colour, contrast, brightness, sharpness by 1 + sign * .9 * level).
    """
    kind = tf.gather(tf.constant(KINDS), operation)
    parts = tf.dynamic_partition(tf.range(tf.shape(images)[0]), kind, NUM_KINDS)
    batches = [tf.gather(images, rows) for rows in parts]
    which, strength, signs = ([tf.gather(vector, rows) for rows in parts] for vector in (operation, level, sign))
    factor = [1 + 0.9 * strength[k] * signs[k] for k in range(NUM_KINDS)]
    changed = [
        batches[0],
        _move(batches[1], which[1], strength[1] * signs[1]),
        _remap(batches[2], which[2], strength[2], factor[2]),
        _equalize(batches[3]),
        _blend(tf.repeat(_grey(batches[4]), 3, axis=3), batches[4], factor[4]),
        _blend(_smooth(batches[5]), batches[5], factor[5]),
    ]
    return tf.ensure_shape(tf.dynamic_stitch(parts, changed), images.shape)


def as_uint8(images: tf.Tensor) -> tf.Tensor:
    """Round pixels 0-255 of another dtype to uint8."""
    if images.dtype == tf.uint8:
        return images
    return tf.cast(tf.round(tf.clip_by_value(images, 0, 255)), tf.uint8)


def _is(name: str, which: tf.Tensor) -> tf.Tensor:
    return which == NAMES.index(name)


def _move(images: tf.Tensor, which: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Shear to .3 from the corner, translate to 150/331 of the width, rotate to 30 degrees around the middle."""
    size, zero = images.shape[1], tf.zeros_like(amount)
    angle = amount * math.radians(30)
    turned = geometry.centred(tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle), size)
    shift = tf.round(amount * (TRANSLATION * size))

    def of(name: str, value: tf.Tensor) -> tf.Tensor:
        return tf.where(_is(name, which), value, zero)

    other = geometry.coefficients(
        1.0,
        of("ShearX", amount * 0.3),
        of("TranslateX", shift),
        of("ShearY", amount * 0.3),
        1.0,
        of("TranslateY", shift),
    )
    rotates = _is("Rotate", which)
    return geometry.pick(images, [tf.where(rotates, *both) for both in zip(turned, other, strict=True)], GREY)


def _remap(images: tf.Tensor, which: tf.Tensor, level: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Change values alone: stretch, then keep the upper bits, then invert what is at or above a threshold. uint8."""
    rows = tf.reshape(tf.cast(images, tf.float32), [tf.shape(images)[0], images.shape[1], -1])
    low, high = tf.reduce_min(images, axis=[1, 2]), tf.reduce_max(images, axis=[1, 2])
    low, width = tf.cast(low, tf.float32), tf.cast(high, tf.float32) - tf.cast(low, tf.float32)
    stretches = _is("AutoContrast", which)[:, tf.newaxis] & (width > 0)
    mean = tf.where(_is("Contrast", which), tf.floor(tf.reduce_mean(_grey(images), axis=[1, 2, 3]) + 0.5), 0.0)
    mean = tf.repeat(mean[:, tf.newaxis], 3, axis=1)
    enhanced = tf.where(_is("Contrast", which) | _is("Brightness", which), factor, 1.0)[:, tf.newaxis]
    slope = tf.where(stretches, 255 / tf.maximum(width, 1), enhanced)
    from_value, to_value = tf.where(stretches, low, mean), tf.where(stretches, 0.0, mean)
    bits = tf.where(_is("Posterize", which), tf.pow(2.0, tf.round(4 * level)), 1.0)
    threshold = tf.where(_is("Solarize", which), 255 - tf.round(255 * level), 256.0)
    threshold = tf.where(_is("Invert", which), 0.0, threshold)

    def wide(values: tf.Tensor) -> tf.Tensor:
        return tf.tile(tf.expand_dims(values, 1), [1, 1, images.shape[2]])

    # float32 may fall short of a whole number by 1e-5, which floor would make a whole level
    values = tf.floor((rows - wide(from_value)) * wide(slope) + wide(to_value + 1e-4))
    values, bits = tf.clip_by_value(values, 0, 255), tf.reshape(bits, [-1, 1, 1])
    values = tf.floor(values / bits) * bits
    values = tf.where(values < tf.reshape(threshold, [-1, 1, 1]), values, 255 - values)
    return tf.reshape(tf.cast(values, tf.uint8), tf.shape(images))


def _equalize(images: tf.Tensor) -> tf.Tensor:
    """Spread the values of each channel evenly (ImageOps.equalize); a channel where the step is 0 stays. uint8."""
    num, old = tf.shape(images)[0], tf.range(256, dtype=tf.float32)
    bins = tf.reshape(tf.range(num * 3) * 256, [num, 1, 1, 3]) + tf.cast(images, tf.int32)
    counts = tf.math.bincount(tf.reshape(bins, [-1]), minlength=num * 768, maxlength=num * 768, dtype=tf.float32)
    counts = tf.reshape(counts, [num, 3, 256])
    last = tf.reduce_max(tf.where(counts > 0, old, 0.0), axis=2, keepdims=True)
    last_count = tf.reduce_sum(tf.where(old == last, counts, 0.0), axis=2, keepdims=True)
    step = tf.floor((tf.reduce_sum(counts, axis=2, keepdims=True) - last_count) / 255)
    spread = tf.floor((tf.cumsum(counts, axis=2, exclusive=True) + tf.floor(step / 2)) / tf.maximum(step, 1))
    table = tf.where(step > 0, tf.clip_by_value(spread, 0, 255), old)
    return tf.reshape(tf.gather(tf.cast(tf.reshape(table, [-1]), tf.uint8), bins), tf.shape(images))


def _grey(images: tf.Tensor) -> tf.Tensor:
    """Luma of each pixel as Pillow's "L": float32 (n, h, w, 1), whole numbers."""
    weights = tf.constant(
        [19595.0, 38470.0, 7471.0]
    )  # of 65536, Pillow's L = (R 19595 + G 38470 + B 7471 + 32768) >> 16
    luma = tf.reduce_sum(tf.cast(images, tf.float32) * weights, axis=3, keepdims=True)
    return tf.floor((luma + 32768) / 65536)


def _smooth(images: tf.Tensor) -> tf.Tensor:
    """Pillow's SMOOTH filter: 3x3, the middle 5 of 13, the rest 1 each; the edge pixels stay. float32."""
    x = tf.cast(images, tf.float32)
    columns = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    total = columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:] + 4 * x[:, 1:-1, 1:-1]
    inner = tf.floor(total / 13 + 0.5)
    middle = tf.concat([x[:, 1:-1, :1], inner, x[:, 1:-1, -1:]], axis=2)
    return tf.concat([x[:, :1], middle, x[:, -1:]], axis=1)


def _blend(degenerate: tf.Tensor, images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Image.blend: degenerate + (image - degenerate) * factor, clipped, whole values. uint8."""
    factor = factor[:, tf.newaxis, tf.newaxis, tf.newaxis]
    mixed = degenerate + (tf.cast(images, tf.float32) - degenerate) * factor
    return tf.cast(tf.floor(tf.clip_by_value(mixed, 0, 255)), tf.uint8)
