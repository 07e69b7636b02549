"""CIFAR-10.1's own exchange files: good indices per keyword, and blacklists, as JSON."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

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


def write_good_indices(path: Path, good: Mapping[str, Iterable[int]]) -> Path:
    """Write keyword -> indices in the form of `tinyimage_good_indices.json`, in the order given, atomically."""
    return write_json(path, {key: _indices(list(values), f"{path}: {key}") for key, values in good.items()})


def read_blacklist(path: Path) -> list[int]:
    """Read `blacklist_*.json`: a list of indices that must not be drawn; ValueError names a bad entry."""
    return _indices(read_json(path), str(path))


def write_blacklist(path: Path, indices: Iterable[int]) -> Path:
    """Write a list of indices in the form of `blacklist_v7.json`, in the order given, atomically."""
    return write_json(path, _indices(list(indices), str(path)))


def from_accepted(accepted: pd.DataFrame) -> dict[str, list[int]]:
    """Turn the accepted table into keyword -> sorted indices."""
    groups = accepted.sort_values("tiny_index").groupby("keyword", sort=True)["tiny_index"]
    return {keyword: [int(index) for index in indices] for keyword, indices in groups}


def _indices(values: object, where: str) -> list[int]:
    if not isinstance(values, list):
        raise ValueError(f"{where}: expected a list of indices, found {type(values).__name__}")
    for value in values:
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
            raise ValueError(f"{where}: expected whole numbers from 0 on, found {value!r}")
    return [int(value) for value in values]
