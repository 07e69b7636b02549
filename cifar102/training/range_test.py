"""The learning-rate range test: which rates a model learns at, found in one or two epochs."""

from pathlib import Path

import numpy as np
import pandas as pd
from tensorflow import keras

from cifar102.datasets import sets
from cifar102.training import data, fitting, machine
from cifar102.training.config import TrainConfig
from cifar102.workspace.folders import Workspace

SMOOTHING = 0.9  # of the moving average of the loss
DIVERGED = 4.0  # times the lowest smoothed loss


class RisingRate(keras.callbacks.Callback):
    """Raises the rate exponentially each step and records the loss; stops where it is not finite or diverges."""

    def __init__(self, rates: np.ndarray) -> None:
        super().__init__()
        self.rates, self.losses, self.smoothed = rates, [], []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.model.optimizer.learning_rate = float(self.rates[len(self.losses)])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.losses.append(float(logs["loss"]))
        self.smoothed.append(smooth(self.losses)[-1])
        if not np.isfinite(self.losses[-1]) or self.smoothed[-1] > DIVERGED * min(self.smoothed):
            self.model.stop_training = True


def rate_range_test(
    config: TrainConfig,
    workspace: Workspace | str | Path,
    low: float = 1e-5,
    high: float = 1.0,
    num_steps: int = 100,
    model: keras.Model | None = None,
) -> pd.DataFrame:
    """Train a few steps while the rate rises from low to high: columns step, learning_rate, loss, smoothed_loss.

    The config's schedule and epochs do not count. model: one of the config's architecture to start from; a copy is
    trained, it keeps its weights. None starts as a run of the config would. Nothing is written. Stops where the loss
    diverges. Raises ValueError where not 0 < low < high or num_steps < 10.
    Source: Smith 2015, https://arxiv.org/abs/1506.01186.
    """
    if not 0 < low < high or num_steps < 10:
        raise ValueError(f"range test: expected 0 < low < high and 10 steps or more, found {low}, {high}, {num_steps}")
    workspace = Workspace(workspace)
    loaded = data.load(config, lambda name: sets.load(name, workspace))
    machine.silence_retracing()
    machine.fix_randomness(config.seed)
    copy = fitting.build_model(config.replace(schedule="constant", schedule_options={}), workspace, loaded)
    if model is not None:
        copy.set_weights(model.get_weights())
    recorder = RisingRate(np.geomspace(low, high, num_steps))
    # One "epoch" of one step each, so that the logged loss is that of the step and not a running mean.
    batches = loaded.training_batches()
    copy.fit(batches, epochs=num_steps, steps_per_epoch=1, callbacks=[recorder], shuffle=False, verbose=0)
    count = len(recorder.losses)
    columns = {"step": np.arange(count), "learning_rate": recorder.rates[:count], "loss": recorder.losses}
    return pd.DataFrame({**columns, "smoothed_loss": recorder.smoothed})


def smooth(losses: list[float]) -> np.ndarray:
    """Exponential moving average of losses, corrected for its start (as Adam's means are)."""
    average, found = 0.0, []
    for step, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        found.append(average / (1 - SMOOTHING**step))
    return np.array(found)


def propose_rate(table: pd.DataFrame) -> tuple[float, float]:
    """A range of rates from a test's table: (lowest rate that clearly learns, a third of the rate of the lowest loss).

    The lower end is where the smoothed loss has for good fallen by a tenth of all that it falls. Where the loss never
    falls, both ends are NaN.
    """
    smoothed, rates = table["smoothed_loss"].to_numpy(), table["learning_rate"].to_numpy()
    finite = np.isfinite(smoothed)
    smoothed, rates = smoothed[finite], rates[finite]
    if len(smoothed) < 2 or smoothed.argmin() == 0:
        return float("nan"), float("nan")
    bottom = int(smoothed.argmin())
    falling = smoothed[: bottom + 1]
    threshold = falling.max() - 0.1 * (falling.max() - falling[-1])
    last_above = np.flatnonzero(falling > threshold)[-1]
    high = rates[bottom] / 3
    return float(min(rates[last_above + 1], high)), float(high)
