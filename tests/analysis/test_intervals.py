"""Intervals: right at the edges, the same as scipy and the published values, vectorised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cifar102.analysis import intervals


def test_interval_starts_at_zero_without_a_success_and_ends_at_one_without_a_failure() -> None:
    low, high = intervals.clopper_pearson(0, 20)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 20))
    low, high = intervals.clopper_pearson(20, 20)
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / 20))


@given(st.integers(1, 300), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_exact_interval_is_scipys(n: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, n))
    expected = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    assert intervals.clopper_pearson(successes, n, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_arrays_give_arrays_of_the_same_values() -> None:
    low, high = intervals.clopper_pearson(np.array([[0, 3], [7, 10]]), 10)
    assert low.shape == (2, 2)
    assert (low[0, 0], high[1, 1]) == (0, 1)
    assert (low[1, 0], high[1, 0]) == intervals.clopper_pearson(7, 10)


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (0, 0), (2.5, 10), (float("nan"), 10), (True, 10)])
def test_impossible_counts_are_refused(successes: float, n: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        intervals.clopper_pearson(successes, n)


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan")])
def test_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        intervals.clopper_pearson(5, 10, level)


def test_gap_of_vgg16_has_newcombes_published_limits() -> None:
    counts = (9359, 10_000, 1723, 2_021)
    assert [round(100 * limit, 2) for limit in intervals.newcombe(*counts)] == [6.78, 10.01]


def test_swapping_the_sets_mirrors_newcombes_interval() -> None:
    low, high = intervals.newcombe(45, 50, 60, 80)
    assert intervals.newcombe(60, 80, 45, 50) == pytest.approx((-high, -low))


def test_scores_without_spread_still_leave_their_means_uncertain() -> None:
    difference, low, high = intervals.mean_difference(np.ones(5), np.ones(9))
    assert (difference, low, high) == pytest.approx((0, *intervals.newcombe(5, 5, 9, 9)))
    difference, low, high = intervals.mean_difference(np.ones(1), np.zeros(1))
    assert (difference, low, high) == pytest.approx((1, *intervals.newcombe(1, 1, 0, 1)))
    spread = intervals.mean_difference(np.ones(50), np.tile([0.0, 1.0], 200))
    assert spread[1] < 0.5 - 1.96 * 0.5 / 20, "wider than the spread of the second sample alone"
    with pytest.raises(ValueError, match="0-1"):
        intervals.mean_difference(np.array([50.0]), np.array([60.0]))


def test_interval_of_a_mean_is_students_and_right_at_its_edges() -> None:
    values = np.array([0.1, 0.4, 0.2, 0.35])
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert intervals.mean_interval(values) == pytest.approx((values.mean(), expected.low, expected.high))
    assert intervals.mean_interval(np.full(3, 0.2)) == pytest.approx((0.2, 0.2, 0.2))
    mean, low, high = intervals.mean_interval(np.array([0.2]))
    assert mean == 0.2 and np.isnan([low, high]).all()
    for wrong in (np.array([]), np.array([np.nan, 1]), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="values: expected at least 1 finite"):
            intervals.mean_interval(wrong)


def test_equivalence_says_that_the_90_percent_interval_lies_inside_the_margin(rng: np.random.Generator) -> None:
    for margin in (0.1, 0.3, 0.6):
        values = rng.normal(0.1, 0.5, size=20)
        _, low, high = intervals.mean_interval(values, 0.9)
        assert (intervals.mean_equivalence(values, margin) < 0.05) == (-margin < low and high < margin)
    assert intervals.mean_equivalence(np.zeros(5), 0.1) == 0
    assert intervals.mean_equivalence(np.ones(5), 0.1) == 1
    assert np.isnan(intervals.mean_equivalence(np.zeros(1), 0.1))
    with pytest.raises(ValueError, match="margin"):
        intervals.mean_equivalence(values, 0)


@pytest.mark.parametrize("freedom", [2, 7.5, 60])
def test_smallest_shown_difference_has_the_power_that_it_says(freedom: float, rng: np.random.Generator) -> None:
    size = intervals.shown_difference(1.0, freedom)
    scores = (rng.normal(size=20_000) + size) / np.sqrt(rng.chisquare(freedom, 20_000) / freedom)
    assert np.mean(np.abs(scores) > stats.t.isf(0.025, freedom)) == pytest.approx(0.8, abs=0.01)
    assert intervals.shown_difference(1.0, np.inf) == pytest.approx(1.959964 + 0.841621, abs=1e-5)
    assert intervals.shown_difference(0.0, 3) == 0 and np.isnan(intervals.shown_difference(np.nan, 3))


def test_draws_without_a_number_have_no_interval() -> None:
    assert np.isnan(intervals.percentile_interval(np.array([np.nan, np.nan]))).all()


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


def test_paired_interval_is_right_at_its_edges() -> None:
    z2 = intervals.normal_quantile() ** 2
    low, high = intervals.paired_difference(0, 0, 1000)
    assert float(high) == pytest.approx(z2 / (1000 + z2)) and low == -high
    assert float(intervals.paired_difference(50, 0, 50)[1]) == 1
    assert float(intervals.paired_difference(0, 50, 50)[0]) == -1


def test_paired_interval_covers_and_turns_with_the_models(rng: np.random.Generator) -> None:
    drawn = rng.multinomial(300, [0.06, 0.03, 0.91], size=3_000)
    low, high = intervals.paired_difference(drawn[:, 0], drawn[:, 1], 300)
    assert 0.935 < np.mean((low <= 0.03) & (high >= 0.03)) < 0.965
    turned = intervals.paired_difference(drawn[:, 1], drawn[:, 0], 300)
    np.testing.assert_allclose(low, -turned[1])


def test_smallest_difference_is_shown_as_often_as_promised(rng: np.random.Generator) -> None:
    size = intervals.detectable_difference(200, 2_000)
    drawn = rng.multinomial(2_000, [(0.1 + size) / 2, (0.1 - size) / 2, 0.9], size=4_000)
    p_values = 2 * stats.binom.cdf(drawn[:, :2].min(axis=1), drawn[:, :2].sum(axis=1), 0.5)
    assert np.mean(p_values < 0.05) == pytest.approx(0.8, abs=0.02)
    assert intervals.detectable_difference(0, 2_000) == pytest.approx(7.9 / 2_000, rel=0.01)
    assert np.isnan(intervals.detectable_difference(2, 4)), "four images cannot show any difference"


def test_equivalence_is_shown_by_many_images_and_not_by_few() -> None:
    assert intervals.paired_equivalence(100, 102, 100_000, 0.005) < 0.001
    assert intervals.paired_equivalence(1, 1, 50, 0.005) > 0.05
    assert intervals.paired_equivalence(900, 100, 10_000, 0.005) > 0.99
