"""Calibration: known errors of known probabilities."""

import numpy as np
import pytest
from sklearn import metrics

from cifar102.analysis import calibration, intervals
from docs.simulations import draw_calibrated


def confident(share: float, n: int = 100) -> np.ndarray:
    values = np.full((n, 10), (1 - share) / 9)
    values[:, 0] = share
    return values


def test_always_sure_and_half_right_is_off_by_a_half() -> None:
    labels = np.array([0, 1] * 50)
    assert calibration.expected_calibration_error(confident(1.0), labels) == pytest.approx(0.5)
    table = calibration.calibration_table({"m": confident(1.0)}, labels)
    assert table["brier"].iloc[0] == pytest.approx(1.0)


def test_as_sure_as_right_is_calibrated() -> None:
    labels = np.array([0, 0, 0, 1] * 25)
    assert calibration.expected_calibration_error(confident(0.75), labels) == pytest.approx(0)
    table = calibration.reliability_table(confident(0.75), labels)
    assert table["count"].tolist() == [100]
    assert (table["confidence"][0], table["accuracy"][0]) == pytest.approx((0.75, 0.75))
    assert table["bin_low"][0] < 0.75 <= table["bin_high"][0]


def test_edges_of_confidence_fall_into_the_first_and_last_bin() -> None:
    table = calibration.reliability_table(
        np.vstack([confident(1.0, 3), confident(0.1, 2)]), np.zeros(5, dtype=int), bins=10
    )
    assert table["count"].tolist() == [2, 3]
    assert table["bin_high"].tolist() == pytest.approx([0.1, 1.0])


def test_bins_hold_all_images(rng: np.random.Generator) -> None:
    shares, labels = rng.dirichlet(np.ones(10) / 3, 500), rng.integers(10, size=500)
    table = calibration.reliability_table(shares, labels)
    assert table["count"].sum() == 500
    assert table["correct"].sum() == (shares.argmax(axis=1) == labels).sum()


def test_scores_are_scikit_learns(rng: np.random.Generator) -> None:
    shares, labels = rng.dirichlet(np.ones(10), 400), rng.integers(10, size=400)
    row = calibration.calibration_table({"m": shares}, labels, equal_n=100).iloc[0]
    assert row["log_loss"] == pytest.approx(metrics.log_loss(labels, shares, labels=range(10)))
    expected = metrics.brier_score_loss(labels, shares, labels=range(10), scale_by_half=False)
    assert row["brier"] == pytest.approx(expected)
    assert row["brier_low"] < row["brier"] < row["brier_high"]
    assert row["ece_plain"] == pytest.approx(calibration.expected_calibration_error(shares, labels))
    assert row["ece_low"] <= row["ece"] < row["ece_plain"] <= row["ece_high"] and row["n_equal"] == 100
    parts = row["reliability"] - row["resolution"] + row["uncertainty"] + row["within_bins"]
    assert parts == pytest.approx(row["brier"])


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="labels: expected 100 integer class ids 0 to 9"):
        calibration.reliability_table(confident(0.9), np.full(100, 10))


def test_curves_of_models_stand_below_each_other_under_their_names() -> None:
    shares, labels = {"a": confident(0.9), "b": confident(0.5)}, np.zeros(100, dtype=int)
    curves = calibration.reliability_curves(shares, labels)
    assert curves.groupby("model")["count"].sum().to_dict() == {"a": 100, "b": 100}
    assert curves["confidence"].tolist() == pytest.approx([0.9, 0.5])


def test_a_calibrated_model_has_no_error_where_the_plain_formula_sees_one(rng: np.random.Generator) -> None:
    said, labels = draw_calibrated(rng, 2_000)
    error, low, _ = calibration.debiased_calibration_error(said, labels)
    assert low == 0 and error < 0.5 * calibration.expected_calibration_error(said, labels)


@pytest.mark.parametrize("n", [1, 100])
def test_a_sure_model_that_is_right_on_few_images_is_not_certainly_calibrated(n: int) -> None:
    error, low, high = calibration.debiased_calibration_error(confident(1.0, n), np.zeros(n, dtype=int))
    assert error == low == 0
    assert high == pytest.approx(1 - intervals.clopper_pearson(n, n)[0])
    error, low, high = calibration.debiased_calibration_error(confident(1.0, n), np.ones(n, dtype=int))
    assert high == pytest.approx(1, abs=1e-5)


def test_resolution_is_what_an_uninformed_model_lacks() -> None:
    labels = np.arange(1_000) % 10
    flat = calibration.brier_parts(np.full((1_000, 10), 0.1), labels)
    assert flat["resolution"] == pytest.approx(0, abs=2e-3) and flat["uncertainty"] == pytest.approx(0.9, abs=2e-3)
    sure = calibration.brier_parts(np.eye(10)[labels], labels)
    assert sure["resolution"] == pytest.approx(sure["uncertainty"]) and sure["reliability"] == 0


def test_sets_of_unequal_size_are_compared_on_equally_many_images(rng: np.random.Generator) -> None:
    sets = {"old": draw_calibrated(rng, 600), "new": draw_calibrated(rng, 150)}
    shares, labels = ({name: both[k] for name, both in sets.items()} for k in (0, 1))
    table = calibration.calibration_by_set({name: {"m": part} for name, part in shares.items()}, labels)
    assert table[["set", "n", "n_equal"]].to_numpy().tolist() == [["old", 600, 150], ["new", 150, 150]]
    new = table.set_index("set").loc["new"]
    assert (new["ece"], new["ece_low"]) == (new["ece_equal"], new["ece_equal_low"])
