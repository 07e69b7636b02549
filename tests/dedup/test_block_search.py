"""Searches in blocks: the table of the undivided search, blocks kept on disk, and a cluster that loses a worker."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from cifar102.dedup import block_search, neighbours, pair_table, similarity
from cifar102.workspace.folders import REPOSITORY

NUM_BLOCKS = 30


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """600 smooth images, every fifth the noisy neighbour of another."""
    rng = np.random.default_rng(4)
    noise = gaussian_filter(rng.normal(size=(600, 40, 40, 3)), (0, 2, 2, 0.5))[:, 4:-4, 4:-4]
    smooth = np.clip(128 + 450 * noise, 0, 255)
    smooth[::5] = smooth[1::5] + rng.normal(size=smooth[1::5].shape) * 4
    return np.clip(smooth, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("within", [False, True])
def test_blocks_give_the_table_of_the_undivided_search(images: np.ndarray, tmp_path: Path, within: bool) -> None:
    queries, references = (images, None) if within else (images[:250], images[100:])
    whole = pair_table.near_duplicates(queries, references)
    found = block_search.search_blocks("near_duplicates", queries, references, tmp_path, block_size=70)
    pd.testing.assert_frame_equal(found, whole)
    above = block_search.search_blocks(
        "pairs_above", queries, references, tmp_path / "above", block_size=70, threshold=0.5
    )
    pd.testing.assert_frame_equal(above, similarity.pairs_above(queries, references, 0.5))
    assert len(above) > 50


def test_neighbours_in_blocks_are_those_of_nearest(images: np.ndarray, tmp_path: Path) -> None:
    found = block_search.search_blocks("nearest", images[:90], images, tmp_path, block_size=40, k=3)
    distances, indices = neighbours.nearest(images[:90], images, k=3)
    np.testing.assert_array_equal(found["distance"].to_numpy().reshape(-1, 3), distances)
    np.testing.assert_array_equal(found["reference"].to_numpy().reshape(-1, 3), indices)
    assert found["query"].tolist() == np.repeat(np.arange(90), 3).tolist()


def test_blocks_on_disk_are_not_computed_again_and_those_of_other_images_are(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    write_block = block_search.write_block

    def counted(name, queries, references, folder, cut, options) -> None:
        computed.append(cut.start)
        write_block(name, queries, references, folder, cut, options)

    def again(queries: np.ndarray, **options: float) -> list[int]:
        computed.clear()
        block_search.search_blocks("near_duplicates", queries, images, tmp_path, block_size=40, **options)
        return list(computed)

    monkeypatch.setattr(block_search, "write_block", counted)
    assert again(images[:100]) == [0, 40, 80]
    assert again(images[:100]) == []
    (tmp_path / "blocks" / "000000040.parquet").unlink()
    assert again(images[:100]) == [40]
    assert again(images[:100], duplicate=0.8) == [0, 40, 80]
    assert again(images[1:101], duplicate=0.8) == [0, 40, 80]


def test_no_queries_and_an_unknown_search(images: np.ndarray, tmp_path: Path) -> None:
    assert block_search.search_blocks("near_duplicates", images[:0], images, tmp_path).empty
    with pytest.raises(ValueError, match="'far' is none of near_duplicates, pairs_above, nearest"):
        block_search.search_blocks("far", images, None, tmp_path)
    with pytest.raises(ValueError, match=r"queries: expected uint8 \(n, 32, 32, 3\), found float64"):
        block_search.search_blocks("nearest", images / 1.0, None, tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and two worker processes of one thread each, nothing restarts them: (address, workers)."""
    pytest.importorskip("distributed")
    environment = {**os.environ, "CIFAR102_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    started = [subprocess.Popen([*command, "--no-dashboard", "--scheduler-file", str(file)], env=environment)]
    try:
        wait_for(file.is_file, "the scheduler")
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-nanny"]
        options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)]
        started += [subprocess.Popen([*worker, *options], env=environment) for _ in range(2)]
        import distributed

        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            address = client.scheduler.address
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def wait_for(is_there, what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not is_there():
        assert time.monotonic() < end, f"{what} did not come in {seconds} s"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_midway_gives_the_same_table(cluster, images: np.ndarray, tmp_path: Path) -> None:
    address, workers = cluster
    folder, left_when_killed = tmp_path / "search", []

    def kill_one() -> None:
        wait_for(lambda: len(list(folder.glob("blocks/0*.parquet"))) >= 3, "the third block")
        os.kill(workers[0].pid, signal.SIGKILL)
        left_when_killed.append(NUM_BLOCKS - len(list(folder.glob("blocks/0*.parquet"))))

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = block_search.search_blocks("near_duplicates", images, None, folder, address, block_size=20)
    killer.join()
    assert workers[0].wait(10) == -signal.SIGKILL and workers[1].poll() is None
    assert 0 < left_when_killed[0] < NUM_BLOCKS
    pd.testing.assert_frame_equal(found, pair_table.near_duplicates(images))
    assert not (folder / "queries.npy").exists()
