"""Mean images, mistakes and previews show what they say."""

import numpy as np

from cifar102 import exploration, image_sheets, previews
from cifar102.cifar import ImageSet


def test_the_mean_image_of_equal_images_is_that_image(rng: np.random.Generator) -> None:
    ten = rng.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    means = exploration.mean_images(ImageSet(np.repeat(ten, 3, axis=0), np.repeat(np.arange(10), 3)))
    np.testing.assert_array_equal(means, ten)


def test_a_sheet_gives_back_its_pixels(rng: np.random.Generator) -> None:
    groups = {name: rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8) for name in ("a", "b")}
    sheet = exploration.sheet_of(groups, ["left", "right"])
    assert sheet["group"].tolist() == ["a", "a", "b", "b"] and sheet["caption"].tolist() == ["left", "right"] * 2
    np.testing.assert_array_equal(
        image_sheets.decode_pixels(list(sheet["pixels"])), np.concatenate(list(groups.values()))
    )


def test_the_surest_mistake_comes_first_and_right_answers_never() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    found = exploration.confident_mistakes(probabilities, np.array([0, 0, 1, 1]), 5)
    assert found["row"].tolist() == [1, 2]
    assert found[["true", "predicted"]].to_numpy().tolist() == [[0, 1], [1, 0]]


def test_stored_probabilities_sum_to_one_again(rng: np.random.Generator) -> None:
    shares = rng.dirichlet(np.ones(10), 50).astype(np.float16)
    np.testing.assert_allclose(exploration.normalized(shares).sum(axis=1), 1, atol=1e-12)


def test_a_preview_without_augmentation_shows_the_images_themselves(rng: np.random.Generator) -> None:
    images = ImageSet(rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8), np.repeat(np.arange(10), 2))
    shown = previews.augmented_images(images, ("none", "cutout"))
    first_of_class = {image.tobytes() for image in images.images[::2]}
    assert {image.tobytes() for image in shown["none"]} == first_of_class
    assert not np.array_equal(shown["cutout"], shown["none"])
