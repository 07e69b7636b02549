"""Steps of Muon: orthogonal for kernels of convolutions, those of SGD for everything else."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from cifar102.training import optimizers
from cifar102.training.config import TrainConfig
from cifar102.training.optimizers import Muon

RATE, KERNEL_SHARE, MOMENTUM = 0.5, 0.2, 0.6


@pytest.mark.parametrize("shape", [(40, 9), (9, 40), (12, 12)])
def test_orthogonal_keeps_the_singular_vectors_and_brings_the_values_near_1(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    found = left.T @ optimizers.orthogonal(tf.constant(matrix)).numpy() @ right.T
    assert found - np.diag(np.diag(found)) == pytest.approx(np.zeros_like(found), abs=1e-3)
    large = values / np.linalg.norm(values) > 0.1  # three iterations leave small ones small
    assert ((np.diag(found)[large] > 0.6) & (np.diag(found)[large] < 1.3)).all()
    assert large.sum() >= 5
    assert np.diag(found)[large].std() < values[large].std() / values.mean()
    assert np.array_equal(optimizers.orthogonal(tf.zeros(shape)).numpy(), np.zeros(shape))


def apply(optimizer, start, gradients):
    variables = [tf.Variable(value) for value in start]
    for parts in gradients:
        optimizer.apply_gradients(zip(map(tf.constant, parts), variables, strict=True))
    return [variable.numpy() for variable in variables]


def test_a_kernel_is_brought_to_its_norm_and_moved_by_the_orthogonal_nesterov_step():
    rng = np.random.default_rng(1)
    kernel, first, second = (rng.normal(size=(3, 3, 4, 8)).astype(np.float32) for _ in range(3))
    optimizer = Muon(RATE, kernel_rate=KERNEL_SHARE, kernel_momentum=MOMENTUM, momentum=0.85, nesterov=True)
    (found,) = apply(optimizer, [kernel], [[first], [second]])
    velocity = np.zeros_like(kernel)
    for gradient in (first, second):
        velocity = MOMENTUM * velocity + gradient
        step = optimizers.orthogonal(tf.constant((gradient + MOMENTUM * velocity).reshape(-1, 8))).numpy()
        kernel = kernel * np.sqrt(8) / np.linalg.norm(kernel) - RATE * KERNEL_SHARE * step.reshape(kernel.shape)
    assert found == pytest.approx(kernel, abs=1e-5)


def test_dense_layers_and_biases_take_the_steps_of_sgd():
    rng = np.random.default_rng(2)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((6, 3), (3,))]
    gradients = [[rng.normal(size=part.shape).astype(np.float32) for part in start] for _ in range(3)]
    options = {"momentum": 0.85, "nesterov": True, "weight_decay": 0.01}
    ours = apply(Muon(RATE, kernel_rate=KERNEL_SHARE, **options), start, gradients)
    theirs = apply(keras.optimizers.SGD(RATE, **options), start, gradients)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_optimizer_of_a_config_has_its_rates_and_survives_its_config():
    config = TrainConfig(optimizer="muon", learning_rate=0.5, kernel_rate=0.2, momentum=0.8, weight_decay=0.01)
    optimizer = optimizers.build_optimizer(config, config.learning_rate)
    again = type(optimizer).from_config(optimizer.get_config())
    for found in (optimizer, again):
        assert isinstance(found, Muon)
        assert (found.kernel_rate, found.kernel_momentum, found.momentum) == (0.4, 0.6, 0.8)


def test_biases_are_decayed_too_and_normalisation_is_not():
    optimizer = optimizers.build_optimizer(TrainConfig(optimizer="muon", kernel_rate=0.2, weight_decay=0.5), 0.1)
    bias, gamma = (tf.Variable([2.0], name=name) for name in ("dense/bias", "norm/gamma"))
    optimizer.apply_gradients([(tf.zeros(1), bias), (tf.zeros(1), gamma)])
    assert float(bias[0]) == pytest.approx(2.0 * (1 - 0.05))
    assert float(gamma[0]) == 2.0


def test_without_momentum_there_is_no_muon():
    with pytest.raises(ValueError, match=r"momentum 0\.0: muon needs one above 0"):
        Muon(0.1, momentum=0.0)
