"""A search draws the same points again, is judged on validation rows, and goes on where it stood."""

import numpy as np
import pytest

from cifar102.training import fitting, runs, sweeps
from cifar102.training.config import TrainConfig
from cifar102.workspace.files import write_json
from cifar102.workspace.folders import Workspace

BASE = TrainConfig(num_validation=10, model="cnn_four_conv")


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Let a run "train" by writing an accuracy that only its rate decides; the names of those that did."""
    names: list[str] = []

    def fit(config: TrainConfig, workspace: Workspace, *_: object) -> runs.Run:
        folder = Workspace(workspace).root / config.folder
        if not (folder / "metrics.json").is_file():
            names.append(config.arm)
            accuracy = 1 - abs(np.log10(config.learning_rate) + 1.5) / 5
            write_json(folder / "config.json", {"config": config.to_dict()})
            write_json(folder / "metrics.json", {"validation_accuracy": accuracy, "seconds": 1.0})
        return runs.Run(config, folder)

    monkeypatch.setattr(fitting, "fit", fit)
    monkeypatch.setattr(fitting, "fit_loaded", fit)
    return names


def test_points_lie_in_the_space_and_more_of_them_begin_with_the_same():
    points = sweeps.random_points(50, seed=3)
    for name, (low, high) in sweeps.SEARCH_SPACE.items():
        values = [point[name] for point in points]
        assert min(values) >= low * 0.999 and max(values) <= high * 1.001 and len(set(values)) == 50
    rates = np.log([point["learning_rate"] for point in points])
    middle = np.log(sweeps.SEARCH_SPACE["learning_rate"]).mean()
    assert 15 < (rates < middle).sum() < 35, "rates are drawn evenly in their logarithm"
    assert sweeps.random_points(5, seed=3) == points[:5] and sweeps.random_points(5, seed=4) != points[:5]


def test_a_trial_sets_rate_decay_and_the_three_dropouts_of_the_network():
    point = {"learning_rate": 0.02, "weight_decay": 0.001, "dropout": 0.4}
    config = sweeps.trial_config(BASE, 7, point)
    assert (config.folder, config.learning_rate, config.weight_decay) == ("runs/search/trial-007/seed-0", 0.02, 0.001)
    assert config.model_options == {"dropout": [0.2, 0.2, 0.4]}
    assert sweeps.trial_config(BASE.replace(model="vgg10"), 0, point).model_options == {"dropout": 0.4}


@pytest.mark.parametrize("sampler", sweeps.SAMPLERS)
def test_a_search_goes_on_where_it_stood_and_names_the_best(sampler, workspace, trained):
    if sampler != "random":
        pytest.importorskip("optuna")
    few = sweeps.run_search(BASE, workspace, 2, sampler=sampler)
    more = sweeps.run_search(BASE, workspace, 5, sampler=sampler)
    assert trained == [f"trial-{k:03d}" for k in range(5)], "no point is trained twice"
    assert more["learning_rate"][:2].tolist() == few["learning_rate"].tolist()
    assert len(more[["learning_rate", "weight_decay", "dropout"]].drop_duplicates()) == 5
    assert more["is_best"].sum() == 1 and more.loc[more["is_best"], "validation_accuracy"].item() == (
        more["validation_accuracy"].max()
    )


def test_a_trial_that_was_killed_is_trained_and_told_by_the_next_call(workspace, trained, monkeypatch):
    pytest.importorskip("optuna")
    fit = fitting.fit

    def killed(config: TrainConfig, *rest: object) -> runs.Run:
        if config.arm == "trial-001":
            raise KeyboardInterrupt
        return fit(config, *rest)

    monkeypatch.setattr(fitting, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        sweeps.run_search(BASE, workspace, 3, sampler="optuna-random")
    monkeypatch.setattr(fitting, "fit", fit)
    table = sweeps.run_search(BASE, workspace, 3, sampler="optuna-random")
    assert len(table) == 3 and trained == ["trial-000", "trial-001", "trial-002"]


def test_a_search_without_validation_rows_or_with_an_unknown_sampler_is_refused(workspace):
    with pytest.raises(ValueError, match="num_validation 0"):
        sweeps.run_search(BASE.replace(num_validation=0), workspace, 2)
    with pytest.raises(ValueError, match="sampler 'grid': expected one of random"):
        sweeps.run_search(BASE, workspace, 2, sampler="grid")
