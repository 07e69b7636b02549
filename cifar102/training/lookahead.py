"""Weights that are drawn back, every few steps, to their own moving average, which is what remains at the end."""

import tensorflow as tf
from tensorflow import keras

EVERY = 5  # steps


class Lookahead(keras.callbacks.Callback):
    """Every EVERY steps of an epoch, and at its end, moves the average towards the weights and the weights onto it.

    decay: 0-1, of the average per step at the end of training; it grows with the cube of the share of steps done, so
    that the average follows the weights at first and is a mean over the last steps at the end. Batch norm's moving
    statistics take part. Weights and average are one at the end of every epoch, so a resumed run needs no more than
    the weights. Source: Jordan 2024, arXiv 2404.00498, section 3.4, after Zhang et al. 2019, arXiv 1907.08610.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay

    def on_train_begin(self, logs: dict | None = None) -> None:
        variables = [weight if isinstance(weight, tf.Variable) else weight.value for weight in self.model.weights]
        self.weights = [variable for variable in variables if variable.dtype.is_floating]
        self.average = [tf.Variable(weight) for weight in self.weights]
        self._blend = tf.function(self._move)  # traced for this model's variables

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        done, steps = batch + 1, self.params["steps"]
        if done % EVERY and done < steps:
            return
        share_done = (self.epoch * steps + done) / (self.params["epochs"] * steps)
        since = done % EVERY or EVERY  # steps after the last move
        self._blend(tf.constant(1 - self.decay**since * share_done**3, tf.float32))

    def _move(self, share: tf.Tensor) -> None:
        for average, weight in zip(self.average, self.weights, strict=True):
            average.assign_add(tf.cast(share, weight.dtype) * (weight - average))
            weight.assign(average)
