"""What the search for duplicates found, as it is drawn: counted once a candidate, exact copies apart."""

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import CLASS_NAMES
from cifar102.dedup import duplicate_tables

EXACT = pd.DataFrame(
    [
        (0, "candidates", 1),
        (0, "candidates", 2),
        (0, "cifar10-train", 7),
        (1, "candidates", 3),
        (1, "cifar10-train", 9),
    ],
    columns=["group", "set", "row"],
)
PAIRS = pd.DataFrame(
    [
        (0, "cifar10-test", 5, 0.80, "duplicate"),
        (0, "cifar10-train", 6, 0.60, "review"),
        (1, "cifar10-test", 5, 1.00, "duplicate"),
        (2, "cifar10-test", 8, 0.90, "duplicate"),
        (3, "candidates", 2, 0.76, "duplicate"),
        (4, "cifar10.1-v4", 2, 0.74, "review"),
    ],
    columns=["query", "reference_set", "reference", "ssim", "verdict"],
).assign(score=lambda pairs: pairs["ssim"])


def test_a_candidate_counts_once_a_set_and_is_no_copy_of_itself() -> None:
    found = duplicate_tables.copies_per_set(EXACT).set_index("set")["candidates"]
    assert found.to_dict() == {"candidates": 2, "cifar10-train": 3}


def test_each_candidate_enters_the_histogram_with_its_best_cifar_image() -> None:
    histogram = duplicate_tables.similarity_histogram(PAIRS, -0.2, 1)
    assert len(histogram) == 60 and histogram["count"].sum() == 3
    assert histogram.loc[histogram["count"] > 0, "bin_left"].tolist() == pytest.approx([0.8, 0.9, 0.98], abs=0.021)


def test_shares_are_of_the_accepted_images_of_a_class() -> None:
    flags = {name: [True, False] for name in duplicate_tables.KINDS}
    shares = duplicate_tables.duplicate_shares(pd.DataFrame({"class_name": ["cat", "cat"], **flags}))
    assert len(shares) == 4 * len(CLASS_NAMES) and set(shares["kind"]) == set(duplicate_tables.KINDS.values())
    assert shares.loc[shares["class_name"] == "cat", "share"].tolist() == [0.5] * 4


def test_the_closest_pairs_leave_out_exact_copies() -> None:
    assert duplicate_tables.closest_test_pairs(PAIRS)["query"].tolist() == [2, 0]


def test_pairs_at_the_threshold_are_one_a_candidate_and_none_among_candidates() -> None:
    found = duplicate_tables.pairs_at_threshold(PAIRS, 0.75, count=2)
    assert found[["query", "ssim"]].to_numpy().tolist() == [[0, 0.80], [4, 0.74]]


def test_a_sheet_shows_both_images_and_their_ssim() -> None:
    sheet = duplicate_tables.pair_sheet(PAIRS.head(1), digits=3)
    assert sheet.iloc[0].to_dict() == {
        "set": "candidates", "row": 0, "second_set": "cifar10-test", "second_row": 5, "caption": "0.800",
    }  # fmt: skip


def test_rules_are_drawn_in_percent_and_what_was_not_measured_is_left_out() -> None:
    rules = pd.DataFrame({"rule": ["ncc"], "threshold": [0.9], "judged": [np.nan], "flagged": [0.25], "jpeg": [0.5]})
    cells = duplicate_tables.rule_cells(rules)
    assert cells[["pairs", "share"]].to_numpy().tolist() == [["flagged, not judged", 25], ["jpeg", 50]]
    assert duplicate_tables.rule_points(pd.DataFrame({"flagged": [0.5], "recall": [1.0]}))["flagged"].tolist() == [50]
