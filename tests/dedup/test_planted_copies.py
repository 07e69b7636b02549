"""Planted copies: each change keeps the form, changes the image, and is the same again for the same seed."""

import numpy as np
import pytest

from cifar102.dedup import planted_copies
from tests.dedup.test_pair_table import smooth_images


def test_every_planted_change_keeps_the_form_and_changes_every_image(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 30)
    for kind in planted_copies.ALL_CHANGES:
        changed = planted_copies.plant_copies(images, kind, seed=1)
        assert changed.shape == images.shape and changed.dtype == np.uint8
        assert (changed != images).any(axis=(1, 2, 3)).all(), kind
        assert np.array_equal(changed, planted_copies.plant_copies(images, kind, seed=1)), kind
    assert np.array_equal(
        planted_copies.plant_copies(planted_copies.plant_copies(images, "mirror", 0), "mirror", 0), images
    )
    with pytest.raises(ValueError, match="'fold' is none of shift, crop"):
        planted_copies.plant_copies(images, "fold", 0)
