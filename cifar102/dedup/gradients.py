"""The shortlist of the registered rule: an image described by its edges, blind to colour, and the nearest by that."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from cifar102.cifar import check_images
from cifar102.dedup.kernels import LANES, blocks, in_threads, kernel, product, scan_cosines
from cifar102.dedup.similarity import grey

SIDE = 32
CELL, CELLS = 4, 8  # pixels a side of a cell, cells a side of an image
DIRECTIONS = 8
PLACES = CELLS - 1  # sums of 2 x 2 cells, each one cell from the next
LENGTH = PLACES * PLACES * DIRECTIONS
VIEWS = (1.0, 0.9, 0.8, 1.12, 1.25)  # parts of the query's side that become the whole; above 1 its rim is repeated
QUERY_BLOCK = 64
REFERENCE_BLOCK = 16384  # with QUERY_BLOCK 4 MiB of products a thread


def descriptors(images: np.ndarray) -> np.ndarray:
    """Describe each image by the directions of its edges, place by place: float32 (n, 392) of length 1.

    images: uint8 (n, 32, 32, 3) or grey (n, 32, 32). Grey differences of the neighbours on both sides (0 at the rim)
    have a length and a direction; the root of the length is shared among 8 directions by the cube of the cosine, where
    that is positive; means over 4 x 4 pixels, sums of 2 x 2 neighbouring means, and each direction loses its mean over
    the image. An image without edges is a row of zeros.
    """
    values = grey(images)
    found = np.empty((len(values), LENGTH), np.float32)
    in_threads(lambda block: describe(values[block], COSINES, SINES, found[block]), blocks(len(values), 256))
    return found


ANGLES = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
COSINES, SINES = np.cos(ANGLES).astype(np.float32), np.sin(ANGLES).astype(np.float32)


@kernel
def describe(images: np.ndarray, cosines: np.ndarray, sines: np.ndarray, out: np.ndarray) -> None:
    """Write the descriptions of grey images, uint8 (n, 32, 32), into out, float32 (n, 392)."""
    cells = np.empty((CELLS, CELLS, DIRECTIONS), np.float32)
    shares = np.empty((SIDE, DIRECTIONS), np.float32)
    for n in range(images.shape[0]):
        cells[:] = 0
        for row in range(1, SIDE - 1):
            edge_shares(images[n], row, cosines, sines, shares)
            for column in range(1, SIDE - 1):
                for k in range(DIRECTIONS):
                    cells[row // CELL, column // CELL, k] += shares[column, k]
        settle(cells, out[n])


@kernel
def edge_shares(image: np.ndarray, row: int, cosines: np.ndarray, sines: np.ndarray, shares: np.ndarray) -> None:
    """Write what each pixel of a row gives to each direction into shares, float32 (32, 8)."""
    for column in range(1, SIDE - 1):
        right = np.float32(image[row, column + 1]) - np.float32(image[row, column - 1])
        down = np.float32(image[row + 1, column]) - np.float32(image[row - 1, column])
        length = np.sqrt(right * right + down * down)
        # sqrt(n) cos(theta - angle)^3 = (right cos + down sin)^3 / n^2.5
        scale = np.float32(0) if length == 0 else 1 / (length * length * np.sqrt(length))
        for k in range(DIRECTIONS):
            along = max(np.float32(0), right * cosines[k] + down * sines[k])
            shares[column, k] = along * along * along * scale


@kernel
def settle(cells: np.ndarray, out: np.ndarray) -> None:
    """Sum up 2 x 2 cells, take each direction's mean away, and write the unit vector into out, float32 (392,)."""
    sums = out.reshape(PLACES, PLACES, DIRECTIONS)
    total = np.float32(0)
    for k in range(DIRECTIONS):
        mean = np.float32(0)
        for i in range(PLACES):
            for j in range(PLACES):
                sums[i, j, k] = cells[i, j, k] + cells[i + 1, j, k] + cells[i, j + 1, k] + cells[i + 1, j + 1, k]
                mean += sums[i, j, k]
        mean /= PLACES * PLACES
        for i in range(PLACES):
            for j in range(PLACES):
                sums[i, j, k] -= mean
                total += sums[i, j, k] * sums[i, j, k]
    scale = np.float32(0) if total <= 0 else 1 / np.sqrt(total)
    for i in range(out.size):
        out[i] *= scale


def shortlist(
    queries: np.ndarray,
    references: np.ndarray,
    k: int = 10,
    own: np.ndarray | None = None,
    views: Sequence[float] = (1.0,),
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k references whose description is nearest to that of each query, by the best of the query's views.

    queries: uint8 (n, 32, 32, 3); references: descriptions float32 (m, 392). own: int64 (n,), the reference that is the
    query itself and is left out, -1 for none. views: parts of the query's side, cut from its middle and brought to 32
    pixels. Returns cosines float64 (n, k), descending, and indices int64 (n, k), ties by index; k is cut to what there
    is. Products are float32; those that may belong to the k are summed again in float64, one by one, so that the result
    does not depend on how images are cut into blocks.
    """
    check_images(queries, "queries")
    own = np.full(len(queries), -1) if own is None else own
    k = max(0, min(k, len(references) - bool(np.any(own >= 0))))
    keys, indices = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, np.int64)
    for part in views if keys.size else ():
        vectors = descriptors(view(queries, part))
        for chunk in blocks(len(references), REFERENCE_BLOCK):
            _search(vectors, references[chunk], chunk.start, own, keys, indices)
    return -keys, indices


def _search(
    vectors: np.ndarray, references: np.ndarray, start: int, own: np.ndarray, keys: np.ndarray, indices: np.ndarray
) -> None:
    """Improve the best keys (minus cosine) and indices of all queries by one block of references."""
    filled = -len(references) % LANES
    right = np.concatenate([references, np.zeros((filled, LENGTH), np.float32)]) if filled else references
    error = (LENGTH + 8) * 2.0**-24 * 1.01

    def work(block: slice) -> None:
        products = np.empty((block.stop - block.start, len(right)), np.float32)
        product(vectors[block], right, products)
        products[:, len(references) :] = -np.inf
        scan_cosines(products, error, vectors[block], references, start, own[block], keys[block], indices[block])

    in_threads(work, blocks(len(vectors), QUERY_BLOCK))


def view(images: np.ndarray, part: float) -> np.ndarray:
    """Bring the middle `part` of each image's side to 32 pixels; above 1 the image shrinks, its rim repeated.

    images: uint8 (n, 32, 32, 3); the same shape and dtype.
    """
    if part == 1:
        return images
    margin = SIDE // 2
    padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    low, high = SIDE - part * SIDE / 2, SIDE + part * SIDE / 2
    box = (low, low, high, high)
    resized = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box) for image in padded]
    return np.array([np.asarray(image) for image in resized], np.uint8).reshape(images.shape)
