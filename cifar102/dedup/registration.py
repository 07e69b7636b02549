"""Laying one image onto another: moved, turned, zoomed, sheared, lighter or darker, until both agree best.

Two images of one photograph differ by how they were cut and scaled. An affine map of the reference, with a gain and an
offset of its grey levels, is fitted to the query by Gauss-Newton steps on smoothed images, first at half size. The step
takes the mean gradient of both images, which makes it right to the second order (efficient second-order minimization).
Source: Malis 2004, Improving vision-based control using efficient second-order minimization techniques.
"""

import numpy as np

from cifar102.dedup.kernels import blocks, in_threads, kernel

SIDE, HALF = 32, 16
SIZE = 8  # numbers fitted: 2 x 2 matrix, shift, gain, offset
PAIR_BLOCK = 256
HALF_STEPS, FULL_STEPS, ROBUST_STEPS = 5, 3, 2
AGREES = 0.8  # correlation after the steps at half size, below which the pair is given up
STILL = 0.03  # pixels: a smaller step ends the search
RIDGE = 0.003  # of the mean of a matrix number's squares, per pixel
SMALLEST, LARGEST, SHEAR, FARTHEST = 0.7, 1 / 0.7, 0.25, 8.0  # scale, shear, shift in pixels of what is believed
STRETCH = 1.7  # of one axis against the other: thumbnails were often made square by force
FEWEST = 0.3  # of the pixels that must overlap


def halves(images: np.ndarray) -> np.ndarray:
    """Smooth and halve grey images, uint8 (n, 32, 32): float32 (n, 16, 16)."""
    found = np.empty((len(images), HALF, HALF), np.float32)
    in_threads(lambda block: halve_each(images[block], found[block]), blocks(len(images), 1024))
    return found


def register_pairs(
    queries: np.ndarray, references: np.ndarray, first: np.ndarray, second: np.ndarray, fits: np.ndarray
) -> np.ndarray:
    """Lay the reference of each pair on its query; returns which pairs found a believable fit, bool (p,).

    queries, references: grey uint8 (n, 32, 32), (m, 32, 32); first, second: int64 (p,), rows of them. fits: float32
    (p, 8), where each registration starts, as gate.best_overlaps gives it, and where it ends: the matrix row by row,
    the shift in pixels (rows, columns), gain and offset of the grey levels. A pixel of the query, counted from the
    middle, lies at matrix @ pixel + shift of the reference.
    """
    found = np.zeros(len(first), np.bool_)

    def work(block: slice) -> None:
        register_each(queries, references, first[block], second[block], fits[block], found[block])

    in_threads(work, blocks(len(first), PAIR_BLOCK))
    return found


@kernel
def halve_each(images: np.ndarray, out: np.ndarray) -> None:
    """The inner loop of halves."""
    for n in range(images.shape[0]):
        halve(images[n], out[n])


@kernel
def register_each(
    queries: np.ndarray,
    references: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    fits: np.ndarray,
    found: np.ndarray,
) -> None:
    """The inner loop of register_pairs."""
    whole, halved = np.empty((2, SIDE, SIDE), np.float32), np.empty((2, HALF, HALF), np.float32)
    room = np.empty((SIDE * SIDE, SIZE + 1), np.float32)
    for p in range(first.size):
        halve(queries[first[p]], halved[0])
        halve(references[second[p]], halved[1])
        found[p] = coarsely_registered(halved[0], halved[1], fits[p], room)
        if found[p]:
            smooth(queries[first[p]], whole[0])
            smooth(references[second[p]], whole[1])
            found[p] = finely_registered(whole[0], whole[1], fits[p], room)


@kernel
def coarsely_registered(query: np.ndarray, reference: np.ndarray, fit: np.ndarray, room: np.ndarray) -> bool:
    """Improve a fit at half size; False where it leaves the limits or the images do not agree there."""
    return descend(query, reference, fit, HALF_STEPS, False, room) and agreement(query, reference, fit) >= AGREES


@kernel
def finely_registered(query: np.ndarray, reference: np.ndarray, fit: np.ndarray, room: np.ndarray) -> bool:
    """Improve a fit at full size, the last steps against outliers; False where it leaves the limits."""
    return descend(query, reference, fit, FULL_STEPS, False, room) and descend(
        query, reference, fit, ROBUST_STEPS, True, room
    )


@kernel
def smooth(image: np.ndarray, out: np.ndarray) -> None:
    """Write a grey image, (32, 32), smoothed by 1 4 6 4 1 both ways, the rim repeated, into out, float32 (32, 32)."""
    rows = np.empty((SIDE, SIDE), np.float32)
    for i in range(SIDE):
        a, b, c, d = max(0, i - 2), max(0, i - 1), min(SIDE - 1, i + 1), min(SIDE - 1, i + 2)
        for j in range(SIDE):
            outer = np.float32(image[a, j]) + np.float32(image[d, j])
            inner = np.float32(image[b, j]) + np.float32(image[c, j])
            rows[i, j] = (outer + 4 * inner + 6 * np.float32(image[i, j])) / 16
    for i in range(SIDE):
        for j in range(SIDE):
            a, b, c, d = max(0, j - 2), max(0, j - 1), min(SIDE - 1, j + 1), min(SIDE - 1, j + 2)
            out[i, j] = (rows[i, a] + rows[i, d] + 4 * (rows[i, b] + rows[i, c]) + 6 * rows[i, j]) / 16


TAPS = np.array([1, 5, 10, 10, 5, 1], np.float32) / 32


@kernel
def halve(image: np.ndarray, out: np.ndarray) -> None:
    """Write a grey image, (32, 32), smoothed and then averaged over 2 x 2, into out, float32 (16, 16)."""
    rows = np.empty((HALF, SIDE), np.float32)
    for i in range(HALF):
        for j in range(SIDE):
            total = np.float32(0)
            for t in range(6):
                total += TAPS[t] * np.float32(image[min(max(2 * i + t - 2, 0), SIDE - 1), j])
            rows[i, j] = total
    for i in range(HALF):
        for j in range(HALF):
            total = np.float32(0)
            for t in range(6):
                total += TAPS[t] * rows[i, min(max(2 * j + t - 2, 0), SIDE - 1)]
            out[i, j] = total


@kernel
def bilinear(image: np.ndarray, y: float, x: float) -> float:
    """The value between pixels, the rim repeated."""
    side = image.shape[0]
    y, x = min(max(y, np.float32(0)), np.float32(side - 1)), min(max(x, np.float32(0)), np.float32(side - 1))
    i, j = min(int(y), side - 2), min(int(x), side - 2)
    v, u = y - i, x - j
    top = image[i, j] + u * (image[i, j + 1] - image[i, j])
    bottom = image[i + 1, j] + u * (image[i + 1, j + 1] - image[i + 1, j])
    return top + v * (bottom - top)


@kernel
def warp(image: np.ndarray, fit: np.ndarray, scale: float, out: np.ndarray, inside: np.ndarray) -> int:
    """Sample an image at the places that a fit names; returns how many lie inside it.

    fit: matrix row by row (0 to 3), shift (4, 5) in pixels of the whole image, about the middle: place = matrix @
    (pixel - middle) + shift + middle, rows first. scale: pixels of the whole image to one of this one. inside: bool.
    """
    side = image.shape[0]
    middle = np.float32(side - 1) / 2
    count = 0
    for i in range(side):
        for j in range(side):
            v, u = i - middle, j - middle
            y = fit[0] * v + fit[1] * u + fit[4] / scale + middle
            x = fit[2] * v + fit[3] * u + fit[5] / scale + middle
            within = y > -0.6 and x > -0.6 and y < side - 0.4 and x < side - 0.4
            inside[i, j] = within
            count += within
            out[i, j] = bilinear(image, y, x)
    return count


@kernel
def solve(system: np.ndarray, right: np.ndarray) -> bool:
    """Solve a symmetric positive system in place by Cholesky's method, the answer in right; False where it is none."""
    n = right.size
    for i in range(n):
        for j in range(i + 1):
            total = system[i, j]
            for k in range(j):
                total -= system[i, k] * system[j, k]
            if i > j:
                system[i, j] = total / system[j, j]
            elif total <= 1e-9:
                return False
            else:
                system[i, i] = np.sqrt(total)
    for i in range(n):
        for k in range(i):
            right[i] -= system[i, k] * right[k]
        right[i] /= system[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= system[k, i] * right[k]
        right[i] /= system[i, i]
    return True


@kernel
def spread(query: np.ndarray, warped: np.ndarray, inside: np.ndarray, fit: np.ndarray) -> float:
    """A robust scale of what is left between query and warped reference: 1.5 times the mean absolute difference."""
    side, total, count = query.shape[0], np.float32(0), 0
    for i in range(side):
        for j in range(side):
            if inside[i, j]:
                total += abs(query[i, j] - fit[6] * warped[i, j] - fit[7])
                count += 1
    return 1.5 * total / max(count, 1) + 0.5


@kernel
def step(
    query: np.ndarray,
    warped: np.ndarray,
    inside: np.ndarray,
    fit: np.ndarray,
    width: float,
    rows: np.ndarray,
    change: np.ndarray,
) -> bool:
    """Write one Gauss-Newton step into change, float32 (8,); False where the pixels do not settle it.

    width: of the Cauchy weights, 0 for none. rows: room, float32 (n, 9).
    """
    side, gain, count = query.shape[0], fit[6], 0
    middle = np.float32(side - 1) / 2
    for i in range(1, side - 1):
        for j in range(1, side - 1):
            whole = inside[i, j] and inside[i - 1, j] and inside[i + 1, j] and inside[i, j - 1] and inside[i, j + 1]
            if not whole:
                continue
            left = query[i, j] - gain * warped[i, j] - fit[7]
            weight = np.float32(1)
            if width > 0:
                weight = 1 / np.sqrt(1 + (left / width) * (left / width))
            down = weight * (gain * (warped[i + 1, j] - warped[i - 1, j]) + query[i + 1, j] - query[i - 1, j]) / 4
            across = weight * (gain * (warped[i, j + 1] - warped[i, j - 1]) + query[i, j + 1] - query[i, j - 1]) / 4
            v, u, row = (i - middle) / middle, (j - middle) / middle, rows[count]
            row[0], row[1], row[2], row[3] = down * v, down * u, across * v, across * u
            row[4], row[5], row[6], row[7] = down, across, weight * warped[i, j] / 64, weight
            row[8] = weight * left
            count += 1
    used = rows[:count]
    sums = np.dot(used.T, used)
    change[:] = sums[8, :SIZE]
    system = sums[:SIZE, :SIZE].copy()
    ridge = RIDGE * (system[4, 4] + system[5, 5]) / 2
    for a in range(SIZE):
        system[a, a] += ridge if a < 4 else 1e-5 * (1 + system[a, a])
    return solve(system, change)


@kernel
def apply(fit: np.ndarray, change: np.ndarray, side: int, scale: float) -> float:
    """Compose a fit with a step of it; returns how far the step moves a corner, in pixels of this size."""
    middle = np.float32(side - 1) / 2
    a, b, c, d = 1 + change[0] / middle, change[1] / middle, change[2] / middle, 1 + change[3] / middle
    p, q, r, s = fit[0], fit[1], fit[2], fit[3]
    fit[4] += scale * (p * change[4] + q * change[5])
    fit[5] += scale * (r * change[4] + s * change[5])
    fit[0], fit[1], fit[2], fit[3] = p * a + q * c, p * b + q * d, r * a + s * c, r * b + s * d
    fit[6] += change[6] / 64
    fit[7] += change[7]
    return abs(change[0]) + abs(change[1]) + abs(change[2]) + abs(change[3]) + abs(change[4]) + abs(change[5])


@kernel
def believable(fit: np.ndarray) -> bool:
    """Whether a fit lies inside the limits of scale, shear, shift, and of a gain that is not negative."""
    area = fit[0] * fit[3] - fit[1] * fit[2]
    if not (SMALLEST * SMALLEST < area < LARGEST * LARGEST) or not 0.2 < fit[6] < 5:
        return False
    rows, columns = np.sqrt(fit[0] ** 2 + fit[2] ** 2), np.sqrt(fit[1] ** 2 + fit[3] ** 2)
    if not 1 / STRETCH < rows / columns < STRETCH:
        return False
    shear = abs(fit[0] * fit[1] + fit[2] * fit[3]) / (rows * columns)
    return shear < SHEAR and max(abs(fit[4]), abs(fit[5])) < FARTHEST


@kernel
def descend(
    query: np.ndarray, reference: np.ndarray, fit: np.ndarray, steps: int, robust: bool, room: np.ndarray
) -> bool:
    """Improve a fit by up to `steps` steps at one size; False where it leaves the limits. room: float32 (n, 9)."""
    side = query.shape[0]
    scale = np.float32(SIDE / side)
    warped, inside = np.empty((side, side), np.float32), np.empty((side, side), np.bool_)
    change = np.empty(SIZE, np.float32)
    for _ in range(steps):
        if warp(reference, fit, scale, warped, inside) < FEWEST * side * side:
            return False
        width = spread(query, warped, inside, fit) if robust else np.float32(0)
        if not step(query, warped, inside, fit, width, room, change):
            return False
        moved = apply(fit, change, side, scale)
        if not believable(fit):
            return False
        if moved < STILL:
            break
    return True


@kernel
def agreement(query: np.ndarray, reference: np.ndarray, fit: np.ndarray) -> float:
    """The correlation of a query and a reference, float32 (16, 16), where a fit lays one on the other."""
    warped, inside = np.empty((HALF, HALF), np.float32), np.empty((HALF, HALF), np.bool_)
    warp(reference, fit, np.float32(SIDE / HALF), warped, inside)
    n = a = b = aa = bb = ab = 0.0
    for i in range(1, HALF - 1):
        for j in range(1, HALF - 1):
            # A frame around one of the images shines through the outermost pixels.
            if inside[i, j] and inside[i - 1, j] and inside[i + 1, j] and inside[i, j - 1] and inside[i, j + 1]:
                first, second = np.float64(query[i, j]), np.float64(warped[i, j])
                n += 1
                a += first
                b += second
                aa += first * first
                bb += second * second
                ab += first * second
    return (n * ab - a * b) / np.sqrt(max((n * aa - a * a) * (n * bb - b * b), 1e-6))
