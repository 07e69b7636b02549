"""The headline numbers of two test sets, the slope and the mean gap, over models and images at once."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cifar102.analysis import intervals, lines


def joint_intervals(
    original: np.ndarray,
    new: np.ndarray,
    *,
    families: Sequence[str] | None = None,
    axes: Sequence[str] = tuple(lines.AXES),
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the mean gap, and slope and intercept on each axis, with intervals over models and images at once.

    original, new: bool or float (n, models), which images each model gets right, at least 3 models in one order. In
    each draw the images of both sets and the models are drawn with replacement; families: a name a model, whole
    families are drawn then. Columns: statistic ("mean gap", "slope", "intercept"), axis ("" for the gap, in accuracy),
    value, low, high (percentile bootstrap), over, num_models, resamples, level. Raises ValueError.
    """
    tables = [np.asarray(table) for table in (original, new)]
    if any(table.ndim != 2 for table in tables) or tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(f"expected (images, models) twice, found shapes {[table.shape for table in tables]}")
    count, rng = tables[0].shape[1], np.random.default_rng(seed)
    codes, names = (np.arange(count), range(count)) if families is None else lines.cluster_codes(families, count)
    drawn = [lines.resampled_accuracies(table, resamples, rng) for table in tables]
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)[:, codes]
    means = [table.mean(axis=0, keepdims=True) for table in tables]
    point = _statistics(*means, np.ones((1, count)), axes)
    draws = _statistics(*drawn, weights, axes)
    over = "models and images" if families is None else "families and images"
    rows = [
        (*key, float(point[key][0]), *intervals.percentile_interval(draws[key], level), over, count, resamples, level)
        for key in point
    ]
    columns = ["statistic", "axis", "value", "low", "high", "over", "num_models", "resamples", "level"]
    return pd.DataFrame(rows, columns=columns)


def _statistics(
    original: np.ndarray, new: np.ndarray, weights: np.ndarray, axes: Sequence[str]
) -> dict[tuple[str, str], np.ndarray]:
    """The statistics of each draw (rows of accuracies and weights, (draws, models))."""
    found = {("mean gap", ""): ((original - new) * weights).sum(axis=1) / weights.sum(axis=1)}
    for axis in axes:
        slope, intercept = lines.weighted_lines(lines.to_axis(original, axis), lines.to_axis(new, axis), weights)
        found[("slope", axis)], found[("intercept", axis)] = slope, intercept
    return found
