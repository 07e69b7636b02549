"""A training step on both stacks: images a second of Keras 2 and Keras 3, measured in turn in one run.

Each stack has a process of its own, which works only while it is asked. Needs .venv and .venv-next, as reproduce.py
makes them (or CIFAR102_OTHER_PYTHON, the Python of the one that does not run this); without it there are no rows.
"""

import json
import os
import subprocess
import sys
import time
from importlib import metadata

import numpy as np

from cifar102.benchmarks import other_stack
from cifar102.workspace import REPOSITORY

BATCH_SIZE = 128
SECONDS = 1.5  # a measurement, and two steps at least; the rates are medians of ROUNDS of them
ROUNDS = 5
NETWORKS = {"cnn_four_conv": {}, "resnet20": {}, "wide_resnet": {"depth": 16, "width": 4}}
ROW_NAMES = {"wide_resnet": "wrn16_4"}


class Worker:
    """The process of one stack: `rate(network)` gives its images a second."""

    def __init__(self, python: str) -> None:
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment["PYTHONPATH"] = str(REPOSITORY)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([python, __file__, "--work"], text=True, env=environment, **pipes)
        self.name = self.ask("versions")

    def ask(self, question: str) -> object:
        print(question, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.process.args[0]} ended with code {self.process.wait()}")
        return json.loads(answer)

    def rate(self, network: str) -> float:
        return float(self.ask(network))


def benchmarks() -> list[dict[str, object]]:
    """Rows {name, ours, peer, unit, ratio, peer_name}: ours the stack that runs this, peer the other one."""
    python = other_stack()
    if python is None:
        return []
    workers = [Worker(sys.executable), Worker(str(python))]
    rows = []
    for network in NETWORKS:
        pairs = []
        for k in range(ROUNDS):  # each goes first in turn
            order = workers if k % 2 == 0 else workers[::-1]
            rates = {worker.name: worker.rate(network) for worker in order}
            pairs.append([rates[worker.name] for worker in workers])
        ours, peer = np.median(pairs, axis=0)
        ratio = np.median([a / b for a, b in pairs])
        rows.append(
            {
                "name": f"step_{ROW_NAMES.get(network, network)}_vs_other_stack",
                "ours": round(float(ours), 1),
                "peer": round(float(peer), 1),
                "unit": "images/s",
                "ratio": round(float(ratio), 3),
                "peer_name": f"{workers[1].name} beside {workers[0].name}, batches of {BATCH_SIZE}",
            }
        )
    for worker in workers:
        worker.process.stdin.close()
        worker.process.wait()
    return rows


def work() -> None:
    """Answer a network's name on stdin with its images a second, `versions` with what is installed."""
    import tensorflow as tf
    from tensorflow import keras

    from cifar102 import models

    steps: dict[str, object] = {}
    for line in sys.stdin:
        name = line.strip()
        if name == "versions":
            print(json.dumps(f"TensorFlow {tf.__version__}, Keras {metadata.version('keras')}"), flush=True)
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
