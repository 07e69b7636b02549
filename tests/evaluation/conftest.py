"""Fixtures of the tests of evaluation: a folder of published sets in miniature."""

import json
from pathlib import Path

import numpy as np
import pytest

from cifar102 import cifar

LABELS = np.arange(60) % 10
MODELS = ("vgg", "resnet", "wrn", "densenet", "shake")
WORDS = ("jetliner", "cab", "wren", "tabby", "elk", "pug", "bullfrog", "pony", "ferry", "lorry")


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    return write_downloads(tmp_path / "downloads", rng)


def write_downloads(folder: Path, rng: np.random.Generator) -> Path:
    """A folder of downloads: a small CIFAR-10, CIFAR-10.1 v4, v6 without its images, five published models."""
    images, labels = rng.integers(256, size=(60, 32, 32, 3), dtype=np.uint8), np.arange(60) % 10
    names = [f"{WORDS[label]}_s_{k:06d}.png" for k, label in enumerate(labels)]
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        cifar.write_batch(folder / "cifar-10-batches-py" / name, images, labels, names, name)
    meta = {"num_cases_per_batch": 60, "label_names": list(cifar.CLASS_NAMES), "num_vis": 3072}
    cifar.write_meta(folder / "cifar-10-batches-py" / "batches.meta", meta)
    home = folder / "CIFAR-10.1" / "datasets"
    home.mkdir(parents=True)
    np.save(home / "cifar10.1_v4_data.npy", images[:40])
    for version, count in (("v4", 40), ("v6", 30)):
        np.save(home / f"cifar10.1_{version}_labels.npy", labels[:count].astype(np.int32))
    for version, count, step in (("original", 60, 2), ("v4", 40, 2)):
        place = folder / "CIFAR-10.1" / "model_predictions" / f"{version}_predictions"
        place.mkdir(parents=True)
        for k, model in enumerate(MODELS):
            said = said_with(labels[:count], step * (k + 1))
            (place / f"{model}_predictions.json").write_text(json.dumps(said.tolist()))
    return folder


def said_with(labels: np.ndarray, wrong: int) -> np.ndarray:
    said = labels.copy()
    said[:wrong] = (said[:wrong] + 1) % 10
    return said
