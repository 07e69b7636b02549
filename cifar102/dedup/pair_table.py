"""Duplicate detection: the front of this project's search for images that are the same, or nearly.

Exact copies by digest, Euclidean neighbours, structural similarity, and the protocol's near-duplicate table: a
shortlist by correlation of block means, scored by the best SSIM over small shifts, judged by two thresholds.
"""

import numpy as np
import pandas as pd
import scipy.sparse

from cifar102.cifar import check_images
from cifar102.dedup.kernels import LANES, blocks, in_threads, product, scan_correlations
from cifar102.dedup.similarity import grey, pair_scores

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


PAIR_COLUMNS = ("query", "reference", "shortlist_rank", "ncc", "ssim", "shift_row", "shift_column", "verdict")
VERDICTS = ("duplicate", "review", "different")


def near_duplicates(
    queries: np.ndarray,
    references: np.ndarray | None = None,
    k: int = 10,
    duplicate: float = 0.75,
    review: float = 0.55,
    max_shift: int = 2,
    own_start: int | None = None,
) -> pd.DataFrame:
    """Score the k likeliest partners of each query and say which are duplicates.

    queries, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3); without references the queries are compared among
    themselves, no image with itself, and a pair may stand there from both sides. own_start: the same for a block of
    queries that are the references from this row on. Returns one row a pair, by query and rank: query, reference int64
    (row numbers), shortlist_rank int64 (1 the likeliest), ncc float64 (correlation of 8 x 8 x 3 block means), ssim
    float64 (grey, best over shifts up to max_shift), shift_row, shift_column int64 (by which the reference, moved down
    and right, lies on the query), verdict: duplicate at or above `duplicate`, review at or above `review`, else
    different. k is cut to the number of references there are.
    """
    if not -1 <= review <= duplicate:
        raise ValueError(f"review and duplicate: expected -1 <= review <= duplicate, found {review} and {duplicate}")
    correlations, indices = shortlist(queries, references, k, own_start)
    num_queries, found = indices.shape
    query, reference = np.repeat(np.arange(num_queries), found), indices.ravel()
    left = grey(queries)
    right = left if references is None else grey(references)
    values, rows, columns = pair_scores(left, right, query, reference, max_shift)
    rank = np.tile(np.arange(1, found + 1), num_queries)
    verdict = np.select([values >= duplicate, values >= review], VERDICTS[:2], VERDICTS[2]).astype(object)
    data = (query, reference, rank, correlations.ravel(), values, rows, columns, verdict)
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, data, strict=True)))


def apply_verdicts(pairs: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Let what a person said of a pair override its score.

    pairs: as near_duplicates leaves them, perhaps with reference_set and query_set; verdicts: the columns query and
    reference, verdict, and those of the two set columns that pairs has; the last verdict on a pair counts. Returns
    pairs with `verdict` changed where there is one, and is_reviewed bool at the end. Raises ValueError for a missing
    column or an unknown verdict.
    """
    keys = [name for name in ("query_set", "query", "reference_set", "reference") if name in pairs]
    if missing := [name for name in (*keys, "verdict") if name not in verdicts]:
        raise ValueError(f"verdicts: columns {missing} are missing; found {list(verdicts.columns)}")
    if unknown := sorted(set(verdicts["verdict"]) - set(VERDICTS)):
        raise ValueError(f"verdicts: expected {list(VERDICTS)}, found {unknown}")
    last = verdicts.drop_duplicates(keys, keep="last").set_index(keys)["verdict"]
    said = last.reindex(pd.MultiIndex.from_frame(pairs[keys])).to_numpy()
    is_reviewed = ~pd.isna(said)
    return pairs.assign(verdict=np.where(is_reviewed, said, pairs["verdict"]), is_reviewed=is_reviewed)


def components(pairs: pd.DataFrame, n: int) -> np.ndarray:
    """Number the groups of images that hang together by pairs, directly or through others.

    pairs: columns query and reference, rows of one set of n images. Returns int64 (n,), group numbers from 0 in order
    of first appearance; an image in no pair is a group of its own.
    """
    ends = [pairs[name].to_numpy(np.int64) for name in ("query", "reference")]
    both = np.concatenate(ends)
    if len(both) and not (both.min() >= 0 and both.max() < n):
        raise ValueError(f"pairs: expected row numbers 0 to {n - 1}, found {both.min()} to {both.max()}")
    links = scipy.sparse.coo_array((np.ones(len(pairs), bool), tuple(ends)), shape=(n, n))
    groups = scipy.sparse.csgraph.connected_components(links, directed=False)[1]
    first, inverse = np.unique(groups, return_index=True, return_inverse=True)[1:]
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
