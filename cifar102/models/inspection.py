"""A network looked at: its layers and stages as tables, its operations, and what a training of it costs."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras

from cifar102.models import registry

SMALL = (
    "Activation", "LeakyReLU", "Mish", "Tanh", "BatchNormalization", "ScaledBias", "CountedDropout", "Flatten", "Add",
    "PaddedShortcut",
)  # fmt: skip
SHORT = {"Conv2D": "conv", "MaxPooling2D": "max pool", "AveragePooling2D": "average pool", "Dense": "dense"}
BACKWARD = 3  # a training step computes the forward pass and twice as much for the gradients of inputs and weights
FLOP_PER_MULTIPLY_ADD = 2


def layer_table(model: keras.Model) -> pd.DataFrame:
    """One row per layer in order: layer, kind, output (height x width x channels), parameters, trainable ones."""
    rows = []
    for layer in model.layers:
        shape = layer.output.shape[1:] if not isinstance(layer.output, list) else layer.output[0].shape[1:]
        weights = [weight for weight in layer.weights if weight.shape.num_elements() is not None]
        trainable = sum(int(weight.shape.num_elements()) for weight in layer.trainable_weights)
        row = {"layer": layer.name, "kind": type(layer).__name__, "output": " x ".join(map(str, shape))}
        counts = {"parameters": sum(int(w.shape.num_elements()) for w in weights), "trainable": trainable}
        rows.append({**row, **counts, "shape": tuple(shape)})
    return pd.DataFrame(rows)


def stage_table(model: keras.Model) -> pd.DataFrame:
    """Layers of one size together, as sheets.network_diagram draws them.

    Columns: stage, height, channels, parameters (trainable), layers. A stage ends where height or channels change.
    """
    rows: list[dict] = []
    for layer in layer_table(model).to_dict("records"):
        shape = layer["shape"]
        height, channels = (shape[0], shape[2]) if len(shape) == 3 else (1, shape[0])
        if layer["kind"] in SMALL and rows:
            rows[-1]["parameters"] += layer["trainable"]
            continue
        if not rows or (rows[-1]["height"], rows[-1]["channels"]) != (height, channels):
            rows.append({"height": height, "channels": channels, "parameters": 0, "kinds": []})
        rows[-1]["parameters"] += layer["trainable"]
        rows[-1]["kinds"].append(SHORT.get(layer["kind"], layer["kind"]))
    rows[0]["kinds"] = ["images"]
    for number, row in enumerate(rows):
        row["stage"] = "input" if number == 0 else f"stage {number}" if number < len(rows) - 1 else "logits"
        row["layers"] = _count(row.pop("kinds"))
    return pd.DataFrame(rows)


def multiply_adds(model: keras.Model) -> int:
    """Count the multiplications of convolutions and dense layers for one image, forward; other layers are left out."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            height, width, channels = layer.output.shape[1:]
            total += height * width * channels * int(np.prod(layer.kernel.shape[:3]))
        elif isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total


def step_of(model: keras.Model, images: tf.Tensor, labels: tf.Tensor) -> Callable[[], object]:
    """A training step of a compiled model on one batch that is already there: what `fit` calls for each batch.

    `train_on_batch` is not that: it makes an iterator for every batch, and `fit` was measured 13 to 36 % faster.
    """
    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    return lambda: model.train_function(batches)


def measure_steps(model: keras.Model, batch_size: int, num_steps: int = 3) -> float:
    """Seconds of a training step with SGD, the fastest of `num_steps` after one that traces; weights are changed."""
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    images = tf.random.stateless_normal((batch_size, *model.input_shape[1:]), [0, 0])
    labels = tf.one_hot(tf.range(batch_size) % model.output_shape[1], model.output_shape[1])
    step, times = step_of(model, images, labels), []
    for _ in range(num_steps + 1):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def training_cost_table(
    networks: Sequence[str], *, num_images: int, epochs: int, batch_size: int, gpu_teraflops: float, gpu_share: float
) -> pd.DataFrame:
    """What training wide ResNets costs: measured here, and estimated for a GPU; one row a network.

    networks: "<depth>-<width>". num_images, epochs: of the whole training that is reckoned up. batch_size: of the steps
    measured here. gpu_teraflops: the GPU's peak; gpu_share: the share of it a training reaches, both assumptions.
    Columns: network, parameters, multiply_adds (an image, forward), seconds_per_step, batch_size, images_per_second and
    gigaflops (measured), hours_here (from the steps), gpu_hours_estimated (from the operations and the assumptions).
    """
    rows = []
    for network in networks:
        depth, width = parse_network(network)
        model = registry.build("wide_resnet", depth=depth, width=width)
        seconds, operations = measure_steps(model, batch_size), multiply_adds(model)
        per_image = operations * FLOP_PER_MULTIPLY_ADD * BACKWARD
        row = {"network": f"WRN-{network}", "parameters": registry.num_parameters(model), "multiply_adds": operations}
        row |= {"seconds_per_step": seconds, "batch_size": batch_size, "images_per_second": batch_size / seconds}
        row |= {"gigaflops": per_image * batch_size / seconds / 1e9}
        row |= {"hours_here": seconds / batch_size * num_images * epochs / 3600}
        reached = gpu_teraflops * 1e12 * gpu_share
        rows.append({**row, "gpu_hours_estimated": per_image * num_images * epochs / reached / 3600})
    return pd.DataFrame(rows)


def parse_network(network: str) -> tuple[int, int]:
    """Depth and width of a network named "<depth>-<width>", as 28-10; ValueError for another form."""
    depth, dash, width = network.partition("-")
    if not (dash and depth.isdigit() and width.isdigit()):
        raise ValueError(f"network {network!r}: expected <depth>-<width>, for example 28-10")
    return int(depth), int(width)


def _count(kinds: list[str]) -> str:
    """Write ["conv", "conv", "max pool"] as "2 conv, max pool"."""
    numbers = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return "\n".join(kind if count == 1 else f"{count} {kind}" for kind, count in numbers.items())
