"""CIFAR-10.1's own files: the predictions of the published models, and the labels and keywords of its versions."""

from pathlib import Path

import numpy as np

from cifar102.analysis.prediction_files import published_word, read_file
from cifar102.analysis.predictions import check_truth
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json

PUBLISHED_HOME = "https://github.com/modestyachts/CIFAR-10.1 (commit d9982ab)"


def read_published(folder: Path, name: str, count: int | None = None) -> dict[str, np.ndarray]:
    """Read the published models' class ids on one set: model -> int64 (n,), models in ASCII order.

    folder: CIFAR-10.1 (holds model_predictions/); name: cifar10, cifar10.1-v4, cifar10.1-v6, or a later version's own
    word ("v7"). All files must be of one length. Source: https://github.com/modestyachts/CIFAR-10.1,
    model_predictions/.
    """
    home = Path(folder) / "model_predictions" / f"{published_word(name)}_predictions"
    paths = sorted(home.glob("*.json"))
    if not paths:
        raise FileNotFoundError(f"{home}: no predictions; they are at {PUBLISHED_HOME}")
    models = {}
    for path in paths:
        models[path.stem.removesuffix("_predictions")] = read_file(path, count).class_ids
        count = count or len(next(iter(models.values())))
    return models


def published_file(folder: Path, name: str, part: str) -> Path:
    """Return where a version's "data" or "labels" stand: datasets/ as in its repository, or CIFAR-10.1/ itself.

    folder: CIFAR-10.1; name: "cifar10.1-v4". The file in datasets/ where neither is there.
    """
    file = f"cifar10.1_{name.rpartition('-')[2]}_{part}.npy"
    places = [Path(folder) / "datasets" / file, Path(folder) / file]
    return next((path for path in places if path.is_file()), places[0])


def read_published_labels(folder: Path, name: str) -> np.ndarray:
    """Read the labels of a version of CIFAR-10.1 ("cifar10.1-v4"), int64 (n,), from *_labels.npy."""
    path = published_file(folder, name, "labels")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no labels; they are at {PUBLISHED_HOME}, datasets/")
    return check_truth(arrays.read_npy(path), str(path), num_classes=10)


def read_published_keywords(folder: Path, name: str) -> np.ndarray:
    """Read the Tiny Images keyword of each image of a version of CIFAR-10.1: text (n,), in the images' order.

    folder: CIFAR-10.1 with other_data/cifar10.1_<version>_ti_indices.json and ..._ti_indices_per_keyword.json (v4 has
    both). Raises FileNotFoundError; ValueError where an index has no keyword.
    """
    version = name.rpartition("-")[2]
    paths = [Path(folder) / "other_data" / f"cifar10.1_{version}_ti_indices{end}.json" for end in ("", "_per_keyword")]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no keywords of {name}; they are at {PUBLISHED_HOME}, other_data/")
    indices, by_keyword = (read_json(path) for path in paths)
    try:
        keyword_of = {index: keyword for keyword, members in by_keyword.items() for index in members}
        missing = [index for index in indices if index not in keyword_of]
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{paths[1]}: expected an object of keyword -> list of indices, found {error}") from error
    if missing:
        raise ValueError(f"{paths[1]}: holds no keyword for {len(missing)} indices of {paths[0].name}: {missing[:5]}")
    return np.array([keyword_of[index] for index in indices])
