"""The command line: what it prints about itself, and that it loads nothing heavy to do so."""

import importlib.metadata
import subprocess
import sys

import pytest

from cifar102.__main__ import main
from cifar102.workflow import stamps
from cifar102.workspace.files import write_json, write_text
from cifar102.workspace.folders import REPOSITORY


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
