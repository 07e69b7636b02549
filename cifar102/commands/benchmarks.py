"""The benchmarks: each row a measure of ours beside that of a peer, taken in one run on one machine."""

import contextlib
import datetime
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import blas

from cifar102.commands import bench_worker, environments
from cifar102.dedup import kernels
from cifar102.workspace.files import read_json, write_json
from cifar102.workspace.folders import REPOSITORY

SIZE = 3000  # rows of the square matrices
COPIED_BYTES = 2**29  # far more than a cache holds
SPEED_ROUNDS = 5
HELD_BACK = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # settings that hold SciPy's BLAS back where they are set


def measure_machine() -> dict[str, float]:
    """sgemm_gflops and memory_gb_per_s (bytes read and written by a copy) of this process, the best of ROUNDS."""
    square = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    product = _fastest(lambda: blas.sgemm(1, square.T, square.T))
    cores = kernels.num_threads()
    sources = np.array_split(np.ones(COPIED_BYTES, np.uint8), cores)
    targets = [np.zeros_like(source) for source in sources]
    with ThreadPoolExecutor(cores) as threads:  # numpy copies without holding the interpreter
        copy = _fastest(lambda: list(threads.map(np.copyto, targets, sources)))
    return {
        "sgemm_gflops": round(2e-9 * SIZE**3 / product, 1),
        "memory_gb_per_s": round(2e-9 * COPIED_BYTES / copy, 1),
    }


def measure_machine_apart() -> dict[str, float]:
    """`measure` in a process of its own, without what the environment does to the BLAS."""
    environment = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
    command = [sys.executable, "-m", "cifar102.commands.benchmarks"]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _fastest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(SPEED_ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    print(json.dumps(measure_machine()))


ROUNDS = 5
KEYS = ("name", "ours", "peer", "unit", "ratio", "peer_name")


def run(folder: Path, path: Path, long: bool = False) -> list[dict]:
    """Call `benchmarks()` of each module in `folder`, and `long_benchmarks()` where asked, printing rows as they come.

    Returns rows of name, ours, peer, unit, ratio (above 1 where ours is better), peer_name, measured (the date), and
    what the machine did at best before them (measure_machine). They are in `path` as JSON after each module, with those
    that an earlier run left there under other names. ValueError names a module whose row lacks one of them, or the
    folder where it holds no benchmark.
    """
    rows: list[dict] = []
    earlier = read_json(path) if path.is_file() else []
    machine = measure_machine_apart()
    about = {"measured": datetime.date.today().isoformat(), **machine}
    print(f"this machine: {machine['sgemm_gflops']} GFLOP/s, {machine['memory_gb_per_s']} GB/s", flush=True)
    started, modules = time.monotonic(), sorted(folder.glob("*.py"))
    for k, source in enumerate(modules, 1):
        print(f"{source.name} ({k} of {len(modules)}), {time.monotonic() - started:.0f} s so far", flush=True)
        module = _load(source)
        for function in ("benchmarks", "long_benchmarks")[: 2 if long else 1]:
            for row in getattr(module, function, list)():
                missing = [key for key in KEYS if key not in row]
                if missing:
                    raise ValueError(f"{source}: a benchmark row lacks {missing}: {row}")
                rows.append(row | about)
                print(f"{row['name']:40} {row['ratio']:8.2f} x {row['peer_name']}", flush=True)
        names = {row["name"] for row in rows}
        write_json(path, [*rows, *(row for row in earlier if row["name"] not in names)])
    if not rows:
        raise ValueError(f"{folder}: no module there has benchmarks() that gives a row")
    return rows


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(rows: list[dict]) -> str:
    """All rows as one table of text."""
    return pd.DataFrame(rows)[list(KEYS)].to_string(index=False)


def other_stack() -> Path | None:
    """The Python of the stack that does not run this, in its environment as reproduce.py makes it; None without one.

    CIFAR102_OTHER_PYTHON names another one.
    """
    from cifar102.workflow import stamps

    if named := os.environ.get("CIFAR102_OTHER_PYTHON"):
        return Path(named)
    python = environments.python_in(REPOSITORY / {"main": ".venv-next", "next": ".venv"}[stamps.stack()])
    return python if python.is_file() else None


def environment() -> dict[str, str]:
    """The environment of a benchmark's process: this package to be found, no messages of TensorFlow's.

    PyTorch has a thread on each core, as TensorFlow has whatever the environment says.
    """
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(REPOSITORY)}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(kernels.num_threads()))
    return {**os.environ, **settings, **threads}


class Worker:
    """A script in a process of its own that calls bench_worker.serve, and works only while it is asked.

    Its answer to `versions` is its name. RuntimeError with the last line of its stderr where it ends.
    """

    def __init__(self, python: Path | str, script: Path) -> None:
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed in __exit__)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen([python, script, "--work"], text=True, env=environment(), **pipes)
        self.name = str(self.ask("versions"))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.errors.close()

    def ask(self, question: str) -> object:
        with contextlib.suppress(BrokenPipeError):
            print(question, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            code = self.process.wait()
            self.errors.seek(0)
            said = (self.errors.read().strip() or "nothing").splitlines()[-1]
            raise RuntimeError(f"{self.process.args[1]} ended with code {code} at {question!r}; its last line: {said}")
        return json.loads(answer)


def step_rows(against: str, ours: Worker, peer: Worker, peer_name: str) -> list[dict[str, object]]:
    """A row `step_<network>_vs_<against>` of each network of bench_worker, in images a second of a training step.

    Medians of ROUNDS pairs, each side first in turn; the ratio is the median of the pairs'.
    """
    rows = []
    for network, short in bench_worker.NETWORKS.items():
        pairs = []
        for k in range(ROUNDS):
            sides = (ours, peer) if k % 2 == 0 else (peer, ours)
            rates = {side: float(side.ask(network)) for side in sides}
            pairs.append((rates[ours], rates[peer]))
        medians = dict(zip(("ours", "peer"), np.median(pairs, axis=0).round(1).tolist(), strict=True))
        ratio = round(float(np.median([a / b for a, b in pairs])), 3)
        about = {"unit": "images/s", "ratio": ratio, "peer_name": f"{peer_name}, batches of {bench_worker.BATCH_SIZE}"}
        rows.append({"name": f"step_{short}_vs_{against}", **medians, **about})
    return rows
