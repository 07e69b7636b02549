"""The replay of CIFAR-10.1's own sampling, with its seed, its files and its order of draws."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cifar102.sampling.quotas import Counts
from cifar102.workspace.files import read_json, write_json


def read_good_indices(path: Path) -> dict[str, list[int]]:
    """Read `tinyimage_good_indices*.json` (keyword -> indices) or `cruiser_good_indices.json` (class -> indices).

    The order of the file is kept: 10.1's sampling depends on it. ValueError names the file and the bad entry.
    Source: https://github.com/modestyachts/CIFAR-10.1/tree/master/other_data
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object of keyword -> indices, found {type(content).__name__}")
    return {keyword: _indices(values, f"{path}: {keyword}") for keyword, values in content.items()}


def read_blacklist(path: Path) -> list[int]:
    """Read `blacklist_*.json`: a list of indices that must not be drawn; ValueError names a bad entry."""
    return _indices(read_json(path), str(path))


def write_blacklist(path: Path, indices: Iterable[int]) -> Path:
    """Write a list of indices in the form of `blacklist_v7.json`, in the order given, atomically."""
    return write_json(path, _indices(list(indices), str(path)))


def _indices(values: object, where: str) -> list[int]:
    if not isinstance(values, list):
        raise ValueError(f"{where}: expected a list of indices, found {type(values).__name__}")
    for value in values:
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
            raise ValueError(f"{where}: expected whole numbers from 0 on, found {value!r}")
    return [int(value) for value in values]


SEED = 670725112  # of 10.1's notebook
SHARED_KEYWORD, FIRST_CLASS = "cruiser", "automobile"  # v4 has its cruisers as automobiles only


@dataclass(frozen=True)
class Replay:
    """A replayed sampling: indices in the order drawn, those published, and how many come back.

    num_at_position: equal at the same place of the list; num_in_both: in both lists at any place.
    """

    indices: list[int]
    published: list[int]
    num_at_position: int
    num_in_both: int


def replay(
    counts: Counts,
    existing: Mapping[str, Sequence[int]],
    good: Mapping[str, Sequence[int]],
    blacklist: Sequence[int],
    shared_good: Mapping[str, Sequence[int]],
    seed: int = SEED,
) -> list[int]:
    """Draw as 10.1 did, with Python's own generator: classes and keywords in the order of `counts`.

    counts: class -> keyword -> wanted; existing: keyword -> indices of v4, from which each keyword starts; good:
    keyword -> accepted indices; shared_good: class -> accepted indices of `cruiser`. Returns all indices in order.
    Source: the sampling notebook of https://github.com/modestyachts/CIFAR-10.1, at commit d9982ab.
    """
    generator, banned, indices = random.Random(seed), set(blacklist), []
    for class_name, keywords in counts.items():
        for keyword, wanted in keywords.items():
            is_shared = keyword == SHARED_KEYWORD
            start = [] if is_shared and class_name != FIRST_CLASS else list(existing.get(keyword, ()))
            pool = shared_good[class_name] if is_shared else good[keyword]
            pool = [index for index in pool if index not in banned]
            indices += _draw(generator, start, pool, wanted, f"{class_name}/{keyword}")
    return indices


def _draw(generator: random.Random, start: list[int], pool: list[int], wanted: int, where: str) -> list[int]:
    if len(start) >= wanted:
        removed = set(generator.sample(start, len(start) - wanted)) if len(start) > wanted else set()
        return [index for index in start if index not in removed]
    # the order of a set of integers is the same in every CPython; 10.1's draws depend on it
    left = list(set(pool) - set(start)) if start else pool
    if len(left) < wanted - len(start):
        raise ValueError(f"{where}: {wanted} images wanted, {len(start) + len(left)} available")
    return start + generator.sample(left, wanted - len(start))


def published_replay(folder: Path, version: str = "v7") -> Replay:
    """Replay a published version from 10.1's `other_data` under `folder` and compare with its indices.

    folder: that of CIFAR-10.1, with other_data/. version: v7, or v6 where its files are there. FileNotFoundError
    names a file that is not.
    """
    files = Path(folder) / "other_data"
    for name in (f"tinyimage_good_indices_subselected_{version}.json", f"cifar10.1_{version}_ti_indices.json"):
        if not (files / name).is_file():
            raise FileNotFoundError(f"{files / name}: not found; it is in other_data/ of CIFAR-10.1's repository")
    drawn = replay(
        read_json(files / f"keyword_counts_{version}.json"),
        read_good_indices(files / "cifar10.1_v4_ti_indices_per_keyword.json"),
        read_good_indices(files / f"tinyimage_good_indices_subselected_{version}.json"),
        read_blacklist(files / f"blacklist_{version}.json"),
        read_good_indices(files / "cruiser_good_indices.json"),
    )
    indices = read_blacklist(files / f"cifar10.1_{version}_ti_indices.json")
    equal = sum(ours == theirs for ours, theirs in zip(drawn, indices, strict=False))
    return Replay(drawn, indices, equal, len(set(drawn) & set(indices)))
