"""How alike two images are once one is laid on the other: two numbers, and the score made of them."""

import numpy as np

from cifar102.dedup.kernels import blocks, in_threads, kernel

SIDE = 32
PAIR_BLOCK = 256
WINDOW = 7
PLACES = SIDE - WINDOW + 1
NOISE = 4.0  # grey levels squared added to covariances and variances
LOWEST, HIGHEST = -0.5, 0.998  # of the two numbers before they are turned into scores
FEW_WINDOWS = 60
STRUCTURE = 16.0  # variance from which a window of one of the images shows something
MOSTLY_FLAT = 0.25  # share of such windows below which the others do not count
WORST = 0.2  # share of the windows that the trimmed numbers leave out


def likenesses(
    queries: np.ndarray, references: np.ndarray, first: np.ndarray, second: np.ndarray, fits: np.ndarray
) -> np.ndarray:
    """Compare registered pairs: float32 (p, 3), lncc, hpw, and lncc without the worst fifth of the windows.

    queries, references: grey uint8 (n, 32, 32), (m, 32, 32); first, second: int64 (p,), rows of them; fits: float32
    (p, 8), of registration.register_pairs. -1 where fewer than FEW_WINDOWS windows overlap or none shows anything.
    In an image that is mostly flat only the windows that show something count.
    """
    found = np.empty((len(first), 3), np.float32)

    def work(block: slice) -> None:
        compare_each(queries, references, first[block], second[block], fits[block], found[block])

    in_threads(work, blocks(len(first), PAIR_BLOCK))
    return found


@kernel
def compare_each(
    queries: np.ndarray,
    references: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    fits: np.ndarray,
    out: np.ndarray,
) -> None:
    """The inner loop of likenesses."""
    for p in range(first.size):
        likeness(queries[first[p]], references[second[p]], fits[p], out[p])


@kernel
def cubic(t: float) -> tuple[float, float, float, float]:
    """Weights of the four neighbours at t, 0 to 1, between the middle two (Keys 1981, a = -1/2)."""
    a = ((-0.5 * t + 1) * t - 0.5) * t
    b = (1.5 * t - 2.5) * t * t + 1
    c = ((-1.5 * t + 2) * t + 0.5) * t
    return a, b, c, 1 - a - b - c


@kernel
def lay_over(image: np.ndarray, fit: np.ndarray, out: np.ndarray, inside: np.ndarray) -> None:
    """Sample grey, float32 (32, 32), at the places of a fit, with its gain and offset, by cubic interpolation."""
    middle = np.float32(SIDE - 1) / 2
    for i in range(SIDE):
        for j in range(SIDE):
            v, u = i - middle, j - middle
            y = fit[0] * v + fit[1] * u + fit[4] + middle
            x = fit[2] * v + fit[3] * u + fit[5] + middle
            inside[i, j] = y > -0.6 and x > -0.6 and y < SIDE - 0.4 and x < SIDE - 0.4
            y, x = min(max(y, np.float32(0)), np.float32(SIDE - 1)), min(max(x, np.float32(0)), np.float32(SIDE - 1))
            top, left = min(int(y), SIDE - 2), min(int(x), SIDE - 2)
            across, down = cubic(x - left), cubic(y - top)
            total = np.float32(0)
            for a in range(4):
                row = image[min(max(top + a - 1, 0), SIDE - 1)]
                value = np.float32(0)
                for b in range(4):
                    value += across[b] * row[min(max(left + b - 1, 0), SIDE - 1)]
                total += down[a] * value
            out[i, j] = fit[6] * total + fit[7]


@kernel
def window_likeness(query: np.ndarray, laid: np.ndarray, inside: np.ndarray, values: np.ndarray) -> tuple[int, int]:
    """Write the local correlation of each 7 x 7 window that lies inside into values, float32 (676,).

    Returns how many there are, and how many of them show something; these come first.
    """
    shows, count, area = 0, 0, np.float32(WINDOW * WINDOW)
    columns, sums = np.empty((6, SIDE), np.float32), np.empty((6, PLACES), np.float32)
    for top in range(PLACES):
        columns[:] = 0
        for i in range(top, top + WINDOW):
            add_row(query[i], laid[i], inside[i], columns)
        sums[:] = 0
        for k in range(6):
            for j in range(WINDOW):
                row, total = columns[k, j : j + PLACES], sums[k]
                for left in range(PLACES):
                    total[left] += row[left]
        for left in range(PLACES):
            if sums[5, left] < area:
                continue
            a, b = sums[0, left], sums[1, left]
            first = max(sums[2, left] - a * a / area, np.float32(0)) / area
            second = max(sums[3, left] - b * b / area, np.float32(0)) / area
            both = (sums[4, left] - a * b / area) / area
            value = (both + NOISE) / np.sqrt((first + NOISE) * (second + NOISE))
            if max(first, second) >= STRUCTURE:
                values[count] = values[shows]
                values[shows] = value
                shows += 1
            else:
                values[count] = value
            count += 1
    return count, shows


@kernel
def add_row(query: np.ndarray, laid: np.ndarray, inside: np.ndarray, columns: np.ndarray) -> None:
    """Add one row of both images to the sums of each column: a, b, aa, bb, ab, and how many lie inside."""
    first, second, third, fourth, fifth, sixth = columns
    for j in range(SIDE):
        a, b = query[j] - np.float32(128), laid[j] - np.float32(128)
        first[j] += a
        second[j] += b
        third[j] += a * a
        fourth[j] += b * b
        fifth[j] += a * b
        sixth[j] += inside[j]


@kernel
def high_pass(image: np.ndarray, whole: np.ndarray, out: np.ndarray) -> float:
    """Write an image less its 3 x 3 means into out, times `whole`; returns the root of their mean square."""
    total, count = np.float32(0), np.float32(0)
    for i in range(1, SIDE - 1):
        above, here, below, line, marks = image[i - 1], image[i], image[i + 1], out[i], whole[i]
        for j in range(1, SIDE - 1):
            around = above[j - 1] + above[j] + above[j + 1] + here[j - 1] + here[j + 1]
            around += below[j - 1] + below[j] + below[j + 1]
            value = marks[j] * (here[j] - (around + here[j]) / 9)
            line[j] = value
            total += value * value
            count += marks[j]
    return np.sqrt(total / max(count, np.float32(1)))


@kernel
def surrounded(inside: np.ndarray, whole: np.ndarray) -> None:
    """Mark the pixels whose eight neighbours lie inside as well: 1 or 0, float32 (32, 32)."""
    whole[:] = 0
    for i in range(1, SIDE - 1):
        for j in range(1, SIDE - 1):
            whole[i, j] = inside[i - 1 : i + 2, j - 1 : j + 2].min()


@kernel
def fine_likeness(query: np.ndarray, laid: np.ndarray, whole: np.ndarray) -> float:
    """The cosine of both images' finest details, large ones squashed: h / (|h| + rms(h) + .5)."""
    first, second = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)
    rough = high_pass(query, whole, first) + np.float32(0.5)
    other = high_pass(laid, whole, second) + np.float32(0.5)
    ab, aa, bb = np.float32(0), np.float32(0), np.float32(0)
    for i in range(1, SIDE - 1):
        left, right = first[i], second[i]
        for j in range(SIDE):
            a = left[j] / (abs(left[j]) + rough)
            b = right[j] / (abs(right[j]) + other)
            ab += a * b
            aa += a * a
            bb += b * b
    return ab / np.sqrt(max(aa * bb, np.float32(1e-12)))


@kernel
def likeness(query: np.ndarray, reference: np.ndarray, fit: np.ndarray, out: np.ndarray) -> None:
    """Write lncc, hpw and lncc without the worst fifth of the windows into out, float32 (3,)."""
    laid, inside, whole = np.empty((3, SIDE, SIDE), np.float32)
    values, grey = np.empty(PLACES * PLACES, np.float32), query.astype(np.float32)
    lay_over(reference.astype(np.float32), fit, laid, inside)
    count, shows = window_likeness(grey, laid, inside, values)
    if count < FEW_WINDOWS:
        out[:] = -1
        return
    if shows < MOSTLY_FLAT * count:  # flat windows are alike in all pictures
        count = shows
        if count == 0:
            out[:] = -1
            return
    found = np.sort(values[:count])
    surrounded(inside, whole)
    out[0], out[1] = found.mean(), fine_likeness(grey, laid, whole)
    out[2] = found[int(WORST * count) :].mean()
