"""Power: the promised chance is what simulation finds, and the table is its own inverse."""

import numpy as np
import pytest
from scipy import stats

from cifar102.analysis import intervals


def test_simulated_tests_show_the_gap_as_often_as_promised(rng: np.random.Generator) -> None:
    n_new = int(intervals.images_needed(0.03, 0.9))
    original, new = rng.binomial(10_000, 0.9, 4000) / 10_000, rng.binomial(n_new, 0.87, 4000) / n_new
    error = np.sqrt(original * (1 - original) / 10_000 + new * (1 - new) / n_new)
    shown = (np.abs(original - new) / error > stats.norm.isf(0.025)).mean()
    assert shown == pytest.approx(0.8, abs=0.03)


def test_size_and_gap_are_each_others_inverse() -> None:
    size = intervals.images_needed(0.02, 0.9)
    assert intervals.detectable_gap(int(size), 0.9) == pytest.approx(0.02, abs=1e-4)
    assert intervals.gap_power(0.02, int(size), 0.9) >= 0.8 > intervals.gap_power(0.02, int(size) - 2, 0.9)


def test_gap_below_the_original_sets_own_noise_needs_no_number_of_images() -> None:
    assert np.isinf(intervals.images_needed(0.005, 0.9))
    assert np.isfinite(intervals.images_needed(0.005, 0.9, n_original=1_000_000))


def test_larger_gaps_and_higher_accuracies_need_fewer_images() -> None:
    table = intervals.power_table().pivot_table(index="accuracy", columns="gap", values="n_new")
    assert (np.diff(table.to_numpy()[:, 2:], axis=1) < 0).all()
    assert (np.diff(table.to_numpy()[:, 2:], axis=0) < 0).all()


def test_curve_falls_with_the_size_of_the_new_set() -> None:
    curve = intervals.power_curve(accuracies=(0.9,))
    assert (np.diff(curve["gap"]) < 0).all()
    assert (np.diff(curve["half_width"]) < 0).all()


def test_sentence_gives_both_limits() -> None:
    text = intervals.power_sentence(2_000, 0.9)
    assert "2,000 new images" in text
    assert "2.1 points" in text
    assert "0.9 points" in text


@pytest.mark.parametrize(("gap", "accuracy"), [(0, 0.9), (-0.1, 0.9), (0.95, 0.9), (3, 90)])
def test_impossible_gaps_are_refused(gap: float, accuracy: float) -> None:
    with pytest.raises(ValueError, match="not percent"):
        intervals.images_needed(gap, accuracy)
