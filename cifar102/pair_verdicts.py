"""What people said about pairs of similar images: this workspace's log, and the pairs judged for ciFAIR."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import dedup
from cifar102.workspace import Workspace

COLUMNS = ("tiny_index", "reference_set", "reference", "rater", "verdict", "time")
MEANING = {"exact": "duplicate", "near": "duplicate", "similar": "different", "different": "different"}
JUDGED = "ciFAIR/duplicates_cifar10_test.csv"


def read(path: Path) -> pd.DataFrame:
    """Read labels/pair_verdicts.jsonl: columns COLUMNS, the last verdict of each rater on each pair; empty if absent.

    Raises ValueError naming the file, the line and what is wrong with it.
    """
    if not Path(path).is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [_row(path, number, line) for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.drop_duplicates(["tiny_index", "reference_set", "reference", "rater"], keep="last", ignore_index=True)


def apply(pairs: pd.DataFrame, verdicts: pd.DataFrame, tiny_indices: np.ndarray) -> pd.DataFrame:
    """Let a person's verdict override the score: exact and near are duplicates, similar and different are not.

    pairs: the table of notebook 03; tiny_indices: int (n,), of the candidates, sorted. A pair on which raters differ
    gets the verdict "review"; a verdict about an image that is no candidate any more is left out. Returns pairs with
    the column verdict changed and is_reviewed.
    """
    rows = np.searchsorted(tiny_indices, verdicts["tiny_index"].to_numpy(np.int64))
    rows = np.minimum(rows, len(tiny_indices) - 1)
    is_known = tiny_indices[rows] == verdicts["tiny_index"].to_numpy(np.int64)
    said = verdicts.assign(query=rows, verdict=verdicts["verdict"].map(MEANING))[is_known]
    keys = ["query", "reference_set", "reference"]
    final = said.groupby(keys)["verdict"].agg(lambda given: given.iloc[0] if len(set(given)) == 1 else "review")
    return dedup.apply_verdicts(pairs, final.rename("verdict").reset_index())


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


def _row(path: Path, number: int, line: str) -> dict:
    try:
        row = json.loads(line)
        missing = [name for name in COLUMNS if name not in row]
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{path}, line {number}: not a JSON object: {error}") from error
    if missing:
        raise ValueError(f"{path}, line {number}: {missing} missing; expected {list(COLUMNS)}")
    if row["verdict"] not in MEANING:
        raise ValueError(f"{path}, line {number}: verdict {row['verdict']!r}; expected one of {list(MEANING)}")
    return {name: row[name] for name in COLUMNS}
