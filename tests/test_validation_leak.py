"""A leaked validation split changes the judgement and not the network."""

import numpy as np
import pytest

from cifar102.cifar import ImageSet
from cifar102.datasets import sets as datasets
from cifar102.studies import baselines
from cifar102.training import fitting
from cifar102.training.config import TrainConfig
from cifar102.workspace.folders import Workspace

CONFIG = TrainConfig(
    model="ablation_cnn",
    model_options={"filters": [4], "dense_units": 64},
    num_validation=40,
    epochs=25,
    batch_size=20,
    learning_rate=0.03,
    evaluate_on=("cifar10",),
)


@pytest.fixture
def noise(monkeypatch, rng) -> None:
    """Images and labels with nothing in common: whoever scores above chance on them has seen them."""
    sets = {
        part: ImageSet(rng.integers(0, 256, (count, 32, 32, 3), np.uint8), np.arange(count) % 10)
        for part, count in (("train", 200), ("test", 100))
    }
    monkeypatch.setattr(datasets, "load", lambda name, workspace: sets)


def test_a_network_that_memorised_noise_looks_good_on_the_leaked_split_alone(noise, workspace: Workspace) -> None:
    run = fitting.fit(CONFIG, workspace)
    row = baselines.leak_table([run], workspace).iloc[0]
    assert row["honest"] == run.metrics["validation_accuracy"] < 0.4 and row["train"] > 0.9
    assert row["leaked"] > 0.7 and 0.6 < row["trained_on"] < 0.95
    assert abs(row["leaked"] - (row["trained_on"] * row["train"] + (1 - row["trained_on"]) * row["honest"])) < 0.15
    again = fitting.fit(CONFIG.replace(split="with_replacement", arm="leak"), workspace)
    assert again.metrics["validation_accuracy"] == row["leaked"], "the run that is really split so ends with this"


def test_a_run_on_a_subset_is_refused_and_one_without_a_stored_model_left_out(noise, workspace: Workspace) -> None:
    run = fitting.fit(CONFIG.replace(num_train=100, epochs=1, arm="subset"), workspace)
    with pytest.raises(ValueError, match="train on different rows"):
        baselines.leak_table([run], workspace)
    (run.folder / "model.keras").unlink()
    assert baselines.leak_table([run], workspace).empty
