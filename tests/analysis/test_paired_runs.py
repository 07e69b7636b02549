"""Differences over images and seeds, and the best of several arms; docs/simulations.py has how often they hold."""

import numpy as np
import pytest
from scipy import stats

from cifar102.analysis import paired_runs
from cifar102.analysis.paired_runs import RunScore, score_images
from docs.simulations import draw_arms


def plain(values: list[float]) -> dict[int, RunScore]:
    """Runs of which only the number is known."""
    return {seed: RunScore(value) for seed, value in enumerate(values)}


def test_without_images_the_interval_is_students_over_seeds(rng):
    first, second = rng.random(5), rng.random(5)
    row = paired_runs.compare_runs(plain(first), plain(second))
    test = stats.ttest_rel(first, second)
    low, high = test.confidence_interval()
    assert (row["low"], row["high"], row["p"]) == pytest.approx((low, high, test.pvalue))
    assert (row["num_pairs"], row["num_images"], row["freedom"]) == (5, 0, 4)


def test_with_one_seed_the_interval_is_that_of_paired_images(rng):
    first, second = rng.random(4_000) < 0.7, rng.random(4_000) < 0.6
    row = paired_runs.compare_runs({0: score_images(first, "test")}, {0: score_images(second, "test")})
    difference = first.astype(float) - second
    half = 1.96 * difference.std() / np.sqrt(4_000)
    assert (row["difference"], row["low"]) == pytest.approx((difference.mean(), difference.mean() - half), abs=1e-4)
    assert np.isinf(row["freedom"]) and row["num_images"] == 4_000


def test_an_image_that_counts_twice_moves_the_score_by_its_influence(rng):
    right = rng.random(50) < 0.5
    score = score_images(right, "test")
    step = 1e-6
    weights = np.ones(50) + step * (np.arange(50) == 7)
    assert score.influence["test"][7] == pytest.approx(
        (weights @ right / weights.sum() - right.mean()) / step, abs=1e-6
    )
    assert score.influence["test"].sum() == pytest.approx(0)


def test_images_are_paired_by_their_place_and_not_by_their_order(rng):
    right, other = rng.random(500) < 0.6, rng.random(500) < 0.6
    order = rng.permutation(500)
    straight = score_images(right, "test") - score_images(other, "test")
    mixed = score_images(right[order], "test", order) - score_images(other, "test")
    np.testing.assert_allclose(straight.influence["test"], mixed.influence["test"], atol=1e-12)


def test_two_arms_with_the_same_answers_differ_by_nothing_and_not_for_certain():
    scores = {seed: score_images(np.arange(100) < 60, "test") for seed in range(3)}
    row = paired_runs.compare_runs(scores, scores)
    assert row["difference"] == 0 and row["low"] < 0 < row["high"] and row["p"] == 1


@pytest.mark.parametrize("arms", [({}, {}), (plain([0.4]), plain([0.5])), (plain([0.4, 0.5]), plain([0.5, 0.6]))])
def test_without_pairs_images_or_spread_nothing_can_be_judged(arms):
    row = paired_runs.compare_runs(*arms)
    assert np.isnan([row[name] for name in ("low", "high", "p", "p_equal", "shown")]).all()


def test_a_seed_that_one_arm_lacks_is_no_pair():
    row = paired_runs.compare_runs(plain([0.1, 0.2, 0.3]), plain([0.15, 0.26]))
    assert (row["num_pairs"], row["difference"]) == (2, pytest.approx(-0.055))


def test_answers_without_places_are_refused():
    with pytest.raises(ValueError, match="test: expected a place"):
        score_images(np.ones(3), "test", np.arange(2))


def test_seeds_that_vary_no_more_than_their_images_leave_more_certainty_than_three_numbers(rng):
    widths = []
    for _ in range(200):
        arms = draw_arms(rng, np.array([0.6, 0.55]), 3, 0.0, images=500, shared=False)
        numbers = [{seed: RunScore(score.value) for seed, score in arm.items()} for arm in arms.values()]
        rows = [paired_runs.compare_runs(*both) for both in (arms.values(), numbers)]
        widths.append([row["high"] - row["low"] for row in rows])
    ours, students = np.median(widths, axis=0)
    assert ours < 0.9 * students


def test_quantile_of_the_best_is_dunnetts():
    groups = np.random.default_rng(0).normal(size=(4, 6))
    found = stats.dunnett(*groups[1:], control=groups[0], alternative="greater", random_state=1)
    pooled = np.sqrt(np.var(groups, axis=1, ddof=1).mean() * 2 / 6)
    for k, p_value in enumerate(found.pvalue):
        reach = (groups[k + 1].mean() - groups[0].mean()) / pooled
        assert 1 - paired_runs._best_chance(reach, 3, 20) == pytest.approx(p_value, abs=2e-3)
    assert paired_runs._best_quantile(1, np.inf, 0.95) == pytest.approx(stats.norm.ppf(0.95), abs=1e-6)
    assert paired_runs._best_quantile(1, 4, 0.95) == pytest.approx(stats.t.ppf(0.95, 4), abs=1e-3)


def test_the_best_is_told_from_arms_that_lie_far_below_it():
    arms = {"a": plain([0.30, 0.32, 0.31]), "b": plain([0.40, 0.42, 0.44]), "c": plain([0.41, 0.40, 0.42])}
    table = paired_runs.beside_best_arm(arms).set_index("arm")
    assert table.index[0] == "b"
    assert table["is_same"].to_dict() == {"a": False, "b": True, "c": True}
    assert table.loc["b", "difference"] == pytest.approx(0.01)
    assert table.loc["a", "high"] == 0 and table.loc["a", "low"] < -0.11 < 0
    assert table.loc["b", "low"] < 0 < table.loc["b", "high"]
    assert table.loc["a", "p"] < 0.05 < table.loc["b", "p"]


def test_an_arm_that_is_shown_to_be_the_best_lies_above_all_others():
    table = paired_runs.beside_best_arm({"a": plain([0.9, 0.91, 0.9]), "b": plain([0.5, 0.5, 0.52])}).set_index("arm")
    assert table.loc["a", "low"] == 0 and table["is_same"].to_dict() == {"a": True, "b": False}


@pytest.mark.parametrize("arms", [{"a": [0.3], "b": [0.4]}, {"a": [0.3, 0.3], "b": [0.4, 0.4]}, {"a": [0.3, 0.4]}])
def test_without_spread_nothing_is_told_apart_from_the_best(arms):
    table = paired_runs.beside_best_arm({arm: plain(values) for arm, values in arms.items()})
    assert table["is_same"].all()
    assert table[["low", "high", "p"]].isna().all(axis=None)


def test_one_seed_with_recorded_images_tells_far_arms_apart(rng):
    table = paired_runs.beside_best_arm(draw_arms(rng, np.array([0.6, 0.3, 0.59]), 1, 0.0)).set_index("arm")
    assert not table.loc["arm1", "is_same"] and table.loc[["arm0", "arm2"], "is_same"].all()


def test_no_arm_at_all_is_an_error():
    with pytest.raises(ValueError, match="at least one arm"):
        paired_runs.beside_best_arm({"a": {}})
