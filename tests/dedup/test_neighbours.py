"""The nearest images: as a brute-force computation in whole numbers finds them, whatever the bound does."""

import numpy as np
import pytest
from scipy.linalg import blas

from cifar102 import cifar
from cifar102.dedup import kernels, neighbours
from tests.dedup.test_pair_table import smooth_images


def brute_force(queries: np.ndarray, references: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    rows = references.reshape(len(references), -1).astype(np.int64)
    squares = np.array([((rows - query.ravel()) ** 2).sum(axis=1) for query in queries])
    indices = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, indices, axis=1)), indices


@pytest.mark.parametrize("k", [1, 3, 10])
def test_distances_and_neighbours_are_those_of_brute_force(rng: np.random.Generator, k: int) -> None:
    references = smooth_images(rng, 400)
    noise = rng.integers(-20, 21, (30, 32, 32, 3))
    queries = np.clip(references[:30].astype(int) + noise, 0, 255).astype(np.uint8)
    distances, indices = neighbours.nearest(queries, references, k)
    expected, places = brute_force(queries, references, k)
    assert np.array_equal(indices, places)
    assert np.array_equal(distances, expected)
    assert (distances.dtype, indices.dtype) == (np.float64, np.int64)


def test_images_without_structure_are_searched_exactly_too(rng: np.random.Generator) -> None:
    references = rng.integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    references[::3] = (references[::3] > 127) * 255
    distances, indices = neighbours.nearest(references[:40], references, 5)
    expected, places = brute_force(references[:40], references, 5)
    assert np.array_equal(indices, places)
    assert np.array_equal(distances, expected)


def test_an_identical_image_is_at_distance_exactly_zero_and_ties_go_by_index(rng: np.random.Generator) -> None:
    images = smooth_images(rng, 20)
    references = np.concatenate([images[5:9], images, images])
    distances, indices = neighbours.nearest(images, references, 3)
    assert (distances[:, :2] == 0).all()
    assert indices[6].tolist() == [1, 10, 30]
    assert not np.isnan(distances).any()


def test_all_neighbours_of_equal_images_come_in_order(rng: np.random.Generator) -> None:
    black = np.zeros((130, 32, 32, 3), np.uint8)
    distances, indices = neighbours.nearest(black[:3], black, 130)
    assert (distances == 0).all()
    assert (indices == np.arange(130)).all()


def test_blocks_of_references_change_nothing(rng: np.random.Generator, monkeypatch) -> None:
    images = smooth_images(rng, 333)
    whole = neighbours.nearest(images[:50], images, 7)
    monkeypatch.setattr(neighbours, "REFERENCE_BLOCK", 50)
    monkeypatch.setattr(neighbours, "QUERY_BLOCK", 7)
    parts = neighbours.nearest(images[:50], images, 7)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


def test_the_nearest_is_not_the_farthest(rng: np.random.Generator) -> None:
    references = np.full((3, 32, 32, 3), [[[[250]]], [[[10]]], [[[120]]]], np.uint8)
    query = np.full((1, 32, 32, 3), 12, np.uint8)
    distances, indices = neighbours.nearest(query, references, 3)
    assert indices.tolist() == [[1, 2, 0]]
    assert distances[0, 0] == pytest.approx(2 * np.sqrt(3072))
    assert distances[0, 2] == pytest.approx(238 * np.sqrt(3072)), "uint8 differences do not wrap"


@pytest.mark.parametrize("k", [0, 4])
def test_more_neighbours_than_references_are_an_error(k: int) -> None:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=f"1 to 3.*found {k}"):
        neighbours.nearest(images, images, k)


@pytest.mark.real_data
def test_real_queries_find_the_neighbours_of_brute_force_and_of_faiss(real_data) -> None:
    faiss = pytest.importorskip("faiss")
    sets = cifar.load_cifar10(real_data / "cifar-10-batches-py")
    queries, references = sets["test"].images[:60], sets["train"].images[:5000]
    distances, indices = neighbours.nearest(queries, references)
    expected, places = brute_force(queries[:8], references, 10)
    assert np.array_equal(indices[:8], places)
    assert np.array_equal(distances[:8], expected)
    index = faiss.IndexFlatL2(3072)
    index.add(references.reshape(-1, 3072).astype(np.float32))
    squares, _ = index.search(queries.reshape(-1, 3072).astype(np.float32), 10)
    assert np.allclose(np.sqrt(squares), distances, rtol=1e-4)


@pytest.mark.real_data
def test_a_thousand_real_queries_find_the_exact_neighbours_among_all_sixty_thousand(real_data) -> None:
    sets = cifar.load_cifar10(real_data / "cifar-10-batches-py")
    references = np.concatenate([sets["train"].images, sets["test"].images])
    references[40_000:40_010] = references[50_000:50_010]  # ten equal pairs: ties by index
    queries = references[50_000:51_000]
    distances, indices = neighbours.nearest(queries, references)
    # Whole numbers below 2^53 are exact in float64, in any order of summation.
    left, norms = queries.reshape(len(queries), -1).astype(np.float64), []
    squares = np.empty((len(queries), len(references)))
    for block in kernels.blocks(len(references), 5000):
        right = references[block].reshape(-1, 3072).astype(np.float64)
        norms.append(np.einsum("ij,ij->i", right, right))
        squares[:, block] = norms[-1] - 2 * blas.dgemm(1, right.T, left.T, trans_a=True).T
    squares += np.einsum("ij,ij->i", left, left)[:, None]
    keys = squares.astype(np.int64) * 2**16 + np.arange(len(references))
    best = np.sort(np.partition(keys, 10, axis=1)[:, :10], axis=1)
    assert np.array_equal(indices, best % 2**16)
    assert np.array_equal(distances, np.sqrt((best // 2**16).astype(np.float64)))
    assert indices[:10, :2].tolist() == [[40_000 + row, 50_000 + row] for row in range(10)]
