"""Calibration: known errors of known probabilities."""

import numpy as np
import pytest
from sklearn import metrics

from cifar102.analysis import calibration


def confident(share: float, n: int = 100) -> np.ndarray:
    values = np.full((n, 10), (1 - share) / 9)
    values[:, 0] = share
    return values


def test_always_sure_and_half_right_is_off_by_a_half() -> None:
    labels = np.array([0, 1] * 50)
    assert calibration.expected_calibration_error(confident(1.0), labels) == pytest.approx(0.5)
    table = calibration.calibration_table({"m": confident(1.0)}, labels, resamples=2)
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
    row = calibration.calibration_table({"m": shares}, labels, resamples=50).iloc[0]
    assert row["log_loss"] == pytest.approx(metrics.log_loss(labels, shares, labels=range(10)))
    expected = metrics.brier_score_loss(labels, shares, labels=range(10), scale_by_half=False)
    assert row["brier"] == pytest.approx(expected)
    assert row["brier_low"] < row["brier"] < row["brier_high"]
    assert row["ece"] == pytest.approx(calibration.expected_calibration_error(shares, labels))


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="labels: expected 100 integer class ids 0 to 9"):
        calibration.reliability_table(confident(0.9), np.full(100, 10))


def test_curves_of_models_stand_below_each_other_under_their_names() -> None:
    shares, labels = {"a": confident(0.9), "b": confident(0.5)}, np.zeros(100, dtype=int)
    curves = calibration.reliability_curves(shares, labels)
    assert curves.groupby("model")["count"].sum().to_dict() == {"a": 100, "b": 100}
    assert curves["confidence"].tolist() == pytest.approx([0.9, 0.5])
