"""Power: how large a new test set must be to show a gap, and how small a gap a given set can show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize
from statsmodels.stats import proportion

from cifar102.analysis import intervals

SIZES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
LARGEST = 1e9  # beyond this the original set is what limits


def gap_power(gap: float, n_new: int, accuracy: float, n_original: int = 10_000, level: float = 0.95) -> float:
    """Return the chance that a two-sided test at `level` shows a gap between two independent test sets.

    gap: accuracy on the original less accuracy on the new set, above 0; accuracy: on the original. All 0-1. Two
    independent proportions with unpooled variance, as statsmodels computes it.
    """
    _check(gap, accuracy)
    result = proportion.power_proportions_2indep(
        -gap,
        accuracy,
        n_new,
        ratio=n_original / n_new,
        alpha=1 - intervals.check_level(level),
        return_results=False,
    )
    return float(result)


def images_needed(
    gap: float, accuracy: float, n_original: int = 10_000, power: float = 0.8, level: float = 0.95
) -> float:
    """Return how many new images show a gap with the given power; inf where the original set is too small.

    Arguments as gap_power.
    """

    def shortfall(log_size: float) -> float:
        return gap_power(gap, float(np.exp(log_size)), accuracy, n_original, level) - power

    if shortfall(np.log(LARGEST)) < 0:
        return float("inf")
    if shortfall(np.log(2.0)) >= 0:
        return 2.0
    return float(np.ceil(np.exp(optimize.brentq(shortfall, np.log(2.0), np.log(LARGEST), xtol=1e-10))))


def detectable_gap(
    n_new: int, accuracy: float, n_original: int = 10_000, power: float = 0.8, level: float = 0.95
) -> float:
    """Return the smallest gap (0-1) that n_new images show with the given power; NaN where not even accuracy - 0 is."""

    def shortfall(gap: float) -> float:
        return gap_power(gap, n_new, accuracy, n_original, level) - power

    largest = accuracy * (1 - 1e-6)
    return float(optimize.brentq(shortfall, 1e-6, largest)) if shortfall(largest) >= 0 else float("nan")


def power_table(
    accuracies: Sequence[float] = (0.7, 0.8, 0.9, 0.95),
    gaps: Sequence[float] = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08),
    *,
    n_original: int = 10_000,
    power: float = 0.8,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the new images needed per accuracy and gap.

    Columns: accuracy, gap, n_new (inf: no number of images does), n_original, power, level.
    """
    rows = [(a, gap, images_needed(gap, a, n_original, power, level)) for a in accuracies for gap in gaps]
    table = pd.DataFrame(rows, columns=["accuracy", "gap", "n_new"])
    return table.assign(n_original=n_original, power=power, level=level)


def power_curve(
    accuracies: Sequence[float] = (0.7, 0.8, 0.9, 0.95),
    sizes: Sequence[int] = SIZES,
    *,
    n_original: int = 10_000,
    power: float = 0.8,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the smallest gap shown per accuracy and size of the new set, all 0-1.

    Columns: accuracy, n_new, gap, half_width (of the exact interval of the new accuracy), n_original, power, level.
    """
    rows = []
    for accuracy in accuracies:
        for size in sizes:
            low, high = intervals.clopper_pearson(round(accuracy * size), size, level)
            rows.append((accuracy, size, detectable_gap(size, accuracy, n_original, power, level), (high - low) / 2))
    table = pd.DataFrame(rows, columns=["accuracy", "n_new", "gap", "half_width"])
    return table.assign(n_original=n_original, power=power, level=level)


def power_sentence(
    n_new: int = 2_000, accuracy: float = 0.9, n_original: int = 10_000, power: float = 0.8, level: float = 0.95
) -> str:
    """Return in one sentence what a new set of this size can and cannot show."""
    gap = detectable_gap(n_new, accuracy, n_original, power, level)
    limit = detectable_gap(int(LARGEST), accuracy, n_original, power, level)
    return (
        f"{n_new:,} new images beside {n_original:,} original ones show a gap of {100 * gap:.1f} points or more at an "
        f"accuracy of {accuracy:.0%} with {power:.0%} power (two-sided, {level:.0%}); a smaller one they can miss, and "
        f"no number of new images shows one below {100 * limit:.1f} points while the original set stays as it is."
    )


def _check(gap: float, accuracy: float) -> None:
    if not 0 < accuracy < 1 or not 0 < gap < accuracy:
        raise ValueError(f"expected 0 < gap < accuracy < 1 (shares, not percent), found gap {gap}, accuracy {accuracy}")
