"""How the duplicate search computes: compiled kernels, matrix products, blocks and threads."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import threadpoolctl

# No arcp: a product with a rounded reciprocal would give identical images an SSIM below 1.
VECTOR_MATH = {"nnan", "ninf", "nsz", "reassoc", "contract"}
LANES = 64  # values a kernel looks at at once; rows are filled up to a multiple of it


def kernel(function: Callable) -> Callable:
    """Compile a kernel that runs without the interpreter lock, stored on disk where a folder can be written to.

    Numba has no cache folder in a read-only installation of a user without home; the kernel is then compiled anew.
    """
    options = {"nogil": True, "fastmath": VECTOR_MATH, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


@kernel
def product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """Write left @ right.T into out, by the BLAS that comes with SciPy.

    left: float (n, d), right: float (m, d), out: (n, m), all contiguous and of one dtype. NumPy's own BLAS of 1.26 does
    not know processors newer than itself and falls back to SSE3 there: a quarter of the speed; it keeps the lock, too.
    """
    np.dot(left, right.T, out)


def blocks(count: int, size: int) -> list[slice]:
    """Cut 0..count into slices of at most `size`."""
    return [slice(start, min(start + size, count)) for start in range(0, count, max(1, size))]


def num_threads() -> int:
    """The processors this process may use; the environment variable CIFAR102_THREADS asks for fewer."""
    if wanted := os.environ.get("CIFAR102_THREADS"):
        return max(1, int(wanted))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alone(function: Callable, *arguments: object) -> object:
    """Call `function` with a BLAS of one thread: several wait for each other, on a busy machine for seconds."""
    with threadpoolctl.threadpool_limits(1, "blas"):
        return function(*arguments)


def in_threads(function: Callable, items: Iterable) -> list:
    """Call `function` on each item in threads, each with a BLAS of one thread; return the results in order."""
    with threadpoolctl.threadpool_limits(1, "blas"), ThreadPoolExecutor(num_threads()) as pool:
        return list(pool.map(function, items))
