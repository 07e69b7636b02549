"""Old or new: what a network that never saw an image says of its origin, and the same of two halves of the old."""

import numpy as np
import pandas as pd

from cifar102.datasets import origins, sets
from cifar102.datasets.sets import ORIGIN
from cifar102.studies import baselines
from cifar102.training import sweeps
from cifar102.training.config import TrainConfig
from cifar102.training.runs import Run
from cifar102.workspace.folders import Workspace

STUDY = "old_or_new"
NETWORK = "fast_cnn"
COMPARISONS = {"old or new": "test", "control: two halves of old": "control"}  # -> part of the data set's name


def old_or_new_configs(seeds: int, epochs: int, **common: object) -> list[TrainConfig]:
    """The configs of both comparisons, fold by fold. common: further TrainConfig fields."""
    found = []
    for kind in COMPARISONS.values():
        for number in range(origins.FOLDS):
            where = {"study": STUDY, "arm": f"{kind}-fold-{number}", "epochs": epochs}
            dataset = ORIGIN.format(kind=kind, number=number)
            found += [baselines.own_test_config(NETWORK, dataset, common, seed=seed, **where) for seed in range(seeds)]
    return found


def run_old_or_new(
    workspace: Workspace, *, seeds: int, epochs: int, scheduler: str | None = None, **common: object
) -> pd.DataFrame:
    """Train the networks and return what they say of the images of the fold that each did not see.

    Columns: comparison (COMPARISONS), fold, row (of the fold), is_new bool, score (0-1, mean probability of "new" over
    seeds; in the control of the second half). Finished runs in runs/old_or_new/ are not trained again. ValueError names
    a run that failed.
    """
    said: dict[str, list[np.ndarray]] = {}
    for run in sweeps.sweep(old_or_new_configs(seeds, epochs, **common), scheduler, workspace):
        if run.error:
            raise ValueError(f"{run.config.name}: {run.error}")
        said.setdefault(run.config.dataset, []).append(_score(run))
    parts = []
    for comparison, kind in COMPARISONS.items():
        for number in range(origins.FOLDS):
            name = ORIGIN.format(kind=kind, number=number)
            is_new = sets.load(name, workspace)["test"].labels.astype(bool)
            part = {"comparison": comparison, "fold": number, "row": np.arange(len(is_new)), "is_new": is_new}
            parts.append(pd.DataFrame(part).assign(score=np.mean(said[name], axis=0)))
    return pd.concat(parts, ignore_index=True)


def _score(run: Run) -> np.ndarray:
    """The probability of the second of two classes, which the larger one gives where no other is kept."""
    answers = run.predictions()[run.config.dataset]
    if "probabilities" in answers:
        return answers["probabilities"][:, 1].astype(np.float64)
    confidence = answers["confidence"].astype(np.float64)
    return np.where(answers["class_ids"] == 1, confidence, 1 - confidence)
