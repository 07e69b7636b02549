"""A short methods text that a paper could quote, made of the numbers of the run it describes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class MethodsFacts:
    """What the text says; every number comes from the run, and as JSON (to_json) it gives the same text again.

    pool: what the images are, as raw/pool.json titles it; set_sizes: test set -> images; original: the set gaps are
    taken from; trainings: own model -> seeds; num_train: training set -> images each own model was fitted to; level,
    resamples, seed: of the intervals and bootstraps. placebo: gap, low, high (0-1) to placebo_set over the own models.
    num_duplicates: images of the original set with a near-duplicate in the own models' training images. published:
    whose predictions were fitted ("published", "simulated"); num_published: how many models; published_set,
    published_gap: the set and gap, low, high; fit: axis -> slope, low, high, r2; fit_resamples: of its intervals;
    num_pairs: pairs of them tested on published_set; num_certain: of these certain after Holm.
    """

    pool: str
    set_sizes: Mapping[str, int]
    original: str = "cifar10"
    trainings: Mapping[str, int] = field(default_factory=dict)
    num_train: Mapping[str, int] = field(default_factory=dict)
    level: float = 0.95
    resamples: int = 0
    seed: int = 0
    placebo: Interval | None = None
    placebo_set: str = ""
    num_duplicates: int | None = None
    published: str = "published"
    num_published: int = 0
    published_set: str = ""
    published_gap: Interval | None = None
    fit: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    fit_resamples: int = 0
    num_pairs: int = 0
    num_certain: int = 0

    def to_json(self) -> dict:
        """Return the facts as plain values; MethodsFacts(**facts) takes them back."""
        return asdict(self)


def methods_text(facts: MethodsFacts) -> str:
    """Return the text: data, models, intervals, fits, multiplicity, placebo; parts without numbers are left out.

    Raises ValueError where the original or a fitted set is not among the sizes.
    """
    for name in (facts.original, facts.published_set, facts.placebo_set):
        if name and name not in facts.set_sizes:
            raise ValueError(f"set_sizes: the set {name!r} is missing; found {list(facts.set_sizes)}")
    parts = (*_data(facts), *_own(facts), *_intervals(facts), *_placebo(facts), *_published(facts), *_pairs(facts))
    return " ".join(parts)


def _data(facts: MethodsFacts) -> list[str]:
    others = [f"{name} ({n:,} images)" for name, n in facts.set_sizes.items() if name != facts.original]
    return [
        f"Models were evaluated on {facts.original} ({facts.set_sizes[facts.original]:,} images) and on "
        f"{_listed(others) or 'no other set'}; the images are those of the {facts.pool}."
    ]


def _own(facts: MethodsFacts) -> list[str]:
    if not facts.trainings:
        return []
    models = _listed([f"{name} ({n} {'seed' if n == 1 else 'seeds'})" for name, n in facts.trainings.items()])
    sets = _listed([f"{n:,} images of {name}" for name, n in facts.num_train.items()])
    sizes = set(facts.num_train.values())
    same = ", sets of one size" if len(facts.num_train) > 1 and len(sizes) == 1 else ""
    parts = [f"Trained for this work: {models}{f', each on {sets}{same}' if sets else ''}."]
    if facts.num_duplicates is not None:
        parts.append(
            f"{facts.num_duplicates:,} images of {facts.original} have a near-duplicate among the training images; "
            "gaps are given with and without them."
        )
    return parts


def _intervals(facts: MethodsFacts) -> list[str]:
    text = (
        f"All intervals are {facts.level:.0%}, two-sided and of the single comparison: Clopper-Pearson for "
        "an accuracy, Newcombe's for one model's gap between two independent test sets (gap = original minus new "
        "accuracy), Welch's over images where an image's score is its mean over seeds or models"
    )
    if facts.resamples:
        text += f", percentile bootstraps elsewhere ({facts.resamples:,} resamples, seed {facts.seed})"
    return [f"{text}. They cover the drawing of test images, for these trained models, unless models are resampled."]


def _placebo(facts: MethodsFacts) -> list[str]:
    if facts.placebo is None:
        return []
    verdict = "includes" if facts.placebo[1] <= 0 <= facts.placebo[2] else "leaves out"
    return [
        f"As a placebo the protocol was run on new images of the original distribution: the gap to {facts.placebo_set} "
        f"was {_points(facts.placebo)}, an interval that {verdict} zero."
    ]


def _published(facts: MethodsFacts) -> list[str]:
    if not facts.num_published:
        return []
    source = "published with CIFAR-10.1 (commit d9982ab)" if facts.published == "published" else facts.published
    parts = [f"Predictions of {facts.num_published} models on {facts.original} and {facts.published_set} are {source}."]
    if facts.published_gap is not None:
        parts.append(f"Their mean gap was {_points(facts.published_gap)}.")
    if facts.fit:
        slopes = [f"{axis} {s:.3f} [{low:.3f}, {high:.3f}] (R2 {r2:.3f})" for axis, (s, low, high, r2) in _fits(facts)]
        parts.append(
            f"New accuracy was fitted on original accuracy by least squares over these models; slopes by axis: "
            f"{_listed(slopes)}, with percentile bootstrap intervals over models ({facts.fit_resamples:,} resamples, "
            f"seed {facts.seed}). Effective robustness is the accuracy above the line on logit axes (Taori et al. "
            "2020)."
        )
    return parts


def _pairs(facts: MethodsFacts) -> list[str]:
    if not facts.num_pairs:
        return []
    return [
        f"Models were compared with each other on {facts.published_set} by McNemar's exact test; of "
        f"{facts.num_pairs:,} pairs {facts.num_certain:,} differ at a family-wise error rate of {1 - facts.level:.0%} "
        "(Holm). No other comparison is corrected for multiplicity."
    ]


def _fits(facts: MethodsFacts) -> list[tuple[str, tuple[float, float, float, float]]]:
    return [(axis, tuple(numbers)) for axis, numbers in facts.fit.items()]


def _points(interval: Interval) -> str:
    value, low, high = (100 * part for part in interval)
    return f"{value:+.2f} points [{low:+.2f}, {high:+.2f}]"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
