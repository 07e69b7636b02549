"""Principal directions of images, and projections whose rounding error is known."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from cifar102.dedup.kernels import kernel, product

PIECE = 256  # pixel values a float32 product sums up: short sums have small errors
SAMPLE = 1024


@dataclass(frozen=True)
class Frame:
    """Where images are projected to.

    centre: int16 (3072,), whole numbers, so that centred pixels are exact; pieces: the orthonormal directions as
    float32 (12, d, 256), 256 pixel values each.
    """

    centre: np.ndarray
    pieces: np.ndarray


def principal_frame(rows: np.ndarray, count: int = 96) -> Frame:
    """Estimate the leading principal directions of image rows, uint8 (n, 3072), from an even sample.

    Any orthonormal directions give an exact search, good ones a fast one: two rounds of subspace iteration will do,
    where a full decomposition of 3,072 dimensions takes longer than the search.
    """
    sample = rows[:: max(1, -(-len(rows) // SAMPLE))].astype(np.float32)
    centre = np.rint(sample.mean(axis=0))
    sample -= centre
    count = min(count, len(sample))
    basis = np.random.default_rng(0).standard_normal((count, rows.shape[1])).astype(np.float32)
    transposed = np.ascontiguousarray(sample.T)
    for _ in range(2):
        scores, spread = np.empty((count, len(sample)), np.float32), np.empty(basis.shape, np.float32)
        product(basis, sample, scores)
        product(scores, transposed, spread)
        basis = np.ascontiguousarray(scipy.linalg.qr(spread.T, mode="economic")[0].T)
    exact = scipy.linalg.qr(basis.T.astype(np.float64), mode="economic")[0].T
    pieces = exact.reshape(count, -1, PIECE).transpose(1, 0, 2)
    return Frame(centre.astype(np.int16), np.ascontiguousarray(pieces, np.float32))


def project(rows: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project image rows, uint8 (n, 3072), and bound the error of it.

    Returns float64 (n, d + 1), the last the length of what the directions leave, rounded up; squared lengths of the
    centred rows (n,), exact; and an upper bound (n,) of the length of the error of the first d. Each coordinate is a
    sum of float32 sums of 256 terms of directions rounded to float32: an error below 264 x 2^-24 times the length.
    """
    num_pieces, count, _ = frame.pieces.shape
    centred, norms = np.empty((num_pieces, len(rows), PIECE), np.float32), np.empty(len(rows))
    centre(rows, frame.centre, centred, norms)
    coordinates, part = np.zeros((len(rows), count)), np.empty((len(rows), count), np.float32)
    for pixels, directions in zip(centred, frame.pieces, strict=True):
        product(pixels, directions, part)
        coordinates += part
    lengths = np.sqrt(norms)
    errors = (PIECE + 8) * 2.0**-24 * np.sqrt(count) * lengths
    left = np.maximum(norms - np.einsum("ij,ij->i", coordinates, coordinates), 0) + errors * (2 * lengths + errors)
    return np.column_stack([coordinates, np.sqrt(left)]), norms, errors


@kernel
def centre(rows: np.ndarray, middle: np.ndarray, centred: np.ndarray, norms: np.ndarray) -> None:
    """Write rows minus middle in pieces, and their squared lengths (sums of whole numbers, exact)."""
    size = centred.shape[2]
    for i in range(rows.shape[0]):
        total = np.int64(0)
        for piece in range(centred.shape[0]):
            pixels = rows[i, piece * size : piece * size + size]
            mean = middle[piece * size : piece * size + size]
            out = centred[piece, i]
            part = np.int32(0)
            for j in range(out.size):
                value = np.int32(np.int32(pixels[j]) - np.int32(mean[j]))
                out[j] = np.float32(value)
                part = np.int32(part + np.int32(value * value))
            total += np.int64(part)
        norms[i] = total
