"""Run one notebook by papermill: shown line by line while it runs, in the workspace only when it is complete."""

import contextlib
import io
import math
import os
import sys
import threading
import time
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.translators import PythonTranslator, papermill_translators
from tqdm.auto import tqdm

from cifar102.workflow.kernel import NOT_HERE, WATCH, OwnKernel
from cifar102.workspace.folders import Workspace

# Kernels take these over: no start-up notes of TensorFlow's, no warning of the debugger's.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
# Where nobody watches, papermill's bar is a line every half minute.
IN_A_LOG = {"mininterval": 30.0, "bar_format": "{desc} | {n_fmt} of {total_fmt} cells, {elapsed} so far\n"}
START_SECONDS = 600  # a kernel on a busy machine; one that has died is noticed at once
printing = threading.Lock()


class LiteralTranslator(PythonTranslator):
    """Writes parameters into a notebook as the literals they are.

    Papermill's own makes text of a tuple and does not escape what is in it, so that a quotation mark in
    `--set names='("...",)'` would let the rest of it run as code.
    """

    @classmethod
    def translate(cls, value: object) -> str:
        """Return the Python literal of a parameter; TypeError for anything that has none."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"float({str(value)!r})"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{cls.translate(key)}: {cls.translate(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list | tuple):
            items = ", ".join(cls.translate(item) for item in value)
            return f"[{items}]" if isinstance(value, list) else f"({items}{',' if value else ''})"
        if value is None or type(value) in (bool, int, float, str):
            return repr(value)
        raise TypeError(f"a parameter of a notebook is a literal, found {type(value).__name__}")


papermill_translators.register("python", LiteralTranslator)


class NotebookError(RuntimeError):
    """A notebook that did not run to its end; the message is one line that names the cell and the error."""


def say(text: str) -> None:
    """Print one line, whole, also beside the bars and lines of notebooks that run at the same time."""
    with printing:
        if sys.stderr.isatty():
            tqdm.write(text, file=sys.stdout)  # above the bars
        else:
            print(text)
        sys.stdout.flush()


class StepLines(io.TextIOBase):
    """Takes what a notebook prints and says each finished line with the name of its step in front."""

    def __init__(self, name: str) -> None:
        self.name, self.rest = name, ""

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            shown = line.rstrip("\r").rpartition("\r")[2]  # of a bar drawn over itself only its last state
            if shown.strip():
                say(f"{self.name} | {shown}")
        return len(text)


def execute(name: str, notebook: Path, parameters: dict[str, object], workspace: Workspace) -> float:
    """Run `notebook` with `parameters` and leave executed/<name>.ipynb; returns the seconds it took.

    While it runs it stands in .running/. Where a cell fails, executed/<name>.failed.ipynb keeps the notebook up to
    there, and NotebookError names the cell and the error. No working folder is set: that would be the process's, and
    notebooks run in threads.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    running = workspace.root / ".running" / f"{name}.ipynb"
    failed = workspace.executed / f"{name}.failed.ipynb"
    running.parent.mkdir(parents=True, exist_ok=True)
    workspace.executed.mkdir(parents=True, exist_ok=True)
    for path in (failed, running):  # papermill would write through a link
        path.unlink(missing_ok=True)
    start = time.perf_counter()
    try:
        _run_papermill(name, notebook, parameters, running)
    except (PapermillExecutionError, DeadKernelError, RuntimeError) as error:
        _move(running, failed)
        raise NotebookError(_describe(name, failed, error)) from error
    except OSError as error:
        if error.filename is None and error.errno is not None:  # a full disk does not say of which file
            raise OSError(error.errno, error.strerror, str(running)) from error
        raise
    _move(running, workspace.executed / f"{name}.ipynb")
    return time.perf_counter() - start


def _run_papermill(name: str, notebook: Path, parameters: dict[str, object], running: Path) -> None:
    papermill.execute_notebook(
        _literally(notebook),
        _literally(running),
        parameters=parameters,
        kernel_name="python3",
        kernel_manager_class=OwnKernel,
        extra_arguments=[WATCH, NOT_HERE],
        progress_bar={"desc": name, **({} if sys.stderr.isatty() else IN_A_LOG)},
        stdout_file=StepLines(name),
        start_timeout=START_SECONDS,
    )


def _literally(path: Path) -> str:
    """A path as papermill takes it, which puts parameters in the place of braces unless they are written twice."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _move(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    with contextlib.suppress(OSError):
        source.parent.rmdir()


def _describe(name: str, failed: Path, error: Exception) -> str:
    """Say in one line which cell failed and how: its number as the kept notebook shows it, and its first line."""
    try:
        cells = [cell for cell in nbformat.read(failed, as_version=4).cells if cell.cell_type == "code"]
    except ValueError:  # not even its failure could be kept whole, as on a full disk
        cells = []
    started = [number for number, cell in enumerate(cells, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    number = started[-1] if started else 0
    lines = [line for line in cells[number - 1].source.splitlines() if line.strip()] if number else []
    if isinstance(error, PapermillExecutionError):
        reason = f"{error.ename}: {(error.evalue.strip() or 'no message').splitlines()[0]}"
    else:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = f"the kernel ended ({said}), as when the system runs out of memory and kills it; run it again to go on"
    where = f"code cell {number} ({lines[0].strip() if lines else 'no code'})"
    return f"{name} failed in {where}: {reason}. Kept up to there: {failed}"
