"""One run from a config to its folder, and sweeps over many."""

import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tensorflow import keras

from cifar102.datasets import sets
from cifar102.models import layers, networks, registry
from cifar102.training import callbacks, machine, optimizers, predict, runs, snapshots
from cifar102.training import data as training_data
from cifar102.training.callbacks import derive_seed
from cifar102.training.config import TrainConfig, hash_config
from cifar102.training.data import Load, TrainingData
from cifar102.training.runs import Run
from cifar102.workspace import files
from cifar102.workspace.files import plain, read_json, write_json
from cifar102.workspace.folders import Workspace


def draw_initial_weights(model: keras.Model, seed: int) -> None:
    """Draw every trainable kernel anew, by its own initializer with a seed of (seed, shape, how-manieth such shape).

    Without this a dropout layer, which takes a seed of its own when built, would change all weights after it, and
    arms with and without it would not be a pair. Biases and normalisation start from constants. Dropout layers get
    seeds of (seed, how-manieth): the next number of Python's generator is another one in Keras 3 than in Keras 2.
    """
    dropouts = [layer for layer in model._flatten_layers() if isinstance(layer, layers.CountedDropout)]
    for position, layer in enumerate(dropouts):
        layer.seed = derive_seed("dropout", seed, position)
    seen: Counter = Counter()
    for layer in model._flatten_layers():
        kernel, initializer = getattr(layer, "kernel", None), getattr(layer, "kernel_initializer", None)
        if kernel is None or initializer is None or not layer.trainable:
            continue
        settings = initializer.get_config()
        if "seed" not in settings:
            continue
        shape = tuple(int(size) for size in kernel.shape)
        settings["seed"] = derive_seed("weights", seed, shape, seen[shape])
        seen[shape] += 1
        kernel.assign(type(initializer).from_config(settings)(shape))


def copy_weights(model: keras.Model, path: Path) -> None:
    """Give the model the weights of a saved model; ValueError where the two are not the same architecture."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"start_from: {path} does not exist; train that run first")
    weights = registry.load_model(path).get_weights()
    shapes, wanted = [weight.shape for weight in weights], [weight.shape for weight in model.get_weights()]
    if shapes != wanted:
        raise ValueError(f"start_from: {path} has weights of shapes {shapes}, the model needs {wanted}")
    model.set_weights(weights)


# Keras's seeds and precision are global: threads of one process (Dask workers) take turns.
ONE_AT_A_TIME = threading.Lock()
# A worker that a cluster has given up, or whose client was killed, may go on with its run: the second one waits for it.
LOCK_SECONDS = 7 * 24 * 3600


def fit(config: TrainConfig, workspace: Workspace | str | Path) -> Run:
    """Train one config, or return its finished run from disk.

    The run folder gets config.json, history.csv, model.keras, normalization.json, predictions.npz and, last,
    metrics.json, whose presence means finished. A run that was killed goes on from its last finished epoch and ends
    with the same numbers. A finished run with the same config_hash (config and data) is not trained again; where only
    the evaluation sets changed, its model predicts anew. Raises ValueError or FileNotFoundError before any training
    where the config does not fit the data or the model.
    """
    workspace = Workspace(workspace)
    return fit_loaded(config, workspace, lambda name: sets.load(name, workspace))


def fit_loaded(config: TrainConfig, workspace: Workspace, load_set: Load) -> Run:
    """What `fit` does, with a function that loads data sets; a sweep gives one that remembers them."""
    data = training_data.load(config, load_set)
    folder = workspace.root / config.folder
    start_hash = _start_hash(config, workspace)
    hashes = {
        "config_hash": hash_config(config, data.train_hash + data.evaluation_hash + start_hash),
        "train_hash": hash_config(config, data.train_hash + start_hash, leave_out=("evaluate_on", "test_views")),
    }
    if run := _finished(config, folder, hashes):
        return run
    with files.locked(folder / ".lock", LOCK_SECONDS):
        return _finished(config, folder, hashes) or _fit_alone(config, workspace, data, hashes)


def _finished(config: TrainConfig, folder: Path, hashes: dict) -> Run | None:
    """The run on disk where it is finished and of this config; what a kill after its last act left is removed."""
    if _metrics_in(folder).get("config_hash") != hashes["config_hash"]:
        return None
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return Run(config, folder, note=machine.code_note(read_json(folder / "config.json")))


def _metrics_in(folder: Path) -> dict:
    path = folder / "metrics.json"
    return read_json(path) if path.is_file() else {}


def _fit_alone(config: TrainConfig, workspace: Workspace, data: TrainingData, hashes: dict) -> Run:
    folder = workspace.root / config.folder
    found = _metrics_in(folder)
    with ONE_AT_A_TIME, _precision(config.precision):
        machine.fix_randomness(config.seed)
        if found.get("train_hash") == hashes["train_hash"] and (folder / "model.keras").is_file():
            return _finish(config, folder, data, registry.load_model(folder / "model.keras"), {**found, **hashes})
        return _train(config, workspace, data, hashes)


def _train(config: TrainConfig, workspace: Workspace, data: TrainingData, hashes: dict) -> Run:
    folder = workspace.root / config.folder
    (folder / "metrics.json").unlink(missing_ok=True)
    if config.model == "random_features":
        return _train_estimator(config, folder, data, hashes)
    strategy = machine.strategy()
    with strategy.scope():
        model = build_model(config, workspace, data)
        stopper = callbacks.BestWeights(config.patience) if config.patience else None
        keeper = callbacks.EpochCheckpoint(folder / "checkpoint", model, hashes["train_hash"], stopper)
        state = keeper.restore()
    first_epoch = state["epoch"]
    if first_epoch:
        print(
            f"[{config.name}] goes on after epoch {first_epoch}: the process before was killed or stopped", flush=True
        )
    runs.start_run(config, folder, {**hashes, "machine": machine.record()}, first_epoch)
    lines = callbacks.EpochLines(config.name, config.epochs, len(data.train_rows))
    if not state["stopped"]:
        last = [callback for callback in (*_extras(config, folder), stopper) if callback]
        table = keras.callbacks.CSVLogger(str(folder / "history.csv"), append=True)
        _fit_model(model, config, data, first_epoch, [lines, *last, table, keeper])
    numbers = {"parameters": registry.num_parameters(model), "epochs": keeper.state["epoch"]}
    numbers |= {name: keeper.state[name] for name in ("seconds", "processor_seconds")}
    seen = keeper.state["epoch"] * len(data.train_rows)  # where it was killed after its last epoch, no epoch is timed
    numbers["images_per_second"] = lines.images_per_second or seen / keeper.state["seconds"]
    if stopper:
        numbers["best_epoch"] = keeper.state["best"]["best_epoch"] + 1
    if config.norm_batches:
        batches = training_data.training_batches(config, data, first_epoch=config.epochs).take(config.norm_batches)
        snapshots.refresh_norms(model, batches)
    return _finish(config, folder, data, model, {**numbers, **hashes})


def build_model(config: TrainConfig, workspace: Workspace, data: TrainingData) -> keras.Model:
    """The compiled model of a config with its first weights: drawn by the seed, or those of `start_from`."""
    model = registry.build(config.model, data.num_classes, **config.model_options)
    draw_initial_weights(model, config.seed)
    if config.model == "fast_cnn":
        networks.prepare_fast_cnn(model, data.normalization.apply(data.images[data.train_rows[:5000]]))
    if config.start_from:
        copy_weights(model, workspace.root / config.start_from / "model.keras")
    steps = training_data.num_steps(config, data)
    rate = optimizers.build_schedule(
        config.schedule, config.learning_rate, steps, config.epochs, config.schedule_options
    )
    model.compile(
        optimizers.build_optimizer(config, rate),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # Keras 3 would compile by XLA, which is slower on a processor, and Keras 2 would not
    )
    return model


def _fit_model(model: keras.Model, config: TrainConfig, data: TrainingData, first_epoch: int, callbacks: list) -> None:
    model.fit(
        training_data.training_batches(config, data, first_epoch),
        epochs=config.epochs,
        initial_epoch=first_epoch,
        steps_per_epoch=training_data.num_steps(config, data),
        validation_data=training_data.validation_batches(data, 500) if config.num_validation else None,
        callbacks=callbacks,
        shuffle=False,  # the batches have their order; Keras 3 warns where this is left unsaid
        verbose=0,
    )


def _extras(config: TrainConfig, folder: Path) -> Iterator[keras.callbacks.Callback]:
    if epochs := snapshots.epochs_of(config):
        yield snapshots.Snapshots(folder / "snapshots", epochs)
    if config.lookahead is not None:
        yield callbacks.Lookahead(config.lookahead)
    if config.tensorboard:
        yield keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False)


def _train_estimator(config: TrainConfig, folder: Path, data: TrainingData, hashes: dict) -> Run:
    runs.start_run(config, folder, {**hashes, "machine": machine.record()}, 0)
    started, processor_started = time.perf_counter(), time.process_time()
    estimator = registry.build(config.model, data.num_classes, **{"seed": config.seed, **config.model_options})
    estimator.fit(data.train_images, data.train_labels)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - processor_started
    numbers = {"parameters": registry.num_parameters(estimator), "epochs": 1, "seconds": seconds}
    numbers |= {"processor_seconds": processor_seconds, "images_per_second": len(data.train_rows) / seconds}
    return _finish(config, folder, data, estimator, {**numbers, **hashes})


def _finish(config: TrainConfig, folder: Path, data: TrainingData, model: object, numbers: dict) -> Run:
    """Measure, write model, predictions and at last metrics.json, then drop the checkpoints."""
    parts: dict = {}
    if config.num_snapshots:
        steps = training_data.num_steps(config, data)
        probabilities, parts = snapshots.measure_snapshots(
            model, folder, config, data, lambda: training_data.training_batches(config, data).take(steps)
        )
    else:
        probabilities = predict.predict_sets(model, data, config.test_views)
    machine.save_model(model, folder / "model.keras")
    write_json(folder / "normalization.json", machine.to_json(data.normalization))
    runs.write_predictions(folder, predict.to_predictions(probabilities, data))
    shares = predict.accuracies(probabilities, data)
    write_json(folder / "metrics.json", plain({**numbers, "num_train": len(data.train_rows), **shares, **parts}))
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    (folder / "error.json").unlink(missing_ok=True)
    return Run(config, folder)


def _start_hash(config: TrainConfig, workspace: Workspace) -> str:
    if not config.start_from:
        return ""
    path = workspace.root / config.start_from / "metrics.json"
    if not path.is_file():
        raise FileNotFoundError(f"start_from: {path} does not exist; train that run first")
    return str(read_json(path)["train_hash"])


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
