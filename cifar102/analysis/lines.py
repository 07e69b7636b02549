"""Lines of new on original accuracy on three axes, their bands, and who stands above them (effective robustness)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special, stats

from cifar102.analysis import intervals

CLIP = 0.5 / 10_000  # half an image of CIFAR-10's test set: what an accuracy of 0 or 1 becomes on logit and probit axes
BLOCK = 10_000  # resamples drawn at once, so that memory stays small
CELLS = 1 << 20  # of a block where there are many models; larger ones wait for memory
LOW_ACCURACY = 0.1  # models this far below the mean original accuracy are asked whether they carry the fit alone
AXES: dict[str, tuple[Callable, Callable]] = {
    "linear": (lambda share: 100 * share, lambda value: value / 100),
    "logit": (special.logit, special.expit),
    "probit": (stats.norm.ppf, stats.norm.cdf),
}


@dataclass(frozen=True)
class LineFit:
    """A least-squares line of new on original accuracy on one axis (linear: in percent).

    r2: squared correlation; p_value: of a slope of zero (t test); n: models; *_low, *_high: percentile bootstrap over
    models at `level` (NaN without resamples); num_clipped: accuracies at 0 or 1 that were moved by CLIP; warning: a
    sentence where low-accuracy models carry the fit, else "".
    """

    axis: str
    slope: float
    intercept: float
    r2: float
    p_value: float
    n: int
    slope_low: float
    slope_high: float
    intercept_low: float
    intercept_high: float
    level: float
    resamples: int
    num_clipped: int
    warning: str

    def predict(self, original: np.ndarray) -> np.ndarray:
        """Return the new accuracy (0-1) that the line gives for original accuracies (0-1)."""
        return from_axis(self.slope * to_axis(original, self.axis) + self.intercept, self.axis)


def fit_line(
    original: np.ndarray,
    new: np.ndarray,
    axis: str = "probit",
    *,
    level: float = 0.95,
    resamples: int = 100_000,
    seed: int = 0,
    clusters: Sequence[str] | None = None,
) -> LineFit:
    """Fit new on original accuracy over models, least squares on a "linear" (percent), "logit" or "probit" axis.

    original, new: accuracies 0-1, (models,), at least 3 models that differ. Accuracies of 0 or 1 have no place on logit
    and probit axes: they are moved by CLIP (.00005) and counted in num_clipped. The 95 % interval (`level`) is a
    percentile bootstrap over models, or over `clusters` of them (a name a model, such as its family, drawn with all its
    models). Raises ValueError. Source: Recht et al. 2018 (arXiv 1806.00451), section 4.
    """
    original, new = check_accuracies(original, new)
    x, y = to_axis(original, axis), to_axis(new, axis)
    if np.ptp(x) == 0:
        raise ValueError(f"original: a line needs models of different accuracy, found {len(x)} of {original[0]}")
    line = stats.linregress(x, y)
    if clusters is None:
        slopes, starts = _bootstrap(x, y, resamples, seed)
    else:
        slopes, starts = _cluster_bootstrap(x, y, clusters, resamples, seed)
    return LineFit(
        axis,
        float(line.slope),
        float(line.intercept),
        float(line.rvalue**2),
        float(line.pvalue),
        len(x),
        *intervals.percentile_interval(slopes, level),
        *intervals.percentile_interval(starts, level),
        level,
        resamples,
        0 if axis == "linear" else int(_at_edge(original).sum() + _at_edge(new).sum()),
        _leverage_warning(original, x, y),
    )


def band(
    original: np.ndarray,
    new: np.ndarray,
    axis: str = "probit",
    *,
    at: np.ndarray | None = None,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the fitted line with its bootstrap band over models: original, new, low, high (0-1), axis, level.

    at: original accuracies (0-1) where the band is wanted; without it 101 places over the models' range.
    """
    fit = fit_line(original, new, axis, level=level, resamples=0)
    original, new = check_accuracies(original, new)
    at = np.linspace(original.min(), original.max(), 101) if at is None else np.asarray(at, dtype=np.float64)
    lines = _bootstrap(to_axis(original, axis), to_axis(new, axis), resamples, seed)
    return _band_table(fit, at, *lines)


def image_band(
    original: np.ndarray,
    new: np.ndarray,
    axis: str = "probit",
    *,
    at: np.ndarray | None = None,
    level: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> tuple[LineFit, pd.DataFrame]:
    """Return (fit, band) with the bootstrap over images: the models are fixed, both test sets are drawn anew.

    original, new: bool or float (n, models) as accuracies.correctness gives, the models in one order. The fit's slope
    and intercept intervals are over images here. Accuracies that a draw brings to 0 or 1 are clipped.
    """
    tables = [np.asarray(table, dtype=np.float64) for table in (original, new)]
    if any(table.ndim != 2 for table in tables) or tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(f"expected (images, models) twice, found shapes {[table.shape for table in tables]}")
    means = [table.mean(axis=0) for table in tables]
    fit = fit_line(*means, axis, level=level, resamples=0)
    rng = np.random.default_rng(seed)
    x, y = (to_axis(resampled_accuracies(table, resamples, rng), axis) for table in tables)
    slopes, starts = _lines(x, y)
    limits = [*intervals.percentile_interval(slopes, level), *intervals.percentile_interval(starts, level)]
    names = ("slope_low", "slope_high", "intercept_low", "intercept_high")
    at = np.linspace(means[0].min(), means[0].max(), 101) if at is None else np.asarray(at, dtype=np.float64)
    fit = LineFit(**vars(fit) | dict(zip(names, limits, strict=True)) | {"resamples": resamples})
    return fit, _band_table(fit, at, slopes, starts)


def influence(original: np.ndarray, new: np.ndarray, axis: str = "probit") -> pd.DataFrame:
    """Return the fit with each model left out: model, slope, intercept, slope_change, r2; the most influential first.

    original, new: accuracies 0-1 of at least 4 models; a Series' index names them.
    """
    names = model_names(original)
    full = fit_line(original, new, axis, resamples=0)
    original, new = check_accuracies(original, new, least=4)
    rows = []
    for i, name in enumerate(names):
        fit = fit_line(np.delete(original, i), np.delete(new, i), axis, resamples=0)
        rows.append((name, fit.slope, fit.intercept, fit.slope - full.slope, fit.r2))
    table = pd.DataFrame(rows, columns=["model", "slope", "intercept", "slope_change", "r2"])
    return table.sort_values("slope_change", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def effective_robustness(
    original: np.ndarray,
    new: np.ndarray,
    line: LineFit | None = None,
    *,
    axis: str = "logit",
    n_original: int | np.ndarray | None = None,
    n_new: int | np.ndarray | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return each model's new accuracy less what the line of the standard models gives for its original accuracy.

    original, new: accuracies 0-1, (models,), a Series' index names them. line: fit_line of the standard models; without
    it the models themselves are the standard, on `axis` (Taori et al. fit on logit axes; Miller et al. 2021 on probit).
    Columns: model, original, new, predicted, effective_robustness, low, high, level, axis. low and high take the line
    as known and both accuracies as binomial (Clopper-Pearson limits put together as MOVER does); NaN without
    n_original, n_new (images, a number or one a model). Source: Taori et al. 2020 (arXiv 2007.00644), section 2: rho(f)
    = acc2(f) - beta(acc1(f)).
    """
    names = model_names(original)
    line = line or fit_line(original, new, axis, level=level, resamples=0)
    original, new = check_accuracies(original, new, least=1)
    predicted = line.predict(original)
    low, high = np.full((2, len(new)), np.nan)
    if n_original is not None and n_new is not None:
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


def beside_others(
    original: pd.Series, new: pd.Series, axis: str = "logit", *, level: float = 0.95, **sizes: int
) -> pd.DataFrame:
    """Return effective_robustness of each model beside the line of all others, which are the standard for it.

    original, new: accuracies 0-1 by model, at least 4 models; sizes: n_original, n_new.
    """
    return effective_robustness(original, new, line_of_others(original, new, axis), level=level, **sizes)


def line_of_others(original: pd.Series, new: pd.Series, axis: str = "logit") -> LineFit:
    """Return a line for each model, fitted to all others: the fit of all, with slope and intercept arrays (models,).

    original, new: accuracies 0-1 by model, at least 4 models. ValueError where the others of one have one accuracy.
    """
    fit = fit_line(original, new, axis, resamples=0)
    x, y = (to_axis(side, axis) for side in check_accuracies(original, new))
    off, count = (x - x.mean(), y - y.mean()), len(x)
    weight = count / (count - 1)  # of what one model takes along from a sum of squares about the mean
    spread = (off[0] ** 2).sum() - weight * off[0] ** 2
    if count < 4 or (spread < 1e-12).any():
        raise ValueError(f"original: a line of the others needs three of different accuracy, found {count} models")
    slopes = ((off[0] * off[1]).sum() - weight * off[0] * off[1]) / spread
    means = [side.mean() - part / (count - 1) for side, part in zip((x, y), off, strict=True)]
    return replace(fit, slope=slopes, intercept=means[1] - slopes * means[0])


def robustness_interval(
    own: Sequence[np.ndarray],
    standard: Sequence[np.ndarray],
    axis: str = "logit",
    *,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return (low, high) of one model's effective robustness where the line is not known but estimated.

    own: bool (n,) twice, which images of the original and of the new set the model gets right; standard: bool (n,
    models) twice, the same of the standard models. In each draw both sets of images and the standard models are drawn
    with replacement, and the line is fitted anew; the model is judged on the images that the line is fitted on.
    """
    rng = np.random.default_rng(seed)
    sides = []
    for mine, others in zip(own, standard, strict=True):
        sides.append(to_axis(resampled_accuracies(np.column_stack([mine, others]).astype(bool), resamples, rng), axis))
    models = rng.integers(1, sides[0].shape[1], size=(resamples, sides[0].shape[1] - 1))
    slopes, starts = _lines(*(np.take_along_axis(side, models, axis=1) for side in sides))
    draws = from_axis(sides[1][:, 0], axis) - from_axis(slopes * sides[0][:, 0] + starts, axis)
    return intervals.percentile_interval(draws, level)


def to_axis(share: np.ndarray, axis: str) -> np.ndarray:
    """Put accuracies (0-1) on an axis: percent, log odds, or normal quantiles; 0 and 1 are clipped on the last two."""
    if axis not in AXES:
        raise ValueError(f"axis: expected one of {list(AXES)}, found {axis!r}")
    share = np.asarray(share, dtype=np.float64)
    return AXES[axis][0](share if axis == "linear" else np.clip(share, CLIP, 1 - CLIP))


def from_axis(value: np.ndarray, axis: str) -> np.ndarray:
    """Bring values of an axis back to accuracies (0-1); the inverse of to_axis."""
    if axis not in AXES:
        raise ValueError(f"axis: expected one of {list(AXES)}, found {axis!r}")
    return AXES[axis][1](np.asarray(value, dtype=np.float64))


def check_accuracies(original: np.ndarray, new: np.ndarray, least: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 (models,) if they are at least `least` accuracies 0-1 each, as many as each other."""
    if isinstance(original, pd.Series) and isinstance(new, pd.Series) and set(original.index) != set(new.index):
        raise ValueError("original and new name different models")
    if isinstance(original, pd.Series) and isinstance(new, pd.Series) and original.index.is_unique:
        new = new.loc[original.index]
    checked = []
    for name, values in (("original", original), ("new", new)):
        values = np.asarray(values)
        if values.dtype.kind not in "iuf":
            raise ValueError(f"{name}: expected accuracies 0-1, found {values.dtype} {values.ravel()[:3].tolist()}")
        values = values.astype(np.float64)
        if values.ndim != 1 or len(values) < least:
            raise ValueError(f"{name}: expected accuracies of at least {least} models, found shape {values.shape}")
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ValueError(f"{name}: expected accuracies 0-1 (not percent), found {values.min()} to {values.max()}")
        checked.append(values)
    if len(checked[0]) != len(checked[1]):
        raise ValueError(f"original holds {len(checked[0])} models, new {len(checked[1])}; expected the same models")
    return checked[0], checked[1]


def model_names(values: np.ndarray | pd.Series) -> list[str]:
    """Return the models' names: a Series' index, else "0", "1" and so on."""
    return [str(name) for name in (values.index if isinstance(values, pd.Series) else range(len(values)))]


def _bootstrap(x: np.ndarray, y: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if not resamples:
        return np.empty(0), np.empty(0)
    rng = np.random.default_rng(seed)
    parts = [np.empty((2, 0))]
    block = min(BLOCK, max(1, CELLS // len(x)))
    for start in range(0, resamples, block):
        chosen = rng.integers(len(x), size=(min(block, resamples - start), len(x)))
        parts.append(np.stack(_lines(x[chosen], y[chosen])))
    slopes, starts = np.concatenate(parts, axis=1)
    return slopes, starts


def _cluster_bootstrap(
    x: np.ndarray, y: np.ndarray, clusters: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts where whole clusters are drawn, each with all its models; NaN where all x are one."""
    codes, names = cluster_codes(clusters, len(x))
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)[:, codes]
    return weighted_lines(x[None], y[None], weights)


def cluster_codes(clusters: Sequence[str], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster number of each model, int (models,), and the names of the clusters; ValueError."""
    codes, names = pd.factorize(np.asarray(clusters, dtype=object))
    if len(codes) != count or (codes < 0).any():
        raise ValueError(f"clusters: expected a name for each of {count} models, found {len(codes)}")
    return codes, names


def weighted_lines(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes and intercepts (draws,) of weighted least squares; NaN where all x of weight are one.

    x, y: float (draws, models), or (1, models) where they are the same in each draw; weights: (draws, models).
    """
    total, center = weights.sum(axis=1), x.mean()
    x_mean, y_mean = ((weights * side).sum(axis=1) / total for side in (x - center, y))
    spread = (weights * (x - center) ** 2).sum(axis=1) / total - x_mean**2
    shared = (weights * (x - center) * y).sum(axis=1) / total - x_mean * y_mean
    slopes = np.divide(shared, spread, out=np.full(len(total), np.nan), where=spread > 1e-12)
    return slopes, y_mean - slopes * (x_mean + center)


def _lines(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts of many least-squares lines, rows (resamples, models); NaN where all x are one."""
    x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
    spread = ((x - x_mean[:, None]) ** 2).sum(axis=1)
    shared = ((x - x_mean[:, None]) * (y - y_mean[:, None])).sum(axis=1)
    slopes = np.divide(shared, spread, out=np.full(len(x), np.nan), where=spread > 1e-12)
    return slopes, y_mean - slopes * x_mean


def resampled_accuracies(table: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return accuracies (resamples, models) on images drawn with replacement, of bool or 0-1 (n, models).

    Of bool, images that the same models get right are drawn together, which is much faster.
    """
    if table.dtype != bool:
        return rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=resamples) @ table / len(table)
    packed, counts = np.unique(np.packbits(table, axis=1), axis=0, return_counts=True)
    patterns = np.unpackbits(packed, axis=1, count=table.shape[1]).astype(np.float64)
    return rng.multinomial(len(table), counts / len(table), size=resamples) @ patterns / len(table)


def _band_table(fit: LineFit, at: np.ndarray, slopes: np.ndarray, starts: np.ndarray) -> pd.DataFrame:
    kept = np.isfinite(slopes)
    drawn = from_axis(slopes[kept, None] * to_axis(at, fit.axis) + starts[kept, None], fit.axis)
    tail = (1 - fit.level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0) if len(drawn) else np.full((2, len(at)), np.nan)
    columns = {"original": at, "new": fit.predict(at), "low": low, "high": high}
    return pd.DataFrame(columns | {"axis": fit.axis, "level": fit.level})


def _leverage_warning(original: np.ndarray, x: np.ndarray, y: np.ndarray) -> str:
    """A sentence where the slope without the few low-accuracy models leaves the fit's own 95 % interval, else ""."""
    low = original < original.mean() - LOW_ACCURACY
    rest = ~low
    if not low.any() or rest.sum() < 3 or low.sum() > len(x) / 3 or np.ptp(x[rest]) == 0:
        return ""
    full, without = stats.linregress(x, y), stats.linregress(x[rest], y[rest])
    noise = max(stats.t.isf(0.025, len(x) - 2) * full.stderr, 0.01 * abs(full.slope))
    if abs(without.slope - full.slope) <= noise:
        return ""
    return (
        f"{low.sum()} of {len(x)} models are {100 * LOW_ACCURACY:.0f} points or more below the mean and carry the fit: "
        f"slope {full.slope:.3f} with them, {without.slope:.3f} without"
    )


def _at_edge(share: np.ndarray) -> np.ndarray:
    return (share < CLIP) | (share > 1 - CLIP)


def _interval(
    line: LineFit, original_limits: tuple, predicted: np.ndarray, new: np.ndarray, new_limits: tuple
) -> tuple[np.ndarray, np.ndarray]:
    limits = np.sort(line.predict(np.array(original_limits)), axis=0)
    low = new - predicted - np.hypot(new - new_limits[0], limits[1] - predicted)
    return low, new - predicted + np.hypot(new_limits[1] - new, predicted - limits[0])


def _limits(share: np.ndarray, n: int | np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    return intervals.clopper_pearson(np.rint(share * n).astype(int), n, level)
