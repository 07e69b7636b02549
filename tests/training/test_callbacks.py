"""Weights drawn back to their moving average: the formula, the statistics of batch norm, and a resumed run."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers
from cifar102.training.callbacks import Lookahead


def trained(callbacks: list, initial_epoch: int = 0, weights: list | None = None) -> keras.Model:
    """One weight that each step raises by 1: the loss is the output, the rate -1."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))
    model.compile(keras.optimizers.SGD(1.0), lambda truth, output: -tf.reduce_mean(output), jit_compile=False)
    if weights is not None:
        model.set_weights(weights)
    batches = tf.data.Dataset.from_tensors((tf.ones((1, 1)), tf.ones((1, 1)))).repeat()
    model.fit(batches, epochs=2, steps_per_epoch=7, initial_epoch=initial_epoch, callbacks=callbacks, verbose=0)
    return model


def by_hand(decay: float, epochs: int, steps: int) -> float:
    weight = average = 0.0
    for epoch in range(epochs):
        moved = 0
        for done in range(1, steps + 1):
            weight += 1
            if done % 5 == 0 or done == steps:
                share = 1 - decay ** (done - moved) * ((epoch * steps + done) / (epochs * steps)) ** 3
                average, moved = average + share * (weight - average), done
                weight = average
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
def test_weights_end_as_the_average_that_the_formula_gives(decay):
    weight = trained([Lookahead(decay)]).get_weights()[0].item()
    assert weight == pytest.approx(by_hand(decay, 2, 7), rel=1e-5)
    assert (weight == pytest.approx(14)) == (decay == 0.0)


def test_a_run_in_two_parts_ends_with_the_same_weights():
    whole = trained([Lookahead(0.95)]).get_weights()
    stop = keras.callbacks.LambdaCallback()
    stop.on_epoch_end = lambda epoch, logs=None: setattr(stop.model, "stop_training", True)
    half = trained([Lookahead(0.95), stop]).get_weights()
    np.testing.assert_allclose(trained([Lookahead(0.95)], initial_epoch=1, weights=half).get_weights(), whole)


def test_moving_statistics_are_averaged_too_and_counters_are_not():
    inputs = keras.Input((2, 2, 3))
    x = layers.drop(layers.normalize(inputs, momentum=0.0), 0.5)
    model = keras.Model(inputs, layers.classify(keras.layers.Flatten()(x), 2))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    images = tf.random.stateless_normal((5, 2, 2, 3), [0, 1])
    batches = tf.data.Dataset.from_tensors((images, tf.one_hot([0, 1, 0, 1, 0], 2))).repeat()
    model.fit(batches, steps_per_epoch=5, epochs=1, callbacks=[Lookahead(0.5)], verbose=0)
    named = {weight.name.split("/")[-1].split(":")[0]: np.array(weight) for weight in model.weights}
    assert named["count"] == 5
    mean = images.numpy().mean(axis=(0, 1, 2))
    np.testing.assert_allclose(named["moving_mean"], mean * (1 - 0.5**5), rtol=1e-4)
