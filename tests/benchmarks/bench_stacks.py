"""A training step on both stacks: images a second of Keras 2 and Keras 3, measured in turn in one run.

Each stack has a process of its own, which works only while it is asked. Needs .venv and .venv-next, as reproduce.py
makes them (or CIFAR102_OTHER_PYTHON, the Python of the one that does not run this); without it there are no rows.
"""

import sys
from importlib import metadata
from pathlib import Path

from cifar102.commands import bench_worker
from cifar102.commands import benchmarks as common

OPTIONS = {"wide_resnet": {"depth": 16, "width": 4}}


def benchmarks() -> list[dict[str, object]]:
    """Rows {name, ours, peer, unit, ratio, peer_name}: ours the stack that runs this, peer the other one."""
    python = common.other_stack()
    if python is None:
        return []
    with common.Worker(sys.executable, Path(__file__)) as ours, common.Worker(python, Path(__file__)) as peer:
        return common.step_rows("other_stack", ours, peer, f"{peer.name} beside {ours.name}")


def work() -> None:
    """Serve the networks of this stack."""
    import tensorflow as tf
    from tensorflow import keras

    from cifar102.models import inspection, registry

    def build(name: str) -> keras.Model:
        return registry.build(name, **OPTIONS.get(name, {}))

    def training_step(name: str):
        model = build(name)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), loss, jit_compile=False)
        images = tf.random.stateless_uniform((bench_worker.BATCH_SIZE, 32, 32, 3), [0, 0])
        labels = tf.one_hot(tf.range(bench_worker.BATCH_SIZE) % 10, 10)
        return inspection.step_of(model, images, labels)

    versions = f"TensorFlow {tf.__version__}, Keras {metadata.version('keras')}"
    bench_worker.serve(versions, lambda name: registry.num_parameters(build(name)), training_step)


if __name__ == "__main__":
    if "--work" in sys.argv:
        work()
    else:
        print(*benchmarks(), sep="\n")
