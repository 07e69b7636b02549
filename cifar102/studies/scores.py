"""What each run of a study scores, image by image, from the predictions in its folder."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd

from cifar102.analysis.paired_runs import RunScore, score_images
from cifar102.analysis.predictions import SetPredictions, read_run
from cifar102.datasets import sets
from cifar102.workspace.folders import Workspace

ROUNDING = 1e-4  # of accuracies that a run has stored, against its stored predictions
Scores = Mapping[str, Mapping[int, RunScore]]  # arm -> seed


def metric_values(runs: pd.DataFrame, metric: str) -> pd.Series:
    """A metric of each run: a column of the table; `test_accuracy`, on the test part of the run's own data set; or
    the difference of two such, as `train_accuracy-test_accuracy`. ValueError for a column that is not there.
    """
    if metric in runs.columns:
        return runs[metric].astype(float)
    if metric == "test_accuracy":
        return pd.Series([row.get(f"{row['dataset']}_accuracy") for row in runs.to_dict("records")], runs.index, float)
    first, second = split_metric(metric)
    if second:
        return metric_values(runs, first) - metric_values(runs, second)
    known = [name for name in runs.columns if str(name).endswith("_accuracy")]
    raise ValueError(f"metric {metric!r}: the runs have {known} and test_accuracy")


def split_metric(metric: str) -> tuple[str, str]:
    """Return the two accuracies of a difference such as `train_accuracy-test_accuracy`; ("", "") for a single one."""
    first, minus, second = metric.partition("_accuracy-")
    return (f"{first}_accuracy", second) if minus else ("", "")


def run_scores(runs: pd.DataFrame, metric: str, workspace: Workspace | None = None) -> Scores:
    """Return a metric of the runs of one study: arm -> seed -> RunScore, arms in the order of the table.

    runs: rows of runs.runs_table; runs without the metric are left out. workspace: where the run folders and data sets
    are; without it only the numbers are known. Of training images no answers are kept, so a training accuracy is a
    number in any case. Raises ValueError where an arm has a seed twice or a folder has another accuracy than the table.
    """
    values = metric_values(runs, metric)
    if (doubled := runs.duplicated(["arm", "seed"])).any():
        raise ValueError(f"{int(doubled.sum())} runs have the same arm and seed as another")
    truth = None if workspace is None else cache(lambda name: sets.load(name, workspace))
    found: dict[str, dict[int, RunScore]] = {}
    for value, row in zip(values, runs.to_dict("records"), strict=True):
        seeds = found.setdefault(str(row["arm"]), {})
        if np.isfinite(value):
            seeds[int(row["seed"])] = RunScore(float(value)) if truth is None else _score(row, metric, workspace, truth)
    return found


def _score(row: dict, metric: str, workspace: Workspace, truth: object) -> RunScore:
    answers = read_run(workspace.root / row["run"])
    first, second = split_metric(metric)
    score = _accuracy(row, first or metric, answers, truth)
    return score - _accuracy(row, second, answers, truth) if second else score


def _accuracy(row: dict, metric: str, answers: Mapping[str, SetPredictions], truth: object) -> RunScore:
    """One accuracy of a run, with its images where their answers are kept."""
    name = metric.removesuffix("_accuracy")
    name = row["dataset"] if name == "test" else name
    stored = float(metric_values(pd.DataFrame([row]), metric).iloc[0])
    if name not in answers:
        return RunScore(stored)
    part = answers[name]
    labels = truth(row["dataset"])["train"].labels if name == "validation" else truth(name)["test"].labels
    rows = np.arange(len(labels)) if part.rows is None else part.rows
    place = f"{row['dataset']} training part" if name == "validation" else name
    score = score_images(part.class_ids == labels[rows], place, rows, len(labels))
    if abs(score.value - stored) > ROUNDING:
        raise ValueError(
            f"{row['run']}: its predictions.npz has {score.value:.4f} of {name} right, the table of runs says "
            f"{stored:.4f}; the labels of this workspace are not those it was trained with"
        )
    return score
