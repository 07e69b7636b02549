"""Columns of predictions by their names and contents: which is the answer, the truth, the number of the row.

A file of any form comes here as named arrays of one length. Where two columns could be the answer, or two orders the
order of the set, both readings are given; labels decide between them (prediction_tables).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from cifar102.cifar import CLASS_NAMES
from cifar102.evaluation.class_names import class_number, class_numbers, class_order

ANSWERS = {"prediction", "pred", "ypred", "yhat", "predicted", "predictedlabel", "predictedclass", "predlabel"}
ANSWERS |= {"predclass", "predictions", "preds", "classids", "classid", "argmax", "top1", "output", "outputs"}
ANSWERS |= {"predictedlabels", "predictedclasses", "predlabels", "predid", "ypreds", "answer", "guess"}
TRUTHS = {"ytrue", "true", "truth", "target", "targets", "truelabel", "truelabels", "trueclass", "groundtruth", "gt"}
TRUTHS |= {"actual", "expected", "reference", "labeltrue", "gold", "y", "ytest"}
EITHER = {
    "label",
    "labels",
    "class",
    "category",
    "classname",
    "labelname",
}  # the truth beside an answer, else the answer
ROWS = {"", "id", "ids", "index", "idx", "imageid", "imgid", "row", "rowid", "unnamed0", "imageindex", "sample", "n"}
ROWS |= {"sampleid", "exampleid", "example", "number", "nr", "rows", "imageidx", "sampleidx", "indices", "level0"}
FILES = {"file", "filename", "filenames", "path", "name", "image", "img", "imagepath", "filepath", "imagename", "key"}
LISTS = ("probabilities", "probability", "probs", "prob", "softmax", "scores", "score", "yprob", "yproba", "yscore")
LISTS = (*LISTS, "confidences", "proba", "outputs", "output", "predictions", "preds", "pred", "ypred", "logits")
SETS = {"set", "dataset", "testset", "setname", "datasetname"}
LONGEST_NAME = 200  # of a column or set; looking for a class in a name takes time by the square of its length
Columns = list[tuple[str | None, np.ndarray]]
LABEL_NAMES = {"labelnames", "classnames", "classes", "categories", "names"}
OTHERS = {"correct", "iscorrect", "hit", "confidence", "conf", "score", "prob", "probability", "maxprob", "entropy"}
OTHERS |= {"loss", "margin", "split", "fold", "seed", "epoch", "keyword", "tinyindex", "weight", "rank", "time"}


PARTS = {*ANSWERS, *EITHER, *LISTS, *TRUTHS, *(ROWS - {"", "n"}), *LABEL_NAMES, "arr0", "arr1"}


@dataclass(frozen=True)
class PredictionTable:
    """What one file says of one set, before anybody asks what the numbers mean.

    values: class ids (n,) or rows (n, classes), as they stand in the file; truth: integers (n,), the labels that the
    file itself gives; rows: integers (n,), the 0-based row of the set for each line, where the file names rows; notes:
    sentences on how the file was read. Where a file has more than one reading, column and order name this one.
    """

    values: np.ndarray
    truth: np.ndarray | None = None
    rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    column: str = ""
    order: str = ""


Readings = tuple[PredictionTable, ...]


def readings(columns: Sequence[tuple[str | None, np.ndarray]], where: str) -> tuple[PredictionTable, ...]:
    """Return the readings of named arrays of one length, the likelier first; one where the meaning is certain.

    columns: names (None where the file has none) and arrays (n,) of numbers or text, or (n, classes) of numbers.
    Raises ValueError that names `where` and the columns found.
    """
    if not columns or not len(columns[0][1]):
        raise ValueError(f"{where}: found 0 predictions; expected one line an image")
    _check_names([name for name, _ in columns if name], where)
    columns, notes = _with_rows_of_classes(list(columns), where)
    answers, others = _answers(columns)
    if not answers:
        raise ValueError(
            f"{where}: found {_listed(columns)}, none of which holds predictions; expected one column of class ids or "
            "names (`prediction`), or ten of probabilities or logits (`prob_0` to `prob_9`)"
        )
    names = [columns[place][0] for place in answers if columns[place][0]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{where}: found column {twice[0]!r} {names.count(twice[0])} times; expected it once")
    found = []
    for place in answers:
        truth = _truth(columns, answers, place)
        rest = [k for k in others if k != truth]
        values, named = _values(columns, place, answers, where)
        labels, column = _ids(columns, truth, rest, where), _title(columns, place) if len(answers) > 1 else ""
        for rows, said, order in _orders(columns, rest, where):
            found.append(PredictionTable(values, labels, rows, (*notes, *named, *said), column, order))
    return tuple(found)


def _check_names(names: Iterable[str], where: str) -> None:
    """ValueError for a name that is too long to be one."""
    if long := next((name for name in names if len(name) > LONGEST_NAME), None):
        found = f"a name of {len(long)} characters, {long[:40]!r}..."
        raise ValueError(f"{where}: found {found}; expected names of at most {LONGEST_NAME}")


def by_set(values: Mapping[str, object], where: str) -> dict[str, Readings]:
    """Return the readings of named arrays, of one set (`logits`, `y_true`) or of several (`cifar10`, `v4.logits`).

    values: name -> array or list. The set is "" where no name has one. Raises ValueError that names `where`.
    """
    _check_names(values, where)
    sets: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        name, part = _set_and_part(key)
        sets.setdefault(name, {})[part] = value
    names = {name: _popped_names(parts) for name, parts in sets.items()}
    found: dict[str, Readings] = {}
    for name, parts in sets.items():
        if not parts:
            continue
        place = f"{where}: {name}" if name else where
        columns = [(part, array_of(value, f"{place}: {part}")) for part, value in parts.items()]
        lengths = {part: len(value) for part, value in columns}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{place}: found arrays of different lengths {lengths}; expected one length a set")
        own = names[name] if names[name] is not None else names.get("")
        order = np.arange(10) if own is None else class_order(own, place)
        found[name] = tuple(_renumbered(table, order, place) for table in readings(columns, place))
    if not found:
        raise ValueError(f"{where}: found no array; expected class_ids, probabilities or logits")
    return found


def _set_and_part(key: str) -> tuple[str, str]:
    """The set's name and the part in the name of an array: ("cifar10", "logits") of cifar10.logits, logits_cifar10."""
    if plain(key) in PARTS:
        return "", key
    for match in re.finditer(r"[._/\- :]+", key):
        if plain(key[match.end() :]) in PARTS:
            return key[: match.start()], key[match.end() :]
    match = re.fullmatch(r"([A-Za-z]+)[._/\- :]+(.+)", key)
    return (match[2], match[1]) if match and plain(match[1]) in PARTS else (key, "predictions")


def _popped_names(parts: dict[str, object]) -> object:
    """The names of the classes, taken out of the parts of a set; None where there are none."""
    for part, value in parts.items():
        is_list = np.ndim(value) == 1 and len(value) == 10 and all(isinstance(name, str) for name in value)
        if plain(part) in ("labelnames", "classnames") or (plain(part) in LABEL_NAMES and is_list):
            return parts.pop(part)
    return None


def array_of(value: object, where: str) -> np.ndarray:
    """Return an array of numbers or text of at least one axis; ValueError for anything else."""
    try:
        array = value if isinstance(value, np.ndarray) else np.array(value)
    except ValueError as error:
        raise ValueError(
            f"{where}: found rows of different lengths; expected a flat list, or rows of one length"
        ) from error
    if array.dtype.kind == "S":  # names as bytes, which are text in ASCII
        array = np.char.decode(array, "ascii", "backslashreplace")
    if array.dtype == np.dtype("V2"):  # how numpy saves bfloat16: the upper half of a float32
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if isinstance(value, dict) or array.dtype.kind not in "iufbU" or array.ndim < 1:
        raise ValueError(f"{where}: found {kind_of(value)}; expected class ids, or rows of probabilities or logits")
    return array


def kind_of(value: object) -> str:
    """Say in a few words what a value is."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    if isinstance(value, list):
        return f"a list of {type(value[0]).__name__}" if value else "an empty list"
    return "nothing" if value is None else f"a {type(value).__name__}"


def by_column(columns: Columns, where: str) -> dict[str, Readings]:
    """Return the readings of a table: by the names in its column `set` or `dataset`, or under "" without one."""
    places = [k for k, (name, values) in enumerate(columns) if plain(name) in SETS and values.dtype.kind in "US"]
    if not places or len(columns) == 1:
        return {"": readings(columns, where)}
    names, rest = columns[places[0]][1], [column for k, column in enumerate(columns) if k != places[0]]
    parts = {
        str(name): [(key, values[names == name]) for key, values in rest] for name in dict.fromkeys(names.tolist())
    }
    return {name: readings(part, f"{where}: {name}") for name, part in parts.items()}


def plain(name: str | None) -> str:
    """A name as it is looked up: small letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", (name or "").lower())


def _renumbered(table: PredictionTable, order: np.ndarray, where: str) -> PredictionTable:
    """A table whose class k is order[k], in CIFAR-10's order, and a sentence that says so."""
    if order.tolist() == list(range(10)):
        return table
    values = table.values
    is_table = values.ndim == 2 and values.shape[1] == 10
    if not is_table and (values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 9):
        raise ValueError(f"{where}: found ids from {values.min()} to {values.max()}; expected 0 to 9, one a label name")
    values = values[:, np.argsort(order)] if is_table else order[values]
    truth = table.truth
    if truth is not None:  # what is no class is none of the set's labels either
        truth = np.where((truth >= 0) & (truth <= 9), order[np.clip(truth, 0, 9)], truth)
    note = f"{where}: its label names stand in another order than CIFAR-10's; the classes are renumbered by them"
    return replace(table, values=values, truth=truth, notes=(*table.notes, note))


def _with_rows_of_classes(columns: Columns, where: str) -> tuple[Columns, tuple[str, ...]]:
    """Join ten columns that are named after the classes, or the last ten of numbers without names, into one."""
    if len(columns) < 10:
        return columns, ()
    if columns[0][0] is None:
        last = [values for _, values in columns[-10:]]
        if any(values.dtype.kind not in "iuf" or values.ndim != 1 for values in last):
            return columns, ()
        return [*columns[:-10], (None, np.stack(last, axis=1))], ()
    groups: dict[str, dict[int, int]] = {}
    for place, (name, values) in enumerate(columns):
        prefix, number = _class_in_name(name)
        if number is not None and values.dtype.kind in "iuf" and values.ndim == 1:
            groups.setdefault(prefix, {})[number] = place
    notes: list[str] = []
    for prefix, places in groups.items():
        numbers = sorted(places)
        if len(places) == 10 and numbers in (list(range(10)), list(range(1, 11))):
            joined = np.stack([columns[places[number]][1] for number in numbers], axis=1)
            columns = [*columns, (f"{prefix}..." if prefix else f"{CLASS_NAMES[0]}...{CLASS_NAMES[-1]}", joined)]
            if list(places) != numbers:
                notes.append(
                    f"{where}: the columns of the classes stand in another order than CIFAR-10's, read by name"
                )
    used = {place for places in groups.values() if len(places) == 10 for place in places.values()}
    return [column for place, column in enumerate(columns) if place not in used], tuple(notes)


def _class_in_name(name: str) -> tuple[str, int | None]:
    """What stands before a class's name or number in the name of a column, and the number: prob_cat, "logit 3", V1."""
    for form in (
        r"(?P<what>.*?)[\s_\-.:(\[]*(?P<name>\d+|[A-Za-z]+)[\s)\]]*",
        r"(?P<name>[A-Za-z]+)[\s_\-.:]+(?P<what>.*)",
    ):
        match = re.fullmatch(form, name.strip())
        if match and (number := class_number(match["name"])) is not None:
            return plain(match["what"]), number
    return "", None


def _answers(columns: Columns) -> tuple[list[int], list[int]]:
    """The places of the columns that may be the answer, the likelier first, and of those that may not."""
    places = range(len(columns))
    if len(columns) == 1:
        return [0], []
    names = [plain(name) for name, _ in columns]
    tables = [k for k in places if columns[k][1].ndim == 2 and columns[k][1].shape[1] > 1]
    if tables:
        tables.sort(key=lambda k: LISTS.index(names[k]) if names[k] in LISTS else len(LISTS))
        known = [k for k in tables if names[k] in LISTS]
        chosen = known[:1] or tables
        return chosen, [k for k in places if k not in chosen]
    strong = [k for k in places if names[k] in ANSWERS and columns[k][0] is not None]
    named = {*TRUTHS, *ROWS, *FILES, *OTHERS}
    free = [k for k in places if _is_class_like(columns[k][1]) and (columns[k][0] is None or names[k] not in named)]
    weak = [k for k in free if names[k] in EITHER and columns[k][0] is not None]
    rows = [k for k in free if columns[k][0] is None and _row_numbers(columns[k][1]) is not None]
    if rows and len(free) > len(rows[:1]):
        free = [k for k in free if k != rows[0]]
    last = [k for k in places if names[k] in TRUTHS and _is_class_like(columns[k][1])]
    last = last or [k for k in places if names[k] in EITHER and columns[k][1].ndim == 1]  # it tells what is wrong
    chosen = strong or weak or free or last
    return chosen, [k for k in places if k not in chosen or len(chosen) > 1]


def _is_class_like(values: np.ndarray) -> bool:
    """Say whether a column may hold classes: whole numbers 0 to 10, or class names."""
    if values.ndim == 2:
        return values.shape[1] == 1 and _is_class_like(values[:, 0])
    if values.dtype.kind in "iuf":
        return bool(len(values)) and bool(((values >= 0) & (values <= 10) & (values == np.round(values))).all())
    return all(class_number(str(text)) is not None for text in set(values.tolist()))


def _truth(columns: Columns, answers: list[int], answer: int) -> int | None:
    """The place of the column of true labels, by its name."""
    named = [k for k, (name, values) in enumerate(columns) if name is not None and k != answer and values.ndim == 1]
    truths = [k for k in named if plain(columns[k][0]) in TRUTHS]
    truths += [k for k in named if plain(columns[k][0]) in EITHER and k not in answers]
    return next((k for k in truths if _is_class_like(columns[k][1])), None)


def _values(columns: Columns, place: int, answers: list[int], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The numbers of the answer, and what is said of the columns beside it."""
    values, notes = columns[place][1], []
    if len(columns) > 1 and columns[place][0]:
        notes.append(f"{where}: predictions from {_title(columns, place)}")
    elif plain(columns[place][0]) in TRUTHS:
        title = _title(columns, place)
        notes.append(f"{where}: predictions from {title}, the only one, though true labels are often called so")
    if values.dtype.kind not in "iufbV":
        values = class_numbers(values.ravel(), where)
    if values.ndim == 2 and values.shape[1] > 1:
        for k, (name, ids) in enumerate(columns):
            if k not in answers and plain(name) in ANSWERS and name is not None and _is_class_like(ids):
                said = ids if ids.dtype.kind in "iufb" else class_numbers(ids, where)
                if differ := int((said.ravel() != values.argmax(axis=1)).sum()):
                    notes.append(
                        f"{where}: {_title(columns, k)} differs from the largest value in {differ} rows; not used"
                    )
    return values, tuple(notes)


def _ids(columns: Columns, truth: int | None, others: list[int], where: str) -> np.ndarray | None:
    """The labels that the file itself gives, by a column or by the folder in its file names (cat/0001.png)."""
    if truth is not None:
        values = columns[truth][1]
        return values.astype(np.int64) if values.dtype.kind in "iufb" else class_numbers(values, where)
    for k in others:
        if columns[k][1].dtype.kind not in "iufb":
            folders = [PurePosixPath(str(text).replace("\\", "/")).parent.name for text in columns[k][1]]
            numbers = {folder: class_number(folder) for folder in set(folders)}
            if len(numbers) > 1 and None not in numbers.values():
                return np.array([numbers[folder] for folder in folders], dtype=np.int64)
    return None


def _orders(columns: Columns, others: list[int], where: str) -> list[tuple[np.ndarray | None, tuple[str, ...], str]]:
    """The orders that the lines may have, the likelier first: rows or None, what is said of them, a few words."""
    for k in others:
        name, values = columns[k]
        if _numbers_rows(name, values):
            is_named = name is not None and plain(name) in ROWS
            return _by_number(values, _title(columns, k), where, is_certain=is_named)
    for k in others:
        if columns[k][1].dtype.kind not in "iufb" and (columns[k][0] is None or plain(columns[k][0]) in FILES | ROWS):
            numbers = [re.findall(r"\d+", PurePosixPath(str(text)).stem)[-1:] for text in columns[k][1]]
            if all(numbers):
                values = np.array([int(last[:18]) for (last,) in numbers])
                return _by_number(values, f"the numbers in {_title(columns, k)}", where, is_certain=False)
            return [
                (None, (f"{where}: {_title(columns, k)} does not number the rows; lines are in the set's order",), "")
            ]
    return [(None, (), "")]


def _by_number(
    numbers: np.ndarray, title: str, where: str, *, is_certain: bool
) -> list[tuple[np.ndarray | None, tuple[str, ...], str]]:
    rows = _row_numbers(numbers)
    if rows is not None and (rows[1:] > rows[:-1]).all():
        said = f"{where}: {title} counts the rows from 1" if numbers.min() == 1 else ""
        return [(None, (said,) if said else (), "")]
    in_file = (None, (f"{where}: lines are taken in the order of the file, not by {title}",), "lines as they stand")
    if rows is not None:
        by_rows = (rows, (f"{where}: lines are put into order by {title}",), f"lines by {title}")
        return [by_rows] if is_certain else [by_rows, in_file]
    unique, counts = np.unique(numbers, return_counts=True)
    if len(unique) < len(numbers):
        if is_certain:
            twice = unique[counts > 1][0]
            raise ValueError(f"{where}: {title} holds {twice:g} {counts.max()} times; expected one line an image")
        return [in_file]
    span = f"{title} runs from {numbers.min():g} to {numbers.max():g}, not from 0 or 1 without a hole"
    if (numbers[1:] > numbers[:-1]).all():
        return [(None, (f"{where}: {span}; lines are in ascending order and taken so",), "")]
    ranks = np.argsort(np.argsort(numbers))
    return [(ranks, (f"{where}: {span}; lines are put into its order",), f"lines by {title}"), in_file]


def _numbers_rows(name: str | None, values: np.ndarray) -> bool:
    """Say whether a column numbers the rows: by its name, or by what it holds where it has none."""
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        return False
    if name is None:
        return values.dtype.kind in "iu" and len(np.unique(values)) == len(values)
    return plain(name) in ROWS | FILES or (plain(name) not in OTHERS and _row_numbers(values) is not None)


def _row_numbers(values: np.ndarray) -> np.ndarray | None:
    """Rows 0 to n - 1 where the values count them from 0 or from 1, in any order; else None."""
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not len(values):
        return None
    first = values.min()
    if first not in (0, 1) or not (np.sort(values) - first == np.arange(len(values))).all():
        return None
    return (values - first).astype(np.int64)


def _title(columns: Columns, place: int) -> str:
    name = columns[place][0]
    return f"column {name!r}" if name else f"column {place + 1}"


def _listed(columns: Columns) -> str:
    return ", ".join(_title(columns, place) for place in range(min(len(columns), 12))) or "no column"
