"""Keras model files: what one may hold, refused by name before Keras sees it, and translated between Keras 2 and 3."""

import builtins
import inspect
import json
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from tensorflow import keras

VERSION = metadata.version("keras")
OWN = int(VERSION.split(".")[0])
STACK = {2: "main", 3: "next"}[OWN]
KERAS_PARTS = (
    "activations", "constraints", "engine", "initializers", "layers", "losses", "metrics", "mixed_precision", "models",
    "optimizers", "regularizers",
)  # fmt: skip
OWN_MODULES = ("cifar102", "tensorflow_addons", "builtins")  # a registered name that is unknown is imported from here
OWN_PACKAGES = ("cifar102>", "Addons>")  # layers that are registered by name and need no import from the file
LARGEST_CONFIG = 1 << 26  # bytes; that of the largest published network has about a million
# Layers that call a function by name. By name Keras finds every function of TensorFlow, those that read files, write
# them or fetch them too; so only arithmetic on arrays is let through.
OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
OPERATIONS = ("math.", "nn.", "image.", "linalg.", "__operators__.", "signal.")
PLAIN_OPERATIONS = {
    "cast", "clip_by_value", "concat", "expand_dims", "gather", "identity", "ones_like", "one_hot", "pad", "range",
    "repeat", "reshape", "reverse", "roll", "shape", "slice", "split", "squeeze", "stack", "stop_gradient",
    "strided_slice", "tile", "transpose", "unstack", "where", "zeros_like",
}  # fmt: skip
INSTEAD = "give it as a Python function package.module:predict, or its predictions as files"
FUNCTIONAL = {2: "keras.src.engine.functional", 3: "keras.src.models.functional"}
RENAMED = {"InputLayer": ("batch_input_shape", "batch_shape"), "LeakyReLU": ("alpha", "negative_slope")}  # in 2, in 3
SHAPE = {2: ("batch_input_shape",), 3: ()}[OWN]  # only Keras 2 tells every layer the shape of its input
OF_EVERY_LAYER = {"name", "trainable", "dtype", "autocast", "activity_regularizer", *SHAPE}
WITHOUT_EFFECT = {"renorm_momentum", "batch_input_shape"}  # renorm is off, and the InputLayer holds the shape as well


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


def load_keras_file(path: Path) -> keras.Model:
    """Load a `.keras` file, not compiled; its weights are the same, whichever Keras wrote it.

    Keras 2.15 and 3 keep weights alike but describe the graph differently, and neither reads the other's; nor does
    Keras 3.12, the last one for Python 3.10, read what 3.15 wrote. ValueError where the file is no `.keras` file, or
    uses what this Keras does not have. Source: saving_lib.py of both.
    """
    parts = _read(Path(path), "metadata.json", "config.json")
    try:
        version = str(json.loads(parts["metadata.json"])["keras_version"])
        config, written = json.loads(parts["config.json"]), _numbers(version)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: metadata.json or config.json is not as Keras writes it: {error!r}") from error
    if written[0] == OWN and written <= _numbers(VERSION):
        return keras.models.load_model(path, compile=False)
    try:
        parts["config.json"] = json.dumps(translate_keras_file(config)).encode("utf-8")
        return _load_parts({**parts, **_read(Path(path), "model.weights.h5")})
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"{path}: Keras {version} wrote it, and Keras {VERSION} cannot read it: {error}") from error


def load_h5_file(path: Path) -> keras.Model:
    """Load an .h5 file of a whole model, not compiled."""
    return keras.models.load_model(path, compile=False)


def translate_keras_file(value: object) -> object:
    """Say a model's config.json, or a part of it, in the words of this Keras; what it already says so is kept.

    ValueError names a layer, or a setting that is switched on, which this Keras does not have.
    """
    if isinstance(value, list):
        return [translate_keras_file(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("class_name"), str) or not isinstance(value.get("config"), dict):
        return {key: translate_keras_file(item) for key, item in value.items()}
    name, config = value["class_name"], {key: translate_keras_file(item) for key, item in value["config"].items()}
    if name == "DTypePolicy":
        return config["name"]  # both read the bare name
    entry = {key: item for key, item in value.items() if key not in ("build_config", "compile_config", "inbound_nodes")}
    if name in ("Functional", "Model"):
        return {**entry, "class_name": "Functional", "module": FUNCTIONAL[OWN], "config": _graph(value["config"])}
    return {**entry, "config": _settings(name, str(value.get("module")), config)}


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


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2]]


def _read(path: Path, *names: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path}: expected a .keras file with {', '.join(names)}, found {error}") from error


def _load_parts(parts: dict[str, bytes]) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return keras.models.load_model(path, compile=False)


def _graph(config: dict) -> dict:
    layers = []
    for layer in config["layers"]:
        nodes = [_node(node) for node in layer["inbound_nodes"]]
        layers.append({**translate_keras_file(layer), "inbound_nodes": nodes})
    ends = {key: _ends(config[key]) for key in ("input_layers", "output_layers")}
    return {
        **translate_keras_file({key: config[key] for key in config if key not in ("layers", *ends)}),
        "layers": layers,
        **ends,
    }


def _ends(ends: list) -> list:
    """[name, node, tensor] of a single input or output is bare in Keras 3, in a list of one in Keras 2."""
    is_bare = bool(ends) and isinstance(ends[0], str)
    if OWN == 2:
        return [ends] if is_bare else ends
    return ends[0] if not is_bare and len(ends) == 1 else ends


def _node(node: object) -> object:
    """A call of a layer: Keras 2 lists [name, node, tensor, keywords] for each input; Keras 3 reads both forms."""
    if OWN == 3 or not isinstance(node, dict):
        return node
    keywords = {key: item for key, item in node["kwargs"].items() if item is not None}
    tensors = node["args"][0] if len(node["args"]) == 1 and isinstance(node["args"][0], list) else node["args"]
    if "__keras_tensor__" in json.dumps(keywords) or not all(_is_tensor(tensor) for tensor in tensors):
        raise ValueError(f"a layer is called with more than tensors: {str(node)[:200]}")
    return [[*tensor["config"]["keras_history"], keywords] for tensor in tensors]


def _is_tensor(value: object) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _settings(name: str, module: str, config: dict) -> dict:
    """The arguments of one layer, initializer or the like under their names here, without those it need not have."""
    if name in RENAMED:
        old, new = RENAMED[name] if OWN == 3 else RENAMED[name][::-1]
        config = {new if key == old else key: item for key, item in config.items()}
    if name == "BatchNormalization" and isinstance(config["axis"], list):
        config["axis"] = config["axis"][0] if len(config["axis"]) == 1 else config["axis"]
    if not module.startswith("keras."):
        return config  # Sequential, and layers of this project, whose settings are the same
    known = _arguments(name, module)
    lost = {key: item for key, item in config.items() if key not in known}
    if on := {key: item for key, item in lost.items() if item not in (None, False) and key not in WITHOUT_EFFECT}:
        raise ValueError(f"{name} {config.get('name', '')!r} has {on}, which Keras {OWN} does not know")
    return {key: item for key, item in config.items() if key not in lost}


def _arguments(name: str, module: str) -> set[str]:
    kind = getattr(getattr(keras, module.split(".")[1], None), name, None)
    if kind is None:
        raise ValueError(f"{name} of {module} is not in Keras {OWN}")
    own = set(inspect.signature(kind.__init__).parameters)
    return own | OF_EVERY_LAYER if module == "keras.layers" else own
