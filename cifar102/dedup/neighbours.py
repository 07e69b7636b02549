"""The k nearest images by Euclidean distance, exactly, at the price of a matrix product in 98 dimensions.

For P the leading 96 principal directions and r the length of what P leaves of an image,
||x - y||^2 >= ||P(x - y)||^2 + (r_x - r_y)^2 = ||x||^2 - (2 Px.Py + 2 r_x r_y - ||y||^2). One product bounds all pairs;
the few that could be among the k nearest are computed again in integers.
"""

import numpy as np

from cifar102.cifar import check_images
from cifar102.dedup.kernels import LANES, alone, blocks, in_threads, num_threads, product
from cifar102.dedup.l2_kernels import scan_likely, scan_listed
from cifar102.dedup.principal import Frame, principal_frame, project

QUERY_BLOCK = 64
TASK = 1024  # queries whose listed pairs are computed together, each reference fetched once for all
REFERENCE_BLOCK = 65536  # with QUERY_BLOCK 16 MiB of bounds a thread


def nearest(queries: np.ndarray, references: np.ndarray, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest references of each query by Euclidean distance over the 3,072 pixel values, exactly.

    queries, references: uint8 (n, 32, 32, 3) and (m, 32, 32, 3), memory maps too. Returns distances float64 (n, k),
    ascending, in pixel units, and indices int64 (n, k); ties go to the smaller index, an identical image has distance
    0. Raises ValueError where k is not in 1..m.
    """
    check_images(queries, "queries")
    check_images(references, "references")
    if not 1 <= k <= len(references):
        raise ValueError(f"k: expected 1 to {len(references)}, the number of references, found {k}")
    rows, others = queries.reshape(len(queries), -1), references.reshape(len(references), -1)
    squares = np.full((len(rows), k), np.iinfo(np.int64).max)
    indices = np.full((len(rows), k), -1, np.int64)
    frame = alone(principal_frame, others)
    for block in blocks(len(others), REFERENCE_BLOCK):
        part = np.ascontiguousarray(others[block])
        _search(rows, part, block.start, frame, squares, indices)
    return np.sqrt(squares.astype(np.float64)), indices


def _search(
    rows: np.ndarray, part: np.ndarray, start: int, frame: Frame, squares: np.ndarray, indices: np.ndarray
) -> None:
    """Improve the best squares and indices of all queries by one block of references."""
    right, longest, worst = _right_side(part, frame)

    def work(block: slice) -> None:
        some = np.ascontiguousarray(rows[block])
        left, norms = _left_side(some, frame, longest, worst)
        best, found, room = squares[block], indices[block], 2 * QUERY_BLOCK * len(part)
        places, margins, ends = np.empty(room, np.int32), np.empty(room, np.float32), np.empty(len(some), np.int64)
        bounds = np.empty((QUERY_BLOCK, len(right)), np.float32)
        first = used = 0
        for few in blocks(len(some), QUERY_BLOCK):
            these = bounds[: few.stop - few.start]
            product(left[few], right, these)
            lists = places[used:], margins[used:], ends[few]
            added = scan_likely(these, norms[few], some[few], part, start, best[few], found[few], *lists)
            ends[few] += used
            used += added
            if few.stop == len(some) or used > room // 2:
                listed = slice(first, few.stop)
                lists = places, margins, ends[listed]
                scan_listed(*lists, norms[listed], some[listed], part, start, best[listed], found[listed])
                first, used = few.stop, 0

    in_threads(work, blocks(len(rows), _even(len(rows), TASK)))


def _even(count: int, size: int) -> int:
    """At most `size` for each thread, such that all threads have as much to do."""
    rounds = -(-count // (num_threads() * size))
    return -(-count // max(1, num_threads() * rounds))


def _left_side(rows: np.ndarray, frame: Frame, longest: float, worst: float) -> tuple[np.ndarray, np.ndarray]:
    """The queries' half of the product, float32 (n, d + 2), and their squared lengths less all that rounding may add.

    longest, worst: of the references, as _right_side gives them.
    """
    coordinates, norms, errors = project(rows, frame)
    left = np.column_stack([2 * coordinates, np.full(len(rows), -1.0)]).astype(np.float32)
    lengths = np.sqrt(norms)
    slack = 2 * (errors * longest + worst * lengths + errors * worst)
    # Rounding of the entries and of a float32 sum of d terms, with |2 Px.Py + 2 r r| <= 2 |x| |y| (1 + small).
    slack += (left.shape[1] + 8) * 2.0**-24 * (2 * lengths * longest + longest**2) * 1.01
    return left, norms - slack


def _right_side(rows: np.ndarray, frame: Frame) -> tuple[np.ndarray, float, float]:
    """The references' half of the product, float32 (m, d + 2), with the largest length and projection error.

    It is filled up to whole vectors of LANES with rows no query is near to.
    """

    def work(block: slice) -> tuple[np.ndarray, float, float]:
        coordinates, norms, errors = project(rows[block], frame)
        return np.column_stack([coordinates, norms]).astype(np.float32), norms.max(), errors.max()

    parts = in_threads(work, blocks(len(rows), 512))
    right = np.concatenate([part for part, _, _ in parts])
    filling = np.zeros((-len(right) % LANES, right.shape[1]), np.float32)
    filling[:, -1] = 1e30
    longest = np.sqrt(max(norm for _, norm, _ in parts))
    return np.concatenate([right, filling]), float(longest), max(error for _, _, error in parts)
