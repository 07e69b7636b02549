"""The figures of one model's scorecard and of a table of accuracies, made of their tables."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cifar102.analysis import chart_tables, corruption_tables, standard_models
from cifar102.analysis.scorecard import Scorecard, TestSet
from cifar102.evaluation.records import slug
from cifar102.evaluation.score_texts import title_of
from cifar102.figures import scorecards
from cifar102.workspace.folders import Workspace

MANY_FAMILIES = 10  # more than there are colours for
MOST_ROWS = 30  # of a chart at either end, where it would have more than twice as many


def draw(card: Scorecard, sets: Mapping[str, TestSet], folder: Workspace) -> list[Path]:
    """Draw a scorecard into figures/ of a folder: every set, the line per new set, reliability; returns the files."""
    about = _about(card, sets)
    heading = f"{card.name}, {100 * card.level:g}% intervals{about}"
    rows = score_rows(card, sets)  # none where only corruptions of a set were judged
    drawn = [scorecards.draw_scorecard(rows, folder, title=heading)] if len(rows) else []
    for new, chart in card.charts.items():
        title = f"{card.name} beside the {standard_models.PUBLISHED}{about}"
        name = f"08-line-{slug(new)}"
        drawn.append(scorecards.draw_line(name, chart, folder, title=title, new=title_of(new, sets)))
    if "corruptions" in card.tables:
        title = f"{card.name} on corrupted images, every severity and the mean{about}"
        drawn.append(scorecards.draw_corruptions(corruption_rows(card), folder, title=title))
    if "reliability" in card.tables:
        tables = {title_of(name, sets): part for name, part in card.tables["reliability"].groupby("set", sort=False)}
        drawn.append(scorecards.draw_reliability(tables, folder, title=f"{card.name}: confidence and accuracy{about}"))
    return files_of(drawn)


def score_rows(card: Scorecard, sets: Mapping[str, TestSet]) -> pd.DataFrame:
    """Return a row a set as draw_scorecard takes them, in percent and points; members of a family are left out."""
    names = [name for name in card.tables["accuracy"]["set"] if not sets[name].severity]
    rows = pd.DataFrame({"label": [title_of(name, sets) for name in names]})
    values = {
        "accuracy": card.tables["accuracy"],
        "gap": card.tables.get("gaps"),
        "robustness": card.tables.get("effective_robustness"),
    }
    columns = {"robustness": "effective_robustness"}
    for name, table in values.items():
        parts = [columns.get(name, name), "low", "high"]
        known = pd.DataFrame(columns=parts) if table is None else table.set_index("set")[parts]
        known = 100 * known.reindex(names).astype(float)
        rows[[name, f"{name}_low", f"{name}_high"]] = known.to_numpy()
    return rows


def corruption_rows(card: Scorecard) -> pd.DataFrame:
    """Return a row a corrupted set as draw_corruptions takes them: corruption, severity, accuracy, mean (0-1)."""
    rows = corruption_tables.corruption_table(card.tables["accuracy"])
    several = len(set(rows["family"])) > 1
    names = rows["corruption"].str.replace("_", " ")
    rows = rows.assign(corruption=rows["family"] + ": " + names if several else names)
    rows["mean"] = rows.groupby("corruption")["accuracy"].transform("mean")
    rows = rows.sort_values(["mean", "corruption", "severity"], ascending=[False, True, True], kind="stable")
    return rows[["corruption", "severity", "accuracy", "mean"]].astype({"severity": str})


def draw_table(
    name: str, table: pd.DataFrame, tables: Mapping[str, pd.DataFrame], folder: Workspace, level: float
) -> list[Path]:
    """Draw a table of accuracies: the models with their line on logit and on linear axes, and who is off the line."""
    sides = []
    for side in ("original", "new"):
        part = table[["model", side, f"n_{side}"]].set_axis(["model", "accuracy", "n"], axis=1)
        low, high = standard_models.share_limits(part["accuracy"], part["n"], level)
        sides.append(part.assign(low=low, high=high))
    families = dict.fromkeys(table["model"], "models")
    if 1 < table["family"].nunique() <= MANY_FAMILIES:
        families = dict(zip(table["model"], table["family"], strict=True))
    charts = {
        axis: chart_tables.line_chart(*sides, axis, families=families, level=level)
        for axis in (standard_models.AXIS, "linear")
    }
    drawn = [scorecards.draw_table_line(charts, folder, title=f"{name}, {100 * level:g}% intervals")]
    rows = chart_tables.robustness_rows(tables["effective_robustness"])
    title = (
        f"{name}: each model beside the line of the others ({standard_models.AXIS} axes, {100 * level:g}% intervals)"
    )
    if len(rows) > 2 * MOST_ROWS:
        title += f"\nthe {MOST_ROWS} best and the {MOST_ROWS} worst of {len(rows):,} models"
        rows = pd.concat([rows.head(MOST_ROWS), rows.tail(MOST_ROWS)], ignore_index=True)
    drawn.append(scorecards.draw_robustness(rows, folder, title=title))
    return files_of(drawn)


def files_of(drawn: list) -> list[Path]:
    """Return the files of drawn figures: .png, .svg, .csv and .json of each."""
    return [figure.png.with_suffix(end) for figure in drawn for end in (".png", ".svg", ".csv", ".json")]


def _about(card: Scorecard, sets: Mapping[str, TestSet]) -> str:
    """A second line of a title where sets are drawings, "" where all are published."""
    pools = sorted({sets[name].pool for name in card.tables["accuracy"]["set"] if sets[name].pool})
    return f"\nsynthetic: images of the made pool {', '.join(pools)}" if pools else ""
