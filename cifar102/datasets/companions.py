"""What others published about CIFAR-10's test set: people's votes, near-duplicate pairs, corrupted copies, ciFAIR."""

from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.cifar import ImageSet
from cifar102.datasets import sources
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

NUM_SEVERITIES = 5
PAIR_COLUMNS = {"TestID": "test", "TrainID": "other", "Distance": "distance", "Judgment": "judgment"}


def load_votes(workspace: Workspace) -> np.ndarray:
    """Load CIFAR-10H: how many people gave each class to each test image, int64 (n, 10), in `test_batch` order.

    Raises FileNotFoundError with its home, ValueError for another shape, dtype or a negative count.
    Source: Peterson et al. 2019, https://github.com/jcpeterson/cifar-10h
    """
    path = sources.find("cifar10h-counts.npy", workspace.raw)
    votes = arrays.read_npy(path)
    is_table = isinstance(votes, np.ndarray) and votes.dtype.kind in "iuf" and votes.ndim == 2
    if not is_table or votes.shape[1] != len(cifar.CLASS_NAMES):
        found = f"{votes.dtype} {votes.shape}" if isinstance(votes, np.ndarray) else type(votes).__name__
        raise ValueError(f"{path}: expected counts (n, 10), found {found}")
    if len(votes) and (votes.min() < 0 or (votes != np.floor(votes)).any()):
        raise ValueError(f"{path}: counts should be whole and not negative, the least is {votes.min()}")
    return votes.astype(np.int64)


def load_pairs(workspace: Workspace, name: str = "duplicates_cifar10_test.csv") -> pd.DataFrame:
    """Load a pair list of ciFAIR: test, other (image numbers, int64), distance, judgment, a row per judged pair.

    `other` is a row of the test set in `duplicates_cifar10_test.csv`, of the training set in ciFAIR's own lists.
    judgment is the judges' code. Source: Barz & Denzler 2020, https://github.com/cvjena/ciFAIR
    """
    path = workspace.raw / "ciFAIR" / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: get it from https://github.com/cvjena/ciFAIR, put it there")
    table = read_table(path, tuple(PAIR_COLUMNS)).rename(columns=PAIR_COLUMNS)
    try:
        return table.astype({"test": np.int64, "other": np.int64, "judgment": np.int64})
    except ValueError as error:  # words, or an empty cell
        raise ValueError(f"{path}: expected whole numbers in {list(PAIR_COLUMNS)}: {error}") from error


def load_corruption(corruption: str, severity: int, workspace: Workspace) -> ImageSet:
    """Load one corruption of CIFAR-10-C at one severity (1 to 5): as many images as the test set has, in its order.

    Only these rows are read. Raises ValueError for an unknown corruption or severity, FileNotFoundError with its home.
    Source: Hendrycks & Dietterich 2019, https://zenodo.org/records/2535967
    """
    if corruption not in sources.CORRUPTIONS or severity not in range(1, NUM_SEVERITIES + 1):
        raise ValueError(f"{corruption!r} at severity {severity!r}: expected 1 to 5 of {list(sources.CORRUPTIONS)}")
    folder = workspace.raw / "CIFAR-10-C"
    images = cifar.check_images(_open(folder / f"{corruption}.npy"), str(folder / f"{corruption}.npy"))
    if not len(images) or len(images) % NUM_SEVERITIES:
        raise ValueError(f"{folder / corruption}.npy: {len(images)} images are no five severities of equal size")
    count = len(images) // NUM_SEVERITIES
    rows = slice((severity - 1) * count, severity * count)
    path = folder / "labels.npy"
    labels = cifar.check_labels(_open(path), len(images), len(cifar.CLASS_NAMES), str(path))
    return ImageSet(np.array(images[rows]), labels[rows], batch_label=f"{corruption}-{severity}")


def load_cifair(workspace: Workspace, num_classes: int = 10) -> ImageSet:
    """Load the test set of ciFAIR-10 or ciFAIR-100: CIFAR's with its near-duplicates of training images replaced.

    Raises FileNotFoundError with its home. Source: Barz & Denzler 2020, https://github.com/cvjena/cifair
    """
    name = f"ciFAIR-{num_classes}"
    path = workspace.raw / name / {10: "test_batch", 100: "test"}[num_classes]
    if not path.is_file():
        home = sources.SOURCES[f"{name}.zip"].url
        raise FileNotFoundError(f"{path} is not there: get {home} and unpack it into {path.parents[1]}")
    return cifar.read_batch(path)


def _open(path: Path) -> np.ndarray:
    if not path.is_file():
        home = sources.SOURCES["CIFAR-10-C.tar"].url
        raise FileNotFoundError(f"{path} is not there: get {home} and unpack it into {path.parents[1]}")
    return arrays.open_npy(path)
