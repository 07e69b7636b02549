"""Learning-rate schedules by name, as functions of the step, and where their cycles end."""

import math

import tensorflow as tf
from tensorflow import keras

from cifar102.models import addons
from cifar102.training.config import CYCLIC_SCHEDULES, SCHEDULES

Schedule = keras.optimizers.schedules.LearningRateSchedule


class Ramps(Schedule):
    """Straight or cosine ramps between (step, rate) knots; constant after the last one.

    steps: ascending, from 0; rates: as many. curve: "linear", or "cosine" for half a cosine between two knots.
    Linear knots give one-cycle (Smith 2018, https://arxiv.org/abs/1803.09820) and a warm-up before a cosine.
    """

    def __init__(self, steps: list[float], rates: list[float], curve: str = "linear") -> None:
        self.steps, self.rates, self.curve = list(steps), list(rates), curve

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.rates[0], tf.float32)
        for i in range(len(self.steps) - 1):
            length = max(self.steps[i + 1] - self.steps[i], 1e-9)
            share = tf.clip_by_value((step - self.steps[i]) / length, 0.0, 1.0)
            if self.curve == "cosine" and self.rates[i + 1] < self.rates[i]:
                share = (1 - tf.cos(math.pi * share)) / 2
            rate += (self.rates[i + 1] - self.rates[i]) * share
        return rate

    def get_config(self) -> dict:
        return {"steps": self.steps, "rates": self.rates, "curve": self.curve}


def build(name: str, learning_rate: float, steps_per_epoch: int, epochs: int, options: dict) -> float | Schedule:
    """The schedule of a run: a number for "constant", else a Keras schedule of the step counted from 0.

    learning_rate: the highest rate. options: lengths in epochs, as config.SCHEDULE_OPTIONS lists them.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule: {name!r} is none of {', '.join(SCHEDULES)}")
    total = steps_per_epoch * epochs
    final = learning_rate * options.get("final_fraction", 0.0)
    if name == "constant":
        return learning_rate
    if name == "cosine":
        warmup = options.get("warmup_epochs", 0) * steps_per_epoch
        return Ramps([0, warmup, total], [0.0 if warmup else learning_rate, learning_rate, final], "cosine")
    if name == "one_cycle":
        start = learning_rate * options.get("start_fraction", 0.1)
        return Ramps([0, options.get("warmup_share", 0.3) * total, total], [start, learning_rate, final])
    if name == "cosine_restarts":
        return keras.optimizers.schedules.CosineDecayRestarts(
            learning_rate,
            first_decay_steps=period_epochs(name, epochs, options) * steps_per_epoch,
            t_mul=float(options.get("period_multiplier", 1.0)),
            m_mul=float(options.get("rate_multiplier", 1.0)),
            alpha=float(options.get("final_fraction", 0.0)),
        )
    return addons.cyclical_rate(
        name,
        options.get("minimum_rate", learning_rate / 10),
        learning_rate,
        max(1, round(period_epochs(name, epochs, options) * steps_per_epoch / 2)),
        options.get("decay_per_epoch", 0.95) ** (1 / steps_per_epoch),
    )


def period_epochs(name: str, epochs: int, options: dict) -> float:
    """Length of the first cycle in epochs; a third of the run where the options do not say."""
    key = "first_period_epochs" if name == "cosine_restarts" else "cycle_epochs"
    return float(options.get(key, max(1, epochs // 3)))


def cycle_ends(name: str, epochs: int, options: dict) -> list[int]:
    """The epochs (from 1) that end with a cycle's end, within `epochs`; [] for a schedule without cycles.

    An end inside an epoch counts for the epoch that it falls into.
    """
    if name not in CYCLIC_SCHEDULES:
        return []
    length, multiplier = period_epochs(name, epochs, options), 1.0
    if name == "cosine_restarts":
        multiplier = float(options.get("period_multiplier", 1.0))
    ends, position = [], length
    while position < epochs + 1e-6 and length > 1e-3:
        ends.append(math.ceil(position - 1e-6))
        length *= multiplier
        position += length
    return sorted(set(ends))
