"""Which rows train and which validate: seeded, stratified permutations, and stratified subsets."""

import numpy as np


def split(
    labels: np.ndarray,
    num_validation: int,
    seed: int,
    groups: np.ndarray | None = None,
    with_replacement: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into training and validation rows, both int64 and ascending, disjoint and together complete.

    labels: integers (n,); each class gives its share of the num_validation rows, to within one.
    groups: integers (n,), near-duplicate groups, each of which stays on one side (rows below 0 are in none); the
    validation rows may then be fewer than asked, by less than the largest group.
    with_replacement: the mistake of one published study, to show what it costs. The training rows are those of the
    honest split; the validation rows are drawn with replacement from *all* rows, so most of them were trained on.
    Raises ValueError where num_validation is not between 1 and n-1 or the lengths differ.
    """
    labels = np.asarray(labels)
    if not 0 < num_validation < len(labels):
        raise ValueError(f"num_validation {num_validation}: expected 1 to {len(labels) - 1}, for {len(labels)} rows")
    if groups is not None and len(groups) != len(labels):
        raise ValueError(f"{len(groups)} groups for {len(labels)} labels: expected one each")
    rng = np.random.default_rng(seed)
    order = stratified_order(labels, rng)
    if groups is None:
        is_validation = np.zeros(len(labels), bool)
        is_validation[order[:num_validation]] = True
    else:
        is_validation = _whole_groups(labels, order, np.asarray(groups), num_validation)
    train, validation = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
    if with_replacement:
        validation = np.sort(rng.integers(len(labels), size=num_validation))
    return train.astype(np.int64), validation.astype(np.int64)


def subset(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose `size` rows, each class by its share to within one; int64, ascending.

    Under one seed a smaller subset lies inside each larger one. Raises ValueError where size is not 1 to n.
    """
    if not 0 < size <= len(labels):
        raise ValueError(f"subset of {size} rows: expected 1 to {len(labels)}")
    order = stratified_order(np.asarray(labels), np.random.default_rng(seed))
    return np.sort(order[:size]).astype(np.int64)


def stratified_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Order all rows at random so that each beginning of the order holds each class by its share, to within one.

    The k-th row of a class of m stands at (k + 1/2) / m of the way; classes that tie there are in random order.
    """
    shuffled = rng.permutation(len(labels))
    _, codes, counts = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    place = np.empty(len(labels))
    place[by_class] = (np.arange(len(labels)) - np.repeat(starts, counts) + 0.5) / np.repeat(counts, counts)
    return shuffled[np.argsort(place, kind="stable")]


def _whole_groups(labels: np.ndarray, order: np.ndarray, groups: np.ndarray, num_validation: int) -> np.ndarray:
    """Mark validation rows, group by group in the order given, as long as no class gets more than its share."""
    classes, codes = np.unique(labels, return_inverse=True)
    left = np.bincount(codes[order[:num_validation]], minlength=len(classes))
    alone = np.arange(len(groups)) + np.max(groups, initial=0) + 1
    _, group_of = np.unique(np.where(groups < 0, alone, groups), return_inverse=True)
    rows_by_group = np.split(np.argsort(group_of, kind="stable"), np.cumsum(np.bincount(group_of))[:-1])
    is_validation, seen = np.zeros(len(labels), bool), np.zeros(len(rows_by_group), bool)
    for row in order:
        group = group_of[row]
        if seen[group]:
            continue
        seen[group] = True
        wanted = np.bincount(codes[rows_by_group[group]], minlength=len(classes))
        if (wanted <= left).all():
            left = left - wanted
            is_validation[rows_by_group[group]] = True
    return is_validation
