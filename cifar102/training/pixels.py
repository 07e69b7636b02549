"""Operations on pixels for whole batches: Pillow's image operations, and moves of square images by linear maps."""

import math

import tensorflow as tf

MOVES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
VALUES = ("AutoContrast", "Invert", "Solarize", "Posterize", "Contrast", "Brightness")
NAMES = ("Identity", *MOVES, *VALUES, "Equalize", "Color", "Sharpness")
KINDS = (0, *(1 for _ in MOVES), *(2 for _ in VALUES), 3, 4, 5)  # of each of NAMES: what is computed together
NUM_KINDS = 6
GREY = 128  # what stands where an image has no pixel, as in AutoAugment's code
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
    turned = centred(tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle), size)
    shift = tf.round(amount * (TRANSLATION * size))

    def of(name: str, value: tf.Tensor) -> tf.Tensor:
        return tf.where(_is(name, which), value, zero)

    other = coefficients(
        1.0,
        of("ShearX", amount * 0.3),
        of("TranslateX", shift),
        of("ShearY", amount * 0.3),
        1.0,
        of("TranslateY", shift),
    )
    rotates = _is("Rotate", which)
    return pick(images, [tf.where(rotates, *both) for both in zip(turned, other, strict=True)], GREY)


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


Coefficients = tuple[tf.Tensor, ...]


def coefficients(*values: object) -> Coefficients:
    """Make a0, a1, a2, b0, b1, b2, each a number or float32 (n,), to vectors; at least one is a vector."""
    like = tf.zeros_like(next(value for value in values if tf.is_tensor(value) and value.shape.rank == 1))
    return tuple(like + value for value in values)


def centred(a0: tf.Tensor, a1: tf.Tensor, b0: tf.Tensor, b1: tf.Tensor, size: int) -> Coefficients:
    """Coefficients of a linear map around the middle of an image of `size` pixels."""
    middle = size / 2
    return coefficients(a0, a1, middle - (a0 + a1) * middle, b0, b1, middle - (b0 + b1) * middle)


def pick(images: tf.Tensor, map_of: Coefficients, fill: float) -> tf.Tensor:
    """Take each pixel from the one its middle falls on, or `fill` where that is outside (Pillow's NEAREST).

    images: (n, h, h, 3). Three times as fast on a processor as TensorFlow's projective transform.
    """
    size = images.shape[1]
    line = tf.range(size, dtype=tf.float32) + 0.5
    a0, a1, a2, b0, b1, b2 = (tf.reshape(vector, [-1, 1, 1]) for vector in map_of)
    x, y = a0 * line + a1 * line[:, tf.newaxis] + a2, b0 * line + b1 * line[:, tf.newaxis] + b2
    column, row = (tf.cast(tf.clip_by_value(tf.floor(place), -1, size), tf.int32) + 1 for place in (x, y))
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=tf.cast(fill, images.dtype))
    starts = tf.reshape(tf.range(tf.shape(images)[0]) * (size + 2) ** 2, [-1, 1, 1])
    return tf.gather(tf.reshape(padded, [-1, images.shape[3]]), starts + row * (size + 2) + column)


def blend(images: tf.Tensor, map_of: Coefficients) -> tf.Tensor:
    """Take each pixel from the four around its middle, bilinear; edges are continued. Shapes as in `pick`."""
    a0, a1, a2, b0, b1, b2 = map_of
    zero = tf.zeros_like(a0)  # the operation counts from the middle of the first pixel
    shifted = [a0, a1, a2 + (a0 + a1 - 1) / 2, b0, b1, b2 + (b0 + b1 - 1) / 2, zero, zero]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(shifted, axis=1),
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(moved, images.shape)


def move(images: tf.Tensor, mirrored: tf.Tensor, down: tf.Tensor, right: tf.Tensor, fill: float) -> tf.Tensor:
    """Mirror the marked images, then move each by whole pixels, int32 (n,); what comes in from outside is `fill`."""
    right, down = tf.cast(right, tf.float32), tf.cast(down, tf.float32)
    step = tf.where(mirrored, -1.0, 1.0)
    start = tf.where(mirrored, float(images.shape[2]) + right, -right)
    return pick(images, coefficients(step, 0.0, start, 0.0, 1.0, -down), fill)


def rotate_shear_zoom(
    images: tf.Tensor, angle: tf.Tensor, shear: tf.Tensor, scale_x: tf.Tensor, scale_y: tf.Tensor
) -> tf.Tensor:
    """Turn by `angle`, shear by `shear` (radians), scale each axis around the middle; bilinear, edges continued."""
    a0, a1 = tf.cos(angle) * scale_x, -tf.sin(angle + shear) * scale_y
    b0, b1 = tf.sin(angle) * scale_x, tf.cos(angle + shear) * scale_y
    return blend(images, centred(a0, a1, b0, b1, images.shape[1]))


def box(size: int, top: tf.Tensor, left: tf.Tensor, height: object, width: object) -> tf.Tensor:
    """Mark the pixels of a box in each image: bool (n, size, size, 3); top and left int32 (n,), outside allowed."""
    line, three = tf.range(size)[tf.newaxis, :], tf.repeat(tf.range(size), 3)[tf.newaxis, :]
    top, left = tf.reshape(top, [-1, 1]), tf.reshape(left, [-1, 1])
    rows = (line >= top) & (line < top + height)
    columns = (three >= left) & (three < left + width)
    inside = tf.expand_dims(rows, 2) & tf.expand_dims(columns, 1)  # rows of 3 * size values: few, long broadcasts
    return tf.reshape(inside, [-1, size, size, 3])
