"""The command line: what it prints about itself, and that it loads nothing heavy to do so."""

import importlib.metadata
import subprocess
import sys

import pytest

from cifar102.__main__ import main
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
