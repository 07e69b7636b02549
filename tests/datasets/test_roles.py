"""Roles: every image has one, in the sizes that the placebo says, and the rotations give every batch each role."""

import numpy as np
import pytest

from cifar102.datasets import roles


def test_random_roles_are_a_half_a_sixth_and_a_third_and_a_third_of_the_reference_is_fitted(rng) -> None:
    found = roles.draw_roles(60_000, rng)
    assert np.bincount(found.side).tolist() == [30_000, 10_000, 20_000]
    assert len(np.unique(found.fitted)) == 10_000 and (found.side[found.fitted] == roles.REFERENCE).all()
    assert np.array_equal(found.tested, np.sort([*found.rows(roles.OLD), *found.rows(roles.NEW)]))


def test_a_batch_is_old_once_new_twice_and_reference_three_times_over_the_six_rotations() -> None:
    sides = np.array([roles.rotated_roles(60, rotation).side for rotation in range(6)])
    for image in range(60):
        assert np.bincount(sides[:, image]).tolist() == [3, 1, 2]
    assert (sides[2, 20:30] == roles.OLD).all(), "rotation k has batch k as old test set"
    assert sides[0].reshape(6, 10).std(axis=1).max() == 0, "whole batches have one role"


def test_a_rotation_fits_the_same_third_of_its_reference_each_time() -> None:
    first, again = (roles.rotated_roles(600, 4) for _ in range(2))
    assert np.array_equal(first.fitted, again.fitted) and len(first.fitted) == 100
    assert (first.side[first.fitted] == roles.REFERENCE).all()


def test_a_seventh_rotation_and_five_images_are_refused() -> None:
    with pytest.raises(ValueError, match="rotation 6 of 60 images: expected 0 to 5"):
        roles.rotated_roles(60, 6)
    with pytest.raises(ValueError, match="expected at least 6, found 5"):
        roles.draw_roles(5, np.random.default_rng(0))
