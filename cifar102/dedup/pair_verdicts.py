"""What people said about pairs of similar images: this workspace's log, and the pairs judged for ciFAIR."""

from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.annotations.votes import WITHDRAWN
from cifar102.dedup import pair_table
from cifar102.workspace import append_log
from cifar102.workspace.folders import Workspace

COLUMNS = ("tiny_index", "reference_set", "reference", "rater", "verdict", "time")
MEANING = {"exact": "duplicate", "near": "duplicate", "similar": "different", "different": "different"}
JUDGED = "ciFAIR/duplicates_cifar10_test.csv"


def read(path: Path) -> pd.DataFrame:
    """Read labels/pair_verdicts.jsonl: columns COLUMNS, the last verdict of each rater on each pair; empty if absent.

    A verdict that was taken back is left out, and so is a line torn by a kill, which nobody was told is saved. Raises
    ValueError naming the file, the line and what is wrong with it.
    """
    rows = []
    for number, row, reason in append_log.read(path, check):
        if not reason:
            rows.append(row)
        elif row.rstrip().endswith("}"):
            raise ValueError(f"{path}, line {number}: {reason}")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    last = table.drop_duplicates(["tiny_index", "reference_set", "reference", "rater"], keep="last")
    return last[last["verdict"] != WITHDRAWN].reset_index(drop=True)


def ledger(path: Path) -> append_log.Ledger:
    """Open labels/pair_verdicts.jsonl for a page that stays open: the current verdicts, and writing to it."""
    return append_log.Ledger(path, check, _question)


def check(row: Mapping[str, object]) -> dict[str, object]:
    """Return a verdict with its fields in order; ValueError says which field is missing, unknown or wrong."""
    if not isinstance(row, Mapping):
        raise ValueError(f"not a JSON object: {row!r}")
    if missing := [name for name in COLUMNS if name not in row]:
        raise ValueError(f"{missing} missing; expected {list(COLUMNS)}")
    for name in ("tiny_index", "reference"):
        if isinstance(row[name], bool) or not hasattr(row[name], "__index__") or row[name] < 0:
            raise ValueError(f"{name} is a whole number from 0 on, found {row[name]!r}")
    for name in ("reference_set", "rater"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValueError(f"{name} is text, found {row[name]!r}")
    if row["verdict"] not in (*MEANING, WITHDRAWN):
        raise ValueError(f"verdict {row['verdict']!r}; expected one of {list(MEANING)}")
    append_log.moment(row["time"])
    return {name: row[name] for name in COLUMNS}


def _question(row: Mapping[str, object]) -> Hashable:
    return row["rater"], row["tiny_index"], row["reference_set"], row["reference"]


def apply(pairs: pd.DataFrame, verdicts: pd.DataFrame, tiny_indices: np.ndarray) -> pd.DataFrame:
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
    """Pairs inside CIFAR-10's test set that people judged to be duplicates: columns first, second; None if absent.

    Source: ciFAIR (Barz & Denzler 2020), raw/ciFAIR/duplicates_cifar10_test.csv, rows of test_batch.
    """
    path = workspace.raw / JUDGED
    if not path.is_file():
        return None
    table = pd.read_csv(path)
    if not {"TestID", "TrainID"} <= set(table.columns):
        raise ValueError(f"{path}: expected the columns TestID and TrainID, found {list(table.columns)}")
    pairs = np.sort(table[["TestID", "TrainID"]].to_numpy(np.int64), axis=1)
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
