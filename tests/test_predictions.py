"""Predictions: what is accepted and what is refused, with the place and the expectation named."""

import numpy as np
import pytest

from cifar102.analysis import predictions

SHARES = np.full((4, 10), 0.1)


def changed(row: int, column: int, value: float) -> np.ndarray:
    values = SHARES.copy()
    values[row, column] = value
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 9)) + 1 / 9, r"expected probabilities \(4, 10\), found shape \(4, 9\)"),
        (SHARES[:3], "found 3 rows"),
        (changed(2, 1, np.nan), "row 2 holds a value that is not a number"),
        (changed(1, 0, np.inf), "row 1 holds"),
        (changed(1, 0, 0.5), "row 1 sums to 1.4, expected 1"),
        (changed(0, 0, -0.1), "-0.1"),
        (np.ones((4, 10), dtype=int), "floating-point"),
        (np.zeros((4, 10, 1)), "found shape"),
        (np.array([0, 1, 2, 10]), "ids from 0 to 10"),
        (np.array([0, -1, 2, 3]), "ids from -1 to 3"),
        (np.array([0, 1, 2]), "found 3"),
        (np.array([0.0, 1.0, 2.0, 3.0]), "float64 values"),
        (np.array([True, False, True, True]), "bool values"),
        (np.array(["cat", "dog", "cat", "dog"]), "values such as"),
        (np.array([], dtype=int), "found 0"),
    ],
)
def test_bad_predictions_are_refused_with_place_and_expectation(values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=rf"folder/cifar10.npy: .*{message}"):
        predictions.class_ids(values, 4, 10, where="folder/cifar10.npy")


def test_half_precision_probabilities_pass(rng: np.random.Generator) -> None:
    shares = rng.dirichlet(np.ones(100) / 10, 200).astype(np.float16)
    assert predictions.class_ids(shares).tolist() == shares.argmax(axis=1).tolist()


def test_any_integer_type_gives_int64() -> None:
    for kind in (np.uint8, np.int16, np.uint64):
        assert predictions.class_ids(np.array([9, 0], dtype=kind), 2, 10).dtype == np.int64


def test_alphabetical_order_of_another_program_is_recognised(rng: np.random.Generator) -> None:
    labels = rng.integers(10, size=400)
    said = np.where(rng.random(400) < 0.9, labels, rng.integers(10, size=400))
    predictions.check_class_order(said, labels, "mine")
    with pytest.raises(ValueError, match=r"mine: .* 4 seems to mean 3 \(cat\)"):
        predictions.check_class_order((said + 1) % 10, labels, "mine")


def test_model_that_knows_nothing_is_no_wrong_class_order(rng: np.random.Generator) -> None:
    predictions.check_class_order(rng.integers(10, size=100), rng.integers(10, size=100), "mine")
    predictions.check_class_order(np.zeros(100, dtype=int), rng.integers(10, size=100), "mine")


def test_one_hot_rows_and_a_column_of_ids_are_class_ids() -> None:
    ids = np.array([3, 0, 9])
    assert predictions.class_ids(np.eye(10, dtype=int)[ids], 3, 10).tolist() == ids.tolist()
    assert predictions.class_ids(ids[:, None].astype(np.uint8), 3, 10).tolist() == ids.tolist()
    assert predictions.from_array(ids[:, None], 3, 10, "mine").probabilities is None
    with pytest.raises(ValueError, match="floating-point"):
        predictions.class_ids(np.eye(10, dtype=int)[ids] * 2, 3, 10)
