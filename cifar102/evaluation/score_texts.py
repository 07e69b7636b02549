"""The words of `evaluate`: the verdict in one line, then a table, then details."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102.analysis import corruption_tables, intervals
from cifar102.analysis.scorecard import ORIGINAL, RANKED_IMAGES, Scorecard, TestSet
from cifar102.evaluation.records import shown

TITLES = {ORIGINAL: "CIFAR-10", "cifar10.1-v4": "CIFAR-10.1 v4", "cifar10.1-v6": "CIFAR-10.1 v6"}
TITLES |= {"cifar10.2": "CIFAR-10.2"}
WORST = 5  # classes and keywords that the text shows; the tables hold all


def title_of(name: str, sets: Mapping[str, TestSet]) -> str:
    """Return how a set is called in texts and figures; one of a made pool says that it is synthetic."""
    title = TITLES.get(name, name)
    return f"{title} (synthetic)" if name in sets and sets[name].pool else title


def headline(card: Scorecard, sets: Mapping[str, TestSet]) -> str:
    """Return the verdict in one line: accuracy, gap, robustness and rank with their intervals."""
    level = f"({100 * card.level:g}% intervals)"
    means = _mean_words(card)
    gaps = _single(card.tables["gaps"], sets) if "gaps" in card.tables else pd.DataFrame()
    if gaps.empty:
        accuracy = _single(card.tables["accuracy"], sets).set_index("set")
        parts = [f"{_percent(row)} % on {title_of(name, sets)}" for name, row in accuracy.iterrows()]
        return f"{card.name}: {', '.join([*parts, *means])} {level}"
    robust = card.tables.get("effective_robustness", pd.DataFrame(columns=["set"])).set_index("set")
    gaps = gaps.set_index("set")
    new = next((name for name in gaps.index if name in robust.index), gaps.index[0])
    gap = gaps.loc[new]
    text = (
        f"{card.name}: {100 * gap['original']:.1f} % on {title_of(ORIGINAL, sets)}, {100 * gap['new']:.1f} % on "
        f"{title_of(new, sets)}: gap {_points(gap, 'gap')}"
    )
    if gap["low"] <= 0 <= gap["high"]:
        text += f" (none shown; {_detectable(gap, card.level)})"
    parts = [text, *([_beside(robust.loc[new])] if new in robust.index else []), *means]
    return f"{', '.join(parts)} {level}"


def _mean_words(card: Scorecard) -> list[str]:
    """The mean over all common corruptions, in words for each family."""
    table = card.tables.get("corruptions", pd.DataFrame(columns=["corruption"]))
    return [
        f"{_percent(row)} % on the mean of {row['severities']} sets of corrupted images ({row['set']})"
        for _, row in table[table["corruption"] == corruption_tables.ALL].iterrows()
    ]


def _percent(row: pd.Series) -> str:
    return f"{100 * row['accuracy']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _points(row: pd.Series, name: str) -> str:
    return f"{100 * row[name]:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _detectable(gap: pd.Series, level: float) -> str:
    half = 0.5 / gap["n_original"]  # of an image: where all are right, the power is that of nearly all
    accuracy = float(np.clip(gap["original"], half, 1 - half))
    smallest = intervals.detectable_gap(int(gap["n_new"]), accuracy, int(gap["n_original"]), level=level)
    if np.isnan(smallest):
        return "no gap would show on sets of these sizes"
    return f"these sets show one of {100 * smallest:.1f} points with 80 % power"


def _beside(row: pd.Series) -> str:
    """ "0.2 points above the line of 29 models [-1.7, 1.9], rank 16-24 of 30"."""
    value = 100 * row["effective_robustness"]
    low, high = 100 * row["low"], 100 * row["high"]
    side = "above" if value >= 0 else "below"
    if value < 0:
        low, high = -high, -low
    text = f"{abs(value):.1f} points {side} the line of {row['num_models']} models [{low:.1f}, {high:.1f}]"
    if np.isnan(row["best_rank"]):
        return text
    best, worst = int(row["best_rank"]), int(row["worst_rank"])
    return f"{text}, rank {best if best == worst else f'{best}-{worst}'} of {row['num_models'] + 1}"


def text_of(card: Scorecard, content: Mapping, sets: Mapping[str, TestSet]) -> str:
    """Return the text of one model: verdict, table of sets, table of gaps, classes, keywords, notes."""
    parts = [content["verdict"]]
    if len(_single(card.tables["accuracy"], sets)):
        parts.append(_sets_table(card, sets))
    if "gaps" in card.tables and len(_single(card.tables["gaps"], sets)):
        parts.append(_gaps_table(card, sets))
    if "class_gaps" in card.tables:
        parts.append(_class_gaps(card, sets))
    if "keyword_gaps" in card.tables:
        parts.append(_keyword_gaps(card, sets))
    parts += _families(card, sets)
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in content["notes"])])


def _families(card: Scorecard, sets: Mapping[str, TestSet]) -> list[str]:
    """Corruptions by their means, and what people said of the same images."""
    found = []
    if "corruptions" in card.tables:
        columns = ["set", "corruption", "accuracy", "low", "high", "error_added", "added_low", "added_high"]
        table = card.tables["corruptions"]
        table = table[[name for name in columns if name in table]]
        heading = "corrupted images, means over severities, in percent and points"
        made_of = {test.family: test.provenance for test in sets.values() if test.family in set(table["set"])}
        found.append("\n".join([heading, shown(table), *(f"{family}: {made_of[family]}" for family in made_of)]))
    if "people" in card.tables:
        table = card.tables["people"].drop(columns="level")
        table = table.assign(set=[title_of(name, sets) for name in table["set"]])
        text = table.to_string(index=False, na_rep="-", float_format="{:.4f}".format)
        found.append(f"beside what people said of the same images (cross-entropy in nats)\n{text}")
    return found


def _single(table: pd.DataFrame, sets: Mapping[str, TestSet]) -> pd.DataFrame:
    """The rows of sets without those of corrupted images, which are summed up in a table of their own."""
    return table[[not sets[name].severity for name in table["set"]]]


def _sets_table(card: Scorecard, sets: Mapping[str, TestSet]) -> str:
    columns = ["set", "n", "correct", "accuracy", "low", "high"]
    table = _single(card.tables["accuracy"], sets)[columns]
    if "calibration" in card.tables:
        table = table.merge(card.tables["calibration"][["set", "confidence", "ece"]], on="set", how="left")
    table = table.assign(set=[title_of(name, sets) for name in table["set"]])
    text = f"accuracy in percent, {100 * card.level:g}% intervals (exact)\n{shown(table, 2)}"
    made_of = [
        f"{title_of(name, sets)}: {sets[name].provenance}" for name in _single(card.tables["accuracy"], sets)["set"]
    ]
    return "\n".join([text, *(line for line in made_of if not line.endswith(": "))])


def _gaps_table(card: Scorecard, sets: Mapping[str, TestSet]) -> str:
    table = _single(card.tables["gaps"], sets)[["set", "gap", "low", "high"]]
    if "effective_robustness" in card.tables:
        robust = card.tables["effective_robustness"][["set", "effective_robustness", "low", "high"]]
        robust = robust.set_axis(["set", "above_line", "above_low", "above_high"], axis=1)
        table = table.merge(robust, on="set", how="left")
    table = table.assign(set=[title_of(name, sets) for name in table["set"]])
    return f"gap to {title_of(ORIGINAL, sets)} in points, and accuracy above the line\n{shown(table, 2)}"


def _class_gaps(card: Scorecard, sets: Mapping[str, TestSet]) -> str:
    table = card.tables["class_gaps"].sort_values(["set", "gap"], ascending=[True, False])
    table = table.groupby("set", sort=False).head(WORST)
    table = table.assign(set=[title_of(name, sets) for name in table["set"]])
    columns = ["set", "class_name", "original", "new", "gap", "low", "high"]
    return f"classes with the largest gap (each interval by itself)\n{shown(table[columns])}"


def _keyword_gaps(card: Scorecard, sets: Mapping[str, TestSet]) -> str:
    table = card.tables["keyword_gaps"]
    ranked = table[table["is_ranked"]]
    heading = (
        f"keywords with {RANKED_IMAGES} images and more in both sets ({len(ranked)} of {len(table)}), by gaps shrunk "
        f"towards the class; intervals hold for all of them at once"
    )
    clear = ranked[ranked["low"] > 0]
    if clear.empty:
        return f"{heading}: no keyword's gap is shown"
    best = clear.groupby("set", sort=False).head(WORST)
    best = best.assign(set=[title_of(name, sets) for name in best["set"]])
    columns = ["set", "class_name", "keyword", "n_new", "gap", "shrunk_gap", "low", "high"]
    return f"{heading}; shown are\n{shown(best[columns])}"


def text_of_table(content: Mapping, tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the text of a table of accuracies: verdict, the three lines, the models by rank, notes."""
    fits = tables["fits"][["axis", "slope", "slope_low", "slope_high", "intercept", "r2", "n"]]
    lines = fits.to_string(index=False, float_format="{:.4f}".format)
    robust = tables["effective_robustness"][["model", "effective_robustness", "low", "high"]]
    robust = robust.set_axis(["model", "above_line", "above_low", "above_high"], axis=1)
    models = tables["ranks"].drop(columns="level", errors="ignore")
    models = models.merge(tables["gaps"][["model", "original", "new", "gap"]], on="model").merge(robust, on="model")
    return "\n\n".join(
        [
            content["verdict"],
            f"lines of new on original accuracy (linear axes in percent)\n{lines}",
            f"models by new accuracy, in percent and points\n{shown(models)}",
            "\n".join(f"- {note}" for note in content["notes"]),
        ]
    )
