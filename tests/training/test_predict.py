"""Views of test images: which they are, how they weigh, and that their mean is what a run predicts."""

import numpy as np
import pytest

from cifar102.training import predict


def first_pixel(images: np.ndarray) -> np.ndarray:
    """A model whose only logit is the first value of the top left pixel."""
    return images[:, 0, 0, :1].astype(np.float32)


@pytest.fixture
def images(rng) -> np.ndarray:
    return rng.integers(0, 256, (3, 6, 6, 3), np.uint8)


def test_one_view_is_the_model_itself(images):
    np.testing.assert_array_equal(predict.average_logits(first_pixel, images, "one"), first_pixel(images))


def test_the_mirrored_view_weighs_as_much_as_the_image(images):
    expected = (images[:, 0, 0, :1].astype(float) + images[:, 0, -1, :1]) / 2
    np.testing.assert_allclose(predict.average_logits(first_pixel, images, "mirror"), expected)


def test_six_views_are_the_image_and_its_moves_along_the_diagonal_with_edges_reflected(images):
    corners = [images[:, 0, 0], images[:, 0, -1], images[:, 1, 1], images[:, 1, -2], images[:, 1, 1], images[:, 1, -2]]
    shares = [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    expected = sum(share * corner[:, :1].astype(float) for share, corner in zip(shares, corners, strict=True))
    np.testing.assert_allclose(predict.average_logits(first_pixel, images, "mirror_shift"), expected)


def test_a_move_goes_down_and_to_the_right_and_back(images):
    np.testing.assert_array_equal(predict.moved(images, 1)[:, 1:, 1:], images[:, :-1, :-1])
    np.testing.assert_array_equal(predict.moved(images, -1)[:, :-1, :-1], images[:, 1:, 1:])


def test_views_of_another_name_are_refused(images):
    with pytest.raises(ValueError, match="expected one of one, mirror, mirror_shift"):
        predict.average_logits(first_pixel, images, "ten_crop")
