"""The entry point: what it says without installing, which Python it finds, what it installs, what it hands over to."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cifar102.workflow import stamps
from cifar102.workspace.folders import REPOSITORY

SOURCE = REPOSITORY / "reproduce.py"
OTHER_STACK = {"main": "next", "next": "main"}[stamps.stack()]
OWN_ENVIRONMENT = ".venv" if sys.version_info < (3, 12) else ".venv-next"  # what this Python gets where nothing is said
NEXT_LOCK = "requirements-next.txt" if sys.version_info < (3, 12) else "requirements.txt"
VERSIONS = ["3.11", "3.12", "3.13"]
SYSTEMS = ["linux x86_64", "linux aarch64", "darwin arm64", "win32 AMD64"]
EXTRAS = ("lab", "review", "search", "onnx", "test")
LOCKS = ("requirements.txt", "requirements-next.txt", "requirements-bench.txt", "requirements-clients.txt")
TOLD = """\
import json, os, sys
print(json.dumps([sys.argv[1:], sys.prefix, os.environ["TF_CPP_MIN_LOG_LEVEL"], __file__]))
sys.exit(7)
"""
posix = pytest.mark.skipif(os.name == "nt", reason="made-up commands are shell scripts")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small repository in a folder with blanks, whose package tells its arguments and exits with 7."""
    return small_repository(tmp_path / "my own checkout")


def small_repository(folder: Path) -> Path:
    (folder / "cifar102").mkdir(parents=True)
    shutil.copy(SOURCE, folder)
    (folder / "requirements.txt").write_text("")
    (folder / "requirements-next.txt").write_text("")
    (folder / "pyproject.toml").write_text('version = "7.8.9"\n')
    (folder / "cifar102" / "__init__.py").write_text("")
    (folder / "cifar102" / "__main__.py").write_text(TOLD)
    return folder


@pytest.fixture
def reproduce(checkout: Path) -> ModuleType:
    return load(checkout)


def load(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("reproduce", checkout / "reproduce.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def logging_uv(checkout: Path) -> tuple[Path, Path]:
    """A made-up uv that does nothing but write its words down: (its folder for PATH, the file it writes)."""
    log = checkout.parent / "uv.log"
    return script(checkout.parent / "tools" / "uv", f'echo "$*" >> "{log}"').parent, log


def installing(python: Path, lock: str) -> list[str]:
    """What uv is asked to do when a lock and then this package are installed."""
    first, second = f"--require-hashes -r {lock}", "--no-deps --no-build-isolation -e ."
    return [f"pip install --python {python} {words}" for words in (first, second)]


def start(
    checkout: Path, *words: str, path: Path | None = None, python: Path | None = None, **options
) -> subprocess.CompletedProcess:
    """Run reproduce.py from outside its folder, by default by this Python, with `path` first on PATH."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}" if path else environment["PATH"]
    environment["PYTHONPATH"] = "" if python else str(checkout)
    command = [str(python or sys.executable), str(checkout / "reproduce.py"), *words]
    options = {"cwd": checkout.parent, "env": environment, **options}
    return subprocess.run(command, capture_output=True, text=True, **options)


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def made(folder: Path) -> Path:
    """An environment as reproduce.py makes it, but without pip, which takes ten times as long; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (folder / "cifar102-installed.json").write_text("{}")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def site_packages(python: Path) -> Path:
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([python, "-c", question], text=True).strip())


def test_it_uses_only_the_standard_library_and_syntax_of_python_3_6() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 6))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


# What installs nothing


@pytest.fixture(scope="module")
def commands() -> list[str]:
    """The words that `python -m cifar102 --help` lists."""
    asked = [sys.executable, "-m", "cifar102", "--help"]
    printed = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return re.search(r"\{([a-z,]+)\}", printed)[1].split(",")


@pytest.mark.parametrize(
    "words",
    [["--help"], ["-h"], ["help"], ["--stack", "next", "--help"], ["--stack=main", "help"], ["--no-venv", "-h"]],
)
def test_help_names_every_command_and_installs_nothing(checkout: Path, commands: list[str], words: list[str]) -> None:
    before = files(checkout)
    result = start(checkout, *words)
    assert (result.returncode, result.stderr) == (0, "")
    assert [word for word in commands if not re.search(rf"^  {word}\b", result.stdout, re.MULTILINE)] == []
    for option in ("--stack main|next", "--no-venv", "--install", "--version"):
        assert option in result.stdout
    assert files(checkout) == before


def test_a_misspelt_command_is_refused_with_the_near_ones_before_anything_is_installed(checkout: Path) -> None:
    before = files(checkout)
    result = start(checkout, "tset", "--stack", "next")
    assert result.returncode == 2
    assert "there is no command 'tset': did you mean test" in result.stderr
    assert files(checkout) == before


def test_help_of_every_command_installs_nothing(checkout: Path, commands: list[str]) -> None:
    (checkout / "requirements.txt").write_text("absent==1.0\n")
    before = files(checkout)
    for word in commands:
        for words in ([word, "--help"], ["help", word], ["--no-venv", word, "-h"]):
            result = start(checkout, *words)
            assert (result.returncode, result.stderr) == (0, ""), words
            assert f"`{word} --help` lists its own options" in result.stdout
    assert files(checkout) == before


@pytest.mark.parametrize("words", [["--version"], ["--stack", "next", "--version"], ["--no-venv", "--version"]])
def test_version_is_that_of_pyproject_and_installs_nothing(checkout: Path, words: list[str]) -> None:
    before = files(checkout)
    result = start(checkout, *words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "cifar102 7.8.9\n", "")
    assert files(checkout) == before


@posix
def test_help_of_a_command_comes_from_the_package_once_it_is_installed(checkout: Path) -> None:
    tools, log = logging_uv(checkout)
    made(checkout / OWN_ENVIRONMENT)
    assert start(checkout, "list", path=tools).returncode == 7
    for words in (["run", "--help"], ["help", "run"], ["run", "demo", "-h"]):
        result = start(checkout, *words, path=tools)
        assert json.loads(result.stdout)[0] == ["run", "--help"]
    installed = log.read_text()
    (checkout / "requirements.txt").write_text("# changed\n")
    result = start(checkout, "run", "--help", path=tools)
    assert (result.returncode, log.read_text()) == (0, installed)
    assert "usage: python3 reproduce.py" in result.stdout


# The environments beside it


@posix
def test_requirements_are_installed_once_and_again_when_they_change(checkout: Path) -> None:
    tools, log = logging_uv(checkout)
    python = made(checkout / OWN_ENVIRONMENT)
    first = start(checkout, "list", "a b", path=tools)
    assert first.returncode == 7, first.stderr
    words, prefix, log_level, _ = json.loads(first.stdout.splitlines()[-1])
    assert (words, log_level) == (["list", "a b"], "3")
    assert Path(prefix) == checkout / OWN_ENVIRONMENT
    assert log.read_text().splitlines() == installing(python, "requirements.txt")
    assert json.loads(start(checkout, path=tools).stdout.splitlines()[-1])[0] == ["run", "demo"]
    assert len(log.read_text().splitlines()) == 2
    for count, name in ((4, "requirements.txt"), (6, "pyproject.toml")):
        (checkout / name).write_text("# changed\n")
        assert start(checkout, "list", path=tools).returncode == 7
        assert len(log.read_text().splitlines()) == count


@posix
def test_a_folder_with_braces_is_linked_without_setuptools_which_takes_them_for_variables(tmp_path: Path) -> None:
    checkout = small_repository(tmp_path / "my {own} folder")
    tools = script(tmp_path / "tools" / "uv", f'echo "$*; own: $own" >> "{tmp_path / "uv.log"}"').parent
    python = made(checkout / OWN_ENVIRONMENT)
    result = start(checkout, "list", path=tools, env={"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})
    assert result.returncode == 7, result.stderr
    assert Path(json.loads(result.stdout.splitlines()[-1])[3]) == checkout / "cifar102" / "__main__.py"
    lock = f"pip install --python {python} --require-hashes -r requirements.txt; own: {{own}}"
    assert (tmp_path / "uv.log").read_text().splitlines() == [lock]


def test_another_clone_that_it_is_started_in_is_not_run_instead(checkout: Path, reproduce: ModuleType) -> None:
    made(checkout / OWN_ENVIRONMENT)
    lock = "requirements.txt"
    reproduce.write_stamp(reproduce.default_stack(), lock)
    other = small_repository(checkout.parent / "another clone")
    result = start(checkout, "list", cwd=other)
    assert Path(json.loads(result.stdout)[3]) == checkout / "cifar102" / "__main__.py"


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
    assert reproduce.installed_python(False, reproduce.NEXT) is None
    installed = []
    monkeypatch.setattr(reproduce, "install", lambda *words: installed.append(words))
    python = reproduce.environment(reproduce.NEXT)
    assert installed == [(python, NEXT_LOCK)]
    assert not (folder / "half").exists()
    assert reproduce.environment(reproduce.NEXT) == python
    assert reproduce.installed_python(False, reproduce.NEXT) == python
    assert len(installed) == 1


@posix
def test_a_second_process_waits_for_the_installation_and_does_not_repeat_it(checkout: Path) -> None:
    log, go_on = checkout.parent / "uv.log", checkout.parent / "go on"
    slow = f'echo "$*" >> "{log}"; while [ ! -e "{go_on}" ]; do sleep 0.1; done'
    tools = script(checkout.parent / "tools" / "uv", slow).parent
    python = made(checkout / OWN_ENVIRONMENT)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(start, checkout, "list", path=tools)
        while not log.exists() and not first.done():
            time.sleep(0.05)
        second = pool.submit(start, checkout, "run", path=tools)
        time.sleep(1)
        go_on.touch()
        results = [first.result(), second.result()]
    assert [result.returncode for result in results] == [7, 7]
    assert "waiting for it" in results[1].stdout and "installing" not in results[1].stdout.replace("is installing", "")
    assert log.read_text().splitlines() == installing(python, "requirements.txt")


def test_a_folder_that_is_not_ours_is_never_removed(reproduce: ModuleType) -> None:
    folder = reproduce.REPOSITORY / OWN_ENVIRONMENT
    folder.mkdir()
    (folder / "letters.txt").write_text("mine")
    with pytest.raises(reproduce.Trouble, match="was not made by reproduce"):
        reproduce.environment(reproduce.default_stack())
    assert (folder / "letters.txt").read_text() == "mine"


@posix
@pytest.mark.parametrize("kind", ["an environment of the user's", "a link to another clone's environment"])
def test_nothing_is_installed_into_an_environment_that_it_did_not_make(checkout: Path, kind: str) -> None:
    tools, log = logging_uv(checkout)
    folder = checkout / OWN_ENVIRONMENT
    if kind.startswith("a link"):
        made(checkout.parent / "another" / OWN_ENVIRONMENT)
        folder.symlink_to(checkout.parent / "another" / OWN_ENVIRONMENT)
    else:
        made(folder)
        (folder / "cifar102-installed.json").unlink()
    before = files(checkout.parent)
    result = start(checkout, "list", path=tools)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{folder} was not made by reproduce.py" in result.stderr and "--no-venv" in result.stderr
    assert files(checkout.parent) == before and not log.exists()


@posix
def test_each_stack_has_its_environment_and_its_lock(checkout: Path) -> None:
    tools, log = logging_uv(checkout)
    python = made(checkout / ".venv-next")
    for words in (["--stack", "next", "list"], ["list", "--stack=next"]):
        result = start(checkout, *words, path=tools)
        assert result.returncode == 7, result.stderr
        passed, prefix, *_ = json.loads(result.stdout.splitlines()[-1])
        assert (passed, Path(prefix)) == (["list"], checkout / ".venv-next")
    assert log.read_text().splitlines() == installing(python, NEXT_LOCK)


@posix
def test_a_failed_installation_is_one_sentence_and_code_2(checkout: Path) -> None:
    made(checkout / OWN_ENVIRONMENT)
    tools = script(checkout.parent / "tools" / "uv", "exit 1").parent
    result = start(checkout, "list", path=tools)
    assert result.returncode == 2
    assert "requirements.txt could not be installed" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [["--stack", "newest"], ["--stack=3"], ["run", "--stack"]])
def test_a_stack_that_is_none_is_refused_in_one_sentence(checkout: Path, words: list[str]) -> None:
    result = start(checkout, *words)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "main or next" in result.stderr
    assert not (checkout / OWN_ENVIRONMENT).exists()


# Which stack, which Python


@pytest.fixture
def machine(reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """A function that makes up a machine: the Python that runs reproduce.py, others on PATH, a uv that does as told."""

    def make(own: str, others: list[str], uv: str = "") -> Path:
        shims = reproduce.REPOSITORY / "shims"
        for version in others:
            answer = f"echo {version.replace('.', ' ')} True"
            script(shims / f"python{version}", f'test "$1" = -c && {answer} || mkdir -p "$3"')
        script(shims / "python", f"echo {own.replace('.', ' ')} True")
        if uv:
            script(shims / "uv", uv)
        monkeypatch.setenv("PATH", str(shims))
        monkeypatch.setenv("PYENV_ROOT", str(shims))
        monkeypatch.setattr(sys, "executable", str(shims / "python"))
        monkeypatch.setattr(sys, "version_info", (*map(int, own.split(".")), 1))
        return shims

    return make


@posix
@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ("3.11", [], "main"),
        ("3.11", ["3.12", "3.13"], "main"),
        ("3.12", [], "next"),
        ("3.13", [], "next"),
        ("3.12", ["3.11"], "next"),
        ("3.13", ["3.10", "3.11"], "next"),
        ("3.10", ["3.11"], "main"),
        ("3.14", ["3.12"], "next"),
        ("3.14", ["3.13", "3.11"], "main"),
    ],
)
def test_the_stack_follows_the_python_and_is_one_that_is_here_where_that_fits_neither(
    reproduce: ModuleType, machine, own: str, others: list[str], expected: str
) -> None:
    machine(own, others, uv="exit 1")
    stack = reproduce.default_stack()
    assert stack.name == expected
    assert reproduce.maker(stack) is not None


@posix
@pytest.mark.parametrize("own", ["3.10", "3.14"])
def test_where_no_python_fits_nothing_is_fetched_and_each_system_has_a_sentence(
    reproduce: ModuleType, machine, own: str
) -> None:
    shims = machine(own, ["3.9"], uv='echo "$*" >> "$0.log"; exit 1')
    with pytest.raises(reproduce.Trouble, match=r"(?s)Linux: .*uv .*macOS: .*Windows: "):
        reproduce.environment(reproduce.default_stack())
    asked = (shims / "uv.log").read_text().splitlines()
    assert asked and all(line.startswith("python find --system --no-python-downloads") for line in asked)
    assert not list(reproduce.REPOSITORY.glob(".venv*"))


@posix
def test_the_environment_that_runs_it_is_its_own_stack(reproduce: ModuleType, monkeypatch) -> None:
    for stack in reproduce.STACKS.values():
        monkeypatch.setattr(sys, "prefix", str(reproduce.REPOSITORY / stack.folder))
        assert reproduce.default_stack() is stack


@posix
def test_a_python_that_does_not_run_or_is_too_new_is_passed_over(
    reproduce: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = tmp_path / "shims"
    script(shims / "python3.11", "echo 'pyenv: python3.11: command not found' >&2; exit 127")
    script(shims / "python3.10", "echo 3 10 True")
    script(shims / "python3", "echo 3 14 True")
    bare = script(tmp_path / "py env" / "versions" / "3.11.8" / "bin" / "python", "echo 3 11 False")
    good = script(tmp_path / "py env" / "versions" / "3.11.9" / "bin" / "python", "echo 3 11 True")
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "py env"))
    monkeypatch.setattr(sys, "executable", str(shims / "python3"))
    assert reproduce.find_python(reproduce.MAIN) == [str(good)]
    good.unlink()
    assert reproduce.find_python(reproduce.MAIN) is None
    for stack in (reproduce.MAIN, reproduce.NEXT):
        with pytest.raises(reproduce.Trouble, match=r"(?s)Linux: .*macOS: .*Windows: "):
            reproduce.environment(stack)
    script(shims / "uv", f'test "$1 $2 $5" = "python find 3.11" && echo "{bare}"')
    assert reproduce.maker(reproduce.MAIN) == [str(shims / "uv"), "venv", "--allow-existing", "--python", str(bare)]


@posix
def test_uv_fetches_a_python_only_where_a_stack_is_asked_for(reproduce: ModuleType, monkeypatch) -> None:
    log = reproduce.REPOSITORY / "uv.log"
    found = f'test "$1" = python && exit 1; echo "$*" >> "{log}"'
    tools = script(reproduce.REPOSITORY / "tools" / "uv", found).parent
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(reproduce, "find_python", lambda stack: None)
    monkeypatch.setattr(reproduce, "version_of", lambda python: (3, 11, True))
    monkeypatch.setattr(reproduce, "hand_over", lambda python, words: 0)
    for stack, newest in ((reproduce.MAIN, "3.11"), (reproduce.NEXT, "3.13")):
        folder = reproduce.REPOSITORY / stack.folder
        with pytest.raises(reproduce.Trouble, match=f"add --stack {stack.name} to the command"):
            reproduce.environment(stack)
        assert not folder.exists()
        assert reproduce.main(["--stack", stack.name, "list"]) == 0
        assert f"venv --allow-existing --python {newest} {folder}" in log.read_text().splitlines()


# Without an environment of its own


@pytest.fixture
def theirs(checkout: Path) -> Path:
    """The Python of an environment of the user's own, in a folder with blanks."""
    python = made(checkout.parent / "their own environment")
    (checkout.parent / "their own environment" / "cifar102-installed.json").unlink()
    return python


def put(python: Path, name: str, version: str) -> None:
    folder = site_packages(python) / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def link(python: Path, folder: Path, name: str = "cifar102.pth") -> None:
    (site_packages(python) / name).write_text(f"{folder}\n", encoding="utf-8")


def lock(checkout: Path, **versions: str) -> None:
    lines = [f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:00" for name, version in versions.items()]
    (checkout / "requirements.txt").write_text("\n".join(lines) + "\n")


def test_no_venv_runs_at_once_where_all_is_there(checkout: Path, theirs: Path) -> None:
    lock(checkout, some_package="1.5")
    put(theirs, "some-package", "1.5")
    link(theirs, checkout)
    before = files(checkout.parent)
    result = start(checkout, "--no-venv", "list", python=theirs)
    assert result.returncode == 7, result.stderr
    assert json.loads(result.stdout)[:2] == [["list"], str(theirs.parent.parent)]
    assert {path for path in files(checkout.parent) - before if "__pycache__" not in path.parts} == set()


def linking_uv(checkout: Path, python: Path) -> tuple[Path, Path]:
    """A made-up uv that writes its words down and links the package: (its folder for PATH, the file it writes)."""
    log, link_file = checkout.parent / "uv.log", site_packages(python) / "cifar102.pth"
    text = f'echo "$*" >> "{log}"; echo "{checkout}" > "{link_file}"'
    return script(checkout.parent / "tools" / "uv", text).parent, log


@posix
def test_no_venv_adds_nothing_unasked_and_says_what_is_missing_with_the_commands(checkout: Path, theirs: Path) -> None:
    lock(checkout, some_package="1.5", setuptools="80.0")
    put(theirs, "setuptools", "65.0")  # which a new environment of Python 3.11 brings
    tools, log = linking_uv(checkout, theirs)
    before = files(checkout.parent)
    result = start(checkout, "--no-venv", "list", python=theirs, path=tools, stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stdout) == (2, "")
    first, *_ = result.stderr.splitlines()
    assert re.fullmatch(r"reproduce: .*their own environment \(Python 3\.\S+\) lacks some-package, cifar102\.", first)
    assert f"  '{theirs}' -m pip install --require-hashes -r '{checkout / 'requirements.txt'}'\n" in result.stderr
    assert f"-m pip install --no-deps --no-build-isolation -e '{checkout}'\n" in result.stderr
    assert "Nothing was changed." in result.stderr
    assert files(checkout.parent) == before and not log.exists()
    result = start(checkout, "--no-venv", "--install", "list", python=theirs, path=tools)
    assert result.returncode == 7, result.stderr
    assert f"installing requirements.txt into {theirs.parent.parent}" in result.stdout
    assert log.read_text().splitlines() == installing(theirs, "requirements.txt")


@posix
@pytest.mark.parametrize(
    ("answer", "code"), [("y\n", 7), ("YES\n", 7), ("\n", 2), ("n\n", 2), ("yesterday\n", 2), ("\x04", 2)]
)
def test_no_venv_asks_at_a_terminal_and_installs_after_a_yes_only(
    checkout: Path, theirs: Path, answer: str, code: int
) -> None:
    import pty

    lock(checkout, some_package="1.5")
    tools, log = linking_uv(checkout, theirs)
    ours, terminal = pty.openpty()
    os.write(ours, answer.encode())
    try:
        result = start(checkout, "--no-venv", "list", python=theirs, path=tools, stdin=terminal)
    finally:
        os.close(ours)
        os.close(terminal)
    assert "lacks some-package, cifar102." in result.stdout and "Install it now? [y/N]" in result.stdout
    assert (result.returncode, log.exists()) == (code, code == 7), result.stderr
    assert ("Nothing was changed." in result.stderr) == (code == 2)


@posix
def test_no_venv_says_where_another_cifar102_still_comes_first(checkout: Path, theirs: Path) -> None:
    lock(checkout, some_package="1.5")
    tools, _ = logging_uv(checkout)
    other = small_repository(checkout.parent / "another clone")
    link(theirs, other)
    result = start(checkout, "--no-venv", "--install", "list", python=theirs, path=tools)
    assert result.returncode == 2
    assert f"still finds cifar102 in {other / 'cifar102'}" in result.stderr


@posix
def test_no_venv_refuses_a_foreign_cifar102_and_says_how_to_go_on(checkout: Path, theirs: Path) -> None:
    tools, log = logging_uv(checkout)
    other = small_repository(checkout.parent / "another clone")
    link(theirs, other)
    before = files(checkout.parent)
    options = {"python": theirs, "path": tools, "stdin": subprocess.DEVNULL}
    result = start(checkout, "--no-venv", "run", "--set", "name=a b", **options)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"has cifar102 of {other} instead of {checkout}." in result.stderr
    command = f"'{theirs}' '{checkout / 'reproduce.py'}'"
    assert f"  {command} --install --no-venv run --set 'name=a b'\n" in result.stderr
    assert result.stderr.endswith(f"  {command} run --set 'name=a b'\n")
    assert files(checkout.parent) == before
    script(tools / "uv", f'echo "$*" >> "{log}"; echo "{checkout}" > "{site_packages(theirs) / "cifar102.pth"}"')
    told = start(checkout, "--install", "--no-venv", "run", python=theirs, path=tools)
    assert told.returncode == 7, told.stderr
    assert json.loads(told.stdout.splitlines()[-1])[0] == ["run"]
    assert log.read_text().splitlines() == installing(theirs, "requirements.txt")


@posix
def test_no_venv_refuses_to_change_versions_that_are_there(checkout: Path, theirs: Path) -> None:
    tools, log = logging_uv(checkout)
    lock(checkout, **{f"package_{number}": "1.0" for number in range(14)}, absent="2.0")
    link(theirs, checkout)
    for number in range(13):
        put(theirs, f"package-{number}", "2.0")
    put(theirs, "package-13", "1.0")
    result = start(checkout, "--no-venv", "list", python=theirs, path=tools, stdin=subprocess.DEVNULL)
    assert (result.returncode, log.exists()) == (2, False)
    assert f"reproduce: {theirs.parent.parent} (Python" in result.stderr
    assert " lacks absent and has package-0 2.0 instead of 1.0, package-1 2.0" in result.stderr
    assert "package-9 2.0 instead of 1.0 and 3 more.\n" in result.stderr
    assert "package-13" not in result.stderr
    assert start(checkout, "--no-venv", "--install", "list", python=theirs, path=tools).returncode == 7
    assert log.read_text().splitlines() == installing(theirs, "requirements.txt")


def test_no_venv_installs_nothing_where_the_system_looks_after_the_packages(
    reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(reproduce.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(reproduce, "differences", lambda name: (["numpy 2.0 instead of 1.0"], []))
    monkeypatch.setattr(reproduce, "install", None)
    monkeypatch.delenv("PIP_BREAK_SYSTEM_PACKAGES", raising=False)
    with pytest.raises(reproduce.Trouble, match=r"PEP 668(?s:.*)reproduce\.py'? list$"):
        reproduce.this_interpreter(None, True, ["--no-venv", "--install", "list"])


def test_no_venv_needs_a_fitting_interpreter(reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 1))
    with pytest.raises(reproduce.Trouble, match=r"--no-venv needs Python 3\.11, 3\.12 or 3\.13, and this is"):
        reproduce.this_interpreter(None, False, [])
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    with pytest.raises(reproduce.Trouble, match=r"--no-venv needs Python 3\.11 for the main stack"):
        reproduce.this_interpreter(reproduce.MAIN, False, [])


def test_install_is_a_word_of_no_venv_alone(reproduce: ModuleType) -> None:
    assert reproduce.take_options(["run", "--install"]) == (False, False, None, ["run", "--install"])
    assert reproduce.take_options(["--install", "run", "--no-venv"]) == (True, True, None, ["run"])


# The locks


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """Each pin of a lock with its hashes."""
    text = (REPOSITORY / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "--extra-index-url"))]
    return [(Requirement(line.split(" --hash")[0]), re.findall(r"--hash=sha256:(\S+)", line)) for line in lines]


def pins(name: str, environment: dict[str, str]) -> dict[str, str]:
    """The versions a lock gives where its markers meet an environment."""
    wanted = [requirement for requirement, _ in locked(name)]
    found = [each for each in wanted if not each.marker or each.marker.evaluate(environment)]
    assert len({each.name for each in found}) == len(found)
    return {each.name: str(each.specifier).removeprefix("==") for each in found}


def place(version: str, system: str) -> dict[str, str]:
    platform, machine = system.split()
    environment = {"python_version": version, "python_full_version": f"{version}.1", "sys_platform": platform}
    environment |= {"platform_machine": machine, "os_name": "nt" if platform == "win32" else "posix"}
    return environment | {"implementation_name": "cpython", "extra": ""}


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_exact_has_hashes_and_nothing_is_ours(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    for requirement, hashes in locked(name):
        assert [part.operator for part in requirement.specifier] == ["=="], requirement
        assert hashes and all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), requirement
        assert requirement.name != "cifar102" and not requirement.url
    options = [line.split()[0] for line in text.splitlines() if line.startswith("-")]
    assert options == (["--extra-index-url"] if name in LOCKS[2:] else [])
    assert "uv pip compile" in text[:1000] and f"-o {name}\n" in text[:1000]
    assert not re.search("file:|find-links [^-]|localhost|@", text)


def test_compiled_packages_have_hashes_for_more_than_one_system() -> None:
    counts = {requirement.name: len(hashes) for requirement, hashes in locked("requirements.txt")}
    assert min(counts[name] for name in ("numpy", "scipy", "pandas", "pyarrow", "numba", "tensorflow")) > 9


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_pins_choose_the_stack_by_the_python_and_both_files_agree_on_the_next_one(
    version: str, system: str
) -> None:
    chosen, following = (pins(name, place(version, system)) for name in LOCKS[:2])
    is_main = version == "3.11"
    assert chosen["tensorflow"] == ("2.15.1" if is_main else "2.21.0")
    assert chosen["keras"] == ("2.15.0" if is_main else "3.15.1")
    addons = {"win32 AMD64": "0.22.0", "linux aarch64": None}.get(system, "0.23.0") if is_main else None
    assert chosen.get("tensorflow-addons") == addons
    itself = {"win32 AMD64": "tensorflow-intel", "linux aarch64": "tensorflow-cpu-aws"}.get(system) if is_main else None
    found = [name for name in ("tensorflow-intel", "tensorflow-cpu-aws") if name in chosen]
    assert found == ([itself] if itself else [])
    assert "tensorflow-addons" not in following and following["tensorflow"] == "2.21.0"
    assert is_main or chosen == following


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", LOCKS[:2])
def test_the_locks_are_within_the_bounds_of_pyproject(name: str, version: str) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    stack = "main" if version == "3.11" and name == "requirements.txt" else "next"
    wanted = [*project["dependencies"], *(text for extra in (stack, *EXTRAS) for text in extras[extra])]
    assert set(extras) == {"main", "next", "stack", *EXTRAS}
    for system in SYSTEMS:
        environment = place(version, system)
        chosen = {canonicalize_name(key): value for key, value in pins(name, environment).items()}
        for each in map(Requirement, wanted):
            if not each.marker or each.marker.evaluate(environment):
                assert each.specifier.contains(chosen[canonicalize_name(each.name)]), f"{each} {system}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_it_reads_a_lock_as_packaging_does(
    reproduce: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str, system: str
) -> None:
    environment = place(version, system)
    monkeypatch.setattr(sys, "version_info", (*map(int, version.split(".")), 1))
    monkeypatch.setattr(sys, "platform", environment["sys_platform"])
    monkeypatch.setattr(os, "name", environment["os_name"])
    monkeypatch.setattr(reproduce.platform, "machine", lambda: environment["platform_machine"])
    for name in LOCKS[:2]:
        markers = {str(requirement.marker) for requirement, _ in locked(name) if requirement.marker}
        read = {marker: reproduce.holds(marker) for marker in markers}
        assert read == {marker: Marker(marker).evaluate(environment) for marker in markers}
        content = (REPOSITORY / name).read_bytes()
        (reproduce.REPOSITORY / name).write_bytes(content)
        assert reproduce.pins(name) == pins(name, environment)


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
        (["run", "--stack", OTHER_STACK], f"the packages installed here are the {stamps.stack()} stack"),
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
