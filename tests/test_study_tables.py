import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from cifar102.studies import comparisons


def make_rows(arms: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame([{"arm": arm, "score": value} for arm, values in arms.items() for value in values])


def test_arms_beside_the_best_follow_the_studentized_range():
    arms = {"a": [0.30, 0.32, 0.31], "b": [0.40, 0.42, 0.44], "c": [0.41, 0.40, 0.42]}
    table = comparisons.beside_best(make_rows(arms)).set_index("arm")
    deviation = np.sqrt(np.mean([np.var(values, ddof=1) for values in arms.values()]))
    distance = (0.42 - 0.31) / (deviation / np.sqrt(3))
    assert table.index[0] == "b"
    assert table.loc["a", "p"] == pytest.approx(stats.studentized_range.sf(distance, 3, 6), abs=1e-6)
    assert table["is_same"].to_dict() == {"a": False, "b": True, "c": True}
    reach = stats.studentized_range.ppf(0.95, 3, 6) * deviation / np.sqrt(3)
    assert table.loc["a", ["low", "high"]].tolist() == pytest.approx([-0.11 - reach, -0.11 + reach], abs=1e-6)


@pytest.mark.parametrize("arms", [{"a": [0.3], "b": [0.4]}, {"a": [0.3, 0.3], "b": [0.4, 0.4]}, {"a": [0.3, 0.4]}])
def test_without_spread_nothing_is_told_apart_from_the_best(arms):
    table = comparisons.beside_best(make_rows(arms))
    assert table["is_same"].all()
    assert table[["low", "high", "p"]].isna().all(axis=None)


def test_no_value_at_all_is_an_error_that_names_the_column():
    with pytest.raises(ValueError, match="'score'"):
        comparisons.beside_best(make_rows({"a": [np.nan]}))


def test_the_map_has_a_cell_for_each_pair_and_marks_those_like_the_best():
    arms = {"elu+adam": [0.40, 0.41], "elu+sgd": [0.20, 0.21], "relu+adam": [0.39, 0.40]}
    cells = comparisons.activation_map(comparisons.beside_best(make_rows(arms)))
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
    assert comparisons.parents(fine, parent[fine]).tolist() == parent.tolist()


@pytest.mark.parametrize(("fine", "coarse"), [([0, 0, 1], [0, 1, 1]), ([0, 2], [0, 1])])
def test_a_class_of_two_parents_or_of_none_is_an_error(fine, coarse):
    with pytest.raises(ValueError, match="one superclass"):
        comparisons.parents(np.array(fine), np.array(coarse))


@settings(max_examples=50)
@given(arrays.arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)))
def test_summing_keeps_the_total_of_each_image(shares):
    parent = np.array([1, 0, 2, 2, 1, 0])
    found = comparisons.summed(shares, parent)
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
        comparisons.summed(own, parent)
