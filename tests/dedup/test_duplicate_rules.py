"""The rules that look for planted copies: each sees what it should."""

import numpy as np
import pandas as pd
import pytest

from cifar102.dedup import duplicate_rules, pair_table, planted_copies
from tests.dedup.test_pair_table import smooth_images


def test_the_shifted_score_finds_shifts_that_the_plain_ones_lose(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 200)
    planted = {
        kind: duplicate_rules.rule_scores(planted_copies.plant_copies(images[:80], kind, 2), images)
        for kind in ("shift", "jpeg")
    }
    table = duplicate_rules.rule_costs(duplicate_rules.rule_scores(images), None, planted).set_index("rule")
    assert table.loc[duplicate_rules.SHIFTED.name, "shift"] == 1
    assert table.loc[duplicate_rules.PLAIN.name, "shift"] < 1
    assert table.loc[duplicate_rules.SHIFTED.name, "jpeg"] == 1
    assert table.loc[duplicate_rules.L2.name, "jpeg"] > table.loc[duplicate_rules.L2.name, "shift"]
    assert table["judged"].isna().all()


def test_scores_are_those_of_the_search_and_a_copy_is_perfect_by_every_rule(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 40)
    images[7] = images[3]
    found = duplicate_rules.rule_scores(images, k=5)
    assert set(found["rule"]) == {rule.name for rule in duplicate_rules.RULES}
    assert (found["query"] != found["reference"]).all()
    pair = found[(found["query"] == 3) & (found["reference"] == 7)].set_index("rule")["score"]
    for rule in duplicate_rules.RULES:
        best = {duplicate_rules.REGISTERED: 15, duplicate_rules.L2: 0, duplicate_rules.HASH: 0}
        assert pair[rule.name] == best.get(rule, 1)
    shifted = found[found["rule"] == duplicate_rules.SHIFTED.name]
    assert shifted["score"].tolist() == pair_table.near_duplicates(images, k=5, rule="ssim")["ssim"].tolist()


def test_recall_counts_a_pair_from_either_side_and_one_never_looked_at_as_missed() -> None:
    found = pd.DataFrame(
        {"rule": duplicate_rules.L2.name, "query": [0, 2], "reference": [1, 3], "score": [900.0, 1100.0]}
    )
    truth = pd.DataFrame({"query": [1, 2, 5], "reference": [0, 3, 6]})
    assert duplicate_rules.recall(found, truth, duplicate_rules.L2) == pytest.approx(1 / 3)
    assert duplicate_rules.recall(found, truth, duplicate_rules.L2, 1100) == pytest.approx(2 / 3)
    assert duplicate_rules.flagged_share(found, np.array([2]), duplicate_rules.L2) == 1
    assert duplicate_rules.flagged_share(found, np.array([0]), duplicate_rules.L2) == 0


def test_the_curve_rises_with_what_is_flagged(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 120)
    planted = {"blur": duplicate_rules.rule_scores(planted_copies.plant_copies(images[:40], "blur", 2), images)}
    curve = duplicate_rules.rule_curve(duplicate_rules.rule_scores(images), None, planted, num_points=6)
    for rule, part in curve.groupby("rule"):
        assert part.sort_values("flagged")["recall"].is_monotonic_increasing
        assert part["flagged"].max() <= duplicate_rules.LARGEST_SHARE
        assert rule == duplicate_rules.HASH.name or part["flagged"].max() > 0.15


@pytest.mark.real_data
def test_on_judged_pairs_shifts_find_most_and_the_flattened_score_fewer(real_data, judged_pairs) -> None:
    from cifar102 import cifar

    test = cifar.load_cifar10(real_data / "cifar-10-batches-py")["test"].images
    table = pd.read_csv(judged_pairs)[["TestID", "TrainID"]]
    pairs = table.rename(columns={"TestID": "query", "TrainID": "reference"})
    rows = np.unique(table)
    found = duplicate_rules.rule_scores(test[rows], test, k=11).assign(query=lambda part: rows[part["query"]])
    recalls = {rule.name: duplicate_rules.recall(found, pairs, rule) for rule in duplicate_rules.RULES}
    assert recalls[duplicate_rules.SHIFTED.name] == pytest.approx(26 / 39)
    assert recalls[duplicate_rules.SHIFTED.name] > recalls[duplicate_rules.PLAIN.name]
    assert recalls[duplicate_rules.PLAIN.name] > recalls[duplicate_rules.FLAT.name]
