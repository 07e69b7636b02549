"""The placebo: arms hold what they say, luck cancels, a planted bias is found with its size, the twin shows none."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import protocol
from cifar102.cifar import ImageSet
from cifar102.datasets.roles import NEW, OLD, REFERENCE, Roles, draw_roles
from cifar102.studies import placebo

WORDS = "abcde"


def pool(num_images: int, pixels: bool = False) -> ImageSet:
    """Ten classes of five keywords each; no pixels to speak of unless asked for."""
    labels = np.arange(num_images) % 10
    words = np.arange(num_images) // 10 % 5
    names = tuple(
        f"{'klmnopqrst'[label]}{WORDS[word]}_s_{row:06d}.png"
        for row, (label, word) in enumerate(zip(labels, words, strict=True))
    )
    return ImageSet(np.zeros((num_images, 32, 32, 3), np.uint8), labels, names)


def planted(num_images: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Disjoint pairs of images, so that `share` of them are in one: int64 (m, 2)."""
    return rng.permutation(num_images)[: 2 * round(share * num_images / 2)].reshape(-1, 2)


def easy(num_images: int, pairs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which images a classifier gets right: all that are in a pair, half of the others. bool (n,)."""
    right = rng.random(num_images) < 0.5
    right[pairs] = True
    return right


def oracle(right: np.ndarray, labels: np.ndarray) -> placebo.Classifier:
    """A classifier whose answers are fixed: the label where `right`, the next class elsewhere."""
    return lambda fitted, tested: np.where(right[tested], labels[tested], (labels[tested] + 1) % 10)


def expected_part(right: np.ndarray, pairs: np.ndarray) -> float:
    """The part that screening the new side makes where paired images are right: points, to first order in 1/n.

    Of the new images in a pair those go whose partner is elsewhere, 40,000 of 59,999 in CIFAR-10's sizes.
    """
    count = len(right)
    share, others = 2 * len(pairs) / count, np.delete(right, pairs.ravel()).mean()
    kept = 1 - (count - count / 3) / (count - 1)
    return 100 * (share + (1 - share) * others - (share * kept + (1 - share) * others) / (1 - share + share * kept))


def test_arms_are_screened_drawn_and_left_over_as_they_say(rng) -> None:
    images, pairs = pool(6_000), planted(6_000, 0.2, rng)
    roles = draw_roles(6_000, rng)
    arms = placebo.protocol_arms(images, roles, pairs, 3, rng)
    partner = np.full(6_000, -1)
    partner[pairs[:, 0]], partner[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    beside = np.where(partner >= 0, roles.side[partner], -1)
    eligible = arms["eligible"][0]
    assert np.array_equal(eligible, np.flatnonzero((roles.side == NEW) & np.isin(beside, (-1, NEW))))
    for arm, side in (("old", OLD), ("twin", NEW)):
        assert np.array_equal(arms[arm][0], np.flatnonzero((roles.side == side) & (beside != REFERENCE))), arm
    for matched, leftover, uniform in zip(arms["matched"], arms["leftover"], arms["uniform"], strict=True):
        assert np.bincount(images.labels[matched]).tolist() == [20] * 10
        assert np.bincount(images.labels[uniform]).tolist() == [20] * 10
        assert np.isin(np.concatenate([matched, leftover, uniform]), eligible).all()
        assert not np.isin(leftover, np.concatenate([matched, partner[matched]])).any()
        assert len(eligible) - 1_200 - 240 < len(leftover) <= len(eligible) - 1_200
    assert len(arms["matched"]) == 3 and not np.array_equal(*arms["matched"][:2])


def test_the_matched_arm_has_the_keywords_of_reference_and_old_test_set(rng) -> None:
    images = pool(6_000)
    roles = draw_roles(6_000, rng)
    matched = placebo.protocol_arms(images, roles, np.empty((0, 2), np.int64), 1, rng)["matched"][0]
    known = roles.side != NEW
    cell = 5 * images.labels + np.arange(6_000) // 10 % 5
    shares = np.bincount(cell[known], minlength=50) / np.bincount(images.labels[known])[np.arange(50) // 5]
    assert np.abs(np.bincount(cell[matched], minlength=50) - 20 * shares).max() < 1.1


def test_the_part_of_an_arm_on_six_images_by_hand() -> None:
    roles = Roles(np.array([OLD, OLD, NEW, NEW, NEW, NEW], np.int8), np.array([], np.int64))
    right = np.array([True, False, True, True, True, False])
    arms = {"eligible": [[2, 3]], "leftover": [[5]], "matched": [[2], [5]], "uniform": [[2, 5]]}
    arms |= {"twin": [[2, 3]], "old": [[0]]}
    parts = placebo.protocol_parts(right, roles, arms)
    assert {arm: part for arm, (part, _) in parts.items()} == {
        "matched": 25.0,  # 75 % of the new pool less 50 %, the mean of two draws
        "uniform": 25.0,
        "leftover": 75.0,
        "eligible": -25.0,
        "twin": 25.0,  # old rises from 50 to 100 %, new from 75 to 100 %
    }
    assert parts["matched"][1] == 1 and parts["eligible"][1] == 2


def test_a_pair_counts_once_from_whichever_side_it_is_found(rng) -> None:
    images = rng.integers(0, 256, size=(40, 32, 32, 3), dtype=np.uint8)
    images[7] = images[3]
    found = placebo.near_duplicate_pairs(images)
    assert found["ssim"].tolist() == [[3, 7]]


def test_a_split_does_not_depend_on_how_many_there_are(rng) -> None:
    images, pairs = pool(1_200), planted(1_200, 0.2, rng)
    classifier = {"fixed": oracle(easy(1_200, pairs, rng), images.labels)}
    few, more = (
        placebo.run_placebo(images, {"ssim": pairs}, classifier, num_splits=count, num_draws=1, seed=3).parts
        for count in (2, 5)
    )
    pd.testing.assert_frame_equal(few, more[more["split"] < 2].reset_index(drop=True))


def test_scores_are_the_shares_of_right_answers_while_an_image_was_tested(rng) -> None:
    images = pool(1_200)
    right = rng.random(1_200) < 0.5
    none = np.empty((0, 2), np.int64)
    found = placebo.run_placebo(images, {"ssim": none}, {"fixed": oracle(right, images.labels)}, num_splits=30)
    scores = found.scores["fixed"]
    assert np.array_equal(scores[~np.isnan(scores)], right[~np.isnan(scores)])


def test_a_planted_bias_is_found_with_its_size_and_the_twin_is_equivalent_to_zero(rng) -> None:
    images, pairs = pool(12_000), planted(12_000, 0.1, rng)
    right = easy(12_000, pairs, rng)
    found = placebo.run_placebo(images, {"ssim": pairs}, {"fixed": oracle(right, images.labels)}, num_splits=60)
    table = protocol.protocol_table(found.parts).set_index("arm")
    wanted = expected_part(right, pairs)
    assert 3 < wanted < 4, "paired images are twice as often right, and two thirds of them go"
    assert table.loc["eligible", "low"] < wanted < table.loc["eligible", "high"]
    assert table.loc["eligible", "high"] - table.loc["eligible", "low"] < 0.3
    assert table.loc["leftover", "low"] > 0
    assert not table.loc["eligible", "equivalent"]
    twin = protocol.protocol_table(found.parts, margin=0.5).set_index("arm").loc["twin"]
    assert twin["equivalent"] and twin["low"] < 0 < twin["high"]


def test_without_near_duplicates_the_protocol_makes_nothing(rng) -> None:
    images, none = pool(6_000), np.empty((0, 2), np.int64)
    classifier = {"fixed": oracle(rng.random(6_000) < 0.6, images.labels)}
    table = protocol.protocol_table(
        placebo.run_placebo(images, {"ssim": none}, classifier, num_splits=30).parts, margin=1.5
    )
    table = table.set_index("arm")
    assert (table.loc[["eligible", "twin"], "protocol_part"] == 0).all()
    assert table["equivalent"].all() and (table["low"] <= 0.5).all() and (table["high"] >= -0.5).all()


@pytest.mark.slow
def test_the_interval_of_a_planted_bias_covers_it_in_95_percent_of_400_repetitions() -> None:
    covered = {"eligible": 0, "twin": 0}
    for repetition in range(400):
        rng = np.random.default_rng([102, repetition])
        pairs = planted(3_000, 0.1, rng)
        right = easy(3_000, pairs, rng)
        rows = []
        for split in range(30):
            roles = draw_roles(3_000, rng)
            arms = {"ssim": placebo.screened_arms(roles, pairs)}
            rows += placebo.part_rows(split, "fixed", right, roles, arms)
        table = protocol.protocol_table(pd.DataFrame(rows)).set_index("arm")
        for arm, wanted in (("eligible", expected_part(right, pairs)), ("twin", 0)):
            covered[arm] += table.loc[arm, "low"] <= wanted <= table.loc[arm, "high"]
    assert all(368 <= count <= 391 for count in covered.values()), covered
