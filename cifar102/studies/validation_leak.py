"""What a leaked validation split would have shown: the same trained networks judged on rows drawn with replacement."""

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cifar102.datasets import sets
from cifar102.models import registry
from cifar102.training import data, pipeline, predict
from cifar102.training.config import TrainConfig
from cifar102.training.data import Load, TrainingData
from cifar102.training.runs import Run
from cifar102.workspace.files import read_json
from cifar102.workspace.folders import Workspace


def leak_table(runs: Sequence[Run], workspace: Workspace) -> pd.DataFrame:
    """Judge finished runs on an honest and on a leaked validation split; one row a run.

    The published mistake (splits.split with_replacement) trains on the very rows of the honest split and draws its
    validation rows from all of them, so nothing is trained again: the stored model predicts the leaked rows. Columns:
    arm, seed, train, honest, leaked, test (accuracies 0-1; test on CIFAR-10) and trained_on, the share of leaked rows
    that the network was trained on. Runs without a stored model (random features) are left out. Raises ValueError
    for a run with num_train, whose two splits would not have the same training rows.
    """
    load_set = functools.lru_cache(maxsize=2)(lambda name: sets.load(name, workspace))
    rows = [_row(run, load_set) for run in runs if (run.folder / "model.keras").is_file()]
    columns = ["arm", "seed", "train", "honest", "leaked", "test", "trained_on"]
    return pd.DataFrame(rows, columns=columns)


def _row(run: Run, load_set: Load) -> dict:
    honest, leaked = (_data(run.config, split, load_set) for split in ("permutation", "with_replacement"))
    if not np.array_equal(honest.train_rows, leaked.train_rows):
        raise ValueError(f"{run.config.name}: the two splits train on different rows (num_train is set)")
    model = registry.load_model(run.folder / "model.keras")
    normalization = pipeline.Normalization(**read_json(run.folder / "normalization.json"))
    rows = leaked.validation_rows
    predicted = predict.predictor(model, normalization)(leaked.images[rows]).argmax(axis=1)
    row = {"arm": run.config.arm, "seed": run.config.seed, "train": run.metrics["train_accuracy"]}
    row |= {"honest": run.metrics["validation_accuracy"], "leaked": float(np.mean(predicted == leaked.labels[rows]))}
    trained_on = float(np.isin(rows, leaked.train_rows).mean())
    return {**row, "test": run.metrics.get("cifar10_accuracy", np.nan), "trained_on": trained_on}


def _data(config: TrainConfig, split: str, load_set: Load) -> TrainingData:
    return data.load(config.replace(split=split, evaluate_on=()), load_set)
