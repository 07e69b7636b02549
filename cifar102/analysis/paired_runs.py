"""Runs that differ in one thing, seed by seed on the same images: their difference, and which may be the best (Hsu).

A mean over three seeds is uncertain for two reasons: other images, and other seeds. The images are many and recorded,
so their part is known well; the seeds are few. The variance here is that of the paired bootstrap over images and seeds,
computed instead of drawn, and Student's quantile stretches it as far as its seeds' part asks for (docs/statistics.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from cifar102.analysis import intervals

MARGIN = 0.02  # two arms count as equal where their difference is shown to lie within 2 points
NODES = 64  # of the quadratures of _best_chance, exact to more digits than anybody reads
NOTHING = ("difference", "low", "high", "p", "p_equal", "shown", "error", "freedom")


@dataclass(frozen=True)
class RunScore:
    """What one run scores (0-1, or a difference of such), and how much of it each image carries.

    influence: name of a set of images -> float64 (images of the set,), by how much the score would rise if the image
    counted double; 0 for images it was not tested on. num_images: tested images; 0 where none is recorded.
    """

    value: float
    influence: Mapping[str, np.ndarray] = field(default_factory=dict)
    num_images: int = 0

    def __sub__(self, other: "RunScore") -> "RunScore":
        """The difference of two scores; images that both were tested on are paired."""
        influence = dict(self.influence)
        for name, values in other.influence.items():
            influence[name] = influence[name] - values if name in influence else -values
        counts = [score.num_images for score in (self, other) if score.num_images]
        return RunScore(self.value - other.value, influence, min(counts, default=0))

    @property
    def vector(self) -> np.ndarray:
        """All influences, the sets in order of their names."""
        return np.concatenate([np.empty(0), *(self.influence[name] for name in sorted(self.influence))])


def score_images(right: np.ndarray, name: str, rows: np.ndarray | None = None, size: int | None = None) -> RunScore:
    """Return the share of right answers as a RunScore.

    right: bool (n,), which images are right; name: of the set they belong to; rows: their places in it, int (n,), where
    they are not the whole set (a place may stand there twice); size: images of the set.
    """
    right = np.asarray(right, dtype=np.float64)
    rows = np.arange(len(right)) if rows is None else np.asarray(rows)
    if right.shape != rows.shape or not len(right):
        raise ValueError(f"{name}: expected a place for each of the answers, found {rows.shape} for {right.shape}")
    share = right.mean()
    influence = np.bincount(rows, (right - share) / len(right), minlength=size or 0)
    return RunScore(float(share), {name: influence}, len(np.unique(rows)))


def compare_runs(
    first: Mapping[int, RunScore],
    second: Mapping[int, RunScore] | None = None,
    *,
    margin: float = MARGIN,
    level: float = 0.95,
) -> dict[str, float]:
    """Return the mean difference of two arms over the seeds that both have; without `second`, the mean of `first`.

    first, second: seed -> RunScore. Returns num_pairs, num_images (of a seed, paired), difference, low, high (95 %
    unless asked otherwise), p (two-sided), p_equal (TOST: the difference lies within `margin`), shown (the smallest
    difference that this design shows with 80 % power), error, freedom. NaN where nothing can be judged by: no seed, or
    one seed (or seeds that do not differ) without recorded images. With one seed the interval is over images alone.
    """
    seeds = sorted(first if second is None else set(first) & set(second))
    scores = [first[seed] if second is None else first[seed] - second[seed] for seed in seeds]
    counts = {"num_pairs": len(scores), "num_images": min((score.num_images for score in scores), default=0)}
    if not scores:
        return counts | dict.fromkeys(NOTHING, float("nan"))
    difference = float(np.mean([score.value for score in scores]))
    error, freedom = _error([score.value for score in scores], [score.vector for score in scores], counts["num_images"])
    half = error * stats.t.isf((1 - intervals.check_level(level)) / 2, freedom)
    return counts | {
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "p": 2 * float(stats.t.sf(abs(difference) / error, freedom)),
        "p_equal": intervals.equivalence(difference, error, freedom, margin),
        "shown": intervals.shown_difference(error, freedom, level=level),
        "error": error,
        "freedom": freedom,
    }


def _error(values: Sequence[float], vectors: Sequence[np.ndarray], num_images: int) -> tuple[float, float]:
    """The standard error of the mean of a difference over seeds, and its degrees of freedom; NaN for unknown.

    The seeds' variance holds a part of the images' (all of it where each seed has images of its own), which would count
    twice and is taken off. Degrees of freedom: Satterthwaite 1946, Biometrics Bulletin 2; images have no end of them.
    """
    count = len(values)
    of_images, repeated = _image_variances(vectors, num_images)
    if count == 1:
        return (float(np.sqrt(of_images)), float("inf")) if num_images else (float("nan"), float("nan"))
    of_seeds = np.var(values, ddof=1) / count
    if not num_images and of_seeds < 1e-24:
        return float("nan"), float("nan")
    total = of_images + max(0.0, of_seeds - repeated)
    return float(np.sqrt(total)), float((count - 1) * (total / of_seeds) ** 2) if of_seeds > 0 else float("inf")


def _image_variances(vectors: Sequence[np.ndarray], num_images: int) -> tuple[float, float]:
    """The variance of the mean over seeds by the choice of images, and what of it the seeds' variance holds already.

    One more image on which only the first arm is right and one for the second keep it above 0 where no answer differs.
    """
    if not num_images:
        return 0.0, 0.0
    together = float((np.mean(vectors, axis=0) ** 2).sum())
    alone = float(np.mean([(vector**2).sum() for vector in vectors]))
    repeated = (alone - together) / (len(vectors) - 1) if len(vectors) > 1 else 0.0
    return together + 2 / num_images**2, repeated


def beside_best_arm(arms: Mapping[str, Mapping[int, RunScore]], level: float = 0.95) -> pd.DataFrame:
    """Return how far each arm lies from the best of the others: multiple comparisons with the best (Hsu).

    arms: arm -> seed -> RunScore. Returns, best first, arm, n, mean, sd, difference (to the best of the other arms),
    low, high, p, shown (about the smallest such difference that the design shows with 80 % power), is_same (the arm may
    be the best, or as good). All intervals hold at once at `level`. low is 0 for an
    arm that is shown to be the best, high is 0 for one that is shown not to be. They allow for the best being chosen
    from the same numbers. Seeds that all arms have are blocks; one deviation over seeds is taken for all arms. low,
    high, p are NaN where nothing can be judged by. Source: Hsu 1984, Annals of Statistics 12; Hsu 1996, chapter 4.
    """
    arms = {arm: scores for arm, scores in arms.items() if scores}
    if not arms:
        raise ValueError("expected at least one arm with runs, found none")
    mean = {arm: np.mean([score.value for score in scores.values()]) for arm, scores in arms.items()}
    names = sorted(arms, key=lambda arm: -mean[arm])
    values = [[score.value for score in arms[arm].values()] for arm in names]
    table = pd.DataFrame({"arm": names, "n": [len(part) for part in values], "mean": [mean[arm] for arm in names]})
    table["sd"] = [np.std(part, ddof=1) if len(part) > 1 else np.nan for part in values]
    table[["difference", "low", "high", "p", "shown"]] = np.nan
    seeds = sorted(set.intersection(*(set(scores) for scores in arms.values())))
    if len(names) > 1:
        blocks = [[arms[arm][seed] for arm in names] for seed in seeds]
        table["difference"] = _to_best_other(table["mean"].to_numpy())
        if (found := _pair_errors(blocks)) is not None:
            centre = np.array([[score.value for score in block] for block in blocks]).mean(axis=0)
            limits = _with_the_best(centre, *found, level)
            table["difference"], table["low"], table["high"], table["p"], table["shown"] = limits
    return table.assign(is_same=~(table["high"] <= 0))


def _to_best_other(means: np.ndarray) -> np.ndarray:
    return np.array([value - np.delete(means, k).max() for k, value in enumerate(means)])


def _pair_errors(blocks: Sequence[Sequence[RunScore]]) -> tuple[np.ndarray, float] | None:
    """The standard error of the difference of each two arms, float (arms, arms), and the degrees of freedom; or None.

    As _error, the seeds' variance pooled over the arms: the residual of the table of seeds and arms.
    """
    count = len(blocks)
    num_images = min((score.num_images for block in blocks for score in block), default=0)
    if not count or (count == 1 and not num_images):
        return None
    values = np.array([[score.value for score in block] for block in blocks])
    num_arms = values.shape[1]
    of_images, repeated = np.zeros((2, num_arms, num_arms))
    if num_images:
        vectors = np.array([[score.vector for score in block] for block in blocks])
        of_images = _distances(vectors.mean(axis=0)) + 2 / num_images**2
        alone = np.mean([_distances(block) for block in vectors], axis=0)
        repeated = (alone - of_images) / (count - 1) if count > 1 else repeated
    if count == 1:
        return np.sqrt(of_images), float("inf")
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    freedom = (count - 1) * (num_arms - 1)
    of_seeds = 2 * (rest**2).sum() / freedom / count
    if not num_images and of_seeds < 1e-24:
        return None
    total = of_images + np.maximum(0, of_seeds - repeated)
    pairs = total[~np.eye(num_arms, dtype=bool)]
    return np.sqrt(total), float(freedom * (pairs.min() / of_seeds) ** 2) if of_seeds > 0 else float("inf")


def _distances(vectors: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of all rows."""
    products = vectors @ vectors.T
    squares = np.diag(products)
    return np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0)


def _with_the_best(means: np.ndarray, errors: np.ndarray, freedom: float, level: float) -> tuple[np.ndarray, ...]:
    """Differences to the best other, their constrained limits, p of being the best (or not), and what can be shown."""
    count = len(means)
    reach = _best_quantile(count - 1, freedom, level)
    gaps = np.where(np.eye(count, dtype=bool), np.inf, means[:, None] - means[None, :])
    high = np.maximum(0, (gaps + reach * errors).min(axis=1))
    may_win = high > 0
    below = np.where(may_win[None, :], gaps - reach * errors, np.inf).min(axis=1)
    low = np.where(np.isinf(below), 0, np.minimum(0, below))
    scores = np.divide(gaps, errors, out=np.full_like(gaps, np.inf), where=np.isfinite(gaps)).min(axis=1)
    p_values = np.array([1 - _best_chance(abs(score), count - 1, freedom) for score in scores])
    shown = (reach + stats.t.ppf(0.8, freedom)) * errors[np.arange(count), gaps.argmin(axis=1)]
    return gaps.min(axis=1), low, high, p_values, shown


def _best_chance(reach: float, others: int, freedom: float) -> float:
    """The chance that an arm beats no equal other by more than `reach` errors: Dunnett's one-sided distribution.

    scipy.stats.dunnett has it for independent groups only; ours are paired by seed and by image.
    """
    places, weights = special.roots_hermitenorm(NODES)
    weights = weights / weights.sum()
    spread, shares = np.ones(1), np.ones(1)
    if np.isfinite(freedom):
        nodes, shares = special.roots_legendre(NODES)
        spread, shares = np.sqrt(stats.chi2.ppf((nodes + 1) / 2, freedom) / freedom), shares / 2
    inside = stats.norm.cdf(np.sqrt(2) * reach * spread[:, None] + places[None, :]) ** others
    return float(shares @ inside @ weights)


def _best_quantile(others: int, freedom: float, level: float) -> float:
    return float(optimize.brentq(lambda reach: _best_chance(reach, others, freedom) - level, -10, 1_000, xtol=1e-9))
