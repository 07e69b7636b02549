"""The command line: what it prints about itself, and that it loads nothing heavy to do so."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar102.__main__ import main
from cifar102.datasets import corruptions, pools
from cifar102.evaluation import functions
from cifar102.workflow import stamps
from cifar102.workspace.files import write_json, write_text
from cifar102.workspace.folders import REPOSITORY, Workspace


def test_version_is_that_of_the_installed_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"cifar102 {importlib.metadata.version('cifar102')}\n"


def test_help_of_review_names_its_options(capsys):
    with pytest.raises(SystemExit):
        main(["review", "--help"])
    printed = capsys.readouterr().out
    assert [option for option in ("--workspace", "--port", "--no-browser", "PROFILE") if option not in printed] == []


def test_review_of_a_workspace_without_candidates_says_what_to_run(tmp_path, capsys):
    assert main(["review", "--workspace", str(tmp_path), "--no-browser"]) == 2
    assert "run notebook 01" in capsys.readouterr().err


def test_list_reads_every_file_where_it_is_asked_to(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(stamps, "stale_reasons", lambda step, workspace, verify: asked.append(verify) or [])
    assert main(["list", "demo", "--workspace", str(tmp_path)]) == 0
    assert main(["list", "demo", "--workspace", str(tmp_path), "--verify"]) == 0
    assert set(asked[: len(asked) // 2]) == {False} and set(asked[len(asked) // 2 :]) == {True}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command", ["run", "run demo", "run cifar10", "run demo --dry-run", "resample", "resample demo"]
)
@pytest.mark.parametrize(
    "name", ["raw/tiny_images.bin", "raw/cifar-10-batches-py/data_batch_1", "results/summary.json", "figures/a.png"]
)
def test_no_command_touches_a_folder_that_holds_files_of_a_user(tmp_path, capsys, command, name):
    write_text(tmp_path / name, "years of work")
    assert main([*command.split(), "--workspace", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(tmp_path) in error
    assert contents(tmp_path) == {name: b"years of work"}


@pytest.mark.parametrize(
    "command", ["review --no-browser", "figures", "show 0", "export OUT", "duplicates A A", "evaluate A"]
)
@pytest.mark.parametrize(
    "name", ["letters.txt", "results/summary.json", "figures/01-a.json", "built/candidates.parquet"]
)
def test_no_command_that_looks_at_a_workspace_touches_a_folder_of_a_user(tmp_path, capsys, command, name):
    np.save(tmp_path / "A.npy", np.zeros((4, 32, 32, 3), np.uint8))
    write_text(tmp_path / "theirs" / name, "years of work")
    words = command.replace("A", str(tmp_path / "A.npy")).replace("OUT", str(tmp_path / "out")).split()
    assert main([*words, "--workspace", str(tmp_path / "theirs")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"holds {Path(name).parts[0]} and is no workspace of this project" in error
    assert contents(tmp_path / "theirs") == {name: b"years of work"} and not (tmp_path / "out").exists()


def test_a_command_that_writes_into_a_new_workspace_leaves_one_that_it_knows_again(tmp_path, capsys):
    np.save(tmp_path / "A.npy", np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8))
    (tmp_path / "w").mkdir()
    words = ["duplicates", str(tmp_path / "A.npy"), str(tmp_path / "A.npy"), "--workspace", str(tmp_path / "w")]
    assert [main(words) for _ in range(2)] == [0, 0], capsys.readouterr().err
    assert main(["run", "demo", "--dry-run", "--workspace", str(tmp_path / "w")]) == 0


def test_no_command_runs_where_raw_is_a_link_to_a_shared_folder(tmp_path, capsys):
    write_text(tmp_path / "shared" / "readme.txt", "shared")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "raw").symlink_to(tmp_path / "shared")
    for words in (["run"], ["run", "demo"], ["resample", "cifar10"]):
        assert main([*words, "--workspace", str(tmp_path / "w")]) == 2
    assert "raw: is a link to" in capsys.readouterr().err
    assert contents(tmp_path / "shared") == {"readme.txt": b"shared"}


@pytest.mark.parametrize("files", [{".workspace.json": {"made_by": "cifar102", "profile": "cifar10"}}, {}])
def test_the_profile_is_that_of_the_workspace(tmp_path, capsys, files):
    for name, content in (files or {"raw/pool.json": {"pool": "cifar10"}}).items():
        write_json(tmp_path / name, content)
    assert main(["list", "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("Placebo on real images")


def test_a_new_workspace_has_no_profile_and_one_of_another_pool_is_refused(tmp_path, capsys):
    assert main(["run", "--workspace", str(tmp_path / "new")]) == 2
    assert "say which, expected one of cifar10, demo, full" in capsys.readouterr().err
    write_json(tmp_path / "raw" / "pool.json", {"pool": "demo"})
    for profile in ("cifar10", "full"):
        assert main(["run", profile, "--workspace", str(tmp_path)]) == 2
        assert "raw: holds the pool 'demo', not" in capsys.readouterr().err
    assert not (tmp_path / "new").exists() and list(contents(tmp_path)) == ["raw/pool.json"]


@pytest.mark.parametrize("words", ["--help", "--version", "review --help", "duplicates --help", "run --help"])
def test_help_loads_none_of_the_packages_that_commands_need(words):
    code = f"""
import contextlib, sys
from cifar102.__main__ import main
with contextlib.suppress(SystemExit):
    main({words.split()!r})
heavy = {{"numpy", "pandas", "scipy", "sklearn", "matplotlib", "numba", "tensorflow", "keras"}} & set(sys.modules)
sys.exit(f"loaded: {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-300:]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a line of bash in which `cifar102` is the command of this tree."""
    words = f'cifar102() {{ "{sys.executable}" -P -m cifar102 "$@"; }}; set -o pipefail; {line}'
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(["bash", "-c", words], capture_output=True, text=True, cwd=folder, env=environment)


SHELLS = {
    "a reader that stops at once": ("cifar102 list | true", "has stopped"),
    "a reader of a version": ("cifar102 --version | true", "has stopped"),
    "an output that is closed": ("cifar102 list >&-", "the standard output is closed"),
    "an output that is full": ("cifar102 --version > /dev/full", "No space left"),
    "64 open files": ("ulimit -n 64; cifar102 list", "allows 64 open files and 256 are needed"),
    "umask 777": ("umask 777; cifar102 list", "umask 777 takes the right to read"),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the shell's limits of Linux")
@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_that_lets_nothing_work_is_told_in_one_sentence(name, tmp_path):
    line, told = SHELLS[name]
    done = shell(line, tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and done.stderr.count("\n") == 1 and done.stderr.startswith("cifar102: ")


USERS = {
    "ends itself at import": ("import sys\nsys.exit('done')", "SystemExit: done"),
    "fails at import": ("1 / 0", "ZeroDivisionError: division by zero"),
    "is not Python": ("def", "SyntaxError"),
    "ends itself when called": ("def predict(images):\n    raise SystemExit(0)", "failed on 40 images: SystemExit: 0"),
    "fails when called": ("def predict(images):\n    return images.missing", "AttributeError"),
}


@pytest.mark.parametrize("name", USERS)
def test_a_users_module_that_fails_is_named_in_one_sentence(name, tmp_path, monkeypatch):
    text, told = USERS[name]
    (tmp_path / f"theirs_{list(USERS).index(name)}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        named = f"theirs_{list(USERS).index(name)}:predict"
        functions.as_code(functions.load(named), named).predict(np.zeros((40, 32, 32, 3), np.uint8))
    assert "\n" not in str(refused.value) and "theirs_" in str(refused.value)


def test_a_message_does_not_steer_the_terminal(tmp_path, capsys):
    assert main(["list", "demo", "--workspace", str(tmp_path), "--data", "\x1b]0;title\x07\x1b[2J"]) == 2
    assert main(["figures", "--workspace", str(tmp_path / "\x9b31m")]) == 2
    printed = capsys.readouterr()
    assert not any(character in printed.err + printed.out for character in "\x1b\x07\x9b")
    assert "\\x1b]0;title\\x07" in printed.err


def test_show_does_not_write_over_a_picture_that_it_did_not_make(tmp_path, capsys):
    workspace = Workspace(tmp_path / "pool")
    pools.ensure_pool("demo", workspace)
    thesis, ours, link = (tmp_path / f"{name}.png" for name in ("thesis", "ours", "link"))
    Image.new("RGB", (8, 8)).save(thesis)
    link.symlink_to(thesis)
    before = thesis.read_bytes()
    words = ["show", "0", "--workspace", str(workspace.root), "--output"]
    for path in (thesis, link):
        assert main([*words, str(path)]) == 2
        assert "is there already and was not made by `show`" in capsys.readouterr().err
    assert [main([*words, str(ours)]) for _ in range(2)] == [0, 0]
    assert thesis.read_bytes() == before and link.is_symlink()


def test_corrupt_leaves_the_form_of_cifar10_c_and_says_of_what(tmp_path, capsys, monkeypatch):
    images = np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(4))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").mkdir()
    assert main(["corrupt", "mine.npz", "made", "--severity", "2", "--workspace", "w"]) == 0
    text = capsys.readouterr().out
    assert "mine: a set of the user's own" in text
    assert "made holds 15 corruptions of 4 images at severity 2\n" in text
    assert "frost is a generated texture" in text
    arrays = {path.stem: np.load(path) for path in (tmp_path / "made").glob("*.npy")}
    np.testing.assert_array_equal(arrays.pop("labels"), np.arange(4))
    assert set(arrays) == set(corruptions.CORRUPTIONS)
    assert {array.shape for array in arrays.values()} == {(4, 32, 32, 3)}
    assert main(["corrupt", "mine.npz", "made", "--seed", "1", "--workspace", "w"]) == 2
    assert "made: holds corruptions of severities [2], asked for [1, 2, 3, 4, 5]" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["inproc://x", "scheduler.json", "tcp://x"])
def test_duplicates_takes_no_scheduler_that_is_no_address(address, capsys):
    assert main(["duplicates", "candidates", "cifar10-test", "--scheduler", address]) == 2
    assert f"--scheduler {address}: expected tcp://HOST:PORT" in capsys.readouterr().err
