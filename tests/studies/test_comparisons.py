"""The table of a study: pairs of seeds, Holm inside the study, sentences that the numbers decide."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cifar102.analysis import intervals
from cifar102.studies import comparisons


def make_runs(arms: dict[str, list[float]], study: str = "pooling", **columns: object) -> pd.DataFrame:
    rows = [
        {"study": study, "arm": arm, "seed": seed, "dataset": "cifar10", "validation_accuracy": value, **columns}
        for arm, values in arms.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_a_row_is_the_paired_t_test_of_its_arm_against_the_reference(rng):
    a, b = rng.random(6), rng.random(6)
    table = comparisons.study_table(make_runs({"max": list(a), "average": list(b)}), "pooling")
    row = table.set_index("arm").loc["average"]
    expected = stats.ttest_rel(b, a)
    low, high = expected.confidence_interval(0.95)
    assert list(table.columns[:10]) == list(comparisons.COLUMNS)
    assert row["p_holm"] == pytest.approx(expected.pvalue)  # one comparison, so nothing to correct
    assert (row["low"], row["high"], row["difference"]) == pytest.approx((low, high, (b - a).mean()))
    assert (row["num_pairs"], row["num_images"]) == (6, 0)
    assert row["shown"] == pytest.approx(intervals.shown_difference((b - a).std(ddof=1) / np.sqrt(6), 5))
    assert (row["n"], row["sd"]) == (6, pytest.approx(b.std(ddof=1)))


def test_pairs_are_made_by_seed_and_not_by_order(rng):
    runs = make_runs({"max": [0.1, 0.2, 0.3], "average": [0.15, 0.26, 0.34]})
    shuffled = comparisons.study_table(runs.sample(frac=1, random_state=1), "pooling", reference="max")
    straight = comparisons.study_table(runs, "pooling", reference="max")
    pd.testing.assert_frame_equal(
        shuffled.sort_values("arm", ignore_index=True), straight.sort_values("arm", ignore_index=True)
    )


def test_a_seed_that_only_one_arm_has_is_no_pair():
    runs = make_runs({"max": [0.1, 0.2, 0.3], "average": [0.15, 0.26]})
    row = comparisons.study_table(runs, "pooling").set_index("arm").loc["average"]
    assert (row["n"], row["num_pairs"], row["difference"]) == (2, 2, pytest.approx(0.055))


@pytest.mark.parametrize("values", [[0.4], [0.4, 0.5, 0.6]])
def test_one_seed_or_equal_differences_leave_interval_and_p_open(values):
    runs = make_runs({"max": values, "average": [value + 0.25 for value in values]})
    row = comparisons.study_table(runs, "pooling").set_index("arm").loc["average"]
    assert row["difference"] == pytest.approx(0.25)
    assert row[["low", "high", "p_holm", "p_equal", "shown"]].isna().all()
    assert "certainty is open" in comparisons.describe_result(comparisons.study_table(runs, "pooling"))


def test_holm_multiplies_the_smallest_p_by_the_number_of_comparisons_and_skips_missing_ones():
    corrected = comparisons.holm(pd.Series([0.01, np.nan, 0.04, 0.03]))
    assert corrected[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(corrected[1])


def test_each_arm_can_have_a_reference_of_its_own():
    runs = make_runs({"a1": [0.1, 0.2], "a2": [0.3, 0.5], "b1": [0.6, 0.6], "b2": [0.5, 0.4]})
    table = comparisons.study_table(runs, "pooling", reference={"a2": "a1", "b2": "b1"}).set_index("arm")
    assert table.loc["b2", "difference"] == pytest.approx(-0.15)
    assert table.loc["b1", "reference"] is None and np.isnan(table.loc["b1", "difference"])


def test_the_sentence_says_above_only_where_p_is_small():
    sure = make_runs({"max": [0.30, 0.31, 0.32, 0.33], "average": [0.40, 0.42, 0.41, 0.44]})
    unsure = make_runs({"max": [0.30, 0.31, 0.32, 0.33], "average": [0.20, 0.42, 0.21, 0.44]})
    assert "average is 10.2 points above max" in comparisons.describe_result(comparisons.study_table(sure, "pooling"))
    text = comparisons.describe_result(comparisons.study_table(unsure, "pooling"))
    assert "none of 1 arms can be told apart" in text and "points would be shown with 80 % power" in text


def test_a_run_that_is_in_the_table_twice_is_refused():
    runs = make_runs({"a": [0.5, 0.6]})
    with pytest.raises(ValueError, match="same arm and seed"):
        comparisons.study_table(pd.concat([runs, runs]), "pooling")


def test_the_map_has_a_cell_for_each_pair_and_marks_those_like_the_best():
    arms = {"elu+adam": [0.40, 0.41], "elu+sgd": [0.20, 0.21], "relu+adam": [0.385, 0.405]}
    cells = comparisons.activation_map(comparisons.beside_best_arm(make_runs(arms), "validation_accuracy"))
    assert cells["activation"].tolist() == ["relu", "relu", "elu", "elu"]  # means .395 and .305
    assert cells["optimizer"].tolist() == ["adam", "sgd"] * 2
    texts = cells.set_index(["activation", "optimizer"])["text"]
    assert texts["elu", "adam"] == "• 40.5\n± 0.7"
    assert texts["elu", "sgd"] == "20.5\n± 0.7"
    assert pd.isna(texts["relu", "sgd"])


def test_a_size_curve_has_the_t_interval_of_its_seeds():
    rows = pd.DataFrame(
        {"dataset": "cifar10", "num_train": [1000] * 3 + [2500], "cifar10_accuracy": [0.4, 0.5, 0.45, 0.6]}
    ).assign(arm=["1000"] * 3 + ["2500"], seed=[0, 1, 2, 0])
    curve = comparisons.size_curve(rows, ["cifar10"])
    low, high = stats.ttest_1samp([0.4, 0.5, 0.45], 0).confidence_interval()
    assert curve["num_train"].tolist() == [1000, 2500]
    assert curve.loc[0, ["n", "accuracy", "low", "high"]].tolist() == pytest.approx([3, 0.45, low, high])
    assert curve.loc[1, ["low", "high"]].isna().all()
