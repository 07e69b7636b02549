"""From a source to what it answers: prediction files, model files, and code, each asked for every set that is here."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
from tqdm import tqdm

from cifar102.analysis.predictions import SetPredictions
from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import contained, functions, inputs, meaning, prediction_files, prediction_tables
from cifar102.evaluation.answers import Answers
from cifar102.evaluation.inputs import Form, Predict, Reading
from cifar102.workspace.files import read_json
from cifar102.workspace.names import visible

KERAS, ONNX, SAVED_MODEL = (".keras", ".h5", ".hdf5"), ".onnx", "saved_model.pb"
LARGEST_BATCH = 1 << 25  # numbers, 128 MiB of float32
GIVEN_DIFFERENTLY = {
    ".tflite": "TensorFlow Lite is not read here",
    ".pb": "a graph alone is not read here; give the SavedModel folder that it is in",
}


class Asked(TypedDict, total=False):
    """How a source is asked, the same of every command: arguments of answers_of."""

    batch: int
    pixels: str
    logits: bool | None
    trust: bool


@dataclass(frozen=True)
class Model:
    """A source that predicts; where: how sentences name it; form: what it takes, None for images as they are.

    readings: ways to give it images, the likeliest first; normalization: of a model of this project, applied instead.
    """

    name: str
    where: str
    predict: Predict
    form: Form | None = None
    readings: tuple[Reading, ...] = ()
    normalization: object = None
    notes: tuple[str, ...] = ()
    digest: str = ""


def answers_of(
    source: object,
    sets: Mapping[str, TestSet],
    *,
    name: str | None = None,
    batch: int = 500,
    pixels: str = "auto",
    logits: bool | None = None,
    trust: bool = False,
) -> Answers:
    """Ask a source for every set whose images are here, or read what it says of them.

    source: a .keras, .h5 or .onnx file or a SavedModel folder; a file or folder of predictions (prediction_tables);
    `package.module:name` or the object itself (functions). name: what the model is called. batch: images a call.
    pixels: of inputs.CHOICES, the range that a model file takes; "auto" tries them on labelled images and says what
    came out. logits: the user's word on rows of numbers. trust: the user's word that a SavedModel may run where the
    system cannot contain it. Raises FileNotFoundError, ValueError that name the source, what was found and expected.
    """
    if pixels not in inputs.CHOICES:
        raise ValueError(f"pixels: expected one of {', '.join(inputs.CHOICES)}, found {pixels!r}")
    if batch < 1:
        raise ValueError(f"batch: expected 1 or more images, found {batch}")
    model = _open(source, sets, pixels, logits, trust)
    if isinstance(model, Model):
        model = _ask(model, sets, batch, logits)
    return replace(model, name=visible(model.name if name is None else name))


def _open(
    source: object, sets: Mapping[str, TestSet], pixels: str, logits: bool | None, trust: bool
) -> Model | Answers:
    """The model that a source is, or the answers that a file of predictions holds."""
    if not isinstance(source, str | Path):
        name = getattr(source, "__name__", type(source).__name__)
        return _code(source, name, pixels)
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    if suffix in GIVEN_DIFFERENTLY:
        reason = GIVEN_DIFFERENTLY[suffix]
        raise ValueError(f"{path}: {reason}; give it as a function package.module:name, or its predictions as files")
    if suffix in (*KERAS, ONNX) and path.is_dir() and not (path / SAVED_MODEL).is_file():
        raise ValueError(f"{path}: is a folder without {SAVED_MODEL}; expected a model file or a SavedModel folder")
    if suffix in (*KERAS, ONNX) or (path / SAVED_MODEL).is_file():
        return _contained(path, pixels, trust)
    if path.exists() or suffix in prediction_files.REFUSED:
        return prediction_tables.predictions_of(path, sets, logits)
    if functions.NAME.fullmatch(str(source)):
        return _code(functions.load(str(source)), str(source), pixels)
    raise FileNotFoundError(f"{source}: no such file or folder, and no package.module:name")


def _code(found: object, name: str, pixels: str) -> Model:
    code = functions.as_code(found, name)
    readings = () if code.form is None else tuple(inputs.readings(code.form, pixels, "unit"))
    asked_for_nothing = code.form is None and pixels != "auto"
    notes = (f"{name}: --pixels is for models; code gets images as they are",) if asked_for_nothing else ()
    return Model(name, name, code.predict, code.form, readings, notes=notes)


def _contained(path: Path, pixels: str, trust: bool) -> Model:
    """A model file, opened in a process of its own."""
    model = contained.ContainedModel(path, trust)
    form = inputs.form_of(model.shape, str(path), model.dtype)
    if not any(len(shape) < 2 or shape[-1] in (1, 10, None) for shape in model.outputs.values()):
        found = ", ".join(f"{name} ({', '.join(map(str, shape[1:]))})" for name, shape in model.outputs.items())
        advice = "ten of a thousand classes are not guessed"
        raise ValueError(f"{path}: gives {found} for each image; expected the 10 classes of CIFAR-10: {advice}")
    scales = any(name in ("Rescaling", "Normalization") for name in model.layers)
    lacks = [f"opened in a process of its own, with {lack}" for lack in model.missing]
    notes = tuple(f"{path.name}: {words}" for words in (*lacks, *model.notes))
    beside = path.parent / "normalization.json"
    normalization = _normalization(beside) if beside.is_file() and pixels == "auto" else None
    readings = tuple(inputs.readings(form, pixels, "raw" if scales else "unit"))
    return Model(_name(path), path.name, model.predict, form, readings, normalization, notes, model.digest)


def _normalization(path: Path) -> object:
    with _unheard():
        from cifar102.training import pipeline

    try:
        return pipeline.Normalization(**read_json(path))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected kind, mean and std of a normalization: {error}") from error


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Nothing that is written to the error stream is shown: TensorFlow says how it starts, whatever its log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _ask(model: Model, sets: Mapping[str, TestSet], batch: int, logits: bool | None) -> Answers:
    """Ask a model for every set that has images."""
    with_images = {name: test for name, test in sets.items() if test.images is not None}
    if not with_images:
        raise FileNotFoundError(f"{model.where}: no images of {sorted(sets)} are here (--data DIR, --workspace DIR)")
    prepare, notes = _preparation(model, with_images, batch)
    found: dict[str, SetPredictions] = {}
    with tqdm(total=sum(len(test.labels) for test in with_images.values()), unit=" images", disable=None) as bar:
        for name, test in with_images.items():
            bar.set_description(visible(name))
            outputs = _in_batches(lambda images: _run(model, prepare(images)), test.images, _size(model, batch), bar)
            read_as = meaning.of_outputs(outputs, test.labels, f"{model.where}: {name}", logits=logits)
            found[name] = read_as.predictions
            notes = (*notes, *read_as.notes)
    return Answers(model.name, found, (*model.notes, *notes), model.digest)


def _preparation(model: Model, sets: Mapping[str, TestSet], batch: int) -> tuple[Predict, tuple[str, ...]]:
    """How images become the input of a model, and sentences on it."""
    if model.form is None:
        return np.array, ()
    notes = () if model.form.size in (None, (32, 32)) else (_resizing(model),)
    if model.normalization is not None:
        size = model.form.size
        return lambda images: model.normalization.apply(inputs.resized(images, size)), (
            *notes,
            f"{model.where}: normalised by normalization.json, which is beside it",
        )

    def predict(x: np.ndarray) -> np.ndarray:
        return _in_batches(lambda part: _run(model, part), x, _size(model, batch))

    reading, said = inputs.choose(predict, model.form, list(model.readings), sets, model.where)
    said = said or (f"{model.where}: {reading}",)
    return lambda images: inputs.prepare(images, model.form, reading.axes, reading.pixels), (*notes, *said)


def _resizing(model: Model) -> str:
    height, width = model.form.size
    return f"{model.where}: images resized from 32 x 32 to {height} x {width}, the size it takes"


def _size(model: Model, batch: int) -> int:
    """Images a call: as many as it takes, else no more than `batch` and than memory should hold of large ones."""
    if model.form and model.form.batch:
        return model.form.batch
    height, width = model.form.size or (32, 32) if model.form else (32, 32)
    return max(1, min(batch, LARGEST_BATCH // (3 * height * width)))


def _run(model: Model, x: np.ndarray) -> np.ndarray:
    """The outputs of one batch; where the size of batches is fixed, the last one is filled up with its last image."""
    fixed = model.form.batch if model.form else None
    if fixed is None or len(x) == fixed:
        return model.predict(x)
    return model.predict(np.concatenate([x, np.repeat(x[-1:], fixed - len(x), axis=0)]))[: len(x)]


def _in_batches(predict: Predict, images: np.ndarray, batch: int, bar: tqdm | None = None) -> np.ndarray:
    """The outputs for all images, `batch` at a time; ValueError where the parts do not fit together."""
    parts = []
    for start in range(0, len(images), batch):
        part = np.asarray(images[start : start + batch])
        parts.append(predict(part))
        if bar is not None:
            bar.update(len(part))
    return np.concatenate(parts)


def _name(path: Path) -> str:
    """What a model file is called: a run's model.keras by its study, arm and seed."""
    if path.stem == "model" and path.suffix in KERAS:
        return "-".join(path.absolute().parts[-4:-1])
    return path.name if path.is_dir() else path.stem
