"""Runs of the commands as a user starts them, killed whole, and what two of their workspaces have in common."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil

from cifar102.workspace.folders import REPOSITORY

TIMED = {"seconds", "processor_seconds", "seconds_per_step", "images_per_second", "images_per_processor_second"}
TIMED |= {"gigaflops", "hours_here"}
# What shows or holds wall times and nothing else that two runs share; 07-wrn-cost is the figure of measured hours.
NOT_COMPARED = re.compile(
    r"executed/.*|report\.html|\.lock|.*\.lock|\.running/.*|runs/.*/error\.json|figures/07-wrn-cost\..*"
)
CODE = ("cifar102", "notebooks", "reproduce.py", "dodo.py", "pyproject.toml", "requirements.txt")


def clone(folder: Path) -> Path:
    """A copy of the repository as it stands, without data/ and environments."""
    folder.mkdir(parents=True)
    for name in CODE:
        source = REPOSITORY / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(source, folder / name)
    return folder


def environment(home: Path, **changes: str) -> dict[str, str]:
    """This process's environment with the package of `home`, without what would lead a run elsewhere."""
    kept = {key: value for key, value in os.environ.items() if key not in ("CIFAR102_DATA", "MPLBACKEND")}
    return kept | {"PYTHONPATH": str(home), "PYTHONUNBUFFERED": "1"} | changes


@dataclass
class Command:
    """A running `python -m cifar102 ...`; its lines go to a file."""

    words: tuple[str, ...]
    log: Path
    home: Path = REPOSITORY
    changes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start_of_lines = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cifar102", *self.words],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(self.home, **self.changes),
                cwd=self.home,
                start_new_session=True,
            )

    def text(self) -> str:
        """What this command has printed so far."""
        return self.log.read_bytes()[self.start_of_lines :].decode("utf-8", "replace")

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float = 7200) -> int:
        return self.process.wait(seconds)

    def kill(self) -> int:
        """SIGKILL to the process, its group and all it started, kernels in sessions of their own too: how many."""
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        for process in [psutil.Process(self.process.pid), *family] if self.is_running() else family:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.wait(600)
        psutil.wait_procs(family, 600)
        return 1 + len(family)


def run_to_end(words: tuple[str, ...], log: Path, **options: object) -> str:
    """Run a command to its end and return what it printed; AssertionError with its last lines where it failed."""
    command = Command(words, log, **options)
    code = command.wait()
    assert code == 0, f"{' '.join(words)} ended with {code}:\n{command.text()[-4000:]}"
    return command.text()


def seconds_of_steps(root: Path) -> dict[str, float]:
    """How long each step of a finished run took, from its stamps."""
    stamps = {path.stem: json.loads(path.read_text("utf-8")) for path in (root / "executed").glob("*.json")}
    return {name: stamp["seconds"] for name, stamp in stamps.items()}


def kill_at(command: Command, moments: list[tuple[str, float, float]], seconds: float = 7200) -> str:
    """Kill a run some time after one of the steps in `moments` (name, share of its time, its seconds) has started.

    Returns the name of the step that was waited for; "" where the run ended before.
    """
    deadline, waited_for, end = float("inf"), "", time.monotonic() + seconds
    while command.is_running():
        assert time.monotonic() < end, command.text()[-2000:]
        if time.monotonic() >= deadline:
            command.kill()
            return waited_for
        if not waited_for:
            started = set(re.findall(r"^(\S+) starts \(", command.text(), re.MULTILINE))
            for name, share, length in moments:
                if name in started:
                    deadline, waited_for = time.monotonic() + share * length, name
                    break
        time.sleep(0.02)
    return ""


def files_of(root: Path) -> list[str]:
    """All files of a workspace that two runs must have in common, hidden and temporary ones of killed writers aside."""
    names = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())
    return [name for name in names if not NOT_COMPARED.fullmatch(name) and not is_temporary(name)]


def is_temporary(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".") and ".tmp" in name


def differences(whole: Path, other: Path, is_part: bool = False) -> tuple[list[str], int]:
    """Name the files in which two workspaces differ; and count the bytes that were compared one by one.

    Byte for byte, but for what holds wall times: these are compared number by number without the times, and models by
    their architecture and weights. is_part: the other is of a run of some of the steps, and may lack files and, in
    summary.json, sections.
    """
    ours, theirs = files_of(whole), files_of(other)
    missing = set(theirs) - set(ours) if is_part else set(ours) ^ set(theirs)
    wrong = [f"{name} is only in one" for name in sorted(missing)]
    compared = 0
    for name in sorted(set(ours) & set(theirs)):
        one, another = (whole / name).read_bytes(), (other / name).read_bytes()
        if is_part and name == "results/summary.json":
            sections = json.loads(another)
            one, another = (json.dumps({key: json.loads(text).get(key) for key in sections}) for text in (one, another))
            one, another = one.encode(), another.encode()
        if one == another:
            compared += len(one)
        elif list(parts(name, one)) != list(parts(name, another)):
            wrong.append(name)
    return wrong, compared


def parts(name: str, content: bytes) -> Iterator[object]:
    """What must be equal in a file that holds wall times or dates; the content itself where it may hold none."""
    if name.endswith(("metrics.json", "summary.json")) or (name.endswith("config.json") and name.startswith("runs/")):
        yield json.dumps(without_times(json.loads(content)))
    elif name == "runs.parquet":
        table = pd.read_parquet(io.BytesIO(content))
        yield table.drop(columns=[column for column in table if column in TIMED]).to_csv(index=False)
    elif name.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
        yield [{key: value for key, value in row.items() if key not in TIMED} for row in rows]
    elif name.endswith(".keras"):
        yield from model_parts(content)
    else:
        yield content


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMED}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def model_parts(content: bytes) -> Iterator[object]:
    """Architecture, weights and optimizer of a .keras file; not the day it was saved, nor the running sums of metrics.

    A run that was killed after its last epoch and resumed trains no further, so Keras has made no such sums.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        yield json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            names: list[str] = []
            file.visit(names.append)
            for name in names:
                if isinstance(file[name], h5py.Dataset) and not name.startswith("metrics/"):
                    yield name, hashlib.sha256(np.asarray(file[name]).tobytes()).hexdigest()
