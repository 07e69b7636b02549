"""The wheel: every module and every data file of the package is in it, and nothing else of the repository."""

import email
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from cifar102.workspace.folders import REPOSITORY

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def stored() -> list[str]:
    """The files of the package that git holds."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "cifar102"]
    try:
        found = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no clone of a git repository, so what belongs to the package is not known")
    return sorted(name for name in found if (REPOSITORY / name).is_file())


@pytest.fixture(scope="module")
def wheel(stored: list[str], tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy, as setuptools leaves build/ in the folder it works in; made without the network."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    others = ["pyproject.toml", "README.md", "LICENSE", "reproduce.py", "dodo.py", "tests/end_to_end/test_wheel.py"]
    for name in [*stored, *others]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, copy / name)
    done = subprocess.run([sys.executable, "-c", BUILD, out], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with zipfile.ZipFile(next(out.glob("*.whl"))) as found:
        yield found


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile, stored: list[str]) -> None:
    contents = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert sorted(contents) == stored


def test_the_wheel_holds_the_tables_profiles_and_pages(wheel: zipfile.ZipFile) -> None:
    names = [Path(name) for name in wheel.namelist()]
    for folder, ending in (("profiles", ".json"), ("decisions", ".csv"), ("pages", ".js"), ("pages", ".css")):
        assert [name for name in names if name.parent.name == folder and name.suffix == ending], (folder, ending)


def test_the_wheel_pins_nothing_outside_the_main_stack(wheel: zipfile.ZipFile) -> None:
    path = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(path))
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    others = [each for each in wanted if not str(each.marker).endswith('extra == "main"')]
    bounds = {each.name: {part.operator for part in each.specifier} for each in others if each.name != "cifar102"}
    assert {name for name, operators in bounds.items() if ">=" not in operators} == set()
    assert {name for name, operators in bounds.items() if operators != {">="}} == {"pandas"}
    assert metadata["Requires-Python"] == "<3.14,>=3.11"


def test_the_unpacked_wheel_imports_far_from_the_repository(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    question = "import cifar102; print(cifar102.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(answer.stdout.strip()) == tmp_path / "site" / "cifar102" / "__init__.py"


def test_the_unpacked_wheel_writes_where_one_stands_and_says_what_needs_a_clone(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path / "site")
    here = tmp_path / "here"
    here.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    before = sorted((tmp_path / "site").iterdir())

    def command(*words: str) -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "cifar102", *words]
        return subprocess.run(line, cwd=here, env=environment, capture_output=True, text=True)

    for word in ("run", "list", "test", "bench", "lab", "resample"):
        done = command(word)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert f"{word} needs the notebooks and tests of the repository" in done.stderr
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    np.save(here / "a.npy", images)
    np.save(here / "b.npy", images[::-1])
    done = command("duplicates", "a.npy", "b.npy")
    assert done.returncode == 0 and "8 images equal to one of the other set" in done.stdout, done.stderr
    assert list(here.glob("data/*/results/duplicates_*/exact.csv"))
    assert sorted((tmp_path / "site").iterdir()) == before


JUDGE = """
import contextlib, io, json
from cifar102 import __main__, evaluation

first = evaluation.evaluate("a.npy", sets=["own.npz"], output="judged")
both = evaluation.compare("a.npy", "b.npy", sets=["own.npz"])
commands = []
for words in (["evaluate", "a.npy"], ["compare", "a.npy", "b.npy"]):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert __main__.main([*words, "--sets", "own.npz", "--json", "-"]) == 0
    commands.append(json.loads(printed.getvalue()))
print(json.dumps([dict(first), dict(both), *commands, [str(path) for path in first.files]]))
"""


def test_evaluate_and_compare_of_the_unpacked_wheel_give_the_records_of_the_commands(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path / "site")
    here, labels = tmp_path / "here", np.arange(60) % 10
    here.mkdir()
    np.savez(here / "own.npz", images=np.zeros((60, 32, 32, 3), np.uint8), labels=labels)
    np.save(here / "a.npy", np.where(np.arange(60) < 3, 9 - labels, labels))
    np.save(here / "b.npy", np.where(np.arange(60) < 30, 9 - labels, labels))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    environment.pop("CIFAR102_DATA", None)
    before = sorted((tmp_path / "site").iterdir())
    done = subprocess.run([sys.executable, "-c", JUDGE], cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, both, evaluated, compared, files = json.loads(done.stdout)
    assert (first, both) == (evaluated, compared)
    assert first["sets"][0]["correct"] == 57 and both["sets"][0]["only_first"] == 27
    assert files and all(Path(path).is_relative_to(here / "judged") and Path(path).is_file() for path in files)
    assert {path.name for path in here.iterdir() if path.is_dir()} == {"judged", "evaluate-a", "compare-a-and-b"}
    assert sorted((tmp_path / "site").iterdir()) == before
