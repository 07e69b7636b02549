"""One run, from a config to its finished folder."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tensorflow import keras

from cifar102.datasets import sets
from cifar102.models import layers, registry
from cifar102.training import callbacks, data, machine, optimizers, predict, runs, snapshots
from cifar102.training.config import TrainConfig
from cifar102.training.data import Load, TrainingData
from cifar102.training.runs import Run, RunFolder
from cifar102.workspace.folders import Workspace

# Keras's seeds and precision are global: threads of one process (Dask workers) take turns.
ONE_AT_A_TIME = threading.Lock()
VALIDATION_BATCH = 500


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


def with_probabilities(run: Run, workspace: Workspace | str | Path) -> Run:
    """Return a finished run that has all its probabilities; one from the repository's records is trained again."""
    if run.keeps_probabilities:
        return run
    print(f"[{run.config.name}] is trained again: the repository's records keep its largest probabilities alone")
    (run.folder / "metrics.json").unlink()
    return fit(run.config, workspace)


def fit_loaded(config: TrainConfig, workspace: Workspace, load_set: Load) -> Run:
    """What `fit` does, with a function that loads data sets; a sweep gives one that remembers them."""
    machine.silence_retracing()
    loaded = data.load(config, load_set)
    folder = runs.open_folder(config, workspace, loaded.train_hash, loaded.evaluation_hash)
    if run := _finished(folder):
        return run
    with folder.locked():
        return _finished(folder) or _fit_alone(folder, loaded)


def _finished(folder: RunFolder) -> Run | None:
    record = folder.finished_record()
    return record and Run(folder.config, folder.path, note=machine.code_note(record))


def _fit_alone(folder: RunFolder, loaded: TrainingData) -> Run:
    with ONE_AT_A_TIME, _precision(folder.config.precision):
        machine.fix_randomness(folder.config.seed)
        if numbers := folder.trained_numbers():
            return _keep(folder, loaded, registry.load_model(folder.model), numbers)
        return _train(folder, loaded)


def _train(folder: RunFolder, loaded: TrainingData) -> Run:
    folder.drop_metrics()
    fit_model = _fit_estimator if registry.is_closed_form(folder.config.model) else _fit_network
    model, numbers = fit_model(folder, loaded)
    return _keep(folder, loaded, model, {**numbers, **folder.hashes})


def _fit_estimator(folder: RunFolder, loaded: TrainingData) -> tuple[object, dict]:
    config = folder.config
    folder.start(machine.record(), first_epoch=0)
    started, processor_started = time.perf_counter(), time.process_time()
    estimator = registry.build(config.model, loaded.num_classes, **{"seed": config.seed, **config.model_options})
    estimator.fit(loaded.train_images, loaded.train_labels)
    seconds, processor_seconds = time.perf_counter() - started, time.process_time() - processor_started
    numbers = {"parameters": registry.num_parameters(estimator), "epochs": 1, "seconds": seconds}
    speed = {"processor_seconds": processor_seconds, "images_per_second": len(loaded.train_rows) / seconds}
    return estimator, numbers | speed


def _fit_network(folder: RunFolder, loaded: TrainingData) -> tuple[keras.Model, dict]:
    """Train from the first epoch, or from where an earlier process was killed; gives the model and what it cost."""
    config = folder.config
    with machine.strategy().scope():
        model = build_model(config, folder.workspace, loaded)
        stopper = callbacks.BestWeights(config.patience) if config.patience else None
        keeper = callbacks.EpochCheckpoint(folder.checkpoint, model, folder.hashes["train_hash"], stopper)
        first_epoch = keeper.restore()["epoch"]
    if first_epoch:
        print(
            f"[{config.name}] goes on after epoch {first_epoch}: the process before was killed or stopped", flush=True
        )
    folder.start(machine.record(), first_epoch)
    lines = callbacks.EpochLines(config.name, config.epochs, len(loaded.train_rows))
    if not keeper.state["stopped"]:
        _fit_epochs(model, loaded, first_epoch, [lines, *_extras(folder, stopper), keeper])
    if config.norm_batches:
        snapshots.refresh_norms(model, loaded.training_batches(config.epochs).take(config.norm_batches))
    numbers = {"parameters": registry.num_parameters(model), "epochs": keeper.state["epoch"]}
    numbers |= {name: keeper.state[name] for name in ("seconds", "processor_seconds")}
    seen = keeper.state["epoch"] * len(loaded.train_rows)  # where it was killed after its last epoch, none is timed
    numbers["images_per_second"] = lines.images_per_second or seen / keeper.state["seconds"]
    return model, numbers | ({"best_epoch": keeper.state["best"]["best_epoch"] + 1} if stopper else {})


def build_model(config: TrainConfig, workspace: Workspace, loaded: TrainingData) -> keras.Model:
    """The compiled model of a config with its first weights: drawn by the seed, or those of `start_from`."""
    model = registry.build(config.model, loaded.num_classes, **config.model_options)
    draw_initial_weights(model, config.seed)
    first_images = loaded.images[loaded.train_rows[: registry.PREPARED_ON]]
    registry.prepare(config.model, model, first_images, loaded.normalization.apply)
    if config.start_from:
        copy_weights(model, runs.model_file(workspace.root / config.start_from))
    rate = optimizers.build_schedule(
        config.schedule, config.learning_rate, loaded.num_steps, config.epochs, config.schedule_options
    )
    model.compile(
        optimizers.build_optimizer(config, rate),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # Keras 3 would compile by XLA, which is slower on a processor, and Keras 2 would not
    )
    return model


def _extras(folder: RunFolder, stopper: callbacks.BestWeights | None) -> Iterator[keras.callbacks.Callback]:
    """What stands between the printed lines, which come first, and the checkpoint, which comes last."""
    if epochs := snapshots.epochs_of(folder.config):
        yield snapshots.Snapshots({epoch: folder.snapshot(epoch) for epoch in epochs})
    if folder.config.tensorboard:
        yield keras.callbacks.TensorBoard(str(folder.tensorboard), write_graph=False)
    if stopper:
        yield stopper
    yield keras.callbacks.CSVLogger(str(folder.history), append=True)


def _fit_epochs(model: keras.Model, loaded: TrainingData, first_epoch: int, callbacks: list) -> None:
    model.fit(
        loaded.training_batches(first_epoch),
        epochs=loaded.config.epochs,
        initial_epoch=first_epoch,
        steps_per_epoch=loaded.num_steps,
        validation_data=loaded.validation_batches(VALIDATION_BATCH),
        callbacks=callbacks,
        shuffle=False,  # the batches have their order; Keras 3 warns where this is left unsaid
        verbose=0,
    )


def _keep(folder: RunFolder, loaded: TrainingData, model: object, numbers: dict) -> Run:
    """Measure a trained model on all its sets and finish its folder."""
    if folder.config.num_snapshots:
        probabilities, parts = snapshots.measure_snapshots(model, folder, loaded)
    else:
        probabilities, parts = predict.predict_sets(model, loaded, folder.config.test_views), {}
    shares = predict.accuracies(probabilities, loaded)
    return folder.finish(
        functools.partial(machine.save_model, model),
        dataclasses.asdict(loaded.normalization),
        predict.to_predictions(probabilities, loaded),
        {**numbers, "num_train": len(loaded.train_rows), **shares, **parts},
    )


def draw_initial_weights(model: keras.Model, seed: int) -> None:
    """Draw every trainable kernel anew, by its own initializer with a seed of (seed, shape, how-manieth such shape).

    Without this a dropout layer, which takes a seed of its own when built, would change all weights after it, and
    arms with and without it would not be a pair. Biases and normalisation start from constants. Dropout layers get
    seeds of (seed, how-manieth): the next number of Python's generator is another one in Keras 3 than in Keras 2.
    """
    dropouts = [layer for layer in model._flatten_layers() if isinstance(layer, layers.CountedDropout)]
    for position, layer in enumerate(dropouts):
        layer.seed = _derive_seed("dropout", seed, position)
    seen: Counter = Counter()
    for layer in model._flatten_layers():
        kernel, initializer = getattr(layer, "kernel", None), getattr(layer, "kernel_initializer", None)
        if kernel is None or initializer is None or not layer.trainable:
            continue
        settings = initializer.get_config()
        if "seed" not in settings:
            continue
        shape = tuple(int(size) for size in kernel.shape)
        settings["seed"] = _derive_seed("weights", seed, shape, seen[shape])
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


def _derive_seed(*parts: object) -> int:
    """A seed below 2**31 from any JSON values, the same on every machine."""
    digest = hashlib.sha256(json.dumps(parts).encode("utf-8")).digest()
    return int.from_bytes(digest[:4], "little") >> 1


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
