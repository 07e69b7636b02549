"""Screening: which accepted candidates may be drawn, given what they duplicate and how they hang together."""

import numpy as np
import pandas as pd

from cifar102.dedup import pair_table
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

TEST_SETS = ("cifar10-test", "cifar10.1-v4", "cifar10.1-v6")
TRAIN_SET = "cifar10-train"


def screen(
    accepted: pd.DataFrame, exact_groups: pd.DataFrame, pairs: pd.DataFrame, num_candidates: int
) -> pd.DataFrame:
    """Say of each accepted candidate what stands in its way.

    accepted, exact_groups, pairs: the tables of notebooks 02 and 03, over all `num_candidates` candidates. Returns
    `accepted` with nearest_set, nearest_row, nearest_ssim (the most similar reference image), group (near-duplicates
    of each other, connected), in_cifar10_train, is_test_duplicate, is_label_conflict, is_copy (a lower row of its exact
    group is accepted too) and is_eligible: no duplicate of a test image, no label conflict, no copy.
    """
    rows = accepted["candidate"].to_numpy()
    exact = exact_groups.merge(_candidate_groups(exact_groups), on="group")
    duplicates = pairs[pairs["verdict"] == "duplicate"]
    found = {
        name: np.isin(rows, exact.loc[exact["set"].isin(sets), "candidate"])
        | np.isin(rows, duplicates.loc[duplicates["reference_set"].isin(sets), "query"])
        for name, sets in (("in_cifar10_train", (TRAIN_SET,)), ("is_test_duplicate", TEST_SETS))
    }
    conflicts = exact.loc[exact["is_label_conflict"], "candidate"]
    table = accepted.merge(nearest(exact, pairs), on="candidate", how="left")
    table = table.assign(group=groups(exact, duplicates, num_candidates)[rows], **found)
    table["is_label_conflict"] = np.isin(rows, conflicts)
    table["is_copy"] = _is_copy(rows, exact_groups)
    table["is_eligible"] = ~(table["is_test_duplicate"] | table["is_label_conflict"] | table["is_copy"])
    return table


def of_workspace(workspace: Workspace, num_candidates: int) -> pd.DataFrame:
    """Screen the accepted candidates of a workspace by the tables that notebooks 02 and 03 left in it."""
    tables = (read_table(workspace.built / f"{name}.parquet") for name in ("accepted", "exact_groups", "pairs"))
    return screen(*tables, num_candidates)


def drawable(screened: pd.DataFrame, use_cifar10_train: bool = False) -> pd.DataFrame:
    """Keep what may be drawn: eligible rows, those that CIFAR-10's training set has only where they may fill up."""
    is_new = ~screened["in_cifar10_train"]
    return screened[screened["is_eligible"] & (is_new | use_cifar10_train)].reset_index(drop=True)


def nearest(exact: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Give each candidate its most similar reference image: candidate, nearest_set, nearest_row, nearest_ssim.

    exact: exact-group members with the candidate they equal; they count as similarity 1.
    """
    near = pairs[pairs["reference_set"] != "candidates"]
    near = near[["query", "reference_set", "reference", "ssim"]].set_axis(
        ["candidate", "nearest_set", "nearest_row", "nearest_ssim"], axis=1
    )
    equal = exact.loc[exact["set"] != "candidates", ["candidate", "set", "row"]]
    equal = equal.set_axis(["candidate", "nearest_set", "nearest_row"], axis=1).assign(nearest_ssim=1.0)
    both = pd.concat([equal, near], ignore_index=True)
    order = ["nearest_ssim", "nearest_set", "nearest_row"]
    best = both.sort_values(order, ascending=[False, True, True], kind="stable").drop_duplicates("candidate")
    return best.astype({"nearest_row": "int64"}).sort_values("candidate", ignore_index=True)


def groups(exact: pd.DataFrame, duplicates: pd.DataFrame, num_candidates: int) -> np.ndarray:
    """Number the groups of candidates that are copies or near-duplicates of each other: int64 (num_candidates,)."""
    near = duplicates.loc[duplicates["reference_set"] == "candidates", ["query", "reference"]]
    same = exact.loc[exact["set"] == "candidates", ["candidate", "row"]].set_axis(["query", "reference"], axis=1)
    return pair_table.components(pd.concat([near, same], ignore_index=True), num_candidates)


def _candidate_groups(exact_groups: pd.DataFrame) -> pd.DataFrame:
    members = exact_groups.loc[exact_groups["set"] == "candidates", ["group", "row"]]
    return members.rename(columns={"row": "candidate"})


def _is_copy(rows: np.ndarray, exact_groups: pd.DataFrame) -> np.ndarray:
    group_of = _candidate_groups(exact_groups).set_index("candidate")["group"].reindex(rows)
    return (group_of.notna() & group_of.duplicated(keep="first")).to_numpy()
