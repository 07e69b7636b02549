"""Compiled kernels over blocks of images, in threads: distances, correlations, and keeping the best."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import threadpoolctl

# No arcp: a product with a rounded reciprocal would give identical images an SSIM below 1.
VECTOR_MATH = {"nnan", "ninf", "nsz", "reassoc", "contract"}
LANES = 64  # values a kernel looks at at once; rows are filled up to a multiple of it


def kernel(function: Callable) -> Callable:
    """Compile a kernel that runs without the interpreter lock, stored on disk where a folder can be written to.

    Numba has no cache folder in a read-only installation of a user without home; the kernel is then compiled anew.
    """
    options = {"nogil": True, "fastmath": VECTOR_MATH, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


@kernel
def product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """Write left @ right.T into out, by the BLAS that comes with SciPy.

    left: float (n, d), right: float (m, d), out: (n, m), all contiguous and of one dtype. NumPy's own BLAS of 1.26 does
    not know processors newer than itself and falls back to SSE3 there: a quarter of the speed; it keeps the lock, too.
    """
    np.dot(left, right.T, out)


def blocks(count: int, size: int) -> list[slice]:
    """Cut 0..count into slices of at most `size`."""
    return [slice(start, min(start + size, count)) for start in range(0, count, max(1, size))]


def num_threads() -> int:
    """The processors this process may use; the environment variable CIFAR102_THREADS asks for fewer."""
    if wanted := os.environ.get("CIFAR102_THREADS"):
        return max(1, int(wanted))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alone(function: Callable, *arguments: object) -> object:
    """Call `function` with a BLAS of one thread: several wait for each other, on a busy machine for seconds."""
    with threadpoolctl.threadpool_limits(1, "blas"):
        return function(*arguments)


def in_threads(function: Callable, items: Iterable) -> list:
    """Call `function` on each item in threads, each with a BLAS of one thread; return the results in order."""
    with threadpoolctl.threadpool_limits(1, "blas"), ThreadPoolExecutor(num_threads()) as pool:
        return list(pool.map(function, items))


STRETCH = 512  # references, 1.5 MiB
STEP = 512  # pixel values between two looks at the limit; their squares sum up to less than 2^31


@kernel
def square_distance(x: np.ndarray, y: np.ndarray, limit: int) -> int:
    """Sum of squared differences of two uint8 rows (3072,) as int64; stops early once it exceeds `limit`."""
    total = np.int64(0)
    for start in range(0, x.size, STEP):
        left = x[start : start + STEP]
        right = y[start : start + STEP]
        part = np.int32(0)
        for i in range(STEP):
            difference = np.int32(np.int32(left[i]) - np.int32(right[i]))
            part = np.int32(part + np.int32(difference * difference))
        total += np.int64(part)
        if total > limit:
            return total
    return total


@kernel
def insert(keys: np.ndarray, indices: np.ndarray, key: float, index: int) -> None:
    """Put (key, index) into the list, ascending in both, where it belongs there and is not in it yet."""
    place = keys.size
    while place > 0 and (key < keys[place - 1] or (key == keys[place - 1] and index < indices[place - 1])):
        place -= 1
    if place == keys.size or (place > 0 and indices[place - 1] == index):
        return
    for j in range(keys.size - 1, place, -1):
        keys[j] = keys[j - 1]
        indices[j] = indices[j - 1]
    keys[place] = key
    indices[place] = index


@kernel
def highest(values: np.ndarray) -> float:
    """The largest of LANES float32 values."""
    best = values[0]
    for j in range(LANES):
        best = max(best, values[j])
    return best


@kernel
def largest(bounds: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    """Write the places of the largest bounds of a row (a multiple of LANES long) into places, in any order."""
    values[:] = -np.inf
    places[:] = -1
    low = np.float32(-np.inf)
    for start in range(0, bounds.size, LANES):
        lanes = bounds[start : start + LANES]
        if highest(lanes) <= low:
            continue
        for j in range(LANES):
            if lanes[j] > low:
                worst = np.argmin(values)
                values[worst] = lanes[j]
                places[worst] = start + j
                low = values.min()


@kernel
def scan_likely(
    bounds: np.ndarray,
    norms: np.ndarray,
    rows: np.ndarray,
    references: np.ndarray,
    start: int,
    squares: np.ndarray,
    indices: np.ndarray,
    places: np.ndarray,
    margins: np.ndarray,
    ends: np.ndarray,
) -> int:
    """Compute the likeliest pairs, which makes the k-th distance small, and list those it does not exclude.

    bounds: float32 (q, m), norms - bounds <= squared distance; rows, references: uint8 (q, 3072), (m, 3072), m before
    filling up; squares, indices: int64 (q, k), ascending, improved in place; start: the number of the first reference.
    places int32, margins float32: room for q x m pairs, a query's after the other's, filled with the reference and its
    lower bound; ends int64 (q,): where each query's end. Returns the last end.
    """
    k = squares.shape[1]
    few = min(k, references.shape[0])
    likely, values, near = np.empty(few, np.int64), np.empty(few, np.float32), np.empty(references.shape[0], np.int64)
    end = 0
    for q in range(bounds.shape[0]):
        best, row = squares[q], bounds[q]
        largest(row, likely, values)
        for place in likely:
            if norms[q] - row[place] <= best[k - 1]:
                square = square_distance(rows[q], references[place], best[k - 1])
                insert(best, indices[q], square, start + place)
        for place in near[: at_least(row, norms[q] - best[k - 1], near)]:
            places[end], margins[end] = place, row[place]
            end += 1
        ends[q] = end
    return end


@kernel
def scan_listed(
    places: np.ndarray,
    margins: np.ndarray,
    ends: np.ndarray,
    norms: np.ndarray,
    rows: np.ndarray,
    references: np.ndarray,
    start: int,
    squares: np.ndarray,
    indices: np.ndarray,
) -> None:
    """Compute the listed pairs, stretch by stretch of the references: read in order, each is in the cache for all.

    Arguments as scan_likely leaves them; a pair that a smaller k-th distance excludes by now is passed over.
    """
    k = squares.shape[1]
    at = np.empty_like(ends)
    at[0] = 0
    at[1:] = ends[:-1]
    for stop in range(STRETCH, references.shape[0] + STRETCH, STRETCH):
        for q in range(ends.size):
            i, best = at[q], squares[q]
            while i < ends[q] and places[i] < stop:
                if norms[q] - margins[i] <= best[k - 1]:
                    square = square_distance(rows[q], references[places[i]], best[k - 1])
                    insert(best, indices[q], square, start + np.int64(places[i]))
                i += 1
            at[q] = i


@kernel
def at_least(values: np.ndarray, low: float, places: np.ndarray) -> int:
    """Write the places of values at or above low into places, in order, as far as these go; return how many."""
    count = 0
    for begin in range(0, values.size, LANES):
        lanes = values[begin : begin + LANES]
        if highest(lanes) < low:
            continue
        for j in range(min(LANES, places.size - begin)):
            if lanes[j] >= low:
                places[count] = begin + j
                count += 1
    return count


@kernel
def correlation(x: np.ndarray, y: np.ndarray, x_square: float, y_square: float) -> float:
    """Correlation of two int32 rows (192,) from whole numbers; squares: 192 S_xx - S_x^2, exact."""
    if x_square == 0 or y_square == 0:
        return 1.0 if x_square == y_square else 0.0
    cross, first, second = np.int64(0), np.int64(0), np.int64(0)
    for i in range(x.size):
        cross += np.int64(x[i]) * np.int64(y[i])
        first += np.int64(x[i])
        second += np.int64(y[i])
    return np.float64(x.size * cross - first * second) / np.sqrt(x_square * y_square)


@kernel
def scan_correlations(
    products: np.ndarray,
    error: float,
    rows: np.ndarray,
    row_squares: np.ndarray,
    references: np.ndarray,
    squares: np.ndarray,
    start: int,
    own: np.ndarray,
    keys: np.ndarray,
    indices: np.ndarray,
) -> None:
    """Keep the k references of the highest correlation with each query.

    products: float32 (q, m), correlations up to `error`; rows, references: int32 (q, 192), (m, 192) with their
    squares; own: int64 (q,), the reference number that is the query itself, or -1; keys: float64 (q, k), minus the
    correlations, ascending, and indices int64 (q, k), improved in place; start: the number of the first reference.
    """
    k = keys.shape[1]
    few = min(k + 1, references.shape[0])
    places, values = np.empty(references.shape[0], np.int64), np.empty(few, np.float32)
    for q in range(products.shape[0]):
        best, found, row = keys[q], indices[q], products[q]
        largest(row, places[:few], values)
        # k references other than the query itself have at least the smallest of the k + 1 largest products.
        low = max(values.min() - error, -best[k - 1]) - error
        for place in places[: at_least(row, low, places)]:
            if start + place != own[q]:
                key = -correlation(rows[q], references[place], row_squares[q], squares[place])
                insert(best, found, key, start + place)


@kernel
def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Inner product of two float32 rows of length 1, summed in float64 in one order."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(y[i])
    return total


@kernel
def scan_highest(products: np.ndarray, start: int, own: np.ndarray, keys: np.ndarray, indices: np.ndarray) -> None:
    """Keep the references of the highest products with each query.

    products: float32 (q, m); start: the number of the first reference; own: int64 (q,), the reference that is the query
    itself, or -1; keys: float64 (q, k), minus the products, ascending, and indices int64 (q, k), improved in place.
    """
    few = min(keys.shape[1] + 1, products.shape[1])
    values, places = np.empty(few, np.float32), np.empty(products.shape[1], np.int64)
    for q in range(products.shape[0]):
        worst = -keys[q, keys.shape[1] - 1]
        if worst == -np.inf:
            largest(products[q], places[:few], values)
            worst = values.min()
        for place in places[: at_least(products[q], worst, places)]:
            if products[q, place] > -np.inf and start + place != own[q]:
                insert(keys[q], indices[q], -np.float64(products[q, place]), start + place)


@kernel
def rank_by_cosine(
    rows: np.ndarray, references: np.ndarray, places: np.ndarray, keys: np.ndarray, indices: np.ndarray
) -> None:
    """Keep the k of the listed references with the highest cosine, of several views of a query the best.

    rows, references: float32 (q, d), (m, d) of length 1; places: int64 (q, p), -1 for none; keys float64 (q, k), minus
    the cosines, ascending, and indices int64 (q, k), improved in place.
    """
    for q in range(places.shape[0]):
        for place in places[q]:
            if place >= 0:
                improve(keys[q], indices[q], -cosine(rows[q], references[place]), place)


@kernel
def improve(keys: np.ndarray, indices: np.ndarray, key: float, index: int) -> None:
    """Like insert, but takes an earlier, worse key of the same index out first."""
    for j in range(keys.size):
        if indices[j] == index:
            if keys[j] <= key:
                return
            for i in range(j, keys.size - 1):
                keys[i], indices[i] = keys[i + 1], indices[i + 1]
            keys[keys.size - 1], indices[keys.size - 1] = np.inf, -1
    insert(keys, indices, key, index)
