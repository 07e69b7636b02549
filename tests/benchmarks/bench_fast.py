"""fast_cnn by its recipe against the published recipe in PyTorch, on CIFAR-10 and the same cores: seconds and accuracy.

Long trainings, so only under `bench --long`, with the data in the folder that CIFAR102_DATA names. Each training has a
process of its own, and each side is first in turn. Both compute in bfloat16 where the processor has it (the published
one in half precision). Our seconds are of everything from the images in memory to the accuracy on the test images:
normalisation, first weights, augmentation, training, checkpoints, predictions of training images, six views of each
test image. The peer's begin when its images are normalised, and it saves nothing and predicts test images alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cifar102 import cifar
from cifar102.commands import benchmarks as common
from cifar102.commands import environments
from cifar102.studies import baselines
from cifar102.training import fitting, machine
from cifar102.workspace.folders import Workspace

RECIPE = Path(__file__).parent / "torch_peer" / "recipe.py"
GOAL = 0.94
SEEDS = 3
CURVE = (1, 2, 3, 4, 5)  # epochs of shorter trainings, one seed each
PEERS_BIASES = 24  # of the whitening layer, which ours does not train


def long_benchmarks() -> list[dict[str, object]]:
    """One row {name, ours, peer, unit, ratio, peer_name} in seconds, medians; none without the data or PyTorch.

    peer_name says both mean accuracies; accuracies, peer_accuracies: of each seed, 0-1; reaches_goal: whether both
    means are GOAL at least; curve: epochs, seconds and accuracy of our shorter trainings and of the whole one.
    """
    data, python = os.environ.get("CIFAR102_DATA"), environments.make("bench")
    if not data or python is None:
        print("fast_cnn is not compared: CIFAR102_DATA names no folder, or PyTorch is not there", flush=True)
        return []
    with tempfile.TemporaryDirectory() as folder:
        arrays = write_arrays(Path(data) / "cifar-10-batches-py", Path(folder) / "cifar10.npz")
        pairs = [_train_both(python, arrays, seed) for seed in range(SEEDS)]
        curve = [_run(sys.executable, __file__, arrays, 0, epochs) for epochs in CURVE]
    return [_row(*zip(*pairs, strict=True), curve)]


def _train_both(python: Path, arrays: Path, seed: int) -> tuple[dict, dict]:
    """Ours and the peer's training of a seed, each first in turn. ValueError where they are networks of two sizes."""
    precision = machine.fast_precision().removeprefix("mixed_")
    commands = ((sys.executable, __file__, arrays, seed), (python, RECIPE, arrays, seed, precision))
    found = {k: _run(*commands[k]) for k in ((0, 1) if seed % 2 == 0 else (1, 0))}
    counts = [found[k]["parameters"] for k in range(2)]
    if counts[1] - counts[0] != PEERS_BIASES:
        raise ValueError(f"{counts[0]} trained parameters here and {counts[1]} in PyTorch: not the same network")
    return found[0], found[1]


def _row(ours: Sequence[dict], peers: Sequence[dict], curve: list[dict]) -> dict[str, object]:
    seconds, peer_seconds = (float(np.median([run["seconds"] for run in runs])) for runs in (ours, peers))
    accuracies, peer_accuracies = ([run["accuracy"] for run in runs] for runs in (ours, peers))
    means = [float(np.mean(values)) for values in (accuracies, peer_accuracies)]
    name = f"published recipe, PyTorch, {means[0]:.2%} against {means[1]:.2%} on average"
    row = {"name": "seconds_to_94_vs_published_recipe", "ours": seconds, "peer": peer_seconds, "unit": "s"}
    row |= {"ratio": peer_seconds / seconds, "peer_name": name, "precision": ours[0]["precision"]}
    row |= {"accuracies": accuracies, "peer_accuracies": peer_accuracies, "curve": [*curve, ours[0]]}
    return row | {"reaches_goal": min(means) >= GOAL}


def write_arrays(batches: Path, path: Path) -> Path:
    """The images and labels of CIFAR-10's python batches as arrays that both sides read."""
    sets = cifar.load_cifar10(batches)
    np.savez(path, **{f"{part}_{name}": getattr(sets[part], name) for part in sets for name in ("images", "labels")})
    return path


def _run(*command: object) -> dict[str, object]:
    """What a training says in its last line, JSON with seconds and accuracy; all lines are shown as they come."""
    last = ""
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, text=True, env=common.environment()
    ) as process:
        for last in process.stdout:
            print(last, end="", flush=True)
    if process.returncode:
        raise RuntimeError(f"{command[1]} ended with code {process.returncode}")
    return json.loads(last)


def train(arrays: str, seed: int, epochs: int = baselines.FAST_EPOCHS) -> dict[str, object]:
    """Train and test fast_cnn, in a workspace that is then thrown away."""
    with np.load(arrays, allow_pickle=False) as parts:
        of = {part: [parts[f"{part}_{name}"] for name in ("images", "labels")] for part in ("train", "test")}
    sets = {part: cifar.ImageSet(*arrays) for part, arrays in of.items()}
    config = baselines.fast_cnn_config(epochs, seed)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = fitting.fit_loaded(config, Workspace(folder), lambda name: sets)
        seconds = time.perf_counter() - started
        numbers = {"epochs": epochs, "precision": config.precision, "parameters": run.metrics["parameters"]}
        return numbers | {"seconds": seconds, "accuracy": run.metrics["cifar10_accuracy"]}


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], *map(int, sys.argv[2:]))), flush=True)
