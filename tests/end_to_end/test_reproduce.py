"""The entry point: which Python it finds, when it installs, what it hands over, also in a folder with blanks."""

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from cifar102.models.files import STACK
from cifar102.workspace.folders import REPOSITORY

SOURCE = REPOSITORY / "reproduce.py"
OTHER_STACK = {"main": "next", "next": "main"}[STACK]
OWN_ENVIRONMENT = ".venv" if sys.version_info < (3, 12) else ".venv-next"  # what this Python gets where nothing is said
posix = pytest.mark.skipif(os.name == "nt", reason="made-up commands are shell scripts")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small repository in a folder with blanks, whose package tells its arguments and exits with 7."""
    folder = tmp_path / "my own checkout"
    (folder / "cifar102").mkdir(parents=True)
    shutil.copy(SOURCE, folder)
    (folder / "requirements.txt").write_text("")
    (folder / "requirements-next.txt").write_text("")
    (folder / "pyproject.toml").write_text("")
    told = "import json, os, sys\n"
    told += "print(json.dumps([sys.argv[1:], sys.prefix, os.environ['TF_ENABLE_ONEDNN_OPTS']]))\nsys.exit(7)\n"
    (folder / "cifar102" / "__main__.py").write_text(told)
    return folder


@pytest.fixture
def reproduce(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("reproduce", checkout / "reproduce.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def start(checkout: Path, *words: str, path: Path | None = None) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}" if path else environment["PATH"]
    environment["PYTHONPATH"] = str(checkout)
    command = [sys.executable, str(checkout / "reproduce.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=checkout.parent)


def test_it_uses_only_the_standard_library_and_syntax_of_python_3_6() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 6))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def made(checkout: Path, name: str = OWN_ENVIRONMENT) -> Path:
    """An environment as `python -m venv` makes it, but without pip, which takes ten times as long."""
    folder = checkout / name
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@posix
def test_requirements_are_installed_once_and_again_when_they_change(checkout: Path) -> None:
    log = checkout.parent / "uv.log"
    tools = script(checkout.parent / "tools" / "uv", f'echo "$*" >> "{log}"').parent
    made(checkout)
    first = start(checkout, "list", "a b", path=tools)
    assert first.returncode == 7, first.stderr
    words, prefix, onednn = json.loads(first.stdout.splitlines()[-1])
    assert (words, onednn) == (["list", "a b"], "1")
    assert Path(prefix) == checkout / OWN_ENVIRONMENT
    assert log.read_text().splitlines() == [
        f"pip install --python {checkout / OWN_ENVIRONMENT / 'bin' / 'python'} -r requirements.txt"
    ]
    assert json.loads(start(checkout, path=tools).stdout.splitlines()[-1])[0] == ["run", "demo"]
    assert len(log.read_text().splitlines()) == 1
    (checkout / "requirements.txt").write_text("# changed\n")
    assert start(checkout, "list", path=tools).returncode == 7
    assert len(log.read_text().splitlines()) == 2


@posix
def test_an_interrupted_installation_starts_again_from_nothing(reproduce: ModuleType, monkeypatch) -> None:
    folder = reproduce.REPOSITORY / ".venv-next"

    def interrupted(python: str, requirements: str) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    quick = script(folder.parent / "python", f'exec "{sys.executable}" "$@" --without-pip')
    monkeypatch.setattr(reproduce, "find_python", lambda stack: [str(quick)])
    monkeypatch.setattr(reproduce, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduce.environment(reproduce.NEXT)
    assert not (folder / reproduce.STAMP).exists()
    installed = []
    monkeypatch.setattr(reproduce, "install", lambda *words: installed.append(words))
    python = reproduce.environment(reproduce.NEXT)
    pins = "requirements-next.txt" if sys.version_info < (3, 12) else "requirements.txt"
    assert installed == [(python, pins)]
    assert not (folder / "half").exists()
    assert reproduce.environment(reproduce.NEXT) == python
    assert len(installed) == 1


def test_a_folder_that_is_not_ours_is_never_removed(reproduce: ModuleType) -> None:
    folder = reproduce.REPOSITORY / ".venv"
    folder.mkdir()
    (folder / "letters.txt").write_text("mine")
    with pytest.raises(reproduce.Trouble, match="in the way"):
        reproduce.environment(reproduce.MAIN)
    assert (folder / "letters.txt").read_text() == "mine"


@posix
def test_a_python_that_does_not_run_or_is_too_new_is_passed_over(
    reproduce: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = tmp_path / "shims"
    script(shims / "python3.11", "echo 'pyenv: python3.11: command not found' >&2; exit 127")
    script(shims / "python3.10", "echo 3 10 False")
    script(shims / "python3", "echo 3 14 True")
    good = script(tmp_path / "py env" / "versions" / "3.10.9" / "bin" / "python", "echo 3 10 True")
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "py env"))
    monkeypatch.setattr(sys, "executable", str(shims / "python3"))
    assert reproduce.find_python(reproduce.MAIN) == [str(good)]
    good.unlink()
    assert reproduce.find_python(reproduce.MAIN) is None
    for make in (lambda: reproduce.environment(reproduce.MAIN), reproduce.default_environment):
        with pytest.raises(reproduce.Trouble, match=r"(?s)Linux: .*macOS: .*Windows: "):
            make()


@posix
@pytest.mark.parametrize(
    ("pythons", "uv", "expected"),
    [
        (["3.12"], None, "next"),
        (["3.12"], "exit 1", "next"),
        (["3.12"], "exit 0", "main"),
        (["3.12", "3.10"], None, "main"),
        (["3.13", "3.11"], "exit 1", "main"),
    ],
)
def test_the_next_stack_is_taken_where_the_main_one_has_no_python(
    reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch, pythons: list[str], uv: str | None, expected: str
) -> None:
    shims = reproduce.REPOSITORY / "shims"
    for version in pythons:
        script(shims / f"python{version}", f'test "$1" = -c && echo {version.replace(".", " ")} True')
    script(shims / "python3", f"echo {pythons[0].replace('.', ' ')} True")
    if uv:
        script(shims / "uv", uv)
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(shims))
    monkeypatch.setattr(sys, "executable", str(shims / "python3"))
    made_for = []

    def make(stack: object) -> str:
        if not reproduce.find_python(stack) and uv != "exit 0":
            raise reproduce.NoPython("nothing was made")
        return made_for.append(stack.name)

    monkeypatch.setattr(reproduce, "environment", make)
    reproduce.default_environment()
    assert made_for == [expected]


@posix
def test_each_stack_has_its_environment_and_its_pins(checkout: Path) -> None:
    log = checkout.parent / "uv.log"
    tools = script(checkout.parent / "tools" / "uv", f'echo "$*" >> "{log}"').parent
    made(checkout, ".venv-next")
    for words in (["--stack", "next", "list"], ["list", "--stack=next"]):
        result = start(checkout, *words, path=tools)
        assert result.returncode == 7, result.stderr
        passed, prefix, _ = json.loads(result.stdout.splitlines()[-1])
        assert (passed, Path(prefix)) == (["list"], checkout / ".venv-next")
    pins = "requirements-next.txt" if sys.version_info < (3, 12) else "requirements.txt"
    assert log.read_text().splitlines() == [
        f"pip install --python {checkout / '.venv-next' / 'bin' / 'python'} -r {pins}"
    ]


@posix
def test_uv_fetches_a_python_where_there_is_none(reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    log = reproduce.REPOSITORY / "uv.log"
    tools = script(reproduce.REPOSITORY / "tools" / "uv", f'echo "$*" >> "{log}"').parent
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(reproduce, "find_python", lambda stack: None)
    monkeypatch.setattr(reproduce, "version_of", lambda python: (3, 11, True))
    for stack, newest in ((reproduce.MAIN, "3.11"), (reproduce.NEXT, "3.13")):
        reproduce.environment(stack)
        folder = reproduce.REPOSITORY / stack.folder
        assert f"venv --allow-existing --python {newest} {folder}" in log.read_text().splitlines()


@posix
def test_a_failed_installation_is_one_sentence_and_code_2(checkout: Path) -> None:
    made(checkout)
    tools = script(checkout.parent / "tools" / "uv", "exit 1").parent
    result = start(checkout, "list", path=tools)
    assert result.returncode == 2
    assert "the requirements could not be installed" in result.stderr.splitlines()[-1]


def test_no_venv_needs_a_fitting_interpreter(reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce.sys, "version_info", (3, 14, 1))
    with pytest.raises(reproduce.Trouble, match=r"--no-venv needs Python 3\.10 to 3\.13"):
        reproduce.this_interpreter(None)
    monkeypatch.setattr(reproduce.sys, "version_info", (3, 12, 1))
    with pytest.raises(reproduce.Trouble, match=r"--no-venv needs Python 3\.10 or 3\.11 for the main stack"):
        reproduce.this_interpreter(reproduce.MAIN)


@pytest.mark.parametrize("words", [["--stack", "newest"], ["--stack=3"], ["run", "--stack"]])
def test_a_stack_that_is_none_is_refused_in_one_sentence(checkout: Path, words: list[str]) -> None:
    result = start(checkout, *words)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "main or next" in result.stderr
    assert not (checkout / ".venv").exists()


def pins(name: str, environment: dict[str, str]) -> dict[str, str]:
    """The pinned versions a requirements file gives where its markers meet an environment."""
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith(("#", "-e"))]
    return {each.name: str(each.specifier) for each in wanted if not each.marker or each.marker.evaluate(environment)}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux x86_64", "linux aarch64", "darwin arm64", "win32 AMD64"])
def test_the_pins_choose_the_stack_by_the_python_and_both_files_agree_on_the_next_one(
    version: str, system: str
) -> None:
    platform, machine = system.split()
    environment = {"python_version": version, "python_full_version": f"{version}.1", "sys_platform": platform}
    environment |= {"platform_machine": machine, "os_name": "nt" if platform == "win32" else "posix"}
    chosen, following = pins("requirements.txt", environment), pins("requirements-next.txt", environment)
    is_main = version in ("3.10", "3.11")
    assert chosen["tensorflow"] == ("==2.15.1" if is_main else "==2.21.0")
    assert chosen["keras"] == ("==2.15.0" if is_main else "==3.15.1")
    addons = {"win32": "==0.22.0", "linux aarch64": None}
    expected = addons.get(system, addons.get(platform, "==0.23.0")) if is_main else None
    assert chosen.get("tensorflow-addons") == expected
    assert "tensorflow-addons" not in following and following["tensorflow"] == "==2.21.0"
    assert is_main or chosen == following


# The commands behind it


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "dmeo"], "there is no profile 'dmeo': did you mean demo?"),
        (["run", "--only", "05_basline"], "there is no step '05_basline': did you mean 05_baseline_cnn?"),
        (["run", "--set", "workspac=1"], "did you mean workspace?"),
        (["run", "--jobs", "0"], "--jobs 0: expected at least 1"),
        (["run", "--data", "no such folder"], "--data no such folder: no such folder"),
        (["run", "--faster"], "unknown argument '--faster'"),
        (["run", "--stack", OTHER_STACK], f"the packages installed here are the {STACK} stack"),
        (["figures", "--workspace", "no such folder"], "--workspace no such folder: no such folder"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence_and_code_2(words: list[str], message: str, capsys) -> None:
    from cifar102.__main__ import main

    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_dry_run_says_what_would_run_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from cifar102.__main__ import main

    folder = tmp_path / "work space"
    assert main(["run", "demo", "--dry-run", "--only", "05", "--workspace", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "01_build_subset", "02_verify", "03_deduplicate", "04_sample", "05_baseline_cnn", "report",
    ]  # fmt: skip
    assert lines[4] == "05_baseline_cnn: would run (it has not finished in this workspace)"
    assert not folder.exists()


def test_list_shows_each_step_with_its_files_and_state(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from cifar102.__main__ import main

    assert main(["list", "demo", "--workspace", str(tmp_path), "--set", "02.seed=5"]) == 0
    printed = capsys.readouterr().out
    assert "04_sample: it has not finished in this workspace" in printed
    assert "leaves  built/exact_groups.parquet, built/pairs.parquet" in printed
    assert "seed=5" in printed
