"""Closed-form classifiers: each gives on a split what fitting it on that split alone gives."""

import numpy as np
import pytest

from cifar102.cifar import ImageSet
from cifar102.studies import closed_form


@pytest.fixture
def images(rng: np.random.Generator) -> ImageSet:
    """Images of ten colours, so that every classifier can learn them; some noise."""
    labels = np.arange(240) % 10
    colours = rng.integers(40, 216, size=(10, 3))
    pixels = colours[labels][:, None, None, :] + rng.integers(-30, 31, size=(240, 32, 32, 3))
    names = tuple(f"{'abcdefghij'[label]}_s_{row:06d}.png" for row, label in enumerate(labels))
    return ImageSet(np.clip(pixels, 0, 255).astype(np.uint8), labels, names)


def test_each_classifier_learns_colours_and_none_knows_a_label_it_was_not_fitted_on(images) -> None:
    fitted, tested = np.random.default_rng(0).permutation(240)[:120], np.arange(240)
    tested = np.setdiff1d(tested, fitted)
    others = images.labels.copy()
    others[tested] = 0
    blind = ImageSet(images.images, others, images.filenames)
    for name, classify in closed_form.closed_form_classifiers(images, num_filters=4).items():
        said = classify(fitted, tested)
        assert np.mean(said == images.labels[tested]) > 0.4, name
        again = closed_form.closed_form_classifiers(blind, num_filters=4)[name](fitted, tested)
        assert np.array_equal(said, again), name


def test_the_nearest_neighbour_is_the_nearest_of_the_fitted_even_where_the_lists_are_too_short(rng) -> None:
    pixels = rng.integers(0, 256, size=(60, 32, 32, 3), dtype=np.uint8)
    images = ImageSet(pixels, rng.integers(0, 10, size=60))
    fitted, tested = np.arange(8), np.arange(8, 60)
    rows = pixels.reshape(60, -1).astype(np.int64)
    squares = np.square(rows[tested][:, None] - rows[fitted][None]).sum(axis=2)
    expected = images.labels[fitted[squares.argmin(axis=1)]]
    for length in (3, 59):
        said = closed_form.nearest_neighbour(images, length)(fitted, tested)
        assert np.array_equal(said, expected), length


def test_an_image_is_never_its_own_neighbour(rng) -> None:
    images = ImageSet(rng.integers(0, 256, size=(12, 32, 32, 3), dtype=np.uint8), np.arange(12) % 10)
    rows = np.arange(10)
    said = closed_form.nearest_neighbour(images)(rows, rows)
    assert (said != images.labels[rows]).all()


def test_the_linear_classifier_sees_the_image_at_half_its_size(images) -> None:
    checkered = images.images.copy()
    checkered[:, ::2, ::2], checkered[:, 1::2, ::2] = images.images[:, 1::2, ::2], images.images[:, ::2, ::2]
    turned = ImageSet(checkered, images.labels, images.filenames)
    fitted, tested = np.arange(120), np.arange(120, 240)
    assert np.array_equal(*(closed_form.linear(some)(fitted, tested) for some in (images, turned)))
