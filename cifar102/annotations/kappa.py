"""How far raters agree beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha, with bootstrap intervals."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from cifar102.annotations.votes import VERDICTS, current, is_settling

Kappa = Callable[[np.ndarray, np.ndarray], float]  # from distinct patterns and how often each occurs
MEASURES = ("cohen", "fleiss", "krippendorff")


@dataclass(frozen=True)
class Agreement:
    """Chance-corrected agreement of raters.

    measure: cohen, fleiss or krippendorff; kappa: -1 to 1, None where it is undefined, with the `reason`;
    n: images it rests on; low, high: bootstrap interval over images at `level`, None where kappa is.
    """

    measure: str
    kappa: float | None
    n: int
    num_raters: int
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    reason: str = ""


def agreement(
    votes: pd.DataFrame, measure: str | None = None, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Agreement:
    """Measure how far the raters of a vote table agree; the last verdict per rater and image counts.

    Votes that settle a disagreement are left out: they were given with the others' in view.

    measure: "cohen" (two raters; their default), "fleiss" (more; their default), both on the images that every rater
    judged, or "krippendorff" (nominal alpha, on all images that two raters or more judged, so that a third rater who
    sees disagreements only does not narrow the sample). The interval resamples images, `resamples` times (0: none).
    Sources: Cohen 1960, Fleiss 1971, Krippendorff 2011 (Computing Krippendorff's Alpha-Reliability).
    """
    counts, pairs, num_raters = _verdict_counts(votes)
    measure = measure or ("fleiss" if num_raters > 2 else "cohen")
    if measure not in MEASURES or (measure == "cohen" and num_raters > 2):
        raise ValueError(f"measure is one of {MEASURES}, cohen for two raters only; found {measure!r}, {num_raters}")
    if num_raters < 2:
        return Agreement(measure, None, 0, num_raters, level=level, reason="agreement needs two raters or more")
    needed = 2 if measure == "krippendorff" else num_raters
    shared = counts.sum(axis=1) >= needed
    kappa, patterns = _FUNCTIONS[measure], (pairs if measure == "cohen" else counts)[shared]
    n = len(patterns)
    if not n:
        return Agreement(measure, None, 0, num_raters, level=level, reason=f"no image was judged by {needed} raters")
    value = _quietly(_cohen_by_sklearn if measure == "cohen" else kappa, *_distinct(patterns))
    if not np.isfinite(value):
        return Agreement(measure, None, n, num_raters, level=level, reason="all verdicts are the same")
    low, high = _bootstrap(kappa, patterns, resamples, seed, level)
    return Agreement(measure, float(value), n, num_raters, low, high, level)


def agreement_by(votes: pd.DataFrame, by: str = "class", resamples: int = 200, seed: int = 0) -> pd.DataFrame:
    """Measure agreement per "class" or "keyword": columns by, measure, kappa, n, num_raters, low, high, reason."""
    if by not in ("class", "keyword"):
        raise ValueError(f"agreement is told by 'class' or 'keyword', found {by!r}")
    rows = []
    for name, part in votes.groupby(by, sort=True):
        found = agreement(part, resamples=resamples, seed=seed)
        row = (name, found.measure, found.kappa, found.n, found.num_raters, found.low, found.high, found.reason)
        rows.append(row)
    columns = [by, "measure", "kappa", "n", "num_raters", "low", "high", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"kappa": float, "low": float, "high": float})


def _verdict_counts(votes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, int]:
    """Return per image how often each verdict was given, int (n, 3), the first two raters' verdicts (n, 2), raters."""
    votes = current(votes[~is_settling(votes)])
    if votes.empty:
        return np.zeros((0, len(VERDICTS))), np.zeros((0, 2)), 0
    codes = votes.assign(code=votes["verdict"].map(VERDICTS.index))
    table = codes.pivot_table(index=["tiny_index", "class"], columns="rater", values="code", aggfunc="first")
    values = table.to_numpy(dtype=float)
    counts = np.stack([(values == code).sum(axis=1) for code in range(len(VERDICTS))], axis=1)
    return counts, values[:, :2], table.shape[1]


def _distinct(patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(patterns, axis=0, return_counts=True)


def _quietly(kappa: Kappa, patterns: np.ndarray, weights: np.ndarray) -> float:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # where all verdicts are the same kappa is 0 / 0: NaN, told as a reason
        return kappa(patterns, weights)


def _cohen_by_sklearn(patterns: np.ndarray, weights: np.ndarray) -> float:
    return float(cohen_kappa_score(*patterns.astype(int).T, sample_weight=weights))


def _cohen(patterns: np.ndarray, weights: np.ndarray) -> float:
    """From the table of counts, for resamples: 20 times as fast as from the verdicts."""
    table = np.zeros((len(VERDICTS), len(VERDICTS)))
    table[tuple(patterns.astype(int).T)] = weights
    return float(cohens_kappa(table, return_results=False))


def _fleiss(patterns: np.ndarray, weights: np.ndarray) -> float:
    return float(fleiss_kappa(np.repeat(patterns, weights, axis=0)))


def _krippendorff(patterns: np.ndarray, weights: np.ndarray) -> float:
    """Nominal alpha; ours because no library of the stack has it. patterns: verdicts per image, 2 or more each."""
    raters = patterns.sum(axis=1)
    disagreeing = raters**2 - (patterns**2).sum(axis=1)
    observed = (weights * disagreeing / (raters - 1)).sum()
    totals = (weights[:, None] * patterns).sum(axis=0)
    expected = totals.sum() ** 2 - (totals**2).sum()
    return float(1 - (totals.sum() - 1) * observed / expected) if expected else float("nan")


_FUNCTIONS: dict[str, Kappa] = {"cohen": _cohen, "fleiss": _fleiss, "krippendorff": _krippendorff}


def _bootstrap(
    kappa: Kappa, patterns: np.ndarray, resamples: int, seed: int, level: float
) -> tuple[float | None, float | None]:
    """Percentile interval over resampled images, drawn as counts of the distinct patterns, which is the same draw."""
    distinct, counts = _distinct(patterns)
    draws = np.random.default_rng(seed).multinomial(len(patterns), counts / len(patterns), size=resamples)
    values = np.array([_quietly(kappa, distinct, draw) for draw in draws], dtype=float)
    values = values[np.isfinite(values)]  # a resample of one verdict only has no kappa
    if not len(values):
        return None, None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
