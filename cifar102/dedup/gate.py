"""A quick look before the registration: could one image be the other, zoomed by up to half and moved by a few pixels?

Images of 16 x 16 smoothed pixels are correlated where they overlap, at nine scales and 25 shifts. What stays below .80
at all of them is not registered; the best scale and shift is where the registration starts.
"""

import numpy as np

from cifar102.dedup.kernels import blocks, in_threads, kernel

HALF = 16  # pixels a side
PAIR_BLOCK = 1024
SCALES = 1.1 ** np.arange(-4, 5)
REACH = 2  # pixels of 16 by which the images are moved against each other
SHIFTS = 2 * REACH + 1
PLACES = SHIFTS * SHIFTS
FLAT = 4.0  # mean square of grey levels about their mean below which an overlap says nothing
MIDDLE = (HALF - 1) / 2


def sampling(scale: float) -> np.ndarray:
    """Weights float32 (16, 16) that bring a line of 16 pixels to another scale about its middle; 0 outside the line."""
    places = (np.arange(HALF) - MIDDLE) / scale + MIDDLE
    weights = np.maximum(0, 1 - np.abs(np.clip(places, 0, HALF - 1)[:, None] - np.arange(HALF)))
    return (weights * (np.abs(places - MIDDLE) <= MIDDLE + 0.1)[:, None]).astype(np.float32)


SAMPLING = np.array([sampling(scale) for scale in SCALES])
RIMS = np.array(
    [np.flatnonzero(weights.any(axis=1))[0] for weights in SAMPLING]
)  # pixels at each side that are outside


def best_overlaps(
    queries: np.ndarray, references: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate the pairs queries[first[i]], references[second[i]] at all scales and shifts.

    queries, references: float32 (n, 16, 16), (m, 16, 16), registration.halves; first, second: int64 (p,), pairs of one
    query next to each other. Returns the highest correlation of each pair, float32 (p,), and where it is, as the fit
    that a registration starts from, float32 (p, 8).
    """
    values, fits = np.empty(len(first), np.float32), np.zeros((len(first), 8), np.float32)

    def work(block: slice) -> None:
        gate_pairs(queries, references, first[block], second[block], values[block], fits[block])

    in_threads(work, blocks(len(first), PAIR_BLOCK))
    return values, fits


@kernel
def gate_pairs(
    queries: np.ndarray,
    references: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    values: np.ndarray,
    fits: np.ndarray,
) -> None:
    """The inner loop of best_overlaps: the pairs of one query share one matrix product."""
    begin = 0
    while begin < first.size:
        end = begin
        while end < first.size and first[end] == first[begin]:
            end += 1
        gate_query(queries[first[begin]], references, second[begin:end], values[begin:end], fits[begin:end])
        begin = end


@kernel
def gate_query(
    query: np.ndarray, references: np.ndarray, partners: np.ndarray, values: np.ndarray, fits: np.ndarray
) -> None:
    """Write the best correlation and the fit of one query and each of its partners, rows of references."""
    scaled, sums = np.empty((RIMS.size, HALF * HALF), np.float32), np.empty((RIMS.size, PLACES, 2))
    moved = np.empty((partners.size * PLACES, HALF * HALF), np.float32)
    tables = np.empty((partners.size, 2, HALF + 1, HALF + 1))
    lay_out_query(query, scaled, sums)
    for p in range(partners.size):
        lay_out_reference(references[partners[p]], moved[p * PLACES : (p + 1) * PLACES], tables[p])
    products = np.dot(scaled, moved.T)
    for p in range(partners.size):
        values[p] = best_overlap(products[:, p * PLACES : (p + 1) * PLACES], sums, tables[p], fits[p])
        fits[p, 7] = query.mean() - fits[p, 6] * references[partners[p]].mean()


@kernel
def lay_out_query(image: np.ndarray, scaled: np.ndarray, sums: np.ndarray) -> None:
    """Prepare a query, float32 (16, 16), for all its pairs.

    scaled: float32 (9, 256), the query at each scale, less its mean, 0 where it has no pixel; sums: float64 (9, 25, 2),
    sum and sum of squares over each overlap.
    """
    centred = image - image.mean()
    tables = np.empty((2, HALF + 1, HALF + 1))
    for s in range(RIMS.size):
        picture = np.dot(np.dot(SAMPLING[s], centred), SAMPLING[s].T)
        scaled[s] = picture.ravel()
        sum_tables(picture, tables)
        for place in range(PLACES):
            top, bottom, left, right = overlap(RIMS[s], place // SHIFTS - REACH, place % SHIFTS - REACH)
            sums[s, place, 0] = over(tables, 0, top, bottom, left, right)
            sums[s, place, 1] = over(tables, 1, top, bottom, left, right)


@kernel
def overlap(rim: int, down: int, across: int) -> tuple[int, int, int, int]:
    """The query's rows and columns that lie on the reference when they are moved: first, end, first, end."""
    return max(rim, -down), min(HALF - rim, HALF - down), max(rim, -across), min(HALF - rim, HALF - across)


@kernel
def lay_out_reference(image: np.ndarray, moved: np.ndarray, tables: np.ndarray) -> None:
    """Prepare a reference, float32 (16, 16).

    moved: float32 (25, 256), the reference less its mean as it lies under the query at each shift, 0 where it has no
    pixel; tables: float64 (2, 17, 17), sums and sums of squares over all pixels above and to the left.
    """
    centred = image - image.mean()
    sum_tables(centred, tables)
    moved[:] = 0
    for place in range(PLACES):
        down, across = place // SHIFTS - REACH, place % SHIFTS - REACH
        for i in range(max(0, -down), min(HALF, HALF - down)):
            for j in range(max(0, -across), min(HALF, HALF - across)):
                moved[place, i * HALF + j] = centred[i + down, j + across]


@kernel
def sum_tables(image: np.ndarray, tables: np.ndarray) -> None:
    """Write sums and sums of squares over all pixels above and to the left into tables, float64 (2, 17, 17)."""
    tables[:] = 0
    for i in range(HALF):
        line = squares = 0.0
        for j in range(HALF):
            value = np.float64(image[i, j])
            line += value
            squares += value * value
            tables[0, i + 1, j + 1] = tables[0, i, j + 1] + line
            tables[1, i + 1, j + 1] = tables[1, i, j + 1] + squares


@kernel
def over(tables: np.ndarray, kind: int, top: int, bottom: int, left: int, right: int) -> float:
    """The sum over a rectangle, from tables of sums."""
    whole, above = tables[kind, bottom, right] - tables[kind, bottom, left], tables[kind, top, right]
    return whole - above + tables[kind, top, left]


@kernel
def best_overlap(products: np.ndarray, sums: np.ndarray, tables: np.ndarray, fit: np.ndarray) -> float:
    """The highest correlation of a query and a reference; fit, float32 (8,), becomes the scale and shift it is at.

    products: float32 (9, 25), inner products of `scaled` and `moved`.
    """
    best = np.float64(-1)
    for s in range(RIMS.size):
        for place in range(PLACES):
            down, across = place // SHIFTS - REACH, place % SHIFTS - REACH
            top, bottom, left, right = overlap(RIMS[s], down, across)
            n = (bottom - top) * (right - left)
            q, qq = sums[s, place, 0], sums[s, place, 1]
            r = over(tables, 0, top + down, bottom + down, left + across, right + across)
            rr = over(tables, 1, top + down, bottom + down, left + across, right + across)
            first, second = qq - q * q / n, rr - r * r / n
            if min(first, second) < FLAT * n:
                continue
            value = (products[s, place] - q * r / n) / np.sqrt(first * second)
            if value > best:
                best = value
                fit[0] = fit[3] = SCALES[s]
                fit[1] = fit[2] = 0
                fit[4], fit[5], fit[6] = 2 * down, 2 * across, np.sqrt(first / second)
    return best
