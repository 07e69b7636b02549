"""None"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from cifar102.training import callbacks, optimizers, range_test
from cifar102.training.config import CYCLIC_SCHEDULES, OPTIMIZERS, SCHEDULES, TrainConfig
from cifar102.training.optimizers import Muon

STEPS = 10  # an epoch


def rates(name: str, epochs: int, **options: float) -> np.ndarray:
    schedule = optimizers.build_schedule(name, 0.1, STEPS, epochs, options)
    steps = range(STEPS * epochs)
    return np.array([float(schedule(step)) if callable(schedule) else schedule for step in steps])


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_leaves_the_range_from_zero_to_the_highest_rate(name):
    found = rates(name, 6)
    assert found.min() >= 0 and found.max() <= 0.1 + 1e-6
    assert found.max() > 0.07


def test_cosine_falls_from_the_rate_to_its_end_and_is_half_way_in_the_middle():
    found = rates("cosine", 10)
    assert (np.diff(found) < 0).all()
    assert (found[0], found[50]) == pytest.approx((0.1, 0.05))
    assert rates("cosine", 10, final_fraction=0.1)[-1] == pytest.approx(0.01, abs=1e-4)


def test_warm_up_rises_straight_to_the_rate():
    found = rates("cosine", 10, warmup_epochs=2)
    assert found[:21] == pytest.approx(np.linspace(0, 0.1, 21), abs=1e-6)


def test_warm_restarts_jump_back_where_the_cycles_end():
    found = rates("cosine_restarts", 7, first_period_epochs=1, period_multiplier=2)
    restarts = np.flatnonzero(np.diff(found) > 0) + 1
    assert restarts.tolist() == [10, 30]
    assert optimizers.cycle_ends("cosine_restarts", 7, {"first_period_epochs": 1, "period_multiplier": 2}) == [1, 3, 7]


def test_a_triangle_rises_to_its_peak_in_half_a_cycle_and_triangular2_halves_it():
    options = {"minimum_rate": 0.02, "cycle_epochs": 2}
    plain, halved = rates("triangular", 4, **options), rates("triangular2", 4, **options)
    assert (plain[0], plain[10], plain[20], plain[30]) == pytest.approx((0.02, 0.1, 0.02, 0.1), abs=1e-6)
    assert (halved[10], halved[30]) == pytest.approx((0.1, 0.06), abs=1e-6)


def test_exp_range_shrinks_by_its_factor_each_epoch():
    found = rates("exp_range", 4, minimum_rate=0.0, cycle_epochs=2, decay_per_epoch=0.5)
    assert (found[10], found[30]) == pytest.approx((0.05, 0.0125), rel=1e-4)


def test_one_cycle_peaks_once_and_ends_near_zero():
    found = rates("one_cycle", 10)
    assert found.argmax() == 30
    assert (np.diff(found[:31]) > 0).all() and (np.diff(found[30:]) < 0).all()
    assert (found[0], found[-1]) == pytest.approx((0.01, 0.1 / 70), rel=1e-3)


@pytest.mark.parametrize("name", CYCLIC_SCHEDULES)
def test_cycles_of_a_third_of_the_run_end_three_times(name):
    assert optimizers.cycle_ends(name, 9, {}) == [3, 6, 9]


def test_a_schedule_without_cycles_has_no_cycle_ends():
    assert optimizers.cycle_ends("cosine", 9, {}) == []


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill(name):
    own = {"kernel_rate": 0.01} if name == "muon" else {}
    optimizer = optimizers.build_optimizer(TrainConfig(optimizer=name, weight_decay=1e-4, **own), 0.05)
    weight = tf.Variable([3.0], name="kernel")
    before = float(weight[0])
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight**2)
        optimizer.apply_gradients([(tape.gradient(loss, weight), weight)])
    assert float(weight[0]) < before


def test_weight_decay_takes_rate_times_decay_of_kernels_and_nothing_of_biases():
    optimizer = optimizers.build_optimizer(
        TrainConfig(optimizer="sgd", momentum=0.0, nesterov=False, weight_decay=0.5), 0.1
    )
    kernel, bias = tf.Variable([2.0], name="dense/kernel"), tf.Variable([2.0], name="dense/bias")
    optimizer.apply_gradients([(tf.zeros(1), kernel), (tf.zeros(1), bias)])
    assert (float(kernel[0]), float(bias[0])) == pytest.approx((2.0 * (1 - 0.05), 2.0))


def test_sgdw_steps_by_its_rate_and_takes_its_decay_whatever_the_rate():
    config = TrainConfig(optimizer="sgdw", momentum=0.0, nesterov=False, weight_decay=0.25)
    optimizer, weight = optimizers.build_optimizer(config, 0.01), tf.Variable([2.0], name="kernel")
    optimizer.apply_gradients([(tf.constant([10.0]), weight)])
    assert float(weight[0]) == pytest.approx(2.0 - 0.25 * 2.0 - 0.01 * 10)


@pytest.mark.parametrize("name", ["sgd", "sgdw"])
def test_the_logged_rate_is_that_of_the_last_step(name):
    schedule = optimizers.build_schedule("one_cycle", 0.1, STEPS, 2, {})
    optimizer, weight = (
        optimizers.build_optimizer(TrainConfig(optimizer=name), schedule),
        tf.Variable([2.0], name="kernel"),
    )
    for step in range(4):
        optimizer.apply_gradients([(tf.constant([1.0]), weight)])
        assert callbacks.last_rate(optimizer) == pytest.approx(float(schedule(step)))


def test_the_proposed_range_lies_where_the_loss_falls():
    rate = np.geomspace(1e-5, 1, 100)
    loss = np.where(rate < 1e-3, 2.3, 2.3 - 0.5 * np.log10(rate / 1e-3))
    loss = np.where(rate > 0.1, loss + 40 * (rate - 0.1), loss)
    table = range_test.pd.DataFrame({"learning_rate": rate, "smoothed_loss": loss})
    low, high = range_test.propose_rate(table)
    assert 1e-3 < low < high < 0.1
    flat = table.assign(smoothed_loss=np.linspace(1, 2, 100))
    assert np.isnan(range_test.propose_rate(flat)).all()


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
