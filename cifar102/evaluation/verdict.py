"""`python -m cifar102 evaluate`: a user's own model or predictions, judged on every set that is here."""

import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from cifar102.analysis import scorecard
from cifar102.analysis.predictions import SetPredictions
from cifar102.analysis.scorecard import Scorecard, TestSet
from cifar102.datasets import pools
from cifar102.evaluation import contained, meaning, prediction_tables, test_sets
from cifar102.figures import accuracy_charts, drawing
from cifar102.workspace.files import read_json, write_json, write_table
from cifar102.workspace.folders import Workspace

FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
PIXELS = ("auto", "raw", "unit")
SHOWN = ("accuracy", "gaps", "class_gaps", "keyword_gaps", "effective_robustness", "calibration")
SHOWN_KEYWORDS = 5  # of each set, those whose gap is most certain; the files hold all
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """The scorecard of one model and the files it was written to; as text, what the command prints."""

    card: Scorecard
    files: tuple[Path, ...]

    def __str__(self) -> str:
        parts = [f"{self.card.name}, all intervals {self.card.level:.0%}"]
        for key in SHOWN:
            if key in self.card.tables:
                table = self.card.tables[key].drop(columns=["model", "level", "axis"], errors="ignore")
                heading = key.replace("_", " ")
                if key == "keyword_gaps":
                    table = table.sort_values("low", ascending=False).groupby("set").head(SHOWN_KEYWORDS)
                    table = table.sort_values("set", kind="stable")
                    heading = f"keyword gaps, the {SHOWN_KEYWORDS} of each set with the highest lower limit"
                parts.append(f"{heading}\n{table.to_string(index=False, float_format='{:.4f}'.format)}")
        return "\n\n".join([*parts, "\n".join(self.card.sentences), "\n".join(f"wrote {path}" for path in self.files)])


def evaluate(
    source: str | Path,
    sets: Sequence[str] | None = None,
    workspace: Workspace | str | Path = "data/demo",
    data: str | Path | None = None,
    *,
    pixels: str = "auto",
    level: float = 0.95,
) -> Evaluation:
    """Judge a model or predictions on the sets that are here and put it beside the published line.

    source: a .keras or .h5 file of this project or of the user's own; a folder of `<set>.npy|npz|json|csv` files or a
    run folder; one such file; one of CIFAR-10.1's published prediction files; or `package.module:predict`, a function
    from uint8 (n, 32, 32, 3) to class ids (n,) or probabilities (n, 10). sets: names of test_sets.names, all
    that are here without it. data: a folder with the published sets. pixels: what a .keras file not of this project
    takes, "raw" 0-255 or "unit" 0-1 ("auto": raw where it has a Rescaling or Normalization layer).

    Writes results/evaluate-<name>.json, a .csv per table, figures/08-evaluate-<name>.* and, where there is a published
    line, figures/08-evaluate-<name>-<set>.* in the workspace. Every set that was not judged gets a sentence.
    Raises FileNotFoundError, ValueError that name the file and what was expected.
    """
    workspace = Workspace(workspace)
    place = Path(data) if data else None
    found, missing = test_sets.find(sets or test_sets.names(workspace, place), workspace, place)
    predictions, note = _predictions(str(source), found, pixels)
    name = _name(str(source))
    card = scorecard.judge(name, predictions, found, test_sets.published_folder(workspace, place), level)
    warnings = [
        sentence
        for key, said in predictions.items()
        if key in found
        for sentence in meaning.warnings(said, found[key].labels, f"{name}: {key}")
    ]
    sentences = (*note, *warnings, *card.sentences, *_left_out(found, predictions), *missing.values())
    card = Scorecard(card.name, card.level, card.tables, sentences, card.charts)
    is_own = any(Path(found[name].place).is_relative_to(workspace.root) for name in predictions if name in found)
    return Evaluation(
        card, write(card, workspace, pools.describe_pool(workspace)["title"] if is_own else "published sets")
    )


def write(card: Scorecard, workspace: Workspace, about: str = "") -> tuple[Path, ...]:
    """Write a scorecard: one .json, a .csv per table in results/, the figures; returns the paths.

    about: what the images are, for the figures' titles.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", card.name.lower()).strip("-") or "model"
    files = [write_json(workspace.results / f"evaluate-{slug}.json", card.to_json())]
    for key, table in card.tables.items():
        files.append(write_table(workspace.results / f"evaluate-{slug}-{key.replace('_', '-')}.csv", table))
    drawing.draw_panels(
        f"08-evaluate-{slug}", _panels(card), workspace, title=f"{card.name}, {card.level:.0%} intervals\n{about}"
    )
    files.append(workspace.figures / f"08-evaluate-{slug}.png")
    for new, table in card.charts.items():
        figure = f"08-evaluate-{slug}-{re.sub(r'[^a-z0-9]+', '-', new)}"
        drawing.draw(
            figure,
            "original_against_new",
            table,
            workspace,
            title=f"{card.name} beside the published models\n{about}",
            scale="probit",
            x_label="accuracy on CIFAR-10 test (%)",
            y_label=f"accuracy on {new} (%)",
        )
        files.append(workspace.figures / f"{figure}.png")
    return tuple(files)


def _panels(card: Scorecard) -> list[tuple]:
    """The panels of the model's own figure: accuracy on each set, gap per class, reliability where there is one."""
    accuracy = card.tables["accuracy"]
    look = {"label": "set", "value": "accuracy", "reference": None, "percent": True, "x_label": "accuracy (%)"}
    look |= {"value_format": None, "title": "accuracy on each set"}
    panels = [(accuracy_charts.interval_rows, accuracy[["set", "accuracy", "low", "high"]], look)]
    if "class_gaps" in card.tables:
        gaps = card.tables["class_gaps"]
        gaps = gaps[gaps["set"] == gaps["set"].iloc[0]].rename(columns={"class_name": "label"})
        points = gaps[["label"]].assign(**{name: 100 * gaps[name] for name in ("gap", "low", "high")})
        heading = f"gap per class to {gaps['set'].iloc[0]}"
        panels.append((accuracy_charts.interval_rows, points, {"value": "gap", "x_label": "points", "title": heading}))
    if "reliability" in card.tables:
        table = card.tables["reliability"]
        panels.append((accuracy_charts.reliability, table, {"hue": "set", "title": "reliability"}))
    return panels


def _left_out(sets: Mapping[str, TestSet], predictions: Mapping[str, SetPredictions]) -> list[str]:
    reasons = {name: test.missing or "there are no predictions of it" for name, test in sets.items()}
    return [f"{name} was not judged: {reason}" for name, reason in reasons.items() if name not in predictions]


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
    applied. Outputs that are no probabilities are taken for logits.
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
        return _probabilities(model.predict(prepare(images)))

    return predict, f"{Path(path).name}: {note}"


def _predictions(
    source: str, sets: Mapping[str, TestSet], pixels: str
) -> tuple[dict[str, SetPredictions], tuple[str, ...]]:
    path = Path(source).expanduser()
    if path.suffix in (".keras", ".h5"):
        predict, note = load_keras(path, pixels)
        return _predict(predict, sets, path.name), (note,)
    if path.exists():
        answers = prediction_tables.predictions_of(path, sets)
        return answers.predictions, answers.notes
    if ":" in source and not path.suffix:
        return _predict(load_function(source), sets, source), ()
    raise FileNotFoundError(f"{source}: no such file or folder, and no package.module:predict")


def _predict(predict: Predict, sets: Mapping[str, TestSet], where: str) -> dict[str, SetPredictions]:
    found = {}
    for name, test in sets.items():
        if test.images is not None:
            values = np.asarray(predict(test.images.copy()))
            found[name] = meaning.of_outputs(values, test.labels, f"{where}: {name}").predictions
    if not found:
        raise FileNotFoundError(f"{where}: no images of {sorted(sets)} are here (--data DIR, --workspace DIR)")
    return found


def _probabilities(outputs: np.ndarray) -> np.ndarray:
    outputs = np.asarray(outputs, dtype=np.float64)
    sums_to_one = np.abs(outputs.sum(axis=1) - 1).max() < 1e-3
    return outputs if outputs.min() >= 0 and sums_to_one else special.softmax(outputs, axis=1)


def _name(source: str) -> str:
    path = Path(source)
    if path.suffix in (".keras", ".h5") and path.stem == "model":
        return "-".join(path.absolute().parts[-4:-1])
    is_file = path.suffix in (*prediction_tables.SUFFIXES, ".keras", ".h5")
    return path.stem.removesuffix("_predictions") if is_file else path.name
