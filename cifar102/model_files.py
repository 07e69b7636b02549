"""A user's Keras files before they are opened: what they would make Keras import or run, refused by name."""

import builtins
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

KERAS_PARTS = ("activations", "constraints", "engine", "initializers", "layers", "losses", "metrics", "models")
KERAS_PARTS += ("mixed_precision", "optimizers", "regularizers")
OWN_MODULES = ("cifar102", "tensorflow_addons", "builtins")  # a registered name that is unknown is imported from here
OWN_PACKAGES = ("cifar102>", "Addons>")  # layers that are registered by name and need no import from the file
UNSAFE_OPERATIONS = ("io.", "py_func", "numpy_function", "raw_ops", "saved_model", "load_", "compat.", "debugging.")
INSTEAD = "give it as a Python function package.module:predict, or its predictions as files"


def check_model_file(path: Path) -> dict:
    """Return the architecture of a .keras or .h5 file if loading it runs no code from the file.

    Keras 2.15 imports any module a configuration names, also with safe_mode; so only Keras's own layers and this
    project's are let through, no Lambda layers and no file or Python operations. Raises FileNotFoundError,
    ValueError that names what was found.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    config = _read_h5(path) if path.suffix == ".h5" else _read_keras(path)
    # The optimizer's part is never read: evaluate loads with compile=False, which drops it at this level.
    for entry in _entries({key: value for key, value in config.items() if key != "compile_config"}):
        if reason := _refusal(entry):
            raise ValueError(f"{path}: {reason}; {INSTEAD}")
    return config


def layer_names(config: dict) -> list[str]:
    """Return the class names of all layers of an architecture, outermost first."""
    return [entry["class_name"] for entry in _entries(config) if isinstance(entry.get("class_name"), str)]


def _read_keras(path: Path) -> dict:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path}: expected a .keras file with config.json, found {error}") from error


def _read_h5(path: Path) -> dict:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: expected an .h5 file of a whole model (model_config), found {error}") from error


def _entries(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _entries(item)


def _refusal(entry: dict) -> str:
    name, module, registered = entry.get("class_name"), entry.get("module"), entry.get("registered_name")
    if name in ("Lambda", "__lambda__"):
        return "holds a Lambda layer, which is code"
    if name == "TFOpLambda":
        function = str(entry.get("config", {}).get("function", ""))
        return f"calls {function}" if any(part in function for part in UNSAFE_OPERATIONS) else ""
    is_own = isinstance(registered, str) and registered.startswith(OWN_PACKAGES)
    if not isinstance(module, str) or (is_own and module.split(".")[0] in OWN_MODULES):
        return ""
    if module == "builtins":
        function = entry.get("config")
        return f"names Python's {function}" if isinstance(function, str) and hasattr(builtins, function) else ""
    parts = module.removeprefix("keras.src.").removeprefix("keras.").split(".")
    is_keras = module.split(".")[0] == "keras" and parts[0] in (*KERAS_PARTS, "keras")
    return "" if is_keras else f"needs {name} from the module {module!r}"
