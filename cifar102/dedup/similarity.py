"""SSIM of pairs under small shifts, and all pairs at or above a threshold without missing one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.linalg

from cifar102.dedup.kernels import alone, blocks, in_threads, product
from cifar102.dedup.ssim_kernels import AREA, PLACES, SIDE, WINDOW, best_of_shifts, luma, plain_ssim, sequence_ssim

PAIR_BLOCK = 1024


def grey(images: np.ndarray) -> np.ndarray:
    """Turn images, uint8 (n, 32, 32, 3) or grey (n, 32, 32) already, into grey uint8 (n, 32, 32).

    Grey = (299 R + 587 G + 114 B + 500) // 1000, the luma of ITU-R BT.601 rounded to whole numbers.
    """
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[1:] not in ((32, 32, 3), (32, 32))
    ):
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"images: expected uint8 (n, 32, 32, 3) or (n, 32, 32), found {found}")
    if images.ndim == 3:
        return np.ascontiguousarray(images)
    values = np.empty((len(images), SIDE * SIDE), np.uint8)

    def work(block: slice) -> None:
        luma(np.ascontiguousarray(images[block]).reshape(-1, 3 * SIDE * SIDE), values[block])

    in_threads(work, blocks(len(images), 4096))
    return values.reshape(-1, SIDE, SIDE)


def ssim(a: np.ndarray, b: np.ndarray, max_shift: int = 2) -> np.ndarray:
    """Grey 2-D SSIM of a[i] and b[i], the best over shifts of up to max_shift pixels in both directions.

    a, b: uint8 (n, 32, 32, 3), or grey (n, 32, 32). Returns float64 (n,), 1 for identical images. Uniform 7 x 7
    windows, sample covariance, data range 255; under a shift the mean runs over the windows inside the overlap.
    max_shift=0 is skimage.metrics.structural_similarity. Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861
    """
    return best_shift(a, b, max_shift)[0]


def best_shift(a: np.ndarray, b: np.ndarray, max_shift: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Like ssim, with the shift that is best: rows down and columns right that b is moved by to lie on a.

    Returns float64 (n,), int64 (n,), int64 (n,). Of equally good shifts the shortest counts.
    """
    a, b = grey(a), grey(b)
    if len(a) != len(b):
        raise ValueError(f"a and b: expected equally many images, found {len(a)} and {len(b)}")
    places = np.arange(len(a))
    return pair_scores(a, b, places, places, max_shift)


def pair_scores(
    a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray, max_shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best SSIM and its shift (rows down, columns right) of the pairs a[first[i]], b[second[i]].

    a, b: grey uint8 (n, 32, 32), (m, 32, 32); first, second: int64 (p,); pairs with the same first together are faster.
    """
    shifts = shifts_up_to(max_shift)
    parts = in_threads(
        lambda block: _scores_here(a, b, first[block], second[block], shifts), blocks(len(first), PAIR_BLOCK)
    )
    values = np.concatenate([np.empty(0), *(part for part, _ in parts)])
    best = np.concatenate([np.empty(0, np.int64), *(part for _, part in parts)])
    return values, shifts[best, 0], shifts[best, 1]


def pair_scores_here(a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Like pair_scores without shifts, float64 (p,), in the calling thread, for callers that are threads themselves."""
    return _scores_here(a, b, first, second, shifts_up_to(0))[0]


def _scores_here(
    a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    values, best = np.empty(len(first)), np.zeros(len(first), np.int64)
    a, b = a.reshape(-1, SIDE * SIDE), b.reshape(-1, SIDE * SIDE)
    if len(shifts) == 1:
        plain_ssim(a, b, first, second, values)
    else:
        best_of_shifts(a, b, first, second, shifts, values, best)
    return values, best


def shifts_up_to(max_shift: int) -> np.ndarray:
    """All shifts (rows, columns) of up to max_shift each, int64 (s, 2), the shortest first."""
    if not 0 <= max_shift < PLACES:
        raise ValueError(f"max_shift: expected 0 to {PLACES - 1} pixels, found {max_shift}")
    span = range(-max_shift, max_shift + 1)
    return np.array(sorted(((r, c) for r in span for c in span), key=lambda s: (s[0] ** 2 + s[1] ** 2, s)), np.int64)


def ssim_flat(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1-D SSIM of the flattened images, float64 (n,): a published mistake, kept to be compared with.

    As published the images are flattened one channel after the other, so that a window is 7 pixels of a row and knows
    no second dimension.
    """
    a, b = _colour(a, "a"), _colour(b, "b")
    if len(a) != len(b):
        raise ValueError(f"a and b: expected equally many images, found {len(a)} and {len(b)}")
    values = np.empty(len(a))

    def work(block: slice) -> None:
        some, others = (np.ascontiguousarray(part[block].transpose(0, 3, 1, 2)) for part in (a, b))
        sequence_ssim(some.reshape(len(some), -1), others.reshape(len(others), -1), values[block])

    in_threads(work, blocks(len(a), PAIR_BLOCK))
    return values


def _colour(images: np.ndarray, where: str) -> np.ndarray:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"{where}: expected uint8 (n, 32, 32, 3), found {getattr(images, 'shape', type(images))}")
    return images


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
