"""Can a network tell old test images from new ones? The area under the ROC curve (AUC), with its control.

An AUC of .5 says that it cannot, 1 that it always can: of a new and an old image drawn at random, how often the new one
has the higher score. Two halves of one set must read .5: where the control does not, nothing is to be read from the
other.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from cifar102.analysis.intervals import check_level, clopper_pearson
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

COLUMNS = ("comparison", "n", "auc", "low", "high", "level")
CONTROL = "control"  # what the name of the control begins with


def auc(scores: np.ndarray, is_new: np.ndarray, folds: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return (AUC, low, high) of out-of-fold scores, the mean over folds.

    scores: float (n,); is_new: bool (n,); folds: (n,), which network gave the score: scores of two networks are not
    compared with each other. Interval: DeLong's, over images; the networks count as given. Where a fold is told apart
    wholly, which leaves DeLong's without width, the limits are Clopper and Pearson's for as many images as the smaller
    side has. Source: DeLong et al. 1988, Biometrics 44, 837-845. ValueError for a fold without images of both sides.
    """
    scores, is_new, folds = np.asarray(scores, np.float64), np.asarray(is_new, bool), np.asarray(folds)
    parts = [_of_fold(scores[folds == fold], is_new[folds == fold]) for fold in np.unique(folds)]
    value = float(np.mean([part[0] for part in parts]))
    error = np.sqrt(sum(part[1] for part in parts)) / len(parts)
    if error == 0:
        smaller = min(int(is_new.sum()), int((~is_new).sum()))
        low, high = clopper_pearson(round(value * smaller), smaller, level)
        return value, low, high
    reach = stats.norm.ppf((1 + check_level(level)) / 2) * error
    return value, float(max(0, value - reach)), float(min(1, value + reach))


def _of_fold(scores: np.ndarray, is_new: np.ndarray) -> tuple[float, float]:
    """AUC of one network's scores and DeLong's variance of it."""
    new, old = scores[is_new], scores[~is_new]
    if not len(new) or not len(old):
        raise ValueError(f"expected scores of old and new images in every fold, found {len(old)} and {len(new)}")
    ranks = stats.rankdata(scores)
    of_new = (ranks[is_new] - stats.rankdata(new)) / len(old)  # share of old images below each new one, ties half
    of_old = 1 - (ranks[~is_new] - stats.rankdata(old)) / len(new)
    variances = [part.var(ddof=1) / len(part) if len(part) > 1 else 0.25 for part in (of_new, of_old)]
    return float(of_new.mean()), float(sum(variances))


def old_or_new_table(predictions: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the AUC of each comparison: COLUMNS; n images of both sides together.

    predictions: comparison, fold, is_new, score, a row an image, as study old_or_new leaves them.
    """
    rows = []
    for name, part in predictions.groupby("comparison", sort=False):
        limits = auc(part["score"], part["is_new"], part["fold"], level)
        rows.append((name, len(part), *limits, level))
    return pd.DataFrame(rows, columns=COLUMNS)


def old_or_new_sentence(table: pd.DataFrame) -> str:
    """Say whether old and new images can be told apart. table: of old_or_new_table, one row of it the control."""
    is_control = table["comparison"].str.startswith(CONTROL)
    if is_control.sum() != 1 or len(table) != 2:
        raise ValueError(f"table: expected a comparison and its control, found {list(table['comparison'])}")
    control, asked = table[is_control].iloc[0], table[~is_control].iloc[0]
    half = f"two halves of the old images read {_words(control)}"
    if control["low"] > 0.5 or control["high"] < 0.5:
        return f"Old or new: the control fails, {half}, where it must be .5; the AUC of {_words(asked)} is not read."
    if asked["low"] > 0.5:
        verdict = "a network tells new test images from old ones"
    elif asked["high"] < 0.5:
        verdict = "a network is worse than chance, which only chance or a mistake makes"
    else:
        verdict = "no network here tells new test images from old ones"
    return f"Old or new: {verdict}, AUC {_words(asked)}, {asked['n']:,} images it was not trained on; {half}."


def old_or_new_reading(workspace: Workspace) -> str:
    """The sentence on what study old_or_new of notebook 06 left in a workspace, or that it has not run there."""
    path = Workspace(workspace).results / "old_or_new.csv"
    if not path.is_file():
        return "Old or new: study `old_or_new` of notebook 06 has not run here."
    return old_or_new_sentence(read_table(path, COLUMNS))


def _words(row: Mapping[str, float]) -> str:
    return f"{row['auc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
