"""None"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

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
    assert row["effect_size"] == pytest.approx((b - a).mean() / (b - a).std(ddof=1))
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
    assert row[["low", "high", "p_holm", "effect_size"]].isna().all()
    assert "certainty open" in comparisons.describe_result(comparisons.study_table(runs, "pooling"))


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
    assert "none of 1 arms can be told apart" in comparisons.describe_result(comparisons.study_table(unsure, "pooling"))


def test_the_metric_may_be_a_gap_and_the_test_of_each_runs_own_set():
    runs = make_runs({"a": [0.5]}, train_accuracy=0.9, cifar10_accuracy=0.4)
    assert comparisons.metric_values(runs, "train_accuracy-test_accuracy").tolist() == pytest.approx([0.5])
    with pytest.raises(ValueError, match="validation_accuracy"):
        comparisons.metric_values(runs, "nonsense")


def test_a_run_that_is_in_the_table_twice_is_refused():
    runs = make_runs({"a": [0.5, 0.6]})
    with pytest.raises(ValueError, match="same arm and seed"):
        comparisons.study_table(pd.concat([runs, runs]), "pooling")


@pytest.mark.parametrize(
    ("average", "verdict"),
    [
        ([0.40, 0.42, 0.41, 0.44], "holds"),
        ([0.2, 0.22, 0.21, 0.2], "contradicted"),
        ([0.2, 0.5, 0.2, 0.5], "undecided"),
    ],
)
def test_a_claim_holds_falls_or_stays_open_by_its_interval(average, verdict):
    runs = make_runs({"max": [0.30, 0.31, 0.32, 0.33], "average": average})
    table = comparisons.verdicts(runs).set_index("arm")
    assert table.loc["average", "verdict"] == verdict
    assert table.loc["max_then_average", "verdict"] == "not tested"


def test_alike_is_claimed_only_when_the_whole_interval_is_small(rng):
    close = make_runs({"same": [0.30, 0.31, 0.32, 0.33], "valid": [0.301, 0.309, 0.321, 0.33]}, study="padding")
    wide = make_runs({"same": [0.30, 0.31, 0.32, 0.33], "valid": [0.25, 0.36, 0.27, 0.38]}, study="padding")
    assert comparisons.verdicts(close)["verdict"].tolist() == ["holds"]
    assert comparisons.verdicts(wide)["verdict"].tolist() == ["undecided"]


def test_a_claim_of_the_best_is_tested_against_the_best_other_arm():
    cells = {"relu+adam": [0.3, 0.31, 0.33], "elu+adam": [0.4, 0.43, 0.41], "selu+adam": [0.2, 0.22, 0.21]}
    table = comparisons.verdicts(make_runs(cells, study="activation_optimizer")).set_index("arm")
    assert table.loc["selu+adam", ["reference", "verdict"]].tolist() == ["elu+adam", "contradicted"]


def make_rows(arms: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame([{"arm": arm, "score": value} for arm, values in arms.items() for value in values])


def test_arms_beside_the_best_follow_the_studentized_range():
    arms = {"a": [0.30, 0.32, 0.31], "b": [0.40, 0.42, 0.44], "c": [0.41, 0.40, 0.42]}
    table = comparisons.beside_best_arm(make_rows(arms)).set_index("arm")
    deviation = np.sqrt(np.mean([np.var(values, ddof=1) for values in arms.values()]))
    distance = (0.42 - 0.31) / (deviation / np.sqrt(3))
    assert table.index[0] == "b"
    assert table.loc["a", "p"] == pytest.approx(stats.studentized_range.sf(distance, 3, 6), abs=1e-6)
    assert table["is_same"].to_dict() == {"a": False, "b": True, "c": True}
    reach = stats.studentized_range.ppf(0.95, 3, 6) * deviation / np.sqrt(3)
    assert table.loc["a", ["low", "high"]].tolist() == pytest.approx([-0.11 - reach, -0.11 + reach], abs=1e-6)


@pytest.mark.parametrize("arms", [{"a": [0.3], "b": [0.4]}, {"a": [0.3, 0.3], "b": [0.4, 0.4]}, {"a": [0.3, 0.4]}])
def test_without_spread_nothing_is_told_apart_from_the_best(arms):
    table = comparisons.beside_best_arm(make_rows(arms))
    assert table["is_same"].all()
    assert table[["low", "high", "p"]].isna().all(axis=None)


def test_no_value_at_all_is_an_error_that_names_the_column():
    with pytest.raises(ValueError, match="'score'"):
        comparisons.beside_best_arm(make_rows({"a": [np.nan]}))


def test_the_map_has_a_cell_for_each_pair_and_marks_those_like_the_best():
    arms = {"elu+adam": [0.40, 0.41], "elu+sgd": [0.20, 0.21], "relu+adam": [0.39, 0.40]}
    cells = comparisons.activation_map(comparisons.beside_best_arm(make_rows(arms)))
    assert cells["activation"].tolist() == ["relu", "relu", "elu", "elu"]  # means .395 and .305
    assert cells["optimizer"].tolist() == ["adam", "sgd"] * 2
    texts = cells.set_index(["activation", "optimizer"])["text"]
    assert texts["elu", "adam"] == "• 40.5\n± 0.7"
    assert texts["elu", "sgd"] == "20.5\n± 0.7"
    assert pd.isna(texts["relu", "sgd"])


def test_a_size_curve_has_the_t_interval_of_its_seeds():
    rows = pd.DataFrame(
        {"dataset": "cifar10", "num_train": [1000] * 3 + [2500], "cifar10_accuracy": [0.4, 0.5, 0.45, 0.6]}
    )
    curve = comparisons.size_curve(rows, ["cifar10"])
    low, high = stats.ttest_1samp([0.4, 0.5, 0.45], 0).confidence_interval()
    assert curve["num_train"].tolist() == [1000, 2500]
    assert curve.loc[0, ["n", "accuracy", "low", "high"]].tolist() == pytest.approx([3, 0.45, low, high])
    assert curve.loc[1, ["low", "high"]].isna().all()


@given(st.permutations(list(range(12))), st.integers(1, 4))
def test_parents_are_found_whatever_the_order_of_images(order, copies):
    parent = np.array([0, 2, 1] * 4)
    fine = np.tile(order, copies)
    assert comparisons.parents_of_classes(fine, parent[fine]).tolist() == parent.tolist()


@pytest.mark.parametrize(("fine", "coarse"), [([0, 0, 1], [0, 1, 1]), ([0, 2], [0, 1])])
def test_a_class_of_two_parents_or_of_none_is_an_error(fine, coarse):
    with pytest.raises(ValueError, match="one superclass"):
        comparisons.parents_of_classes(np.array(fine), np.array(coarse))


@settings(max_examples=50)
@given(arrays.arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)))
def test_summing_keeps_the_total_of_each_image(shares):
    parent = np.array([1, 0, 2, 2, 1, 0])
    found = comparisons.sum_by_parent(shares, parent)
    assert found.sum(axis=1) == pytest.approx(shares.sum(axis=1), rel=1e-5)
    assert found[:, 0] == pytest.approx(shares[:, 1].astype(float) + shares[:, 5], rel=1e-6)


def test_summing_can_see_what_the_likeliest_fine_class_does_not():
    parent, labels = np.array([0, 1, 1]), np.array([1, 0])
    shares = np.array([[0.4, 0.3, 0.3], [0.6, 0.2, 0.2]])
    own = np.array([[0.9, 0.1], [0.8, 0.2]])
    table = comparisons.coarse_beside_fine({0: shares, 1: shares}, {0: own}, parent, labels)
    assert table.loc[0].tolist() == [0, 1.0, 0.5, 0.5]
    assert np.isnan(table.loc[1, "coarse_own"])
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        comparisons.sum_by_parent(own, parent)
