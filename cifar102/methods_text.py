"""A short methods text that a paper could quote, made of the numbers of the run it describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MethodsFacts:
    """What the text says; every number comes from the run.

    pool: what the images are, as raw/pool.json titles it; set_sizes: test set -> images; original: the set gaps are
    taken from; num_models: models fitted; num_published: of them published ones; num_seeds: runs per own model;
    num_train: images each own model was trained on, by training set; level, resamples: of the intervals; num_pairs:
    pairs of models tested on one set; num_certain: of them certain after Holm; fit: slope, low, high, r2 by axis;
    placebo: gap, low, high (0-1) of the placebo, or None; seed: of every bootstrap.
    """

    pool: str
    set_sizes: Mapping[str, int]
    original: str = "cifar10"
    num_models: int = 0
    num_published: int = 0
    num_seeds: int = 0
    num_train: Mapping[str, int] = field(default_factory=dict)
    level: float = 0.95
    resamples: int = 0
    seed: int = 0
    num_pairs: int = 0
    num_certain: int = 0
    fit: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    placebo: tuple[float, float, float] | None = None


def methods_text(facts: MethodsFacts) -> str:
    """Return the text: data, models, intervals, fits, multiplicity, placebo; parts without numbers are left out.

    Raises ValueError where the original set is not among the sizes.
    """
    if facts.original not in facts.set_sizes:
        raise ValueError(f"set_sizes: the original set {facts.original!r} is missing; found {list(facts.set_sizes)}")
    return " ".join(part for part in (*_data(facts), _intervals(facts), *_fits(facts), *_comparisons(facts)) if part)


def _data(facts: MethodsFacts) -> list[str]:
    others = [f"{name} ({n:,} images)" for name, n in facts.set_sizes.items() if name != facts.original]
    parts = [
        f"Models were evaluated on {facts.original} ({facts.set_sizes[facts.original]:,} images) and on "
        f"{_listed(others) or 'no other set'}; the images are of the {facts.pool}."
    ]
    own = facts.num_models - facts.num_published
    if facts.num_published:
        parts.append(f"Predictions of {facts.num_published} published models of CIFAR-10.1 (commit d9982ab) were used.")
    if own > 0:
        trained = _listed([f"{n:,} images of {name}" for name, n in facts.num_train.items()])
        seeds = f", {facts.num_seeds} seeds each, scores averaged over seeds image by image" if facts.num_seeds else ""
        parts.append(f"{own} models were trained for this work{f' on {trained}' if trained else ''}{seeds}.")
    return parts


def _intervals(facts: MethodsFacts) -> str:
    return (
        f"All intervals are {facts.level:.0%} and two-sided: Clopper-Pearson for an accuracy, Newcombe's for the gap "
        "between two independent test sets (gap = original minus new accuracy), Welch's over images where scores are "
        "averaged over seeds. They cover the drawing of test images, not of new training runs."
    )


def _fits(facts: MethodsFacts) -> list[str]:
    if not facts.fit:
        return []
    slopes = _listed(
        [
            f"{axis} {slope:.3f} [{low:.3f}, {high:.3f}] (R2 {r2:.3f})"
            for axis, (slope, low, high, r2) in facts.fit.items()
        ]
    )
    return [
        f"New accuracy was fitted on original accuracy by least squares over {facts.num_models} models; slopes by "
        f"axis: {slopes}, with percentile bootstrap intervals over models ({facts.resamples:,} resamples, seed "
        f"{facts.seed}).",
        "Effective robustness is the accuracy above the line on logit axes (Taori et al. 2020).",
    ]


def _comparisons(facts: MethodsFacts) -> list[str]:
    parts = []
    if facts.num_pairs:
        parts.append(
            f"Models were compared on one set by McNemar's exact test; of {facts.num_pairs:,} pairs "
            f"{facts.num_certain:,} differ at a family-wise error rate of {1 - facts.level:.0%} (Holm)."
        )
    if facts.placebo is not None:
        gap, low, high = (100 * value for value in facts.placebo)
        verdict = "includes" if low <= 0 <= high else "leaves out"
        parts.append(
            f"As a placebo the same protocol was run on new images of the original distribution: its gap was "
            f"{gap:+.2f} points [{low:+.2f}, {high:+.2f}], an interval that {verdict} zero."
        )
    return parts


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
