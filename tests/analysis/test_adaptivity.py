"""The best of k models on the images that chose it, and on others."""

import numpy as np
import pytest

from cifar102.analysis import adaptivity


def test_one_model_loses_nothing_and_many_equal_ones_what_chance_makes(rng: np.random.Generator) -> None:
    right = rng.random((2_000, 20)) < 0.9
    table = adaptivity.best_of_halves(right, [1, 20], halves=400).set_index("num_models")
    assert abs(table.loc[1, "optimism"]) < 4 * table.loc[1, "error"]
    luck = np.sqrt(0.09 / 1_000) * np.sqrt(2) * 1.87  # the largest of 20 normal numbers is 1.87 on average
    assert 0.4 * luck < table.loc[20, "optimism"] < luck, "less than that: some are better on both halves"
    assert (table["optimism"] < table["bound"]).all(), "the union bound holds"


def test_a_model_that_is_far_better_is_chosen_without_optimism(rng: np.random.Generator) -> None:
    right = rng.random((1_000, 5)) < np.array([0.95, 0.6, 0.6, 0.6, 0.6])
    assert abs(adaptivity.best_of_halves(right, halves=300)["optimism"].iloc[-1]) < 0.004


@pytest.mark.parametrize(("right", "counts"), [(np.ones((1, 3)), None), (np.ones(5), None), (np.ones((9, 3)), [4])])
def test_too_few_images_or_models_are_refused(right: np.ndarray, counts: list | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        adaptivity.best_of_halves(right, counts)
