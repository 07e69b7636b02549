"""A source, whatever it is, asked for its predictions: files are read, models and functions are run on the images."""

import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import contained, meaning, prediction_tables
from cifar102.evaluation.answers import Answers
from cifar102.workspace.files import read_json

FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
PIXELS = ("auto", "raw", "unit")
Predict = Callable[[np.ndarray], np.ndarray]


def answers_of(
    source: str | Path | Callable | object,
    sets: Mapping[str, TestSet],
    *,
    name: str | None = None,
    batch: int = 500,
    pixels: str = "auto",
    logits: bool | None = None,
) -> Answers:
    """Ask a source for its predictions of the sets: a file or folder of predictions, a Keras file, a function."""
    if callable(source):
        own = name or getattr(source, "__name__", type(source).__name__)
        return _asked(source, sets, own, batch, logits)
    path = Path(source).expanduser()
    if path.suffix in (".keras", ".h5"):
        predict, note = load_keras(path, pixels)
        found = _asked(predict, sets, name or _name(path), batch, logits)
        return Answers(found.name, found.predictions, (note, *found.notes), prediction_tables.digest_of(path))
    if path.exists():
        found = prediction_tables.predictions_of(path, sets, logits)
        return Answers(name or found.name, found.predictions, found.notes, found.digest)
    if ":" in str(source) and not path.suffix:
        return _asked(load_function(str(source)), sets, name or str(source), batch, logits)
    raise FileNotFoundError(f"{source}: no such file or folder, and no package.module:predict")


def _asked(predict: Predict, sets: Mapping[str, TestSet], name: str, batch: int, logits: bool | None) -> Answers:
    found, notes = {}, []
    for set_name, test in sets.items():
        if test.images is not None:
            starts = range(0, len(test.labels), batch)
            parts = [np.asarray(predict(np.array(test.images[start : start + batch]))) for start in starts]
            where = f"{name}: {set_name}"
            read_as = meaning.of_outputs(np.concatenate(parts), test.labels, where, logits=logits)
            found[set_name] = read_as.predictions
            notes += [*read_as.notes, *meaning.warnings(read_as.predictions, test.labels, where)]
    if not found:
        raise FileNotFoundError(f"{name}: no images of {sorted(sets)} are here (--data DIR, --workspace DIR)")
    return Answers(name, found, tuple(notes))


def _name(path: Path) -> str:
    return "-".join(path.absolute().parts[-4:-1]) if path.stem == "model" else path.stem


def load_function(name: str) -> Predict:
    """Import `package.module:predict`, also from the current directory; ValueError says what is not there."""
    match = FUNCTION.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r}: expected package.module:predict, or a file or folder that is there")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(match["module"])
    except (Exception, SystemExit) as error:  # somebody else's code: a script may end itself, or fail in any way
        raise ValueError(f"{name}: the module cannot be imported: {_told(error)}") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    function = getattr(module, match["name"], None)
    if not callable(function):
        raise ValueError(f"{name}: {match['module']} has no function {match['name']!r}")

    def predict(images: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(function(images))
        except (Exception, SystemExit) as error:
            raise ValueError(f"{name}: failed on {len(images)} images: {_told(error)}") from error

    return predict


def _told(error: BaseException) -> str:
    """An error of somebody else's code in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'nothing said'}"


def load_keras(path: Path, pixels: str = "auto") -> tuple[Predict, str]:
    """Return (predict, sentence) of a Keras file; predict takes uint8 images and gives probabilities (n, 10).

    What is in no table of layers is refused, and the model is opened and run in a process of its own that cannot write,
    connect or fill the memory (`contained`). Beside a model of this project stands normalization.json, which is
    applied.
    """
    if pixels not in PIXELS:
        raise ValueError(f"pixels: expected one of {PIXELS}, found {pixels!r}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its start-up notes would stand above the tables
    from cifar102.training import pipeline

    model = contained.ContainedModel(path)
    if model.shapes["output"][1:] != [10] or model.shapes["input"][1:] != [32, 32, 3]:
        shapes = f"{tuple(model.shapes['input'])} to {tuple(model.shapes['output'])}"
        raise ValueError(f"{path}: expected images (None, 32, 32, 3) to 10 classes, found {shapes}")
    beside = Path(path).parent / "normalization.json"
    if beside.is_file() and pixels == "auto":
        try:
            prepare, note = pipeline.Normalization(**read_json(beside)).apply, f"normalised by {beside.name}"
        except TypeError as error:
            raise ValueError(f"{beside}: expected kind, mean and std of a normalization: {error}") from error
    else:
        scales = any(name in ("Rescaling", "Normalization") for name in model.layers)
        kind = pixels if pixels != "auto" else "raw" if scales else "unit"
        divisor = np.float32(255 if kind == "unit" else 1)
        note = f"pixels given as {'0-1' if kind == 'unit' else '0-255'}"

        def prepare(images: np.ndarray) -> np.ndarray:
            return images.astype(np.float32) / divisor

    def predict(images: np.ndarray) -> np.ndarray:
        return model.predict(prepare(images))

    return predict, f"{Path(path).name}: {note}"
