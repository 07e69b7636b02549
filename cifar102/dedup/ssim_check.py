"""A sample of a pair table's SSIM, computed again by scikit-image, which knows nothing of our kernels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from skimage.metrics import structural_similarity

from cifar102.dedup.similarity import grey, shifts_up_to

LARGEST_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class Check:
    """What a sample showed: how many of the pairs were computed again, and the largest difference of their SSIM."""

    count: int
    total: int
    difference: float

    @property
    def holds(self) -> bool:
        """Whether no SSIM differs by more than LARGEST_DIFFERENCE."""
        return self.difference <= LARGEST_DIFFERENCE

    def __str__(self) -> str:
        verdict = "the same as" if self.holds else "DIFFERS from"
        found = f"largest difference {self.difference:.1g}, at most {LARGEST_DIFFERENCE:g} is allowed"
        return f"{verdict} scikit-image's in {self.count:,} of {self.total:,} listed pairs ({found})"


def check(
    pairs: pd.DataFrame,
    queries: np.ndarray,
    references: np.ndarray,
    count: int = 200,
    max_shift: int = 2,
    seed: int = 0,
) -> Check:
    """Compute the SSIM of up to `count` pairs, drawn at random, by scikit-image over all shifts.

    pairs: query, reference, ssim, mirrored, as near_duplicates leaves them; queries, references: uint8 (n, 32, 32, 3),
    (m, 32, 32, 3), the images that the rows mean.
    """
    chosen = pairs.sample(min(count, len(pairs)), random_state=seed)
    largest = 0.0
    for row in chosen.itertuples():
        query = queries[row.query][:, ::-1] if row.mirrored else queries[row.query]
        again = best_ssim(grey(query[None])[0], grey(references[row.reference][None])[0], max_shift)
        largest = max(largest, abs(again - row.ssim))
    return Check(len(chosen), len(pairs), largest)


def best_ssim(query: np.ndarray, reference: np.ndarray, max_shift: int) -> float:
    """The best SSIM of two grey images, uint8 (32, 32), over shifts of up to max_shift, each on its overlap."""
    side, found = len(query), []
    for down, across in shifts_up_to(max_shift):
        top, left = max(0, down), max(0, across)
        bottom, right = min(side, side + down), min(side, side + across)
        moved = reference[top - down : bottom - down, left - across : right - across]
        found.append(structural_similarity(query[top:bottom, left:right], moved, data_range=255))
    return float(max(found))
