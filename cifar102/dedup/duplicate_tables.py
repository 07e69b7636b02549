"""What the search for duplicates found, as charts and sheets show it: counts, shares, similarities, pairs."""

import numpy as np
import pandas as pd

from cifar102.cifar import CLASS_NAMES
from cifar102.dedup.screening import TRAIN_SET

TEST_SET = "cifar10-test"
SAME = 0.9999  # SSIM from which two images are taken for the same: exact copies have figures of their own
KINDS = {
    "in_cifar10_train": "in CIFAR-10 train",
    "is_test_duplicate": "duplicates a test image",
    "is_copy": "copy of another candidate",
    "is_label_conflict": "label conflict",
}


def copies_per_set(exact: pd.DataFrame) -> pd.DataFrame:
    """Return how many candidates are byte for byte in each set, or twice among themselves: set, candidates.

    exact: of exact_table.
    """
    members = exact[exact["set"] == "candidates"][["group", "row"]].rename(columns={"row": "candidate"})
    shared = exact.merge(members, on="group")
    shared = shared[(shared["set"] != "candidates") | (shared["row"] != shared["candidate"])]
    return shared.groupby("set")["candidate"].nunique().rename("candidates").reset_index()


def similarity_histogram(pairs: pd.DataFrame, low: float = -15, high: float = 15, bins: int = 60) -> pd.DataFrame:
    """Return how many candidates have a best score against CIFAR-10 in each bin: bin_left, bin_right, count.

    pairs: the pair table, with a column reference_set; low, high: of the scores of its rule.
    """
    against = pairs[pairs["reference_set"].isin([TRAIN_SET, TEST_SET])]
    best = against.groupby("query")["score"].max()
    counts, edges = np.histogram(best, bins=np.linspace(low, high, bins + 1))
    return pd.DataFrame({"bin_left": edges[:-1], "bin_right": edges[1:], "count": counts})


def duplicate_shares(screened: pd.DataFrame) -> pd.DataFrame:
    """Return the share of accepted candidates that are not new, by class and reason: class_name, kind, share 0-1.

    screened: of screen.
    """
    per_class = screened.groupby("class_name")[list(KINDS)].mean().reindex(CLASS_NAMES).reset_index()
    return per_class.melt("class_name", var_name="kind", value_name="share").replace({"kind": KINDS})


def closest_test_pairs(pairs: pd.DataFrame, count: int = 40) -> pd.DataFrame:
    """Return the duplicates of test images with the highest score, exact copies left out, the closest first."""
    near = _near(pairs)
    chosen = near[(near["reference_set"] == TEST_SET) & (near["verdict"] == "duplicate")]
    return chosen.sort_values("score", ascending=False, kind="stable").head(count)


def pairs_at_threshold(pairs: pd.DataFrame, threshold: float, count: int = 40) -> pd.DataFrame:
    """Return the pairs with a reference image whose score is nearest to a threshold, one a candidate, highest first."""
    near = _near(pairs)
    close = near.assign(distance=(near["score"] - threshold).abs()).sort_values("distance", kind="stable")
    return close.drop_duplicates("query").head(count).sort_values("score", ascending=False, kind="stable")


def pair_sheet(pairs: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """Return pairs as a contact sheet: set and row of the candidate, of the reference image, the score as caption."""
    return pd.DataFrame(
        {
            "set": "candidates",
            "row": pairs["query"],
            "second_set": pairs["reference_set"],
            "second_row": pairs["reference"],
            "caption": pairs["score"].map(f"{{:.{digits}f}}".format),
        }
    )


def rule_cells(rules: pd.DataFrame) -> pd.DataFrame:
    """Return duplicate_rules.rule_costs as cells of a matrix: rule, pairs (what is looked for), share in percent."""
    shares = rules.rename(columns={"judged": "judged by people", "flagged": "flagged, not judged"})
    cells = shares.drop(columns="threshold").melt("rule", var_name="pairs", value_name="share").dropna()
    return cells.assign(share=100 * cells["share"])


def rule_points(curve: pd.DataFrame) -> pd.DataFrame:
    """Return duplicate_rules.rule_curve with the share of flagged images in percent."""
    return curve.assign(flagged=100 * curve["flagged"])


def _near(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs[(pairs["reference_set"] != "candidates") & (pairs["ssim"] < SAME)]
