"""The table of near-duplicates: each image's likeliest partners, scored by a rule, with a verdict.

The registered rule lays one image on the other before it compares them, so it sees crops, zooms, borders, other colours
and mirror images. The SSIM rule, this project's former one, compares them as they lie, under small shifts.
"""

import numpy as np
import pandas as pd
import scipy.sparse

from cifar102.cifar import check_images
from cifar102.dedup import block_means, gradients, registered_score
from cifar102.dedup.similarity import grey, pair_scores

PAIR_COLUMNS = (
    "query",
    "reference",
    "shortlist_rank",
    "ncc",
    "ssim",
    "shift_row",
    "shift_column",
    "score",
    "probability",
    "mirrored",
    "verdict",
)
VERDICTS = ("duplicate", "review", "different")
THRESHOLDS = {"registered": (1.5, -2.5), "ssim": (0.75, 0.55)}  # duplicate, review
SCORES = {"registered": (registered_score.LOWEST, registered_score.HIGHEST), "ssim": (-0.2, 1.0)}  # where they lie
MIRRORED = 5.0  # score from which a mirrored pair is a duplicate; it goes to review from the threshold of straight ones


def near_duplicates(
    queries: np.ndarray,
    references: np.ndarray | None = None,
    k: int = 10,
    rule: str = "registered",
    duplicate: float | None = None,
    review: float | None = None,
    mirrored: float = MIRRORED,
    max_shift: int = 2,
    five_views: bool = False,
    own_start: int | None = None,
) -> pd.DataFrame:
    """Score the k likeliest partners of each query and say which are duplicates.

    queries, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3); without references the queries are compared among
    themselves, no image with itself, and a pair may stand there from both sides. own_start: the same for a block of
    queries that are the references from this row on. rule: "registered" (dedup.registered_score, partners by
    dedup.gradients) or "ssim" (dedup.similarity, partners by dedup.block_means). duplicate, review: the score of the
    rule from which a pair is one, by default THRESHOLDS. five_views: the shortlist looks at five cuts of each query.

    Returns one row a pair, by query, straight ones first, and rank: query, reference int64 (row numbers),
    shortlist_rank int64 (1 the likeliest), ncc float64 (cosine of the shortlist), ssim float64 (grey, best over shifts
    up to max_shift), shift_row, shift_column int64 (by which the reference, moved down and right, lies on the query),
    score float64 of the rule (registered: -15 to 15; SSIM: ssim), probability float64 (that two people call it the same
    picture; NaN under the SSIM rule), mirrored bool, verdict. Of mirrored pairs, where the query is mirrored, only
    those at or above `duplicate` are kept: for review, and duplicates from `mirrored` on. ValueError for thresholds in
    the wrong order.
    """
    check_images(queries, "queries")
    if k < 1:
        raise ValueError(f"k: expected 1 or more, found {k}")
    limits = _limits(rule, duplicate, review, mirrored)
    own_start = 0 if references is None else own_start
    references = queries if references is None else check_images(references, "references")
    if rule == "ssim":
        found = block_means.shortlist(queries, references, k, own_start)
        return _judged(_compared(queries, references, *found, max_shift), limits)
    views = gradients.VIEWS if five_views else gradients.VIEWS[:1]
    return _judged(_laid_on_each_other(queries, references, k, own_start, views, max_shift, limits), limits)


def _laid_on_each_other(
    queries: np.ndarray,
    references: np.ndarray,
    k: int,
    own_start: int | None,
    views: tuple[float, ...],
    max_shift: int,
    limits: tuple[float, float, float],
) -> pd.DataFrame:
    """The pairs of the registered rule, straight and mirrored, in PAIR_COLUMNS but verdict."""
    own = np.full(len(queries), -1) if own_start is None else own_start + np.arange(len(queries))
    described, sides = gradients.descriptors(references), []
    for images, is_mirrored in ((queries, False), (np.ascontiguousarray(queries[:, :, ::-1]), True)):
        found = gradients.shortlist(images, described, k, own, views)
        sides.append(_registered(images, references, found, max_shift, limits, is_mirrored))
    both = pd.concat(sides, ignore_index=True)
    return both.sort_values(["query", "mirrored", "shortlist_rank"], kind="stable", ignore_index=True)


def _limits(rule: str, duplicate: float | None, review: float | None, mirrored: float) -> tuple[float, float, float]:
    if rule not in THRESHOLDS:
        raise ValueError(f"rule: {rule!r} is none of {', '.join(THRESHOLDS)}")
    upper, lower = THRESHOLDS[rule]
    upper = upper if duplicate is None else duplicate
    lower = min(upper, lower) if review is None else review
    lowest = -1 if rule == "ssim" else registered_score.LOWEST
    if not lowest <= lower <= upper:
        raise ValueError(
            f"review and duplicate: expected {lowest:g} <= review <= duplicate of the rule {rule}, "
            f"found {lower} and {upper}"
        )
    return upper, lower, mirrored


def _compared(
    queries: np.ndarray, references: np.ndarray, cosines: np.ndarray, indices: np.ndarray, max_shift: int
) -> pd.DataFrame:
    """The pairs of a shortlist with their SSIM, which is their score, in PAIR_COLUMNS but verdict."""
    count, found = indices.shape
    query, reference = np.repeat(np.arange(count), found), indices.ravel()
    seen, places = np.unique(reference, return_inverse=True)
    values, rows, columns = pair_scores(grey(queries), grey(references[seen]), query, places, max_shift)
    rank = np.tile(np.arange(1, found + 1), count)
    data = (query, reference, rank, cosines.ravel(), values, rows, columns, values, np.nan, False)
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, data, strict=False)))


def _registered(
    queries: np.ndarray,
    references: np.ndarray,
    found: tuple[np.ndarray, np.ndarray],
    max_shift: int,
    limits: tuple[float, float, float],
    is_mirrored: bool,
) -> pd.DataFrame:
    """The pairs of a shortlist with SSIM and registered score; of mirrored ones those that matter."""
    cosines, indices = found
    seen, places = np.unique(indices, return_inverse=True)
    query = np.repeat(np.arange(len(indices)), indices.shape[1])
    numbers = registered_score.registered_numbers(grey(queries), grey(references[seen]), query, places.ravel())
    score = registered_score.scores(numbers)
    if not is_mirrored:
        table = _compared(queries, references, cosines, indices, max_shift)
        return table.assign(score=score, probability=registered_score.probabilities(score, is_mirrored))
    kept = np.flatnonzero(score >= limits[0])
    rank = np.tile(np.arange(1, indices.shape[1] + 1), len(indices))[kept]
    query, reference, score = query[kept], indices.ravel()[kept], score[kept]
    values, rows, columns = pair_scores(grey(queries), grey(references[seen]), query, places.ravel()[kept], max_shift)
    chance = registered_score.probabilities(score, is_mirrored)
    data = (query, reference, rank, cosines.ravel()[kept], values, rows, columns, score, chance, True)
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, data, strict=False)))


def _judged(pairs: pd.DataFrame, limits: tuple[float, float, float]) -> pd.DataFrame:
    upper, lower, mirrored = limits
    values = pairs["score"].to_numpy()
    is_duplicate = values >= np.where(pairs["mirrored"], mirrored, upper)
    verdict = np.select([is_duplicate, values >= lower], VERDICTS[:2], VERDICTS[2]).astype(object)
    return pairs.assign(verdict=verdict)[list(PAIR_COLUMNS)]


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
