"""Fixtures every test may use: a seeded generator, a fresh workspace, the real data where it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cifar102.commands import environments
from cifar102.workspace.folders import REPOSITORY, Workspace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SHARED = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(102)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that holds cifar-10-batches-py/ and cifar-100-python/ with the published images."""
    if folder := os.environ.get("CIFAR102_DATA"):
        return Path(folder)
    if not (SHARED / "unpack.py").is_file():
        pytest.skip("the real CIFAR files are not here: set CIFAR102_DATA to a folder that holds them")
    folder = REPOSITORY / "data" / "unpacked"
    subprocess.run([sys.executable, SHARED / "unpack.py", folder], check=True, stdout=subprocess.DEVNULL)
    for name in ("CIFAR-10.1", "ciFAIR", "cifar-10h"):
        if (SHARED / name).is_dir() and not (folder / name).is_dir():
            shutil.copytree(SHARED / name, folder / name, copy_function=shutil.copyfile)
    return folder


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of CIFAR-10.1's published files (labels, predictions, counts) at commit d9982ab."""
    for folder in (Path(os.environ.get("CIFAR102_DATA", "")) / "CIFAR-10.1", SHARED / "CIFAR-10.1"):
        if (folder / "model_predictions").is_dir():
            return folder
    pytest.skip("CIFAR-10.1's published files are not here: put them into CIFAR102_DATA/CIFAR-10.1")


@pytest.fixture(scope="session")
def judged_pairs(real_data: Path) -> Path:
    """ciFAIR's list of the near-duplicate pairs inside CIFAR-10's test set that people judged."""
    for folder in (real_data, SHARED):
        if (path := folder / "ciFAIR" / "duplicates_cifar10_test.csv").is_file():
            return path
    pytest.skip("ciFAIR's list of judged pairs is not here: put it into CIFAR102_DATA/ciFAIR")


@pytest.fixture(scope="session")
def clients() -> Path:
    """The Python of .venv-clients, which has PyTorch, ONNX and scikit-learn, and no TensorFlow."""
    if python := environments.find("clients"):
        return python
    pytest.skip("no .venv-clients made from requirements-clients.txt: python3 reproduce.py test --all makes it")
