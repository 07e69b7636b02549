"""The keyword mixture of a test set: accuracy per Tiny Images keyword, and what reweighting to another mix changes."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.regression import linear_model as regression
from statsmodels.regression import mixed_linear_model

from cifar102.analysis import intervals
from cifar102.analysis.accuracies import class_name

LEAST_CLUSTERS = 5  # keywords, below which nothing is known of how they vary


@dataclass(frozen=True)
class KeywordMixture:
    """A gap before and after the new set is reweighted to the original's keyword mix; accuracies and gaps 0-1.

    original, new: plain accuracies; reweighted: the new one under the original's mix; gap = original - new,
    gap_reweighted = original - reweighted; share: what part of the gap goes (NaN limits where the gap's own interval
    holds 0, for the ratio has no bounded interval then); *_low, *_high: percentile bootstrap over the images of both
    sets at `level`. covered: share of the original's images whose class and keyword the new set has; prior_images:
    how many images' worth the class mean weighs in a keyword's accuracy (inf: keywords do not differ inside a class).
    """

    original: float
    new: float
    reweighted: float
    reweighted_low: float
    reweighted_high: float
    gap: float
    gap_low: float
    gap_high: float
    gap_reweighted: float
    gap_reweighted_low: float
    gap_reweighted_high: float
    share: float
    share_low: float
    share_high: float
    covered: float
    prior_images: float
    num_keywords: int
    n_original: int
    n_new: int
    level: float
    resamples: int


def image_table(correct: np.ndarray, labels: np.ndarray, keywords: np.ndarray) -> pd.DataFrame:
    """Return one row an image: row, label, keyword, correct (0-1: right or not, or the mean over seeds or models).

    correct: bool or float (n,); labels: integers (n,); keywords: text (n,). Raises ValueError.
    """
    table = pd.DataFrame({"label": np.asarray(labels), "keyword": np.asarray(keywords, dtype=object)})
    correct = np.asarray(correct, dtype=np.float64)
    if correct.shape != (len(table),) or not len(table):
        raise ValueError(f"correct: expected one value for each of {len(table)} images, found shape {correct.shape}")
    if not (np.isfinite(correct).all() and correct.min() >= 0 and correct.max() <= 1):
        raise ValueError(f"correct: expected values 0-1, found {correct.min()} to {correct.max()}")
    table.insert(0, "row", np.arange(len(table)))
    return table.assign(correct=correct)


def keyword_table(images: pd.DataFrame, prior_images: float | None = None, level: float = 0.95) -> pd.DataFrame:
    """Return accuracy per class and keyword, raw and shrunk towards the class mean where images are few.

    images: of image_table. Columns: label, class_name, keyword, n, accuracy, low, high (exact interval where every
    `correct` is 0 or 1, else NaN), class_accuracy, shrunk, prior_images, level. shrunk = (n accuracy + prior_images m)
    / (n + prior_images) with m the class mean over keywords of weight n / (n + prior_images); see prior_weight.
    """
    prior_images = prior_weight(images) if prior_images is None else prior_images
    groups = images.groupby(["label", "keyword"])["correct"]
    table = groups.agg(n="size", right="sum", accuracy="mean").reset_index()
    table["class_accuracy"] = table["label"].map(images.groupby("label")["correct"].mean())
    whole = bool(images["correct"].isin((0.0, 1.0)).all())
    limits = np.full((2, len(table)), np.nan)
    if whole:
        limits = intervals.clopper_pearson(table["right"].round().to_numpy(), table["n"].to_numpy(), level)
    table["low"], table["high"] = limits
    cell_class = pd.factorize(table["label"])[0]
    table["shrunk"] = _shrink(table["right"].to_numpy(), table["n"].to_numpy(), cell_class, prior_images)
    table["class_name"] = [class_name(int(label)) for label in table["label"]]
    columns = ["label", "class_name", "keyword", "n", "accuracy", "low", "high", "class_accuracy", "shrunk"]
    return table[columns].assign(prior_images=prior_images, level=level)


def keyword_pairs(original: pd.DataFrame, new: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the accuracies of the keywords that both sets have: class_name, keyword, n_original, original, n_new, new,
    gap, level. original, new: of image_table. Accuracies are shrunk towards their class means (keyword_table)."""
    columns = ["label", "class_name", "keyword", "n", "shrunk"]
    tables = [keyword_table(images, level=level)[columns] for images in (original, new)]
    both = tables[0].merge(tables[1], on=columns[:3], suffixes=("_original", "_new"))
    both = both.rename(columns={"shrunk_original": "original", "shrunk_new": "new"}).assign(level=level)
    both.insert(7, "gap", both["original"] - both["new"])
    return both.drop(columns="label")


def clustered_gaps(original: pd.DataFrame, new: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the gap with three intervals: over images, over keywords as clusters, and of a multilevel model.

    original, new: of image_table. Images of one keyword are alike, so they say less than as many of all keywords. Rows:
    "images" (mean_difference), "keyword clusters" (least squares with standard errors that are robust to clusters of
    class and keyword, which both sets share) and "multilevel model" (a random level a keyword, by restricted maximum
    likelihood; it compares images inside their keywords, so its gap is another). Columns: method, gap, low, high,
    clusters, level. The last two have NaN limits below 5 keywords. Source: statsmodels.
    """
    both = pd.concat([original.assign(is_new=0.0), new.assign(is_new=1.0)], ignore_index=True)
    group = both.groupby(["label", "keyword"]).ngroup()
    rows = [("images", *intervals.mean_difference(original["correct"].to_numpy(), new["correct"].to_numpy(), level))]
    count, z = group.nunique(), intervals.normal_quantile(level)
    design = np.column_stack([np.ones(len(both)), both["is_new"]])
    fits = {}
    if count >= LEAST_CLUSTERS:
        least_squares = regression.OLS(both["correct"].to_numpy(), design)
        fits["keyword clusters"] = least_squares.fit(cov_type="cluster", cov_kwds={"groups": group.to_numpy()})
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # where keywords do not differ their variance is 0, at the edge of the space
            model = mixed_linear_model.MixedLM(both["correct"].to_numpy(), design, group.to_numpy())
            fits["multilevel model"] = model.fit(reml=True)
    for name in ("keyword clusters", "multilevel model"):
        gap, error = (-fits[name].params[1], fits[name].bse[1]) if name in fits else (rows[0][1], np.nan)
        rows.append((name, gap, gap - z * error, gap + z * error))
    return pd.DataFrame(rows, columns=["method", "gap", "low", "high"]).assign(clusters=count, level=level)


def prior_weight(images: pd.DataFrame) -> float:
    """Return how many images the class mean is worth: variance inside keywords over variance between them.

    One-way random-effects ANOVA estimator over all classes, keywords nested in classes; inf where keywords vary no more
    than chance makes them. Source: Searle, Casella & McCulloch 1992, Variance Components, section 3.6.
    """
    groups = images.groupby(["label", "keyword"])["correct"].agg(["size", "mean", "var"]).reset_index()
    sizes = groups["size"]
    class_means = groups["label"].map(images.groupby("label")["correct"].mean())
    inside_freedom = (sizes - 1).sum()
    between_freedom = len(groups) - groups["label"].nunique()
    if inside_freedom < 1 or between_freedom < 1:
        return float("inf")
    inside = (groups["var"].fillna(0) * (sizes - 1)).sum() / inside_freedom
    between = (sizes * (groups["mean"] - class_means) ** 2).sum() / between_freedom
    by_class = sizes.groupby(groups["label"])
    mean_size = (sizes.sum() - (by_class.agg(lambda n: (n**2).sum()) / by_class.sum()).sum()) / between_freedom
    return float(inside * mean_size / (between - inside)) if between > inside else float("inf")


def keyword_reweighted(
    original: pd.DataFrame,
    new: pd.DataFrame,
    *,
    prior_images: float | None = None,
    level: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> KeywordMixture:
    """Return how much of the gap goes when the new set is reweighted to the original's mix of keywords.

    original, new: of image_table, one model (or the mean of several). Every class and keyword of the original counts
    with its share there; its accuracy is the new set's, shrunk towards the class mean (keyword_table); keywords the new
    set lacks count with the class mean. 95 % bootstrap over images unless asked otherwise; prior_images is estimated
    once, on the whole new set. Raises ValueError where a class of the original is missing from the new set.
    """
    if missing := sorted(set(original["label"]) - set(new["label"])):
        raise ValueError(f"new: has no image of the classes {[class_name(int(label)) for label in missing]}")
    prior_images = prior_weight(new) if prior_images is None else prior_images
    cells = _Cells.of(original, new)
    point = cells.accuracies(np.ones(len(original)), np.ones(len(new)), prior_images)
    draws = cells.draws(prior_images, resamples, seed)
    gap, rest = (draws[:, 0] - draws[:, i] for i in (1, 2))
    gap_limits = intervals.percentile_interval(gap, level)
    has_gap = gap_limits[0] > 0 or gap_limits[1] < 0
    share = (gap - rest)[gap != 0] / gap[gap != 0]
    total = point[0] - point[1]
    return KeywordMixture(
        *point,
        *intervals.percentile_interval(draws[:, 2], level),
        total,
        *gap_limits,
        point[0] - point[2],
        *intervals.percentile_interval(rest, level),
        (point[2] - point[1]) / total if total else float("nan"),
        *(intervals.percentile_interval(share, level) if has_gap else (float("nan"), float("nan"))),
        *(cells.covered, float(prior_images), cells.count, len(original), len(new), level, resamples),
    )


@dataclass(frozen=True)
class _Cells:
    """Two image tables as cell numbers (one per class and keyword) and correctness, ready for a bootstrap."""

    original_cell: np.ndarray
    new_cell: np.ndarray
    original_correct: np.ndarray
    new_correct: np.ndarray
    cell_class: np.ndarray

    @classmethod
    def of(cls, original: pd.DataFrame, new: pd.DataFrame) -> "_Cells":
        both = pd.concat([original, new], ignore_index=True)
        cell = both.groupby(["label", "keyword"]).ngroup().to_numpy()
        cell_class = np.zeros(cell.max() + 1, dtype=np.int64)
        cell_class[cell] = pd.factorize(both["label"])[0]
        parts = (cell[: len(original)], cell[len(original) :], original["correct"], new["correct"], cell_class)
        return cls(*(np.asarray(part) for part in parts))

    @property
    def count(self) -> int:
        return len(self.cell_class)

    @property
    def covered(self) -> float:
        return float(np.isin(self.original_cell, self.new_cell).mean())

    def accuracies(self, original_weight: np.ndarray, new_weight: np.ndarray, prior: float) -> tuple[float, ...]:
        """Weighted accuracy on the original, on the new set, and on the new set under the original's mix."""
        mix = np.bincount(self.original_cell, original_weight, self.count)
        n = np.bincount(self.new_cell, new_weight, self.count)
        right = np.bincount(self.new_cell, new_weight * self.new_correct, self.count)
        shrunk = _shrink(right, n, self.cell_class, prior)
        original = float(original_weight @ self.original_correct / original_weight.sum())
        return original, float(right.sum() / n.sum()), float(mix @ shrunk / mix.sum())

    def draws(self, prior: float, resamples: int, seed: int) -> np.ndarray:
        """The same three accuracies on images drawn anew from both sets, float64 (resamples, 3)."""
        rng, sizes = np.random.default_rng(seed), (len(self.original_cell), len(self.new_cell))
        drawn = [self.accuracies(*(_weights(rng, n) for n in sizes), prior) for _ in range(resamples)]
        return np.array(drawn).reshape(-1, 3)


def _shrink(right: np.ndarray, n: np.ndarray, cell_class: np.ndarray, prior: float) -> np.ndarray:
    """Accuracy per cell drawn to its class mean, the one that weighs a keyword by n / (n + prior).

    With this mean (the random-effects estimate) an unchanged keyword mix gives back the plain accuracy exactly.
    """
    if not prior > 0:
        raise ValueError(f"prior_images: expected a number above 0 (inf: class means alone), found {prior}")
    weight = n.astype(np.float64) if np.isinf(prior) else n / (n + prior)
    share = np.divide(right, n, out=np.zeros(len(n)), where=n > 0)
    total = np.bincount(cell_class, weight)
    mean = np.bincount(cell_class, weight * share)
    mean = np.divide(mean, total, out=np.full(len(total), right.sum() / n.sum()), where=total > 0)[cell_class]
    return mean if np.isinf(prior) else (right + prior * mean) / (n + prior)


def _weights(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.bincount(rng.integers(n, size=n), minlength=n)
