"""Paired comparison of models on one set: exact McNemar tests, Holm over all pairs, and which ranks are certain."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import contingency_tables, multitest

from cifar102.analysis import intervals
from cifar102.analysis.accuracies import Predictions, correctness


@dataclass(frozen=True)
class PairTest:
    """Two models on the same n images: how many only the one or the other gets right, and the exact two-sided p.

    difference: accuracy of the first less that of the second; low, high: its paired t interval at `level`.
    """

    only_first: int
    only_second: int
    n: int
    difference: float
    low: float
    high: float
    level: float
    p_value: float


def mcnemar(first: np.ndarray, second: np.ndarray, labels: np.ndarray, level: float = 0.95) -> PairTest:
    """Compare two models on one set by McNemar's exact test.

    first, second: class ids (n,) or probabilities (n, classes); labels: integers (n,). Without an image on which they
    differ in being right the p value is 1. Raises ValueError. Source: McNemar 1947, Psychometrika 12; exact binomial
    form.
    """
    right = correctness({"first": first, "second": second}, labels)
    return _test(right["first"].to_numpy(), right["second"].to_numpy(), level)


def mcnemar_table(predictions: Predictions, labels: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return McNemar's exact test of all pairs of models on one set, p values corrected by Holm over all the pairs.

    Columns: first, second, only_first, only_second, n, difference, low, high (of the single pair, not corrected),
    level, p_value, p_holm, is_certain (p_holm < 1 - level). Raises ValueError for fewer than 2 models.
    """
    right = correctness(predictions, labels)
    if right.shape[1] < 2:
        raise ValueError(f"predictions: expected at least 2 models to compare, found {list(right)}")
    pairs = list(combinations(right.columns, 2))
    tests = [vars(_test(right[a].to_numpy(), right[b].to_numpy(), level)) for a, b in pairs]
    table = pd.concat([pd.DataFrame(pairs, columns=["first", "second"]), pd.DataFrame(tests)], axis=1)
    table["is_certain"], table["p_holm"], *_ = multitest.multipletests(table["p_value"], 1 - level, method="holm")
    order = [*table.columns[:-2], "p_holm", "is_certain"]
    return table[order]


def certain_ranks(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the ranks each model can have, given the certain pairs of mcnemar_table.

    Columns: model, best_rank (1 + models certainly better), worst_rank (models - models certainly worse), level; best
    first. All statements hold at once at the table's level, for Holm bounds the chance of any false one.
    """
    certain = pairs[pairs["is_certain"]]
    first_wins = certain["difference"] > 0
    winners = certain["first"].where(first_wins, certain["second"]).value_counts()
    losers = certain["second"].where(first_wins, certain["first"]).value_counts()
    models = pd.unique(pd.concat([pairs["first"], pairs["second"]]))
    table = pd.DataFrame(
        {
            "model": models,
            "best_rank": [1 + int(losers.get(model, 0)) for model in models],
            "worst_rank": [len(models) - int(winners.get(model, 0)) for model in models],
            "level": pairs["level"].iloc[0],
        }
    )
    return table.sort_values(["best_rank", "worst_rank"], kind="stable", ignore_index=True)


def _test(first: np.ndarray, second: np.ndarray, level: float) -> PairTest:
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    result = contingency_tables.mcnemar([[both, only_first], [only_second, neither]], exact=True)
    difference = first.astype(np.float64) - second
    low = high = float(difference.mean())
    if np.ptp(difference) > 0:
        low, high = stats.ttest_1samp(difference, 0).confidence_interval(intervals.check_level(level))
    p_value = min(1.0, float(result.pvalue))
    mean = float(difference.mean())
    return PairTest(only_first, only_second, len(first), mean, float(low), float(high), level, p_value)
