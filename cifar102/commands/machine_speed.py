"""What this machine does at best: float32 matrix products and copies in memory, on all cores."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.linalg import blas

from cifar102.dedup import kernels

SIZE = 3000  # rows of the square matrices
COPIED_BYTES = 2**29  # far more than a cache holds
ROUNDS = 5
HELD_BACK = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # settings that hold SciPy's BLAS back where they are set


def measure() -> dict[str, float]:
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


def measure_apart() -> dict[str, float]:
    """`measure` in a process of its own, without what the environment does to the BLAS."""
    environment = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
    command = [sys.executable, "-m", "cifar102.commands.machine_speed"]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _fastest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    print(json.dumps(measure()))
