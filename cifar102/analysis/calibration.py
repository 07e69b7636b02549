"""Calibration: reliability per confidence bin, calibration errors without bias, scores and what they are made of."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cifar102.analysis import intervals
from cifar102.analysis.predictions import check_class_ids, check_probabilities

BINS = 15  # of confidence, as Guo et al. 2017
DRAWS = 2_000  # simulated test sets of debiased_calibration_error
STEPS = 18  # halvings of 0-1: to a few millionths
COLUMNS = (
    "n", "accuracy", "confidence", "ece", "ece_low", "ece_high", "ece_plain", "n_equal", "ece_equal", "ece_equal_low",
    "ece_equal_high", "brier", "brier_low", "brier_high", "reliability", "resolution", "uncertainty", "within_bins",
    "log_loss",
)  # fmt: skip


def reliability_table(
    probabilities: np.ndarray, labels: np.ndarray, *, bins: int = BINS, level: float = 0.95
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
    number = _bin_numbers(confidence, bins)
    table = pd.DataFrame({"bin": number, "confidence": confidence, "correct": right})
    table = table.groupby("bin").agg(
        count=("correct", "size"), confidence=("confidence", "mean"), correct=("correct", "sum")
    )
    low, high = intervals.clopper_pearson(table["correct"].to_numpy(), table["count"].to_numpy(), level)
    table = table.assign(accuracy=table["correct"] / table["count"], low=low, high=high, level=level)
    table.insert(0, "bin_low", edges[table.index])
    table.insert(1, "bin_high", edges[table.index + 1])
    return table.reset_index(drop=True)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = BINS) -> float:
    """Return the mean over images of |accuracy - confidence| of their bin, 0-1: the published formula.

    It is above 0 by chance alone, the more the fewer the images are; debiased_calibration_error takes that off.
    Arguments as reliability_table. Source: Guo et al. 2017 (arXiv 1706.04599), equation 3, 15 bins.
    """
    table = reliability_table(probabilities, labels, bins=bins)
    return float(((table["accuracy"] - table["confidence"]).abs() * table["count"]).sum() / table["count"].sum())


def debiased_calibration_error(
    probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    bins: int = BINS,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return (error, low, high): the expected calibration error without the part that chance makes, 0-1.

    Arguments as reliability_table. The error is that for which half of all test sets of this size would show more than
    was seen, and half less (0 where a perfectly calibrated model would show as much); low and high are the errors for
    which so much or so little is seen in 2.5 % of them. high is not below what the exact interval of the accuracy
    allows: a sure model that is right on all of a few images is not certainly calibrated. Test sets are simulated
    (`draws`, from `seed`): each bin's accuracy less confidence is taken as seen, its noise included, up to one common
    factor. Ours because no library of the stack has an interval that covers: the bootstrap adds the chance part a
    second time.
    """
    confidence, right = _confidence(probabilities, labels)
    distance, noise, share = _bin_distances(confidence, right, bins)
    seen = float(share @ np.abs(distance))
    chance = np.random.default_rng(seed).normal(size=(draws, len(share))) * noise
    shape = np.hypot(distance, noise)
    shape /= share @ shape if np.any(shape) else 1
    tail = (1 - intervals.check_level(level)) / 2

    def shown(error: float, part: float) -> float:
        return float(np.quantile(np.abs(error * shape + chance) @ share, part))

    error, low, high = (_invert(lambda value, part=part: shown(value, part), seen) for part in (0.5, 1 - tail, tail))
    limits = intervals.clopper_pearson(int(right.sum()), len(right), level)
    return error, low, max(high, *(float(abs(limit - confidence.mean())) for limit in limits))


def _bin_distances(confidence: np.ndarray, right: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each bin that holds images: accuracy less confidence, its standard error, and the bin's share of all images.

    The error is the larger one of a calibrated model's and of the accuracy that was seen.
    """
    number = _bin_numbers(confidence, bins)
    count = np.bincount(number, minlength=bins)
    kept = count > 0
    values = (right, right - confidence, confidence * (1 - confidence))
    accuracy, distance, expected = (np.bincount(number, part, bins)[kept] / count[kept] for part in values)
    noise = np.sqrt(np.maximum(expected, accuracy * (1 - accuracy)) / count[kept])
    return distance, noise, count[kept] / len(right)


def _invert(shown: Callable[[float], float], seen: float) -> float:
    """The error (0-1) at which a quantile of what is shown equals what was seen; 0 where it is above that already."""
    low, high = 0.0, 1.0
    if shown(low) >= seen:
        return low
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if shown(middle) < seen else (low, middle)
    return (low + high) / 2


def brier_parts(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = BINS) -> dict[str, float]:
    """Return what the Brier score is made of: reliability, resolution, uncertainty, within_bins, summed over classes.

    Arguments as reliability_table. brier = reliability - resolution + uncertainty + within_bins exactly. reliability:
    how far probabilities are from how often they come true (0 is best; may fall below 0 by chance); resolution: how
    much they tell images apart; uncertainty: of the labels themselves; within_bins: what the bins hide. Each class's
    probabilities are binned; the parts are without the bias of few images in a bin.
    Source: Murphy 1973, J. Applied Meteorology 12; Stephenson et al. 2008; Ferro & Fricker 2012, QJRMS 138.
    """
    probabilities = check_probabilities(probabilities)
    labels = check_class_ids(labels, len(probabilities), probabilities.shape[1], "labels")
    parts = [_binary_parts(np.minimum(values, 1), labels == k, bins) for k, values in enumerate(probabilities.T)]
    names = ("reliability", "resolution", "uncertainty", "within_bins")
    return dict(zip(names, np.sum(parts, axis=0).tolist(), strict=True))


def _binary_parts(probability: np.ndarray, happened: np.ndarray, bins: int) -> tuple[float, float, float, float]:
    number, total = _bin_numbers(probability, bins), len(happened)
    count = np.bincount(number, minlength=bins)
    kept = count > 0
    forecast, rate = (np.bincount(number, values, bins)[kept] / count[kept] for values in (probability, happened))
    share, overall = count[kept] / total, happened.mean()
    reliability, resolution = share @ (forecast - rate) ** 2, share @ (rate - overall) ** 2
    uncertainty = overall * (1 - overall)
    within = float(np.mean((probability - happened) ** 2)) - (reliability - resolution + uncertainty)
    several = np.maximum(count[kept] - 1, 1)
    bias = float(share @ (rate * (1 - rate) / several * (count[kept] > 1)))
    of_all = uncertainty / (total - 1) if total > 1 else 0.0
    return reliability - bias, resolution - bias + of_all, uncertainty + of_all, within


def reliability_curves(
    probabilities: Mapping[str, np.ndarray], labels: np.ndarray, *, level: float = 0.95
) -> pd.DataFrame:
    """Return reliability_table of several models on one set below each other, with the column model.

    Models without probabilities (None) are left out; where none has any, the table is empty.
    """
    known = _known(probabilities)
    tables = [reliability_table(values, labels, level=level).assign(model=name) for name, values in known.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["model"])


def calibration_table(
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    bins: int = BINS,
    level: float = 0.95,
    equal_n: int | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Return accuracy, mean confidence, calibration error, Brier score with its parts, and log loss, one row a model.

    Columns: model, n, accuracy, confidence, ece, ece_low, ece_high (debiased_calibration_error), ece_plain (the
    published formula), n_equal, ece_equal, ece_equal_low, ece_equal_high (debiased, on n_equal images), brier,
    brier_low, brier_high, reliability, resolution, uncertainty, within_bins (brier_parts), log_loss, level.
    probabilities: model -> float (n, classes). equal_n: images drawn at random (`seed`) for the comparison of sets of
    unequal size; all of them where the set has fewer, or without it. The Brier score's interval is Student's over
    images, 95 % unless asked otherwise; log_loss in nats, probabilities clipped at the smallest float64.
    """
    labels = np.asarray(labels)
    count = min(equal_n or len(labels), len(labels))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(labels))[:count])
    look = {"bins": bins, "level": level, "draws": draws, "seed": seed}
    rows = []
    for model, values in probabilities.items():
        values = check_probabilities(values, where=model)
        row = {"model": model} | _scores(values, labels, bins, level)
        row |= _error_columns("ece", debiased_calibration_error(values, labels, **look)) | {"n_equal": count}
        row |= _error_columns("ece_equal", debiased_calibration_error(values[chosen], labels[chosen], **look))
        rows.append(row)
    return pd.DataFrame(rows, columns=["model", *COLUMNS]).assign(level=level)


def calibration_by_set(
    probabilities: Mapping[str, Mapping[str, np.ndarray]], labels: Mapping[str, np.ndarray], **options: float
) -> pd.DataFrame:
    """Return calibration_table of several sets below each other, with the column set; equal_n is the smallest set's.

    probabilities: set -> model -> float (n, classes), or None for a model without, which is left out; labels: set ->
    integers (n,). options: of calibration_table.
    """
    options = {"equal_n": min(map(len, labels.values())), **options}
    tables = [calibration_table(_known(models), labels[name], **options) for name, models in probabilities.items()]
    whole = pd.concat(tables, keys=probabilities, names=["set", None])
    return whole.reset_index("set").reset_index(drop=True)


def _known(probabilities: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    return {model: values for model, values in probabilities.items() if values is not None}


def _scores(values: np.ndarray, labels: np.ndarray, bins: int, level: float) -> dict[str, float]:
    from sklearn import metrics  # half a second, which class ids alone do not need

    confidence, right = _confidence(values, labels)
    squares = ((values - np.eye(values.shape[1])[labels]) ** 2).sum(axis=1)
    row = {"n": len(right), "accuracy": right.mean(), "confidence": confidence.mean()}
    row["ece_plain"] = expected_calibration_error(values, labels, bins=bins)
    row |= dict(zip(("brier", "brier_low", "brier_high"), intervals.mean_interval(squares, level), strict=True))
    whole = values / values.sum(axis=1, keepdims=True)
    loss = metrics.log_loss(labels, whole, labels=range(values.shape[1]))
    return {**row, **brier_parts(values, labels, bins=bins), "log_loss": loss}


def _error_columns(name: str, limits: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), limits, strict=True))


def _bin_numbers(values: np.ndarray, bins: int) -> np.ndarray:
    """The bin (low, high] of each value 0-1, of equal widths; 0 is in the first."""
    return np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), values, side="left") - 1, 0, bins - 1)


def _confidence(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities = check_probabilities(probabilities)
    labels = check_class_ids(labels, len(probabilities), probabilities.shape[1], "labels")
    confidence = np.minimum(probabilities.max(axis=1), 1)
    return confidence, probabilities.argmax(axis=1) == labels
