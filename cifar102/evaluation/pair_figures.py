"""The figures of `compare` and of a ranking: differences on every set, the images that decide them, ranks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation.records import Record, slug
from cifar102.evaluation.score_figures import files_of
from cifar102.evaluation.score_texts import title_of
from cifar102.figures import scorecards, sheets
from cifar102.workspace.folders import Workspace

SHOWN = 20  # images of a set that one of the two alone gets right, in file order; the table holds all


def draw(
    record: Record, sets: Mapping[str, TestSet], names: tuple[str, str], level: float, folder: Workspace
) -> list[Path]:
    """Draw a comparison into figures/ of a folder: the differences, and per set a sheet of deciding images."""
    table = record.tables["differences"]
    single = table[[not sets[name].severity for name in table["name"]]]
    labels, parts = [title_of(name, sets) for name in single["name"]], [single]
    if "corruptions" in record.tables:
        parts.append(record.tables["corruptions"])
        labels += [f"{row['set']}, severity {row['severity']}" for _, row in parts[1].iterrows()]
        labels = [label.replace("severity mean", "mean") for label in labels]
    rows = 100 * pd.concat(parts, ignore_index=True)[["difference", "low", "high"]].rename(
        columns={"difference": "value"}
    )
    rows.insert(0, "label", labels)
    title = f"{names[0]} less {names[1]}, the same images, {100 * level:g}% intervals{about(table['name'], sets)}"
    drawn = [
        scorecards.draw_differences(rows, folder, title=title, x_label="difference in accuracy (percentage points)")
    ]
    for name, part in record.tables["images"].groupby("set", sort=False):
        if sets[name].images is not None:
            shown = sheet_of(part, sets[name], names)
            heading = (
                f"{title_of(name, sets)}: images that one of the two alone gets right; row, class, the other's answer"
            )
            drawn.append(scorecards.draw_disagreements(f"08-images-{slug(name)}", shown, folder, title=heading))
    return files_of(drawn)


def sheet_of(images: pd.DataFrame, test: TestSet, names: tuple[str, str]) -> pd.DataFrame:
    """Return the rows of a contact sheet: set, row, pixels, caption (row, class, the wrong answer), group."""
    parts = []
    for number, side in enumerate(("first", "second")):
        rows = images[images["right"] == side].head(SHOWN)
        wrong = rows["second" if side == "first" else "first"]
        caption = "row " + rows["row"].astype(str) + "\n" + rows["label"] + "\nnot " + wrong
        total = int((images["right"] == side).sum())
        group = f"only {names[number]} is right ({total}, {len(rows)} shown)"
        parts.append(rows[["row"]].assign(set="pixels", caption=caption, group=group))
    found = pd.concat(parts, ignore_index=True)
    found["pixels"] = sheets.encode_pixels(np.array(test.images[found["row"].to_numpy()]))
    return found


def draw_ranks(
    tables: Mapping[str, pd.DataFrame], sets: Mapping[str, TestSet], level: float, folder: Workspace
) -> list[Path]:
    """Draw the ranks that each model can have, a panel a set; models in the order of the first set."""
    order = next(iter(tables.values()))["model"]
    rows = {}
    for name, table in tables.items():
        part = table.set_index("model").loc[order].reset_index()
        part = part[["model", "rank", "best_rank", "worst_rank"]]
        rows[title_of(name, sets)] = part.set_axis(["label", "value", "low", "high"], axis=1)
    title = (
        f"ranks that the tests leave open at {100 * level:g}% (McNemar, Holm over all pairs){about(list(tables), sets)}"
    )
    return files_of([scorecards.draw_ranking(rows, folder, title=title)])


def about(names: object, sets: Mapping[str, TestSet]) -> str:
    """A second line of a title where sets are drawings, "" where all are published."""
    pools = sorted({sets[name].pool for name in names if sets[name].pool})
    return f"\nsynthetic: images of the made pool {', '.join(pools)}" if pools else ""
