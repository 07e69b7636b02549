"""How often each statistical procedure of this project is right: simulations, and the table of docs/statistics.md.

`python docs/simulations.py` prints the table; its simulations are seeded, so it prints the same each time.
docs/statistics.md holds what it printed last; a slow test runs the simulations and compares both.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from cifar102.analysis import (
    calibration,
    intervals,
    joint_bootstrap,
    keyword_mixture,
    model_pairs,
    paired_runs,
    rankings,
    scorecard,
)
from cifar102.analysis.paired_runs import RunScore, score_images

SEED = 102


@dataclass(frozen=True)
class Simulation:
    """One line of the table. count: of its rng and a number of repetitions, how often the statement was true.

    promised: the share that is promised, at least (coverage) or at most (is_error: false statements).
    """

    procedure: str
    situation: str
    count: Callable[[np.random.Generator, int], Iterable[bool]]
    repetitions: int = 300
    promised: float = 0.95
    is_error: bool = False

    def run(self) -> float:
        """The share of repetitions in which the statement was true (is_error: was made although it is false)."""
        return float(np.mean(list(self.count(np.random.default_rng(SEED), self.repetitions))))

    def holds(self, share: float) -> bool:
        """Whether a share agrees with what is promised, to within 3 standard errors of the simulation."""
        slack = 3 * np.sqrt(self.promised * (1 - self.promised) / self.repetitions)
        return share <= self.promised + slack if self.is_error else share >= self.promised - slack


def exact(rng: np.random.Generator, repetitions: int) -> np.ndarray:
    low, high = intervals.clopper_pearson(rng.binomial(2_000, 0.93, repetitions), 2_000)
    return (low <= 0.93) & (high >= 0.93)


def newcombe(rng: np.random.Generator, repetitions: int) -> np.ndarray:
    drawn = rng.binomial(10_000, 0.93, repetitions), rng.binomial(2_000, 0.85, repetitions)
    low, high = intervals.newcombe(drawn[0], 10_000, drawn[1], 2_000)
    return (low <= 0.08) & (high >= 0.08)


def welch(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
    """An image's score is its mean over three seeds, which share the image's difficulty."""
    for _ in range(repetitions):
        sides = [rng.binomial(3, rng.beta(5, 5 / share - 5, size=n)) / 3 for share, n in ((0.9, 2_000), (0.85, 500))]
        _, low, high = intervals.mean_difference(*sides)
        yield low <= 0.05 <= high


def tango(rng: np.random.Generator, repetitions: int) -> np.ndarray:
    drawn = rng.multinomial(2_000, [0.05, 0.03, 0.92], size=repetitions)
    low, high = intervals.paired_difference(drawn[:, 0], drawn[:, 1], 2_000)
    return (low <= 0.02) & (high >= 0.02)


def mcnemar(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
    truth = np.zeros(2_000, dtype=int)
    for _ in range(repetitions):
        luck = rng.random(2_000)
        said = [(np.where(rng.random(2_000) < 0.6, luck, rng.random(2_000)) > 0.9).astype(int) for _ in range(2)]
        yield model_pairs.mcnemar(*said, truth).p_value < 0.05


def equivalence(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
    for _ in range(repetitions):
        yield intervals.mean_equivalence(rng.normal(0.1, 0.1, size=12), 0.1) < 0.05


def draw_arms(
    rng: np.random.Generator,
    truths: np.ndarray,
    seeds: int,
    deviation: float,
    *,
    images: int = 1_000,
    shared: bool = True,
    correlation: float = 0.5,
) -> dict[str, dict[int, RunScore]]:
    """Simulated runs: arms of true accuracies, on images of unequal difficulty; each seed moves an arm's accuracy.

    shared: all seeds are tested on the same images; else each on its own. correlation: how often an image's luck is the
    same for two arms, and for two seeds of an arm.
    """

    def mixed(luck: np.ndarray) -> np.ndarray:
        return np.where(rng.random(images) < correlation, luck, rng.random(images))

    arms: dict[str, dict[int, RunScore]] = {f"arm{k}": {} for k in range(len(truths))}
    for seed in range(seeds):
        rows = np.arange(images) + (0 if shared else seed * images)
        if seed == 0 or not shared:
            hard, common = rng.uniform(-0.2, 0.2, size=images), rng.random(images)
            lucks = [mixed(common) for _ in arms]
        for arm, truth, luck in zip(arms, truths, lucks, strict=True):
            right = mixed(luck) < truth + hard + rng.normal(0, deviation)
            arms[arm][seed] = score_images(right, "test", rows, images * (1 if shared else seeds))
    return arms


def without_images(arm: dict[int, RunScore]) -> dict[int, RunScore]:
    """The runs as numbers alone: their interval is Student's over seeds."""
    return {seed: RunScore(score.value) for seed, score in arm.items()}


def paired(seeds: int, deviation: float, shared: bool, *, is_student: bool = False) -> Callable:
    """Coverage of the difference of two arms, by image and seed, or (is_student) by Student over seeds alone."""

    def count(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
        for _ in range(repetitions):
            arms = draw_arms(rng, np.array([0.6, 0.57]), seeds, deviation, shared=shared).values()
            row = paired_runs.compare_runs(*(map(without_images, arms) if is_student else arms))
            yield row["low"] <= 0.03 <= row["high"]

    return count


def best(seeds: int, deviation: float) -> Callable:
    """Whether all of Hsu's intervals hold at once, for six arms of which three are the best."""

    def count(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
        truths = np.array([0.60, 0.60, 0.59, 0.57, 0.50, 0.60])
        to_best = np.array([truths[k] - np.delete(truths, k).max() for k in range(len(truths))])
        for _ in range(repetitions):
            table = paired_runs.beside_best_arm(draw_arms(rng, truths, seeds, deviation, shared=False))
            table = table.set_index("arm").loc[[f"arm{k}" for k in range(len(truths))]]
            yield bool(((table["low"] <= to_best) & (to_best <= table["high"])).all())

    return count


def draw_calibrated(rng: np.random.Generator, n: int, sharper: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a simulated model on n images, and labels that come true as often as it says at sharper = 1."""
    logits = rng.normal(size=(n, 10))
    logits[np.arange(n), rng.integers(10, size=n)] += rng.exponential(3, size=n)
    shares, said = (special.softmax(factor * logits, axis=1) for factor in (1.0, sharper))
    return said, (shares.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)


def calibrated(n: int, sharper: float) -> Callable:
    def count(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
        truth = 0.0 if sharper == 1 else calibration.expected_calibration_error(*draw_calibrated(rng, 200_000, sharper))
        for seed in range(repetitions):
            said, labels = draw_calibrated(rng, n, sharper)
            _, low, high = calibration.debiased_calibration_error(said, labels, draws=1_000, seed=seed)
            yield low <= truth <= high

    return count


def draw_models(
    rng: np.random.Generator, abilities: np.ndarray, scatter: np.ndarray, n: int, slope: float = 1.0
) -> list[np.ndarray]:
    """Which images simulated models get right: a line on probit axes, scatter over models, images of any difficulty."""
    sides = []
    for values in (abilities, slope * abilities - 0.4 + scatter):
        hard = rng.normal(size=(n, 1))
        sides.append(values[None] * np.sqrt(1.5) - hard * np.sqrt(0.5) + rng.normal(size=(n, len(values))) > 0)
    return sides


def joint(statistic: str) -> Callable:
    """Coverage of the probit slope or the mean gap of 25 models, both they and the images being samples."""

    def count(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
        x = rng.normal(1.2, 0.4, 400_000)
        gap = np.mean(stats.norm.cdf(x) - stats.norm.cdf(x - 0.4 + rng.normal(0, 0.05, len(x))))
        truth = {"slope": 1.0, "mean gap": gap}[statistic]
        for seed in range(repetitions):
            sides = draw_models(rng, rng.normal(1.2, 0.4, 25), rng.normal(0, 0.05, 25), 800)
            table = joint_bootstrap.joint_intervals(*sides, axes=("probit",), resamples=300, seed=seed)
            row = table.set_index("statistic").loc[statistic]
            yield row["low"] <= truth <= row["high"]

    return count


def ranks(name: str, correlation: float) -> Callable:
    truth = {"spearman": 6 / np.pi * np.arcsin(correlation / 2), "kendall": 2 / np.pi * np.arcsin(correlation)}[name]

    def count(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
        for _ in range(repetitions):
            x, y = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=30).T
            row = rankings.rank_agreement(0.5 + x / 20, 0.5 + y / 20).set_index("statistic").loc[name]
            yield row["low"] <= truth <= row["high"]

    return count


def keywords(rng: np.random.Generator, repetitions: int) -> Iterable[bool]:
    """Whether the intervals of the gaps of 20 keywords hold all at once."""
    names = np.repeat([f"k{number}" for number in range(20)], 30)
    for _ in range(repetitions):
        sides = [
            keyword_mixture.image_table((rng.random(600) < share).astype(float), np.zeros(600), names)
            for share in (0.9, 0.8)
        ]
        table = scorecard.keyword_gaps(*sides)
        yield bool(((table["low"] <= 0.1) & (table["high"] >= 0.1)).all())


PAIRED = "difference of two arms, images and seeds"
SIMULATIONS = (
    Simulation("accuracy (Clopper-Pearson)", "93 %, 2,000 images", exact, 20_000),
    Simulation("gap of one model (Newcombe)", "93 % on 10,000, 85 % on 2,000 images", newcombe, 20_000),
    Simulation("gap of a mean over seeds (Welch)", "90 % on 2,000, 85 % on 500 images", welch, 1_000),
    Simulation("two models on the same images (Tango)", "2 points apart, 2,000 images", tango, 5_000),
    Simulation("two models that are equal (McNemar)", "90 %, 2,000 images", mcnemar, 1_000, 0.05, is_error=True),
    Simulation("equivalence (TOST)", "difference at the margin, 12 values", equivalence, 2_000, 0.05, is_error=True),
    Simulation(PAIRED, "3 seeds that do not vary, the same images", paired(3, 0.0, True)),
    Simulation(PAIRED, "3 seeds, deviation 1 point, the same images", paired(3, 0.01, True)),
    Simulation(PAIRED, "3 seeds, deviation 5 points, the same images", paired(3, 0.05, True)),
    Simulation(PAIRED, "5 seeds that do not vary, the same images", paired(5, 0.0, True)),
    Simulation(PAIRED, "3 seeds, deviation 1 point, images of their own", paired(3, 0.01, False)),
    Simulation(PAIRED, "5 seeds, deviation 2 points, images of their own", paired(5, 0.02, False)),
    Simulation("best of six arms, all intervals at once (Hsu)", "1 seed that does not vary", best(1, 0.0)),
    Simulation("best of six arms, all intervals at once (Hsu)", "3 seeds, deviation 1 point", best(3, 0.01)),
    Simulation("best of six arms, all intervals at once (Hsu)", "3 seeds, deviation 3 points", best(3, 0.03)),
    Simulation("calibration error", "perfectly calibrated, 2,000 images", calibrated(2_000, 1.0), 200),
    Simulation("calibration error", "perfectly calibrated, 500 images", calibrated(500, 1.0), 200),
    Simulation("calibration error", "too sure (logits 1.1 times), 2,000 images", calibrated(2_000, 1.1), 200),
    Simulation("calibration error", "too sure (logits 1.3 times), 2,000 images", calibrated(2_000, 1.3), 200),
    Simulation("slope, models and images at once", "25 models, 800 images", joint("slope"), 200),
    Simulation("mean gap, models and images at once", "25 models, 800 images", joint("mean gap"), 200),
    Simulation("Spearman's rank correlation", "30 models, correlation .8", ranks("spearman", 0.8), 400),
    Simulation("Kendall's rank correlation", "30 models, correlation .8", ranks("kendall", 0.8), 400),
    Simulation("gaps of 20 keywords, all at once", "30 images each", keywords, 200),
)
STUDENT = Simulation(
    "for comparison: Student's t over seeds alone",
    "5 seeds that do not vary, the same images",
    paired(5, 0.0, True, is_student=True),
)


def row(one: Simulation, share: float) -> str:
    """A line of the table: what is promised, and the share that was found."""
    promise = f"false in at most {one.promised:.0%}" if one.is_error else f"true in {one.promised:.0%}"
    return f"| {one.procedure} | {one.situation} | {promise} | {share:.1%} | {one.repetitions:,} |"


def coverage_table() -> str:
    """The table of the page: what is promised, and how often it was so."""
    lines = ["| procedure | simulated situation | promised | found | repetitions |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(row(one, one.run()) for one in (*SIMULATIONS, STUDENT))])


if __name__ == "__main__":
    print(coverage_table())
