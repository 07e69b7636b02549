"""Duplicate detection: the front of this project's search for images that are the same, or nearly.

Exact copies by digest, Euclidean neighbours, structural similarity, and the protocol's near-duplicate table: a
shortlist by correlation of block means, scored by the best SSIM over small shifts, judged by two thresholds.
"""

import numpy as np
import pandas as pd
import scipy.sparse

from cifar102.dedup.exact_copies import exact_groups, exact_table
from cifar102.dedup.neighbours import nearest
from cifar102.dedup.pair_bound import pairs_above
from cifar102.dedup.shortlist import shortlist
from cifar102.dedup.similarity import best_shift, grey, pair_scores, ssim, ssim_channels, ssim_flat

__all__ = [
    "apply_verdicts",
    "best_shift",
    "components",
    "exact_groups",
    "exact_table",
    "grey",
    "near_duplicates",
    "nearest",
    "pairs_above",
    "ssim",
    "ssim_channels",
    "ssim_flat",
]
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
