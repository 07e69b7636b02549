"""The two images of a pair, and how they lie on each other, for the pages that judge pairs."""

import numpy as np
import pandas as pd

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

    def laid(self, pairs: pd.DataFrame) -> np.ndarray:
        """Candidate, partner as it lies best, their difference, partner as it is: uint8 (n, 4, 32, 32, 3).

        pairs: rows of pairs.parquet. By the registered rule the partner is moved, turned, zoomed and mirrored, for the
        difference recoloured too; by the SSIM rule, and where no such fit is found, it is moved by whole pixels.
        """
        views = np.empty((len(pairs), 4, 32, 32, 3), np.uint8)
        for row, pair in enumerate(pairs.itertuples(index=False)):
            query, other = self.both(pair)
            shift = (pair.shift_row, pair.shift_column)
            views[row] = query, sheets.moved(other, *shift), sheets.difference(query, other, *shift), other
        known = pairs["probability"] if "probability" in pairs else pd.Series(np.nan, pairs.index)
        fitted = np.flatnonzero(known.notna())  # of the registered rule
        if len(fitted):
            sides = np.ascontiguousarray(views[fitted][:, (0, 3)].swapaxes(0, 1))
            rows, *pictures = overlays.lay(*sides, pairs["mirrored"].to_numpy(bool)[fitted])
            views[fitted[rows], 1:3] = np.stack(pictures, axis=1)
        return views
