"""Somebody's own code as a model: `package.module:name`, or the object itself. A function, a class, an estimator.

Images are uint8 (n, 32, 32, 3), a copy of their own for each call; estimators of scikit-learn and Keras models get what
they are made for. What the code prints goes to the error stream; the folder it runs in stays the user's.
"""

import contextlib
import importlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cifar102.cifar import CLASS_NAMES
from cifar102.evaluation import inputs
from cifar102.evaluation.inputs import Form, Predict

NAME = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.\w+)*):(?P<name>[A-Za-z_]\w*(?:\.\w+)*)")
OURS = Path(__file__).parents[1]
TORCH_FORM = """\
    import torch; from mynet import Net
    net = Net(); net.load_state_dict(torch.load("net.pt", weights_only=True)); net.eval()
    @torch.no_grad()
    def predict(images):  # uint8 (n, 32, 32, 3)
        return net(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)  # and your mean and deviation"""
AS_FUNCTION = f"write a file mymodel.py and evaluate mymodel:predict:\n{TORCH_FORM}"


@dataclass(frozen=True)
class Code:
    """Code that predicts; form: what it takes, None for images as they are."""

    predict: Predict
    form: Form | None = None


def load(name: str) -> object:
    """Import what `package.module:name` names, also from the current folder; ValueError says what is not there.

    name: attributes of attributes too, `package.module:Class.method`.
    """
    match = NAME.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r}: expected package.module:name, or a file or folder that is there")
    with _at_home():
        try:
            found = importlib.import_module(match["module"])
        except (Exception, SystemExit) as error:  # somebody else's code: a script may end itself, or fail in any way
            raise ValueError(f"{name}: the module cannot be imported: {_told(error)}") from error
        for part in match["name"].split("."):
            try:
                found = getattr(found, part)
            except AttributeError as error:
                raise ValueError(f"{name}: {match['module']} has no {match['name']!r}") from error
    return found


def as_code(found: object, name: str) -> Code:
    """Find out how an object predicts; ValueError for one that does not.

    A class is called without arguments first. Keras models and scikit-learn estimators are told by their classes; of
    other objects predict_proba, the object itself or predict is called with images.
    """
    if isinstance(found, type):
        with _at_home():
            try:
                found = found()
            except (Exception, SystemExit) as error:
                raise ValueError(f"{name}: the class cannot be made without arguments: {_told(error)}") from error
    if _comes_from(found, "torch"):
        raise ValueError(f"{name}: a PyTorch module takes tensors, not images; {AS_FUNCTION}")
    if _comes_from(found, "keras", "tf_keras") and hasattr(found, "input_shape"):
        form = inputs.form_of(found.input_shape, name)
        return Code(_guarded(lambda x: found.predict(x, batch_size=len(x), verbose=0), name), form)
    if hasattr(found, "get_params") and hasattr(found, "fit"):
        return _estimator(found, name)
    for method in (getattr(found, "predict_proba", None), found, getattr(found, "predict", None)):
        if callable(method):
            return Code(_guarded(method, name))
    raise ValueError(f"{name}: is {type(found).__name__}; expected a function, or an object with predict")


def _comes_from(found: object, *packages: str) -> bool:
    return any(kind.__module__.split(".")[0] in packages for kind in type(found).__mro__)


def _estimator(found: object, name: str) -> Code:
    """An estimator of scikit-learn: it takes rows of 3072 numbers, and its classes may be names."""
    if getattr(found, "n_features_in_", 3072) != 3072:
        raise ValueError(f"{name}: takes rows of {found.n_features_in_} numbers; expected 32 x 32 x 3 = 3072")
    method = getattr(found, "predict_proba", None) or getattr(found, "predict", None)
    if not callable(method):
        raise ValueError(f"{name}: is {type(found).__name__}; expected predict_proba or predict")
    predict, classes = _guarded(method, name), getattr(found, "classes_", None)
    columns = None if classes is None else _ids_of_names(np.asarray(classes), name)
    if columns is not None and sorted(columns) != list(range(10)) and hasattr(found, "predict_proba"):
        raise ValueError(f"{name}: knows the classes {list(classes)}; expected all ten of CIFAR-10")

    def ordered(rows: np.ndarray) -> np.ndarray:
        outputs = predict(rows)
        if outputs.ndim == 2 and columns is not None and outputs.shape[1] == len(columns):
            return outputs[:, np.argsort(columns)]
        return _ids_of_names(outputs, name)

    return Code(ordered, Form((32, 32), inputs.ROW_AXES))


def _ids_of_names(values: np.ndarray, name: str) -> np.ndarray:
    """Class ids of answers that may be names; ValueError names one that is no class."""
    if values.dtype.kind not in "UO":
        return values
    ids = {word: number for number, word in enumerate(CLASS_NAMES)}
    if unknown := [word for word in values.ravel().tolist() if word not in ids]:
        raise ValueError(f"{name}: answers {unknown[0]!r}; expected class ids or one of {', '.join(CLASS_NAMES)}")
    return np.array([ids[word] for word in values.ravel().tolist()]).reshape(values.shape)


def _guarded(function: object, name: str) -> Predict:
    """The function, given a copy of the images, its errors told in a sentence with the file and line they come from."""

    def predict(images: np.ndarray) -> np.ndarray:
        with _at_home():
            try:
                outputs = _as_array(function(images.copy()))
            except (Exception, SystemExit) as error:
                raise ValueError(f"{name}: failed on {len(images)} images: {_told(error)}") from error
        outputs = _ids_of_names(outputs, name)
        if outputs.ndim == 0 or len(outputs) != len(images):
            found = "one value" if outputs.ndim == 0 else f"{len(outputs)} answers, of shape {outputs.shape},"
            raise ValueError(f"{name}: gave {found} for {len(images)} images; expected ids (n,) or rows (n, 10)")
        return outputs

    return predict


def _as_array(outputs: object) -> np.ndarray:
    """An array of what the code returned; a tensor of PyTorch is taken off its graph and device first."""
    if hasattr(outputs, "detach"):
        outputs = outputs.detach().cpu()
        outputs = outputs.float() if outputs.is_floating_point() else outputs
    return np.asarray(outputs)


@contextlib.contextmanager
def _at_home() -> Iterator[None]:
    """The current folder is searched for modules; what is printed goes to the error stream; the folder is kept.

    `os._exit` would end this process without a word; here it is an error of the code, save in processes that it forks.
    """
    folder, path, leave, process = Path.cwd(), list(sys.path), os._exit, os.getpid()

    def exit_aloud(status: int) -> None:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = exit_aloud
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os._exit = leave
        os.chdir(folder)
        if str(folder) not in path:
            with contextlib.suppress(ValueError):
                sys.path.remove(str(folder))
        else:
            sys.path.remove(str(folder))


def _told(error: BaseException) -> str:
    """An error of somebody else's code in one line, with the last line of their own files that it passed."""
    said = f"{type(error).__name__}: {' '.join(str(error).split()) or 'nothing said'}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_installed(frame.filename)]
    return f"{said} ({frames[-1].filename}:{frames[-1].lineno})" if frames else said


def _is_installed(file: str) -> bool:
    """Whether a file is of Python, of an installed package or of this one."""
    homes = [sysconfig.get_path(key) for key in ("stdlib", "purelib", "platlib")] + [str(OURS)]
    return file.startswith("<") or any(Path(file).is_relative_to(home) for home in homes)
