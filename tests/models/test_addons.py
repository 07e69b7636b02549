"""What comes from TensorFlow Addons, and that what stands in for it gives the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from cifar102.models import addons
from cifar102.workspace.folders import REPOSITORY

needs_addons = pytest.mark.skipif(not addons.HAS_ADDONS, reason="TensorFlow Addons is absent or switched off")


def _line() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    rng = np.random.default_rng(5)
    return model, rng.normal(size=(8, 4)).astype("float32"), rng.normal(size=(8, 2)).astype("float32")


def _weights_after(optimizer: object, steps: int = 7) -> np.ndarray:
    model, x, y = _line()
    model.compile(optimizer, "mse")
    for _ in range(steps):
        model.train_on_batch(x, y)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def test_mish_is_x_times_tanh_of_softplus_and_equals_keras(rng):
    x = rng.normal(scale=5, size=1000).astype(np.float32)
    np.testing.assert_allclose(addons.mish(x), x * np.tanh(np.logaddexp(0, x.astype(np.float64))), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(addons.mish(x), keras.activations.mish(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_mish_and_its_slope_stay_finite_far_from_zero_in_every_precision(dtype):
    x = tf.cast([-1000.0, -30.0, -4.0, 0.0, 4.0, 30.0, 1000.0], dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = addons.mish(x)
    slope = tf.cast(tape.gradient(y, x), tf.float32)
    np.testing.assert_allclose(tf.cast(y, tf.float32), [0, 0, -0.0726, 0, 3.9974, 30, 1000], rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(slope, [0, 0, -0.0517, 0.6, 1.0064, 1, 1], rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("scale", addons.SCALES)
def test_a_cyclical_rate_starts_low_peaks_after_a_step_size_and_returns(scale):
    rate = addons.cyclical_rate(scale, 0.1, 1.1, 10, gamma=0.99)
    heights = {"triangular": (1, 1), "triangular2": (1, 0.5), "exp_range": (0.99**10, 0.99**30)}[scale]
    found = [float(rate(tf.constant(step, tf.int64))) for step in (0, 10, 20, 30)]
    np.testing.assert_allclose(found, [0.1, 0.1 + heights[0], 0.1, 0.1 + heights[1]], rtol=1e-5)


@needs_addons
@pytest.mark.parametrize("scale", ["triangular", "triangular2"])
def test_our_cyclical_rates_equal_those_of_addons(scale):
    ours, theirs = addons.CyclicalRate(scale, 0.01, 0.3, 7), addons.cyclical_rate(scale, 0.01, 0.3, 7)
    assert type(theirs).__module__.startswith("tensorflow_addons")
    for step in range(50):
        assert float(ours(step)) == pytest.approx(float(theirs(tf.constant(step, tf.float32))), abs=1e-6)


@needs_addons
def test_addons_exponential_rate_still_has_the_bug_we_step_around():
    import tensorflow_addons

    rate = tensorflow_addons.optimizers.ExponentialCyclicalLearningRate(0.1, 1.0, 5, gamma=0.9)
    with pytest.raises((TypeError, tf.errors.InvalidArgumentError)):
        rate(tf.constant(3, tf.int64))


@pytest.mark.parametrize(
    "arguments", [("sawtooth", 0, 1, 5), ("triangular", 1, 0.5, 5), ("triangular", 0, 1, 0), ("exp_range", 0, 1, 5, 0)]
)
def test_a_bad_cyclical_rate_is_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        addons.cyclical_rate(*arguments)


def test_our_cyclical_rate_is_saved_and_loaded():
    rate = addons.CyclicalRate("exp_range", 0.01, 0.3, 7, 0.9)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert float(again(11)) == float(rate(11))


@needs_addons
def test_our_decoupled_weight_decay_equals_that_of_addons():
    theirs = addons.sgdw(0.01, 0.05)
    assert type(theirs).__module__.startswith("tensorflow_addons")
    ours = addons.SGDW(learning_rate=0.05, weight_decay=0.01, momentum=0.9, nesterov=True)
    np.testing.assert_allclose(_weights_after(ours), _weights_after(theirs), atol=1e-6)


def test_decoupled_decay_takes_its_share_off_each_weight_whatever_the_rate():
    optimizer = addons.SGDW(learning_rate=0.0, weight_decay=0.1)
    variable = tf.Variable([2.0, -4.0])
    optimizer.apply_gradients([(tf.constant([1.0, 1.0]), variable)])
    np.testing.assert_allclose(variable, [1.8, -3.6], rtol=1e-6)
    again = type(optimizer).from_config(optimizer.get_config())
    assert again.absolute_decay == 0.1


@pytest.mark.slow
def test_without_addons_the_fall_backs_take_their_place():
    code = (
        "from cifar102.models import addons; import sys\n"
        "assert not addons.HAS_ADDONS and 'tensorflow_addons' not in sys.modules\n"
        "assert type(addons.cyclical_rate('triangular', 0, 1, 5)) is addons.CyclicalRate\n"
        "assert type(addons.sgdw(.1, .1)) is addons.SGDW and float(addons.mish(0.)) == 0\n"
    )
    environment = {**os.environ, "CIFAR102_NO_TFA": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=REPOSITORY, timeout=120)
