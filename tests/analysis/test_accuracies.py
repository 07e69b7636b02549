"""Tables of accuracy: counts, gaps, classes, subsets."""

import numpy as np
import pytest

from cifar102 import cifar
from cifar102.analysis import accuracies

LABELS = np.repeat(np.arange(10), 4)


def some_predictions(wrong: int) -> np.ndarray:
    ids = LABELS.copy()
    ids[:wrong] = (ids[:wrong] + 1) % 10
    return ids


def test_accuracy_counts_the_right_ones_and_says_its_level() -> None:
    table = accuracies.accuracy_table({"a": some_predictions(0), "b": some_predictions(10)}, LABELS, level=0.9)
    assert list(table.columns) == ["model", "correct", "n", "accuracy", "low", "high", "level"]
    assert table["correct"].tolist() == [40, 30]
    assert table["accuracy"].tolist() == [1, 0.75]
    assert table["high"][0] == 1
    assert table["level"].eq(0.9).all()


def test_probabilities_and_ids_give_the_same_accuracy(rng: np.random.Generator) -> None:
    shares = rng.dirichlet(np.ones(10), len(LABELS))
    tables = [accuracies.accuracy_table({"m": values}, LABELS) for values in (shares, shares.argmax(axis=1))]
    assert tables[0].equals(tables[1])


def test_gap_is_original_minus_new_and_matches_models_by_name() -> None:
    original = accuracies.accuracy_table({"a": some_predictions(0), "b": some_predictions(4)}, LABELS)
    new = accuracies.accuracy_table({"b": some_predictions(12), "a": some_predictions(2)}, LABELS)
    gaps = accuracies.gap_table(original, new).set_index("model")
    assert gaps["gap"].to_dict() == pytest.approx({"a": 0.05, "b": 0.2})
    assert np.isnan(gaps.loc["a", "error_ratio"])
    assert gaps.loc["b", "error_ratio"] == pytest.approx(3)
    assert (gaps["low"] < gaps["gap"]).all() and (gaps["gap"] < gaps["high"]).all()


def test_class_counts_sum_to_the_whole() -> None:
    ids = some_predictions(7)
    table = accuracies.class_table({"m": ids}, LABELS)
    assert table["correct"].sum() == (ids == LABELS).sum()
    assert table["class_name"].tolist()[:2] == ["airplane", "automobile"]
    assert table["accuracy"].tolist()[:3] == [0, 0.25, 1]


def test_macro_weighs_classes_and_micro_weighs_images() -> None:
    labels = np.array([0] * 9 + [1])
    row = accuracies.averages_table({"m": np.zeros(10, dtype=int)}, labels).iloc[0]
    assert (row["micro"], row["macro"]) == (0.9, 0.5)


def test_class_left_out_does_not_count() -> None:
    row = accuracies.averages_table({"m": some_predictions(4)}, LABELS, leave_out=("airplane",)).iloc[0]
    assert (row["n"], row["micro"], row["left_out"]) == (36, 1, "airplane")


@pytest.mark.parametrize("leave_out", [("plane",), tuple(cifar.CLASS_NAMES)])
def test_unknown_class_or_all_classes_cannot_be_left_out(leave_out: tuple) -> None:
    with pytest.raises(ValueError, match="leave_out"):
        accuracies.averages_table({"m": some_predictions(4)}, LABELS, leave_out=leave_out)


def test_accuracy_without_duplicates_leaves_them_out() -> None:
    flags = np.zeros(40, dtype=bool)
    flags[:10] = True
    table = accuracies.subset_table({"m": some_predictions(5)}, LABELS, flags).set_index("subset")
    assert table["n"].to_dict() == {"all": 40, "without duplicates": 30, "duplicates only": 10}
    assert table["correct"].to_dict() == {"all": 35, "without duplicates": 30, "duplicates only": 5}


def test_duplicate_marks_must_be_booleans() -> None:
    with pytest.raises(ValueError, match="has_duplicate"):
        accuracies.subset_table({"m": some_predictions(5)}, LABELS, np.zeros(40, dtype=int))


def test_confusion_difference_sums_to_nothing_per_true_class() -> None:
    table = accuracies.confusion_difference({"m": some_predictions(3)}, LABELS, {"m": some_predictions(9)}, LABELS)
    assert np.allclose(table.groupby("true")["difference"].sum(), 0)
    cell = table[(table["true"] == "automobile") & (table["predicted"] == "bird")].iloc[0]
    assert (cell["original"], cell["new"], cell["difference"]) == (0, 1, 1)


def test_wrong_length_names_the_model() -> None:
    with pytest.raises(ValueError, match=r"resnet: expected 40 integer class ids, found 3"):
        accuracies.accuracy_table({"resnet": np.zeros(3, dtype=int)}, LABELS)


def test_each_class_is_left_out_in_turn() -> None:
    table = accuracies.leave_one_out_table({"m": some_predictions(4)}, LABELS)
    classes = {accuracies.class_name(int(label)) for label in np.unique(LABELS)}
    assert set(table["left_out"]) == {""} | classes
    whole = table.iloc[0]
    assert whole["n"] == len(LABELS) and whole["left_out"] == ""
    assert (table["n"].iloc[1:] < whole["n"]).all()
