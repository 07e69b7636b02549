"""The folder of results: two calls into it, files of the user in it, a call that fails in it."""

from pathlib import Path

import pandas as pd
import pytest

from cifar102.evaluation import comparison, ranking, records, verdict
from cifar102.workspace.files import locked
from tests.evaluation.conftest import LABELS, said_with


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Predictions of CIFAR-10's 60 images here, and two of one name in two folders: 1 and 9 of 60 wrong."""
    paths = {"good": (2, "good"), "fair": (5, "fair"), "net": (1, "a/net"), "other net": (9, "b/net")}
    for wrong, name in paths.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.csv").write_text("prediction\n" + "\n".join(map(str, said_with(LABELS, wrong))))
    return {key: str(tmp_path / f"{name}.csv") for key, (_, name) in paths.items()}


@pytest.fixture
def asked(data, workspace, tmp_path) -> dict:
    return {"sets": ["cifar10"], "workspace": workspace, "data": data, "output": tmp_path / "out"}


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != records.LOCK
    }


def test_second_call_into_a_folder_is_refused_while_another_writes_there(files, asked, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(records, "LOCK_SECONDS", 0)
    verdict.evaluate(files["good"], **asked)
    before = content_of(tmp_path / "out")
    with locked(tmp_path / "out" / records.LOCK, 0), pytest.raises(TimeoutError, match="out: another call is writing"):
        verdict.evaluate(files["fair"], **asked)
    assert content_of(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["figures/08-scorecard.png", ".eval_results/cifar102.yaml", "tables/accuracy.csv"])
def test_no_file_of_the_user_is_replaced_whatever_its_name(files, asked, tmp_path, name: str) -> None:
    comparison.compare(files["good"], files["fair"], **asked)
    mine = tmp_path / "out" / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    before = content_of(tmp_path / "out")
    with pytest.raises(ValueError, match="was not written by this command and is not replaced"):
        verdict.evaluate(files["good"], **asked)
    assert content_of(tmp_path / "out") == before


def test_call_that_fails_while_it_writes_leaves_the_results_of_the_first(files, asked, tmp_path, monkeypatch) -> None:
    verdict.evaluate(files["good"], **asked)
    before = content_of(tmp_path / "out")
    monkeypatch.setattr(verdict, "write_table", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        verdict.evaluate(files["fair"], **asked)
    assert content_of(tmp_path / "out") == before


def test_what_a_killed_call_left_is_no_obstacle_and_goes(files, asked, tmp_path) -> None:
    left = tmp_path / "out" / f"{records.SCRATCH}abc" / "tables"
    left.mkdir(parents=True)
    verdict.evaluate(files["good"], **asked)
    assert not left.exists()


def test_a_run_again_leaves_one_record_of_every_eval_ever_of_the_same_name(files, asked, tmp_path) -> None:
    names = []
    for model in ("good", "good", "fair"):
        verdict.evaluate(files[model], **asked)
        names.append(sorted(path.name for path in (tmp_path / "out" / "every_eval_ever").rglob("*.json*")))
    assert names[0] == names[1] != names[2] and all(len(found) == 2 for found in names)


def test_models_of_one_name_both_stay_in_the_leaderboard_and_it_is_said(files, asked, tmp_path) -> None:
    ranking.rank([files["good"], files["net"]], **asked)
    found = ranking.rank([files["good"], files["other net"]], **asked)
    board = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert board["model"].tolist() == ["net", "good", "net"] and board["digest"].nunique() == 3
    assert sum("net: leaderboard.csv has another model of this name; both stay" in note for note in found["notes"]) == 1


def test_two_models_of_one_name_in_one_call_get_different_names_and_it_is_said(files, asked) -> None:
    found = ranking.rank([files["net"], files["other net"]], **asked)
    assert {row["model"] for row in found["ranks"]} == {"net", "net (2)"}
    assert "net (2): another model is called net too" in found["notes"]
