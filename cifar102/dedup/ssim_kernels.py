"""Compiled structural similarity of grey 32 x 32 images, on rows laid end to end.

In a flat image a shift is an offset and a window seven column sums: every loop is long, without cases, and fills
the vector units; windows that would wrap around a row's end are computed too and left out of the mean. All window sums
are whole numbers (int32), so that identical images have exactly 1. With S the sum over a window of 49 pixels,
49 S_xx - S_x^2 is 49 * 48 times the sample variance.
"""

import numpy as np

from cifar102.dedup.kernels import kernel

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
def luma(pixels: np.ndarray, values: np.ndarray) -> None:
    """Write (299 R + 587 G + 114 B + 500) // 1000 of uint8 (n, 3072), RGB pixel by pixel, into uint8 (n, 1024)."""
    for i in range(values.shape[0]):
        row, out = pixels[i], values[i]
        for k in range(PIXELS):
            red, green, blue = np.uint32(row[3 * k]), np.uint32(row[3 * k + 1]), np.uint32(row[3 * k + 2])
            weighted = np.uint32(np.uint32(299) * red + np.uint32(587) * green + np.uint32(114) * blue + np.uint32(500))
            out[k] = np.uint8(np.uint32(weighted // np.uint32(1000)))


@kernel
def column_sums(values: np.ndarray, sums: np.ndarray) -> None:
    """Sum up seven values below each other: sums[k] = values[k] + values[k + 32] + ... + values[k + 192]."""
    for k in range(SIDE):
        sums[k] = 0
        for row in range(WINDOW):
            sums[k] += values[k + row * SIDE]
    for k in range(sums.size - SIDE):
        sums[k + SIDE] = np.int32(sums[k] + np.int32(values[k + WINDOW * SIDE] - values[k]))


@kernel
def seven(values: np.ndarray, k: int) -> int:
    """Sum up the seven values from k on: of column sums, the sum over the window whose first pixel is k."""
    return np.int32(
        values[k] + values[k + 1] + values[k + 2] + values[k + 3] + values[k + 4] + values[k + 5] + values[k + 6]
    )


@kernel
def prepare(image: np.ndarray, room: int, flat: np.ndarray, moments: np.ndarray, scratch: np.ndarray) -> None:
    """Lay out one image and sum up its windows.

    image: uint8 (1024,); flat: int32 (1024 + 2 room,), the pixels from room on; moments: int32 (3, 1024 + 2 room) for
    S, S^2 and 49 S_xx - S^2 of the window that starts at this pixel; scratch: int32 (2, 1024 + 2 room).
    """
    pixels, size = flat[room : room + PIXELS], PLACES * SIDE
    for k in range(PIXELS):
        pixels[k] = np.int32(image[k])
    squares, columns = scratch[0, :PIXELS], scratch[1]
    sums, squared = moments[0, room : room + size], moments[1, room : room + size]
    variances = moments[2, room : room + size]
    column_sums(pixels, columns[:size])
    for k in range(size):
        sums[k] = seven(columns, k)
        squared[k] = np.int32(sums[k] * sums[k])
    for k in range(PIXELS):
        squares[k] = np.int32(pixels[k] * pixels[k])
    column_sums(squares, columns[:size])
    for k in range(size):
        variances[k] = np.int32(np.int32(AREA * seven(columns, k)) - squared[k])


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
    rows, width = PLACES - abs(row), PLACES - abs(column)
    first, second = room + SIDE * max(0, row), room + SIDE * max(0, -row) - column
    size = (rows + WINDOW - 1) * SIDE
    a, b, products, columns = x[first : first + size], y[second : second + size], scratch[0, :size], scratch[1]
    for k in range(size):
        products[k] = np.int32(a[k] * b[k])
    column_sums(products, columns[: rows * SIDE])
    end, other = first + rows * SIDE, second + rows * SIDE
    window_quotients(
        columns,
        (x_moments[0, first:end], x_moments[1, first:end], x_moments[2, first:end]),
        (y_moments[0, second:other], y_moments[1, second:other], y_moments[2, second:other]),
        quotients[: rows * SIDE],
    )
    sum_rows(quotients, rows)
    begin = max(0, column)
    total, line = 0.0, quotients[begin : begin + width]
    for j in range(width):
        total += np.float64(line[j])
    return total / ((PLACES - abs(row)) * width)


@kernel
def window_quotients(columns: np.ndarray, x: tuple, y: tuple, quotients: np.ndarray) -> None:
    """SSIM of each window, from column sums of the products and the moments (S, S^2, 49 S_xx - S^2) of both images."""
    (sums, squared, variances), (other_sums, other_squared, other_variances) = x, y
    for k in range(quotients.size):
        means = np.int32(sums[k] * other_sums[k])
        covariance = np.int32(np.int32(AREA * seven(columns, k)) - means)
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
def plain_ssim(a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray, values: np.ndarray) -> None:
    """SSIM of pairs of images as they lie, at half the cost of `best_of_shifts` with one shift.

    a, b: uint8 (n, 1024), (m, 1024); first, second: row numbers (p,) in them; values: float64 (p,), filled in. Both
    images' sums run in one number, the second's 16 bits higher: a window's sum of at most 49 * 255 fits below.
    """
    both, squares = np.zeros(PIXELS, np.int32), np.zeros(PIXELS, np.int32)
    products, quotients = np.zeros(PIXELS, np.int32), np.zeros(PLACES * SIDE, np.float32)
    columns = np.zeros((3, PLACES * SIDE + ROOM), np.int32)
    for p in range(first.size):
        x, y = a[first[p]], b[second[p]]
        for k in range(PIXELS):
            u, v = np.int32(x[k]), np.int32(y[k])
            both[k] = np.int32(u + np.int32(v << 16))
            squares[k] = np.int32(np.int32(u * u) + np.int32(v * v))
            products[k] = np.int32(u * v)
        column_sums(both, columns[0, : PLACES * SIDE])
        column_sums(squares, columns[1, : PLACES * SIDE])
        column_sums(products, columns[2, : PLACES * SIDE])
        packed_quotients(columns[0], columns[1], columns[2], quotients)
        sum_rows(quotients, PLACES)
        total = 0.0
        for column in range(PLACES):
            total += np.float64(quotients[column])
        values[p] = total / (PLACES * PLACES)


@kernel
def packed_quotients(both: np.ndarray, squares: np.ndarray, products: np.ndarray, quotients: np.ndarray) -> None:
    """SSIM of each window from column sums of x + 2^16 y, x^2 + y^2 and x y."""
    for k in range(quotients.size):
        packed = seven(both, k)
        s, t = np.int32(packed & 65535), np.int32(packed >> 16)
        means, squared = np.int32(s * t), np.int32(np.int32(s * s) + np.int32(t * t))
        covariance = np.int32(np.int32(AREA * seven(products, k)) - means)
        spread = np.int32(np.int32(AREA * seven(squares, k)) - squared)
        above = (np.float32(np.int32(2 * means)) + C1) * (np.float32(np.int32(2 * covariance)) + C2)
        quotients[k] = above / ((np.float32(squared) + C1) * (np.float32(spread) + C2))


@kernel
def sum_rows(quotients: np.ndarray, rows: int) -> None:
    """Add up rows of 32 numbers into the first, in pairs: the shortest sums, and in float32 as exact as need be."""
    while rows > 1:
        half = rows // 2
        upper, lower = quotients[: half * SIDE], quotients[(rows - half) * SIDE : rows * SIDE]
        for k in range(half * SIDE):
            upper[k] += lower[k]
        rows -= half


@kernel
def sequence_ssim(a: np.ndarray, b: np.ndarray, values: np.ndarray) -> None:
    """SSIM of sequences with windows of seven: a, b uint8 (n, d); values float64 (n,), filled in."""
    size = a.shape[1] - WINDOW + 1
    x, y = np.empty((2, a.shape[1]), np.int32), np.empty((3, a.shape[1]), np.int32)
    scale = np.float32(WINDOW * WINDOW / (AREA * AREA))
    c1, c2 = C1 * scale, C2 * np.float32(WINDOW * (WINDOW - 1) / (AREA * (AREA - 1)))
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            p, q = np.int32(a[i, k]), np.int32(b[i, k])
            x[0, k], x[1, k] = p, np.int32(p * p)
            y[0, k], y[1, k], y[2, k] = q, np.int32(q * q), np.int32(p * q)
        total = 0.0
        for k in range(size):
            s, t = seven(x[0], k), seven(y[0], k)
            means, squares = np.int32(s * t), np.int32(np.int32(s * s) + np.int32(t * t))
            covariance = np.int32(np.int32(WINDOW * seven(y[2], k)) - means)
            spread = np.int32(np.int32(WINDOW * np.int32(seven(x[1], k) + seven(y[1], k))) - squares)
            above = (np.float32(np.int32(2 * means)) + c1) * (np.float32(np.int32(2 * covariance)) + c2)
            total += np.float64(above / ((np.float32(squares) + c1) * (np.float32(spread) + c2)))
        values[i] = total / size
