"""`compare A B`: two models on the same images, the paired difference on every set and the images that decide it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
from statsmodels.stats import multitest

from cifar102.analysis import accuracies, corruption_tables, intervals, model_pairs
from cifar102.analysis.scorecard import TestSet
from cifar102.cifar import CLASS_NAMES
from cifar102.evaluation import records, sources
from cifar102.evaluation.answers import Answers
from cifar102.evaluation.records import Record
from cifar102.evaluation.score_texts import title_of
from cifar102.evaluation.verdict import DEMO, find_sets, warnings_of
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
    margin: float = 0.005,
    level: float = 0.95,
    output: str | Path | None = None,
    **asked: Unpack[sources.Asked],
) -> Record:
    """Judge two models on the same images of every set that is here.

    first, second and the other arguments as verdict.evaluate takes them; names: what the two are called. margin (0-1):
    differences below it count as none in the test of equivalence (TOST), half a point.

    Returns a Record: `first, second, verdict, notes, sets: [{name, provenance, n, first, second, difference, low,
    high, only_first, only_second, p_value, p_holm, equivalence_p, detectable}]`, where there are corrupted sets
    `corruptions` too (means_of). difference: accuracy of the first less that of the second with Tango's paired
    interval; p_value: McNemar's exact test, p_holm over the sets; detectable: the smallest difference these images show
    with 80 % power. Raises ValueError or FileNotFoundError.
    """
    folder = None if output is None else records.check_folder(Path(output))
    found, missing = find_sets(sets, workspace, data)
    names = names or (None, None)
    both = [sources.answers_of(s, found, name=n, **asked) for s, n in zip((first, second), names, strict=True)]
    labels = _labels(both)
    both = [replace(answers, name=name) for answers, name in zip(both, labels, strict=True)]
    notes = [note for answers in both for note in (*answers.notes, *warnings_of(answers, found))]
    notes += [*missing.values(), _how_read(margin, level)]
    record = _record(both, found, notes, margin, level)
    return record if folder is None else _write(record, found, labels, level, folder)


def _record(
    both: Sequence[Answers], sets: Mapping[str, TestSet], notes: Sequence[str], margin: float, level: float
) -> Record:
    table, means = table_of(both, sets, margin, level), means_of(both, sets, level)
    first, second = (answers.name for answers in both)
    verdict = verdict_of((first, second), table, sets, margin, level, means)
    content = {"first": first, "second": second, "verdict": verdict, "notes": list(notes)}
    tables = {"differences": table, "images": images_of(both, sets)}
    content["sets"] = table.to_dict("records")
    if len(means):
        content["corruptions"], tables["corruptions"] = means.to_dict("records"), means
    return records.make(content, tables, _text(content, table, sets, means))


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


def means_of(both: Sequence[Answers], sets: Mapping[str, TestSet], level: float) -> pd.DataFrame:
    """Return the means of each family of corrupted sets, a row a severity and a last one of all.

    Columns: set (the family), severity ("1" to "5" or corruption_tables.ALL), sets (how many), n (images), first,
    second, difference, low, high. Student's interval is over images, each counted once with its mean over the sets. The
    extra four corruptions of CIFAR-10-C are in no mean.
    """
    rows, members = [], _members(both, sets)
    for family, severity in dict.fromkeys(key for name in members for key in _groups(sets[name])):
        names = [name for name in members if (family, severity) in _groups(sets[name])]
        right = [[said.predictions[n].class_ids == sets[n].labels for n in names] for said in both]
        if len({len(part) for part in right[0]}) > 1:
            continue  # not the same images under every corruption
        shares = [np.mean(part, axis=0) for part in right]
        row = {"set": family, "severity": severity, "sets": len(names), "n": len(shares[0])}
        row |= {"first": shares[0].mean(), "second": shares[1].mean()}
        limits = intervals.mean_interval(shares[0] - shares[1], level)
        rows.append(row | dict(zip(("difference", "low", "high"), limits, strict=True)))
    columns = ["set", "severity", "sets", "n", "first", "second", "difference", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["set", "severity"], kind="stable", ignore_index=True)


def _members(both: Sequence[Answers], sets: Mapping[str, TestSet]) -> list[str]:
    """The corrupted sets that both answer and that count in means."""
    names = [name for name in sets if sets[name].severity and all(name in said.predictions for said in both)]
    matches = {name: corruption_tables.SET_NAME.fullmatch(name) for name in names}
    return [name for name in names if matches[name]["corruption"] not in corruption_tables.EXTRA]


def _groups(test: TestSet) -> list[tuple[str, str]]:
    return [(test.family, str(test.severity)), (test.family, corruption_tables.ALL)]


def _mean_words(means: pd.DataFrame) -> str:
    """The difference of each family's mean, to stand at the end of the verdict."""
    return "".join(
        f"; {100 * row['difference']:+.2f} points [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}] on the mean of "
        f"{row['sets']} sets of corrupted images ({row['set']})"
        for _, row in means[means["severity"] == corruption_tables.ALL].iterrows()
    )


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
    names: tuple[str, str],
    table: pd.DataFrame,
    sets: Mapping[str, TestSet],
    margin: float,
    level: float,
    means: pd.DataFrame | None = None,
) -> str:
    """Return the comparison in one line: the first set, how many sets show a difference, means (of means_of)."""
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
    return f"{text}{'' if means is None else _mean_words(means)} ({100 * level:g}% intervals)"


def _p(value: float) -> str:
    return "< .0001" if value < 1e-4 else f"{value:.4f}"


def _how_read(margin: float, level: float) -> str:
    return (
        f"differences are of the same images (Tango's paired intervals, {100 * level:g}%); detectable: the smallest "
        f"difference that McNemar's exact test shows with {POWER:.0%} power where models disagree as often as these; "
        f"equivalence_p: two one-sided tests with a margin of {100 * margin:g} points"
    )


def _text(content: Mapping, table: pd.DataFrame, sets: Mapping[str, TestSet], means: pd.DataFrame) -> str:
    shown = table[[not sets[name].severity for name in table["name"]]]
    shown = shown.drop(columns="provenance").rename(columns={"name": "set"})
    shown["set"] = [title_of(name, sets) for name in shown["set"]]
    for name in ("p_value", "p_holm", "equivalence_p"):
        shown[name] = [_p(value) for value in shown[name]]
    heading = f"first: {content['first']}, second: {content['second']}; accuracies in percent, differences in points"
    made_of = {sets[n].family if sets[n].severity else title_of(n, sets): sets[n].provenance for n in table["name"]}
    made_of = [f"{name}: {provenance}" for name, provenance in made_of.items() if provenance]
    notes = "\n".join(f"- {note}" for note in content["notes"])
    parts = ["\n".join([heading, *([records.shown(shown, 2)] if len(shown) else []), *made_of])]
    parts += [f"corrupted images, means over corruptions\n{records.shown(means, 2)}"] if len(means) else []
    return "\n\n".join([content["verdict"], *parts, notes])


def _write(record: Record, sets: Mapping[str, TestSet], names: tuple[str, str], level: float, folder: Path) -> Record:
    from cifar102.evaluation import pair_figures  # Matplotlib: a second that a record alone does not need

    def fill(place: Path) -> list[Path]:
        files = [write_json(place / "record.json", record.content)]
        files += [write_table(place / "tables" / f"{key}.csv", table) for key, table in record.tables.items()]
        return files + pair_figures.draw(record, sets, names, level, Workspace(place))

    return records.write(record, folder, fill)
