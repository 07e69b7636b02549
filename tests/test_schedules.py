import numpy as np
import pytest
import tensorflow as tf

from cifar102.training import callbacks, optimizers, range_test
from cifar102.training.config import CYCLIC_SCHEDULES, OPTIMIZERS, SCHEDULES, TrainConfig

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
