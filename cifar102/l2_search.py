"""The k nearest images by Euclidean distance, exactly, at the price of a matrix product in 98 dimensions.

For P the leading 96 principal directions and r the length of what P leaves of an image,
||x - y||^2 >= ||P(x - y)||^2 + (r_x - r_y)^2 = ||x||^2 - (2 Px.Py + 2 r_x r_y - ||y||^2). One product bounds all pairs;
the few that could be among the k nearest are computed again in integers.
"""

import numpy as np

from cifar102.cifar import check_images
from cifar102.kernels import LANES, alone, blocks, in_threads, product
from cifar102.l2_kernels import scan
from cifar102.principal import Frame, principal_frame, project

QUERY_BLOCK = 64
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
        coordinates, norms, errors = project(some, frame)
        left = np.column_stack([2 * coordinates, np.full(len(some), -1.0)]).astype(np.float32)
        bounds = np.empty((len(left), len(right)), np.float32)
        product(left, right, bounds)
        lengths = np.sqrt(norms)
        slack = 2 * (errors * longest + worst * lengths + errors * worst)
        # Rounding of the entries and of a float32 sum of d terms, with |2 Px.Py + 2 r r| <= 2 |x| |y| (1 + small).
        slack += (left.shape[1] + 8) * 2.0**-24 * (2 * lengths * longest + longest**2) * 1.01
        scan(bounds, norms - slack, some, part, start, squares[block], indices[block])

    in_threads(work, blocks(len(rows), QUERY_BLOCK))


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
