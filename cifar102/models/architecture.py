"""The architecture of a model file, read into plain records: every class, option, call and constant checked by a table.

No Keras is needed for this and no name of the file is looked up anywhere but in allowed_layers. What a file says beside
the architecture (how it was compiled, how it was built) is not read. `rebuild` makes the model.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from cifar102.models import allowed_layers, graph_operations
from cifar102.models.allowed_layers import shown
from cifar102.models.graph_calls import Call, LayerPlan, is_reference, read_calls, read_reference
from cifar102.models.graph_operations import OPERATION_LAYERS

KERAS = int(metadata.version("keras").split(".")[0])
KERAS_MODULE = re.compile(r"keras(\.[a-z_0-9]+)*")
OWN_MODULE = re.compile(r"(builtins|cifar102(\.[a-z_0-9]+)*)")
CODE_LAYERS = ("ClassMethod", "InstanceMethod", "InstanceProperty")
MODELS = ("Functional", "Model", "Sequential")
DEEPEST = 200  # levels of JSON
SPELLED = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in allowed_layers.INITIALIZERS}
SPELLED |= {name.lower(): name for name in [*allowed_layers.REGULARIZERS, *allowed_layers.INITIALIZERS]}
SPELLED |= {"l1_l2": "L1L2", "max_norm": "MaxNorm", "non_neg": "NonNeg", "unit_norm": "UnitNorm"}


@dataclass(frozen=True)
class Part:
    """An initializer, regularizer or constraint: its class by the table of `family`, and its options."""

    family: str
    kind: str
    options: dict


@dataclass(frozen=True)
class ModelPlan:
    """A model, which may be a layer of another one; kind is Functional or Sequential."""

    kind: str
    name: str
    trainable: bool
    layers: tuple
    inputs: object = ()
    outputs: object = ()
    input_shape: list | None = None
    calls: tuple[Call, ...] = ()


def read_architecture(config: object) -> LayerPlan | ModelPlan:
    """Read a config.json or model_config; ValueError says what in it is not in the tables."""
    if not isinstance(config, dict):
        raise ValueError(f"an architecture that is no object but {type(config).__name__}")
    for _, depth in entries(config):
        if depth > DEEPEST:
            raise ValueError(f"an architecture nested more than {DEEPEST} deep (a recursion)")
    return _read(config)


def entries(value: object) -> Iterator[tuple[dict, int]]:
    """Each object in a value of JSON and how deep it lies, outermost first; without recursion."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict):
            yield item, depth
            item = list(item.values())
        if isinstance(item, list) and depth <= DEEPEST:
            waiting += [(inner, depth + 1) for inner in reversed(item)]


def _read(entry: object) -> LayerPlan | ModelPlan:
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise ValueError(f"expected a layer with its class name, found {shown(entry)}")
    kind, is_own = _kind(entry)
    config = entry.get("config")
    if kind in MODELS:
        return _read_model(entry, {"layers": config} if isinstance(config, list) else config)
    if not isinstance(config, dict):
        raise ValueError(f"{kind} without a config, found {shown(config)}")
    if _is_operation(entry, config):
        return graph_operations.read(entry, config)
    table = allowed_layers.OWN_LAYERS if is_own else allowed_layers.KERAS_LAYERS
    own_name = allowed_layers.name(config["name"]) if config.get("name") is not None else kind.lower()
    options = _options(f"{kind} {own_name!r}", allowed_layers.EVERY + table[kind], config)
    return LayerPlan(kind, own_name, options, read_calls(entry), is_own)


def _is_operation(entry: dict, config: dict) -> bool:
    """Whether it is a step of arithmetic; in an .h5 file of Keras 3 only the missing settings of a layer show it."""
    if entry["class_name"] in OPERATION_LAYERS:
        return True
    module = entry.get("module")
    if isinstance(module, str):
        return module.startswith("keras.src.ops.")
    nodes = entry.get("inbound_nodes")
    in_keras_3 = isinstance(nodes, list) and bool(nodes) and isinstance(nodes[0], dict)
    is_layer_only = entry["class_name"] in allowed_layers.KERAS_LAYERS.keys() - graph_operations.IN_KERAS_3.keys()
    return in_keras_3 and not is_layer_only and "trainable" not in config


def _kind(entry: dict) -> tuple[str, bool]:
    """The class of an entry and whether it is this project's; ValueError where it may not be in a model."""
    kind, module, registered = entry["class_name"], entry.get("module"), entry.get("registered_name")
    config = entry["config"] if isinstance(entry.get("config"), dict) else {}
    if kind in ("Lambda", "__lambda__"):
        raise ValueError("holds a Lambda layer, which is code")
    if kind in CODE_LAYERS:
        raise ValueError(f"calls {shown(config.get('function') or config.get('cls_ref') or '')}")
    if isinstance(config.get("vocabulary"), str):
        raise ValueError(f"reads the file {shown(config['vocabulary'])} as a vocabulary")
    if module == "builtins" and kind == "function":
        raise ValueError(f"names Python's {shown(entry.get('config'))[1:-1]}")
    if kind.startswith("cifar102>"):  # the older format writes the registered name as the class
        kind, registered = kind.removeprefix("cifar102>"), kind
    if registered == f"cifar102>{kind}" and kind in allowed_layers.OWN_LAYERS and _is_from(module, OWN_MODULE):
        return kind, True
    if not _is_from(module, KERAS_MODULE) or kind == "function":
        raise ValueError(f"needs {shown(kind)[1:-1]} from the module {shown(module)}")
    if registered not in (None, kind, f"keras>{kind}"):
        raise ValueError(f"needs {shown(kind)[1:-1]} registered as {shown(registered)}")
    is_known = kind in (*allowed_layers.KERAS_LAYERS, *MODELS, *OPERATION_LAYERS)
    if not is_known and not _is_operation(entry, config):
        raise ValueError(f"{shown(kind)[1:-1]} of {module} is not in Keras {KERAS}'s table of layers that open")
    return kind, False


def _is_from(module: object, pattern: re.Pattern) -> bool:
    return module is None or (isinstance(module, str) and bool(pattern.fullmatch(module)))


def _read_model(entry: dict, config: object) -> ModelPlan:
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise ValueError(f"{entry['class_name']} without layers, found {shown(config)}")
    own_name = allowed_layers.name(config.get("name", "model"))
    trainable = allowed_layers.flag(config.get("trainable", True))
    layers = tuple(_read(layer) for layer in config["layers"])
    if entry["class_name"] == "Sequential":
        shape = allowed_layers.wholes(config.get("build_input_shape"))
        return ModelPlan("Sequential", own_name, trainable, layers, input_shape=shape, calls=read_calls(entry))
    ends = [_ends(config.get(key)) for key in ("input_layers", "output_layers")]
    return ModelPlan("Functional", own_name, trainable, layers, *ends, calls=read_calls(entry))


def _ends(found: object) -> object:
    """Inputs or outputs: one reference (also as a list of one, as Keras 2 writes it) or a list of them."""
    if is_reference(found):
        return read_reference(found)
    if isinstance(found, list) and found and all(is_reference(item) for item in found):
        ends = tuple(read_reference(item) for item in found)
        return ends[0] if len(ends) == 1 else ends
    raise ValueError(f"expected inputs and outputs as [layer, call, tensor], found {shown(found)}")


def _options(owner: str, allowed: str, config: dict) -> dict:
    known, options = set(allowed.split()), {}
    for key, value in config.items():
        if key not in known:
            raise ValueError(f"{owner} has {shown({key: value})}, which Keras {KERAS} does not know")
        try:
            options[key] = None if value is None else _option(key, value)
        except ValueError as error:
            raise ValueError(f"{owner}: {key}: {error}") from None
    return options


def _option(key: str, value: object) -> object:
    if key in ("activation", "recurrent_activation"):
        return _activation(value)
    for ending, family in (("_initializer", "initializers"), ("_constraint", "constraints")):
        if key.endswith(ending):
            return _part(family, value)
    if key.endswith("_regularizer"):
        return _part("regularizers", value)
    if key == "dtype":
        return _dtype(value)
    if key in ("layer", "backward_layer"):
        return _read(value)
    if key == "operation":
        return allowed_layers.text(*allowed_layers.OPERATIONS)(value)
    if key in ("operands", "settings"):
        return graph_operations.read_own(key, value)
    if key not in allowed_layers.OPTIONS:
        raise ValueError(f"expected null, found {shown(value)}")
    return allowed_layers.OPTIONS[key](value)


def _activation(value: object) -> object:
    """The name of an activation, or a layer that is one; Keras 2 writes TensorFlow's own as a function of builtins."""
    if isinstance(value, dict) and value.get("class_name") == "function" and isinstance(value.get("config"), str):
        if not _is_from(value.get("module"), OWN_MODULE):
            raise ValueError(f"needs function from the module {shown(value.get('module'))}")
        if value["config"] not in allowed_layers.ACTIVATIONS:
            raise ValueError(f"names Python's {shown(value['config'])[1:-1]}")
        return value["config"]
    if isinstance(value, dict) and value.get("class_name") in ("ReLU", "LeakyReLU", "ELU", "Softmax"):
        return _read(value)
    if isinstance(value, dict):
        kind, _ = _kind(value) if isinstance(value.get("class_name"), str) else ("an object", False)
        raise ValueError(f"expected the name of an activation, found {kind}")
    return allowed_layers.text(*sorted(allowed_layers.ACTIVATIONS))(value)


def _part(family: str, value: object) -> Part:
    table = allowed_layers.OBJECTS[family]
    if isinstance(value, str):
        value = {"class_name": SPELLED.get(value, value), "config": {}}
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        raise ValueError(f"expected one of {', '.join(table)}, found {shown(value)}")
    kind, config = value["class_name"], value.get("config")
    kind = SPELLED.get(kind, kind)
    if kind not in table or not _is_from(value.get("module"), KERAS_MODULE) or not isinstance(config, dict):
        raise ValueError(f"expected one of {', '.join(table)}, found {shown(value)}")
    if value.get("registered_name") not in (None, kind):
        raise ValueError(f"needs {kind} registered as {shown(value['registered_name'])}")
    return Part(family, kind, _options(kind, table[kind], config))


def _dtype(value: object) -> str:
    """The name of a dtype policy, also out of the object that Keras 3 writes."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("DTypePolicy", "Policy") or not isinstance(value.get("config"), dict):
            raise ValueError(f"expected a DTypePolicy, found {shown(value)}")
        value = value["config"].get("name")
    return allowed_layers.text(*sorted(allowed_layers.DTYPES | allowed_layers.TENSOR_DTYPES))(value)
