"""The words `evaluate` and `compare`: what they print, and that paths and folders are those of the caller."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cifar102.__main__ import main
from cifar102.evaluation import records
from cifar102.workspace.folders import REPOSITORY
from tests.evaluation.conftest import said_with, write_downloads

LABELS = np.arange(60) % 10
OPTIONS = ["--sets", "cifar10", "--data", "downloads", "--workspace", "w"]


@pytest.fixture
def here(tmp_path: Path, rng: np.random.Generator, monkeypatch) -> Path:
    """The folder one stands in, with published sets and three files of predictions: 2, 5 and 40 of 60 are wrong."""
    write_downloads(tmp_path / "downloads", rng)
    (tmp_path / "w").mkdir()
    for name, wrong in (("good", 2), ("fair", 5), ("poor", 40)):
        np.save(tmp_path / f"{name}.npy", said_with(LABELS, wrong))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_dash_prints_nothing_but_the_record_whatever_the_users_code_prints(here, capsys):
    code = "print('hello')\ndef predict(images):\n    print('asked')\n    return [len(images) % 10] * len(images)\n"
    (here / "loud").mkdir()
    (here / "loud" / "model.py").write_text(code)
    assert main(["evaluate", "loud.model:predict", *OPTIONS, "--json", "-"]) == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record == json.loads((here / "evaluate-loud-model-predict" / "record.json").read_text())
    assert record["sets"][0]["correct"] == 6
    assert "hello" in printed.err and "asked" in printed.err


def test_a_file_of_json_is_written_beside_the_text_and_the_folder_is_named_by_the_model(here, capsys):
    assert main(["evaluate", "good.npy", *OPTIONS, "--json", "mine.json"]) == 0
    printed = capsys.readouterr().out
    record = json.loads((here / "mine.json").read_text())
    assert printed.startswith(f"{record['verdict']}\n") and record["verdict"].startswith("good: 96.7 [")
    assert record == json.loads((here / "evaluate-good" / "record.json").read_text())
    assert f"wrote {here / 'evaluate-good' / 'record.json'}" in printed


def test_compare_leaves_a_folder_named_by_both_and_takes_its_margin_in_points(here, capsys):
    assert main(["compare", "good.npy", "poor.npy", *OPTIONS, "--margin", "2", "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((here / "compare-good-and-poor" / "record.json").read_text())
    assert (record["first"], record["second"], record["sets"][0]["only_first"]) == ("good", "poor", 38)
    assert any("a margin of 2 points" in note for note in record["notes"])


def test_several_models_are_ranked_in_one_folder_whose_leaderboard_a_later_call_extends(here, capsys):
    assert main(["evaluate", "poor.npy", "good.npy", *OPTIONS, "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["rank"]) for row in record["ranks"]] == [("good", 1), ("poor", 2)]
    assert main(["evaluate", "fair.npy", "good.npy", *OPTIONS]) == 0
    board = (here / "evaluate-models" / "leaderboard.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in board] == ["good", "fair", "poor"]


def test_a_folder_of_somebody_elses_files_is_one_sentence_and_nothing_is_printed_as_json(here, capsys):
    (here / "evaluate-good").mkdir()
    (here / "evaluate-good" / "notes.txt").write_text("mine")
    assert main(["evaluate", "good.npy", *OPTIONS, "--json", "-"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and "evaluate-good: holds notes.txt" in printed.err


def test_relative_paths_through_the_entry_point_are_those_of_the_folder_one_stands_in(here):
    np.savez(here / "own.npz", images=np.zeros((60, 32, 32, 3), np.uint8), labels=LABELS)
    words = [
        "evaluate",
        "good.npy",
        "--sets",
        "own.npz",
        "--workspace",
        "w",
        "--output",
        "my-results",
        "--json",
        "a.json",
    ]
    code = "import sys, reproduce; sys.exit(reproduce.hand_over(sys.executable, sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=here, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((here / "a.json").read_text()) == json.loads((here / "my-results" / "record.json").read_text())
    assert not (REPOSITORY / "my-results").exists() and not (REPOSITORY / "a.json").exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("runs/good_predictions.json", "good"),
        ("My Model.keras", "my-model"),
        ("package.module:Net.predict", "package-module-net-predict"),
        ("package.other:Net", "package-other-net"),
        ("saved.v2", "saved-v2"),
    ],
)
def test_the_folder_of_results_is_named_by_the_file_or_by_all_of_a_functions_name(source, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved.v2").mkdir()
    assert records.name_of(source) == name


@pytest.mark.parametrize("content", ["my thesis", "[1]", "{}", '"verdict"', "\0"])
@pytest.mark.parametrize("words", [["evaluate", "good.npy"], ["compare", "good.npy", "poor.npy"]])
def test_a_record_is_not_written_over_a_file_of_the_user(here, capsys, words, content):
    (here / "notes.json").write_text(content)
    assert main([*words, *OPTIONS, "--json", "notes.json"]) == 2
    assert "notes.json: is there already and holds no record" in capsys.readouterr().err
    assert (here / "notes.json").read_text() == content and not list(here.glob(f"{words[0]}-*"))


def test_an_interrupted_call_says_what_is_true_of_its_command(here, capsys, monkeypatch):
    (here / "slow.py").write_text("def predict(images):\n    raise KeyboardInterrupt\n")
    assert main(["evaluate", "slow:predict", *OPTIONS]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "cifar102: interrupted; no file is left half written"
    assert not (here / "evaluate-slow-predict").exists()


@pytest.mark.parametrize("option", ["--json", "--output"])
def test_place_that_cannot_be_written_to_is_told_before_the_model_is_asked(here, capsys, option):
    (here / "asked.py").write_text("def predict(images):\n    open('asked', 'w')\n    return [0] * len(images)\n")
    assert main(["evaluate", "asked:predict", *OPTIONS, option, "good.npy/mine.json"]) == 2
    assert f"name another place ({option})" in capsys.readouterr().err and not (here / "asked").exists()


def test_a_record_is_written_over_an_older_one_and_not_through_a_link(here, capsys):
    for name in ("good", "poor"):
        assert main(["evaluate", f"{name}.npy", *OPTIONS, "--json", "mine.json"]) == 0
        assert json.loads((here / "mine.json").read_text())["model"] == name
    (here / "link.json").symlink_to(here / "mine.json")
    assert main(["evaluate", "good.npy", *OPTIONS, "--json", "link.json"]) == 2
    assert "nothing is written through links" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no file of Windows has such a name")
def test_names_of_sets_and_models_do_not_steer_the_terminal(here, capfd):
    np.savez(here / "set\x1b[2J\a.npz", images=np.zeros((60, 32, 32, 3), np.uint8), labels=LABELS)
    (here / "good.npy").rename(here / "good\x1b[2J\a.npy")
    assert main(["evaluate", "good\x1b[2J\a.npy", "--sets", "set\x1b[2J\a.npz", "--workspace", "w"]) == 0
    printed = "".join(capfd.readouterr())
    assert r"set\x1b[2J\x07" in printed and not {"\x1b", "\a"} & set(printed)
