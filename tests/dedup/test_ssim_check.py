"""The check of a table's SSIM: it agrees with our kernels, mirrored and turned pairs too, and sees a wrong number."""

import numpy as np
import pandas as pd

from cifar102.dedup import pair_table, ssim_check
from tests.dedup.test_registered_score import pictures, small


def mixed(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Ten references; queries that are each a crop or a mirror image of one; their pair table."""
    drawn = pictures(rng, 10)
    references = np.array([small(picture) for picture in drawn])
    queries = np.array([small(p, (3, 5, 59, 61)) if i % 2 else small(p)[:, ::-1] for i, p in enumerate(drawn)])
    return queries, references, pair_table.near_duplicates(queries, references)


def test_the_ssim_of_straight_and_mirrored_pairs_is_that_of_scikit_image(rng: np.random.Generator) -> None:
    queries, references, pairs = mixed(rng)
    assert pairs["mirrored"].any() and not pairs["mirrored"].all()
    found = ssim_check.check(pairs, queries, references)
    assert found.holds and found.count == len(pairs)
    assert "the same as scikit-image's" in str(found)


def test_a_wrong_number_is_seen(rng: np.random.Generator) -> None:
    queries, references, pairs = mixed(rng)
    wrong = pairs.assign(ssim=pairs["ssim"].where(pairs.index != 7, pairs["ssim"] + 1e-3))
    found = ssim_check.check(wrong, queries, references)
    assert not found.holds and "DIFFERS" in str(found)


def test_no_pair_is_nothing_to_check(rng: np.random.Generator) -> None:
    queries, references, pairs = mixed(rng)
    found = ssim_check.check(pairs.iloc[:0], queries, references)
    assert (found.count, found.difference) == (0, 0.0)
