"""The exact Euclidean neighbours of every image as a table, as CIFAR-10.1's authors had them for their candidates.

A search over several reference sets gives the k nearest of all of them. It goes block by block, each on disk when it is
done, so that a killed search goes on (dedup.block_search).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.dedup import block_search

COLUMNS = ["query", "rank", "reference_set", "reference", "distance"]
HIDDEN = 1000.0  # CIFAR-10.1 hid candidates this near to an image of CIFAR-10 from its raters (Recht et al. 2018)


def nearest_table(
    queries: np.ndarray,
    references: Mapping[str, np.ndarray | None],
    folder: Path,
    k: int = 10,
    scheduler: str = "",
) -> pd.DataFrame:
    """Find the k nearest images of each query over all reference sets, exactly, by Euclidean distance of pixel values.

    queries: uint8 (n, 32, 32, 3); references: set -> uint8 (m, 32, 32, 3), or None for the queries themselves, of which
    none is its own neighbour. folder: of the blocks, one folder a set in it. Returns COLUMNS: query and reference
    int64, rank int64 from 1, distance float64 in pixel units, ascending; ties go to the earlier set, then the smaller
    row. Where there are fewer than k images to compare with, each query has as many. ValueError where k is below 1.
    """
    if k < 1:
        raise ValueError(f"k: expected 1 or more, found {k}")
    found = [
        _of_set(queries, images, Path(folder) / f"nearest-{place}", k, scheduler).assign(reference_set=name)
        for place, (name, images) in enumerate(references.items())
    ]
    table = pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True)
    table = table.sort_values(["query", "distance"], kind="stable", ignore_index=True)
    table["rank"] = table.groupby("query").cumcount() + 1
    return table.loc[table["rank"] <= k, COLUMNS].reset_index(drop=True)


def _of_set(queries: np.ndarray, references: np.ndarray | None, folder: Path, k: int, scheduler: str) -> pd.DataFrame:
    """The k nearest of one set; within the queries one more is looked for, and the image itself left out."""
    within = references is None
    count = len(queries if within else references)
    wanted = min(k + within, count)
    if not wanted or not len(queries):
        return _empty()
    found = block_search.search_blocks("nearest", queries, references, folder, scheduler, k=wanted)
    if not within:
        return found
    others = found[found["query"] != found["reference"]]
    return others[others.groupby("query").cumcount() < k]  # with more than k equal copies the image was not found


def _empty() -> pd.DataFrame:
    kinds = {"query": "int64", "reference": "int64", "rank": "int64", "distance": "float64", "reference_set": "object"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def nearest_sentence(table: pd.DataFrame, count: int) -> str:
    """Say how far the nearest neighbours are: median, how many images have an equal one, how many one within HIDDEN."""
    nearest = table.loc[table["rank"] == 1, "distance"]
    if nearest.empty:
        return f"none of {count:,} images has another one to be compared with"
    near, equal = int((nearest <= HIDDEN).sum()), int((nearest == 0).sum())
    shares = f"{equal:,} have an equal one, {near:,} ({near / count:.1%}) one within a distance of {HIDDEN:,.0f}"
    return f"nearest of {count:,} images: median distance {nearest.median():,.0f}; {shares}"
