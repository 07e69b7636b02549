"""Scores of runs: metrics out of the table of runs, and image by image out of the run folders."""

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import ImageSet
from cifar102.studies import scores
from cifar102.workspace.folders import Workspace

LABELS = np.arange(40) % 10
IMAGES = np.zeros((40, 32, 32, 3), np.uint8)


@pytest.fixture(autouse=True)
def data(monkeypatch) -> None:
    both = {"train": ImageSet(IMAGES, LABELS), "test": ImageSet(IMAGES, (LABELS + 3) % 10)}
    monkeypatch.setattr(scores.sets, "load", lambda name, workspace: both)


def write_run(workspace: Workspace, arm: str, seed: int, rng: np.random.Generator, **columns: object) -> dict:
    """A run that was validated on 20 training rows and tested on all test images: its row of the table of runs."""
    rows = np.sort(rng.permutation(40)[:20])
    said = {"validation": rng.integers(0, 10, size=20), "cifar10": rng.integers(0, 10, size=40)}
    folder = workspace.runs / "pooling" / arm / f"seed-{seed}"
    folder.mkdir(parents=True)
    arrays = {f"{name}.class_ids": values.astype(np.uint8) for name, values in said.items()}
    np.savez_compressed(folder / "predictions.npz", **arrays, **{"validation.rows": rows})
    row = {"study": "pooling", "arm": arm, "seed": seed, "dataset": "cifar10", "train_accuracy": 0.9}
    row["validation_accuracy"] = np.mean(said["validation"] == LABELS[rows])
    row["cifar10_accuracy"] = np.mean(said["cifar10"] == (LABELS + 3) % 10)
    return {**row, "run": folder.relative_to(workspace.root).as_posix(), **columns}


def test_the_metric_may_be_a_gap_and_the_test_of_each_runs_own_set():
    row = {"arm": "a", "dataset": "cifar10", "train_accuracy": 0.9, "cifar10_accuracy": 0.4}
    runs = pd.DataFrame([row])
    assert scores.metric_values(runs, "train_accuracy-test_accuracy").tolist() == pytest.approx([0.5])
    with pytest.raises(ValueError, match="train_accuracy"):
        scores.metric_values(runs, "nonsense")


@pytest.mark.parametrize("metric", ["validation_accuracy", "test_accuracy", "validation_accuracy-test_accuracy"])
def test_scores_are_the_numbers_of_the_table_with_their_images(workspace, rng, metric):
    runs = pd.DataFrame([write_run(workspace, "max", seed, rng) for seed in range(2)])
    found = scores.run_scores(runs, metric, workspace)
    values = [score.value for score in found["max"].values()]
    assert values == pytest.approx(scores.metric_values(runs, metric).tolist())
    assert found["max"][0].num_images == {"validation_accuracy": 20, "test_accuracy": 40}.get(metric, 20)
    assert len(found["max"][0].vector) == (80 if "-" in metric else 40)


def test_a_training_accuracy_is_a_number_whose_images_are_not_known(workspace, rng):
    runs = pd.DataFrame([write_run(workspace, "max", 0, rng)])
    found = scores.run_scores(runs, "train_accuracy-validation_accuracy", workspace)["max"][0]
    assert found.value == pytest.approx(0.9 - runs["validation_accuracy"].iloc[0])
    assert list(found.influence) == ["cifar10 training part"] and found.num_images == 20


def test_without_a_workspace_only_numbers_are_known(workspace, rng):
    runs = pd.DataFrame([write_run(workspace, "max", 0, rng)])
    assert scores.run_scores(runs, "validation_accuracy")["max"][0].num_images == 0


def test_a_run_whose_answers_do_not_give_its_accuracy_is_named(workspace, rng):
    runs = pd.DataFrame([write_run(workspace, "max", 0, rng, validation_accuracy=0.99)])
    with pytest.raises(ValueError, match=r"runs/pooling/max/seed-0: its predictions.*0\.9900"):
        scores.run_scores(runs, "validation_accuracy", workspace)


def test_a_run_that_is_in_the_table_twice_is_refused(workspace, rng):
    runs = pd.DataFrame([write_run(workspace, "max", 0, rng)])
    with pytest.raises(ValueError, match="same arm and seed"):
        scores.run_scores(pd.concat([runs, runs]), "validation_accuracy")
