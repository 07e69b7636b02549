"""Rearranged scores: nothing is lost, nothing changes sides."""

import numpy as np
import pytest

from cifar102.analysis import gaps


@pytest.fixture
def scores(rng: np.random.Generator) -> tuple[dict, dict]:
    def model() -> dict:
        return {"cifar10": rng.random((2, 50)) < 0.7, "cifar102": rng.random((2, 20)) < 0.6}

    return {"a-old": model(), "b-old": model()}, {"a-new": model(), "b-new": {k: v[:1] for k, v in model().items()}}


def test_each_seed_has_its_row_and_its_interval(scores: tuple[dict, dict]) -> None:
    table = gaps.seed_accuracy_table(scores[0])
    assert len(table) == 2 * 2 * 2
    row = table[(table["model"] == "b-old") & (table["test"] == "cifar102") & (table["seed"] == 1)].iloc[0]
    assert row["accuracy"] == scores[0]["b-old"]["cifar102"][1].mean()
    assert row["low"] < row["accuracy"] < row["high"] and row["n"] == 20


def test_seeds_become_models_of_one_row(scores: tuple[dict, dict]) -> None:
    found = gaps.seeds_as_models(scores[0])
    assert list(found) == ["a-old seed 0", "a-old seed 1", "b-old seed 0", "b-old seed 1"]
    np.testing.assert_array_equal(found["b-old seed 1"]["cifar10"], scores[0]["b-old"]["cifar10"][1:])


def test_only_models_with_equal_seeds_are_crossed(scores: tuple[dict, dict]) -> None:
    found = gaps.crossed_scores(*scores, {"a-old": "a-new", "b-old": "b-new"})
    assert {pair: table.shape for pair, table in found.items()} == {
        (train, test): (2, n) for train in ("cifar10", "cifar102") for test, n in (("cifar10", 50), ("cifar102", 20))
    }
    np.testing.assert_array_equal(found["cifar102", "cifar10"], scores[1]["a-new"]["cifar10"])


def test_no_common_model_is_an_error(scores: tuple[dict, dict]) -> None:
    with pytest.raises(ValueError, match="no model is trained on both sets"):
        gaps.crossed_scores(*scores, {"b-old": "b-new"})


def test_further_test_sets_enter_where_all_models_of_a_training_set_have_them(scores: tuple[dict, dict]) -> None:
    of_original, of_new = scores
    for model in of_original.values():
        model["cifar102-uniform"] = np.ones((2, 7), dtype=bool)
    of_new["a-new"]["cifar102-leftover"] = np.ones((2, 9), dtype=bool)
    found = gaps.crossed_scores(of_original, of_new, {"a-old": "a-new"})
    assert ("cifar10", "cifar102-uniform") in found and ("cifar102", "cifar102-uniform") not in found
    assert ("cifar102", "cifar102-leftover") in found
