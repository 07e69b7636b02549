"""The shortlist by block means: exact, in the order stated, the same however the images are cut into blocks."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cifar102.dedup import block_means


def smooth_images(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random images with structure, uint8 (count, 32, 32, 3)."""
    noise = gaussian_filter(rng.normal(size=(count, 40, 40, 3)), (0, 2, 2, 0.5))[:, 4:-4, 4:-4]
    return np.clip(128 + 450 * noise, 0, 255).astype(np.uint8)


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    def vectors(images: np.ndarray) -> np.ndarray:
        means = images.reshape(-1, 8, 4, 8, 4, 3).mean(axis=(2, 4)).reshape(len(images), -1)
        means -= means.mean(axis=1, keepdims=True)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    return vectors(a) @ vectors(b).T


def test_the_shortlist_is_that_of_a_full_correlation_matrix(rng: np.random.Generator) -> None:
    queries, references = smooth_images(rng, 90), smooth_images(rng, 500)
    full = correlations(queries, references)
    values, indices = block_means.shortlist(queries, references, 10)
    assert np.array_equal(indices, np.argsort(-full, axis=1, kind="stable")[:, :10])
    assert np.abs(values - np.take_along_axis(full, indices, axis=1)).max() < 1e-12


def test_partners_of_negative_correlation_are_listed_where_there_are_no_others(rng: np.random.Generator) -> None:
    image = smooth_images(rng, 1)
    values, indices = block_means.shortlist(image, np.concatenate([255 - image, 255 - image // 2, image // 3]), 3)
    assert indices.tolist() == [[2, 1, 0]]
    assert (values[0, 1:] < -0.99).all()


def test_blocks_change_nothing(rng: np.random.Generator, monkeypatch) -> None:
    images = smooth_images(rng, 200)
    whole = block_means.shortlist(images, None, 5)
    monkeypatch.setattr(block_means, "REFERENCE_BLOCK", 64)
    monkeypatch.setattr(block_means, "QUERY_BLOCK", 11)
    parts = block_means.shortlist(images, None, 5)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


def test_brighter_and_flatter_versions_correlate_one(rng: np.random.Generator) -> None:
    image = smooth_images(rng, 1) // 4 * 4
    values, indices = block_means.shortlist(image, np.concatenate([smooth_images(rng, 20), image // 2 + 90]), 1)
    assert indices.tolist() == [[20]]
    assert values[0, 0] == pytest.approx(1, abs=1e-12)


def test_images_without_contrast_find_each_other_and_nothing_is_nan(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 30)
    images[4], images[21] = 0, 255
    values, indices = block_means.shortlist(images, None, 3)
    assert not np.isnan(values).any()
    assert (indices[4, 0], values[4, 0]) == (21, 1)
    assert (indices[21, 0], values[21, 0]) == (4, 1)
    assert values[4, 1:].tolist() == [0, 0]
    assert indices[4, 1:].tolist() == [0, 1], "ties go by index"


def test_equal_references_come_in_order(rng: np.random.Generator) -> None:
    image = smooth_images(rng, 1)
    references = np.concatenate([smooth_images(rng, 3), np.repeat(image, 140, axis=0)])
    values, indices = block_means.shortlist(image, references, 100)
    assert indices[0].tolist() == [*range(3, 103)]
    assert (values == 1).all()


def test_a_shortlist_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0"):
        block_means.shortlist(np.zeros((2, 32, 32, 3), np.uint8), None, 0)
