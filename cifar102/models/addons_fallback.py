"""Our own stand-ins for what the project takes from TensorFlow Addons, equal to it within 1e-6, on Keras 2 and 3."""

import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tqdm.auto import tqdm


def mish(x: tf.Tensor) -> tf.Tensor:
    """x * tanh(softplus(x))."""
    x = tf.convert_to_tensor(x)
    return x * tf.math.tanh(tf.math.softplus(x))


@keras.utils.register_keras_serializable(package="cifar102")
class CyclicalRate(keras.optimizers.schedules.LearningRateSchedule):
    """Smith's cyclical learning rate as a schedule that can be saved and loaded; arguments as addons.cyclical_rate."""

    def __init__(self, scale: str, initial_rate: float, maximal_rate: float, step_size: int, gamma: float = 1.0):
        super().__init__()
        self.scale, self.initial_rate, self.maximal_rate = scale, initial_rate, maximal_rate
        self.step_size, self.gamma = step_size, gamma

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        cycle = tf.floor(1 + step / (2 * self.step_size))
        position = tf.abs(step / self.step_size - 2 * cycle + 1)
        height = (self.maximal_rate - self.initial_rate) * tf.maximum(0.0, 1 - position)
        return self.initial_rate + height * self._factor(step, cycle)

    def _factor(self, step: tf.Tensor, cycle: tf.Tensor) -> tf.Tensor:
        if self.scale == "exp_range":
            return tf.pow(tf.constant(self.gamma, tf.float32), step)
        return 1.0 / tf.pow(2.0, cycle - 1) if self.scale == "triangular2" else tf.ones(())

    def get_config(self) -> dict:
        names = ("scale", "initial_rate", "maximal_rate", "step_size", "gamma")
        return {name: getattr(self, name) for name in names}


@keras.utils.register_keras_serializable(package="cifar102")
class SGDW(keras.optimizers.SGD):
    """SGD whose step first takes `weight_decay` times the weight off it, independent of the learning rate."""

    def __init__(self, learning_rate: object = 0.01, weight_decay: float = 0.0, name: str = "SGDW", **kwargs: object):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.absolute_decay = weight_decay

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, *rate: tf.Tensor) -> None:
        variable.assign_sub(variable * tf.cast(self.absolute_decay, variable.dtype))
        super().update_step(gradient, variable, *rate)

    def get_config(self) -> dict:
        return super().get_config() | {"weight_decay": self.absolute_decay}


@keras.utils.register_keras_serializable(package="cifar102")
class AdamW(keras.optimizers.Adam):
    """Adam whose step first takes `weight_decay` times the weight off it, independent of the learning rate."""

    def __init__(self, learning_rate: object = 0.001, weight_decay: float = 0.0, name: str = "AdamW", **kwargs: object):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.absolute_decay = weight_decay
        self.beta_2 = float(np.float32(self.beta_2))  # Addons takes 1 - beta_2 in float32: 1e-5 of it is rounding

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, *rate: tf.Tensor) -> None:
        variable.assign_sub(variable * tf.cast(self.absolute_decay, variable.dtype))
        super().update_step(gradient, variable, *rate)

    def get_config(self) -> dict:
        return super().get_config() | {"weight_decay": self.absolute_decay}


class WeightAverage(keras.callbacks.Callback):
    """Keep the running mean of a model's weights as steps start, start + period, ... (counted from 0) left them.

    `average`: one float array a weight, as get_weights gives them, or None before `start`; `count`: how many weight
    sets are in it. Both can be written to a checkpoint and put back, with `step`, the steps done. `put_into(model)`
    sets the means; batch norm's own averages then want a pass over training batches.
    Source: Izmailov et al. 2018, arXiv 1803.05407.
    """

    def __init__(self, start: int = 0, period: int = 1) -> None:
        super().__init__()
        if start < 0 or period < 1:
            raise ValueError(f"weight average from step {start}, each {period}: expected start >= 0, period >= 1")
        self.start, self.period = start, period
        self.step, self.count, self.average = 0, 0, None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.step >= self.start and (self.step - self.start) % self.period == 0:
            self._include()
        self.step += 1

    def _include(self) -> None:
        weights = self.model.get_weights()
        self.count += 1
        if self.average is None:
            self.average = [np.array(weight, copy=True) for weight in weights]
            return
        for k, weight in enumerate(weights):
            if weight.dtype.kind == "f":
                self.average[k] += (weight - self.average[k]) / self.count
            else:
                self.average[k] = weight  # counters, as those of CountedDropout, are not averaged

    def put_into(self, model: keras.Model) -> None:
        """Set the averaged weights; ValueError where no step has been averaged."""
        if self.average is None:
            raise ValueError(f"no weights averaged: training had {self.step} steps, averaging starts at {self.start}")
        model.set_weights(self.average)


class ProgressBar(keras.callbacks.Callback):
    """One bar over the epochs, with their rate, the time left and the last metrics."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.bar = tqdm(total=self.params.get("epochs"), desc="Training", unit="epoch", file=sys.stdout)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.bar.set_postfix({name: f"{value:.4f}" for name, value in (logs or {}).items()})
        self.bar.update(1)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()
