"""SSIM is scikit-image's, to 1e-6, in all its forms; identical images have exactly 1."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from cifar102.dedup import similarity, ssim_kernels
from tests.test_dedup import moved, smooth_images


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


def test_ssim_of_three_channels_is_that_of_scikit_image(pairs) -> None:
    a, b = pairs
    expected = [structural_similarity(x, y, channel_axis=-1, data_range=255) for x, y in zip(a, b, strict=True)]
    assert np.abs(similarity.ssim_channels(a, b) - expected).max() < 1e-6


def test_ssim_of_flattened_images_is_that_of_scikit_image(pairs) -> None:
    a, b = pairs
    expected = [structural_similarity(x.ravel(), y.ravel(), data_range=255) for x, y in zip(a, b, strict=True)]
    assert np.abs(similarity.ssim_flat(a, b) - expected).max() < 1e-6


def test_an_image_has_ssim_exactly_one_with_itself_in_every_form(pairs) -> None:
    for images in pairs:
        for value in (
            similarity.ssim(images, images),
            similarity.ssim_channels(images, images),
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
