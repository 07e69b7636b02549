"""Predictions as JSON: lists, rows, records, the pipelines of Hugging Face, objects by image or by set; JSON lines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cifar102.evaluation.class_names import class_number
from cifar102.evaluation.prediction_columns import (
    LABEL_NAMES,
    PARTS,
    Columns,
    Readings,
    array_of,
    by_column,
    by_set,
    kind_of,
    plain,
    readings,
)
from cifar102.workspace.files import parse_json, read_text

LINES = (".jsonl", ".ndjson")


def read(path: Path) -> dict[str, Readings]:
    """Read JSON or JSON lines: the set's name ("" where the file has none) -> readings; ValueError names the file."""
    try:
        value = _parsed(read_text(path), path.suffix.lower() in LINES)
    except (ValueError, RecursionError) as error:  # UTF-8 and JSON errors are ValueErrors
        raise ValueError(f"{path}: not readable as JSON: {error}") from error
    try:
        return _of_value(value, str(path))
    except RecursionError as error:
        raise ValueError(f"{path}: found JSON that is nested too deeply; expected a list of ids") from error
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:  # JSON may hold anything anywhere
        raise ValueError(
            f"{path}: found JSON in a form that is not known ({error!r}); expected a list of ids"
        ) from error


def of_records(columns: Mapping[str, Sequence], where: str) -> dict[str, Readings]:
    """Return the readings of columns of plain values: numbers, text, lists of numbers, scores by class."""
    notes: list[str] = []
    arrays: Columns = [(name, _column(list(values), f"{where}: {name}", notes)) for name, values in columns.items()]
    return _with_notes(by_column(arrays, where), notes)


def _with_notes(found: dict[str, Readings], notes: list[str]) -> dict[str, Readings]:
    return {name: tuple(replace(t, notes=(*notes, *t.notes)) for t in tables) for name, tables in found.items()}


def _parsed(text: str, is_lines: bool) -> object:
    """One value, or a list of the values on the lines; a .json file that holds lines is read as such."""
    if is_lines:
        return [parse_json(line) for line in text.splitlines() if line.strip()]
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        return _parsed(text, is_lines=True)


def _of_value(value: object, where: str) -> dict[str, Readings]:
    if isinstance(value, list) and value:
        return _of_list(value, where)
    if not isinstance(value, dict) or not value:
        raise ValueError(
            f"{where}: found {kind_of(value)}; expected a list of class ids or rows, or an object of lists"
        )
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):  # pandas' orient="split"
        names = list(map(str, value["columns"]))
        if bad := [k for k, row in enumerate(value["data"]) if not isinstance(row, list) or len(row) != len(names)]:
            raise ValueError(f"{where}: row {bad[0]} of data does not have the {len(names)} values that columns names")
        return _of_list([dict(zip(names, row, strict=True)) for row in value["data"]], where)
    if all(isinstance(item, dict) for item in value.values()):
        return _of_objects(value, where)
    lists = {name: item for name, item in value.items() if isinstance(item, list)}
    if list(lists) in (["data"], ["results"]):  # pandas' orient="table", and what tools wrap around their records
        return _of_list(lists.popitem()[1], where)
    has_parts = any(plain(name) in PARTS for name in lists)
    is_by_image = len(lists) == len(value) > 1 and all(len(item) == 10 for item in lists.values()) and not has_parts
    if not lists or is_by_image:
        return of_records({"key": list(value), "prediction": list(value.values())}, where)
    if not has_parts and len(lists) < len(value):
        raise ValueError(f"{where}: found an object of {sorted(value)[:12]}; expected predictions, class_ids or logits")
    notes: list[str] = []
    arrays = {name: _column(item, f"{where}: {name}", notes) for name, item in lists.items()}
    arrays |= {name: item for name, item in value.items() if plain(name) in LABEL_NAMES and name not in lists}
    return _with_notes(by_set(arrays, where), notes)


def _of_objects(value: dict[str, dict], where: str) -> dict[str, Readings]:
    """An object of objects: set -> lists, image -> record, or (as pandas writes) column -> row -> value."""
    first = next(iter(value.values()))
    if any(isinstance(item, list) for item in first.values()) and len(value) < 200:
        found = {name: _of_value(item, f"{where}: {name}") for name, item in value.items()}
        return {name if key == "" else f"{name}.{key}": r for name, part in found.items() for key, r in part.items()}
    if all(plain(name) in PARTS or class_number(name) is not None for name in first) and not _is_counted(first):
        return _of_list([{"key": name, **item} for name, item in value.items()], where)
    rows = list(first)
    if any(list(item) != rows for item in value.values()):
        raise ValueError(f"{where}: found objects with different names; expected one record an image")
    return of_records({"index": rows, **{name: list(item.values()) for name, item in value.items()}}, where)


def _is_counted(item: dict) -> bool:
    """Say whether the names of an object count from 0 beyond the classes, as rows do."""
    return len(item) != 10 and list(item) == [str(k) for k in range(len(item))]


def _of_list(values: list, where: str) -> dict[str, Readings]:
    if not all(isinstance(value, dict) for value in values):
        notes: list[str] = []
        return _with_notes({"": readings([(None, _column(values, where, notes))], where)}, notes)
    names = list(values[0])
    for row, value in enumerate(values):
        if set(value) != set(names):
            raise ValueError(f"{where}: row {row} has the names {sorted(value)}; expected {sorted(names)} as in row 0")
    return of_records({name: [value[name] for value in values] for name in names}, where)


def _column(values: list, where: str, notes: list[str]) -> np.ndarray:
    """An array of a list of numbers, text, rows of numbers or scores by class; `notes` gets what is to be said."""
    if values and all(isinstance(value, dict) for value in values):
        values = [[{"label": name, "score": score} for name, score in value.items()] for value in values]
    if values and all(isinstance(v, list) and v and all(isinstance(item, dict) for item in v) for v in values):
        return _scores(values, where, notes)
    if None in values:
        raise ValueError(f"{where}: row {values.index(None)} is null; expected a class id, or a row of numbers")
    array = array_of(values, where)
    words = [text for text in array.tolist() if isinstance(text, str)] if array.dtype.kind in "US" else []
    return np.array([int(word) for word in words]) if words and all(map(str.isdecimal, words)) else array


def _scores(rows: list[list[dict]], where: str, notes: list[str]) -> np.ndarray:
    """Scores (n, 10) by class of what a pipeline gives, `[{"label": "cat", "score": 0.9}, ...]`, in any order.

    Where it gave fewer than ten the label with the highest score is the class.
    """
    for number, row in enumerate(rows):
        if any(not isinstance(item.get("score"), int | float) or "label" not in item for item in row):
            found = str(row[0])[:80]
            raise ValueError(f"{where}: row {number} holds {found}; expected a label and a number, its score")
    if all(len(row) == 10 for row in rows):
        found = np.full((len(rows), 10), np.nan)
        for number, row in enumerate(rows):
            classes = [class_number(str(item["label"])) for item in row]
            if sorted(-1 if k is None else k for k in classes) != list(range(10)):
                labels = [item["label"] for item in row]
                raise ValueError(f"{where}: row {number} has the labels {labels}; expected CIFAR-10's ten classes")
            found[number, classes] = [float(item["score"]) for item in row]
        return found
    fewest = min(map(len, rows))
    notes.append(
        f"{where}: some rows have {fewest} scores of ten; the label with the highest is taken, without probabilities"
    )
    return np.array([str(max(row, key=lambda item: item["score"])["label"]) for row in rows])
