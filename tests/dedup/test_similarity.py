"""SSIM is scikit-image's, to 1e-6, in all its forms; identical images have exactly 1."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from cifar102 import cifar
from cifar102.dedup import kernels, similarity, ssim_kernels
from cifar102.dedup.similarity import grey, pair_scores
from cifar102.workspace.folders import REPOSITORY
from tests.dedup.test_pair_table import moved, smooth_images


@pytest.fixture
def pairs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Smooth, noisy, binary and flat images with partners from equal to unrelated."""
    a = smooth_images(rng, 24)
    a[12:16] = rng.integers(0, 256, (4, 32, 32, 3))
    a[16:18] = (a[16:18] > 128) * 255
    a[18:21] = 255
    b = np.clip(a.astype(int) + rng.integers(-30, 31, a.shape), 0, 255).astype(np.uint8)
    b[:6] = a[6:12]
    b[19], b[20], b[21] = 255, 0, a[21]
    return a, b


def grey_of(image: np.ndarray) -> np.ndarray:
    red, green, blue = (image[..., c].astype(int) for c in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def best_of_shifts(a: np.ndarray, b: np.ndarray, max_shift: int) -> float:
    values = []
    for row in range(-max_shift, max_shift + 1):
        for column in range(-max_shift, max_shift + 1):
            top, left = max(0, row), max(0, column)
            height, width = 32 - abs(row), 32 - abs(column)
            part = a[top : top + height, left : left + width]
            other = b[top - row : top - row + height, left - column : left - column + width]
            values.append(structural_similarity(part, other, data_range=255))
    return max(values)


def test_grey_ssim_without_shifts_is_that_of_scikit_image(pairs) -> None:
    a, b = pairs
    expected = [structural_similarity(grey_of(x), grey_of(y), data_range=255) for x, y in zip(a, b, strict=True)]
    assert np.abs(similarity.ssim(a, b, max_shift=0) - expected).max() < 1e-6


@pytest.mark.parametrize("max_shift", [1, 2])
def test_ssim_is_the_best_over_shifts_of_scikit_image_on_the_overlap(pairs, max_shift: int) -> None:
    a, b = pairs
    expected = [best_of_shifts(grey_of(x), grey_of(y), max_shift) for x, y in zip(a, b, strict=True)]
    assert np.abs(similarity.ssim(a, b, max_shift) - expected).max() < 1e-6


def test_ssim_of_flattened_images_is_that_of_scikit_image(pairs) -> None:
    a, b = pairs
    flat = [(x.transpose(2, 0, 1).ravel(), y.transpose(2, 0, 1).ravel()) for x, y in zip(a, b, strict=True)]
    expected = [structural_similarity(x, y, data_range=255) for x, y in flat]
    assert np.abs(similarity.ssim_flat(a, b) - expected).max() < 1e-6


def test_an_image_has_ssim_exactly_one_with_itself_in_every_form(pairs) -> None:
    for images in pairs:
        for value in (
            similarity.ssim(images, images),
            similarity.ssim_flat(images, images),
        ):
            assert (value == 1).all()


def test_ssim_is_symmetric_and_the_shift_turns_round(pairs) -> None:
    a, b = pairs
    there, back = similarity.best_shift(a, b), similarity.best_shift(b, a)
    assert np.array_equal(there[0], back[0])
    textured = there[0] > 0.3
    assert np.array_equal(there[1][textured], -back[1][textured])


def test_the_best_shift_is_the_one_the_image_was_moved_by(rng: np.random.Generator) -> None:
    image = smooth_images(rng, 1)[0]
    for rows, columns in ((0, 0), (1, -2), (-2, 2), (2, 0)):
        value, row, column = similarity.best_shift(moved(image, rows, columns)[None], image[None])
        assert (row[0], column[0]) == (rows, columns)
        assert value[0] == 1


def test_uniform_images_keep_the_shortest_shift() -> None:
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    value, row, column = similarity.best_shift(white, white)
    assert (value[0], row[0], column[0]) == (1, 0, 0)


def test_grey_rounds_the_luma_to_whole_numbers() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [1, 2, 3]], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (5, 32, 32, 3))
    assert similarity.grey(images)[:, 0, 0].tolist() == [76, 150, 29, 255, 2]
    assert np.array_equal(similarity.grey(similarity.grey(images)), similarity.grey(images))


def test_wrong_arrays_and_shifts_are_refused_by_name(pairs) -> None:
    a, b = pairs
    with pytest.raises(ValueError, match="equally many"):
        similarity.ssim(a, b[:3])
    with pytest.raises(ValueError, match="float64"):
        similarity.ssim(a.astype(float), b)
    with pytest.raises(ValueError, match="max_shift"):
        similarity.ssim(a, b, max_shift=-1)
    with pytest.raises(ValueError, match="expected uint8"):
        similarity.ssim_flat(similarity.grey(a), similarity.grey(b))


def test_the_kernel_without_shifts_gives_the_bits_of_the_one_with_shifts(pairs) -> None:
    a, b = (similarity.grey(images).reshape(-1, 1024) for images in pairs)
    places, shifts = np.arange(len(a)), np.zeros((1, 2), np.int64)
    plain, shifted = np.empty(len(a)), np.empty(len(a))
    ssim_kernels.plain_ssim(a, b, places, places, plain)
    ssim_kernels.best_of_shifts(a, b, places, places, shifts, shifted, np.zeros(len(a), np.int64))
    assert np.array_equal(plain, shifted)


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
