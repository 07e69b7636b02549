"""Both stacks beside each other: what one writes the other reads, and a short training gives the same numbers.

Needs both environments: .venv (main) and .venv-next, as `python3 reproduce.py` and `--stack next` make them; the test
runs in one and asks the other's Python. CIFAR102_OTHER_PYTHON names another Python instead.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cifar102.commands.benchmarks import other_stack
from cifar102.datasets import release, sets
from cifar102.models import registry
from cifar102.training import fitting, runs
from cifar102.training.config import TrainConfig
from cifar102.workspace.folders import REPOSITORY
from tests.datasets import test_release
from tests.training import test_fitting as test_training

pytestmark = pytest.mark.slow
NETWORKS = {
    "cnn_four_conv": {},
    "resnet8": {},
    "alexnet": {},
    "vgg10": {},
    "fast_cnn": {},
    "wide_resnet": {"depth": 10, "width": 1, "squeeze_excite": True, "dropout": 0.1, "activation": "mish"},
}
COUNTED = [name for name in registry.NAMES if name not in ("resnet56", "resnet110", "random_features")]
SHORT = TrainConfig(
    study="stacks",
    arm="short",
    model="cnn_four_conv",
    num_train=80,
    num_validation=40,
    augmentation="flip_crop",
    epochs=3,
    batch_size=20,
    learning_rate=0.02,
    schedule="triangular2",
    weight_decay=0.01,
    evaluate_on=("cifar102",),
)
LOSS_TOLERANCE = 0.01  # of the loss after each epoch: kernels add in another order, and training carries that on
ACCURACY_TOLERANCE = 0.05  # 2 of the 40 validation images


def images() -> np.ndarray:
    return np.random.default_rng(0).random((3, 32, 32, 3), np.float32)


def write_all(folder: Path) -> None:
    """What one stack leaves for the other: saved networks, their sizes, a training run and a release."""
    for name, options in NETWORKS.items():
        registry.build(name, **options).save(folder / f"{name}.keras")
    counts = {name: registry.num_parameters(registry.build(name)) for name in COUNTED}
    (folder / "counts.json").write_text(json.dumps(counts))
    sets.load = lambda name, workspace: test_training.SETS[name]
    fitting.fit(SHORT, folder)
    runs.write_runs_table(folder)
    train, test, pixels = test_release.make_tables()
    release.write_release(folder / "release", train, test, pixels, seed=3, leftover=None, facts=test_release.FACTS)


def read_all(folder: Path) -> dict:
    """What is read of a folder that `write_all` wrote, in plain values."""
    sets.load = lambda name, workspace: test_training.SETS[name]
    logits = {name: registry.load_model(folder / f"{name}.keras")(images()).numpy().tolist() for name in NETWORKS}
    before = {path: path.read_bytes() for path in (folder / SHORT.folder).iterdir() if path.is_file()}
    kept = fitting.fit(SHORT, folder)
    assert all(path.read_bytes() == content for path, content in before.items()), "it was trained or measured again"
    more = fitting.fit(SHORT.replace(evaluate_on=("cifar10", "cifar102")), folder)  # the model file predicts
    probabilities = more.predictions()["cifar102"]["probabilities"].astype(float).tolist()
    table = runs.runs_table(folder)
    return {"logits": logits, "note": kept.note, "probabilities": probabilities, "table": table["run"].tolist()}


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[str, Path]:
    """Folders `ours` and `theirs`, each written by one stack; theirs/read.json is what the other one read of ours."""
    python = other_stack()
    if python is None:
        pytest.skip("the other stack is not installed: python3 reproduce.py --stack next list (or main) installs it")
    folders = {name: tmp_path_factory.mktemp(name) for name in ("ours", "theirs")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "load", sets.load)  # write_all puts its own in place
        write_all(folders["ours"])
    words = [str(python), __file__, str(folders["ours"]), str(folders["theirs"])]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return folders


@pytest.fixture(scope="module")
def read(both) -> dict[str, dict]:
    """What was read: `ours` of theirs, here, and `theirs` of ours, in the other stack."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "load", sets.load)
        ours = read_all(both["theirs"])
    return {"ours": ours, "theirs": json.loads((both["theirs"] / "read.json").read_text())}


def test_saved_networks_of_either_stack_give_the_same_logits_in_the_other(both, read) -> None:
    for name in NETWORKS:
        written_here = registry.load_model(both["ours"] / f"{name}.keras")(images()).numpy()
        np.testing.assert_allclose(read["theirs"]["logits"][name], written_here, atol=1e-5, err_msg=name)
        written_there = registry.load_model(both["theirs"] / f"{name}.keras")(images()).numpy()
        np.testing.assert_allclose(read["ours"]["logits"][name], written_there, atol=1e-5, err_msg=name)


def test_every_network_has_as_many_parameters_in_both(both) -> None:
    counts = [json.loads((both[name] / "counts.json").read_text()) for name in ("ours", "theirs")]
    assert counts[0] == counts[1]


def test_a_run_of_either_stack_is_kept_listed_and_predicts_in_the_other(both, read) -> None:
    for reader, folder in (("ours", "theirs"), ("theirs", "ours")):
        assert "made with TensorFlow" in read[reader]["note"]
        assert read[reader]["table"] == [SHORT.folder]
        there = runs.read_run(both[folder] / SHORT.folder)
        assert there.metrics["cifar10_accuracy"] >= 0
        stored = there.predictions()["cifar102"]["probabilities"].astype(float)
        np.testing.assert_allclose(read[reader]["probabilities"], stored, atol=2e-3)


def test_a_short_training_gives_the_same_numbers_in_both(both) -> None:
    ours, theirs = (runs.read_run(both[name] / SHORT.folder) for name in ("ours", "theirs"))
    assert ours.history["learning_rate"].tolist() == pytest.approx(theirs.history["learning_rate"].tolist(), rel=1e-5)
    for name in ("loss", "val_loss"):
        assert ours.history[name].tolist() == pytest.approx(theirs.history[name].tolist(), rel=LOSS_TOLERANCE)
    for name in ("accuracy", "val_accuracy"):
        assert ours.history[name].tolist() == pytest.approx(theirs.history[name].tolist(), abs=ACCURACY_TOLERANCE)
    assert ours.metrics["parameters"] == theirs.metrics["parameters"]


def test_a_release_of_either_stack_has_the_same_bytes(both) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    ours, theirs = contents(both["ours"] / "release"), contents(both["theirs"] / "release")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def main(ours: Path, theirs: Path) -> None:
    """In the other stack: read what this one wrote, then write its own."""
    found = read_all(ours)
    write_all(theirs)
    (theirs / "read.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
