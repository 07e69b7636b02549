"""Callbacks of a training: its printed lines, and what lets a killed run go on and end like an unbroken one."""

import os
import shutil
import time
from importlib import metadata
from pathlib import Path

import tensorflow as tf
from tensorflow import keras

from cifar102.workspace.files import read_json, write_json
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


class BestWeights(keras.callbacks.EarlyStopping):
    """Keras's early stopping on val_accuracy that always ends with the best weights and can be resumed.

    Keras's own forgets its best value and weights at a restart, and keeps the last weights where training was not
    stopped early.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(monitor="val_accuracy", mode="max", patience=patience, restore_best_weights=True)
        self.resumed: dict = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        super().on_train_begin(logs)
        for name, value in self.resumed.items():
            setattr(self, name, value)

    def on_train_end(self, logs: dict | None = None) -> None:
        super().on_train_end(logs)
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)


class EpochCheckpoint(keras.callbacks.Callback):
    """Saves weights, optimizer and early-stopping state after each epoch; stands last among the callbacks.

    Keras's BackupAndRestore is not enough: it forgets early stopping, and tells too late which epoch comes next for
    a data order by epoch. state.json, written last and atomically, names the files that belong together, so a kill
    at any moment leaves the last finished epoch whole. A run begun with another Keras starts again.
    """

    def __init__(self, folder: Path, model: keras.Model, train_hash: str, stopper: BestWeights | None) -> None:
        super().__init__()
        self.folder, self.train_hash, self.stopper = Path(folder), train_hash, stopper
        self.network = model
        if hasattr(model.optimizer, "build"):
            model.optimizer.build(model.trainable_variables)
        self.checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        self.keras = metadata.version("keras")  # another one keeps its optimizer's state in another form
        self.state = {"epoch": 0, "seconds": 0.0, "processor_seconds": 0.0, "stopped": False}

    def restore(self) -> dict:
        """Bring model, optimizer and early stopping to the last finished epoch; epoch 0 where there is none."""
        path = self.folder / "state.json"
        found = read_json(path) if path.is_file() else {}
        if (found.get("train_hash"), found.get("keras")) != (self.train_hash, self.keras):
            shutil.rmtree(self.folder, ignore_errors=True)
            return self.state
        self.state = {**self.state, **found}
        if self.stopper and found["best"]:
            self._read(found["best"]["best_epoch"] + 1)
            self.stopper.resumed = {**found["best"], "best_weights": self.network.get_weights()}
        self._read(found["epoch"])
        if self.stopper and found["stopped"]:  # no training follows at whose end the best weights would be put back
            self.network.set_weights(self.stopper.resumed["best_weights"])
        return self.state

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.started = time.perf_counter() - self.state["seconds"]
        self.processor_started = time.process_time() - self.state["processor_seconds"]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        best = None
        if self.stopper:
            best = {name: getattr(self.stopper, name) for name in ("best", "wait", "best_epoch")}
        self.checkpoint.write(str(self.folder / f"epoch-{epoch + 1}"))
        for path in self.folder.glob(f"epoch-{epoch + 1}.*"):  # on disk before state.json says that it is there
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        state = {"train_hash": self.train_hash, "keras": self.keras, "epoch": epoch + 1, "best": best}
        state["seconds"] = time.perf_counter() - self.started
        state["processor_seconds"] = time.process_time() - self.processor_started
        self.state = {**state, "stopped": bool(self.model.stop_training)}
        write_json(self.folder / "state.json", self.state)
        self._remove_all_but({epoch + 1, best["best_epoch"] + 1 if best else 0})

    def _read(self, epoch: int) -> None:
        self.checkpoint.read(str(self.folder / f"epoch-{epoch}")).expect_partial()

    def _remove_all_but(self, epochs: set[int]) -> None:
        kept = {f"epoch-{epoch}" for epoch in epochs}
        for path in self.folder.glob("epoch-*"):
            if path.is_dir():  # epoch-N_temp, in which TensorFlow was writing when an earlier process was killed
                shutil.rmtree(path)
            elif path.name.split(".")[0] not in kept:
                path.unlink()
