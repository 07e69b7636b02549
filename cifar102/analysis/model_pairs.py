"""Models in pairs: exact McNemar tests, possible ranks, and agreement-on-the-line, which needs no labels."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import multitest

from cifar102.analysis import intervals, lines
from cifar102.analysis.accuracies import Predictions, correctness
from cifar102.analysis.predictions import class_ids


@dataclass(frozen=True)
class PairTest:
    """Two models on the same n images: how many only the one or the other gets right, and the exact two-sided p.

    difference: accuracy of the first less that of the second; low, high: Tango's paired interval of it at `level`.
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
    right = correctness({"first": first, "second": second}, labels).to_numpy()
    only_first, only_second = (right[:, k] & ~right[:, 1 - k] for k in (0, 1))
    row = _tests(np.array([only_first.sum()]), np.array([only_second.sum()]), len(right), level).iloc[0]
    return PairTest(*(int(row[name]) for name in ("only_first", "only_second", "n")), *row[3:].astype(float))


def mcnemar_table(predictions: Predictions, labels: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return McNemar's exact test of all pairs of models on one set, p values corrected by Holm over all the pairs.

    Columns: first, second, only_first, only_second, n, difference, low, high (of the single pair, not corrected),
    level, p_value, p_holm, is_certain (p_holm < 1 - level: the chance that any such pair is false is below 1 - level).
    Raises ValueError for fewer than 2 models.
    """
    right = correctness(predictions, labels)
    if right.shape[1] < 2:
        raise ValueError(f"predictions: expected at least 2 models to compare, found {list(right)}")
    pairs = pd.DataFrame(list(combinations(right.columns, 2)), columns=["first", "second"])
    return _pair_table(right, pairs, level)


def against_others(model: str, predictions: Predictions, labels: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return mcnemar_table of one model against each other one; Holm over these pairs alone.

    model: a key of predictions, which holds at least one more. certain_ranks of it says where this model can stand; of
    the others' order it says nothing.
    """
    right = correctness(predictions, labels)
    others = [name for name in right.columns if name != model]
    if model not in right.columns or not others:
        raise ValueError(f"predictions: expected {model!r} and at least one more model, found {list(right)}")
    return _pair_table(right, pd.DataFrame({"first": model, "second": others}), level)


def unpaired_table(accuracies: pd.DataFrame, level: float = 0.95, model: str | None = None) -> pd.DataFrame:
    """Return tests of all pairs of models (of `model` and each other one) of which only accuracies are known.

    accuracies: model, accuracy (0-1), n (images). Columns: first, second, difference, level, p_value, p_holm,
    is_certain. Two-sided z tests of independent shares with pooled variance: on the same images they say less than
    paired ones would, because models tend to get the same images right.
    """
    names = list(accuracies["model"])
    chosen = [pair for pair in combinations(names, 2) if model in (None, *pair)]
    table = pd.DataFrame(chosen, columns=["first", "second"])
    known = accuracies.set_index("model")
    share, n = ([known.loc[table[side], name].to_numpy(float) for side in table] for name in ("accuracy", "n"))
    pooled = (share[0] * n[0] + share[1] * n[1]) / (n[0] + n[1])
    error = np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    difference = share[0] - share[1]
    score = np.divide(difference, error, out=np.zeros(len(table)), where=error > 0)
    table = table.assign(difference=difference, level=level, p_value=2 * stats.norm.sf(np.abs(score)))
    return _holm(table, level)


def certain_ranks(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the ranks each model can have, given the pairs of mcnemar_table that differ.

    Columns: model, best_rank (1 + models shown to be better), worst_rank (models - models shown to be worse), level;
    best first. All statements hold at once at the table's level, for Holm bounds the chance of any false one.
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


@dataclass(frozen=True)
class AgreementLine:
    """The line of new on original agreement over all pairs of models (probit axes) and the estimates it gives.

    fit: lines.LineFit over pairs (p_value and intervals left out: pairs are not independent); pairs: first, second,
    original, new (shares of images on which the two agree); models: model, original (accuracy), aline_s, aline_d
    (estimated new accuracy) and, where the new labels were given, new, error_s, error_d (estimate - truth).
    """

    slope: float
    intercept: float
    r2: float
    num_models: int
    num_pairs: int
    pairs: pd.DataFrame
    models: pd.DataFrame


def agreement_on_the_line(
    original: Predictions, new: Predictions, original_labels: np.ndarray, new_labels: np.ndarray | None = None
) -> AgreementLine:
    """Estimate every model's accuracy on the new set from agreements (ALine-S, ALine-D), on probit axes.

    original, new: model -> class ids (n,) or probabilities (n, classes), the same 3 or more models on both sets;
    original_labels: integers (n,); new_labels only judges the estimates. No interval: the estimate is a bet that
    accuracy and agreement share one line, worth little where r2 is below about .95. Raises ValueError.
    Source: Baek et al. 2022 (arXiv 2206.13089), methods ALine-S and ALine-D.
    """
    if set(original) != set(new) or len(original) < 3:
        raise ValueError(f"expected the same 3 or more models on both sets, found {sorted(original)} and {sorted(new)}")
    names = list(original)
    accuracy = correctness(original, original_labels).mean().to_numpy()
    pairs = pd.DataFrame(list(combinations(names, 2)), columns=["first", "second"])
    upper = np.triu_indices(len(names), 1)
    for side, predictions in (("original", original), ("new", new)):
        pairs[side] = agreements({name: predictions[name] for name in names})[upper]
    fit = lines.fit_line(pairs["original"].to_numpy(), pairs["new"].to_numpy(), "probit", resamples=0)
    simple = fit.predict(accuracy)
    models = pd.DataFrame({"model": names, "original": accuracy, "aline_s": simple})
    models["aline_d"] = _aline_d(accuracy, pairs, upper, fit.slope)
    if new_labels is not None:
        models["new"] = correctness({name: new[name] for name in names}, new_labels).mean().to_numpy()
        models["error_s"], models["error_d"] = (models[f"aline_{kind}"] - models["new"] for kind in "sd")
    return AgreementLine(fit.slope, fit.intercept, fit.r2, len(names), len(pairs), pairs, models)


def agreements(predictions: Predictions) -> np.ndarray:
    """Return the share of images on which each two models say the same class: float64 (models, models)."""
    ids = [class_ids(values, where=model) for model, values in predictions.items()]
    if len({len(values) for values in ids}) != 1:
        raise ValueError(f"expected predictions of one set of images, found {[len(values) for values in ids]} of them")
    ids = np.stack(ids)
    same = np.zeros((len(ids), len(ids)))
    for label in np.unique(ids):
        says = (ids == label).astype(np.float32)  # sums of up to 2^24 ones are exact
        same += says @ says.T
    return same / ids.shape[1]


def _pair_table(right: pd.DataFrame, pairs: pd.DataFrame, level: float) -> pd.DataFrame:
    both = right.to_numpy(dtype=np.float32)  # sums of up to 2^24 ones are exact
    together = (both.T @ both).astype(int)
    places = [right.columns.get_indexer(pairs[name]) for name in ("first", "second")]
    counts = [together[place, place] - together[places[0], places[1]] for place in places]
    return _holm(pd.concat([pairs, _tests(*counts, len(right), level)], axis=1), level)


def _tests(only_first: np.ndarray, only_second: np.ndarray, n: int, level: float) -> pd.DataFrame:
    """A row a pair of models: PairTest's fields, from how many images only the one or the other gets right."""
    differing = only_first + only_second
    p_value = 2 * stats.binom.cdf(np.minimum(only_first, only_second), differing, 0.5)
    low, high = intervals.paired_difference(only_first, only_second, n, level)
    columns = {"only_first": only_first, "only_second": only_second, "n": n}
    columns |= {"difference": (only_first - only_second) / n, "low": low, "high": high, "level": level}
    return pd.DataFrame(columns | {"p_value": np.minimum(p_value, 1)})


def _holm(table: pd.DataFrame, level: float) -> pd.DataFrame:
    table["is_certain"], p_holm, *_ = multitest.multipletests(table["p_value"], 1 - level, method="holm")
    table.insert(table.columns.get_loc("is_certain"), "p_holm", p_holm)
    return table


def _aline_d(accuracy: np.ndarray, pairs: pd.DataFrame, upper: tuple[np.ndarray, ...], slope: float) -> np.ndarray:
    """Least squares over all pairs: the mean new probit accuracy of a pair is its new agreement plus slope times
    the distance of its mean original accuracy from its original agreement."""
    first, second = upper
    design = np.zeros((len(pairs), len(accuracy)))
    design[np.arange(len(pairs)), first] = design[np.arange(len(pairs)), second] = 0.5
    probit = lines.to_axis(accuracy, "probit")
    start = lines.to_axis(pairs["original"], "probit")
    target = lines.to_axis(pairs["new"], "probit") + slope * ((probit[first] + probit[second]) / 2 - start)
    return lines.from_axis(np.linalg.lstsq(design, target, rcond=None)[0], "probit")
