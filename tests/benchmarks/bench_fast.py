"""fast_cnn by its recipe against the published recipe in PyTorch, on CIFAR-10 and the same cores: seconds and accuracy.

Long trainings, so only under `bench --long`, with the data in the folder that CIFAR102_DATA names. Each training has a
process of its own. Both sides compute in bfloat16 where the processor has it (the published one in half precision). The
seconds are of everything from the images in memory to the accuracy on the test images: first weights, augmentation,
training, checkpoints, the six views of each test image.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cifar102 import benchmarks as common
from cifar102 import cifar

RECIPE = Path(__file__).parent / "torch_peer" / "recipe.py"
GOAL = 0.94
SEEDS = 3
CURVE = (1, 2, 3, 4, 5)  # epochs of shorter trainings, one seed each


def long_benchmarks() -> list[dict[str, object]]:
    """One row {name, ours, peer, unit, ratio, peer_name} in seconds, medians; none without the data or PyTorch.

    accuracies, peer_accuracies: of each seed, 0-1; reaches_goal: whether the mean of ours is GOAL; curve: epochs,
    seconds and accuracy of our shorter trainings and of the whole one.
    """
    data, python = os.environ.get("CIFAR102_DATA"), common.bench_python()
    if not data or python is None:
        print("fast_cnn is not compared: CIFAR102_DATA names no folder, or PyTorch is not there", flush=True)
        return []
    with tempfile.TemporaryDirectory() as folder:
        arrays = write_arrays(Path(data) / "cifar-10-batches-py", Path(folder) / "cifar10.npz")
        ours, peers = [], []
        for seed in range(SEEDS):
            ours.append(_run(sys.executable, __file__, arrays, seed))
            precision = "float32" if ours[0]["precision"] == "float32" else "bfloat16"
            peers.append(_run(python, RECIPE, arrays, seed, precision))
        curve = [_run(sys.executable, __file__, arrays, 0, epochs) for epochs in CURVE]
    seconds, peer_seconds = (float(np.median([run["seconds"] for run in runs])) for runs in (ours, peers))
    accuracies, peer_accuracies = ([run["accuracy"] for run in runs] for runs in (ours, peers))
    row = {"name": "seconds_to_94_vs_published_recipe", "ours": seconds, "peer": peer_seconds, "unit": "s"}
    row |= {"ratio": peer_seconds / seconds, "peer_name": f"published recipe, PyTorch, {precision}"}
    row |= {"accuracies": accuracies, "peer_accuracies": peer_accuracies, "curve": [*curve, ours[0]]}
    return [row | {"reaches_goal": bool(np.mean(accuracies) >= GOAL)}]


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


def train(arrays: str, seed: int, epochs: int | None = None, num_train: int | None = None) -> dict[str, object]:
    """Train and test fast_cnn, in a workspace that is then thrown away. None: as the recipe has it."""
    from cifar102 import fast_recipe, training
    from cifar102.workspace import Workspace

    with np.load(arrays, allow_pickle=False) as parts:
        of = {part: [parts[f"{part}_{name}"] for name in ("images", "labels")] for part in ("train", "test")}
    sets = {part: cifar.ImageSet(*arrays) for part, arrays in of.items()}
    config = fast_recipe.config(seed=seed, num_train=num_train, **({"epochs": epochs} if epochs else {}))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = training.fit_loaded(config, Workspace(folder), lambda name: sets)
        seconds = time.perf_counter() - started
        numbers = {"epochs": config.epochs, "precision": config.precision, "seconds": seconds}
        return numbers | {"accuracy": run.metrics["cifar10_accuracy"]}


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], *map(int, sys.argv[2:]))), flush=True)
