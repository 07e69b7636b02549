"""The registered rule: copies cut, zoomed, recoloured or mirrored are found; flat and other pictures are not."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from cifar102.dedup import pair_table, registered_score


def pictures(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random pictures twice the size with structure at all scales, uint8 (count, 64, 64, 3)."""
    total = np.zeros((count, 64, 64, 3))
    for sigma, weight in ((1, 0.6), (3, 1), (8, 1.6)):
        noise = gaussian_filter(rng.normal(size=(count, 64, 64, 3)), (0, sigma, sigma, 0.5))
        total += weight * noise / noise.std()
    return np.clip(128 + 32 * total, 0, 255).astype(np.uint8)


def small(picture: np.ndarray, box: tuple[float, ...] = (0, 0, 64, 64)) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX, box=box))


def framed(image: np.ndarray) -> np.ndarray:
    found = np.full_like(image, 255)
    found[3:29, 3:29] = np.asarray(Image.fromarray(image).resize((26, 26), Image.Resampling.BILINEAR))
    return found


def recoloured(image: np.ndarray) -> np.ndarray:
    return np.clip(0.7 * image.astype(float) + (30, -10, 15), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "same": small,
    "crop": lambda picture: small(picture, (3, 5, 59, 61)),
    "moved": lambda picture: small(picture, (0, 8, 56, 64)),
    "stretched": lambda picture: small(picture, (0, 6, 64, 58)),
    "turned": lambda picture: np.asarray(Image.fromarray(small(picture)).rotate(5, Image.Resampling.BICUBIC)),
    "recoloured": lambda picture: recoloured(small(picture)),
    "framed": lambda picture: framed(small(picture)),
    "mirrored": lambda picture: small(picture)[:, ::-1],
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_copy_is_found_among_other_pictures(kind: str, rng: np.random.Generator) -> None:
    drawn = pictures(rng, 40)
    references = np.array([small(picture) for picture in drawn])
    queries = np.array([CHANGES[kind](picture) for picture in drawn])
    pairs = pair_table.near_duplicates(queries, references, five_views=kind == "framed")
    found = pairs[pairs["verdict"] == "duplicate"]
    right = found["query"] == found["reference"]
    assert right.sum() >= (32 if kind == "framed" else 39)
    assert (found["mirrored"] == (kind == "mirrored")).all()
    assert (~right).sum() == 0


def test_an_equal_image_has_the_highest_score_and_a_probability_near_one(rng: np.random.Generator) -> None:
    images = np.array([small(picture) for picture in pictures(rng, 12)])
    pairs = pair_table.near_duplicates(images, images)
    best = pairs.sort_values("score", ascending=False).drop_duplicates("query")
    assert (best["query"] == best["reference"]).all()
    assert (best["score"] == registered_score.HIGHEST).all()
    assert (best["probability"] > 0.99).all()


def test_flat_and_dark_images_are_no_duplicates_of_each_other(rng: np.random.Generator) -> None:
    flat = np.clip(rng.integers(0, 250, (12, 1, 1, 1)) + rng.integers(-2, 3, (12, 32, 32, 3)), 0, 255)
    slopes = np.linspace(0, 12, 32)[None, :, None, None] + rng.integers(0, 3, (6, 32, 32, 3))
    pairs = pair_table.near_duplicates(np.concatenate([flat, slopes]).astype(np.uint8))
    assert "duplicate" not in set(pairs["verdict"])


def test_scores_do_not_depend_on_blocks_or_on_their_neighbours(rng: np.random.Generator) -> None:
    drawn = pictures(rng, 30)
    references = np.array([small(picture) for picture in drawn])
    queries = np.array([small(picture, (2, 2, 60, 60)) for picture in drawn])
    whole = pair_table.near_duplicates(queries, references)
    parts = [pair_table.near_duplicates(queries[i : i + 7], references) for i in range(0, 30, 7)]
    scores = np.concatenate([part["score"] for part in parts])
    assert np.array_equal(whole["score"], scores)
    assert np.array_equal(whole["ncc"], np.concatenate([part["ncc"] for part in parts]))


def test_a_pair_that_is_not_registered_has_the_lowest_score() -> None:
    numbers = np.array([[0.5, np.nan, np.nan, np.nan], [0.95, -1, -1, -1], [1, 1, 1, 1]], np.float32)
    scores = registered_score.scores(numbers)
    assert scores.tolist() == [registered_score.LOWEST, registered_score.LOWEST, registered_score.HIGHEST]
    assert (np.diff(registered_score.probabilities(np.linspace(-15, 15, 40), False)) > 0).all()
