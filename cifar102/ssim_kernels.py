"""Compiled structural similarity of grey 32 x 32 images, on rows laid end to end.

In a flat image a shift is an offset and a window a sum of strips, so that every loop is long, without cases, and fills
the vector units; windows that would wrap around a row's end are computed too and left out of the mean. All window sums
are whole numbers (int32), so that identical images have exactly 1. With S the sum over a window of 49 pixels,
49 S_xx - S_x^2 is 49 * 48 times the sample variance.
"""

import numpy as np

from cifar102.kernels import kernel

SIDE = 32
PIXELS = SIDE * SIDE
WINDOW = 7
PLACES = SIDE - WINDOW + 1
AREA = WINDOW * WINDOW
ROOM = 8  # beyond both ends of a flat image: more than a window's width
# scikit-image's constants (0.01 L)^2, (0.03 L)^2 for a data range L of 255, in the units of the whole numbers.
C1 = np.float32((0.01 * 255) ** 2 * AREA * AREA)
C2 = np.float32((0.03 * 255) ** 2 * AREA * (AREA - 1))


@kernel
def strip_sums(values: np.ndarray, strips: np.ndarray) -> None:
    """Sum up the seven values from each on: strips[k] = values[k] + ... + values[k + 6]."""
    for k in range(strips.size):
        strips[k] = np.int32(
            values[k] + values[k + 1] + values[k + 2] + values[k + 3] + values[k + 4] + values[k + 5] + values[k + 6]
        )


@kernel
def window_sum(strips: np.ndarray, k: int) -> int:
    """Sum up the strips of seven rows: the sum over the window whose first pixel is k."""
    return np.int32(
        strips[k]
        + strips[k + 32]
        + strips[k + 64]
        + strips[k + 96]
        + strips[k + 128]
        + strips[k + 160]
        + strips[k + 192]
    )


@kernel
def prepare(image: np.ndarray, room: int, flat: np.ndarray, moments: np.ndarray, scratch: np.ndarray) -> None:
    """Lay out one image and sum up its windows.

    image: uint8 (1024,); flat: int32 (1024 + 2 room,), the pixels from room on; moments: int32 (3, 1024 + 2 room) for
    S, S^2 and 49 S_xx - S^2 of the window that starts at this pixel; scratch: int32 (2, 1024 + 2 room).
    """
    pixels = flat[room : room + PIXELS]
    for k in range(PIXELS):
        pixels[k] = np.int32(image[k])
    squares, strips = scratch[0], scratch[1, :PIXELS]
    sums = moments[0, room : room + PLACES * SIDE]
    squared = moments[1, room : room + PLACES * SIDE]
    variances = moments[2, room : room + PLACES * SIDE]
    strip_sums(flat[room:], strips)
    for k in range(PLACES * SIDE):
        sums[k] = window_sum(strips, k)
        squared[k] = np.int32(sums[k] * sums[k])
    for k in range(flat.size - room):
        squares[k] = np.int32(flat[room + k] * flat[room + k])
    strip_sums(squares, strips)
    for k in range(PLACES * SIDE):
        variances[k] = np.int32(np.int32(AREA * window_sum(strips, k)) - squared[k])


@kernel
def shifted_ssim(
    x: np.ndarray,
    x_moments: np.ndarray,
    y: np.ndarray,
    y_moments: np.ndarray,
    room: int,
    row: int,
    column: int,
    scratch: np.ndarray,
    quotients: np.ndarray,
) -> float:
    """Mean SSIM of image x with y moved down by `row` and right by `column`, over the windows of the overlap.

    x, y and their moments: as `prepare` leaves them; scratch: int32 (2, 1024 + 2 room); quotients: float32 (832,).
    """
    rows, columns = PLACES - abs(row), PLACES - abs(column)
    first, second = room + SIDE * max(0, row), room + SIDE * max(0, -row) - column
    size = (rows + WINDOW - 1) * SIDE
    a, b = x[first : first + size + WINDOW], y[second : second + size + WINDOW]
    products, strips = scratch[0, : size + WINDOW], scratch[1, :size]
    for k in range(size + WINDOW):
        products[k] = np.int32(a[k] * b[k])
    strip_sums(products, strips)
    end, other = first + rows * SIDE, second + rows * SIDE
    window_quotients(
        strips,
        (x_moments[0, first:end], x_moments[1, first:end], x_moments[2, first:end]),
        (y_moments[0, second:other], y_moments[1, second:other], y_moments[2, second:other]),
        quotients[: rows * SIDE],
    )
    total, begin = 0.0, max(0, column)
    for i in range(rows):
        part = quotients[i * SIDE + begin : i * SIDE + begin + columns]
        for j in range(columns):
            total += np.float64(part[j])
    return total / (rows * columns)


@kernel
def window_quotients(strips: np.ndarray, x: tuple, y: tuple, quotients: np.ndarray) -> None:
    """SSIM of each window from the strips of the products and the moments (S, S^2, 49 S_xx - S^2) of both images."""
    (sums, squared, variances), (other_sums, other_squared, other_variances) = x, y
    for k in range(quotients.size):
        means = np.int32(sums[k] * other_sums[k])
        covariance = np.int32(np.int32(AREA * window_sum(strips, k)) - means)
        above = (np.float32(np.int32(2 * means)) + C1) * (np.float32(np.int32(2 * covariance)) + C2)
        spread = np.float32(np.int32(variances[k] + other_variances[k])) + C2
        quotients[k] = above / ((np.float32(np.int32(squared[k] + other_squared[k])) + C1) * spread)


@kernel
def best_of_shifts(
    a: np.ndarray,
    b: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    shifts: np.ndarray,
    values: np.ndarray,
    best: np.ndarray,
) -> None:
    """Highest SSIM over shifts for pairs of images.

    a, b: uint8 (n, 1024), (m, 1024); first, second: row numbers (p,) in them, equal numbers of `first` next to each
    other save work; shifts: int64 (s, 2), the earlier wins a tie; values: float64 (p,), best: int64 (p,), filled in.
    """
    room = ROOM + np.abs(shifts).max()
    length = PIXELS + 2 * room
    flat, moments = np.zeros((2, length), np.int32), np.zeros((2, 3, length), np.int32)
    scratch, quotients = np.zeros((2, length), np.int32), np.zeros(PLACES * SIDE, np.float32)
    last = -1
    for p in range(first.size):
        for side in range(int(first[p] == last), 2):  # one call: each is compiled into this loop
            prepare(b[second[p]] if side else a[first[p]], room, flat[side], moments[side], scratch)
        last = first[p]
        values[p] = -np.inf
        for s in range(len(shifts)):
            value = shifted_ssim(
                flat[0], moments[0], flat[1], moments[1], room, shifts[s, 0], shifts[s, 1], scratch, quotients
            )
            if value > values[p]:
                values[p], best[p] = value, s


@kernel
def sequence_ssim(a: np.ndarray, b: np.ndarray, values: np.ndarray) -> None:
    """SSIM of sequences with windows of seven: a, b uint8 (n, d); values float64 (n,), filled in."""
    size = a.shape[1] - WINDOW + 1
    x, y = np.empty((2, a.shape[1]), np.int32), np.empty((3, a.shape[1]), np.int32)
    sums = np.empty((5, size), np.int32)
    scale = np.float32(WINDOW * WINDOW / (AREA * AREA))
    c1, c2 = C1 * scale, C2 * np.float32(WINDOW * (WINDOW - 1) / (AREA * (AREA - 1)))
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            p, q = np.int32(a[i, k]), np.int32(b[i, k])
            x[0, k], x[1, k] = p, np.int32(p * p)
            y[0, k], y[1, k], y[2, k] = q, np.int32(q * q), np.int32(p * q)
        strip_sums(x[0], sums[0])
        strip_sums(x[1], sums[1])
        strip_sums(y[0], sums[2])
        strip_sums(y[1], sums[3])
        strip_sums(y[2], sums[4])
        total = 0.0
        for k in range(size):
            s, t = sums[0, k], sums[2, k]
            means, squares = np.int32(s * t), np.int32(np.int32(s * s) + np.int32(t * t))
            covariance = np.int32(np.int32(WINDOW * sums[4, k]) - means)
            spread = np.int32(np.int32(WINDOW * np.int32(sums[1, k] + sums[3, k])) - squares)
            above = (np.float32(np.int32(2 * means)) + c1) * (np.float32(np.int32(2 * covariance)) + c2)
            total += np.float64(above / ((np.float32(squares) + c1) * (np.float32(spread) + c2)))
        values[i] = total / size
