"""Duplicate search against its peers, in one run: faiss, a BLAS brute force, scikit-image, a set of pixel tuples.

Images are CIFAR-10's where CIFAR102_DATA names a folder that holds them, else smooth random ones (column `images`). The
peers get their best: faiss and BLAS all threads, BLAS is SciPy's (NumPy 1.26's own is slower on new processors), and
its float32 products are timed without the repair that exact distances would need.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.linalg import blas
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from cifar102 import cifar, dedup, kernels

NUM_QUERIES, NUM_REFERENCES = 1_500, 50_000


def benchmarks() -> list[dict]:
    """Rows of name, ours, peer, unit, ratio, peer_name, with images and sgemm_gflops of this machine."""
    queries, references, images = _images()
    dedup.nearest(queries[:300], references[:300])  # kernels are compiled or loaded before the clock starts
    dedup.ssim(queries[:2], queries[:2], max_shift=0)
    speed = {"images": images, "sgemm_gflops": round(sgemm_gflops(), 1)}
    rows = [*_l2_rows(queries, references), _ssim_row(queries, references), _exact_row(references)]
    return [row | {"ratio": row["peer"] / row["ours"]} | speed for row in rows]


def sgemm_gflops(size: int = 2000) -> float:
    """Float32 matrix products of this machine, the best of three, in GFLOP/s."""
    square = np.random.default_rng(0).random((size, size), np.float32)
    return 2e-9 * size**3 / min(_seconds(lambda: blas.sgemm(1, square, square)) for _ in range(3))


def brute_force(queries: np.ndarray, references: np.ndarray, k: int = 10) -> np.ndarray:
    """The usual ||x||^2 + ||y||^2 - 2 xy in float32 by BLAS, and argpartition: indices of the k smallest."""
    right = references.reshape(len(references), -1).astype(np.float32)
    norms, found = np.einsum("ij,ij->i", right, right), []
    for block in kernels.blocks(len(queries), 500):
        left = queries[block].reshape(-1, right.shape[1]).astype(np.float32)
        squares = norms - 2 * blas.sgemm(1, right.T, left.T, trans_a=True).T
        found.append(np.argpartition(squares, k, axis=1)[:, :k])
    return np.concatenate(found)


def _l2_rows(queries: np.ndarray, references: np.ndarray) -> list[dict]:
    ours = _seconds(lambda: dedup.nearest(queries, references))
    rows = [_row("l2_top10_vs_blas", ours, _seconds(lambda: brute_force(queries, references)), "s", "BLAS brute force")]
    try:
        import faiss
    except ImportError:
        return rows
    left, right = (images.reshape(len(images), -1).astype(np.float32) for images in (queries, references))

    def search() -> None:
        index = faiss.IndexFlatL2(right.shape[1])
        index.add(right)
        index.search(left, 10)

    return [_row("l2_top10_vs_faiss", ours, _seconds(search), "s", "faiss IndexFlatL2"), *rows]


def _ssim_row(queries: np.ndarray, references: np.ndarray, count: int = 20_000, few: int = 300) -> dict:
    a, b = dedup.grey(np.resize(queries, (count, 32, 32, 3))), dedup.grey(references[:count])
    ours = min(_seconds(lambda: dedup.ssim(a, b, max_shift=0)) for _ in range(3)) / len(b)
    pairs = list(zip(a[:few], b[:few], strict=True))
    peer = min(_seconds(lambda: [structural_similarity(x, y) for x, y in pairs]) for _ in range(3)) / few
    return _row("ssim_pair_vs_skimage", 1e6 * ours, 1e6 * peer, "us", "skimage structural_similarity")


def _exact_row(references: np.ndarray, few: int = 3_000) -> dict:
    ours = _seconds(lambda: dedup.exact_groups(references)) / len(references)
    peer = _seconds(lambda: len({tuple(image.ravel()) for image in references[:few]})) / few
    return _row("exact_hash_vs_tuple_set", 1e6 * ours, 1e6 * peer, "us", "set of pixel tuples")


def _row(name: str, ours: float, peer: float, unit: str, peer_name: str) -> dict:
    return {"name": name, "ours": ours, "peer": peer, "unit": unit, "ratio": peer / ours, "peer_name": peer_name}


def _seconds(function: Callable) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _images() -> tuple[np.ndarray, np.ndarray, str]:
    folder = Path(os.environ.get("CIFAR102_DATA") or "-") / "cifar-10-batches-py"
    if folder.is_dir():
        sets = cifar.load_cifar10(folder)
        return sets["test"].images[:NUM_QUERIES], sets["train"].images[:NUM_REFERENCES], "CIFAR-10"
    rng = np.random.default_rng(0)
    parts = []
    for sigma in np.repeat((1.5, 2.5, 4.0), 18):
        noise = gaussian_filter(rng.standard_normal((1000, 32, 32, 3), np.float32), (0, sigma, sigma, 0.6))
        parts.append(np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8))
    images = rng.permutation(np.concatenate(parts))
    return images[:NUM_QUERIES], images[NUM_QUERIES:], "smooth random"
