"""Ranks of models on two test sets: who wins places, how far the orders agree, and which reversals are shown."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import multitest

from cifar102.analysis.intervals import normal_quantile
from cifar102.analysis.lines import check_accuracies, model_names


def rank_table(original: pd.Series, new: pd.Series) -> pd.DataFrame:
    """Return the models' ranks on both sets: model, original_rank, new_rank, change (places won); best original first.

    original, new: accuracies by model. Equal accuracies share the better rank.
    """
    check_accuracies(original, new, least=1)
    table = pd.DataFrame({"model": model_names(original), "original": np.asarray(original)})
    table["new"] = np.asarray(new.loc[original.index] if isinstance(new, pd.Series) else new)
    for name in ("original", "new"):
        table[f"{name}_rank"] = table[name].rank(ascending=False, method="min").astype(int)
    table["change"] = table["original_rank"] - table["new_rank"]
    columns = ["model", "original_rank", "new_rank", "change"]
    return table.sort_values("original_rank", kind="stable", ignore_index=True)[columns]


def rank_correlations(original: np.ndarray, new: np.ndarray) -> dict[str, float]:
    """Return {"spearman", "kendall"} (tau-b) of the models' accuracies on the two sets."""
    original, new = check_accuracies(original, new)
    return {
        "spearman": float(stats.spearmanr(original, new).statistic),
        "kendall": float(stats.kendalltau(original, new).statistic),
    }


def rank_agreement(original: np.ndarray, new: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return Spearman's and Kendall's correlation (tau-b) of the models' accuracies on the two sets, with intervals.

    original, new: accuracies 0-1, (models,), at least 5 models. Columns: statistic, value, low, high, num_models,
    level. The intervals are over models (others of their kind, these images): Fisher's z with the standard errors of
    Bonett & Wright 2000, Psychometrika 65, which hold for correlations up to about .95 (Spearman) and .8 (Kendall);
    above they are approximate. NaN where all accuracies of a set are equal.
    """
    first, second = check_accuracies(original, new, least=5)
    count, z = len(first), normal_quantile(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = rank_correlations(first, second) if np.ptp(first) and np.ptp(second) else {}
        errors = {
            "spearman": (1 + values.get("spearman", np.nan) ** 2 / 2) / (count - 3),
            "kendall": 0.437 / (count - 4),
        }
        rows = []
        for name, variance in errors.items():
            value = values.get(name, np.nan)
            centre = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
            rows.append((name, value, *np.tanh(centre + np.array([-z, z]) * np.sqrt(variance)), count, level))
    return pd.DataFrame(rows, columns=["statistic", "value", "low", "high", "num_models", "level"])


def reversals(original: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of models whose order differs between two sets, and whether both orders are shown.

    original, new: of model_pairs.mcnemar_table, the same models and level. Columns: first, second, difference_original,
    difference_new, p_value (the larger of both tests: each order has to be shown), p_holm (over all pairs), is_reversed
    (p_holm below 1 - level: the chance that any such pair is false is below 1 - level), level. Smallest p first.
    """
    keys = ["first", "second"]
    both = original[[*keys, "difference", "p_value", "level"]].merge(
        new[[*keys, "difference", "p_value"]], on=keys, suffixes=("_original", "_new"), validate="one_to_one"
    )
    if len(both) != len(original) or len(both) != len(new):
        raise ValueError(
            f"expected the same pairs of models, found {len(original)} and {len(new)}, {len(both)} in both"
        )
    is_turned = both["difference_original"] * both["difference_new"] < 0
    larger = both[["p_value_original", "p_value_new"]].max(axis=1).where(is_turned, 1.0)
    both["p_value"], both["p_holm"] = larger, multitest.multipletests(larger, method="holm")[1]
    both["is_reversed"] = both["p_holm"] < 1 - both["level"]
    columns = [*keys, "difference_original", "difference_new", "p_value", "p_holm", "is_reversed", "level"]
    return both.loc[is_turned, columns].sort_values("p_value", kind="stable", ignore_index=True)
