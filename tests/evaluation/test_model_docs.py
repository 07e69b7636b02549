"""The worked examples of models in docs/evaluate.md, run as they stand there, and their answers compared.

Those of PyTorch, ONNX and scikit-learn run in .venv-clients, where there is no TensorFlow.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from cifar102 import cifar
from cifar102.workspace.folders import REPOSITORY

PAGE = (REPOSITORY / "docs" / "evaluate.md").read_text(encoding="utf-8")
MODELS = PAGE.partition("\n## Models\n")[2].partition("\n## ")[0]
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^### ", MODELS, flags=re.MULTILINE)[1:]}


def run(python: Path | str, *words: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [str(python), *words], capture_output=True, text=True, cwd=folder, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def write_example(heading: str, folder: Path) -> str:
    """Write the Python of a section into files that its first lines name; returns the last one's name."""
    for code in re.findall(r"^```python\n(.*?)^```", SECTIONS[heading], re.MULTILINE | re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", code).group(1)
        (folder / name).write_text(code)
    return name


def judge(heading: str, python: Path | str, folder: Path, data: Path, *options: str) -> dict:
    """Run the command of a section on the small CIFAR-10; returns its record."""
    (command,) = re.findall(r"^python -m cifar102 (evaluate .+)$", SECTIONS[heading], re.MULTILINE)
    (folder / "w").mkdir(exist_ok=True)
    places = ["--data", str(data), "--workspace", "w", "--sets", "cifar10", "--json", "said.json"]
    run(python, "-m", "cifar102", *command.split(), *places, *options, folder=folder)
    return json.loads((folder / "said.json").read_text())


@pytest.mark.slow
def test_the_keras_example_runs(tmp_path: Path, data: Path) -> None:
    pytest.importorskip("tensorflow")
    run(sys.executable, write_example("A Keras model", tmp_path), folder=tmp_path)
    record = judge("A Keras model", sys.executable, tmp_path, data)
    assert record["model"] == "my_network" and record["sets"][0]["n"] == 60
    assert any("pixels given as 0-255" in note for note in record["notes"])


@pytest.mark.slow
def test_pytorch_as_a_function_and_as_onnx_gives_what_pytorch_itself_gives(clients, tmp_path, data) -> None:
    write_example("A PyTorch module", tmp_path)
    run(clients, write_example("An ONNX file", tmp_path), folder=tmp_path)
    test = cifar.load_cifar10(data / "cifar-10-batches-py")["test"]
    np.save(tmp_path / "images.npy", test.images)
    own = "import numpy as np, torch_example as t; np.save('own.npy', t.predict(np.load('images.npy')))"
    run(clients, "-c", own, folder=tmp_path)
    shares = special.softmax(np.load(tmp_path / "own.npy").astype(float), axis=1)
    expected = (int((shares.argmax(axis=1) == test.labels).sum()), pytest.approx(shares.max(axis=1).mean(), abs=1e-5))
    for heading, options in (("A PyTorch module", ()), ("An ONNX file", ("--pixels", "unit"))):
        found = judge(heading, clients, tmp_path, data, *options, "--output", heading.replace(" ", "-"))
        assert (found["sets"][0]["correct"], found["sets"][0]["confidence"]) == expected, heading
    assert (
        run(clients, "-c", "import importlib.util as u; print(u.find_spec('tensorflow'))", folder=tmp_path) == "None\n"
    )


@pytest.mark.slow
def test_the_scikit_learn_example_runs_and_its_rows_are_said(clients: Path, tmp_path: Path, data: Path) -> None:
    write_example("An estimator of scikit-learn, and any other object", tmp_path)
    record = judge("An estimator of scikit-learn, and any other object", clients, tmp_path, data)
    assert record["model"] == "sklearn_example:model"
    assert any("in rows of pixels" in note and "in rows of colours" in note for note in record["notes"])


def test_every_example_of_the_page_is_run_here() -> None:
    assert set(SECTIONS) == {
        *("A Keras model", "Size and pixels", "A PyTorch module", "An ONNX file"),
        "An estimator of scikit-learn, and any other object",
    }
