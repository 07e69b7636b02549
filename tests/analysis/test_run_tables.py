"""Tables of trainings as charts draw them: every run has its point, every curve starts at epoch one."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import intervals, run_tables

RUNS = pd.DataFrame(
    {
        "arm": ["max", "average", "max"],
        "seed": [1, 0, 0],
        "cifar10_accuracy": [0.6, 0.4, 0.8],
        "cifar102_accuracy": [np.nan, 0.3, 0.7],
    }
)


def history(*accuracy: float, first: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"epoch": range(first, first + len(accuracy)), "val_accuracy": accuracy})


def test_learning_curves_count_epochs_from_one_and_leave_out_what_was_not_measured() -> None:
    history = pd.DataFrame({"epoch": [0, 1], "accuracy": [0.1, 0.2]})
    curves = run_tables.learning_curves({"a": history, "b": history.assign(val_accuracy=0.3)})
    assert curves.groupby(["run", "images"]).size().to_dict() == {
        ("a", "training"): 2, ("b", "training"): 2, ("b", "validation"): 2,
    }  # fmt: skip
    assert curves["epoch"].tolist() == [1, 2] * 3


def test_each_run_is_a_point_beside_the_mean_of_its_arm() -> None:
    points = run_tables.seed_points(RUNS, "cifar10_accuracy", ["average", "max"])
    assert points[["arm", "seed"]].to_numpy().tolist() == [["average", 0], ["max", 0], ["max", 1]]
    assert points["mean"].tolist() == pytest.approx([0.4, 0.7, 0.7])
    assert list(points) == ["arm", "seed", "accuracy", "order", "mean"]


def test_runs_that_were_not_evaluated_on_a_set_have_no_point_there() -> None:
    points = run_tables.seed_points_by_test(RUNS, ("cifar10", "cifar102"))
    assert points.groupby("test").size().to_dict() == {"cifar10": 3, "cifar102": 2}
    assert points.loc[points["arm"] == "max", "mean"].tolist() == pytest.approx([0.7, 0.7, 0.7])
    assert list(points) == ["arm", "seed", "test", "accuracy", "mean"]


def test_intervals_are_those_of_the_counts() -> None:
    table = run_tables.with_intervals(RUNS, {"cifar10_accuracy": 10}, ["arm"])
    assert (table["cifar10_accuracy_low"][1], table["cifar10_accuracy_high"][1]) == intervals.clopper_pearson(4, 10)
    assert list(table) == ["arm", "cifar10_accuracy", "cifar10_accuracy_low", "cifar10_accuracy_high"]


def test_curves_are_told_apart_by_training_set() -> None:
    log = history(0.1, 0.2)
    found = run_tables.curves_by_training_set({"vgg-cifar102": log, "vgg-cifar10-10k": log, "alexnet-cifar102": log})
    assert {name: part["model"].unique().tolist() for name, part in found.items()} == {
        "cifar10-10k": ["vgg"], "cifar102": ["vgg", "alexnet"],
    }  # fmt: skip


def test_mean_curves_are_over_the_runs_of_an_arm_from_epoch_one() -> None:
    table = run_tables.mean_curves(
        [("b", history(0.1, 0.3)), ("b", history(0.3, 0.5)), ("a", history(1))], "val_accuracy"
    )
    assert table["arm"].tolist() == ["b", "b", "a"] and table["epoch"].tolist() == [1, 2, 1]
    assert table["val_accuracy"].tolist() == pytest.approx([0.2, 0.4, 1])
    mean = run_tables.mean_learning_curves([history(0.1, 0.3), history(0.3, 0.5)])
    assert mean["accuracy"].tolist() == pytest.approx([0.2, 0.4])


def test_phases_go_on_from_the_last_point_of_the_first() -> None:
    table = run_tables.continued_curves(history(0.1, 0.2), {"adam": history(0.3), "sgd": history(0.4)})
    assert table[["run", "epoch"]].to_numpy().tolist() == [
        ["cyclical phase", 1], ["cyclical phase", 2], ["adam", 2], ["adam", 3], ["sgd", 2], ["sgd", 3],
    ]  # fmt: skip


def test_losses_of_a_range_test_are_cut_at_twice_the_first() -> None:
    tested = pd.DataFrame({"learning_rate": [0.1, 0.2], "loss": [2.0, 90.0], "smoothed_loss": [2.0, 3.0]})
    assert run_tables.rate_curves(tested)["value"].tolist() == [2, 4, 2, 3]


def test_means_stand_in_the_order_asked_under_their_own_names() -> None:
    columns = {"cifar10_accuracy": "old", "cifar102_accuracy": "new"}
    bars = run_tables.mean_accuracies(RUNS, ["arm"], columns, order=["average", "max"])
    assert bars[["arm", "images"]].to_numpy().tolist() == [
        ["average", "old"], ["max", "old"], ["average", "new"], ["max", "new"],
    ]  # fmt: skip
    assert bars["accuracy"].tolist() == pytest.approx([0.4, 0.7, 0.3, 0.7])
    plain = run_tables.mean_accuracies(RUNS, ["arm"], ["cifar10_accuracy"], "judged on")
    assert plain.iloc[0].tolist() == ["max", "cifar10_accuracy", pytest.approx(0.7)]


def test_bars_of_augmentation_say_what_was_measured() -> None:
    rows = pd.DataFrame({"model": "vgg", "augmentation": ["none"], "train_accuracy": 1.0, "cifar10_accuracy": 0.5})
    assert run_tables.augmentation_bars(rows)["measured"].tolist() == ["none, training images", "none, test images"]


def test_hours_are_told_apart_by_machine() -> None:
    cost = pd.DataFrame({"network": ["10-1"], "hours_here": [5.0], "gpu_hours_estimated": [0.1], "steps": 3})
    rows = run_tables.cost_rows(cost, "a GPU")
    assert rows["where"].tolist() == ["this machine, from measured steps", "a GPU"] and rows["hours"].tolist() == [
        5,
        0.1,
    ]


def test_arms_without_an_interval_are_not_drawn() -> None:
    study = pd.DataFrame({"arm": ["a", "b"], "difference": [np.nan, 0.01], "low": [np.nan, -0.01], "high": 0.02})
    rows = run_tables.difference_rows(study)
    assert rows["arm"].tolist() == ["b"] and rows["difference"].tolist() == [1]


def test_sets_of_a_size_curve_are_in_words() -> None:
    rows = run_tables.size_curve_rows(pd.DataFrame({"train": ["cifar10"], "test": ["cifar102"]}))
    assert rows.iloc[0].tolist() == ["trained on cifar10", "tested on cifar102"]
