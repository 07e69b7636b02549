"""One printed line per epoch and per run, with the rate and the time left, for notebooks and batch logs alike."""

import time

import tensorflow as tf
from tensorflow import keras

from cifar102.workspace.wording import duration


def last_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate that the last step took.

    Asked for its `learning_rate`, Keras 2 gives that of the last step, Keras 3 that of the next one, and a legacy
    optimizer the schedule itself.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # below the loss scaling of mixed_float16
    rate = getattr(optimizer, "_learning_rate", None)
    rate = optimizer.learning_rate if rate is None else rate
    return float(tf.convert_to_tensor(rate(optimizer.iterations - 1) if callable(rate) else rate))


class EpochLines(keras.callbacks.Callback):
    """Prints each epoch's numbers, images a second and the time left; adds the learning rate to the logs.

    Stands first among the callbacks, so that the others see `learning_rate`; prints when the next epoch starts or
    training ends, after validation. images_per_epoch: how many training images an epoch shows.
    """

    def __init__(self, name: str, epochs: int, images_per_epoch: int) -> None:
        super().__init__()
        self.name, self.epochs, self.images_per_epoch = name, epochs, images_per_epoch
        self.durations: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs["learning_rate"] = last_rate(self.model.optimizer)
        self.durations.append(time.perf_counter() - self.started)
        # The first epoch holds the tracing; later ones tell the pace better.
        steady = self.durations[1:] or self.durations
        pace = sum(steady) / len(steady)
        names = {"loss": "loss", "accuracy": "acc", "val_loss": "val_loss", "val_accuracy": "val_acc"}
        numbers = " ".join(f"{short} {logs[long]:.4f}" for long, short in names.items() if long in logs)
        rest = self.epochs - epoch - 1
        tail = f"{self.images_per_epoch / pace:.0f} images/s, {duration(pace * rest)} left"
        print(f"[{self.name}] epoch {epoch + 1}/{self.epochs} {numbers} {tail}", flush=True)

    @property
    def images_per_second(self) -> float | None:
        """Training images a second over the epochs after the first (which traces), validation included."""
        steady = self.durations[1:] or self.durations
        return self.images_per_epoch * len(steady) / sum(steady) if steady else None
