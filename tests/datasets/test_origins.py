"""Old and new test images in folds: equal sides, no image twice, and a control of old images alone."""

import numpy as np
import pytest

from cifar102.cifar import ImageSet
from cifar102.datasets import origins


def numbered(count: int, start: int, labels: np.ndarray) -> ImageSet:
    """Images that say which they are in their first pixel."""
    images = np.zeros((count, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(start, start + count)
    return ImageSet(images, labels)


OLD = numbered(100, 0, np.arange(100) % 10)
NEW = numbered(30, 100, np.repeat([0, 1, 2], [4, 6, 20]))


def test_both_sides_have_as_many_images_of_each_class_and_no_image_stands_twice():
    images, place = origins.folds(OLD, NEW)
    which = images.images[:, 0, 0, 0]
    assert len(set(which)) == len(which) and ((which >= 100) == (images.labels == 1)).all()
    classes = np.concatenate([OLD.labels, NEW.labels])[which]
    counts = [np.bincount(classes[images.labels == side], minlength=10).tolist() for side in (0, 1)]
    assert counts[0] == counts[1] == [4, 6, 10, 0, 0, 0, 0, 0, 0, 0]
    assert [int((place == number).sum()) for number in range(origins.FOLDS)] == [20, 20]


def test_the_control_halves_the_old_images():
    images, _ = origins.folds(OLD, NEW, is_control=True)
    which = images.images[:, 0, 0, 0]
    assert which.max() < 100 and len(set(which)) == len(which)
    assert np.bincount(images.labels).tolist() == [14, 14]  # 4, 5 and 5 of the classes that both have


def test_a_fold_is_tested_by_what_the_others_trained():
    parts = [origins.fold(OLD, NEW, number) for number in range(origins.FOLDS)]
    tested = [set(part["test"].images[:, 0, 0, 0]) for part in parts]
    trained = [set(part["train"].images[:, 0, 0, 0]) for part in parts]
    assert not tested[0] & tested[1] and trained == tested[::-1]


def test_sides_without_a_common_class_are_refused():
    with pytest.raises(ValueError, match="a class with images on both sides"):
        origins.folds(numbered(3, 0, np.zeros(3, int)), numbered(3, 3, np.ones(3, int)))
