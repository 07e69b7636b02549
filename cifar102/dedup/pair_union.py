"""Pairs of near-duplicates found from either side, each once, and the column that ranks them.

A shortlist is not symmetric: the 10 likeliest partners of a test image may leave out a training image whose own 10
likeliest partners hold the test image. A count such as "images that have a near-duplicate" is of the union of both.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.dedup import block_search

BACK = "-back"  # behind the folder of the blocks in which the references ask for their partners among the queries
SIGNED = ("shift_row", "shift_column")


def score_column(pairs: pd.DataFrame) -> str:
    """Name the column by which a pair table is judged: `score` of the registered rule, else `ssim`."""
    is_registered = "score" in pairs and ("probability" not in pairs or pairs["probability"].notna().any())
    return "score" if is_registered else "ssim"


def search_both_ways(
    queries: np.ndarray, references: np.ndarray | None, folder: Path, scheduler: str = "", **options: float
) -> pd.DataFrame:
    """Search near-duplicates from both sides and return each pair once, by query, the best score first.

    queries, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3); references None: within the queries, where a pair has the
    smaller row as its query. folder: of the blocks (block_search.search_blocks), that of the way back beside it.
    options: of dedup.near_duplicates. Columns as there; ncc and shortlist_rank are of the side that scored better.
    """
    forth = block_search.search_blocks("near_duplicates", queries, references, folder, scheduler, **options)
    if references is None:
        upward = forth["query"] <= forth["reference"]
        return union(forth[upward], turned(forth[~upward]))
    place = Path(folder).with_name(Path(folder).name + BACK)
    back = block_search.search_blocks("near_duplicates", references, queries, place, scheduler, **options)
    return union(forth, turned(back))


def turned(pairs: pd.DataFrame) -> pd.DataFrame:
    """Exchange query and reference of each pair; the shift of one on the other changes its sign.

    Of a mirrored pair the shift to the side keeps its sign: now the other image is the mirrored one.
    """
    swapped = pairs.rename(columns={"query": "reference", "reference": "query"})[list(pairs.columns)]
    changed = {name: -swapped[name] for name in SIGNED if name in swapped}
    if "mirrored" in swapped and "shift_column" in swapped:
        changed["shift_column"] = swapped["shift_column"].where(swapped["mirrored"], -swapped["shift_column"])
    return swapped.assign(**changed)


def union(*tables: pd.DataFrame) -> pd.DataFrame:
    """Join pair tables; of a pair that stands in several the row with the best score is kept."""
    both = pd.concat(tables, ignore_index=True)
    order = ["query", score_column(both), "reference"]
    both = both.sort_values(order, ascending=[True, False, True], kind="stable")
    return both.drop_duplicates(["query", "reference"], ignore_index=True)
