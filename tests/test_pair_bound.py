"""All pairs above a threshold: exactly those of an exhaustive computation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from cifar102 import cifar
from cifar102.dedup import kernels, similarity
from cifar102.dedup.similarity import grey, pair_scores
from cifar102.workspace.folders import REPOSITORY
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
    monkeypatch.setattr(similarity, "FEW_PAIRS", 0)
    images = planted(rng, 120)
    a, b = images[:50], images[40:]
    found = similarity.pairs_above(a, b, threshold)
    scores = exhaustive(a, b)
    query, reference = np.nonzero(scores >= threshold)
    assert len(query) > 0
    assert found["query"].tolist() == query.tolist()
    assert found["reference"].tolist() == reference.tolist()
    assert np.array_equal(found["ssim"], scores[query, reference])


def test_pairs_within_a_set_stand_once_and_never_with_themselves(rng, monkeypatch) -> None:
    monkeypatch.setattr(similarity, "FEW_PAIRS", 0)
    monkeypatch.setattr(similarity, "QUERY_BLOCK", 32)
    monkeypatch.setattr(similarity, "REFERENCE_BLOCK", 24)
    images = planted(rng, 100)
    found = similarity.pairs_above(images, None, 0.7)
    query, reference = np.nonzero(np.triu(exhaustive(images, images) >= 0.7, 1))
    assert len(query) > 0
    assert found[["query", "reference"]].to_numpy().tolist() == np.column_stack([query, reference]).tolist()


def test_the_bound_is_never_below_the_score_and_excludes_most_pairs(rng: np.random.Generator) -> None:
    images = grey(planted(rng, 200))
    frame = kernels.alone(similarity.window_frame, images)
    points, error = similarity.coordinates(images, frame)
    bound = (1 + points.astype(np.float64) @ points.T + 4 * error) / 2
    scores = exhaustive(images, images)
    assert (scores <= bound).all()
    assert np.mean(bound >= 0.75) < 0.2


def test_no_images_give_no_pairs_and_impossible_thresholds_are_refused() -> None:
    none = np.empty((0, 32, 32, 3), np.uint8)
    found = similarity.pairs_above(none, None, 0.5)
    assert list(found) == ["query", "reference", "ssim"]
    assert found.empty
    with pytest.raises(ValueError, match="threshold"):
        similarity.pairs_above(none, None, 1.5)


@pytest.mark.real_data
def test_of_four_million_real_pairs_none_above_the_threshold_is_missed(real_data) -> None:
    sets = cifar.load_cifar10(real_data / "cifar-10-batches-py")
    test, train = sets["test"].images[:2000], sets["train"].images[:2000]
    test[:100] = sets["test"].images[4000:4100]  # among them some that hold pairs with
    train[:100] = sets["test"].images[400:500]  # these
    scores = exhaustive(test, train)
    for threshold in (0.75, 0.55):
        found = similarity.pairs_above(test, train, threshold)
        query, reference = np.nonzero(scores >= threshold)
        assert len(query) > 0
        assert found[["query", "reference"]].to_numpy().tolist() == np.column_stack([query, reference]).tolist()
        assert found["ssim"].tolist() == scores[query, reference].tolist()
        for row in found.iloc[:: max(1, len(found) // 50)].itertuples():
            oracle = structural_similarity(grey(test[row.query][None])[0], grey(train[row.reference][None])[0])
            assert row.ssim == pytest.approx(oracle, abs=1e-6)


MEMORY = """
import sys
from pathlib import Path
from cifar102 import cifar
from cifar102.dedup import neighbours
from cifar102.dedup import similarity
sets = cifar.load_cifar10(Path(sys.argv[1]))
similarity.pairs_above(sets["test"].images[:300], sets["train"].images, 0.75)
neighbours.nearest(sets["test"].images[:3000], sets["train"].images)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.real_data
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak is read from Linux's /proc")
def test_searches_of_the_whole_training_set_stay_below_two_gigabytes(real_data) -> None:
    command = [sys.executable, "-c", MEMORY, str(real_data / "cifar-10-batches-py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert int(done.stdout) * 1024 < 2e9
