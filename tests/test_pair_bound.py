"""All pairs above a threshold: exactly those of an exhaustive computation."""

import numpy as np
import pytest

from cifar102 import cifar, dedup, kernels, pair_bound
from cifar102.similarity import grey, pair_scores
from tests.test_dedup import smooth_images


def exhaustive(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    first, second = np.repeat(np.arange(len(a)), len(b)), np.tile(np.arange(len(b)), len(a))
    return pair_scores(grey(a), grey(b), first, second, 0)[0].reshape(len(a), len(b))


def planted(rng: np.random.Generator, count: int) -> np.ndarray:
    images = smooth_images(rng, count)
    noisy = images[: count // 2].astype(int) + rng.integers(-25, 26, (count // 2, 32, 32, 3))
    images[-(count // 2) :] = np.clip(noisy, 0, 255)
    images[3], images[4] = 200, 203
    return images


@pytest.mark.parametrize("threshold", [0.9, 0.75, 0.6, 0.2])
def test_pairs_between_sets_are_those_of_an_exhaustive_computation(rng, threshold: float, monkeypatch) -> None:
    monkeypatch.setattr(pair_bound, "FEW_PAIRS", 0)
    images = planted(rng, 120)
    a, b = images[:50], images[40:]
    found = dedup.pairs_above(a, b, threshold)
    scores = exhaustive(a, b)
    query, reference = np.nonzero(scores >= threshold)
    assert len(query) > 0
    assert found["query"].tolist() == query.tolist()
    assert found["reference"].tolist() == reference.tolist()
    assert np.array_equal(found["ssim"], scores[query, reference])


def test_pairs_within_a_set_stand_once_and_never_with_themselves(rng, monkeypatch) -> None:
    monkeypatch.setattr(pair_bound, "FEW_PAIRS", 0)
    monkeypatch.setattr(pair_bound, "QUERY_BLOCK", 32)
    monkeypatch.setattr(pair_bound, "REFERENCE_BLOCK", 24)
    images = planted(rng, 100)
    found = dedup.pairs_above(images, None, 0.7)
    query, reference = np.nonzero(np.triu(exhaustive(images, images) >= 0.7, 1))
    assert len(query) > 0
    assert found[["query", "reference"]].to_numpy().tolist() == np.column_stack([query, reference]).tolist()


def test_the_bound_is_never_below_the_score_and_excludes_most_pairs(rng: np.random.Generator) -> None:
    images = grey(planted(rng, 200))
    frame = kernels.alone(pair_bound.window_frame, images)
    points, error = pair_bound.coordinates(images, frame)
    bound = (1 + points.astype(np.float64) @ points.T + 4 * error) / 2
    scores = exhaustive(images, images)
    assert (scores <= bound).all()
    assert np.mean(bound >= 0.75) < 0.2


def test_no_images_give_no_pairs_and_impossible_thresholds_are_refused() -> None:
    none = np.empty((0, 32, 32, 3), np.uint8)
    found = dedup.pairs_above(none, None, 0.5)
    assert list(found) == ["query", "reference", "ssim"]
    assert found.empty
    with pytest.raises(ValueError, match="threshold"):
        dedup.pairs_above(none, None, 1.5)


@pytest.mark.real_data
def test_no_real_pair_above_the_threshold_is_missed(real_data, monkeypatch) -> None:
    monkeypatch.setattr(pair_bound, "FEW_PAIRS", 0)
    test = cifar.load_cifar10(real_data / "cifar-10-batches-py")["test"].images
    rows, threshold = np.r_[:400, 4000:4100], 0.6
    found = dedup.pairs_above(test[rows], test[400:1000], threshold)
    scores = exhaustive(test[rows], test[400:1000])
    assert found["ssim"].tolist() == scores[scores >= threshold].tolist()
    assert len(found) > 0
