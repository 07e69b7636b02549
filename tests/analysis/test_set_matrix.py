"""Harder or different: the two extremes are told apart, and no gap is not split."""

import numpy as np
import pytest

from cifar102.analysis import set_matrix


def scores(rng: np.random.Generator, matrix: list[list[float]], n: int = 4000, seeds: int = 3) -> dict:
    names = ("cifar10", "cifar102")
    return {
        (train, test): rng.random((seeds, n)) < matrix[i][j]
        for i, train in enumerate(names)
        for j, test in enumerate(names)
    }


def shares(found: set_matrix.HarderOrDifferent) -> dict[str, float]:
    return found.shares.set_index("term")["value"].to_dict()


def test_set_on_which_everyone_loses_is_harder(rng: np.random.Generator) -> None:
    found = set_matrix.harder_or_different(scores(rng, [[0.9, 0.8], [0.88, 0.78]]), resamples=200)
    assert shares(found)["harder"] == pytest.approx(1, abs=0.15)
    terms = found.terms.set_index("term")
    assert terms.loc["different", "low"] < 0 < terms.loc["different", "high"]
    assert "not shown: different" in found.verdict


def test_set_that_new_training_data_wins_back_is_different(rng: np.random.Generator) -> None:
    found = set_matrix.harder_or_different(scores(rng, [[0.9, 0.8], [0.8, 0.9]]), resamples=200)
    assert shares(found)["different"] == pytest.approx(1, abs=0.15)
    limits = found.shares.set_index("term").loc["different"]
    assert limits["low"] < 1 < limits["high"]


def test_parts_sum_to_the_gap_and_a_better_training_set_does_not_count(rng: np.random.Generator) -> None:
    drawn = scores(rng, [[0.9, 0.8], [0.7, 0.65]])
    terms = set_matrix.harder_or_different(drawn, resamples=20).terms.set_index("term")["value"]
    assert terms["harder"] + terms["different"] == pytest.approx(terms["gap"])
    assert terms["harder"] == pytest.approx(0.075, abs=0.02)
    assert sum(shares(set_matrix.harder_or_different(drawn, resamples=20)).values()) == pytest.approx(1)


def test_networks_are_one_sample_for_both_training_sets(rng: np.random.Generator) -> None:
    """A network that is good is good wherever it was trained: that must not make the difference of sets uncertain."""
    good = np.array([0.5, 0.95, 0.6, 0.9])[:, None]
    names = ("cifar10", "cifar102")
    drawn = {(train, test): rng.random((4, 4_000)) < good for train in names for test in names}
    terms = set_matrix.harder_or_different(drawn, resamples=300).terms.set_index("term")
    home = terms.loc["home_difference"]
    assert home["high"] - home["low"] < 0.05


def test_without_a_gap_there_are_no_shares(rng: np.random.Generator) -> None:
    found = set_matrix.harder_or_different(scores(rng, [[0.8, 0.8], [0.8, 0.8]], n=500), resamples=200)
    assert found.shares[["value", "low", "high"]].isna().all(axis=None)
    assert found.verdict.startswith("No gap")


def test_matrix_gives_every_pair_with_its_interval(rng: np.random.Generator) -> None:
    drawn = scores(rng, [[0.9, 0.8], [0.7, 0.65]], n=500)
    drawn["cifar10", "cifar10.1-v4"] = rng.random((3, 70)) < 0.5
    matrix = set_matrix.harder_or_different(drawn, resamples=100).matrix
    assert matrix["n"].tolist() == [500, 500, 500, 500, 70]
    assert (matrix["low"] < matrix["accuracy"]).all() and (matrix["accuracy"] < matrix["high"]).all()
    small = matrix.iloc[4]
    assert small["high"] - small["low"] > 0.08


@pytest.mark.parametrize("change", ["missing", "short", "percent", "seeds"])
def test_incomplete_or_wrong_scores_are_refused(rng: np.random.Generator, change: str) -> None:
    drawn = scores(rng, [[0.9, 0.8], [0.7, 0.65]], n=50)
    corner = ("cifar102", "cifar10")
    if change == "missing":
        del drawn[corner]
    else:
        drawn[corner] = {"short": np.ones((3, 49)), "percent": np.full((3, 50), 90), "seeds": np.ones((2, 50))}[change]
    with pytest.raises(ValueError, match=r"scores.*expected"):
        set_matrix.harder_or_different(drawn, resamples=10)
