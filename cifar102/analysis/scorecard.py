"""One model's scorecard: accuracy, gaps, keywords, calibration on every set, and the published line beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.analysis import accuracies, calibration, chart_tables, keyword_mixture, lines, predictions
from cifar102.analysis.predictions import SetPredictions
from cifar102.analysis.published import PUBLISHED_HOME, read_published

ORIGINAL = "cifar10"
LINE_AXIS = "logit"  # Taori et al. 2020 fit on logit axes


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
    """All tables about one model (empty ones left out), the sentences with them, the figure's table per new set."""

    name: str
    level: float
    tables: dict[str, pd.DataFrame]
    sentences: tuple[str, ...]
    charts: dict[str, pd.DataFrame] = field(default_factory=dict)

    def to_json(self) -> dict:
        """Return name, level, sentences and every table as a list of rows."""
        tables = {name: table.to_dict("records") for name, table in self.tables.items()}
        return {"name": self.name, "level": self.level, "sentences": list(self.sentences), **tables}


def judge(
    name: str,
    predictions: Mapping[str, SetPredictions],
    sets: Mapping[str, TestSet],
    published: Path | None = None,
    level: float = 0.95,
) -> Scorecard:
    """Judge one model on the sets that both mappings hold.

    predictions: set -> what the model says; sets: set -> TestSet; published: a folder of CIFAR-10.1 with
    model_predictions/, for the line of the 30 models. Raises ValueError where nothing is to judge or a length differs.
    """
    names = [name for name in sets if name in predictions]
    if not names:
        raise ValueError(f"{name}: holds predictions of {sorted(predictions)}, the sets here are {sorted(sets)}")
    parts: dict[str, list[pd.DataFrame]] = {}
    for set_name in names:
        for table, rows in _of_set(name, predictions[set_name], sets[set_name], level).items():
            parts.setdefault(table, []).append(rows.assign(set=set_name))
    sentences, charts = [], {}
    for set_name in [n for n in names if n != ORIGINAL and ORIGINAL in names]:
        pair = {n: predictions[n].class_ids for n in (ORIGINAL, set_name)}
        for table, rows in _of_gap(name, pair, sets, set_name, level).items():
            parts.setdefault(table, []).append(rows.assign(set=set_name))
        line = _beside_line(name, pair, sets, set_name, published, level)
        sentences.append(line[0])
        if line[1] is not None:
            parts.setdefault("effective_robustness", []).append(line[1].assign(set=set_name))
            charts[set_name] = line[2]
    if ORIGINAL not in names:
        sentences.append(f"{ORIGINAL} was not judged, so no gap can be given")
    tables = {key: _set_first(pd.concat(rows, ignore_index=True)) for key, rows in parts.items()}
    return Scorecard(name, level, tables, tuple(sentences), charts)


def _of_set(name: str, said: SetPredictions, test: TestSet, level: float) -> dict[str, pd.DataFrame]:
    where = f"{name}: {test.name}"
    if len(said.class_ids) != len(test.labels):
        raise ValueError(f"{where}: expected {len(test.labels)} predictions, found {len(said.class_ids)}")
    if said.class_ids.max() > 9:
        raise ValueError(f"{where}: expected class ids 0 to 9, found {said.class_ids.max()}")
    models = {name: said.class_ids}
    tables = {
        "accuracy": accuracies.accuracy_table(models, test.labels, level),
        "averages": accuracies.averages_table(models, test.labels, level=level),
        "classes": accuracies.class_table(models, test.labels, level),
    }
    if test.keywords is not None:
        images = keyword_mixture.image_table(said.class_ids == test.labels, test.labels, test.keywords)
        tables["keywords"] = keyword_mixture.keyword_table(images, level=level)
    if said.probabilities is not None:
        tables["calibration"] = calibration.calibration_table({name: said.probabilities}, test.labels, level=level)
        tables["reliability"] = calibration.reliability_table(said.probabilities, test.labels, level=level)
    return tables


def _of_gap(
    name: str, pair: Mapping[str, np.ndarray], sets: Mapping[str, TestSet], new: str, level: float
) -> dict[str, pd.DataFrame]:
    tests = [sets[ORIGINAL], sets[new]]
    sides = [({name: pair[test.name]}, test.labels) for test in tests]
    tables = {
        "gaps": accuracies.gap_table(*(accuracies.accuracy_table(*side, level) for side in sides), level),
        "class_gaps": accuracies.class_gap_table(*(accuracies.class_table(*side, level) for side in sides), level),
    }
    if all(test.keywords is not None for test in tests):
        images = [
            keyword_mixture.image_table(pair[test.name] == test.labels, test.labels, test.keywords) for test in tests
        ]
        tables["keyword_gaps"] = keyword_gaps(*images, level)
        if set(tests[0].labels) <= set(tests[1].labels):
            mixture = keyword_mixture.keyword_reweighted(*images, level=level)
            tables["keyword_mixture"] = pd.DataFrame([vars(mixture)])
    return tables


def keyword_gaps(original: pd.DataFrame, new: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the gap of one model per class and keyword that both sets have, with Newcombe's interval; largest first.

    original, new: of keyword_mixture.image_table, correct 0 or 1. Columns: class_name, keyword and gap_table's
    without model.
    """
    tables = []
    for images in (original, new):
        table = keyword_mixture.keyword_table(images, prior_images=1, level=level)
        table["correct"] = (table["accuracy"] * table["n"]).round().astype(int)
        tables.append(table.assign(model=table["class_name"] + "/" + table["keyword"]))
    gaps = accuracies.gap_table(*(t[["model", "correct", "n", "accuracy"]] for t in tables), level)
    names = gaps.pop("model").str.split("/", n=1, expand=True)
    gaps.insert(0, "class_name", names[0])
    gaps.insert(1, "keyword", names[1])
    return gaps.sort_values("gap", ascending=False, kind="stable", ignore_index=True)


def _beside_line(
    name: str,
    pair: Mapping[str, np.ndarray],
    sets: Mapping[str, TestSet],
    new: str,
    published: Path | None,
    level: float,
) -> tuple[str, pd.DataFrame | None, pd.DataFrame | None]:
    """A sentence, the effective robustness and the chart's table; the last two None without a published line."""
    if published is None or not predictions.VERSION.fullmatch(new):
        return f"{new}: no published predictions to draw a line through ({PUBLISHED_HOME})", None, None
    tests = [sets[ORIGINAL], sets[new]]
    try:
        others = [read_published(published, test.name) for test in tests]
    except FileNotFoundError as error:
        return f"{new}: no published line: {error}", None, None
    if any(len(next(iter(ids.values()))) != len(test.labels) for ids, test in zip(others, tests, strict=True)):
        return f"{new}: no published line, for these are not the published images ({tests[0].place})", None, None
    standard = [accuracies.accuracy_table(ids, test.labels, level) for ids, test in zip(others, tests, strict=True)]
    if standard[0]["accuracy"].min() < 0.5:
        return f"{new}: no published line, for {ORIGINAL} here is not the published test set", None, None
    own = [accuracies.accuracy_table({name: pair[test.name]}, test.labels, level) for test in tests]
    fit = lines.fit_line(*(table.set_index("model")["accuracy"] for table in standard), LINE_AXIS, level=level)
    sizes = {"n_original": len(tests[0].labels), "n_new": len(tests[1].labels), "level": level}
    row = lines.effective_robustness(*(table.set_index("model")["accuracy"] for table in own), fit, **sizes)
    value, low, high = (100 * row[column].iloc[0] for column in ("effective_robustness", "low", "high"))
    sentence = (
        f"{new}: {value:+.2f} points [{low:+.2f}, {high:+.2f}] at {level:.0%} beside the line of the "
        f"{fit.n} published models (logit axes, slope {fit.slope:.3f}, R2 {fit.r2:.3f}; the line taken as known)"
    )
    return sentence, row, _chart(standard, own, level)


def _chart(standard: list[pd.DataFrame], own: list[pd.DataFrame], level: float) -> pd.DataFrame:
    """The published models with their line and this model, which may be one of them, large."""
    standard = [table.assign(family="published models") for table in standard]
    own = [table.assign(family="this model", model="this model") for table in own]
    tables = [pd.concat(pair, ignore_index=True) for pair in zip(standard, own, strict=True)]
    families = dict(zip(tables[0]["model"], tables[0]["family"], strict=True))
    return chart_tables.line_chart(*tables, "probit", families=families, not_fitted=["this model"], level=level)


def _set_first(table: pd.DataFrame) -> pd.DataFrame:
    return table[["set", *(column for column in table.columns if column != "set")]]
