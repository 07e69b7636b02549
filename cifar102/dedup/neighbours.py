"""The k nearest images by Euclidean distance, exactly, at the price of a matrix product in 98 dimensions.

For P the leading 96 principal directions and r the length of what P leaves of an image,
||x - y||^2 >= ||P(x - y)||^2 + (r_x - r_y)^2 = ||x||^2 - (2 Px.Py + 2 r_x r_y - ||y||^2). One product bounds all pairs;
the few that could be among the k nearest are computed again in integers.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from cifar102.cifar import check_images
from cifar102.dedup.kernels import (
    LANES,
    alone,
    blocks,
    in_threads,
    kernel,
    num_threads,
    product,
    scan_likely,
    scan_listed,
)

PIECE = 256  # pixel values a float32 product sums up: short sums have small errors
SAMPLE = 1024


@dataclass(frozen=True)
class Frame:
    """Where images are projected to.

    centre: int16 (3072,), whole numbers, so that centred pixels are exact; pieces: the orthonormal directions as
    float32 (12, d, 256), 256 pixel values each.
    """

    centre: np.ndarray
    pieces: np.ndarray


def principal_frame(rows: np.ndarray, count: int = 96) -> Frame:
    """Estimate the leading principal directions of image rows, uint8 (n, 3072), from an even sample.

    Any orthonormal directions give an exact search, good ones a fast one: two rounds of subspace iteration will do,
    where a full decomposition of 3,072 dimensions takes longer than the search.
    """
    sample = rows[:: max(1, -(-len(rows) // SAMPLE))].astype(np.float32)
    centre = np.rint(sample.mean(axis=0))
    sample -= centre
    count = min(count, len(sample))
    basis = np.random.default_rng(0).standard_normal((count, rows.shape[1])).astype(np.float32)
    transposed = np.ascontiguousarray(sample.T)
    for _ in range(2):
        scores, spread = np.empty((count, len(sample)), np.float32), np.empty(basis.shape, np.float32)
        product(basis, sample, scores)
        product(scores, transposed, spread)
        basis = np.ascontiguousarray(scipy.linalg.qr(spread.T, mode="economic")[0].T)
    exact = scipy.linalg.qr(basis.T.astype(np.float64), mode="economic")[0].T
    pieces = exact.reshape(count, -1, PIECE).transpose(1, 0, 2)
    return Frame(centre.astype(np.int16), np.ascontiguousarray(pieces, np.float32))


def project(rows: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project image rows, uint8 (n, 3072), and bound the error of it.

    Returns float64 (n, d + 1), the last the length of what the directions leave, rounded up; squared lengths of the
    centred rows (n,), exact; and an upper bound (n,) of the length of the error of the first d. Each coordinate is a
    sum of float32 sums of 256 terms of directions rounded to float32: an error below 264 x 2^-24 times the length.
    """
    num_pieces, count, _ = frame.pieces.shape
    centred, norms = np.empty((num_pieces, len(rows), PIECE), np.float32), np.empty(len(rows))
    centre(rows, frame.centre, centred, norms)
    coordinates, part = np.zeros((len(rows), count)), np.empty((len(rows), count), np.float32)
    for pixels, directions in zip(centred, frame.pieces, strict=True):
        product(pixels, directions, part)
        coordinates += part
    lengths = np.sqrt(norms)
    errors = (PIECE + 8) * 2.0**-24 * np.sqrt(count) * lengths
    left = np.maximum(norms - np.einsum("ij,ij->i", coordinates, coordinates), 0) + errors * (2 * lengths + errors)
    return np.column_stack([coordinates, np.sqrt(left)]), norms, errors


@kernel
def centre(rows: np.ndarray, middle: np.ndarray, centred: np.ndarray, norms: np.ndarray) -> None:
    """Write rows minus middle in pieces, and their squared lengths (sums of whole numbers, exact)."""
    size = centred.shape[2]
    for i in range(rows.shape[0]):
        total = np.int64(0)
        for piece in range(centred.shape[0]):
            pixels = rows[i, piece * size : piece * size + size]
            mean = middle[piece * size : piece * size + size]
            out = centred[piece, i]
            part = np.int32(0)
            for j in range(out.size):
                value = np.int32(np.int32(pixels[j]) - np.int32(mean[j]))
                out[j] = np.float32(value)
                part = np.int32(part + np.int32(value * value))
            total += np.int64(part)
        norms[i] = total


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
