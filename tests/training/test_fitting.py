import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from logging.handlers import BufferingHandler

import numpy as np
import pytest
import tensorflow
from scipy import special

from cifar102.cifar import ImageSet
from cifar102.datasets import sets
from cifar102.models import registry
from cifar102.studies import arms, baselines
from cifar102.training import (
    callbacks,
    data,
    fitting,
    machine,
    pipeline,
    predict,
    range_test,
    runs,
    snapshots,
    sweeps,
)
from cifar102.training.config import TrainConfig, hash_config
from cifar102.workspace.files import read_json, write_json
from cifar102.workspace.folders import REPOSITORY, Workspace

SMALL = {"filters": [4, 4], "dense_units": 16, "dropout": 0.25, "batch_norm": True}
PLAIN = {"filters": [4], "dense_units": 8}  # without dropout and batch norm
CONFIG = TrainConfig(
    arm="whole",
    model="ablation_cnn",
    model_options=SMALL,
    num_train=60,
    num_validation=40,
    augmentation="cutmix",
    epochs=3,
    batch_size=20,
    learning_rate=0.05,
    schedule="one_cycle",
    evaluate_on=("cifar10", "cifar102"),
)


def make_set(count: int, seed: int) -> ImageSet:
    """Images whose brightness tells the class, so that training has something to find."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 10
    images = rng.integers(0, 100, (count, 32, 32, 3)) + 15 * labels[:, None, None, None]
    return ImageSet(images.astype(np.uint8), labels.astype(np.int64))


SETS = {
    name: {"train": make_set(120, seed), "test": make_set(30, 9 + seed)}
    for seed, name in enumerate(["cifar10", "cifar102"])
}


@pytest.fixture(scope="module", autouse=True)
def small_sets():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "load", lambda name, workspace: SETS[name])
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def whole(shared) -> runs.Run:
    return fitting.fit(CONFIG, shared)


def numbers(run: runs.Run) -> dict:
    timed = ("seconds", "processor_seconds", "images_per_second")
    return {name: value for name, value in run.metrics.items() if name not in timed}


def assert_same_run(one: runs.Run, other: runs.Run) -> None:
    assert (one.folder / "history.csv").read_bytes() == (other.folder / "history.csv").read_bytes()
    assert numbers(one) == numbers(other)
    ours, theirs = one.predictions(), other.predictions()
    assert all(np.array_equal(ours[name][key], theirs[name][key]) for name in ours for key in ours[name])


def interrupt_after(monkeypatch, epoch: int, is_saved: bool) -> None:
    """Have the next run break off in epoch `epoch` (from 0), after its checkpoint or just before it."""
    save = callbacks.EpochCheckpoint.on_epoch_end

    def breaking(self, number, logs=None):
        if number < epoch or is_saved:
            save(self, number, logs)
        if number == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.EpochCheckpoint, "on_epoch_end", breaking)


def leave_a_part_of_a_checkpoint(workspace: Workspace) -> None:
    """What TensorFlow leaves of a checkpoint that was being written when the process was killed."""
    [state] = workspace.root.rglob("state.json")
    for name in ("epoch-2_temp/part-00000-of-00001.index.tempstate4931624493231927267", "epoch-3.index"):
        path = state.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cut")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"optimizer": "sgdd"}, "optimizer"),
        ({"arm": "a/b"}, "arm"),
        ({"momentum": 1.0}, "momentum"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"schedule_options": {"cycle_epochs": 2}}, "schedule_options"),
        ({"patience": 3, "num_validation": 0}, "patience"),
        ({"num_snapshots": 2}, "num_snapshots"),
        ({"model_options": {"a": object()}}, "JSON"),
        ({"evaluate_on": ("cifar10", "cifar10")}, "evaluate_on"),
        ({"nonsense": 1}, "nonsense"),
        ({"optimizer": "muon"}, "kernel_rate"),
        ({"kernel_rate": 0.2}, "kernel_rate"),
        ({"optimizer": "muon", "kernel_rate": -1.0}, "kernel_rate"),
        ({"norm_batches": -1}, "norm_batches"),
        ({"norm_batches": 3, "model": "random_features"}, "norm_batches"),
        ({"norm_batches": 3, "schedule": "cosine_restarts", "num_snapshots": 2, "patience": None}, "norm_batches"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(change, name):
    with pytest.raises(ValueError, match=name):
        CONFIG.replace(**change)


def test_a_config_survives_json_and_its_hash_ignores_only_where_the_run_stands():
    assert TrainConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG
    assert hash_config(CONFIG.replace(arm="b", study="c"), "data") == hash_config(CONFIG, "data")
    assert hash_config(CONFIG.replace(seed=1), "data") != hash_config(CONFIG, "data")
    assert hash_config(CONFIG, "other data") != hash_config(CONFIG, "data")


def test_fields_that_came_later_leave_the_hashes_of_earlier_runs_as_they_were():
    before = "13c6702097b87d4a6de23ca23d5274b4137e58d530e2f5a72590e7c436016035"
    assert hash_config(TrainConfig(), "data") == before
    assert hash_config(TrainConfig(test_views="mirror"), "data") != before
    assert hash_config(TrainConfig(norm_batches=3), "data") != before


def test_a_field_that_is_gone_is_read_where_it_was_unset_and_leaves_the_hash_as_it_was():
    config = baselines.fast_cnn_config(precision="float32")
    before = "d07b29a445e7ea3f11c36a7d9f68082273320317a813ae7246da0c58581a07f0"
    old = {**config.to_dict(), "lookahead": None}
    assert hash_config(TrainConfig.from_dict(old), "data") == before
    with pytest.raises(ValueError, match=r"no fields.*lookahead"):
        TrainConfig.from_dict({**old, "lookahead": 0.9})


def test_a_run_leaves_its_files_with_predictions_in_file_order(whole, shared):
    predictions, metrics = whole.predictions(), whole.metrics
    assert set(predictions) == {"validation", "cifar10", "cifar102"}
    probabilities = predictions["cifar102"]["probabilities"]
    assert (probabilities.dtype, probabilities.shape) == (np.float16, (30, 10))
    ids, labels = predictions["cifar102"]["class_ids"], SETS["cifar102"]["test"].labels
    assert metrics["cifar102_accuracy"] == pytest.approx(np.mean(ids == labels))
    rows = predictions["validation"]["rows"]
    assert metrics["validation_accuracy"] == pytest.approx(
        np.mean(predictions["validation"]["class_ids"] == SETS["cifar10"]["train"].labels[rows])
    )
    model = registry.load_model(whole.folder / "model.keras")
    settings = read_json(whole.folder / "normalization.json")
    pixels = SETS["cifar102"]["test"].images / 255
    logits = model.predict((pixels - settings["mean"]) / settings["std"], verbose=0)
    assert special.softmax(logits, axis=1) == pytest.approx(probabilities.astype(float), abs=2e-3)
    assert not (whole.folder / "checkpoint").exists()


def test_the_table_of_runs_has_the_contracts_columns_and_is_kept_as_parquet(whole, shared):
    table = runs.runs_table(shared, "study")
    row = table[table["arm"] == "whole"].iloc[0]
    assert list(table.columns[:13]) == list(runs.FIRST_COLUMNS)
    assert (row["run"], row["num_train"], row["epochs"]) == ("runs/study/whole/seed-0", 60, 3)
    assert row["cifar10_accuracy"] == whole.metrics["cifar10_accuracy"]
    assert runs.write_runs_table(shared).name == "runs.parquet"


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_run_interrupted_before_or_after_its_checkpoint_ends_like_an_unbroken_one(whole, workspace, is_saved):
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, epoch=1, is_saved=is_saved)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(CONFIG, workspace)
    leave_a_part_of_a_checkpoint(workspace)
    resumed = fitting.fit(CONFIG, workspace)
    assert resumed.history["epoch"].tolist() == [0, 1, 2]
    assert_same_run(resumed, whole)


def test_a_run_killed_after_its_last_epoch_still_tells_its_speed(whole, workspace):
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, epoch=2, is_saved=True)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(CONFIG, workspace)
    resumed = fitting.fit(CONFIG, workspace)
    assert_same_run(resumed, whole)
    assert resumed.metrics["images_per_second"] == pytest.approx(3 * 60 / resumed.metrics["seconds"])


@pytest.mark.parametrize("own", [{"precision": "mixed_bfloat16"}, {"precision": "float32"}])
def test_the_fast_recipe_is_resumed_too_and_averages_the_views_of_test_images(workspace, own):
    rates = {"kernel_rate": 0.05, "learning_rate": 0.02, "norm_batches": 6}  # of 10 images a batch
    changes = {"batch_size": 10, "model_options": {"filters": [4, 8, 8]}, **rates, **own}
    config = baselines.fast_cnn_config(3, num_train=60, **changes)
    assert (config.test_views, config.dataset) == ("mirror_shift", "cifar10")
    straight = fitting.fit(config, workspace)
    other = Workspace(workspace.root / "broken")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, epoch=1, is_saved=True)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(config, other)
    assert_same_run(fitting.fit(config, other), straight)
    model = registry.load_model(straight.folder / "model.keras")
    settings = pipeline.Normalization(**read_json(straight.folder / "normalization.json"))
    images, found = SETS["cifar10"]["test"].images, straight.predictions()["cifar10"]["probabilities"].astype(float)
    averaged, plain = (predict.predictor(model, settings, views=views)(images) for views in ("mirror_shift", "one"))
    assert averaged == pytest.approx(found, abs=1e-3)
    assert plain != pytest.approx(found, abs=1e-3)


def test_norm_batches_take_batch_norms_statistics_anew_and_leave_the_other_weights(workspace):
    options = {"model_options": {"filters": [4, 8, 8]}, "num_train": 60, "precision": "float32"}
    config = baselines.fast_cnn_config(1, batch_size=10, **options)
    kept, anew = (fitting.fit(config.replace(arm=f"norm-{count}", norm_batches=count), workspace) for count in (0, 60))
    model, other = (registry.load_model(run.folder / "model.keras") for run in (kept, anew))
    for layer, same in zip(model.layers, other.layers, strict=True):
        is_norm = layer.name.endswith("_norm")
        for before, after in zip(layer.get_weights(), same.get_weights(), strict=True):
            assert np.array_equal(before, after) is not is_norm
    images = pipeline.Normalization(**read_json(anew.folder / "normalization.json")).apply(
        SETS["cifar10"]["train"].images
    )
    inputs = fitting.keras.Model(other.inputs[0], other.get_layer("block1_conv1_norm").input)(images).numpy()
    found = other.get_layer("block1_conv1_norm").moving_mean.numpy()
    assert found == pytest.approx(inputs.mean(axis=(0, 1, 2)), abs=0.1 * float(inputs.std()))


def test_early_stopping_ends_with_the_best_weights_also_when_it_was_interrupted(workspace):
    config = CONFIG.replace(patience=2, epochs=12, schedule="constant", learning_rate=0.5, augmentation="none")
    straight = fitting.fit(config, workspace)
    best = straight.history["val_accuracy"]
    assert len(best) < 12
    assert straight.metrics["validation_accuracy"] == pytest.approx(best.max())
    assert straight.metrics["best_epoch"] == best.argmax() + 1
    for epoch in (len(best) - 2, len(best) - 1):  # an epoch before it stops, and when it has just stopped
        other = Workspace(workspace.root / f"broken-{epoch}")
        with pytest.MonkeyPatch.context() as patch:
            interrupt_after(patch, epoch=epoch, is_saved=True)
            with pytest.raises(KeyboardInterrupt):
                fitting.fit(config, other)
        assert_same_run(fitting.fit(config, other), straight)


def test_a_finished_run_is_kept_and_a_new_evaluation_set_does_not_train_it_again(whole, shared, monkeypatch):
    monkeypatch.setattr(fitting, "_train", lambda *_: pytest.fail("it was trained again"))
    before = (whole.folder / "metrics.json").read_bytes()
    assert fitting.fit(CONFIG, shared).note is None
    assert (whole.folder / "metrics.json").read_bytes() == before
    fewer = fitting.fit(CONFIG.replace(evaluate_on=("cifar10",)), shared)
    assert set(fewer.predictions()) == {"validation", "cifar10"}
    assert fitting.fit(CONFIG, shared).metrics["cifar102_accuracy"] == json.loads(before)["cifar102_accuracy"]


def test_a_finished_run_of_other_code_is_kept_with_a_note(whole, shared):
    record = read_json(whole.folder / "config.json")
    write_json(whole.folder / "config.json", {**record, "machine": {**record["machine"], "code_hash": "0" * 64}})
    assert "code 00000000" in fitting.fit(CONFIG, shared).note
    write_json(whole.folder / "config.json", record)


def test_training_images_that_changed_are_trained_on_again(whole, shared, monkeypatch):
    changed = {**SETS, "cifar10": {**SETS["cifar10"], "train": make_set(120, 77)}}
    monkeypatch.setattr(sets, "load", lambda name, workspace: changed[name])
    monkeypatch.setattr(fitting, "_train", lambda *_: "trained")
    assert fitting.fit(CONFIG, shared) == "trained"


def test_that_each_run_traces_its_own_network_is_no_warning():
    handler, logger = BufferingHandler(10), tensorflow.get_logger()
    machine.silence_retracing()
    logger.addHandler(handler)
    logger.warning("5 out of the last 5 calls to f triggered tf.function retracing.")
    logger.warning("something else")
    logger.removeHandler(handler)
    assert [record.getMessage() for record in handler.buffer] == ["something else"]


def test_initial_weights_depend_on_the_seed_but_not_on_dropout_or_batch_norm():
    def kernels(seed, **options):
        model = registry.build("ablation_cnn", **{**SMALL, **options})
        fitting.draw_initial_weights(model, seed)
        return [layer.get_weights()[0] for layer in model.layers if hasattr(layer, "kernel")]

    plain, other = kernels(0, dropout=0.0, batch_norm=False), kernels(0, dropout=0.5, batch_norm=True)
    assert all(np.array_equal(a, b) for a, b in zip(plain, other, strict=True))
    assert not np.array_equal(plain[0], kernels(1)[0])
    assert not np.array_equal(*[kernel for kernel in kernels(0, filters=[3, 3, 3]) if kernel.shape == (3, 3, 3, 3)][:2])


def test_snapshots_are_taken_at_cycle_ends_and_predict_as_their_mean(workspace):
    cycles = {"schedule": "cosine_restarts", "schedule_options": {"first_period_epochs": 1}, "num_snapshots": 2}
    config = CONFIG.replace(**cycles, evaluate_on=("cifar10",))
    run = fitting.fit(config, workspace)
    assert [part["epoch"] for part in run.metrics["snapshots"]] == [2, 3]
    assert 0 <= run.metrics["weight_average"]["validation_accuracy"] <= 1
    parts = snapshots.snapshot_table([run]).set_index("part")["accuracy"]
    assert list(parts.index) == ["snapshot after epoch 2", "snapshot after epoch 3", "averaged weights", "ensemble"]
    assert parts["ensemble"] == run.metrics["cifar10_accuracy"]
    model = registry.load_model(run.folder / "model.keras")
    settings = read_json(run.folder / "normalization.json")
    pixels = (SETS["cifar10"]["test"].images / 255 - settings["mean"]) / settings["std"]
    outcomes = []
    for epoch in (2, 3):
        model.set_weights(snapshots.read_snapshot(run.folder / "snapshots" / f"epoch-{epoch}.npz"))
        outcomes.append(special.softmax(model.predict(pixels, verbose=0), axis=1))
    expected = run.predictions()["cifar10"]["probabilities"].astype(float)
    assert np.mean(outcomes, axis=0) == pytest.approx(expected, abs=2e-3)


def test_too_few_cycles_for_the_snapshots_are_an_error():
    config = CONFIG.replace(schedule="triangular", num_snapshots=3, epochs=3, schedule_options={"cycle_epochs": 2})
    with pytest.raises(ValueError, match="ends only 1 cycles"):
        snapshots.epochs_of(config)


def test_the_average_of_equal_weights_is_these_weights(rng):
    model = registry.build("ablation_cnn", **{**SMALL, "batch_norm": False})
    weights = model.get_weights()
    snapshots.average_weights(model, [weights, weights, weights], None)
    assert all(np.allclose(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


def test_random_features_are_a_run_like_any_other(workspace):
    config = CONFIG.replace(model="random_features", model_options={"num_filters": 16}, augmentation="none")
    run = fitting.fit(config, workspace)
    assert run.metrics["train_accuracy"] > 0.5
    assert run.predictions()["cifar10"]["probabilities"].shape == (30, 10)
    assert len(run.history) == 0  # no epochs, and no error where curves of several networks are drawn


def test_a_sweep_reports_a_failed_run_and_goes_on(whole, shared, capsys):
    too_many = CONFIG.replace(arm="too-many", num_train=5000)
    wrong = CONFIG.replace(arm="wrong", model_options={"poolling": "max"})
    done = sweeps.sweep([too_many, wrong, CONFIG], workspace=shared)
    assert [run.error is None for run in done] == [False, False, True]
    assert "5000" in done[0].error and "poolling" in done[1].error
    assert "(3/3)" in (printed := capsys.readouterr().out) and printed.count("FAILED") == 2
    assert "too-many" not in set(runs.runs_table(shared)["arm"])


def test_running_out_of_memory_is_called_that(tmp_path):
    assert runs.write_error(tmp_path, MemoryError("8 GiB")).startswith("out of memory")


def test_a_worker_that_the_system_killed_is_reported_as_such(tmp_path):
    class KilledWorker(Exception):
        pass

    class Future:
        def result(self):
            raise KilledWorker("runs/a")

    run = sweeps._gather(Future(), CONFIG, Workspace(tmp_path))
    assert "runs out of memory" in run.error and not run.is_finished


def test_a_sweep_refuses_two_runs_of_one_folder():
    with pytest.raises(ValueError, match="twice"):
        sweeps.sweep([CONFIG, CONFIG])


def test_the_optimizers_study_starts_each_arm_from_the_checkpoints_weights(workspace, capsys):
    options = {"filters": [4], "dense_units": 8}
    configs = arms.study_configs(
        "optimizers", seeds=[0], num_train=20, num_validation=20, epochs=1, batch_size=20, dataset="cifar10",
        num_arms=1, model_options=options,
    )  # fmt: skip
    done = sweeps.sweep(configs, workspace=workspace)
    assert [run.error for run in done] == [None, None]
    missing = sweeps.sweep([configs[1]], workspace=Workspace(workspace.root / "empty"))
    assert "train that run first" in missing[0].error
    model = registry.build("ablation_cnn", **options)
    fitting.copy_weights(model, done[0].folder / "model.keras")
    expected = registry.load_model(done[0].folder / "model.keras").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), expected, strict=True))


def test_the_range_test_leaves_the_weights_as_they_were_and_starts_from_them(workspace):
    config = CONFIG.replace(model_options={"filters": [4], "dense_units": 8}, augmentation="none", schedule="constant")
    loaded = data.load(config, lambda name: SETS[name])
    model = fitting.build_model(config, workspace, loaded)
    before = model.get_weights()
    table = range_test.rate_range_test(config, workspace, num_steps=12, model=model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    first = model.evaluate(loaded.training_batches(), steps=1, verbose=0)[0]
    assert table["loss"][0] == pytest.approx(first, rel=1e-3)
    assert table["learning_rate"].tolist() == pytest.approx(np.geomspace(1e-5, 1, 12)[: len(table)])


def test_event_files_of_tensorboard_are_left_on_demand_and_change_no_number(workspace):
    config = CONFIG.replace(model_options=PLAIN, epochs=2, evaluate_on=())
    plain = fitting.fit(config, workspace)
    watched = fitting.fit(config.replace(arm="watched", tensorboard=True), workspace)
    assert not (plain.folder / "tensorboard").exists()
    assert list((watched.folder / "tensorboard").rglob("events.out.tfevents*"))
    assert (plain.folder / "history.csv").read_bytes() == (watched.folder / "history.csv").read_bytes()


def test_mixed_precision_trains_and_leaves_the_global_policy_as_it_was(workspace):
    config = CONFIG.replace(model_options=PLAIN, epochs=2, evaluate_on=(), precision="mixed_bfloat16", arm="mixed")
    run = fitting.fit(config, workspace)
    assert np.isfinite(run.history["loss"]).all()
    assert fitting.keras.mixed_precision.global_policy().name == "float32"
    loaded = registry.load_model(run.folder / "model.keras")
    assert loaded.get_layer("dense").compute_dtype == "bfloat16" and loaded.get_layer("logits").dtype == "float32"


def test_smoothed_labels_give_the_loss_computed_by_hand(workspace):
    still = {
        "model_options": PLAIN,
        "epochs": 1,
        "augmentation": "none",
        "schedule": "constant",
        "learning_rate": 1e-12,
    }
    run = fitting.fit(CONFIG.replace(**still, label_smoothing=0.2, num_validation=0, arm="smooth"), workspace)
    loaded = data.load(run.config, lambda name: SETS[name])
    logits = registry.load_model(run.folder / "model.keras").predict(
        loaded.normalization.apply(loaded.train_images), verbose=0
    )
    shares = np.full((60, 10), 0.02) + 0.8 * np.eye(10)[loaded.train_labels]
    expected = -(shares * special.log_softmax(logits, axis=1)).sum(axis=1).mean()
    assert run.history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_a_moving_average_of_weights_is_what_the_run_ends_with(workspace):
    config = CONFIG.replace(model_options=PLAIN, epochs=2, evaluate_on=(), arm="plain")
    runs_by_momentum = {
        momentum: fitting.fit(config.replace(arm=f"ema{momentum}", ema_momentum=momentum), workspace)
        for momentum in (None, 0.0, 0.9)
    }
    weights = {
        momentum: registry.load_model(run.folder / "model.keras").get_weights()
        for momentum, run in runs_by_momentum.items()
    }
    assert all(np.array_equal(a, b) for a, b in zip(weights[None], weights[0.0], strict=True)), "of one step alone"
    assert not any(np.array_equal(a, b) for a, b in zip(weights[None], weights[0.9], strict=True))


def run_python(code: str, *arguments: object) -> subprocess.Popen:
    """Start Python on code in which this file is imported and its small sets stand for the real ones."""
    head = (
        "import sys; from tests.training import test_fitting as t; t.sets.load = lambda name, workspace: t.SETS[name]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of Unix")
def test_a_run_killed_at_a_random_moment_ends_like_an_unbroken_one(workspace):
    config = CONFIG.replace(epochs=30)
    other = Workspace(workspace.root / "killed")
    process = run_python("t.fitting.fit(t.CONFIG.replace(epochs=30), sys.argv[1])", other.root)
    history = other.root / config.folder / "history.csv"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not history.is_file():
        time.sleep(0.02)
    time.sleep(np.random.default_rng(time.time_ns()).uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert_same_run(fitting.fit(config, other), fitting.fit(config, workspace))


@pytest.mark.slow
def test_two_devices_give_the_numbers_of_one(whole, tmp_path):
    code = """
    import tensorflow as tf
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    from cifar102.training import machine
    machine.strategy = lambda: tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.HierarchicalCopyAllReduce()
    )
    t.fitting.fit(t.CONFIG.replace(model_options={"filters": [4], "dense_units": 16}), sys.argv[1])
    """
    assert run_python(code, tmp_path / "two").wait() == 0
    config = CONFIG.replace(model_options={"filters": [4], "dense_units": 16})
    one = fitting.fit(config, tmp_path / "one")
    two = runs.read_run(tmp_path / "two" / config.folder)
    assert two.history["loss"].tolist() == pytest.approx(one.history["loss"].tolist(), rel=1e-4)


def test_every_model_that_a_worker_thread_saves_is_a_keras_file(whole, tmp_path):
    model = registry.load_model(whole.folder / "model.keras")

    def save_twice() -> None:
        for name in ("first", "second"):
            machine.save_model(model, tmp_path / f"{name}.keras")

    thread = threading.Thread(target=save_twice)
    thread.start()
    thread.join()
    for name in ("first", "second"):
        assert zipfile.is_zipfile(tmp_path / f"{name}.keras"), f"the {name} one is HDF5 under the name of a .keras file"
        assert registry.num_parameters(registry.load_model(tmp_path / f"{name}.keras")) == whole.metrics["parameters"]


@pytest.mark.slow
def test_a_dask_cluster_of_two_processes_runs_a_sweep_and_reports_the_failed_run(workspace, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            client.run(use_small_sets, str(REPOSITORY))
        small = CONFIG.replace(epochs=1)
        configs = [small.replace(seed=seed) for seed in (0, 1)]
        configs += [small.replace(arm="after", start_from=configs[1].folder), small.replace(arm="bad", num_train=9999)]
        done = sweeps.sweep(configs, scheduler=cluster.scheduler_address, workspace=workspace)
    assert [run.error is None for run in done] == [True, True, True, False]
    assert "9999" in done[3].error
    assert runs.runs_table(workspace)["seed"].tolist() == [0, 0, 1]


def use_small_sets(tests: str) -> None:
    """On a Dask worker: let the small sets of this file stand for the real ones."""
    sys.path.insert(0, tests)
    from tests.training import test_fitting as test_training

    sets.load = lambda name, workspace: test_training.SETS[name]
