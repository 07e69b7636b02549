"""One model's scorecard: accuracy, gaps, keywords, calibration on every set, and the standard models beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cifar102.analysis import (
    accuracies,
    calibration,
    corruption_tables,
    human_labels,
    intervals,
    keyword_mixture,
    standard_models,
)
from cifar102.analysis.predictions import SetPredictions
from cifar102.analysis.standard_models import StandardModels

ORIGINAL = "cifar10"
CORRUPTED = re.compile(r"-(c|corrupted)$")  # of a family's name, which is that of the clean set before it
RANKED_IMAGES = 10  # of a keyword in each of the two sets; one with fewer is not ranked


@dataclass(frozen=True)
class TestSet:
    """One test set: labels int (n,), images uint8 (n, 32, 32, 3) or None, keywords text (n,) or None, and its place.

    images may be a memory map, which is read in parts. missing: why there are no images, and where to get them.
    provenance: one sentence, where the images come from. pool: the name of the made pool that they are of ("demo"),
    empty for published sets and those of the user. soft_labels: float (n, 10), shares of people who gave each class.
    family and severity: of a set that is one of many, "cifar10-c" and 1 to 5; else "" and 0.
    """

    __test__ = False  # pytest takes classes of this name for tests

    name: str
    labels: np.ndarray
    images: np.ndarray | None = None
    keywords: np.ndarray | None = None
    place: str = ""
    missing: str = ""
    provenance: str = ""
    pool: str = ""
    soft_labels: np.ndarray | None = None
    family: str = ""
    severity: int = 0


@dataclass(frozen=True)
class Scorecard:
    """All tables about one model (empty ones left out), the sentences with them, the line's table per new set.

    tables: accuracy, averages, classes, keywords, calibration, reliability, gaps, class_gaps, keyword_gaps,
    keyword_mixture, effective_robustness, people (CIFAR-10H and -N), corruptions (means over a family); each has the
    column set. Accuracies are 0-1.
    """

    name: str
    level: float
    tables: dict[str, pd.DataFrame]
    sentences: tuple[str, ...] = ()
    charts: dict[str, pd.DataFrame] = field(default_factory=dict)


def judge(
    name: str,
    predictions: Mapping[str, SetPredictions],
    sets: Mapping[str, TestSet],
    standards: Mapping[str, StandardModels] | None = None,
    level: float = 0.95,
) -> Scorecard:
    """Judge one model on the sets that both mappings hold.

    predictions: set -> what the model says; sets: set -> TestSet; standards: new set -> the standard models of its line
    (the judged one may be among them; it is left out). Raises ValueError where nothing is to judge or a length differs.
    """
    names = [name for name in sets if name in predictions]
    if not names:
        raise ValueError(f"{name}: holds predictions of {sorted(predictions)}, the sets here are {sorted(sets)}")
    parts: dict[str, list[pd.DataFrame]] = {}
    sentences, charts = [], {}
    for set_name in names:
        for table, rows in _of_set(name, predictions[set_name], sets[set_name], level).items():
            parts.setdefault(table, []).append(rows.assign(set=set_name))
    for set_name in [n for n in names if ORIGINAL in names and has_gap(sets[n])]:
        said = {n: predictions[n].class_ids for n in (ORIGINAL, set_name)}
        for table, rows in _of_gap(name, said, sets, set_name, level).items():
            parts.setdefault(table, []).append(rows.assign(set=set_name))
        if set_name in (standards or {}):
            sentence, row, chart = _beside_line(name, said, sets, standards[set_name], level)
            sentences.append(sentence)
            if row is not None:
                parts.setdefault("effective_robustness", []).append(row.assign(set=set_name))
                charts[set_name] = chart
    if ORIGINAL not in names:
        sentences.append(f"{ORIGINAL} was not judged, so no gap can be given")
    for family, means in _corruptions(names, predictions, sets, level).items():
        parts.setdefault("corruptions", []).append(means.assign(set=family))
        sentences.append(_corruption_sentence(family, means.iloc[-1]))
    tables = {key: _set_first(pd.concat(rows, ignore_index=True)) for key, rows in parts.items()}
    return Scorecard(name, level, tables, tuple(sentences), charts)


def has_gap(test: TestSet) -> bool:
    """Say whether a set holds other test images than CIFAR-10's, so that there is a gap to it.

    CIFAR-10H is CIFAR-10's own test set, and CIFAR-10-N relabels training images.
    """
    is_relabelled = test.family and not test.severity
    return test.name not in (ORIGINAL, "cifar10h") and not is_relabelled


def _corruptions(
    names: list[str], predictions: Mapping[str, SetPredictions], sets: Mapping[str, TestSet], level: float
) -> dict[str, pd.DataFrame]:
    """Means over corruptions and severities, of each family of corrupted sets."""
    right = {name: predictions[name].class_ids == sets[name].labels for name in names}
    families: dict[str, dict[str, np.ndarray]] = {}
    for name in names:
        if sets[name].severity:
            families.setdefault(sets[name].family, {})[name] = right[name]
    found = {}
    for family, members in families.items():
        clean = right.get(CORRUPTED.sub("", family))
        is_same = clean is not None and len(clean) == len(next(iter(members.values())))
        found[family] = corruption_tables.corruption_means(members, clean if is_same else None, level=level)
    return found


def _corruption_sentence(family: str, mean: pd.Series) -> str:
    text = (
        f"{family}: {100 * mean['accuracy']:.1f} % [{100 * mean['low']:.1f}, {100 * mean['high']:.1f}] on the mean of "
        f"{mean['severities']} sets of corrupted images"
    )
    if "error_ratio" in mean and np.isfinite(mean["error_ratio"]):
        text += f", {mean['error_ratio']:.2f} times the errors on the clean images"
    return text


def _beside_people(said: SetPredictions, test: TestSet, level: float) -> pd.DataFrame:
    """What people said of the same images: cross-entropy where there are probabilities, agreement in any case."""
    if said.probabilities is not None:
        return human_labels.human_table(said.probabilities, test.soft_labels, level=level)
    agreement = human_labels.majority_agreement(said.class_ids, test.soft_labels, level=level)
    return pd.DataFrame([{"n": len(said.class_ids)} | agreement]).assign(level=level)


def _of_set(name: str, said: SetPredictions, test: TestSet, level: float) -> dict[str, pd.DataFrame]:
    where = f"{name}: {test.name}"
    if len(said.class_ids) != len(test.labels):
        raise ValueError(f"{where}: expected {len(test.labels)} predictions, found {len(said.class_ids)}")
    if said.class_ids.max() > 9:
        raise ValueError(f"{where}: expected class ids 0 to 9, found {said.class_ids.max()}")
    models = {name: said.class_ids}
    tables = {"accuracy": accuracies.accuracy_table(models, test.labels, level)}
    if said.probabilities is not None:
        shares = {name: said.probabilities}
        draws = {"draws": 200} if test.severity else {}  # a family is read as a whole: its intervals may be rough
        tables["calibration"] = calibration.calibration_table(shares, test.labels, level=level, **draws)
    if test.soft_labels is not None:
        tables["people"] = _beside_people(said, test, level)
    if test.family:
        return tables
    tables["averages"] = accuracies.averages_table(models, test.labels, level=level)
    tables["classes"] = accuracies.class_table(models, test.labels, level)
    if test.keywords is not None:
        images = keyword_mixture.image_table(said.class_ids == test.labels, test.labels, test.keywords)
        tables["keywords"] = keyword_mixture.keyword_table(images, level=level)
    if said.probabilities is not None:
        tables["reliability"] = calibration.reliability_table(said.probabilities, test.labels, level=level)
    return tables


def _of_gap(
    name: str, said: Mapping[str, np.ndarray], sets: Mapping[str, TestSet], new: str, level: float
) -> dict[str, pd.DataFrame]:
    tests = [sets[ORIGINAL], sets[new]]
    sides = [({name: said[test.name]}, test.labels) for test in tests]
    tables = {"gaps": accuracies.gap_table(*(accuracies.accuracy_table(*side, level) for side in sides), level)}
    if tests[1].family:
        return tables
    tables["class_gaps"] = accuracies.class_gap_table(
        *(accuracies.class_table(*side, level) for side in sides), level=level
    )
    if all(test.keywords is not None for test in tests):
        images = [
            keyword_mixture.image_table(said[test.name] == test.labels, test.labels, test.keywords) for test in tests
        ]
        tables["keyword_gaps"] = keyword_gaps(*images, level)
        if set(tests[0].labels) <= set(tests[1].labels):
            mixture = keyword_mixture.keyword_reweighted(*images, level=level)
            tables["keyword_mixture"] = pd.DataFrame([vars(mixture)])
    return tables


def keyword_gaps(original: pd.DataFrame, new: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the gap of one model per class and keyword that both sets have.

    original, new: of keyword_mixture.image_table, correct 0 or 1. Columns: class_name, keyword, original, new, gap
    (raw), low, high, n_original, n_new, shrunk_gap (of accuracies shrunk towards the class means), is_ranked, level.
    Keywords with fewer than RANKED_IMAGES images on either side are not ranked: they have no interval and come last.
    The others' intervals (Newcombe, Bonferroni over them) hold at once at `level`; the largest shrunk gap comes first.
    """
    sides = [keyword_mixture.keyword_table(images, level=level) for images in (original, new)]
    columns = ["class_name", "keyword", "n", "accuracy", "shrunk"]
    both = sides[0][columns].merge(sides[1][columns], on=columns[:2], suffixes=("_original", "_new"))
    both = both.rename(columns={"accuracy_original": "original", "accuracy_new": "new"})
    both["gap"] = both["original"] - both["new"]
    both["shrunk_gap"] = both["shrunk_original"] - both["shrunk_new"]
    both["is_ranked"] = both[["n_original", "n_new"]].min(axis=1) >= RANKED_IMAGES
    both[["low", "high"]] = np.nan
    ranked = both[both["is_ranked"]]
    if len(ranked):
        n = [ranked[f"n_{side}"].to_numpy() for side in ("original", "new")]
        right = [np.rint(ranked[side].to_numpy() * size) for side, size in zip(("original", "new"), n, strict=True)]
        limits = intervals.newcombe(right[0], n[0], right[1], n[1], 1 - (1 - level) / len(ranked))
        both.loc[both["is_ranked"], ["low", "high"]] = np.column_stack(limits)
    order = [*columns[:2], "original", "new", "gap", "low", "high", "n_original", "n_new", "shrunk_gap", "is_ranked"]
    both = both.sort_values(["is_ranked", "shrunk_gap"], ascending=False, kind="stable", ignore_index=True)
    return both[order].assign(level=level)


def _beside_line(
    name: str,
    said: Mapping[str, np.ndarray],
    sets: Mapping[str, TestSet],
    standard: StandardModels,
    level: float,
) -> tuple[str, pd.DataFrame | None, pd.DataFrame | None]:
    """A sentence, the effective robustness and the chart's table; the last two None where there is no line."""
    new = list(said)[1]
    own = [accuracies.accuracy_table({name: ids}, sets[test].labels, level) for test, ids in said.items()]
    try:
        found = standard_models.beside_line(name, pd.concat(own), standard, tuple(said.values()), level)
    except ValueError as error:
        return f"{new}: no line of standard models: {error}", None, None
    row = found.row
    value, low, high = (100 * row[part] for part in ("effective_robustness", "low", "high"))
    text = (
        f"{new}: {value:+.2f} points [{low:+.2f}, {high:+.2f}] beside the line of {found.standard} (logit axes, slope "
        f"{row['slope']:.3f}, R2 {row['r2']:.3f}), the line taken as known"
    )
    if np.isfinite(row["joint_low"]):
        text += (
            f"; [{100 * row['joint_low']:+.2f}, {100 * row['joint_high']:+.2f}] where images and standard models are "
            "drawn anew and the line is fitted to each draw"
        )
    else:
        ends = ", ".join(f"{100 * row[part]:.1f}" for part in ("predicted_low", "predicted_high"))
        text += f"; the line itself lies between [{ends}] % there (bootstrap over the models)"
    if row["left_out"]:
        text += f"; left out of the line, as the judged model: {row['left_out']}"
    text += f". {found.warning}" if found.warning else ""
    return text, row.to_frame().T.infer_objects(), found.chart


def _set_first(table: pd.DataFrame) -> pd.DataFrame:
    return table[["set", *(column for column in table.columns if column != "set")]]
