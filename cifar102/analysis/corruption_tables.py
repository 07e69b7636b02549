"""Accuracy under corruptions: per corruption and severity, their means, and errors relative to the clean images.

Source: Hendrycks & Dietterich 2019 (arXiv 1903.12261). Their mean corruption error divides by AlexNet's errors; on
CIFAR-10-C the plain mean over the 15 common corruptions and five severities is the usual number: it stands here.
"""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102.analysis.intervals import normal_quantile

SET_NAME = re.compile(r"(?P<family>.+)-(?P<corruption>[a-z_]+)-(?P<severity>[1-5])")
EXTRA = ("gaussian_blur", "saturate", "spatter", "speckle_noise")  # of CIFAR-10-C for tuning, in no mean
ALL = "mean of all"


def corruption_table(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an accuracy table that are of corruptions: set, corruption, severity, n, accuracy, low, high.

    accuracy: columns set, n, accuracy, low, high and perhaps model; a set is named `{family}-{corruption}-{severity}`.
    Rows of other sets are left out; columns beside these are kept. Sorted by corruption and severity.
    """
    parts = accuracy["set"].str.extract(SET_NAME)
    rows = accuracy.assign(**parts).dropna(subset=["severity"]).astype({"severity": int})
    first = [
        *(["model"] if "model" in rows else []),
        "family",
        "corruption",
        "severity",
        "n",
        "accuracy",
        "low",
        "high",
    ]
    others = [column for column in rows if column not in first]
    return rows[first + others].sort_values(first[:-4], kind="stable", ignore_index=True)


def corruption_means(
    correct: Mapping[str, np.ndarray], clean: np.ndarray | None = None, *, level: float = 0.95
) -> pd.DataFrame:
    """Return mean accuracy per corruption over its severities, and in the last row over all common corruptions.

    correct: set name -> bool (n,), whether the model is right on each image; all sets are the same n images in one
    order. clean: bool (n,), the same without corruption. Columns: corruption, severities (how many), n, accuracy, low,
    high, error, and with `clean` error_added (points 0-1 above the clean error, with added_low and added_high) and
    error_ratio (times the clean error; NaN where that is 0). The extra four corruptions of CIFAR-10-C get rows and are
    in no mean. Intervals are of the mean over images, each image counted once with its mean over sets, for one image's
    answers under 75 corruptions are not independent. ValueError where lengths differ or a name is no corruption.
    """
    names = {name: SET_NAME.fullmatch(name) for name in correct}
    if not names or None in names.values():
        raise ValueError(f"expected sets named family-corruption-severity, found {[n for n in names if not names[n]]}")
    sizes = {len(values) for values in correct.values()} | ({len(clean)} if clean is not None else set())
    if len(sizes) > 1:
        raise ValueError(f"expected the same images under every corruption, found sets of {sorted(sizes)} images")
    groups: dict[str, list[np.ndarray]] = {}
    for name, match in names.items():
        groups.setdefault(match["corruption"], []).append(np.asarray(correct[name], dtype=float))
    rows = [_mean_row(corruption, groups[corruption], clean, level) for corruption in sorted(groups)]
    if common := [values for corruption, part in groups.items() if corruption not in EXTRA for values in part]:
        rows.append(_mean_row(ALL, common, clean, level))
    return pd.DataFrame(rows).assign(level=level)


def _mean_row(corruption: str, parts: list[np.ndarray], clean: np.ndarray | None, level: float) -> dict[str, object]:
    shares = np.mean(parts, axis=0)
    accuracy, low, high = _mean(shares, level)
    row = {"corruption": corruption, "severities": len(parts), "n": len(shares)}
    row |= {"accuracy": accuracy, "low": low, "high": high, "error": 1 - accuracy}
    if clean is not None:
        clean = np.asarray(clean, dtype=float)
        added, added_low, added_high = _mean(clean - shares, level)
        clean_error = 1 - clean.mean()
        ratio = (1 - accuracy) / clean_error if clean_error > 0 else np.nan
        row |= {"error_added": added, "added_low": added_low, "added_high": added_high, "error_ratio": ratio}
    return row


def _mean(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """The mean over images with its normal interval; the two ends are the mean where nothing varies."""
    half = normal_quantile(level) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)
