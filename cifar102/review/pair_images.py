"""The two images of a pair, and how they lie on each other, for the pages that judge pairs."""

import numpy as np

from cifar102 import cifar
from cifar102.datasets import pools
from cifar102.dedup.pair_sample import CANDIDATES
from cifar102.review import overlays, sheets
from cifar102.workspace import arrays
from cifar102.workspace.folders import Workspace


class PairImages:
    """The candidates and reference sets of one workspace, read when first asked for: an open resource."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._candidates = arrays.open_npy(workspace.candidate_images)
        self._references: dict[str, cifar.ImageSet] | None = None

    def reference_set(self, name: str) -> cifar.ImageSet:
        """One reference set; ValueError where it is not in raw/."""
        if self._references is None:
            self._references = pools.reference_sets(self._workspace)
        if name not in self._references:
            raise ValueError(f"{self._workspace.raw}: {name} is not there, though pairs.parquet has pairs with it")
        return self._references[name]

    def both(self, pair: tuple) -> tuple[np.ndarray, np.ndarray]:
        """Candidate and partner, uint8 (32, 32, 3) each; pair: has query, reference_set, reference."""
        among = pair.reference_set == CANDIDATES
        other = (self._candidates if among else self.reference_set(pair.reference_set).images)[pair.reference]
        return np.asarray(self._candidates[pair.query]), np.asarray(other)

    def laid(self, pair: tuple) -> list[np.ndarray]:
        """Candidate, partner as it lies best, their difference, partner as it is; pair: a row of pairs.parquet.

        By the registered rule the partner is moved, turned, zoomed and mirrored, for the difference recoloured too;
        by the SSIM rule, and where no such fit is found, it is moved by whole pixels.
        """
        query, other = self.both(pair)
        has_fit = getattr(pair, "probability", np.nan) >= 0  # of the registered rule alone
        found = overlays.lay(query, other, bool(pair.mirrored)) if has_fit else None
        if found is None:
            shift = (pair.shift_row, pair.shift_column)
            found = sheets.moved(other, *shift), sheets.difference(query, other, *shift)
        return [query, *found, other]
