"""Effective robustness and ranks: which models do better on the new set than their original accuracy foretells."""

import numpy as np
import pandas as pd
from scipy import stats

from cifar102.analysis import intervals, lines


def effective_robustness(
    original: np.ndarray,
    new: np.ndarray,
    line: lines.LineFit | None = None,
    *,
    axis: str = "logit",
    n_original: int | None = None,
    n_new: int | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return each model's new accuracy less what the line of the standard models gives for its original accuracy.

    original, new: accuracies 0-1, (models,), a Series' index names them. line: fit_line of the standard models;
    without it the models themselves are the standard, on `axis` (Taori et al. fit on logit axes; Miller et al. 2021
    on probit). Columns: model, original, new, predicted, effective_robustness, low, high, level, axis. low and high
    take the line as known and both accuracies as binomial (Clopper-Pearson limits put together as MOVER does); NaN
    without n_original, n_new. Source: Taori et al. 2020 (arXiv 2007.00644), section 2: rho(f) = acc2(f) -
    beta(acc1(f)).
    """
    names = lines.model_names(original)
    line = line or lines.fit_line(original, new, axis, level=level, resamples=0)
    original, new = lines.check_accuracies(original, new, least=1)
    predicted = line.predict(original)
    low, high = np.full((2, len(new)), np.nan)
    if n_original and n_new:
        low, high = _interval(line, _limits(original, n_original, level), predicted, new, _limits(new, n_new, level))
    return pd.DataFrame(
        {
            "model": names,
            "original": original,
            "new": new,
            "predicted": predicted,
            "effective_robustness": new - predicted,
            "low": low,
            "high": high,
            "level": level,
            "axis": line.axis,
        }
    )


def rank_table(original: pd.Series, new: pd.Series) -> pd.DataFrame:
    """Return the models' ranks on both sets: model, original_rank, new_rank, change (places won); best original first.

    original, new: accuracies by model. Equal accuracies share the better rank.
    """
    lines.check_accuracies(original, new, least=1)
    table = pd.DataFrame({"model": lines.model_names(original), "original": np.asarray(original)})
    table["new"] = np.asarray(new.loc[original.index] if isinstance(new, pd.Series) else new)
    for name in ("original", "new"):
        table[f"{name}_rank"] = table[name].rank(ascending=False, method="min").astype(int)
    table["change"] = table["original_rank"] - table["new_rank"]
    columns = ["model", "original_rank", "new_rank", "change"]
    return table.sort_values("original_rank", kind="stable", ignore_index=True)[columns]


def rank_correlations(original: np.ndarray, new: np.ndarray) -> dict[str, float]:
    """Return {"spearman", "kendall"} (tau-b) of the models' accuracies on the two sets."""
    original, new = lines.check_accuracies(original, new)
    return {
        "spearman": float(stats.spearmanr(original, new).statistic),
        "kendall": float(stats.kendalltau(original, new).statistic),
    }


def _interval(
    line: lines.LineFit, original_limits: tuple, predicted: np.ndarray, new: np.ndarray, new_limits: tuple
) -> tuple[np.ndarray, np.ndarray]:
    limits = np.sort(line.predict(np.array(original_limits)), axis=0)
    low = new - predicted - np.hypot(new - new_limits[0], limits[1] - predicted)
    return low, new - predicted + np.hypot(new_limits[1] - new, predicted - limits[0])


def _limits(share: np.ndarray, n: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    return intervals.clopper_pearson(np.rint(share * n).astype(int), n, level)
