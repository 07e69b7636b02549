"""The recipes of notebook 05, what its configs have in common, and the table of its networks."""

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.analysis import accuracies
from cifar102.analysis.published import read_published
from cifar102.cifar import ImageSet
from cifar102.datasets import sets
from cifar102.decisions import tables
from cifar102.studies import baselines
from cifar102.training import fitting
from cifar102.training.config import TrainConfig
from cifar102.workspace.folders import Workspace


def test_each_network_trains_on_both_sets_with_the_same_recipe_and_seed():
    configs = baselines.training_set_configs({"fully_connected": 2, "wrn16-1": 1}, seeds=2, num_validation=10)
    assert [config.arm for config in configs[:2]] == ["fully_connected-cifar10-10k", "fully_connected-cifar102"]
    for ours, theirs in zip(configs[::2], configs[1::2], strict=True):
        same = {"arm": "x", "dataset": "cifar10", "evaluate_on": ("cifar10",)}
        assert ours.replace(**same) == theirs.replace(**same)
    assert "cifar102-uniform" in configs[0].evaluate_on, "no network of the reference has seen the uniform arm"
    assert "cifar102-uniform" not in configs[1].evaluate_on, "the uniform arm overlaps the new training set"
    assert configs[-1].model_options == {"depth": 16, "width": 1}


def test_random_features_get_their_filters_and_other_networks_do_not():
    configs = baselines.training_set_configs({"random_features": 1, "fully_connected": 1}, seeds=1, num_filters=7)
    assert [config.model_options for config in configs] == [{"num_filters": 7}] * 2 + [{}] * 2


def test_networks_on_all_images_are_not_tested_on_what_they_have_seen():
    fitted, trained = baselines.whole_configs({"cnn_four_conv": 3}, 64, num_validation=10)
    assert fitted.evaluate_on == trained.evaluate_on == ("cifar10",)
    assert (fitted.model_options, trained.epochs) == ({"num_filters": 64}, 3)
    assert baselines.whole_configs({}, 0) == []


def test_fast_cnn_keeps_the_batches_and_the_augmentation_of_its_recipe():
    epochs = {"fast_cnn": 6}
    small = baselines.training_set_configs(epochs, seeds=1, num_validation=10, batch_size=64)[0]
    (whole,) = baselines.whole_configs(epochs, 0, num_validation=10, batch_size=64)
    recipe = baselines.fast_cnn_config(6, num_validation=10)
    same = {"study": "x", "arm": "x", "dataset": "cifar10", "evaluate_on": ()}
    assert whole.replace(**same) == recipe.replace(**same)
    assert small.replace(**same) == recipe.replace(**same, **baselines.FAST_CNN.few_images, test_views="one")
    with pytest.raises(ValueError, match="fast_cnn"):
        baselines.augmentation_configs(epochs, ["fast_cnn"], seeds=1)


def test_an_arm_with_augmentation_differs_from_its_partner_in_augmentation_alone():
    epochs = {"cnn_two_conv": 2, "random_features": 1}
    plain = baselines.training_set_configs(epochs, seeds=1, num_validation=10)[0]
    (flipped,) = baselines.augmentation_configs(epochs, ["cnn_two_conv"], seeds=1, num_validation=10)
    same = {"study": "x", "arm": "x", "evaluate_on": (), "augmentation": "flip_crop"}
    assert plain.replace(**same) == flipped.replace(**same) and plain.augmentation == "none"
    with pytest.raises(ValueError, match="random_features"):
        baselines.augmentation_configs(epochs, ["random_features"], seeds=1)


def test_the_augmentation_table_pairs_networks_and_seeds():
    columns = ["arm", "dataset", "seed", "augmentation", "train_accuracy", "cifar10_accuracy"]
    plain = [
        ["vgg10-cifar10-10k", "cifar10-10k", 0, "none", 0.9, 0.6],
        ["vgg10-cifar10-10k", "cifar10-10k", 1, "none", 0.9, 0.5],
        ["vgg10-cifar102", "cifar102", 0, "none", 0.9, 0.4],
        ["resnet20-cifar10-10k", "cifar10-10k", 0, "none", 0.9, 0.3],
    ]
    augmented = [["vgg10+flip_crop", "cifar10-10k", 0, "flip_crop", 0.7, 0.65]]
    table = baselines.augmentation_table(*(pd.DataFrame(rows, columns=columns) for rows in (plain, augmented)))
    assert table["augmentation"].tolist() == ["none", "flip_crop"] and table["cifar10_accuracy"].tolist() == [0.6, 0.65]
    assert set(table["model"]) == {"vgg10"} and set(table["seed"]) == {0}


def test_each_optimizer_starts_from_the_end_of_the_cyclical_phase():
    first, *rest = baselines.cyclical_configs(1e-3, 1e-1, 4, 2, num_validation=10)
    assert (first.schedule, first.schedule_options["cycle_epochs"]) == ("triangular", 2)
    assert {config.start_from for config in rest} == {first.folder}
    assert [config.optimizer for config in rest] == ["rmsprop", "adagrad", "adadelta", "adam"]


def test_an_unknown_baseline_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"baseline 'vgg11': expected one of .*vgg10"):
        baselines.baseline_recipe("vgg11", {})


def test_the_summary_has_mean_spread_and_rates_of_each_network_and_set():
    rows = {
        "arm": ["vgg10-cifar10-10k", "vgg10-cifar10-10k", "vgg10-cifar102"],
        "dataset": ["cifar10-10k", "cifar10-10k", "cifar102"],
        "num_train": 100,
        "epochs": 3,
        "parameters": 7,
        "cifar10_accuracy": [0.5, 0.7, 0.4],
        "validation_accuracy": [0.5, 0.5, 0.5],
        "cifar102_accuracy": [0.4, 0.4, np.nan],
        "seconds": [10.0, 20.0, 5.0],
        "processor_seconds": [10.0, 20.0, 6.0],
        "images_per_second": [30.0, 15.0, 60.0],
    }
    table = baselines.baseline_summary(pd.DataFrame(rows)).set_index("trained_on")
    first = table.loc["cifar10-10k"]
    assert (first["model"], first["n"], first["test_mean"]) == ("vgg10", 2, pytest.approx(0.6))
    assert first["test_sd"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert (first["seconds"], first["images_per_processor_second"]) == (15, 600 / 30)
    assert np.isnan(table.loc["cifar102", "test_sd"]) and first["published"] == 0.9299


@pytest.mark.parametrize("seconds", [[1.0, 9.0], [9.0, 1.0]])
def test_the_order_of_the_table_does_not_depend_on_how_long_anything_took(seconds):
    runs = pd.DataFrame({"arm": ["vgg10-cifar102", "fully_connected-cifar102"], "dataset": "cifar102"})
    runs = runs.assign(num_train=10, epochs=1, parameters=7, images_per_second=1.0, cifar10_accuracy=0.5)
    runs = runs.assign(validation_accuracy=0.5, seconds=seconds, processor_seconds=seconds)
    assert baselines.baseline_summary(runs)["model"].tolist() == ["fully_connected", "vgg10"]


def test_published_figures_name_known_networks_and_a_source():
    table = tables.published_baselines()
    assert set(table["model"]) <= set(baselines.RECIPES) and table["published"].between(0.5, 1).all()
    assert table["source"].str.startswith("https://").all()


@pytest.mark.real_data
def test_figures_taken_from_the_published_predictions_are_what_these_give(published, real_data):
    labels = cifar.load_cifar10(real_data / "cifar-10-batches-py")["test"].labels
    found = accuracies.accuracy_table(read_published(published, "cifar10"), labels)
    found = found.set_index("model")["accuracy"]
    table = tables.published_baselines()
    rows = table[table["source"].str.contains("CIFAR-10.1", regex=False)]
    assert len(rows) == 3
    for row in rows.to_dict("records"):
        assert found[row["what"].split()[0]] == pytest.approx(row["published"], abs=5e-5)


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
    parts = {
        part: ImageSet(rng.integers(0, 256, (count, 32, 32, 3), np.uint8), np.arange(count) % 10)
        for part, count in (("train", 200), ("test", 100))
    }
    monkeypatch.setattr(sets, "load", lambda name, workspace: parts)


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
