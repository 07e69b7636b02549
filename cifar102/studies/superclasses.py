"""CIFAR-100 by superclass: what a model of the fine classes says of them, beside one that was trained on them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102.analysis.paired_runs import compare_runs, score_images


def parents_of_classes(fine_labels: np.ndarray, coarse_labels: np.ndarray) -> np.ndarray:
    """The superclass of each fine class, int (classes,), from the two labels of every image (n,).

    ValueError where a fine class has images of two superclasses, or no image.
    """
    pairs = np.unique(np.stack([fine_labels, coarse_labels]), axis=1)
    if not np.array_equal(pairs[0], np.arange(len(pairs[0]))):
        double = sorted(set(pairs[0][:-1][np.diff(pairs[0]) == 0].tolist()))
        raise ValueError(f"expected one superclass a fine class; without images or with two: {double or 'a gap'}")
    return pairs[1]


def sum_by_parent(probabilities: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Probabilities of superclasses, float64 (n, superclasses): those of its fine classes (n, classes) added up."""
    if probabilities.ndim != 2 or probabilities.shape[1] != len(parent):
        raise ValueError(f"probabilities: expected (n, {len(parent)}), found {probabilities.shape}")
    return probabilities.astype(np.float64) @ np.eye(parent.max() + 1)[parent]


def coarse_beside_fine(
    fine: Mapping[int, np.ndarray], coarse: Mapping[int, np.ndarray], parent: np.ndarray, coarse_labels: np.ndarray
) -> pd.DataFrame:
    """Coarse accuracy of fine models, by summing, beside that of models trained on the coarse labels, seed by seed.

    fine, coarse: seed -> probabilities (n, classes) of one test set. Returns seed, fine_summed, fine_of_best (the
    superclass of the likeliest fine class) and coarse_own (0-1); NaN where a side lacks the seed.
    """
    rows: dict[int, dict] = {}
    for seed, shares in fine.items():
        by_sum = sum_by_parent(shares, parent).argmax(axis=1)
        rows[seed] = {
            "fine_summed": (by_sum == coarse_labels).mean(),
            "fine_of_best": (parent[shares.argmax(axis=1)] == coarse_labels).mean(),
        }
    for seed, shares in coarse.items():
        rows.setdefault(seed, {})["coarse_own"] = (shares.argmax(axis=1) == coarse_labels).mean()
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed").sort_index().reset_index()
    return table.reindex(columns=["seed", "fine_summed", "fine_of_best", "coarse_own"])


def coarse_difference(
    fine: Mapping[int, np.ndarray], coarse: Mapping[int, np.ndarray], parent: np.ndarray, coarse_labels: np.ndarray
) -> dict[str, float]:
    """Return compare_runs of summed fine models less models trained on the coarse labels, on the same test images."""
    summed = {seed: sum_by_parent(shares, parent) for seed, shares in fine.items()}
    sides = [
        {seed: score_images(shares.argmax(axis=1) == coarse_labels, "test") for seed, shares in side.items()}
        for side in (summed, coarse)
    ]
    return compare_runs(*sides)
