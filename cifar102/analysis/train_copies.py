"""Test images that have a copy or near-duplicate among training images, from the tables of notebook 03."""

import numpy as np
import pandas as pd

from cifar102.analysis import intervals
from cifar102.analysis.accuracies import Predictions, subset_table

TRAIN_SET = "cifar10-train"


def candidates_of(exact_groups: pd.DataFrame, set_name: str, num_images: int) -> np.ndarray:
    """Return the candidate that equals each image of a set, int64 (num_images,); -1 where no candidate does.

    exact_groups: of notebook 03 (group, set, row). Pairs are known of candidates only, and a pool that holds the
    published test images, as Tiny Images and the placebo do, has them among its candidates.
    """
    members = exact_groups.loc[exact_groups["set"] == set_name, ["group", "row"]]
    equal = exact_groups.loc[exact_groups["set"] == "candidates", ["group", "row"]].drop_duplicates("group")
    both = members.merge(equal, on="group", suffixes=("", "_candidate"))
    found = np.full(num_images, -1, dtype=np.int64)
    if len(both) and both["row"].max() >= num_images:
        raise ValueError(f"exact_groups: {set_name} has a row {both['row'].max()}, the set has {num_images} images")
    found[both["row"]] = both["row_candidate"]
    return found


def has_copy(
    candidates: np.ndarray,
    pairs: pd.DataFrame,
    exact_groups: pd.DataFrame,
    *,
    train_rows: np.ndarray | None = None,
    train_candidates: np.ndarray | None = None,
) -> np.ndarray:
    """Say of each test image whether training images hold a copy or a near-duplicate of it: bool (n,).

    candidates: the test images' candidate numbers, -1 where unknown (these are False). pairs, exact_groups: of
    notebook 03; a near-duplicate is a pair with the verdict "duplicate". train_rows: rows of the reference training set
    that count (all of them without it); train_candidates: candidates that were trained on as well.
    """
    near = pairs.loc[pairs["verdict"] == "duplicate", ["query", "reference_set", "reference"]]
    in_train = (near["reference_set"] == TRAIN_SET) & _counts(near["reference"], train_rows)
    members = exact_groups[exact_groups["set"] == TRAIN_SET]
    groups = members.loc[_counts(members["row"], train_rows), "group"]
    copies = exact_groups[(exact_groups["set"] == "candidates") & exact_groups["group"].isin(groups)]
    found = [near.loc[in_train, "query"], copies["row"]]
    if train_candidates is not None:
        among = (near["reference_set"] == "candidates") & near["reference"].isin(train_candidates)
        among &= near["reference"] != near["query"]
        found.append(near.loc[among, "query"])
    return np.isin(candidates, np.concatenate(found)) & (candidates >= 0)


def gap_table(
    original: tuple[Predictions, np.ndarray, np.ndarray],
    new: tuple[Predictions, np.ndarray, np.ndarray],
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the accuracies and the gap of each model with and without the test images that have a copy in train.

    original, new: (predictions, labels, has_copy) of a set, as accuracies.subset_table takes them. Rows: model, subset
    ("all", "without duplicates"), original, new, gap, low, high (Newcombe), n_original, n_new, level.
    """
    tables = [subset_table(*side, level=level) for side in (original, new)]
    both = tables[0].merge(tables[1], on=["model", "subset"], suffixes=("_original", "_new"))
    both = both[both["subset"] != "duplicates only"].reset_index(drop=True)
    counts = (both[name].to_numpy() for name in ("correct_original", "n_original", "correct_new", "n_new"))
    low, high = intervals.newcombe(*counts, level=level)
    table = both[["model", "subset"]].assign(original=both["accuracy_original"], new=both["accuracy_new"])
    table = table.assign(gap=table["original"] - table["new"], low=low, high=high)
    return table.assign(n_original=both["n_original"], n_new=both["n_new"], level=level)


def _counts(rows: pd.Series, chosen: np.ndarray | None) -> pd.Series | bool:
    return rows.isin(chosen) if chosen is not None else rows >= 0
