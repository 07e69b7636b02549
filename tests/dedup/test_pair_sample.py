"""The pairs that people are asked to judge: drawn by stratum with known weights, decoys among them."""

import numpy as np
import pandas as pd
import pytest

from cifar102.dedup import pair_sample

TINY = np.arange(100, 400)  # tiny_index of each candidate row


@pytest.fixture
def pairs(rng: np.random.Generator) -> pd.DataFrame:
    """2,000 pairs with a test set, more of them where the score is low."""
    table = pd.DataFrame({"query": rng.integers(0, 300, 2000), "reference": rng.integers(0, 500, 2000)})
    table = table.assign(reference_set="cifar10-test", ssim=rng.beta(2, 4, 2000), shift_row=0, shift_column=1)
    return table.drop_duplicates(["query", "reference"], ignore_index=True)


@pytest.mark.parametrize("column", ["ssim", "score"])
def test_the_weights_of_the_drawn_pairs_add_up_to_all_pairs(pairs: pd.DataFrame, column: str) -> None:
    table = pairs if column == "ssim" else pairs.assign(score=pairs["ssim"] * 30 - 15)
    drawn = pair_sample.pair_sample(table, TINY, per_stratum=10)
    asked = drawn[drawn["kind"] == pair_sample.PAIR]
    assert asked["weight"].sum() == pytest.approx(len(table)) and asked["stratum"].value_counts().max() == 10
    for name, part in asked.groupby("stratum"):
        low, high = map(float, name.split(" to "))
        assert part["value"].between(low, high, inclusive="left").all()


def test_decoys_are_the_same_image_twice_or_pairs_that_no_search_names(pairs: pd.DataFrame) -> None:
    drawn = pair_sample.pair_sample(pairs, TINY, decoys=12)
    assert drawn["kind"].value_counts()[["identical", "unrelated"]].tolist() == [12, 12]
    same = drawn[drawn["kind"] == pair_sample.IDENTICAL]
    assert (same["query"] == same["reference"]).all() and (same["reference_set"] == "candidates").all()
    mixed = drawn[drawn["kind"] == pair_sample.UNRELATED].merge(pairs, on=["query", "reference_set", "reference"])
    assert mixed.empty and drawn.loc[drawn["kind"] != "pair", "weight"].eq(0).all()


def test_everybody_gets_the_same_sample_and_another_seed_another_one(pairs: pd.DataFrame) -> None:
    first, again, other = (pair_sample.pair_sample(pairs, TINY, seed=seed) for seed in (0, 0, 1))
    assert first.equals(again) and not first[pair_sample.KEYS].equals(other[pair_sample.KEYS])


def test_no_pair_gives_no_sample_and_one_pair_itself_and_a_copy(pairs: pd.DataFrame) -> None:
    assert pair_sample.pair_sample(pairs.head(0), TINY).empty
    assert sorted(pair_sample.pair_sample(pairs.head(1), TINY)["kind"]) == ["identical", "pair"]


def test_a_pair_of_candidates_stands_once_whichever_side_found_it() -> None:
    both = pd.DataFrame({"query": [2, 5], "reference": [5, 2], "reference_set": "candidates", "ssim": [0.6, 0.6]})
    assert pair_sample.named_pairs(both, TINY)[["tiny_index", "other"]].to_numpy().tolist() == [[102, 105]]
