"""`compare A B`: two models on the same images, the paired difference on every set and the images that decide it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats import multitest

from cifar102.analysis import accuracies, intervals, model_pairs
from cifar102.analysis.scorecard import TestSet
from cifar102.cifar import CLASS_NAMES
from cifar102.evaluation import records, sources
from cifar102.evaluation.answers import Answers
from cifar102.evaluation.records import Record
from cifar102.evaluation.score_texts import title_of
from cifar102.evaluation.verdict import DEMO, find_sets
from cifar102.workspace.files import write_json, write_table
from cifar102.workspace.folders import Workspace

POWER = 0.8


def compare(
    first: object,
    second: object,
    sets: Sequence[str] | None = None,
    *,
    workspace: Workspace | str | Path = DEMO,
    data: str | Path | None = None,
    names: tuple[str, str] | None = None,
    batch: int = 500,
    pixels: str = "auto",
    logits: bool | None = None,
    trust: bool = False,
    margin: float = 0.005,
    level: float = 0.95,
    output: str | Path | None = None,
) -> Record:
    """Judge two models on the same images of every set that is here.

    first, second and the other arguments as verdict.evaluate takes them; names: what the two are called. margin (0-1):
    differences below it count as none in the test of equivalence (TOST), half a point.

    Returns a Record: `first, second, verdict, notes, sets: [{name, provenance, n, first, second, difference, low,
    high, only_first, only_second, p_value, p_holm, equivalence_p, detectable}]`. difference: accuracy of the first less
    that of the second with Tango's paired interval; p_value: McNemar's exact test, p_holm over the sets; detectable:
    the smallest difference these images show with 80 % power. Raises ValueError or FileNotFoundError.
    """
    folder = None if output is None else records.check_folder(Path(output))
    found, missing = find_sets(sets, workspace, data)
    options = {"batch": batch, "pixels": pixels, "logits": logits, "trust": trust}
    names = names or (None, None)
    both = [sources.answers_of(s, found, name=n, **options) for s, n in zip((first, second), names, strict=True)]
    labels = _labels(both)
    table = table_of(both, found, margin, level)
    notes = [*both[0].notes, *both[1].notes, *missing.values(), _how_read(margin, level)]
    content = {"first": labels[0], "second": labels[1], "verdict": verdict_of(labels, table, found, margin, level)}
    content |= {"notes": notes, "sets": table.to_dict("records")}
    tables = {"differences": table, "images": images_of(both, found)}
    record = records.make(content, tables, _text(content, table, found))
    return record if folder is None else _write(record, found, labels, level, folder)


def _labels(both: Sequence[Answers]) -> tuple[str, str]:
    """The names of the two, which differ."""
    first, second = both[0].name, both[1].name
    return (first, second) if first != second else (f"{first} (first)", f"{second} (second)")


def table_of(both: Sequence[Answers], sets: Mapping[str, TestSet], margin: float, level: float) -> pd.DataFrame:
    """Return the comparison, a row a set that both answer; see compare. ValueError where there is none."""
    shared = [name for name in sets if all(name in answers.predictions for answers in both)]
    if not shared:
        found = " and ".join(str(sorted(answers.predictions)) for answers in both)
        raise ValueError(f"the two have predictions of no set in common: {found}")
    rows = []
    for name in shared:
        ids, labels = [answers.predictions[name].class_ids for answers in both], sets[name].labels
        test = model_pairs.mcnemar(*ids, labels, level)
        row = {"name": name, "provenance": sets[name].provenance, "n": test.n}
        row |= {side: float(np.mean(said == labels)) for side, said in zip(("first", "second"), ids, strict=True)}
        row |= {part: getattr(test, part) for part in ("difference", "low", "high", "only_first", "only_second")}
        row["p_value"] = test.p_value
        row["equivalence_p"] = intervals.paired_equivalence(test.only_first, test.only_second, test.n, margin)
        row["detectable"] = intervals.detectable_difference(test.only_first + test.only_second, test.n, POWER, level)
        rows.append(row)
    table = pd.DataFrame(rows)
    table.insert(
        table.columns.get_loc("equivalence_p"), "p_holm", multitest.multipletests(table["p_value"], method="holm")[1]
    )
    return table


def images_of(both: Sequence[Answers], sets: Mapping[str, TestSet]) -> pd.DataFrame:
    """Return the images that only one of the two gets right: set, row, right ("first", "second"), label, first, second.

    row: 0-based, in the set's file order; label, first, second: class names, the truth and what each says. Members of a
    family (CIFAR-10-C) are left out.
    """
    parts = []
    for name, test in sets.items():
        if test.family or not all(name in answers.predictions for answers in both):
            continue
        ids = [answers.predictions[name].class_ids for answers in both]
        right = accuracies.correctness({"first": ids[0], "second": ids[1]}, test.labels)
        rows = np.flatnonzero(right["first"] != right["second"])
        words = [np.array(CLASS_NAMES)[values[rows]] for values in (test.labels, *ids)]
        part = {"set": name, "row": rows, "right": np.where(right["first"].to_numpy()[rows], "first", "second")}
        parts.append(pd.DataFrame(part | dict(zip(("label", "first", "second"), words, strict=True))))
    columns = ["set", "row", "right", "label", "first", "second"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def verdict_of(
    names: tuple[str, str], table: pd.DataFrame, sets: Mapping[str, TestSet], margin: float, level: float
) -> str:
    """Return the comparison in one line: the first set, and on how many sets there is a difference."""
    row = table.iloc[0]
    low, high, size = (100 * row[name] for name in ("low", "high", "difference"))
    side = f"{abs(size):.2f} points {'better' if size > 0 else 'worse'} than" if size else "as accurate as"
    text = f"{names[0]} is {side} {names[1]} on "
    text += f"{title_of(row['name'], sets)} [{low:+.2f}, {high:+.2f}], p {_p(row['p_value'])} (McNemar, exact)"
    if row["p_value"] > 1 - level:
        same = "equal" if row["equivalence_p"] < 1 - level else "not shown to be equal"
        text += (
            f": no difference shown, {same} within {100 * margin:g} points (TOST p {_p(row['equivalence_p'])}), and "
        )
        text += f"these images show {100 * row['detectable']:.2f} points with {POWER:.0%} power"
    if len(table) > 1:
        certain = table[table["p_holm"] < 1 - level]
        wins = [int((certain["difference"] > 0).sum()), int((certain["difference"] < 0).sum())]
        text += f"; better on {wins[0]} and worse on {wins[1]} of {len(table)} sets (Holm)"
    return f"{text} ({100 * level:g}% intervals)"


def _p(value: float) -> str:
    return "< .0001" if value < 1e-4 else f"{value:.4f}"


def _how_read(margin: float, level: float) -> str:
    return (
        f"differences are of the same images (Tango's paired intervals, {100 * level:g}%); detectable: the smallest "
        f"difference that McNemar's exact test shows with {POWER:.0%} power where models disagree as often as these; "
        f"equivalence_p: two one-sided tests with a margin of {100 * margin:g} points"
    )


def _text(content: Mapping, table: pd.DataFrame, sets: Mapping[str, TestSet]) -> str:
    shown = table.drop(columns="provenance").rename(columns={"name": "set"})
    shown["set"] = [title_of(name, sets) for name in shown["set"]]
    for name in ("p_value", "p_holm", "equivalence_p"):
        shown[name] = [_p(value) for value in shown[name]]
    heading = f"first: {content['first']}, second: {content['second']}; accuracies in percent, differences in points"
    made_of = [f"{title_of(name, sets)}: {sets[name].provenance}" for name in table["name"] if sets[name].provenance]
    notes = "\n".join(f"- {note}" for note in content["notes"])
    return "\n\n".join([content["verdict"], "\n".join([heading, records.shown(shown, 2), *made_of]), notes])


def _write(record: Record, sets: Mapping[str, TestSet], names: tuple[str, str], level: float, folder: Path) -> Record:
    from cifar102.evaluation import pair_figures  # Matplotlib: a second that a record alone does not need

    def fill(place: Path) -> list[Path]:
        files = [write_json(place / "record.json", record.content)]
        files += [write_table(place / "tables" / f"{key}.csv", table) for key, table in record.tables.items()]
        return files + pair_figures.draw(record, sets, names, level, Workspace(place))

    return records.write(record, folder, fill)
