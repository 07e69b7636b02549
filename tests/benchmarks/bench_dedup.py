"""Duplicate search against its peers, in one run: faiss, a BLAS brute force, float64 and argsort, scikit-image, tuples.

Images are CIFAR-10's where CIFAR102_DATA names a folder that holds them, else smooth random ones (column `images`).
Each way runs in a process of its own, so that its peak memory is its own. The peers get their best: float32 rows laid
out before the clock starts, all threads, SciPy's BLAS (NumPy 1.26's is slower on some processors), none of the repair
that exact distances need, and no OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE, which hold a BLAS back where they are set.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from cifar102 import cifar
from cifar102.commands.benchmarks import HELD_BACK
from cifar102.dedup import exact_copies, kernels, neighbours, similarity

NUM_QUERIES, NUM_REFERENCES, NUM_CANDIDATES = 10_000, 50_000, 466_009
TIMES = (1, 2, 4, 8)
FEW = 4  # queries of the slowest peer


def benchmarks() -> list[dict]:
    """Rows of name, ours, peer, unit, ratio, peer_name; both sides' peak memory and GFLOP/s, and which images.

    GFLOP/s are those of the brute-force product (2 x queries x references x 3,072) over the time taken. Where column
    `extrapolated` says from how many the peer's figure was scaled up, it was not run in full.
    """
    base = {"images": _images()[2]}
    rows = [*_l2_rows(), *_ssim_rows(), _exact_row(), *_growth_rows()]
    return [row | {"ratio": row["peer"] / row["ours"]} | base for row in rows]


def _l2_rows() -> list[dict]:
    ours, work = _run("nearest"), 2e-9 * NUM_QUERIES * NUM_REFERENCES * 3072
    peers = {"blas": "BLAS brute force", "faiss": "faiss IndexFlatL2", "argsort": "float64 and argsort"}
    rows = []
    for way, name in peers.items():
        if (peer := _run(way)) is None:
            continue
        speeds = {"ours_gflops": work / ours["seconds"], "peer_gflops": work / peer["seconds"]}
        scaled = {"extrapolated": f"{FEW} queries"} if way == "argsort" else {}
        rows.append(_row(f"l2_top10_vs_{way}", ours, peer, "s", name) | speeds | scaled)
    return rows


def _ssim_rows() -> list[dict]:
    ours, peer, pairs = _run("ssim"), _run("skimage"), _run("all_pairs")
    name = "skimage structural_similarity"
    every = {**peer, "seconds": peer["seconds"] * 1e-6 * NUM_QUERIES * NUM_REFERENCES}
    scaled = {"extrapolated": "500 pairs"}
    return [
        _row("ssim_pair_vs_skimage", ours, peer, "us", name),
        _row("ssim_all_pairs_at_75_vs_skimage", pairs, every, "s", name) | scaled,
    ]


def _exact_row() -> dict:
    ours, peer = _run("exact"), _run("tuples")
    return _row("exact_hash_vs_tuple_set", ours, peer, "us", "set of pixel tuples")


def _growth_rows() -> list[dict]:
    """Time at 2, 4 and 8 times as many queries, then references, beside 2, 4 and 8 times the time of the first."""
    rows = []
    for side, seconds in _run("growth").items():
        for times, taken in zip(TIMES[1:], seconds[1:], strict=True):
            name = f"l2_top10_growth_{side}_{times}x"
            ours, peer = {"seconds": taken}, {"seconds": times * seconds[0]}
            rows.append(_row(name, ours, peer, "s", f"{times} times the time of 1x"))
    return rows


def _row(name: str, ours: dict, peer: dict, unit: str, peer_name: str) -> dict:
    memory = {"ours_peak_mb": ours.get("peak_mb"), "peer_peak_mb": peer.get("peak_mb")}
    both = {"ours": ours["seconds"], "peer": peer["seconds"]}
    return {"name": name, **both, "unit": unit, "peer_name": peer_name, **memory}


def _run(way: str) -> dict | None:
    """Run one of WAYS in a process of its own; None where it lacks its library."""
    environment = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
    command = [sys.executable, __file__, way]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def nearest() -> dict:
    queries, references, _ = _images()
    neighbours.nearest(queries[:300], references[:300])  # kernels are compiled or loaded before the clock starts
    return {"seconds": _best_of_two(lambda: neighbours.nearest(queries, references))}


def brute_force() -> dict:
    """The usual ||y||^2 - 2 xy in float32 and argpartition, both in all threads."""
    left, right = _rows()
    norms = np.einsum("ij,ij->i", right, right)

    def search(block: slice) -> np.ndarray:
        products = np.empty((block.stop - block.start, len(right)), np.float32)
        kernels.product(left[block], right, products)
        return np.argpartition(norms - 2 * products, 10, axis=1)[:, :10]

    kernels.in_threads(search, [slice(0, 8)])
    return {"seconds": _best_of_two(lambda: kernels.in_threads(search, kernels.blocks(len(left), 250)))}


def faiss_index() -> dict | None:
    try:
        import faiss
    except ImportError:
        return None
    left, right = _rows()

    def search() -> None:
        index = faiss.IndexFlatL2(right.shape[1])
        index.add(right)
        index.search(left, 10)

    return {"seconds": _best_of_two(search)}


def argsort() -> dict:
    """One query after the other: float64 differences, squared and summed up, and a full sort."""
    left, right = (rows[:NUM_REFERENCES].astype(np.float64) for rows in _rows())

    def search() -> None:
        for query in left[:FEW]:
            np.argsort(np.sqrt(((right - query) ** 2).sum(axis=1)))

    return {"seconds": _seconds(search) * NUM_QUERIES / FEW}


def ssim(count: int = 20_000) -> dict:
    """Microseconds a pair of grey images, no shifts, the best of three."""
    queries, references, _ = _images()
    a, b = similarity.grey(np.resize(queries, (count, 32, 32, 3))), similarity.grey(references[:count])
    similarity.ssim(a[:9], b[:9], max_shift=0)
    return {"seconds": 1e6 * min(_seconds(lambda: similarity.ssim(a, b, max_shift=0)) for _ in range(3)) / len(b)}


def skimage(count: int = 500) -> dict:
    """The same by scikit-image, which has no threads, the best of three."""
    from skimage.metrics import structural_similarity

    queries, references, _ = _images()
    pairs = list(zip(similarity.grey(queries[:count]), similarity.grey(references[:count]), strict=True))
    seconds = min(_seconds(lambda: [structural_similarity(*pair) for pair in pairs]) for _ in range(3))
    return {"seconds": 1e6 * seconds / count}


def all_pairs() -> dict:
    queries, references, _ = _images()
    similarity.pairs_above(queries[:1100], references[:1100], 0.75)
    return {"seconds": _seconds(lambda: similarity.pairs_above(queries, references, 0.75))}


def exact() -> dict:
    """Microseconds an image, over as many different images as CIFAR-10.2 had candidates, from a memory map.

    The pages of the map, which the system may take back at any time, are part of the peak memory.
    """
    base = _images()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        with path.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (NUM_CANDIDATES, 32, 32, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            for number, block in enumerate(kernels.blocks(NUM_CANDIDATES, len(base))):
                file.write(base[: block.stop - block.start] ^ np.uint8(number))
        images = np.load(path, mmap_mode="r")
        taken = _seconds(lambda: exact_copies.exact_groups(images))
    return {"seconds": 1e6 * taken / NUM_CANDIDATES}


def tuples(few: int = 3_000) -> dict:
    images = _images()[1][:few]
    return {"seconds": 1e6 * _seconds(lambda: len({tuple(image.ravel()) for image in images})) / few}


def growth() -> dict:
    """Seconds of nearest for TIMES times 1,250 queries on all references, and 2,500 on TIMES times 6,250 of them."""
    queries, references, _ = _images()
    neighbours.nearest(queries[:300], references[:300])
    by_queries = [_seconds(lambda n=n: neighbours.nearest(queries[: 1250 * n], references)) for n in TIMES]
    by_references = [_seconds(lambda n=n: neighbours.nearest(queries[:2500], references[: 6250 * n])) for n in TIMES]
    return {"queries": by_queries, "references": by_references}


WAYS: dict[str, Callable[[], dict | None]] = {
    "nearest": nearest,
    "blas": brute_force,
    "faiss": faiss_index,
    "argsort": argsort,
    "ssim": ssim,
    "skimage": skimage,
    "all_pairs": all_pairs,
    "exact": exact,
    "tuples": tuples,
    "growth": growth,
}


def _seconds(function: Callable) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _best_of_two(function: Callable) -> float:
    return min(_seconds(function) for _ in range(2))


def _peak_megabytes() -> float | None:
    """The most memory this process has held; not getrusage's, which on Linux starts with the parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def _rows() -> tuple[np.ndarray, np.ndarray]:
    return tuple(images.reshape(len(images), -1).astype(np.float32) for images in _images()[:2])


def _images() -> tuple[np.ndarray, np.ndarray, str]:
    folder = Path(os.environ.get("CIFAR102_DATA") or "-") / "cifar-10-batches-py"
    if folder.is_dir():
        sets = cifar.load_cifar10(folder)
        return sets["test"].images[:NUM_QUERIES], sets["train"].images[:NUM_REFERENCES], "CIFAR-10"
    rng = np.random.default_rng(0)
    parts = []
    for sigma in np.repeat((1.5, 2.5, 4.0), 20):
        noise = gaussian_filter(rng.standard_normal((1000, 32, 32, 3), np.float32), (0, sigma, sigma, 0.6))
        parts.append(np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8))
    images = rng.permutation(np.concatenate(parts))
    return images[:NUM_QUERIES], images[NUM_QUERIES:], "smooth random"


if __name__ == "__main__":
    result = WAYS[sys.argv[1]]()
    if result and "seconds" in result:
        result["peak_mb"] = _peak_megabytes()
    print(json.dumps(result))
