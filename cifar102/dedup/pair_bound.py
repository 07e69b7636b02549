"""All pairs of images with an SSIM at or above a threshold, without computing most of them.

In a window, contrast-structure (2 c + C2) / (v + w + C2) is at most u = (c + C2/2) / sqrt((v + C2/2)(w + C2/2)) where
that is positive, and luminance at most 1, so SSIM <= max(0, u) <= (1 + u) / 2. The mean of u over the windows is an
inner product of two unit vectors of 676 x 50 numbers: (centred window / sqrt(48), sqrt(C2/2)) / sqrt(v + C2/2).
Projected to a few hundred directions, with the lengths left over, one matrix product leaves few pairs to compute.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.linalg

from cifar102.dedup.kernels import alone, blocks, in_threads, product
from cifar102.dedup.similarity import grey, pair_scores_here
from cifar102.dedup.ssim_kernels import AREA, PLACES, WINDOW

HALF_C2 = (0.03 * 255) ** 2 / 2
LOCAL = 10  # directions kept of a window's 50 numbers
DIRECTIONS = 256
SAMPLE = 1024
FEW_PAIRS = 1_000_000  # faster computed than bounded
IMAGE_BLOCK = 128
QUERY_BLOCK, REFERENCE_BLOCK = 128, 8192  # 4 MiB of bounds a thread


@dataclass(frozen=True)
class WindowFrame:
    """Orthonormal directions.

    local: float32 (10, 50), of a window; whole: float32 (26, d, 260), of 26 rows of windows in local coordinates.
    """

    local: np.ndarray
    whole: np.ndarray


def pairs_above(images: np.ndarray, references: np.ndarray | None, threshold: float) -> pd.DataFrame:
    """Find all pairs whose grey 2-D SSIM (7 x 7 windows, no shifts) is at or above the threshold, exactly.

    images, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3); references None: pairs within images, query < reference.
    Returns query, reference int64 and ssim float64, sorted by query and reference. At 0.75 the bound leaves about one
    pair in a hundred of CIFAR-10 to compute, at 0.65 half of them, below all. Memory: 1 KiB an image and 40 MiB a
    thread, beside the pairs found.
    """
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold: expected an SSIM from -1 to 1, found {threshold}")
    left, within = grey(images), references is None
    right = left if within else grey(references)
    if len(left) == 0 or len(right) == 0:
        return _table([])
    own, other, slack = _trivial(left, right) if len(left) * len(right) <= FEW_PAIRS else _projected(left, right)
    low = np.float32(2 * threshold - 1 - slack)

    def work(block: slice) -> list[tuple[np.ndarray, ...]]:
        return [
            _survivors(left, right, own, other, block, part, within, low, threshold)
            for part in blocks(len(right), REFERENCE_BLOCK)
            if not within or part.stop > block.start
        ]

    return _table([found for parts in in_threads(work, blocks(len(left), QUERY_BLOCK)) for found in parts])


def _trivial(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """A bound of 1 for every pair."""
    return np.ones((len(left), 1), np.float32), np.ones((len(right), 1), np.float32), 0.0


def _projected(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Factors of the mean of u, float32 (n, d + 1), (m, d + 1), and how much too low their product may be."""
    frame = alone(window_frame, right)
    other, error = coordinates(right, frame)
    own = other if left is right else coordinates(left, frame)[0]
    # Errors of both projections, rounding of the entries and of a float32 sum of d products of unit vectors.
    return own, other, 4 * error + (DIRECTIONS + 16) * 2.0**-24 * 1.1


def _survivors(
    left: np.ndarray,
    right: np.ndarray,
    own: np.ndarray,
    other: np.ndarray,
    block: slice,
    part: slice,
    within: bool,
    low: float,
    threshold: float,
) -> tuple[np.ndarray, ...]:
    """The pairs of a block of queries and a block of references: numbers and SSIM of those at or above threshold."""
    bounds = np.empty((block.stop - block.start, part.stop - part.start), np.float32)
    product(own[block], other[part], bounds)
    query, reference = np.nonzero(bounds >= low)
    query, reference = query + block.start, reference + part.start
    if within:
        query, reference = query[query < reference], reference[query < reference]
    values = pair_scores_here(left, right, query, reference)
    keep = values >= threshold
    return query[keep], reference[keep], values[keep]


def _table(parts: list[tuple[np.ndarray, ...]]) -> pd.DataFrame:
    kinds = {"query": np.int64, "reference": np.int64, "ssim": np.float64}
    columns = [np.concatenate([np.empty(0), *column]) for column in zip(*parts, strict=True)] or [np.empty(0)] * 3
    table = pd.DataFrame(dict(zip(kinds, columns, strict=True))).astype(kinds)
    return table.sort_values(["query", "reference"], ignore_index=True)


def window_frame(images: np.ndarray) -> WindowFrame:
    """Estimate good directions from an even sample of grey images: principal ones of a window, then of all windows."""
    sample = images[:: max(1, -(-len(images) // SAMPLE))]
    windows = _unit_windows(sample[:128])
    flat = windows.reshape(-1, AREA + 1).astype(np.float64)
    local = np.ascontiguousarray(np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :LOCAL].T)
    rotation = local.astype(np.float32)
    parts = in_threads(lambda block: _local_windows(sample[block], rotation), blocks(len(sample), IMAGE_BLOCK))
    features = np.ascontiguousarray(np.concatenate(parts).reshape(len(sample), -1))
    count = min(DIRECTIONS, len(sample))
    basis = np.random.default_rng(0).standard_normal((count, features.shape[1])).astype(np.float32)
    turned = np.ascontiguousarray(features.T)
    for _ in range(2):
        scores = np.empty((count, len(features)), np.float32)
        product(basis, features, scores)
        product(scores, turned, basis)
        basis = np.ascontiguousarray(scipy.linalg.qr(basis.T, mode="economic")[0].T)
    exact = scipy.linalg.qr(basis.T.astype(np.float64), mode="economic")[0].T
    whole = exact.reshape(count, PLACES, PLACES * LOCAL).transpose(1, 0, 2)
    return WindowFrame(rotation, np.ascontiguousarray(whole, np.float32))


def coordinates(images: np.ndarray, frame: WindowFrame) -> tuple[np.ndarray, float]:
    """Project grey images: float32 (n, d + 1), the last the length left over, rounded up; and the largest error of d.

    Each coordinate sums up 26 float32 sums of 260 products with sums of 50: an error below 340 x 2^-24 for unit
    vectors.
    """
    num_rows, count, size = frame.whole.shape
    error = (size + AREA + 31) * 2.0**-24 * np.sqrt(count)
    result = np.empty((len(images), count + 1), np.float32)

    def work(block: slice) -> None:
        windows = _local_windows(images[block], frame.local)
        rows = np.ascontiguousarray(windows.reshape(-1, num_rows, size).transpose(1, 0, 2))
        total, part = np.zeros((rows.shape[1], count)), np.empty((rows.shape[1], count), np.float32)
        for values, directions in zip(rows, frame.whole, strict=True):
            product(values, directions, part)
            total += part
        left = 1 - np.einsum("ij,ij->i", total, total) + 2 * error + error**2
        result[block] = np.column_stack([total, np.sqrt(np.maximum(left, 0)) * (1 + 1e-6)])

    in_threads(work, blocks(len(images), IMAGE_BLOCK))
    return result, error


def _local_windows(images: np.ndarray, local: np.ndarray) -> np.ndarray:
    """The windows in local directions, float32 (n, 676, 10)."""
    windows = _unit_windows(images).reshape(-1, AREA + 1)
    result = np.empty((len(windows), len(local)), np.float32)
    product(windows, local, result)
    return result.reshape(len(images), -1, len(local))


def _unit_windows(images: np.ndarray) -> np.ndarray:
    """The 50 numbers of each window, float32 (n, 676, 50), an image's together of length 1."""
    view = np.lib.stride_tricks.sliding_window_view(images, (WINDOW, WINDOW), axis=(1, 2))
    pixels = view.reshape(len(images), PLACES * PLACES, AREA).astype(np.float32)
    pixels -= pixels.mean(axis=2, keepdims=True)
    variance = np.einsum("ijk,ijk->ij", pixels, pixels)[..., None] / (AREA - 1)
    scale = 1 / (np.sqrt(variance + HALF_C2) * PLACES)
    edge = np.full_like(variance, np.sqrt(HALF_C2))
    return np.concatenate([pixels / np.float32(np.sqrt(AREA - 1)), edge], axis=2) * scale
