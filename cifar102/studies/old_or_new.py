"""Old or new: what a network that never saw an image says of its origin, and the same of two halves of the old."""

import numpy as np
import pandas as pd

from cifar102.datasets import origins
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
    fields = baselines.baseline_recipe(NETWORK, common) | baselines.RECIPES[NETWORK].few_images
    found = []
    for kind in COMPARISONS.values():
        for number in range(origins.FOLDS):
            name = ORIGIN.format(kind=kind, number=number)
            where = {"study": STUDY, "arm": f"{kind}-fold-{number}", "dataset": name, "evaluate_on": (name,)}
            where |= {"num_validation": 0, "epochs": epochs, "test_views": "one"}
            found += [TrainConfig(**{**fields, **where, "seed": seed}) for seed in range(seeds)]
    return found


def run_old_or_new(
    workspace: Workspace, *, seeds: int, epochs: int, scheduler: str | None = None, **common: object
) -> pd.DataFrame:
    """Train the networks and return what they say of the images of the fold that each did not see.

    Columns: comparison (COMPARISONS), fold, row (of the fold), is_new bool, score (0-1, mean probability of "new" over
    seeds; in the control of the second half). Finished runs in runs/old_or_new/ are not trained again. ValueError names
    a run that failed.
    """
    said: dict[tuple[str, int], list[np.ndarray]] = {}
    truth: dict[tuple[str, int], np.ndarray] = {}
    old, new = (sweeps.sets.load(name, workspace)["test"] for name in ("cifar10", "cifar102"))
    for run in sweeps.sweep(old_or_new_configs(seeds, epochs, **common), scheduler, workspace):
        if run.error:
            raise ValueError(f"{run.config.name}: {run.error}")
        kind, _, number = run.config.arm.split("-")
        said.setdefault((kind, int(number)), []).append(_score(run))
    for kind, number in said:
        images, place = origins.folds(old, new, kind == "control")
        truth[kind, number] = images.labels[place == number].astype(bool)
    names = {kind: name for name, kind in COMPARISONS.items()}
    parts = [
        pd.DataFrame({"comparison": names[kind], "fold": number, "is_new": truth[kind, number]})
        .assign(score=np.mean(scores, axis=0))
        .reset_index(names="row")
        for (kind, number), scores in said.items()
    ]
    return pd.concat(parts, ignore_index=True)[["comparison", "fold", "row", "is_new", "score"]]


def _score(run: Run) -> np.ndarray:
    """The probability of the second of two classes, which the larger one gives where no other is kept."""
    answers = run.predictions()[run.config.dataset]
    if "probabilities" in answers:
        return answers["probabilities"][:, 1].astype(np.float64)
    confidence = answers["confidence"].astype(np.float64)
    return np.where(answers["class_ids"] == 1, confidence, 1 - confidence)
