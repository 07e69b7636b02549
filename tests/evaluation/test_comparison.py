"""`compare` and the ranking of several models: what is certain of differences and ranks."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import comparison, ranking
from cifar102.workspace.files import write_table
from cifar102.workspace.folders import Workspace

LABELS = np.arange(60) % 10
ROW = {"name": "cifar10", "n": 10, "correct": 5, "accuracy": 0.5, "low": 0.2, "high": 0.8}


def said_with(labels: np.ndarray, wrong: int) -> np.ndarray:
    said = labels.copy()
    said[:wrong] = (said[:wrong] + 1) % 10
    return said


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Predictions of CIFAR-10's 60 images here: good (2 wrong), same (the same), fair (5 others wrong), poor (40)."""
    folder = tmp_path / "files"
    folder.mkdir()
    said = {"good": said_with(LABELS, 2), "fair": said_with(LABELS[::-1], 5)[::-1], "poor": said_with(LABELS, 40)}
    for name, ids in (said | {"same": said["good"]}).items():
        np.save(folder / f"{name}.npy", ids)
    return {path.stem: str(path) for path in folder.iterdir()}


def test_images_that_one_model_alone_gets_right_are_counted_listed_and_shown(data, files, workspace, tmp_path) -> None:
    found = comparison.compare(
        files["good"], files["fair"], ["cifar10"], workspace=workspace, data=data, output=tmp_path / "out"
    )
    row = found["sets"][0]
    assert (row["n"], row["only_first"], row["only_second"]) == (60, 5, 2)
    assert row["difference"] == pytest.approx(3 / 60) and row["low"] < 0.05 < row["high"]
    images = found.tables["images"]
    assert images[images["right"] == "second"]["row"].tolist() == [0, 1]
    assert images[images["right"] == "first"]["row"].tolist() == [55, 56, 57, 58, 59]
    assert (images["label"] == images["second"])[images["right"] == "second"].all()
    sheet = pd.read_csv(tmp_path / "out" / "figures" / "08-images-cifar10.csv")
    assert sheet["row"].tolist() == [55, 56, 57, 58, 59, 0, 1]
    assert json.loads((tmp_path / "out" / "record.json").read_text()) == dict(found)


def test_model_against_itself_shows_no_difference_and_says_what_could_be_shown(data, files, workspace) -> None:
    found = comparison.compare(files["good"], files["same"], ["cifar10"], workspace=workspace, data=data)
    row = found["sets"][0]
    assert (row["p_value"], row["difference"]) == (1, 0) and row["low"] < 0 < row["high"]
    assert "no difference shown, not shown to be equal within 0.5 points" in found["verdict"]
    assert 0.1 < row["detectable"] < 0.2, "8 of 60 images on one side"


def test_swapping_the_models_turns_every_difference(data, files, workspace) -> None:
    pair = [files["good"], files["poor"]]
    one, other = (
        comparison.compare(*order, ["cifar10"], workspace=workspace, data=data)["sets"][0]
        for order in (pair, pair[::-1])
    )
    assert one["difference"] == -other["difference"] and one["low"] == -other["high"]
    assert one["p_value"] == other["p_value"] < 0.001


def test_ranks_are_certain_only_where_the_tests_say_so(data, files, workspace) -> None:
    found = ranking.rank(
        [files[name] for name in ("poor", "fair", "good")], ["cifar10"], workspace=workspace, data=data
    )
    ranks = {row["model"]: (row["rank"], row["best_rank"], row["worst_rank"]) for row in found["ranks"]}
    assert ranks == {"good": (1, 1, 2), "fair": (2, 1, 2), "poor": (3, 3, 3)}
    assert "1 more may be first (fair)" in found["verdict"]
    assert [model["model"] for model in found["models"]] == ["poor", "fair", "good"]


def test_ranks_are_compared_with_those_on_new_images_and_not_on_one_of_many_corrupted_sets() -> None:
    names = {"cifar10": 0, "cifar10-c-fog-1": 1, "cifar10.2": 0}
    sets = {name: TestSet(name, LABELS, severity=severity) for name, severity in names.items()}
    table = pd.DataFrame({"model": ["a", "b", "c"], "best_rank": [1, 2, 3], "accuracy": [0.9, 0.8, 0.7]})
    ranks = pd.concat([table.assign(set=name) for name in names])
    assert "ranks there and on CIFAR-10.2 correlate by 1.00" in ranking.verdict_of(ranks, sets, 0.95)
    assert "correlate" not in ranking.verdict_of(ranks[ranks["set"] != "cifar10.2"], sets, 0.95)


def test_leaderboard_is_extended_and_holds_each_model_once_a_set(data, files, workspace, tmp_path) -> None:
    folder = tmp_path / "out"
    for names in (("good", "poor"), ("fair", "poor")):
        ranking.rank([files[n] for n in names], ["cifar10"], workspace=workspace, data=data, output=folder)
    board = pd.read_csv(folder / "leaderboard.csv")
    assert board["model"].tolist() == ["good", "fair", "poor"]
    assert board["correct"].tolist() == [58, 55, 20]


def extend(path: Path, models: list[dict], digests: dict[str, str]) -> None:
    write_table(path, ranking.extended(path, models, digests, 0.95))


def test_leaderboard_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.csv"
    path.write_text("team,points\nreds,3\n")
    with pytest.raises(ValueError, match=r"leaderboard.csv: columns .* are missing"):
        extend(path, [], {})
    assert path.read_text() == "team,points\nreds,3\n"


def test_formula_as_a_models_name_stays_text_in_the_leaderboard(tmp_path: Path) -> None:
    models = [{"model": "=1+1", "sets": [ROW]}]
    for _ in range(2):
        extend(tmp_path / "leaderboard.csv", models, {"=1+1": ""})
    lines = (tmp_path / "leaderboard.csv").read_text().splitlines()
    assert len(lines) == 2 and lines[1].startswith("'=1+1,")


def test_one_model_alone_cannot_be_ranked(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="expected 2 or more to rank"):
        ranking.rank(["a.npy"], workspace=workspace)


def test_names_that_look_like_numbers_or_missing_values_stay_as_they_are_in_the_leaderboard(tmp_path: Path) -> None:
    names = ["007", "1e5", "NA", "nan"]
    models = [{"model": name, "sets": [ROW]} for name in names]
    for chosen in (models[:2], models[:2], models):
        extend(tmp_path / "leaderboard.csv", chosen, dict.fromkeys(names, "12e3"))
    board = pd.read_csv(tmp_path / "leaderboard.csv", dtype=str, keep_default_na=False)
    assert board["model"].tolist() == names and set(board["digest"]) == {"12e3"}


def test_leaderboard_with_a_row_that_is_not_numbers_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.csv"
    extend(path, [{"model": "a", "sets": [ROW]}], {"a": ""})
    path.write_text(path.read_text().replace("0.5", "half"))
    before = path.read_text()
    with pytest.raises(ValueError, match=r"leaderboard.csv: row 1 \(a\) lacks a number"):
        extend(path, [{"model": "b", "sets": [ROW]}], {"b": ""})
    assert path.read_text() == before


def test_models_of_one_accuracy_are_said_to_be_as_accurate(data, files, workspace) -> None:
    found = comparison.compare(files["good"], files["same"], ["cifar10"], workspace=workspace, data=data)
    assert found["verdict"].startswith("good is as accurate as same on CIFAR-10 [-")


def test_second_call_into_a_folder_leaves_no_table_or_figure_of_the_first(data, files, workspace, tmp_path) -> None:
    options = {"workspace": workspace, "data": data, "output": tmp_path / "out"}
    comparison.compare(files["good"], files["fair"], ["cifar10"], **options)
    found = ranking.rank([files["good"], files["fair"]], ["cifar10"], **options)
    here = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {path for path in here if path.name != ".cifar102.json" and path.suffix != ".lock"} == set(found.files)


def test_call_that_was_interrupted_can_be_repeated(data, files, workspace, tmp_path, monkeypatch) -> None:
    options = {"workspace": workspace, "data": data, "output": tmp_path / "out"}
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "write_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            comparison.compare(files["good"], files["fair"], ["cifar10"], **options)
    assert comparison.compare(files["good"], files["fair"], ["cifar10"], **options).files


def test_nothing_is_written_through_a_link_in_a_folder_of_results(data, files, workspace, tmp_path) -> None:
    options = {"workspace": workspace, "data": data, "output": tmp_path / "out"}
    comparison.compare(files["good"], files["fair"], ["cifar10"], **options)
    (tmp_path / "out" / "tables").rename(tmp_path / "elsewhere")
    (tmp_path / "out" / "tables").symlink_to(tmp_path / "elsewhere")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").iterdir()}
    with pytest.raises(ValueError, match=r"tables: is a link to .*nothing is written through links"):
        comparison.compare(files["good"], files["poor"], ["cifar10"], **options)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "elsewhere").iterdir()}


@pytest.mark.parametrize("files_there", ['["../precious.csv", "tables/../../precious.csv", "/etc/x"]', "3", "null"])
def test_list_of_files_that_somebody_forged_removes_nothing_outside(
    data, files, workspace, tmp_path, files_there: str
) -> None:
    (tmp_path / "precious.csv").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".cifar102.json").write_text(f'{{"files": {files_there}}}')
    options = {"workspace": workspace, "data": data, "output": tmp_path / "out"}
    comparison.compare(files["good"], files["fair"], ["cifar10"], **options)
    assert (tmp_path / "precious.csv").read_text() == "mine"


def test_corrupted_sets_are_compared_by_their_means_and_a_model_near_chance_is_said(data, workspace, tmp_path) -> None:
    place = data / "CIFAR-10-C"
    place.mkdir()
    np.save(place / "labels.npy", np.tile(LABELS, 5))
    for kind in ("fog", "contrast", "saturate"):
        np.save(place / f"{kind}.npy", np.zeros((300, 32, 32, 3), np.uint8))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "b" / "cifar10.npy", said_with(LABELS, 54))
    np.save(tmp_path / "a" / "cifar10.npy", said_with(LABELS, 2))
    for kind, step in (("fog", 2), ("contrast", 4), ("saturate", 12)):
        for severity in range(1, 6):
            np.save(tmp_path / "a" / f"cifar10-c-{kind}-{severity}.npy", LABELS)
            np.save(tmp_path / "b" / f"cifar10-c-{kind}-{severity}.npy", said_with(LABELS, step * severity))
    sets = ["cifar10", str(place)]
    found = comparison.compare(
        str(tmp_path / "a"), str(tmp_path / "b"), sets, workspace=workspace, data=data, output=tmp_path / "out"
    )
    means = found.tables["corruptions"].set_index("severity")
    assert means["difference"].to_dict() == pytest.approx(
        {"1": 0.05, "2": 0.1, "3": 0.15, "4": 0.2, "5": 0.25, "mean of all": 0.15}
    ), "saturate is in no mean"
    assert means.loc["mean of all", "sets"] == 10 and (means["low"] < means["difference"]).all()
    assert "; +15.00 points [" in found["verdict"] and "on the mean of 10 sets of corrupted images" in found["verdict"]
    assert len(found["sets"]) == 16 and str(found).count("cifar10-c-fog") == 0
    assert any(
        note.startswith("b: cifar10: 10.0% are right as they stand") and "seems to mean" in note
        for note in found["notes"]
    )
    bars = pd.read_csv(tmp_path / "out" / "figures" / "08-differences.csv")
    assert len(bars) == 7
