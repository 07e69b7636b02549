"""Every statistic at the edges of what it can be given: nothing seen, everything seen, one of it, all of it equal."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import (
    accuracies,
    calibration,
    gaps,
    human_labels,
    intervals,
    keyword_mixture,
    lines,
    model_pairs,
    paired_runs,
    scorecard,
    single_images,
)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (20, 20), (0, 20), (20, 0)])
def test_newcombe_stays_inside_the_possible_differences(first: int, second: int) -> None:
    low, high = intervals.newcombe(first, 20, second, 20)
    assert -1 <= low <= (first - second) / 20 <= high <= 1 and low < high


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_images_give_wide_limits_and_no_nonsense(n: int) -> None:
    low, high = intervals.clopper_pearson(np.arange(n + 1), n)
    assert low[0] == 0 and high[-1] == 1 and (high - low > 0.8).all()
    assert intervals.newcombe(n, n, 0, n)[0] < 1 <= intervals.newcombe(n, n, 0, n)[1]


def test_models_without_a_discordant_image_are_not_shown_to_differ() -> None:
    same = np.zeros(30, dtype=int)
    test = model_pairs.mcnemar(same, same, same)
    assert (test.p_value, test.difference) == (1, 0) and test.low < 0 < test.high
    opposite = model_pairs.mcnemar(same, same + 1, same)
    assert opposite.high == 1 and opposite.p_value == pytest.approx(2 * 0.5**30)


def test_a_set_of_one_class_has_accuracies_and_their_macro_mean() -> None:
    labels = np.full(12, 3)
    said = {"m": np.where(np.arange(12) < 9, 3, 5)}
    row = accuracies.accuracy_table(said, labels).iloc[0]
    assert row["accuracy"] == 0.75 and row["low"] < 0.75 < row["high"]
    assert accuracies.averages_table(said, labels)["macro"].iloc[0] == pytest.approx(0.75)


@pytest.mark.parametrize("share", [0, 1])
def test_a_gap_between_sets_of_which_all_or_no_image_is_right_is_uncertain(share: int) -> None:
    scores = {"m": {"cifar10": np.full((2, 40), share), "cifar102": np.full((2, 10), share)}}
    row = gaps.placebo_gap(scores).iloc[-1]
    assert row["gap"] == 0 and row["low"] < 0 < row["high"]


def test_one_image_and_people_have_no_interval_of_the_cross_entropy() -> None:
    shares = np.full((1, 10), 0.1)
    row = human_labels.human_table(shares, shares).iloc[0]
    assert np.isnan(row["low"]) and np.isnan(row["high"])
    assert (row["majority_agreement"], row["majority_high"]) == (1, 1)


def test_people_who_all_agree_are_one_bin() -> None:
    labels = np.arange(10)
    table = single_images.accuracy_by_entropy({"m": labels}, labels, 50 * np.eye(10, dtype=int))
    assert len(table) == 1 and table["high"].iloc[0] == 1 and table["low"].iloc[0] < 1


def test_one_keyword_a_class_leaves_nothing_to_shrink_by() -> None:
    images = keyword_mixture.image_table(np.ones(6), np.zeros(6), np.full(6, "cat"))
    assert np.isinf(keyword_mixture.prior_weight(images))
    table = scorecard.keyword_gaps(images, images)
    assert table["gap"].tolist() == [0] and not table["is_ranked"].any() and table["low"].isna().all()


def test_three_models_on_one_line_have_that_line() -> None:
    fit = lines.fit_line(pd.Series([0.7, 0.8, 0.9]), pd.Series([0.6, 0.7, 0.8]), "linear", resamples=50)
    assert (fit.slope, fit.r2) == pytest.approx((1, 1))
    assert fit.slope_low == pytest.approx(1) and fit.slope_high == pytest.approx(1)


def test_one_run_and_one_arm_say_nothing_of_the_best() -> None:
    table = paired_runs.beside_best_arm({"a": {0: paired_runs.RunScore(0.5)}})
    assert table[["difference", "low", "high", "p"]].isna().all(axis=None) and table["is_same"].all()


def test_a_bin_with_one_image_does_not_make_an_error_of_calibration() -> None:
    shares = np.vstack([np.eye(10)[:1] * 0.4 + 0.06, np.tile(np.eye(10)[:1] * 0.9 + 0.01, (40, 1))])
    labels = np.append([1], np.where(np.arange(40) < 36, 0, 1))
    _, low, high = calibration.debiased_calibration_error(shares, labels)
    assert low == 0 < high
