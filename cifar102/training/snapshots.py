"""Weights kept at the ends of learning-rate cycles, their ensemble and their average."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras

from cifar102.training import optimizers, predict
from cifar102.training.config import TrainConfig
from cifar102.training.data import TrainingData
from cifar102.training.runs import Run, RunFolder
from cifar102.workspace.files import replacing


class Snapshots(keras.callbacks.Callback):
    """Writes the model's weights at the end of each of the given epochs. paths: epoch (from 1) -> .npz file."""

    def __init__(self, paths: Mapping[int, Path]) -> None:
        super().__init__()
        self.paths = paths

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch + 1 in self.paths:
            write_snapshot(self.paths[epoch + 1], self.model.get_weights())


def epochs_of(config: TrainConfig) -> list[int]:
    """The epochs (from 1) whose weights are kept: the ends of the last num_snapshots cycles.

    ValueError where the run has fewer cycles.
    """
    if not config.num_snapshots:
        return []
    ends = optimizers.cycle_ends(config.schedule, config.epochs, config.schedule_options)
    if len(ends) < config.num_snapshots:
        raise ValueError(
            f"num_snapshots {config.num_snapshots}: {config.schedule} ends only {len(ends)} cycles in {config.epochs} "
            f"epochs (at {ends})"
        )
    return ends[-config.num_snapshots :]


def write_snapshot(path: Path, weights: list[np.ndarray]) -> None:
    """Write a model's weights as numbered arrays, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, *weights)


def read_snapshot(path: Path) -> list[np.ndarray]:
    """The weights of a snapshot, in the model's order."""
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]


def measure_snapshots(
    model: keras.Model, folder: RunFolder, loaded: TrainingData
) -> tuple[dict[str, np.ndarray], dict]:
    """Probabilities of the ensemble (mean softmax of a run's snapshots), and the accuracies of its parts.

    The parts: "snapshots", each one's accuracies with its epoch, and "weight_average", those of the mean of their
    weights (Izmailov et al. 2018, https://arxiv.org/abs/1803.05407) with batch norm refreshed on training batches.
    Source of the ensemble: Huang et al. 2017, https://arxiv.org/abs/1704.00109. The model keeps its own weights.
    """
    own, views = model.get_weights(), folder.config.test_views
    epochs = epochs_of(folder.config)
    members = [read_snapshot(folder.snapshot(epoch)) for epoch in epochs]
    outcomes = []
    for weights in members:
        model.set_weights(weights)
        outcomes.append(predict.predict_sets(model, loaded, views))
    average_weights(model, members, loaded.training_batches().take(loaded.num_steps))
    average = predict.accuracies(predict.predict_sets(model, loaded, views), loaded)
    model.set_weights(own)
    ensemble = {name: np.mean([outcome[name] for outcome in outcomes], axis=0) for name in outcomes[0]}
    parts = [{"epoch": e, **predict.accuracies(o, loaded)} for e, o in zip(epochs, outcomes, strict=True)]
    return ensemble, {"snapshots": parts, "weight_average": average}


def average_weights(model: keras.Model, members: list[list[np.ndarray]], batches: tf.data.Dataset) -> None:
    """Set the model to the mean of several weights, then refresh its batch norm statistics on `batches`.

    batches: finite (images, labels) batches.
    """
    model.set_weights([np.mean(parts, axis=0).astype(parts[0].dtype) for parts in zip(*members, strict=True)])
    refresh_norms(model, batches)


def refresh_norms(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Take the statistics of a model's batch norms anew: each becomes the plain mean over finite `batches`."""
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0  # the moving statistics become those of the last batch; their mean is taken here
    forward = tf.function(lambda images: model(images, training=True))
    sums = [[np.zeros(weight.shape) for weight in layer.non_trainable_weights] for layer in norms]
    count = 0
    for images, _ in batches:
        forward(images)
        count += 1
        for total, layer in zip(sums, norms, strict=True):
            for part, weight in zip(total, layer.non_trainable_weights, strict=True):
                part += weight.numpy()
    for layer, momentum, total in zip(norms, momenta, sums, strict=True):
        layer.momentum = momentum
        for part, weight in zip(total, layer.non_trainable_weights, strict=True):
            weight.assign(part / count)


def snapshot_table(runs: Sequence[Run], accuracy: str = "cifar10_accuracy") -> pd.DataFrame:
    """What each part of finished snapshot runs reaches: part, seed, accuracy (0-1), a row a run and part.

    Parts: each snapshot with the epoch it was taken after, the network of their averaged weights, and the ensemble.
    """
    rows = []
    for run in runs:
        parts = {f"snapshot after epoch {part['epoch']}": part[accuracy] for part in run.metrics["snapshots"]}
        parts |= {"averaged weights": run.metrics["weight_average"][accuracy], "ensemble": run.metrics[accuracy]}
        rows += [{"part": name, "seed": run.config.seed, "accuracy": value} for name, value in parts.items()]
    return pd.DataFrame(rows, columns=["part", "seed", "accuracy"])
