"""The input pipeline against the training step it feeds: images a second of each augmentation over cnn_four_conv."""

import gc
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow import keras

from cifar102.commands import bench_worker
from cifar102.models import inspection, registry
from cifar102.studies import baselines
from cifar102.training import augmentation, pipeline

NUM_IMAGES = 12_800
SECONDS = 0.7  # a measurement; the rates are medians of ROUNDS of them, steps and pipelines in turn
ROUNDS = 3
NAMES = [name for name in augmentation.AUGMENTATIONS if name != "none"]
CHAINS = ["flip_crop+cutmix", "flip_crop+autoaugment+cutout"]  # as the published trainings have them
FAST = baselines.FAST_CNN.fields
OWN = {"fast_recipe": (FAST["augmentation"], FAST["augmentation_options"])}
TIMED = {name: (name, {}) for name in (*NAMES, *CHAINS)} | OWN | {"none": ("none", {})}  # in rows -> name, options


def step_rate(step: Callable[[], object]) -> float:
    """Images a second of the training step, after the threads of the pipeline measured before have ended."""
    gc.collect()
    time.sleep(0.5)
    step()
    return bench_worker.rate(step, SECONDS)


def pipeline_rate(dataset: tf.data.Dataset) -> float:
    """Images a second of an iterator begun for it: none prepares batches beforehand, or while a step is measured."""
    batches = iter(dataset)
    for _ in range(3):
        next(batches)
    return bench_worker.rate(lambda: next(batches), SECONDS)


def training_step() -> Callable[[], object]:
    """A training step of cnn_four_conv on one batch that is already there."""
    model = registry.build("cnn_four_conv")
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    images = tf.random.stateless_uniform((bench_worker.BATCH_SIZE, 32, 32, 3), [0, 0])
    labels = tf.one_hot(tf.range(bench_worker.BATCH_SIZE) % 10, 10)
    return inspection.step_of(model, images, labels)


def benchmarks() -> list[dict[str, object]]:
    """Rows {name, ours, peer, unit, ratio, peer_name}: ours the pipeline, peer the step, in images a second."""
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, 32, 32, 3), np.uint8)
    labels, normalization = np.arange(NUM_IMAGES) % 10, pipeline.fit_normalization("per_channel", images)
    step = training_step()
    for _ in range(3):
        step()
    rows = []
    for name, (augmentation_name, options) in TIMED.items():
        dataset = pipeline.training_batches(
            images,
            labels,
            10,
            bench_worker.BATCH_SIZE,
            normalization,
            augmentation=augmentation_name,
            augmentation_options=options,
        )
        pairs = [(pipeline_rate(dataset), step_rate(step)) for _ in range(ROUNDS)]
        ours, peer = np.median(pairs, axis=0)
        rows.append(
            {
                "name": f"pipeline_over_step_{name}",
                "ours": round(float(ours), 1),
                "peer": round(float(peer), 1),
                "unit": "images/s",
                "ratio": round(float(ours / peer), 3),
                "peer_name": "training step of cnn_four_conv, batches of 128",
            }
        )
    return rows


if __name__ == "__main__":
    for row in benchmarks():
        print(row)
