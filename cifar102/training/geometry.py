"""Moves of whole batches of square images, uint8 or float32, each image by its own linear map.

Coefficients (a0, a1, a2, b0, b1, b2), float32 (n,) each: output point (x, y) is taken from input point
(a0 x + a1 y + a2, b0 x + b1 y + b2), x to the right, y down, in pixels from the top left corner, so that the middle
of the first pixel is (.5, .5), as in Pillow.
"""

import tensorflow as tf

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
