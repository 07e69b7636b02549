"""Near-duplicates: planted pairs are found with their shift; verdicts and groups; the pairs people judged."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from cifar102 import cifar
from cifar102.dedup import pair_table


def smooth_images(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random images with structure, uint8 (count, 32, 32, 3)."""
    noise = gaussian_filter(rng.normal(size=(count, 40, 40, 3)), (0, 2, 2, 0.5))[:, 4:-4, 4:-4]
    return np.clip(128 + 450 * noise, 0, 255).astype(np.uint8)


def moved(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The image moved down and right, its edge repeated."""
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="edge")
    return padded[4 - rows : 36 - rows, 4 - columns : 36 - columns]


def test_a_shifted_noisy_copy_is_a_duplicate_and_its_shift_is_told(rng: np.random.Generator) -> None:
    references = smooth_images(rng, 40)
    for shift in ((0, 0), (2, -1), (-2, 2)):
        query = moved(references[7], *shift).astype(int) + rng.integers(-4, 5, (32, 32, 3))
        pairs = pair_table.near_duplicates(np.clip(query, 0, 255).astype(np.uint8)[None], references)
        best = pairs.iloc[0]
        assert (best["reference"], best["shortlist_rank"], best["verdict"]) == (7, 1, "duplicate")
        assert (best["shift_row"], best["shift_column"]) == shift
        assert set(pairs["verdict"][1:]) == {"different"}


def test_the_pair_table_has_its_columns_and_ten_ranked_partners_a_query(rng: np.random.Generator) -> None:
    pairs = pair_table.near_duplicates(smooth_images(rng, 5), smooth_images(rng, 30))
    assert list(pairs) == list(pair_table.PAIR_COLUMNS)
    assert [str(kind) for kind in pairs.dtypes] == [
        *["int64"] * 3,
        *["float64"] * 2,
        *["int64"] * 2,
        *["float64"] * 2,
        "bool",
        "object",
    ]
    assert pairs["query"].tolist() == np.repeat(np.arange(5), 10).tolist()
    assert pairs["shortlist_rank"].tolist() == [*range(1, 11)] * 5
    assert (pairs.groupby("query")["ncc"].diff().dropna() <= 0).all()


def test_within_a_set_no_image_is_its_own_partner_but_its_copy_is(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 12)
    images[9] = images[3]
    pairs = pair_table.near_duplicates(images)
    assert (pairs["query"] != pairs["reference"]).all()
    found = pairs[pairs["verdict"] == "duplicate"]
    assert found[["query", "reference", "ssim"]].to_numpy().tolist() == [[3, 9, 1], [9, 3, 1]]
    assert found["ncc"].tolist() == pytest.approx([1, 1])


def test_few_references_give_short_lists_and_one_image_alone_gives_none(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 4)
    assert len(pair_table.near_duplicates(images, images[:2])) == 8
    assert len(pair_table.near_duplicates(images)) == 12
    assert pair_table.near_duplicates(images[:1]).empty


def test_thresholds_decide_the_verdict_and_are_inclusive(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 20)
    scores = pair_table.near_duplicates(images, rule="ssim")["ssim"]
    high, low = scores.quantile(0.9, interpolation="higher"), scores.quantile(0.5, interpolation="higher")
    verdicts = pair_table.near_duplicates(images, rule="ssim", duplicate=high, review=low)["verdict"]
    assert (
        verdicts.tolist()
        == np.where(scores >= high, "duplicate", np.where(scores >= low, "review", "different")).tolist()
    )
    with pytest.raises(ValueError, match="review <= duplicate"):
        pair_table.near_duplicates(images, rule="ssim", duplicate=0.5, review=0.6)
    with pytest.raises(ValueError, match="none of registered, ssim"):
        pair_table.near_duplicates(images, rule="hash")


def test_a_reviewed_verdict_overrides_the_score_and_the_last_one_counts(rng: np.random.Generator) -> None:
    pairs = pair_table.near_duplicates(smooth_images(rng, 3), smooth_images(rng, 3)).assign(
        reference_set="cifar10-test"
    )
    said = pd.DataFrame({"query": [1, 1, 8], "reference_set": "cifar10-test", "reference": [2, 2, 0]})
    judged = pair_table.apply_verdicts(pairs, said.assign(verdict=["different", "duplicate", "duplicate"]))
    is_said = (pairs["query"] == 1) & (pairs["reference"] == 2)
    assert judged.loc[is_said, "verdict"].tolist() == ["duplicate"]
    assert judged.loc[~is_said, "verdict"].tolist() == pairs.loc[~is_said, "verdict"].tolist()
    assert judged["is_reviewed"].tolist() == is_said.tolist()
    other_set = said.assign(verdict="duplicate", reference_set="cifar10-train")
    assert not pair_table.apply_verdicts(pairs, other_set)["is_reviewed"].any()


def test_verdicts_with_unknown_words_or_without_columns_are_refused(rng: np.random.Generator) -> None:
    pairs = pair_table.near_duplicates(smooth_images(rng, 3))
    with pytest.raises(ValueError, match="maybe"):
        pair_table.apply_verdicts(pairs, pd.DataFrame({"query": [0], "reference": [1], "verdict": ["maybe"]}))
    with pytest.raises(ValueError, match="reference"):
        pair_table.apply_verdicts(pairs, pd.DataFrame({"query": [0], "verdict": ["duplicate"]}))


def test_components_join_what_hangs_together_through_others() -> None:
    pairs = pd.DataFrame({"query": [4, 1, 2], "reference": [1, 5, 3]})
    assert pair_table.components(pairs, 7).tolist() == [0, 1, 2, 2, 1, 1, 3]
    assert pair_table.components(pairs.iloc[:0], 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="0 to 4"):
        pair_table.components(pairs, 5)


@pytest.mark.real_data
def test_most_judged_pairs_of_the_real_test_set_are_flagged(real_data, judged_pairs) -> None:
    test = cifar.load_cifar10(real_data / "cifar-10-batches-py")["test"].images
    judged = pd.read_csv(judged_pairs)[["TestID", "TrainID"]].to_numpy()
    rows = np.unique(judged)
    found = {}
    for rule in pair_table.THRESHOLDS:
        pairs = pair_table.near_duplicates(test[rows], test, k=11, rule=rule)  # each finds itself, too
        scores = {(rows[q], r): s for q, r, s in zip(pairs["query"], pairs["reference"], pairs["score"], strict=True)}
        best = np.array([max(scores.get((a, b), -15), scores.get((b, a), -15)) for a, b in judged])
        found[rule] = [int((best >= threshold).sum()) for threshold in pair_table.THRESHOLDS[rule]]
    assert len(judged) == 39
    assert found["ssim"] == [26, 34]
    assert found["registered"][0] >= 32
