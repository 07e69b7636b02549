"""Confidence intervals of shares, differences and means over images; and what test sets of a size can show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats
from statsmodels.stats import proportion

POWER_SIZES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
LARGEST_SET = 1e9  # beyond this the original set is what limits
BISECTIONS = 50  # halvings of an interval of length 2: below the spacing of float64 at 1


def clopper_pearson(
    successes: int | np.ndarray, n: int | np.ndarray, level: float = 0.95
) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """Return the exact (Clopper-Pearson) interval of a binomial share, 95 % unless asked otherwise.

    successes, n: integers or arrays that broadcast, 0 <= successes <= n, n >= 1. Returns (low, high): floats, or
    float64 arrays of the broadcast shape. The lower limit at 0 successes is 0, the upper one at n is 1; the other
    one is then one-sided at (1 - level) / 2. Raises ValueError. Source: Clopper & Pearson 1934, Biometrika 26.
    """
    successes, n = _counts(successes, n)
    low, high = proportion.proportion_confint(successes, n, alpha=1 - check_level(level), method="beta")
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def newcombe(
    first: int | np.ndarray,
    n_first: int | np.ndarray,
    second: int | np.ndarray,
    n_second: int | np.ndarray,
    level: float = 0.95,
) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """Return Newcombe's interval of the difference first/n_first - second/n_second of two independent shares.

    Counts as in clopper_pearson, 95 % unless asked otherwise. Returns (low, high) in -1..1.
    Source: Newcombe 1998, Statistics in Medicine 17, method 10 (from Wilson limits), as statsmodels computes it.
    """
    first, n_first = _counts(first, n_first)
    second, n_second = _counts(second, n_second)
    low, high = proportion.confint_proportions_2indep(
        first, n_first, second, n_second, method="newcomb", compare="diff", alpha=1 - check_level(level)
    )
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def paired_difference(
    only_first: int | np.ndarray, only_second: int | np.ndarray, n: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return Tango's score interval of the difference of two shares that were counted on the same n images.

    only_first, only_second: how many images only the one or the other gets right, integers or arrays of one shape. The
    difference is (only_first - only_second) / n. Returns (low, high), float64 of that shape, in -1..1; two models that
    never differ get an interval around 0 and not 0 itself. statsmodels has none for pairs, so it is solved here.
    Source: Tango 1998, Statistics in Medicine 17, 891-908.
    """
    only_first, only_second = (_counts(part, n)[0] for part in (only_first, only_second))
    if (only_first + only_second > n).any():
        raise ValueError(f"expected only_first + only_second <= n, found {only_first} and {only_second} of {n}")
    z = normal_quantile(level)
    return -_tango_upper(only_second, only_first, n, z), _tango_upper(only_first, only_second, n, z)


def paired_equivalence(only_first: int, only_second: int, n: int, margin: float) -> float:
    """Return the p value of the two one-sided tests (TOST) that two models differ by less than `margin` (0-1).

    Arguments as paired_difference; both tests use Tango's score statistic. Source: Schuirmann 1987, Tango 1998.
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin: expected a share between 0 and 1 such as 0.005, found {margin}")
    counts = np.array([only_first]), np.array([only_second])
    above, below = (_tango_score(*counts, n, np.array([place]))[0] for place in (-margin, margin))
    return float(max(stats.norm.sf(above), stats.norm.cdf(below)))


def detectable_difference(discordant: int, n: int, power: float = 0.8, level: float = 0.95) -> float:
    """Return the smallest difference (0-1) of two models on the same n images that McNemar's exact test shows.

    discordant: images that only one of them gets right. The answer is for pairs of models that disagree as often; where
    so few disagreements can show nothing, for those whose disagreements are all on one side. NaN where n cannot either.
    The power is exact: a sign test of the disagreements, whose number is binomial.
    """
    share = discordant / n
    if share and _sign_power(share, share, n, level) >= power:
        return float(optimize.brentq(lambda size: _sign_power(size, share, n, level) - power, 0, share))
    if _sign_power(1, 1, n, level) < power:
        return float("nan")
    return float(optimize.brentq(lambda size: _sign_power(size, size, n, level) - power, max(share, 1e-9), 1))


def _sign_power(difference: float, share: float, n: int, level: float) -> float:
    """The chance that an exact sign test shows a difference, where a `share` of n images is right by one model only."""
    counts = np.arange(*stats.binom.interval(1 - 1e-9, n, share), dtype=np.int64)
    counts = np.append(counts, counts[-1] + 1) if len(counts) else np.array([n])
    tail = (1 - check_level(level)) / 2
    critical = stats.binom.ppf(tail, counts, 0.5) - 1  # at most this many on the rarer side; -1: no outcome is enough
    critical += stats.binom.cdf(critical + 1, counts, 0.5) <= tail
    side = np.clip((share + difference) / (2 * share), 0, 1)
    shown = stats.binom.cdf(critical, counts, side) + stats.binom.sf(counts - critical - 1, counts, side)
    weights = stats.binom.pmf(counts, n, share)
    return float(weights @ shown / weights.sum())


def _tango_score(only_first: np.ndarray, only_second: np.ndarray, n: int, difference: np.ndarray) -> np.ndarray:
    """The score statistic of a difference: how many standard errors the observed one lies above it."""
    linear = (2 * n - only_first + only_second) * difference - only_first - only_second
    constant = -only_second * difference * (1 - difference)
    share = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0)) - linear) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    distance = only_first - only_second - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        score = distance / np.sqrt(np.maximum(variance, 0))
    return np.where(distance == 0, 0.0, score)


def _tango_upper(only_first: np.ndarray, only_second: np.ndarray, n: int, z: float) -> np.ndarray:
    """The largest difference whose score is not below -z, by bisection: it falls from the estimate to 1."""
    low = (only_first - only_second) / n
    high = np.ones_like(low)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_inside = _tango_score(only_first, only_second, n, middle) > -z
        low, high = np.where(is_inside, middle, low), np.where(is_inside, high, middle)
    return high


def mean_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return (mean, low, high) of independent values by Student's t interval, such as one number a split or a seed.

    values: float (n,), n >= 1. A single value has no spread to judge by: low and high are NaN. Where all n > 1 values
    are equal the interval is the mean itself. 95 % unless asked otherwise. Raises ValueError.
    """
    values = _sample(values, "values")
    mean, error = float(values.mean()), _standard_error(values)
    if not error > 0:
        return mean, mean + error, mean + error
    half = float(stats.t.isf((1 - check_level(level)) / 2, len(values) - 1)) * error
    return mean, mean - half, mean + half


def mean_equivalence(values: np.ndarray, margin: float) -> float:
    """Return the p value of the two one-sided t tests (TOST) that the mean lies within `margin` of zero.

    values: float (n,) as mean_interval's; margin in their unit, above 0. p below .05 says that the 90 % interval lies
    inside -margin..margin. NaN for a single value. Raises ValueError. Source: Schuirmann 1987.
    """
    values = _sample(values, "values")
    return equivalence(float(values.mean()), _standard_error(values), len(values) - 1, margin)


def equivalence(estimate: float, error: float, freedom: float, margin: float) -> float:
    """Return the p value of TOST for an estimate with its standard error and degrees of freedom (inf: normal).

    Without an error (0) p is 0 inside the margin and 1 outside; an unknown one (NaN) gives NaN. Raises ValueError.
    """
    if not margin > 0:
        raise ValueError(f"margin: expected a size above 0, found {margin}")
    if not error > 0:
        return float(abs(estimate) >= margin) if error == 0 else float("nan")
    return float(stats.t.sf((margin - abs(estimate)) / error, freedom))


def shown_difference(error: float, freedom: float, power: float = 0.8, level: float = 0.95) -> float:
    """Return the smallest difference that a two-sided t test at `level` shows with the given power; same unit as error.

    error: standard error of the estimate; freedom: its degrees of freedom (inf: normal). NaN where error is NaN.
    """
    if not error > 0:
        return float(error)
    if np.isinf(freedom):
        return float(error * (normal_quantile(level) + stats.norm.ppf(power)))
    critical = stats.t.isf((1 - check_level(level)) / 2, freedom)
    largest = critical + stats.t.ppf((1 + power) / 2, freedom) + 1
    return float(error * optimize.brentq(lambda size: stats.nct.sf(critical, freedom, size) - power, 0, 2 * largest))


def mean_difference(first: np.ndarray, second: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return (difference, low, high) of the mean scores of two independent samples of images, 0-1.

    first, second: float (n,), e.g. the share of seeds that get an image right, one value an image; n >= 1 each. Welch's
    t interval where both samples vary. A sample without any spread, such as images that are all right, has an
    uncertain mean as well: then each mean's own limits (Wilson's, Student's) are put together as Newcombe's method 10
    does. 95 % unless asked otherwise.
    """
    samples = [_sample(first, "first"), _sample(second, "second")]
    if any(sample.min() < 0 or sample.max() > 1 for sample in samples):
        raise ValueError(f"expected scores 0-1, found {[(sample.min(), sample.max()) for sample in samples]}")
    difference = float(samples[0].mean() - samples[1].mean())
    if all(np.ptp(sample) > 0 for sample in samples):
        interval = stats.ttest_ind(*samples, equal_var=False).confidence_interval(check_level(level))
        return difference, float(interval.low), float(interval.high)
    (above, below), (other_above, other_below) = (_distances(sample, level) for sample in samples)
    low, high = difference - np.hypot(below, other_above), difference + np.hypot(above, other_below)
    return difference, float(low), float(high)


def _distances(scores: np.ndarray, level: float) -> tuple[float, float]:
    """How far the upper and the lower limit lie from the mean: Wilson's where all scores are equal, else Student's."""
    mean, low, high = mean_interval(scores, level)
    if np.ptp(scores) == 0:
        low, high = proportion.proportion_confint(scores.sum(), len(scores), alpha=1 - level, method="wilson")
    return float(high - mean), float(mean - low)


def percentile_interval(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of draws (resamples,), NaN left out; (nan, nan) for none."""
    kept = np.asarray(draws, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return float("nan"), float("nan")
    tail = (1 - check_level(level)) / 2
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)


def gap_power(gap: float, n_new: int, accuracy: float, n_original: int = 10_000, level: float = 0.95) -> float:
    """Return the chance that a two-sided test at `level` shows a gap between two independent test sets.

    gap: accuracy on the original less accuracy on the new set, above 0; accuracy: on the original. All 0-1. Two
    independent proportions by the normal approximation, as statsmodels computes it: the test's variance is pooled, that
    of the difference under the gap is not.
    """
    _check(gap, accuracy)
    result = proportion.power_proportions_2indep(
        -gap,
        accuracy,
        n_new,
        ratio=n_original / n_new,
        alpha=1 - check_level(level),
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

    if shortfall(np.log(LARGEST_SET)) < 0:
        return float("inf")
    if shortfall(np.log(2.0)) >= 0:
        return 2.0
    return float(np.ceil(np.exp(optimize.brentq(shortfall, np.log(2.0), np.log(LARGEST_SET), xtol=1e-10))))


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
    sizes: Sequence[int] = POWER_SIZES,
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
            low, high = clopper_pearson(round(accuracy * size), size, level)
            rows.append((accuracy, size, detectable_gap(size, accuracy, n_original, power, level), (high - low) / 2))
    table = pd.DataFrame(rows, columns=["accuracy", "n_new", "gap", "half_width"])
    return table.assign(n_original=n_original, power=power, level=level)


def power_sentence(
    n_new: int = 2_000, accuracy: float = 0.9, n_original: int = 10_000, power: float = 0.8, level: float = 0.95
) -> str:
    """Return in one sentence what a new set of this size can and cannot show."""
    gap = detectable_gap(n_new, accuracy, n_original, power, level)
    limit = detectable_gap(int(LARGEST_SET), accuracy, n_original, power, level)
    return (
        f"{n_new:,} new images beside {n_original:,} original ones show a gap of {100 * gap:.1f} points or more at an "
        f"accuracy of {accuracy:.0%} with {power:.0%} power (two-sided, {level:.0%}); a smaller one they can miss, and "
        f"no number of new images shows one below {100 * limit:.1f} points while the original set stays as it is."
    )


def normal_quantile(level: float = 0.95) -> float:
    """Return the two-sided normal quantile of a level: 1.96 at .95."""
    return float(stats.norm.isf((1 - check_level(level)) / 2))


def check_level(level: float) -> float:
    """Return a confidence level if it lies strictly between 0 and 1 (.95, not 95); else ValueError."""
    if not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level: expected a share between 0 and 1 such as 0.95, found {level!r}")
    return level


def _counts(successes: object, n: object) -> tuple[np.ndarray, np.ndarray]:
    successes, n = np.broadcast_arrays(np.asarray(successes), np.asarray(n))
    for name, values in (("successes", successes), ("n", n)):
        if values.dtype.kind not in "iuf" or not np.array_equal(values, np.floor(values)):
            raise ValueError(f"{name}: expected whole numbers, found {values.dtype} {values.ravel()[:5].tolist()}")
    if (n < 1).any() or (successes < 0).any() or (successes > n).any():
        raise ValueError(f"expected 0 <= successes <= n and n >= 1, found successes {successes} of n {n}")
    return successes.astype(np.float64), n.astype(np.float64)


def _sample(values: np.ndarray, name: str, least: int = 1) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < least or not np.isfinite(sample).all():
        raise ValueError(f"{name}: expected at least {least} finite values, found shape {sample.shape}")
    return sample


def _standard_error(values: np.ndarray) -> float:
    """Of the mean; 0 where all values are equal (rounding aside), NaN for one value."""
    if len(values) < 2:
        return float("nan")
    return 0.0 if np.ptp(values) == 0 else float(values.std(ddof=1) / np.sqrt(len(values)))


def _check(gap: float, accuracy: float) -> None:
    if not 0 < accuracy < 1 or not 0 < gap < accuracy:
        raise ValueError(f"expected 0 < gap < accuracy < 1 (shares, not percent), found gap {gap}, accuracy {accuracy}")
