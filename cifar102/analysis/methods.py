"""What a paper could quote of a run: a short methods text and the headline numbers, made of the run's own numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pandas as pd

from cifar102.analysis.gaps import POOLED
from cifar102.analysis.published import PublishedModels

Interval = tuple[float, float, float]
SET_WORDS = {
    "cifar102": "the new test set",
    "cifar102-uniform": "the uniform arm",
    "cifar102-leftover": "all images left over",
}


@dataclass(frozen=True)
class MethodsFacts:
    """What the text says; every number comes from the run, and as JSON (to_json) it gives the same text again.

    pool: what the images are, as raw/pool.json titles it; set_sizes: test set -> images; original: the set gaps are
    taken from; trainings: own model -> seeds; num_train: training set -> images each own model was fitted to; level,
    resamples, seed: of the intervals and bootstraps. placebo: gap, low, high (0-1) to placebo_set over the own models.
    num_duplicates: images of the original set with a near-duplicate in the own models' training images. published:
    whose predictions were fitted ("published", "simulated"); num_published: how many models; published_set,
    published_gap: the set and gap, low, high; fit: axis -> slope, low, high, r2; fit_resamples: of its intervals;
    num_pairs: pairs of them tested on published_set; num_certain: of these different after Holm.
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


def published_facts(
    models: PublishedModels, tables: Mapping[str, pd.DataFrame], gap: pd.DataFrame, whose: str
) -> dict[str, object]:
    """Return what MethodsFacts says about the published models, as its fields; set_sizes holds their new set alone.

    tables: of published.published_tables; gap: of placebo_gap over the models, which is taken where there is no table
    of intervals over models and images at once; whose: "published" or "simulated".
    """
    version = models.version
    fits = tables["fits"][tables["fits"]["version"] == version]
    joint = tables.get("joint", pd.DataFrame(columns=["statistic", "axis", "value", "low", "high", "resamples"]))
    joint = joint.drop_duplicates(["statistic", "axis"])  # over models and images; by families stands below
    mean_gap = joint.loc[joint["statistic"] == "mean gap", ["value", "low", "high"]]
    mean_gap = gap[["gap", "low", "high"]].tail(1) if mean_gap.empty else mean_gap
    slopes = joint[joint["statistic"] == "slope"].set_index("axis")
    r2 = fits.set_index("axis")["r2"]
    return {
        "set_sizes": {version: len(models.labels[version])},
        "published": whose,
        "num_published": len(tables["gap"]),
        "published_set": version,
        "published_gap": tuple(mean_gap.iloc[0].astype(float)),
        "fit": {
            axis: (*slopes.loc[axis, ["value", "low", "high"]].astype(float), float(r2[axis])) for axis in slopes.index
        },
        "fit_resamples": int(joint["resamples"].max()) if len(joint) else 0,
        "num_pairs": len(tables["pairs"]),
        "num_certain": int(tables["pairs"]["is_certain"].sum()),
    }


def headline(gaps: pd.DataFrame, accuracies: pd.DataFrame, facts: MethodsFacts) -> dict[str, str]:
    """Return the numbers that a run is known by: what is measured -> the number with its interval, as text.

    gaps: of placebo_gaps; accuracies: of accuracy_table on CIFAR-10's test set, models called "<model>, seed <k>".
    """
    found = {}
    for row in gaps[gaps["model"] == POOLED].to_dict("records"):
        gap, low, high = (f"{100 * row[name]:+.2f}" for name in ("gap", "low", "high"))
        images = f"{row['n_original']:,} and {row['n_new']:,} images"
        found[f"gap, CIFAR-10 test to {SET_WORDS[row['new_set']]}"] = f"{gap} points [{low}, {high}], n = {images}"
    if facts.published_gap is not None:
        mean, low, high = (f"{100 * value:.2f}" for value in facts.published_gap)
        text = f"{mean} points [{low}, {high}], mean of {facts.num_published} models"
        found[f"gap, CIFAR-10 test to {facts.published_set} ({facts.published} models)"] = text
    models = accuracies.assign(model=accuracies["model"].str.rsplit(",", n=1).str[0])
    means = models.groupby("model")["accuracy"].mean()
    return found | {f"CIFAR-10 test accuracy of {model}": f"{accuracy:.1%}" for model, accuracy in means.items()}


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
    return [
        f"As a placebo the protocol was run on new images of the original distribution: the gap to {facts.placebo_set} "
        f"was {_points(facts.placebo)} in one draw of the roles, the luck of its images included."
    ]


def _published(facts: MethodsFacts) -> list[str]:
    if not facts.num_published:
        return []
    source = "published with CIFAR-10.1 (commit d9982ab)" if facts.published == "published" else facts.published
    parts = [f"Predictions of {facts.num_published} models on {facts.original} and {facts.published_set} are {source}."]
    if facts.published_gap is not None:
        over = f" ({facts.level:.0%} over models and images at once)" if facts.fit_resamples else ""
        parts.append(f"Their mean gap was {_points(facts.published_gap)}{over}.")
    if facts.fit:
        slopes = [f"{axis} {s:.3f} [{low:.3f}, {high:.3f}] (R2 {r2:.3f})" for axis, (s, low, high, r2) in _fits(facts)]
        parts.append(
            f"New accuracy was fitted on original accuracy by least squares over these models; slopes by axis: "
            f"{_listed(slopes)}, with percentile bootstrap intervals over models and images at once "
            f"({facts.fit_resamples:,} resamples, seed {facts.seed}). Effective robustness is the accuracy above the "
            "line of the other models on logit axes (Taori et al. 2020)."
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
