"""Keyword mixture: reweighting finds a gap that is only mixture, and leaves one that is not."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import keyword_mixture


def images(counts: dict[tuple[int, str], tuple[int, int]]) -> pd.DataFrame:
    """(label, keyword) -> (right, images)."""
    parts = [(label, word, k < right) for (label, word), (right, n) in counts.items() for k in range(n)]
    labels, words, right = zip(*parts, strict=True)
    return keyword_mixture.image_table(np.array(right), np.array(labels), np.array(words))


ORIGINAL = images({(0, "jet"): (720, 800), (0, "biplane"): (120, 200), (1, "cab"): (900, 1000)})


def test_gap_made_by_mixture_alone_goes() -> None:
    new = images({(0, "jet"): (180, 200), (0, "biplane"): (480, 800), (1, "cab"): (900, 1000)})
    found = keyword_mixture.keyword_reweighted(ORIGINAL, new, prior_images=1e-9, resamples=200)
    assert found.gap == pytest.approx(0.09)
    assert found.gap_reweighted == pytest.approx(0, abs=1e-9)
    assert found.share == pytest.approx(1)
    assert found.share_low < 1 < found.share_high
    assert found.covered == 1


def test_same_mixture_changes_nothing() -> None:
    new = images({(0, "jet"): (320, 400), (0, "biplane"): (50, 100), (1, "cab"): (400, 500)})
    found = keyword_mixture.keyword_reweighted(ORIGINAL, new, resamples=50)
    assert found.reweighted == pytest.approx(found.new)
    assert found.share == pytest.approx(0, abs=1e-9)


def test_share_of_a_gap_that_may_be_nothing_has_no_limits() -> None:
    found = keyword_mixture.keyword_reweighted(ORIGINAL, ORIGINAL, resamples=50)
    assert found.gap_low < 0 < found.gap_high
    assert np.isnan([found.share_low, found.share_high]).all()


def test_keyword_without_new_images_counts_with_its_class() -> None:
    new = images({(0, "jet"): (90, 100), (1, "cab"): (90, 100)})
    found = keyword_mixture.keyword_reweighted(ORIGINAL, new, resamples=20)
    assert found.covered == pytest.approx(0.9)
    assert found.reweighted == pytest.approx(0.9)


def test_missing_class_is_refused() -> None:
    with pytest.raises(ValueError, match="automobile"):
        keyword_mixture.keyword_reweighted(ORIGINAL, images({(0, "jet"): (90, 100)}))


def test_few_images_are_pulled_to_the_class_mean_and_many_are_not() -> None:
    table = keyword_mixture.keyword_table(
        images({(0, "few"): (0, 2), (0, "many"): (1600, 2000)}), prior_images=20
    ).set_index("keyword")
    few, many = 2 / 22, 2000 / 2020
    assert table.loc["few", "shrunk"] == pytest.approx(20 / 22 * (0.8 * many / (few + many)))
    assert abs(table.loc["many", "shrunk"] - 0.8) < 0.001
    assert table.loc["few", "low"] == 0


def test_prior_weight_finds_the_variance_between_keywords(rng: np.random.Generator) -> None:
    share = rng.beta(16, 4, size=400)
    words = np.repeat([f"w{k}" for k in range(400)], 30)
    table = keyword_mixture.image_table(rng.random(12_000) < np.repeat(share, 30), np.zeros(12_000, dtype=int), words)
    assert 14 < keyword_mixture.prior_weight(table) < 28  # a beta(16, 4) is worth 20 images
    shuffled = table.assign(keyword=rng.permutation(table["keyword"]))
    assert keyword_mixture.prior_weight(shuffled) > 200


@pytest.mark.parametrize("correct", [np.ones(3), np.full(4, 1.5), np.full(4, np.nan)])
def test_correctness_is_one_share_an_image(correct: np.ndarray) -> None:
    with pytest.raises(ValueError, match="correct: expected"):
        keyword_mixture.image_table(correct, np.zeros(4, dtype=int), np.array(["a"] * 4))


def test_pairs_hold_the_keywords_of_both_sets_with_shrunk_accuracies() -> None:
    new = images({(0, "jet"): (160, 200), (1, "cab"): (400, 500), (1, "lorry"): (3, 4)})
    pairs = keyword_mixture.keyword_pairs(ORIGINAL, new).set_index("keyword")
    assert set(pairs.index) == {"jet", "cab"}
    assert pairs.loc["jet", ["n_original", "n_new"]].tolist() == [800, 200]
    assert pairs.loc["jet", "gap"] == pairs.loc["jet", "original"] - pairs.loc["jet", "new"]
    assert pairs.loc["jet", "original"] == pytest.approx(0.9, abs=0.02)


def test_keywords_that_differ_make_the_gap_less_certain_than_images_alone_say(rng: np.random.Generator) -> None:
    keywords = np.repeat([f"k{number}" for number in range(20)], 40)

    def draw(loss: np.ndarray) -> pd.DataFrame:
        return keyword_mixture.image_table((rng.random(800) < 0.85 - loss).astype(float), np.zeros(800), keywords)

    own_loss = np.repeat(rng.normal(0.08, 0.08, size=20), 40)
    table = keyword_mixture.clustered_gaps(draw(np.zeros(800)), draw(own_loss)).set_index("method")
    width = table["high"] - table["low"]
    assert width["keyword clusters"] > 1.2 * width["images"]
    assert table["gap"].tolist() == pytest.approx([own_loss.mean()] * 3, abs=0.03)
    alike = keyword_mixture.clustered_gaps(draw(np.zeros(800)), draw(np.full(800, 0.08))).set_index("method")
    assert np.ptp(alike["gap"]) < 0.01 and (alike["low"] < alike["gap"]).all()


def test_a_few_keywords_say_nothing_of_how_keywords_vary() -> None:
    images = keyword_mixture.image_table(np.arange(6) % 2, np.zeros(6), np.tile(["cat", "kitty"], 3))
    table = keyword_mixture.clustered_gaps(images, images)
    assert table["low"].isna().tolist() == [False, True, True]
