"""Duplicate searches over blocks of queries, each kept on disk: a killed search goes on, and a cluster shares it."""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cifar102.cifar import check_images
from cifar102.dedup import neighbours, pair_table, similarity
from cifar102.dedup.kernels import blocks
from cifar102.workspace.files import read_json, read_table, write_array, write_json, write_table

BLOCK = 8192  # queries; about as much work as laying out 60,000 references takes is lost per block
VERSION = 2  # of the searches: raise it where a result changes, so that old blocks are not taken for new ones


def near_duplicates(images: np.ndarray, references: np.ndarray, start: int, within: bool, **options) -> pd.DataFrame:
    """One block of pair_table.near_duplicates."""
    return pair_table.near_duplicates(images, references, own_start=start if within else None, **options)


def pairs_above(images: np.ndarray, references: np.ndarray, start: int, within: bool, **options) -> pd.DataFrame:
    """One block of similarity.pairs_above; within a set each pair once, the smaller row first."""
    found = similarity.pairs_above(images, references, **options)
    return found[found["query"] + start < found["reference"]] if within else found


def nearest(images: np.ndarray, references: np.ndarray, start: int, within: bool, k: int = 10) -> pd.DataFrame:
    """One block of neighbours.nearest as a table; within a set each image is its own first neighbour, as there."""
    distances, indices = neighbours.nearest(images, references, k)
    columns = {"query": np.repeat(np.arange(len(images)), k), "reference": indices.ravel()}
    return pd.DataFrame({**columns, "rank": np.tile(np.arange(1, k + 1), len(images)), "distance": distances.ravel()})


SEARCHES: dict[str, Callable[..., pd.DataFrame]] = {
    search.__name__: search for search in (near_duplicates, pairs_above, nearest)
}


def search_blocks(
    name: str,
    queries: np.ndarray,
    references: np.ndarray | None,
    folder: Path,
    scheduler: str = "",
    block_size: int = BLOCK,
    **options: float,
) -> pd.DataFrame:
    """Do one of SEARCHES block by block; returns the table that the undivided search would give.

    queries, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3), memory maps too; references None: within the queries.
    folder: where blocks/<start>.parquet are kept, with what they were made from in search.json; blocks that are there
    are not computed again, and all are thrown away where images or options are others. scheduler: address of a Dask
    scheduler whose workers see `folder`; empty: here, in threads. A worker that dies loses at most its own block,
    which another one computes. options: of the search. Raises ValueError for an unknown search or wrong images.
    """
    if name not in SEARCHES:
        raise ValueError(f"search: {name!r} is none of {', '.join(SEARCHES)}")
    check_images(queries, "queries")
    if references is not None:
        check_images(references, "references")
    _settle(folder, _made_from(name, queries, references, block_size, options))
    cuts = blocks(len(queries), block_size) or [slice(0, 0)]
    missing = [cut for cut in cuts if not _path(folder, cut).is_file()]
    shown = f"{folder.name}, {len(cuts) - len(missing)} of {len(cuts)} blocks kept" if missing else ""
    with tqdm(total=sum(c.stop - c.start for c in missing), desc=shown, unit=" images", **_quiet(cuts)) as bar:
        if scheduler and missing:
            _on_cluster(name, queries, references, folder, scheduler, missing, options, bar)
        else:
            for cut in missing:
                write_block(name, queries, references, folder, cut, options)
                bar.update(cut.stop - cut.start)
    return pd.concat([read_table(_path(folder, cut)) for cut in cuts], ignore_index=True)


def write_block(
    name: str, queries: np.ndarray, references: np.ndarray | None, folder: Path, cut: slice, options: dict
) -> None:
    """Compute one block and write it, its query numbers counted in all queries."""
    within = references is None
    images = np.ascontiguousarray(queries[cut])
    found = SEARCHES[name](images, queries if within else references, start=cut.start, within=within, **options)
    write_table(_path(folder, cut), found.assign(query=found["query"] + cut.start))


def write_block_from_files(name: str, folder: str, start: int, stop: int, options: dict) -> int:
    """On a worker: compute one block from the images laid down in the folder; returns its number of queries."""
    images, others = Path(folder) / "queries.npy", Path(folder) / "references.npy"
    queries = np.load(images, mmap_mode="r", allow_pickle=False)
    references = np.load(others, mmap_mode="r", allow_pickle=False) if others.is_file() else None
    write_block(name, queries, references, Path(folder), slice(start, stop), options)
    return stop - start


def _on_cluster(
    name: str,
    queries: np.ndarray,
    references: np.ndarray | None,
    folder: Path,
    scheduler: str,
    missing: list[slice],
    options: dict,
    bar: tqdm,
) -> None:
    import distributed  # 0.5 s that only cluster users pay

    laid = {"queries.npy": queries} | ({} if references is None else {"references.npy": references})
    try:
        for file, images in laid.items():
            write_array(folder / file, np.asarray(images))
        with distributed.Client(scheduler, set_as_default=False) as client:
            call = (write_block_from_files, name, str(folder.absolute()))
            futures = [
                client.submit(*call, cut.start, cut.stop, options, key=f"{folder.name}-{cut.start}-{time.time_ns()}")
                for cut in missing
            ]
            for future in distributed.as_completed(futures, loop=client.loop):
                bar.update(future.result())
    finally:
        for file in laid:
            (folder / file).unlink(missing_ok=True)


def _made_from(
    name: str, queries: np.ndarray, references: np.ndarray | None, block_size: int, options: dict
) -> dict[str, object]:
    return {
        "search": name,
        "version": VERSION,
        "queries": _digest(queries),
        "references": None if references is None else _digest(references),
        "block_size": block_size,
        "options": options,
    }


def _digest(images: np.ndarray) -> str:
    digest = hashlib.blake2b(str(images.shape).encode(), digest_size=16)
    for block in blocks(len(images), 4096):
        digest.update(np.ascontiguousarray(images[block]))
    return digest.hexdigest()


def _settle(folder: Path, made_from: dict[str, object]) -> None:
    """Keep the blocks of the same search, remove those of another one."""
    stamp = folder / "search.json"
    try:
        same = stamp.is_file() and read_json(stamp) == made_from
    except ValueError:
        same = False
    if same:
        return
    for block in folder.glob("blocks/*.parquet"):
        block.unlink()
    write_json(stamp, made_from)


def _path(folder: Path, cut: slice) -> Path:
    return folder / "blocks" / f"{cut.start:09d}.parquet"


def _quiet(cuts: list[slice]) -> dict[str, object]:
    """How the bar is shown: on the standard output as all progress is, not at all for a single block."""
    return {"file": sys.stdout, "mininterval": 5, "disable": len(cuts) == 1, "unit_scale": True}
