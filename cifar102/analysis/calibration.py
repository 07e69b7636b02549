"""Calibration: reliability per confidence bin, and the table of calibration errors and scores."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102.analysis import intervals
from cifar102.analysis.predictions import check_class_ids, check_probabilities


def reliability_table(
    probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15, level: float = 0.95
) -> pd.DataFrame:
    """Return accuracy per bin of confidence (the highest probability), for one model on one set.

    probabilities: float (n, classes), rows that sum to 1; labels: integers (n,). Equal-width bins (low, high] over
    0-1, empty ones left out. Columns: bin_low, bin_high, count, confidence (mean), correct, accuracy, low, high
    (exact), level.
    """
    if bins < 1:
        raise ValueError(f"bins: expected 1 or more, found {bins}")
    confidence, right = _confidence(probabilities, labels)
    edges = np.linspace(0, 1, bins + 1)
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    table = pd.DataFrame({"bin": number, "confidence": confidence, "correct": right})
    table = table.groupby("bin").agg(
        count=("correct", "size"), confidence=("confidence", "mean"), correct=("correct", "sum")
    )
    low, high = intervals.clopper_pearson(table["correct"].to_numpy(), table["count"].to_numpy(), level)
    table = table.assign(accuracy=table["correct"] / table["count"], low=low, high=high, level=level)
    table.insert(0, "bin_low", edges[table.index])
    table.insert(1, "bin_high", edges[table.index + 1])
    return table.reset_index(drop=True)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """Return the mean over images of |accuracy - confidence| of their bin, 0-1 (biased upwards on small sets).

    Arguments as reliability_table. Source: Guo et al. 2017 (arXiv 1706.04599), equation 3, 15 bins.
    """
    table = reliability_table(probabilities, labels, bins=bins)
    return float(((table["accuracy"] - table["confidence"]).abs() * table["count"]).sum() / table["count"].sum())


def reliability_curves(
    probabilities: Mapping[str, np.ndarray], labels: np.ndarray, *, level: float = 0.95
) -> pd.DataFrame:
    """Return reliability_table of several models on one set below each other, with the column model."""
    tables = [
        reliability_table(values, labels, level=level).assign(model=name) for name, values in probabilities.items()
    ]
    return pd.concat(tables, ignore_index=True)


def calibration_table(
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    bins: int = 15,
    level: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Return accuracy, mean confidence, calibration error, Brier score and log loss, one row a model.

    Columns: model, n, accuracy, confidence, ece, ece_low, ece_high, brier, brier_low, brier_high, log_loss, level.
    probabilities: model -> float (n, classes). Intervals are percentile bootstraps over images, 95 % unless asked
    otherwise; log_loss in nats, probabilities clipped at the smallest float64.
    """
    from sklearn import metrics  # half a second, which class ids alone do not need

    rows = []
    for model, values in probabilities.items():
        values = check_probabilities(values, where=model)
        confidence, right = _confidence(values, labels)
        squares = ((values - np.eye(values.shape[1])[np.asarray(labels)]) ** 2).sum(axis=1)
        draws = _draws(confidence, right, squares, bins, resamples, seed)
        loss = metrics.log_loss(labels, values / values.sum(axis=1, keepdims=True), labels=range(values.shape[1]))
        error = expected_calibration_error(values, labels, bins=bins)
        ends = [intervals.percentile_interval(column, level) for column in draws]
        rows.append(
            (model, len(right), right.mean(), confidence.mean(), error, *ends[0], squares.mean(), *ends[1], loss)
        )
    columns = ["model", "n", "accuracy", "confidence", "ece", "ece_low", "ece_high"]
    columns += ["brier", "brier_low", "brier_high", "log_loss"]
    return pd.DataFrame(rows, columns=columns).assign(level=level)


def _confidence(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities = check_probabilities(probabilities)
    labels = check_class_ids(labels, len(probabilities), probabilities.shape[1], "labels")
    confidence = np.minimum(probabilities.max(axis=1), 1)
    return confidence, probabilities.argmax(axis=1) == labels


def _draws(
    confidence: np.ndarray, right: np.ndarray, squares: np.ndarray, bins: int, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    number = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1, 0, bins - 1)
    errors, scores = np.empty(resamples), np.empty(resamples)
    for i in range(resamples):
        chosen = rng.integers(len(right), size=len(right))
        distance = np.bincount(number[chosen], (right[chosen] - confidence[chosen]), bins)
        errors[i], scores[i] = np.abs(distance).sum() / len(right), squares[chosen].mean()
    return errors, scores
