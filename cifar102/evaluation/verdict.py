"""`evaluate`: one model, or a table of accuracies of many, judged: the verdict, its record, its text and its files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pandas as pd

from cifar102.analysis import intervals, predictions, scorecard, standard_models
from cifar102.analysis.scorecard import ORIGINAL, Scorecard, TestSet
from cifar102.analysis.standard_models import StandardModels
from cifar102.evaluation import accuracy_tables, exports, meaning, records, score_texts, sources, test_sets
from cifar102.evaluation.answers import Answers
from cifar102.evaluation.records import Record
from cifar102.workspace.files import write_json, write_table, write_text
from cifar102.workspace.folders import Workspace
from cifar102.workspace.wording import near_names

DEMO = "data/demo"
FAMILIES = ("corruptions", "people")  # tables of a scorecard that a record has where such sets were judged


def evaluate(
    model: object,
    sets: Sequence[str] | None = None,
    *,
    workspace: Workspace | str | Path = DEMO,
    data: str | Path | None = None,
    name: str | None = None,
    standard: str | Path | None = None,
    level: float = 0.95,
    output: str | Path | None = None,
    **asked: Unpack[sources.Asked],
) -> Record:
    """Judge one model, or its predictions, on the sets that are here and put it beside the line of the standard models.

    model: a model file or folder, predictions, `package.module:name`, any callable from uint8 (n, 32, 32, 3) to class
    ids (n,) or rows (n, 10), a table of accuracies of many models; see docs/evaluate.md. sets: names of
    evaluation.test_sets, folders or .npz files; without it all published sets that are here. workspace: a run whose own
    sets may be asked for; data: a folder with the published sets. name: what the model is called. asked: batch,
    pixels, logits, trust of sources.answers_of. standard: a table of accuracies (`model, original, new`) of models that
    the line is fitted to, "SET=FILE" where several new sets are judged; without it CIFAR-10.1's published models.
    level: of all intervals. output: a folder for the record, tables, figures, exports; without it nothing is written.

    Returns a Record: `model, verdict, notes, sets, gaps`, of sets that have them `corruptions` and `people` too; with
    .tables, .text and .files beside. Raises ValueError or FileNotFoundError that name the file, what was found and what
    was expected; nothing is half-written then.
    """
    folder = None if output is None else records.check_folder(Path(output))
    intervals.check_level(level)
    if isinstance(model, str | Path) and accuracy_tables.is_table(Path(model).expanduser()):
        return _of_table(Path(model).expanduser(), name, level, folder)
    found, missing = find_sets(sets, workspace, data)
    answers = sources.answers_of(model, found, name=name, **asked)
    card = judge(answers, found, Workspace(workspace), Path(data) if data else None, standard, level)
    notes = (*answers.notes, *card.sentences, *_left_out(found, answers), *missing.values())
    content = content_of(card, found, notes)
    record = records.make(content, card.tables, score_texts.text_of(card, content, found))
    return record if folder is None else _write(record, card, found, answers, folder)


def find_sets(
    sets: Sequence[str] | None, workspace: Workspace | str | Path, data: str | Path | None
) -> tuple[dict[str, TestSet], dict[str, str]]:
    """Return the sets to judge on, by name, and a sentence for each that is not here."""
    workspace, place = Workspace(workspace), Path(data) if data else None
    if isinstance(sets, str):
        raise ValueError(f"sets: expected a list of names such as [{sets!r}], found a text")
    return test_sets.find(sets, workspace, place)


def judge(
    answers: Answers,
    sets: Mapping[str, TestSet],
    workspace: Workspace,
    data: Path | None,
    standard: str | Path | None = None,
    level: float = 0.95,
) -> Scorecard:
    """Judge what one model answers, with the standard models that there are for each new set."""
    standards, reasons = standards_of(answers, sets, test_sets.published_folder(workspace, data), standard)
    card = scorecard.judge(answers.name, answers.predictions, sets, standards, level)
    return replace(card, sentences=(*warnings_of(answers, sets), *card.sentences, *reasons))


def warnings_of(answers: Answers, sets: Mapping[str, TestSet]) -> list[str]:
    """Return a sentence for each set on which the answers look as if a good model was read wrongly."""
    return [
        sentence
        for name, said in answers.predictions.items()
        if name in sets
        for sentence in meaning.warnings(said, sets[name].labels, f"{answers.name}: {name}")
    ]


def standards_of(
    answers: Answers, sets: Mapping[str, TestSet], published: Path | None, standard: str | Path | None = None
) -> tuple[dict[str, StandardModels], list[str]]:
    """Return the standard models by new set, and a sentence for each version of CIFAR-10.1 that has none.

    published: a folder of CIFAR-10.1 with model_predictions/; standard: see evaluate.
    """
    new = [name for name in answers.predictions if name in sets and name != ORIGINAL]
    if standard is not None:
        return _named_standard(str(standard), new), []
    found, reasons = {}, []
    for name in [name for name in new if predictions.VERSION.fullmatch(name) and ORIGINAL in answers.predictions]:
        try:
            if published is None:
                raise FileNotFoundError(f"the published predictions are not here ({standard_models.PUBLISHED_HOME})")
            labels = {ORIGINAL: sets[ORIGINAL].labels, name: sets[name].labels}
            found[name] = standard_models.from_published(published, labels)
        except (FileNotFoundError, ValueError) as error:
            reasons.append(f"{name}: no line of published models: {error}")
    return found, reasons


def _named_standard(standard: str, new: list[str]) -> dict[str, StandardModels]:
    set_name, equals, file = standard.rpartition("=")
    if not equals and len(new) == 1:
        set_name = new[0]
    if set_name not in new:
        found = f"--standard {standard}: the new sets judged here are {new}"
        raise ValueError(f"{found}; expected FILE.csv with one new set, else SET=FILE.csv: {near_names(set_name, new)}")
    path = Path(file).expanduser()
    if not accuracy_tables.is_table(path):
        raise ValueError(f"{path}: expected a table of accuracies with the columns {list(accuracy_tables.NEEDED)}")
    return {set_name: standard_models.from_table(accuracy_tables.read(path)[0], f"models of {path.name}")}


def content_of(card: Scorecard, sets: Mapping[str, TestSet], notes: Sequence[str]) -> dict:
    """Return the record of one model: model, verdict, notes, sets, gaps; accuracies and gaps 0-1.

    Where they were judged, corruptions (means over severities) and people (beside CIFAR-10H) are in it too.
    """
    calibrated = _by_set(card.tables.get("calibration"))
    robust = _by_set(card.tables.get("effective_robustness"))
    rows, gaps = [], []
    for row in card.tables["accuracy"].to_dict("records"):
        said = calibrated.get(row["set"], {})
        entry = {"name": row["set"], "provenance": sets[row["set"]].provenance}
        entry |= {part: row[part] for part in ("n", "correct", "accuracy", "low", "high")}
        rows.append(entry | {part: said.get(part) for part in ("confidence", "ece")})
    for row in card.tables.get("gaps", pd.DataFrame()).to_dict("records"):
        gaps.append({"original": ORIGINAL, "new": row["set"], **_gap(row, robust.get(row["set"], {}))})
    return {
        "model": card.name,
        "verdict": score_texts.headline(card, sets),
        "notes": list(notes),
        "sets": rows,
        "gaps": gaps,
        **{key: card.tables[key].to_dict("records") for key in FAMILIES if key in card.tables},
    }


def _gap(row: Mapping, line: Mapping) -> dict:
    """The numbers of a gap in a record: of the table of gaps, and of effective_robustness where it has a line."""
    numbers = {part: row[part] for part in ("gap", "low", "high")} | {"robustness": line.get("effective_robustness")}
    return numbers | {f"robustness_{part}": line.get(part) for part in ("low", "high")}


def _by_set(table: pd.DataFrame | None) -> dict[str, dict]:
    return {} if table is None else {row["set"]: row for row in table.to_dict("records")}


def _left_out(sets: Mapping[str, TestSet], answers: Answers) -> list[str]:
    reasons = {name: test.missing or "there are no predictions of it" for name, test in sets.items()}
    return [f"{name} was not judged: {reason}" for name, reason in reasons.items() if name not in answers.predictions]


def _write(record: Record, card: Scorecard, sets: Mapping[str, TestSet], answers: Answers, folder: Path) -> Record:
    """Write record, tables, figures and exports of one model; returns the record with their paths."""
    from cifar102.evaluation import score_figures  # Matplotlib: a second that a record alone does not need

    judged = {name: sets[name] for name in sets if name in answers.predictions}

    def fill(place: Path) -> list[Path]:
        files = [write_json(place / "record.json", record.content)]
        files.append(write_text(place / "model_card.md", exports.model_card(record, sets)))
        files += [write_table(place / "tables" / f"{key}.csv", table) for key, table in card.tables.items()]
        files += score_figures.draw(card, sets, Workspace(place))
        return files + exports.write(record, answers, judged, card.level, place)

    return records.write(record, folder, fill)


def _of_table(path: Path, name: str | None, level: float, folder: Path | None) -> Record:
    """Judge a table of accuracies of many models."""
    table, notes = accuracy_tables.read(path)
    try:
        tables = accuracy_tables.judge(table, level)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    name = name or path.stem
    warnings = [f"{row['axis']} axes: {row['warning']}" for _, row in tables["fits"].iterrows() if row["warning"]]
    robust = tables["effective_robustness"].set_index("model")
    gaps = []
    for row in tables["gaps"].to_dict("records"):
        named = {"model": row["model"], "original": "original", "new": "new"}
        gaps.append(named | _gap(row, robust.loc[row["model"]]))
    content = {
        "model": name,
        "verdict": accuracy_tables.verdict(name, tables, level),
        "notes": [*notes, *warnings, accuracy_tables.HOW_READ],
        "sets": [],
        "gaps": gaps,
        "fits": tables["fits"].to_dict("records"),
    }
    record = records.make(content, tables, score_texts.text_of_table(content, tables))
    if folder is None:
        return record
    from cifar102.evaluation import score_figures  # Matplotlib: a second that a record alone does not need

    def fill(place: Path) -> list[Path]:
        files = [write_json(place / "record.json", record.content)]
        files += [write_table(place / "tables" / f"{key}.csv", found) for key, found in tables.items()]
        return files + score_figures.draw_table(name, table, tables, Workspace(place), level)

    return records.write(record, folder, fill)
