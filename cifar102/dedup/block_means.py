"""The shortlist of the SSIM rule: the references nearest by normalised correlation of 8 x 8 x 3 block means."""

import numpy as np

from cifar102.cifar import check_images
from cifar102.dedup.kernels import LANES, blocks, in_threads, product, scan_correlations

CELLS = 192  # 8 x 8 blocks of 4 x 4 pixels, three channels
QUERY_BLOCK = 64
REFERENCE_BLOCK = 32768  # with QUERY_BLOCK 8 MiB of products a thread


def shortlist(
    queries: np.ndarray, references: np.ndarray | None = None, k: int = 10, own_start: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k references with the highest normalised correlation of block means, of each query.

    queries, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3); without references each query is compared with the other
    queries. own_start: the queries are the references from this row on, and none is compared with itself. Returns
    correlations float64 (n, k), descending, and indices int64 (n, k), ties by index; k is cut to what there is. The 192
    means of 4 x 4 pixels lose their mean and get unit length. Images without contrast, whose length is 0, correlate 1
    with each other and 0 with all others. All-pairs products are float32; those that may belong to the k are computed
    again in whole numbers, so that the result depends on no rounding.
    """
    check_images(queries, "queries")
    within = references is None
    references = queries if within else check_images(references, "references")
    own_start = 0 if within else own_start
    if k < 1:
        raise ValueError(f"k: expected 1 or more, found {k}")
    k = max(0, min(k, len(references) - (own_start is not None)))
    keys, indices = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, np.int64)
    if keys.size == 0:
        return keys, indices
    sums = block_sums(queries)
    other = sums if within else block_sums(references)
    for chunk in blocks(len(other), REFERENCE_BLOCK):
        _search(sums, other[chunk], chunk.start, own_start, keys, indices)
    return -keys, indices


def block_sums(images: np.ndarray) -> np.ndarray:
    """Sums over 4 x 4 pixels, int32 (n, 192): 16 times the block means of uint8 (n, 32, 32, 3)."""
    sums = np.empty((len(images), CELLS), np.int32)

    def work(block: slice) -> None:
        rows = images[block].reshape(-1, 8, 4, 96).sum(axis=2, dtype=np.int32)
        sums[block] = rows.reshape(-1, 8, 8, 4, 3).sum(axis=3).reshape(-1, CELLS)

    in_threads(work, blocks(len(images), 1024))
    return sums


def _unit_vectors(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows float32 (n, 193) of length 1, the last number 1 for images without contrast, and the squared lengths before.

    The squares, float64 (n,), are times 192: whole numbers.
    """
    exact = sums.astype(np.int64)
    totals = exact.sum(axis=1)
    squares = (CELLS * np.einsum("ij,ij->i", exact, exact) - totals**2).astype(np.float64)
    vectors = (CELLS * exact - totals[:, None]) / np.sqrt(np.where(squares > 0, squares * CELLS, 1))[:, None]
    return np.column_stack([vectors, squares == 0]).astype(np.float32), squares


def _search(
    sums: np.ndarray, other: np.ndarray, start: int, own_start: int | None, keys: np.ndarray, indices: np.ndarray
) -> None:
    """Improve the best keys (minus correlation) and indices of all queries by one block of references."""
    parts = in_threads(lambda block: _unit_vectors(other[block]), blocks(len(other), 2048))
    right, squares = np.concatenate([part for part, _ in parts]), np.concatenate([square for _, square in parts])
    right = np.concatenate([right, np.zeros((-len(right) % LANES, CELLS + 1), np.float32)])
    error = (CELLS + 16) * 2.0**-24 * 1.01

    def work(block: slice) -> None:
        left, left_squares = _unit_vectors(sums[block])
        products = np.empty((len(left), len(right)), np.float32)
        product(left, right, products)
        products[:, len(other) :] = -np.inf
        own = np.full(len(left), -1) if own_start is None else own_start + np.arange(block.start, block.stop)
        scan_correlations(
            products, error, sums[block], left_squares, other, squares, start, own, keys[block], indices[block]
        )

    in_threads(work, blocks(len(sums), QUERY_BLOCK))
