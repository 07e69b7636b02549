"""A training step on both stacks: images a second of Keras 2 and Keras 3, measured in turn in one run.

Each stack has a process of its own, which works only while it is asked. Needs .venv and .venv-next, as reproduce.py
makes them (or CIFAR102_OTHER_PYTHON, the Python of the one that does not run this); without it there are no rows.
"""

import json
import sys
import time
from importlib import metadata
from pathlib import Path

from cifar102 import benchmarks as common

BATCH_SIZE = 128
SECONDS = 1.5  # a measurement, and two steps at least; the rates are medians of several
NETWORKS = {"cnn_four_conv": {}, "resnet20": {}, "wide_resnet": {"depth": 16, "width": 4}}
ROW_NAMES = {"wide_resnet": "wrn16_4"}


def benchmarks() -> list[dict[str, object]]:
    """Rows {name, ours, peer, unit, ratio, peer_name}: ours the stack that runs this, peer the other one."""
    python = common.other_stack()
    if python is None:
        return []
    rows = []
    with common.Worker(sys.executable, Path(__file__)) as ours, common.Worker(python, Path(__file__)) as peer:
        for network in NETWORKS:
            name = f"step_{ROW_NAMES.get(network, network)}_vs_other_stack"
            about = f"{peer.name} beside {ours.name}, batches of {BATCH_SIZE}"
            rows.append(common.in_turn(name, ours, peer, network, "images/s", about))
    return rows


def work() -> None:
    """Answer a network's name on stdin with its images a second, `parameters NAME` with their number, `versions`."""
    import tensorflow as tf
    from tensorflow import keras

    from cifar102 import models

    steps: dict[str, object] = {}
    for line in sys.stdin:
        name = line.strip()
        if name == "versions":
            print(json.dumps(f"TensorFlow {tf.__version__}, Keras {metadata.version('keras')}"), flush=True)
            continue
        if name.startswith("parameters "):
            network = name.split()[1]
            print(json.dumps(models.num_parameters(models.build(network, **NETWORKS[network]))), flush=True)
            continue
        if name not in steps:
            steps.clear()
            model = models.build(name, **NETWORKS[name])
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), loss, jit_compile=False)
            images = tf.random.stateless_uniform((BATCH_SIZE, 32, 32, 3), [0, 0])
            labels = tf.one_hot(tf.range(BATCH_SIZE) % 10, 10)
            steps[name] = lambda model=model, images=images, labels=labels: model.train_on_batch(images, labels)
            for _ in range(3):
                steps[name]()
        print(json.dumps(rate(steps[name])), flush=True)


def rate(step) -> float:
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS or count < 2:
        step()
        count += 1
    return count * BATCH_SIZE / (time.perf_counter() - started)


if __name__ == "__main__":
    if "--work" in sys.argv:
        work()
    else:
        print(*benchmarks(), sep="\n")
