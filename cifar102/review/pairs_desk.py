"""The near-duplicate page's side in Python: pairs sorted around the thresholds, and what a person says of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.annotations.votes import WITHDRAWN, is_one_rater
from cifar102.dedup import pair_sample, pair_table, screening
from cifar102.dedup.pair_sample import CANDIDATES
from cifar102.review import sheets
from cifar102.review.pair_images import PairImages
from cifar102.review.sheets import Reply
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace, read_summary

THRESHOLDS = dict(zip(("duplicate", "review"), pair_table.THRESHOLDS["registered"], strict=True))  # before a run of 03
MARGIN = 0.25  # pairs below the review threshold by this share of the way to the other one are shown too
PER_SHEET = 200
COLUMNS = ("query", "reference_set", "reference", "ncc", "ssim", "score", "shift_row", "shift_column")


def thresholds(workspace: Workspace) -> dict[str, float]:
    """The duplicate and review thresholds of the last run of notebook 03, else its defaults."""
    said = read_summary(workspace).get("03_deduplicate", {})
    return {name: float(said.get(f"{name}_threshold", usual)) for name, usual in THRESHOLDS.items()}


def open_pairs(pairs: pd.DataFrame, tiny_indices: np.ndarray, lowest: float) -> pd.DataFrame:
    """Name the pairs that score `lowest` or more as the log of verdicts does, each once (pair_sample.named_pairs)."""
    return pair_sample.named_pairs(pairs.loc[pairs["score"] >= lowest, list(COLUMNS)], tiny_indices)


class PairsDesk:
    """The pairs of one workspace and the log of what people say of them, open for a page.

    What another rater said of a pair is in no reply. ValueError for a request that cannot be met.
    """

    def __init__(self, workspace: Workspace) -> None:
        path = workspace.pairs
        if not path.is_file():
            raise ValueError(f"{path}: no such file; run notebook 03 in this workspace first")
        candidates = read_table(workspace.candidates, ("tiny_index", "keyword", "class_name"))
        self._names = (candidates["class_name"] + " / " + candidates["keyword"]).to_numpy()
        self._images = PairImages(workspace)
        self._thresholds = thresholds(workspace)
        lowest = self._thresholds["review"] - MARGIN * (self._thresholds["duplicate"] - self._thresholds["review"])
        self._pairs = open_pairs(read_table(path, COLUMNS), candidates["tiny_index"].to_numpy(), lowest)
        keys = self._pairs[["tiny_index", "reference_set", "other"]]
        self._known = set(keys.itertuples(index=False, name=None))
        self.ledger = screening.pair_ledger(workspace.pair_verdicts)

    def sheet(self, rater: str, around: str = "duplicate", reference_set: str = "", part: int = 0) -> Reply:
        """Show the pairs whose score is nearest to a threshold first, with this rater's own verdicts.

        around: "duplicate" or "review"; reference_set: one of the sets, all where left out.
        """
        if around not in self._thresholds:
            raise ValueError(f"pairs are sorted around {list(self._thresholds)}, found {around!r}")
        listed = self._pairs if not reference_set else self._pairs[self._pairs["reference_set"] == reference_set]
        distance = (listed["score"] - self._thresholds[around]).abs()
        listed = listed.loc[distance.sort_values(kind="stable").index]
        parts = max(1, -(-len(listed) // PER_SHEET))
        if not 0 <= part < parts:
            raise ValueError(f"there are the parts 0 to {parts - 1}, found {part}")
        shown = listed.iloc[part * PER_SHEET :][:PER_SHEET]
        said = self._said(rater)
        reply = {
            "items": [self._item(pair, said) for pair in shown.itertuples(index=False)],
            "pairs": len(listed),
            "judged": sum(key in said and said[key][0] is not None for key in self._keys(listed)),
            "sets": sorted(self._pairs["reference_set"].unique()),
            "thresholds": self._thresholds,
            "part": part,
            "parts": parts,
            "columns": sheets.COLUMNS,
        }
        return reply, [sheets.sheet(self._pictures(shown))]

    def record(self, rows: list[Mapping[str, object]]) -> Reply:
        """Put verdicts on disk; when this returns they are. Reply: `refused`, positions of bad ones with reasons."""
        return {"refused": self.ledger.record_good(rows, self._check)}, []

    def _check(self, row: Mapping[str, object]) -> dict[str, object]:
        said = screening.check_pair_verdict(row)
        key = (said["tiny_index"], said["reference_set"], said["reference"])
        if key not in self._known:
            raise ValueError(f"image {key[0]} and {key[1]} {key[2]} are no pair of this workspace")
        return said

    def _said(self, rater: str) -> dict[tuple[int, str, int], tuple[str | None, str]]:
        self.ledger.refresh()
        mine = [row for row in self.ledger.current.values() if is_one_rater(row["rater"], rater)]
        return {
            (row["tiny_index"], row["reference_set"], row["reference"]): (
                None if row["verdict"] == WITHDRAWN else row["verdict"],
                row["time"],
            )
            for row in mine
        }

    def _keys(self, table: pd.DataFrame) -> list[tuple[int, str, int]]:
        return list(table[["tiny_index", "reference_set", "other"]].itertuples(index=False, name=None))

    def _item(self, pair: tuple, said: dict) -> dict[str, object]:
        verdict, time = said.get((pair.tiny_index, pair.reference_set, pair.other), (None, None))
        partner = self._names[pair.reference] if pair.reference_set == CANDIDATES else self._label(pair)
        return {
            "tiny_index": int(pair.tiny_index),
            "reference_set": pair.reference_set,
            "reference": int(pair.other),
            "names": [self._names[pair.query], partner],
            "scores": {"score": float(pair.score), "ssim": float(pair.ssim)},
            "shift": [int(pair.shift_row), int(pair.shift_column)],
            "verdict": verdict,
            "time": time,
        }

    def _label(self, pair: tuple) -> str:
        found = self._images.reference_set(pair.reference_set)
        return "" if found.labels is None else cifar.CLASS_NAMES[found.labels[pair.reference]]

    def _pictures(self, pairs: pd.DataFrame) -> np.ndarray:
        """Four pictures a pair, one pair after the other: uint8 (4 n, 32, 32, 3).

        Candidate, reference as it lies best, their difference, reference as it is.
        """
        return self._images.laid(pairs).reshape(-1, 32, 32, 3)
