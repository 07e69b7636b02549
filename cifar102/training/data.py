"""What one run trains on, is validated on and is evaluated on, with the hash of its bytes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cifar102.cifar import ImageSet
from cifar102.datasets import sets, splits
from cifar102.training import pipeline
from cifar102.training.config import TrainConfig

Load = Callable[[str], dict[str, ImageSet]]


@dataclass(frozen=True)
class TrainingData:
    """The data of one config. Images stay uint8; rows are rows of the training part of the data set.

    train_rows, validation_rows: int64. evaluation: set name -> its test part. normalization: fitted on train_rows.
    train_hash: SHA-256 of what training sees (pixels, labels, rows); evaluation_hash: of the evaluation sets.
    """

    config: TrainConfig
    images: np.ndarray
    labels: np.ndarray
    num_classes: int
    train_rows: np.ndarray
    validation_rows: np.ndarray
    evaluation: dict[str, ImageSet]
    normalization: pipeline.Normalization
    train_hash: str
    evaluation_hash: str

    @property
    def train_images(self) -> np.ndarray:
        return self.images[self.train_rows]

    @property
    def train_labels(self) -> np.ndarray:
        return self.labels[self.train_rows]

    def sets(self, num_train: int = 10_000) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Name -> (images, labels) of all that a finished run is measured on: train, validation, evaluation sets.

        num_train: of the training rows only the first so many, without augmentation.
        """
        rows = {"train": self.train_rows[:num_train], "validation": self.validation_rows}
        parts = {name: (self.images[chosen], self.labels[chosen]) for name, chosen in rows.items() if len(chosen)}
        return {**parts, **{name: (part.images, part.labels) for name, part in self.evaluation.items()}}

    @property
    def num_steps(self) -> int:
        """The steps of an epoch."""
        return pipeline.steps_per_epoch(len(self.train_rows), self.config.batch_size)

    def training_batches(self, first_epoch: int = 0) -> tf.data.Dataset:
        """The run's endless (normalized images, label shares) batches from an epoch (counted from 0) on."""
        return pipeline.training_batches(
            self.train_images,
            self.train_labels,
            self.num_classes,
            self.config.batch_size,
            self.normalization,
            augmentation=self.config.augmentation,
            seed=self.config.seed,
            first_epoch=first_epoch,
            augmentation_options=self.config.augmentation_options,
        )

    def validation_batches(self, batch_size: int) -> tf.data.Dataset | None:
        """(normalized images, one-hot labels) of the validation rows, in file order, every row once; None of none."""
        rows = self.validation_rows
        if not len(rows):
            return None
        images = pipeline.evaluation_batches(self.images[rows], batch_size, self.normalization)
        one_hot = np.eye(self.num_classes, dtype=np.float32)[self.labels[rows]]
        return tf.data.Dataset.zip((images, tf.data.Dataset.from_tensor_slices(one_hot).batch(batch_size)))


def load(config: TrainConfig, load_set: Load) -> TrainingData:
    """Load, split and hash what a config asks for; every error comes before any training.

    load_set: data set name -> {"train": ImageSet, "test": ImageSet}. Raises ValueError where a set has no training
    part, is too small for num_train + num_validation, or is evaluated with a model of another number of classes.
    """
    train = load_set(config.dataset).get("train")
    if train is None:
        raise ValueError(f"data set {config.dataset!r} has no training part")
    num_classes = sets.num_classes(config.dataset)
    train_rows, validation_rows = split_rows(train, config)
    for name in config.evaluate_on:
        if sets.num_classes(name) != num_classes:
            raise ValueError(
                f"evaluate_on: {name!r} has {sets.num_classes(name)} classes, {config.dataset!r} has {num_classes}"
            )
    evaluation = {name: load_set(name)["test"] for name in config.evaluate_on}
    tests = [array for part in evaluation.values() for array in (part.images, part.labels)]
    return TrainingData(
        config,
        train.images,
        train.labels,
        num_classes,
        train_rows,
        validation_rows,
        evaluation,
        pipeline.fit_normalization(config.normalization, train.images[train_rows]),
        hash_arrays(train.images[train_rows], train.labels[train_rows], train_rows, validation_rows),
        hash_arrays(train.images[validation_rows], train.labels[validation_rows], *tests),
    )


def split_rows(train: ImageSet, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows, int64, by the config's seed.

    A permutation keeps the validation rows the same whatever num_train is. With replacement the pool is shrunk
    first, so that the share of leaked rows does not depend on num_train.
    """
    wanted = (config.num_train or 0) + config.num_validation
    if wanted > len(train) or config.num_validation >= len(train):
        raise ValueError(
            f"{config.dataset}: num_train {config.num_train} + num_validation {config.num_validation} "
            f"of only {len(train)} training images"
        )
    pool = np.arange(len(train))
    if config.split == "with_replacement" and config.num_train:
        pool = splits.subset(train.labels, wanted, config.seed)
    if not config.num_validation:
        train_rows, validation_rows = pool, pool[:0]
    else:
        train_rows, validation_rows = splits.split(
            train.labels[pool],
            config.num_validation,
            config.seed,
            groups=None if train.groups is None else train.groups[pool],
            with_replacement=config.split == "with_replacement",
        )
    train_rows, validation_rows = pool[train_rows], pool[validation_rows]
    if config.split == "permutation" and config.num_train:
        train_rows = train_rows[splits.subset(train.labels[train_rows], config.num_train, config.seed)]
    return train_rows, validation_rows


def hash_arrays(*arrays: np.ndarray) -> str:
    """SHA-256 over shape, dtype and bytes of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
