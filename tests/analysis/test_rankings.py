"""Ranks on two sets: places won, correlations with intervals, reversals that both sets show."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import model_pairs, rankings


def test_rank_change_counts_places_won() -> None:
    original = pd.Series({"a": 0.9, "b": 0.8, "c": 0.7})
    table = rankings.rank_table(original, pd.Series({"c": 0.65, "b": 0.5, "a": 0.6})).set_index("model")
    assert table["new_rank"].to_dict() == {"a": 2, "b": 3, "c": 1}
    assert table["change"].to_dict() == {"a": -1, "b": -1, "c": 2}


def test_reversals_need_both_orders_to_be_shown(rng: np.random.Generator) -> None:
    labels, new_labels = np.zeros(2_000, dtype=int), np.zeros(1_000, dtype=int)

    def says(share: float, n: int) -> np.ndarray:
        return (rng.random(n) > share).astype(int)

    accuracies = {"turns": (0.9, 0.6), "stays": (0.8, 0.8), "near": (0.795, 0.805)}
    sides = [
        model_pairs.mcnemar_table({name: says(part[k], len(truth)) for name, part in accuracies.items()}, truth)
        for k, truth in enumerate((labels, new_labels))
    ]
    table = rankings.reversals(*sides)
    shown = {frozenset(pair) for pair in table.loc[table["is_reversed"], ["first", "second"]].to_numpy()}
    assert shown == {frozenset(("turns", "stays")), frozenset(("turns", "near"))}
    with pytest.raises(ValueError, match="same pairs"):
        rankings.reversals(sides[0], sides[1].head(2))


def test_equal_accuracies_have_no_rank_correlation() -> None:
    table = rankings.rank_agreement(np.full(6, 0.5), np.linspace(0.1, 0.6, 6))
    assert table[["value", "low", "high"]].isna().all(axis=None)


def test_the_same_order_has_the_highest_correlation_with_limits_inside_one() -> None:
    table = rankings.rank_agreement(np.linspace(0.5, 0.9, 10), np.linspace(0.4, 0.8, 10))
    assert table["value"].tolist() == pytest.approx([1, 1])
    assert (table["high"] <= 1).all() and (table["low"] > 0.9).all()
