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
LARGEST_CONFIG = 1 << 26  # bytes; that of the largest published network has about a million
# Layers that call a function by name. By name Keras finds every function of TensorFlow, those that read files, write
# them or fetch them too; so only arithmetic on arrays is let through.
OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
OPERATIONS = ("math.", "nn.", "image.", "linalg.", "__operators__.", "signal.")
PLAIN_OPERATIONS = {"cast", "clip_by_value", "concat", "expand_dims", "gather", "identity", "ones_like", "one_hot"}
PLAIN_OPERATIONS |= {
    "pad",
    "range",
    "repeat",
    "reshape",
    "reverse",
    "roll",
    "shape",
    "slice",
    "split",
    "squeeze",
    "stack",
}
PLAIN_OPERATIONS |= {"stop_gradient", "strided_slice", "tile", "transpose", "unstack", "where", "zeros_like"}
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
            size = archive.getinfo("config.json").file_size
            if size > LARGEST_CONFIG:
                raise ValueError(f"a config.json of {size} bytes, at most {LARGEST_CONFIG}")
            return _checked(json.loads(archive.read("config.json")))
    except Exception as error:  # damaged, encrypted or oddly packed zip folders raise many kinds
        raise ValueError(f"{path}: expected a .keras file with config.json, found {error}") from error


def _read_h5(path: Path) -> dict:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _checked(json.loads(file.attrs["model_config"]))
    except Exception as error:  # h5py raises many kinds for a damaged file
        raise ValueError(f"{path}: expected an .h5 file of a whole model (model_config), found {error}") from error


def _checked(config: object) -> dict:
    """Return an architecture that is an object, not nested more deeply than it can be walked through."""
    list(_entries(config))  # RecursionError
    if not isinstance(config, dict):
        raise ValueError(f"an architecture that is no object but {type(config).__name__}")
    return config


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
    settings = entry["config"] if isinstance(entry.get("config"), dict) else {}
    if name in OPERATION_LAYERS:
        function = str(settings.get("function") or settings.get("cls_ref") or "")
        return "" if function.startswith(OPERATIONS) or function in PLAIN_OPERATIONS else f"calls {function!r}"
    if isinstance(settings.get("vocabulary"), str):
        return f"reads the file {settings['vocabulary']!r} as a vocabulary"
    is_own = isinstance(registered, str) and registered.startswith(OWN_PACKAGES)
    if not isinstance(module, str) or (is_own and module.split(".")[0] in OWN_MODULES):
        return ""
    if module == "builtins":
        function = entry.get("config")
        return f"names Python's {function}" if isinstance(function, str) and hasattr(builtins, function) else ""
    parts = module.removeprefix("keras.src.").removeprefix("keras.").split(".")
    is_keras = module.split(".")[0] == "keras" and parts[0] in (*KERAS_PARTS, "keras")
    return "" if is_keras else f"needs {name} from the module {module!r}"
