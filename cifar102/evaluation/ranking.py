"""Several models: ranks first, with those that tests leave open: ranks transfer to new images, accuracies do not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pandas as pd

from cifar102.analysis import accuracies, model_pairs, rankings
from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import accuracy_tables, exports, records, sources, verdict
from cifar102.evaluation.answers import Answers
from cifar102.evaluation.records import Record
from cifar102.evaluation.score_texts import title_of
from cifar102.workspace.files import read_table, write_json, write_table, write_text
from cifar102.workspace.folders import Workspace

BOARD = "leaderboard.csv"
LEADERBOARD = ("model", "set", "n", "correct", "accuracy", "low", "high", "level", "digest")


def rank(
    models: Sequence[object],
    sets: Sequence[str] | None = None,
    *,
    workspace: Workspace | str | Path = verdict.DEMO,
    data: str | Path | None = None,
    standard: str | Path | None = None,
    level: float = 0.95,
    output: str | Path | None = None,
    **asked: Unpack[sources.Asked],
) -> Record:
    """Judge two or more models on the sets that are here and rank them on each.

    Arguments as verdict.evaluate. Returns a Record: `verdict, notes, models` (a record of verdict.evaluate each),
    `ranks` (set, model, rank, best_rank, worst_rank, accuracy, low, high) and `pairs` (set, first, second, difference,
    low, high, p_value, p_holm); ranks are those that McNemar's exact tests leave, Holm over all pairs of a set. With
    output the folder holds record.json, tables, a figure, model_card.md and leaderboard.csv, which later calls extend.
    """
    folder = None if output is None else records.check_folder(Path(output))
    _check_models(models)
    found, missing = verdict.find_sets(sets, workspace, data)
    answers, said = _named([sources.answers_of(model, found, **asked) for model in models])
    said += [] if folder is None else _namesakes(folder / BOARD, answers)
    place = (Workspace(workspace), Path(data) if data else None)
    cards = [verdict.judge(each, found, *place, standard, level) for each in answers]
    both = zip(cards, answers, strict=True)
    singles = [verdict.content_of(card, found, (*each.notes, *card.sentences)) for card, each in both]
    ranks, pairs = rank_tables(answers, found, level)
    content = {"verdict": verdict_of(ranks, found, level), "notes": [*said, *missing.values()], "models": singles}
    content |= {"ranks": ranks.to_dict("records"), "pairs": pairs.to_dict("records")}
    record = records.make(content, {"ranks": ranks, "pairs": pairs}, _text(content, ranks, found))
    return record if folder is None else _write(record, answers, found, level, folder)


def _check_models(models: Sequence[object]) -> None:
    """ValueError for fewer than two models, or for a table of accuracies among them."""
    if len(models) < 2:
        raise ValueError(f"models: expected 2 or more to rank, found {len(models)}")
    for model in models:
        if isinstance(model, str | Path) and accuracy_tables.is_table(Path(model).expanduser()):
            raise ValueError(f"{model}: is a table of accuracies of many models; evaluate it by itself")


def _named(answers: Sequence[Answers]) -> tuple[list[Answers], list[str]]:
    """The answers under names that differ: a name that comes again gets a number, and a sentence says so."""
    names: list[str] = []
    for each in answers:
        taken, name, number = set(names), each.name, 2
        while name in taken:
            name, number = f"{each.name} ({number})", number + 1
        names.append(name)
    named = [replace(each, name=name) for name, each in zip(names, answers, strict=True)]
    pairs = zip(named, answers, strict=True)
    return named, [f"{new.name}: another model is called {old.name} too" for new, old in pairs if new.name != old.name]


def rank_tables(
    answers: Sequence[Answers], sets: Mapping[str, TestSet], level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (ranks, pairs) of all models on every set that two or more of them answer; best first on each set."""
    ranks, pairs = [], []
    for name, test in sets.items():
        said = {each.name: each.predictions[name].class_ids for each in answers if name in each.predictions}
        if len(said) < 2:
            continue
        tested = model_pairs.mcnemar_table(said, test.labels, level)
        accuracy = accuracies.accuracy_table(said, test.labels, level)
        accuracy.insert(1, "rank", accuracy["accuracy"].rank(ascending=False, method="min").astype(int))
        table = model_pairs.certain_ranks(tested).drop(columns="level").merge(accuracy, on="model")
        table = table.sort_values(["rank", "model"], kind="stable", ignore_index=True)
        first = ["model", "rank", "best_rank", "worst_rank", "n", "correct", "accuracy", "low", "high", "level"]
        ranks.append(table[first].assign(set=name))
        pairs.append(tested.assign(set=name))
    if not ranks:
        raise ValueError("no set is answered by two of the models, so none can be ranked")
    return pd.concat(ranks, ignore_index=True), pd.concat(pairs, ignore_index=True)


def verdict_of(ranks: pd.DataFrame, sets: Mapping[str, TestSet], level: float) -> str:
    """Return in one line who leads on the first set, who else may, and how far ranks agree between sets."""
    first = ranks["set"].iloc[0]
    table = ranks[ranks["set"] == first]
    open_place = table[table["best_rank"] == 1]
    best = table.iloc[0]["model"]
    text = f"{best} leads {len(table)} models on {title_of(first, sets)}"
    if len(open_place) > 1:
        others = [name for name in open_place["model"] if name != best]
        text += f", and {len(others)} more may be first ({', '.join(others[:3])}{' ...' if len(others) > 3 else ''})"
    else:
        text += " (all others are shown to be worse)"
    new = next((name for name in ranks["set"].unique() if name != first and not sets[name].severity), None)
    if new and len(table) > 2:
        sides = [ranks[ranks["set"] == name].set_index("model")["accuracy"] for name in (first, new)]
        shared = sides[0].index.intersection(sides[1].index)
        if len(shared) > 2:
            found = rankings.rank_correlations(sides[0].loc[shared], sides[1].loc[shared])
            text += f"; ranks there and on {title_of(new, sets)} correlate by {found['spearman']:.2f} (Spearman)"
    return f"{text} ({100 * level:g}%, Holm over all pairs)"


def _text(content: Mapping, ranks: pd.DataFrame, sets: Mapping[str, TestSet]) -> str:
    parts = [content["verdict"]]
    for name, table in ranks.groupby("set", sort=False):
        if sets[name].family:
            continue
        ends = table["best_rank"].astype(str) + "-" + table["worst_rank"].astype(str)
        shown = table[["rank", "model", "accuracy", "low", "high"]].assign(possible=ends)
        shown = shown[["rank", "possible", "model", "accuracy", "low", "high"]]
        parts.append(f"{title_of(name, sets)}: {sets[name].provenance}\n{records.shown(shown, 2)}")
    parts.append("\n".join(model["verdict"] for model in content["models"]))
    notes = [*content["notes"], *(f"{m['model']}: {note}" for m in content["models"] for note in m["notes"])]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes)])


def _write(
    record: Record, answers: Sequence[Answers], sets: Mapping[str, TestSet], level: float, folder: Path
) -> Record:
    from cifar102.evaluation import pair_figures  # Matplotlib: a second that a record alone does not need

    cards = [exports.model_card(records.make(model, {}, ""), sets) for model in record["models"]]
    rows = [line for card in cards for line in card.splitlines()[2:]]
    shown = {name: part for name, part in record.tables["ranks"].groupby("set", sort=False) if not sets[name].family}
    digests = {each.name: each.digest for each in answers}

    def fill(place: Path) -> list[Path]:
        files = [write_json(place / "record.json", record.content)]
        files.append(write_text(place / "model_card.md", "\n".join([*cards[0].splitlines()[:2], *rows]) + "\n"))
        files += [write_table(place / "tables" / f"{key}.csv", table) for key, table in record.tables.items()]
        files += pair_figures.draw_ranks(shown, sets, level, Workspace(place))
        board = extended(folder / BOARD, record["models"], digests, level)
        return [*files, write_table(place / BOARD, board)]

    return records.write(record, folder, fill)


def extended(path: Path, models: Sequence[Mapping], digests: Mapping[str, str], level: float) -> pd.DataFrame:
    """Return a leaderboard with these models added, a row a model and set, best first on each set.

    path: the leaderboard so far, perhaps not there. A model of the same name and digest is replaced on a set; one of
    the same name and another digest is another model. ValueError where the file is no leaderboard.
    """
    rows = [
        {"model": model["model"], "set": row["name"], **{name: row[name] for name in LEADERBOARD[2:7]}}
        for model in models
        for row in model["sets"]
    ]
    board = pd.DataFrame(rows, columns=list(LEADERBOARD[:7])).assign(level=level)
    board["digest"] = board["model"].map(digests)
    if path.is_file():
        board = pd.concat([_read_leaderboard(path), board])
    board = board.drop_duplicates(["model", "set", "digest"], keep="last")
    board = board.sort_values(["set", "accuracy", "model"], ascending=[True, False, True], kind="stable")
    return board[list(LEADERBOARD)]


def _namesakes(path: Path, answers: Sequence[Answers]) -> list[str]:
    """A sentence for each model whose name another one has in the leaderboard of a folder."""
    board = _read_leaderboard(path) if path.is_file() else pd.DataFrame(columns=list(LEADERBOARD))
    return [
        f"{each.name}: {path.name} has another model of this name; both stay, told apart by their digests"
        for each in answers
        if ((board["model"] == each.name) & (board["digest"] != each.digest)).any()
    ]


def _read_leaderboard(path: Path) -> pd.DataFrame:
    board = read_table(path, LEADERBOARD, texts=("model", "set", "digest"))[list(LEADERBOARD)]
    numbers = board[list(LEADERBOARD[2:8])].apply(pd.to_numeric, errors="coerce")
    if (bad := numbers.drop(columns="level").isna().any(axis=1)).any():
        row = int(bad.to_numpy().argmax())
        raise ValueError(
            f"{path}: row {row + 1} ({board['model'].iloc[row]}) lacks a number; expected one in each of n to high"
        )
    return board.assign(**numbers)
