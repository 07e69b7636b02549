"""The environments beside .venv in which other people's packages live, each made from its lock and used as a process.

.venv-bench holds PyTorch, the peer of the benchmarks; .venv-clients what users of `evaluate` bring: PyTorch, ONNX.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from cifar102.workspace.folders import REPOSITORY

MARK = "made-from.txt"  # in an environment of ours: the lock it was made from, empty while it is being made
HOLDS = {"bench": "PyTorch, about 1 GB", "clients": "PyTorch, ONNX and scikit-learn, about 1.8 GB"}

WITH_OURS = ("clients",)  # this package too, without its dependencies: what of them is needed is in the lock


def python_in(environment: Path) -> Path:
    """The interpreter of an environment, whether it is there or not."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def find(name: str) -> Path | None:
    """The Python of .venv-<name> where it was made from today's lock; None where it was not."""
    folder, lock = _places(name)
    made_from = folder / MARK
    is_ours = made_from.is_file() and made_from.read_text(encoding="utf-8") == lock.read_text(encoding="utf-8")
    return python_in(folder) if is_ours else None


def make(name: str) -> Path | None:
    """The Python of .venv-<name>, made where it is not there yet; None, and a printed reason, where that fails.

    ValueError where an environment of somebody else stands there, which is neither cleared nor installed into.
    """
    if found := find(name):
        return found
    folder, lock = _places(name)
    _clear(folder)
    print(f"making {folder.name}: {HOLDS[name]}", flush=True)
    try:
        venv.create(folder, with_pip=True)
        pip = [python_in(folder), "-m", "pip", "install", "-q", "--retries", "1"]
        subprocess.run([*pip, "-r", lock], check=True)
        if name in WITH_OURS:
            subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", REPOSITORY], check=True)
    except subprocess.CalledProcessError as error:
        print(f"{lock.name} could not be installed, so what needs it is left out: {error}", flush=True)
        return None
    (folder / MARK).write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")
    return python_in(folder)


def _clear(folder: Path) -> None:
    """Begin an environment anew over an older or unfinished one of ours."""
    if folder.is_symlink() or (folder.exists() and not (folder / MARK).is_file()):
        why = f"is a link to {folder.readlink()}" if folder.is_symlink() else f"has no {MARK}"
        raise ValueError(f"{folder}: {why}, so it was not made here and is left alone; move it away")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / MARK).touch()


def _places(name: str) -> tuple[Path, Path]:
    return REPOSITORY / f".venv-{name}", REPOSITORY / f"requirements-{name}.txt"
