"""Predictions from files: which set they are of, in which order, which column: read where certain, and always said."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cifar102.analysis import predictions
from cifar102.analysis.predictions import PUBLISHED_FOLDER, VERSION
from cifar102.analysis.scorecard import ORIGINAL, TestSet
from cifar102.evaluation import meaning, prediction_files
from cifar102.evaluation.answers import Answers, digest_of
from cifar102.evaluation.meaning import Meaning
from cifar102.evaluation.prediction_columns import PredictionTable, Readings
from cifar102.workspace.arrays import npz_names

SUFFIXES = prediction_files.SUFFIXES
SHOWN = 4  # readings that a sentence lists
SAME_LABELS = 0.9  # share of equal labels from which on a file's own labels are those of the set in its order


def read(path: Path) -> PredictionTable:
    """Read one file of predictions of one set, in any form of prediction_files.

    Raises FileNotFoundError; ValueError that names the file, what was found and what was expected: also where two
    columns could be the predictions, or the file holds several sets.
    """
    forms = prediction_files.read_forms(Path(path))
    if len(forms) > 1:
        raise ValueError(f"{path}: found predictions of {sorted(forms)}; expected one set")
    ((_, tables),) = forms.items()
    if len({table.column for table in tables}) > 1:
        columns = ", ".join(dict.fromkeys(table.column for table in tables))
        raise ValueError(f"{path}: {columns} could each be the predictions; expected one, name it `prediction`")
    return tables[0]


def predictions_of(path: Path, sets: Mapping[str, TestSet], logits: bool | None = None) -> Answers:
    """Read a file or a folder of predictions and find out which sets they are of, and what the numbers mean.

    path: a file of one set or more; a folder of `<set>.<suffix>` files or of a run; a published model's file in
    `<version>_predictions`, which stands for all versions. sets: those that can be judged. logits: the user's word that
    rows are logits (True) or none (False). Where the file leaves a choice, the labels decide and a note says it. Raises
    FileNotFoundError, ValueError that name the file, what was found and what was expected.
    """
    path = Path(path)
    if path.name == "predictions.npz" or (path / "predictions.npz").is_file():
        folder = path if path.is_dir() else path.parent
        if _is_run(folder / "predictions.npz"):
            return Answers(folder.name, predictions.read_run(folder), (), digest_of([folder / "predictions.npz"]))
    found: dict[str, Meaning] = {}
    files = _files(path, sets)
    for file, name in files.items():
        forms = prediction_files.read_forms(file)
        for key, tables in forms.items():
            where = f"{file}: {key}" if key else str(file)
            candidates, twins = _without_twins(_candidates(file, name, key, len(forms), sets), sets)
            trials = _trials(tables, {name: sets[name] for name in candidates}, where)
            chosen, read_as = _choose(trials, where, logits)
            if chosen == ORIGINAL and twins:
                read_as = replace(read_as, notes=(*read_as.notes, _of_twins(twins, where)))
            if chosen in found:
                raise ValueError(f"{file}: a second set of predictions of {chosen}; expected one a set")
            found[chosen] = read_as
    said = {name: found[name].predictions for name in [*sets, *found] if name in found}
    notes = tuple(dict.fromkeys(note for part in found.values() for note in part.notes))
    name = path.name if path.is_dir() else path.stem.removesuffix("_predictions")
    return Answers(name, said, notes, digest_of(files))


def _is_run(path: Path) -> bool:
    """Say whether a predictions.npz has the form of a run folder: `<set>.class_ids`, `<set>.probabilities`."""
    return any(name.endswith((".class_ids", ".probabilities")) for name in npz_names(path))


def _files(path: Path, sets: Mapping[str, TestSet]) -> dict[Path, str]:
    """The files to read, each with the name of its set where its place says it, else ""."""
    if PUBLISHED_FOLDER.fullmatch(path.parent.name):
        names = [name for name in sets if name == ORIGINAL or VERSION.fullmatch(name)]
        words = {name: predictions.published_word(name) for name in names}
        files = {path.parent.parent / f"{words[name]}_predictions" / path.name: name for name in names}
        return {file: name for file, name in files.items() if file.is_file()}
    if not path.is_dir():
        return {path: ""}
    files = {}
    for file in sorted(path.iterdir()):
        is_text = file.suffix.lower() == ".txt"  # notes of the user, unless it has the name of a set
        if (
            file.suffix.lower() in SUFFIXES
            and not file.name.startswith(".")
            and not (is_text and not _named(file, sets))
        ):
            files[file] = _named(file, sets)
            if not files[file]:
                known = sorted(sets)
                raise ValueError(
                    f"{file}: {file.stem!r} is no set with labels here; expected the name of one of {known}"
                )
    if not files:
        raise FileNotFoundError(f"{path}: holds no predictions; expected <set> with {', '.join(SUFFIXES)}")
    return files


def _named(text: Path | str, sets: Mapping[str, TestSet]) -> str:
    """The longest set's name that stands in a file's name or a key, whatever the case and the dashes; else ""."""
    text = text.name.removesuffix(text.suffix) if isinstance(text, Path) else text
    given = re.sub(r"[_\s]+", "-", text.lower()).replace("cifar-10", "cifar10")
    found = [name for name in sets if re.search(rf"(?<![a-z0-9.]){re.escape(name.lower())}(?![a-z0-9]|\.\d)", given)]
    return max(found, key=len, default="")


def _candidates(file: Path, name: str, key: str, forms: int, sets: Mapping[str, TestSet]) -> list[str]:
    """The sets that predictions may be of: the one that a folder, a key or the file's name gives, or all."""
    if named := name or _named(key, sets):
        return [named]
    if key and forms > 1:
        raise ValueError(f"{file}: found predictions of {key!r}; expected one of {sorted(sets)}")
    return [named] if (named := _named(file, sets)) else list(sets)


def _without_twins(names: list[str], sets: Mapping[str, TestSet]) -> tuple[list[str], list[str]]:
    """The names without those sets that have CIFAR-10's own labels (ciFAIR, CIFAR-10-C), and these: labels cannot tell
    them apart, so such a set is read from a file of its name only."""
    if ORIGINAL not in names:
        return names, []
    labels = np.asarray(sets[ORIGINAL].labels)
    others = {name: np.asarray(sets[name].labels) for name in names if name != ORIGINAL}
    twins = [name for name, own in others.items() if len(own) == len(labels) and np.mean(own == labels) >= SAME_LABELS]
    return [name for name in names if name not in twins], twins


def _of_twins(twins: list[str], where: str) -> str:
    known = ", ".join(twins[:SHOWN]) + (f" and {len(twins) - SHOWN} more sets" if len(twins) > SHOWN else "")
    return f"{where}: taken for {ORIGINAL}; predictions of {known} need the name of their set in the file's name"


@dataclass(frozen=True)
class _Trial:
    """One reading of a file as predictions of one set, in the set's order; same: share of its own labels that are
    those of the set, None where it has none."""

    name: str
    labels: np.ndarray
    table: PredictionTable
    same: float | None

    def title(self) -> str:
        return ", ".join(part for part in (self.name, self.table.column, self.table.order) if part)


def _trials(tables: Readings, sets: Mapping[str, TestSet], where: str) -> list[_Trial]:
    """Every reading as every set of its length. ValueError where no length fits, or no set has the labels it gives."""
    found = [
        _trial(table, test, name)
        for table in tables
        for name, test in sets.items()
        if len(table.values) == len(test.labels)
    ]
    if not found:
        lengths = " or ".join(str(n) for n in dict.fromkeys(len(table.values) for table in tables))
        hint = meaning.shape_hint(tables[0].values.shape)
        raise ValueError(f"{where}: found {lengths} predictions{hint}; expected {_lengths(sets)}")
    matching = [trial for trial in found if trial.same is None or trial.same >= SAME_LABELS]
    if not matching:
        best = max(found, key=lambda trial: trial.same)
        counts = [np.bincount(values, minlength=11) for values in (_zero_based(best.table.truth), best.labels)]
        shuffled = "they are the same in another order: add a column `row`, or save in the set's order"
        why = shuffled if (counts[0] == counts[1]).all() else "is it of another set?"
        raise ValueError(f"{where}: its own labels are those of {best.name} in {best.same:.1%} of the rows; {why}")
    return sorted(matching, key=lambda trial: -(trial.same or 0))


def _lengths(sets: Mapping[str, TestSet]) -> str:
    """How many predictions each set wants: "10000 (cifar10), 2000 (cifar10.1-v6, cifar10.2)"."""
    named: dict[int, list[str]] = {}
    for name, test in sets.items():
        named.setdefault(len(test.labels), []).append(name)
    return ", ".join(f"{count} ({', '.join(names)})" for count, names in named.items())


def _trial(table: PredictionTable, test: TestSet, name: str) -> _Trial:
    """A reading put into the order of the rows it names."""
    labels = np.asarray(test.labels)
    if table.rows is not None:
        order = np.argsort(table.rows)
        truth = None if table.truth is None else table.truth[order]
        table = replace(table, values=table.values[order], truth=truth, rows=None)
    same = None if table.truth is None else float(np.mean(_zero_based(table.truth) == labels))
    return _Trial(name, labels, table, same)


def _zero_based(truth: np.ndarray) -> np.ndarray:
    """Labels 1 to 10 as 0 to 9; others as they are, what is no class as 10."""
    truth = truth - 1 if (truth.min(), truth.max()) == (1, 10) else truth
    return np.where((truth >= 0) & (truth <= 9), truth, 10)


def _choose(trials: list[_Trial], where: str, logits: bool | None) -> tuple[str, Meaning]:
    """The trial that the labels settle, with what is said of it; ValueError where they settle none."""
    tried, errors = [], []
    for trial in trials:
        try:
            read_as = meaning.of_outputs(trial.table.values, trial.labels, where, logits=logits)
        except ValueError as error:
            errors.append(error)
            continue
        tried.append((trial, read_as, float(np.mean(read_as.predictions.class_ids == trial.labels))))
    if not tried:
        raise errors[0]
    trial, read_as, right = _settled(tried, where)
    notes = [*trial.table.notes, *read_as.notes]
    others = {other.title(): share for other, _, share in tried if other is not trial}
    if others:
        known = ", ".join(f"{title} ({share:.1%})" for title, share in list(others.items())[:SHOWN])
        known += f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        notes.append(f"{where}: read as {trial.title()} ({right:.1%} are right); also possible: {known}")
    if trial.same is not None:
        differ = round((1 - trial.same) * len(trial.labels))
        of_them = f"but for {differ} rows, where the set's labels count" if differ else "in every row"
        notes.append(f"{where}: its own labels are those of {trial.name} {of_them}")
    return trial.name, Meaning(read_as.predictions, tuple(notes))


def _settled(tried: list[tuple[_Trial, Meaning, float]], where: str) -> tuple[_Trial, Meaning, float]:
    """The one of several readings that is right more often than guessing; the likelier order of several such."""
    clear = [one for one in tried if not meaning.is_chance(one[1].predictions.class_ids, one[0].labels)] or tried
    if len({one[0].table.column for one in clear}) > 1:
        clear = [one for one in clear if one[2] < 1] or clear  # what is right everywhere is the truth
    distinct = {one[1].predictions.class_ids.tobytes() for one in clear if one[0].name == clear[0][0].name}
    if len({one[0].table.column for one in clear}) > 1 and len(distinct) > 1:
        found = ", ".join(f"{one[0].title()} ({one[2]:.1%} right)" for one in clear[:SHOWN])
        raise ValueError(
            f"{where}: found more than one column of predictions: {found}; expected one, name it `prediction`"
        )
    names = {one[0].name: one[0].labels for one in clear}
    if len(names) == 1:
        return clear[0]
    found = ", ".join(f"{one[0].title()} ({one[2]:.1%} right)" for one in clear[:SHOWN])
    raise ValueError(f"{where}: could be predictions of {found}; expected a file with the name of its set")
