"""The shortlist of the registered rule: an image described by its edges, blind to colour, and the nearest by that."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from cifar102.cifar import check_images
from cifar102.dedup.kernels import LANES, alone, blocks, in_threads, kernel, product, rank_by_cosine, scan_highest
from cifar102.dedup.similarity import grey

SIDE = 32
CELL, CELLS = 4, 8  # pixels a side of a cell, cells a side of an image
DIRECTIONS = 8
PLACES = CELLS - 1  # sums of 2 x 2 cells, each one cell from the next
LENGTH = PLACES * PLACES * DIRECTIONS
VIEWS = (1.0, 0.9, 0.8, 1.12, 1.25)  # parts of the query's side that become the whole; above 1 its rim is repeated
QUERY_BLOCK = 256
REFERENCE_BLOCK = 4096  # with QUERY_BLOCK 4 MiB of products a thread
SHORT = 128  # numbers of the projection that chooses whose full descriptions are compared
LIKELY = 3  # times k references it chooses for each query
SAMPLE = 4096  # references that settle the directions of the projection


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
    is. A projection to 128 numbers chooses 3 k references, whose cosines are then summed in float64: for 10,000 test
    and 50,000 training images of CIFAR-10 the same ten as without it.
    """
    check_images(queries, "queries")
    own = np.full(len(queries), -1) if own is None else own
    k = max(0, min(k, len(references) - bool(np.any(own >= 0))))
    keys, indices = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, np.int64)
    directions = alone(leading_directions, references)
    short = _projected(references, directions)
    for part in views if keys.size else ():
        vectors = descriptors(view(queries, part))
        places = _likely(_projected(vectors, directions), short, own, LIKELY * k)
        for block in blocks(len(vectors), QUERY_BLOCK):
            rank_by_cosine(vectors[block], references, places[block], keys[block], indices[block])
    return -keys, indices


def leading_directions(vectors: np.ndarray) -> np.ndarray:
    """The SHORT orthonormal directions along which an even sample of vectors is longest, float32 (SHORT, 392)."""
    sample = vectors[:: max(1, -(-len(vectors) // SAMPLE))].astype(np.float64)
    return np.ascontiguousarray(np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :SHORT].T, np.float32)


def _projected(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    found = np.empty((len(vectors), len(directions)), np.float32)
    in_threads(lambda block: product(vectors[block], directions, found[block]), blocks(len(vectors), 1024))
    return found


def _likely(short: np.ndarray, references: np.ndarray, own: np.ndarray, count: int) -> np.ndarray:
    """The likeliest references of each query by projected vectors: int64 (n, count), -1 where there are fewer."""
    keys, places = np.full((len(short), count), np.inf), np.full((len(short), count), -1, np.int64)
    for chunk in blocks(len(references), REFERENCE_BLOCK):
        part = references[chunk]
        right = np.concatenate([part, np.zeros((-len(part) % LANES, part.shape[1]), np.float32)])

        def work(block: slice, right: np.ndarray = right, chunk: slice = chunk) -> None:
            products = np.empty((block.stop - block.start, len(right)), np.float32)
            product(short[block], right, products)
            products[:, chunk.stop - chunk.start :] = -np.inf
            scan_highest(products, chunk.start, own[block], keys[block], places[block])

        in_threads(work, blocks(len(short), QUERY_BLOCK))
    return places


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
