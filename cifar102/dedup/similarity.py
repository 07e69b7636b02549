"""Structural similarity of image pairs, as scikit-image defines it, best over small shifts."""

import numpy as np

from cifar102.dedup.kernels import blocks, in_threads
from cifar102.dedup.ssim_kernels import PLACES, SIDE, best_of_shifts, luma, plain_ssim, sequence_ssim

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


def ssim_channels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """2-D SSIM of all three channels, averaged: structural_similarity(..., channel_axis=-1). float64 (n,)."""
    a, b = _colour(a, "a"), _colour(b, "b")
    planes = [ssim(np.ascontiguousarray(a[..., c]), np.ascontiguousarray(b[..., c]), max_shift=0) for c in range(3)]
    return np.mean(planes, axis=0)


def ssim_flat(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1-D SSIM of the flattened images, float64 (n,): a published mistake, kept to be compared with.

    The windows are 7 successive numbers of red, green, blue, red, ...: 2 1/3 pixels of one row and no second dimension.
    """
    a, b = _colour(a, "a"), _colour(b, "b")
    if len(a) != len(b):
        raise ValueError(f"a and b: expected equally many images, found {len(a)} and {len(b)}")
    values = np.empty(len(a))

    def work(block: slice) -> None:
        some, others = np.ascontiguousarray(a[block]), np.ascontiguousarray(b[block])
        sequence_ssim(some.reshape(len(some), -1), others.reshape(len(others), -1), values[block])

    in_threads(work, blocks(len(a), PAIR_BLOCK))
    return values


def _colour(images: np.ndarray, where: str) -> np.ndarray:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"{where}: expected uint8 (n, 32, 32, 3), found {getattr(images, 'shape', type(images))}")
    return images
