"""Screening: which accepted candidates may be drawn, given what they duplicate and how they hang together."""

from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.annotations.votes import WITHDRAWN, one_spelling
from cifar102.dedup import pair_table
from cifar102.workspace import append_log, names
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

PAIR_VERDICT_COLUMNS = ("tiny_index", "reference_set", "reference", "rater", "verdict", "time")
MEANING = {"exact": "duplicate", "near": "duplicate", "similar": "different", "different": "different"}
BLIND = "judging"  # `page` of a verdict that was given without the score in view
JUDGED = "ciFAIR/duplicates_cifar10_test.csv"
JUDGED_COLUMNS = ("TestID", "TrainID")  # both are rows of the test set in this list of ciFAIR's


def read_pair_verdicts(path: Path) -> pd.DataFrame:
    """Read labels/pair_verdicts.jsonl: the last verdict of each rater on each pair.

    Returns the columns PAIR_VERDICT_COLUMNS, no rows where there is no such file. A verdict that was taken back is left
    out, and so is a line torn by a kill, which nobody was told is saved. Raises ValueError naming the file, the line
    and what is wrong with it.
    """
    rows = []
    for number, row, reason in append_log.read(path, check_pair_verdict):
        if not reason:
            rows.append(row)
        elif row.rstrip().endswith("}"):
            raise ValueError(f"{path}, line {number}: {reason}")
    table = one_spelling(pd.DataFrame(rows, columns=list(PAIR_VERDICT_COLUMNS)))
    last = table.drop_duplicates(["tiny_index", "reference_set", "reference", "rater"], keep="last")
    return last[last["verdict"] != WITHDRAWN].reset_index(drop=True)


def pair_ledger(path: Path) -> append_log.Ledger:
    """Open labels/pair_verdicts.jsonl for a page that stays open: the current verdicts, and writing to it."""
    return append_log.Ledger(path, check_pair_verdict, _question)


def check_pair_verdict(row: Mapping[str, object]) -> dict[str, object]:
    """Return a verdict with its fields in order; ValueError says which field is missing, unknown or wrong."""
    if not isinstance(row, Mapping):
        raise ValueError(f"not a JSON object: {row!r}")
    if missing := [name for name in PAIR_VERDICT_COLUMNS if name not in row]:
        raise ValueError(f"{missing} missing; expected {list(PAIR_VERDICT_COLUMNS)}")
    for name in ("tiny_index", "reference"):
        if isinstance(row[name], bool) or not hasattr(row[name], "__index__") or row[name] < 0:
            raise ValueError(f"{name} is a whole number from 0 on, found {row[name]!r}")
    for name in ("reference_set", "rater"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValueError(f"{name} is text, found {row[name]!r}")
    if row["verdict"] not in (*MEANING, WITHDRAWN):
        raise ValueError(f"verdict {row['verdict']!r}; expected one of {list(MEANING)}")
    names.check_seen(row["rater"], "rater")
    append_log.moment(row["time"])
    page = row.get("page")
    if page not in (None, BLIND):
        raise ValueError(f"page is {BLIND!r} or is not there, found {page!r}")
    return {name: row[name] for name in PAIR_VERDICT_COLUMNS} | ({"page": page} if page else {})


def _question(row: Mapping[str, object]) -> Hashable:
    return names.identity(row["rater"]), row["tiny_index"], row["reference_set"], row["reference"]


def apply_pair_verdicts(pairs: pd.DataFrame, verdicts: pd.DataFrame, tiny_indices: np.ndarray) -> pd.DataFrame:
    """Let a person's verdict override the score: exact and near are duplicates, similar and different are not.

    pairs: the table of notebook 03; tiny_indices: int (n,), of the candidates, sorted. A verdict names a candidate by
    its tiny_index, as reference too, because rows change with the keywords; one about an image that is no candidate any
    more is left out. Two candidates are one pair, whichever stands first. A pair on which raters differ gets the
    verdict "review". Returns pairs with the column verdict changed and is_reviewed.
    """
    said = verdicts.assign(verdict=verdicts["verdict"].map(MEANING))
    said["query"] = _rows(said["tiny_index"], tiny_indices)
    is_among = said["reference_set"] == "candidates"
    said.loc[is_among, "reference"] = _rows(said.loc[is_among, "reference"], tiny_indices)
    turned = said[is_among].rename(columns={"query": "reference", "reference": "query"})
    said = pd.concat([said, turned], ignore_index=True)
    said = said[(said["query"] >= 0) & (said["reference"] >= 0)]
    keys = ["query", "reference_set", "reference"]
    final = said.groupby(keys)["verdict"].agg(lambda given: given.iloc[0] if len(set(given)) == 1 else "review")
    return pair_table.apply_verdicts(pairs, final.rename("verdict").reset_index())


def _rows(wanted: pd.Series, tiny_indices: np.ndarray) -> np.ndarray:
    """Find tiny indices in the sorted ones of the candidates: their rows, int64, -1 where one is no candidate."""
    wanted = wanted.to_numpy(np.int64)
    rows = np.minimum(np.searchsorted(tiny_indices, wanted), len(tiny_indices) - 1)
    return np.where(tiny_indices[rows] == wanted, rows, -1)


def judged_pairs(workspace: Workspace) -> pd.DataFrame | None:
    """Read the pairs inside CIFAR-10's test set that people judged to be duplicates; None if the list is absent.

    Returns first, second: rows of test_batch, int64, the smaller first. Raises ValueError for a damaged list.
    Source: Barz & Denzler 2020, https://github.com/cvjena/ciFAIR
    """
    path = workspace.raw / JUDGED
    if not path.is_file():
        return None
    rows = read_table(path, JUDGED_COLUMNS)[list(JUDGED_COLUMNS)]
    try:
        pairs = np.sort(rows.astype(np.int64), axis=1)
    except ValueError as error:  # words, or an empty cell
        raise ValueError(f"{path}: expected whole numbers in {list(JUDGED_COLUMNS)}: {error}") from error
    return pd.DataFrame(pairs, columns=["first", "second"])


def recall_table(pairs: pd.DataFrame, judged: pd.DataFrame, thresholds: np.ndarray) -> pd.DataFrame:
    """Share of the judged pairs that score at or above each threshold, and how many pairs do so in all.

    pairs: within one set, columns query, reference, ssim; judged: first < second.
    Returns threshold, found, recall, pairs.
    """
    ends = np.sort(pairs[["query", "reference"]].to_numpy(), axis=1)
    scores = pd.Series(pairs["ssim"].to_numpy(), index=pd.MultiIndex.from_arrays(ends.T)).groupby(level=[0, 1]).max()
    of_judged = scores.reindex(pd.MultiIndex.from_frame(judged)).to_numpy()
    found = np.array([np.sum(of_judged >= t) for t in thresholds])
    flagged = np.array([np.sum(scores.to_numpy() >= t) for t in thresholds])
    return pd.DataFrame({"threshold": thresholds, "found": found, "recall": found / len(judged), "pairs": flagged})


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
    table = accepted.merge(nearest_references(exact, pairs), on="candidate", how="left")
    table = table.assign(group=copy_groups(exact, duplicates, num_candidates)[rows], **found)
    table["is_label_conflict"] = np.isin(rows, conflicts)
    table["is_copy"] = _is_copy(rows, exact_groups)
    table["is_eligible"] = ~(table["is_test_duplicate"] | table["is_label_conflict"] | table["is_copy"])
    return table


def screen_workspace(workspace: Workspace, num_candidates: int) -> pd.DataFrame:
    """Screen the accepted candidates of a workspace by the tables that notebooks 02 and 03 left in it."""
    tables = (read_table(workspace.built / f"{name}.parquet") for name in ("accepted", "exact_groups", "pairs"))
    return screen(*tables, num_candidates)


def drawable(screened: pd.DataFrame, use_cifar10_train: bool = False) -> pd.DataFrame:
    """Keep what may be drawn: eligible rows, those that CIFAR-10's training set has only where they may fill up."""
    is_new = ~screened["in_cifar10_train"]
    return screened[screened["is_eligible"] & (is_new | use_cifar10_train)].reset_index(drop=True)


def nearest_references(exact: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
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


def copy_groups(exact: pd.DataFrame, duplicates: pd.DataFrame, num_candidates: int) -> np.ndarray:
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
