"""The partner of a pair, laid on the candidate as the registered rule lays it: moved, zoomed, mirrored, recoloured."""

import numpy as np
import pandas as pd
import pytest
from skimage import transform

from cifar102.dedup.pair_sample import CANDIDATES
from cifar102.review import overlays, sheets
from cifar102.review.pair_images import PairImages
from cifar102.workspace.files import write_array


def photograph(rng: np.random.Generator) -> np.ndarray:
    """Something smooth with structure, 64 x 64 x 3, values 40 to 215."""
    noise = rng.normal(size=(8, 8, 3))
    large = transform.resize(noise, (64, 64, 3), order=3)
    scaled = (large - large.min()) / np.ptp(large)
    return 40 + 175 * scaled


def cut(large: np.ndarray, top: float, left: float, side: float) -> np.ndarray:
    """A square part of it at 32 x 32, uint8."""
    rows, columns = (start + side * (np.arange(32) + 0.5) / 32 - 0.5 for start in (top, left))
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    channels = [transform.warp(large[..., k], places, order=1, mode="edge") for k in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_cut_lighter_and_mirrored_copy_lies_on_its_original(rng, is_mirrored):
    large = photograph(rng)
    image, other = cut(large, 8, 8, 48), cut(0.9 * large + 12, 11, 9, 44)
    other = np.ascontiguousarray(other[:, ::-1]) if is_mirrored else other
    rows, (laid,), (apart,) = overlays.lay(image[None], other[None], np.array([is_mirrored]))
    assert rows.tolist() == [0]
    assert laid.shape == apart.shape == (32, 32, 3) and laid.dtype == apart.dtype == np.uint8
    inner = np.s_[4:-4, 4:-4]
    before = sheets.difference(image, other, 0, 0)[inner].mean()
    assert apart[inner].mean() < 4 < 8 < before
    lit = np.abs(0.9 * image.astype(float) + 12 - laid)[inner].mean()
    assert lit < 5, "the partner keeps its own colours"


def test_the_page_lays_a_pair_by_its_fit_and_one_of_the_other_rule_by_its_shift(rng, workspace):
    large = photograph(rng)
    image, other = cut(large, 8, 8, 48), cut(large, 11, 9, 44)
    write_array(workspace.candidate_images, np.stack([image, other]))
    facts = {"query": [0, 0], "reference_set": CANDIDATES, "reference": [1, 1], "shift_row": 0, "shift_column": 0}
    table = pd.DataFrame(facts | {"mirrored": False, "probability": [0.9, np.nan]})
    by_fit, by_shift = PairImages(workspace).laid(table)
    assert np.array_equal(by_fit[1], overlays.lay(image[None], other[None], np.array([False]))[1][0])
    assert np.array_equal(by_shift[1], other) and np.array_equal(by_shift[0], by_fit[0])


def test_images_that_have_nothing_in_common_are_not_laid_on_each_other(rng):
    images, others = rng.integers(0, 256, (2, 10, 32, 32, 3), dtype=np.uint8)
    rows, *_ = overlays.lay(images, others, np.arange(10) % 2 == 1)
    assert 10 - len(rows) >= 8
