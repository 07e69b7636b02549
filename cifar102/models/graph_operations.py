"""Arithmetic in the graph of a model file: the names either Keras has for it, read as one operation of the table.

Keras 2 keeps `1 - x` as a TFOpLambda layer that names a function of TensorFlow, Keras 3 as an operation of keras.ops.
Only numbers are constants; a text is never an argument. `operations` computes them.
"""

from cifar102.models import allowed_layers, graph_calls
from cifar102.models.allowed_layers import shown

OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda")
SETTINGS = allowed_layers.OPERATIONS
KINDS = {
    **{"axis": allowed_layers.wholes, "keepdims": allowed_layers.flag, "shape": allowed_layers.wholes},
    **{
        "low": allowed_layers.number,
        "high": allowed_layers.number,
        "perm": allowed_layers.wholes,
        "size": allowed_layers.wholes,
    },
    **{"dtype": allowed_layers.text(*sorted(allowed_layers.TENSOR_DTYPES)), "paddings": allowed_layers.wholes},
    **{"approximate": allowed_layers.flag, "interpolation": allowed_layers.text("bilinear", "nearest")},
}
ALIASES = {"newshape": "shape", "axes": "perm", "clip_value_min": "low", "clip_value_max": "high", "x_min": "low"}
ALIASES |= {"x_max": "high", "pad_width": "paddings", "slice_spec": "slices", "key": "slices"}
# Said by a file, and of no effect at the values that are let through.
UNUSED = {"mode": ("constant", "CONSTANT"), "constant_values": (0,), "antialias": (False,), "trainable": (True, False)}
UNUSED |= {"data_format": ("channels_last",), "method": ("bilinear",), "preserve_aspect_ratio": (False,)}
UNUSED |= {"crop_to_aspect_ratio": (False,), "pad_to_aspect_ratio": (False,), "fill_value": (0,)}
UNUSED |= {"fill_mode": ("constant",), "epsilon": (1e-12,)}
OVER_AXES = ("mean", "sum", "max", "min")
ALIKE = ("negative", "abs", "square", "sqrt", "rsqrt", "exp", "log", "sigmoid", "tanh", "softplus")
OF_NN = ("relu", "relu6", "sigmoid", "tanh", "silu", "softplus", "elu", "selu", "softmax", "log_softmax", "gelu")
OF_TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
IN_KERAS_2 = {
    **{f"math.{key}": key for key in (*ALIKE, *OF_TWO, "l2_normalize")},
    **{f"nn.{key}": key for key in OF_NN},
    **{f"math.reduce_{key}": key for key in OVER_AXES},
    **{key: key for key in ("cast", "reshape", "transpose", "expand_dims", "squeeze", "concat", "pad", "identity")},
    **{"math.truediv": "divide", "math.pow": "power", "__operators__.add": "add", "clip_by_value": "clip"},
    **{"nn.swish": "silu", "nn.l2_normalize": "l2_normalize", "__operators__.getitem": "slice"},
    **{"image.resize": "resize", "stop_gradient": "identity"},
}
IN_KERAS_3 = {
    **{key.title(): key for key in (*ALIKE, *OF_NN, *OF_TWO, *OVER_AXES)},
    **{key.title(): key for key in ("power", "reshape", "transpose", "squeeze", "cast", "pad", "clip", "resize")},
    **{"Absolute": "abs", "TrueDivide": "divide", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu"},
    **{"ExpandDims": "expand_dims", "LogSoftmax": "log_softmax", "Concatenate": "concat", "GetItem": "slice"},
    **{"HardSwish": "hard_silu", "StopGradient": "identity"},
}


def read(entry: dict, config: dict) -> graph_calls.LayerPlan:
    """Read a layer that is one operation; ValueError names what it calls where that is not in the table."""
    in_keras_2 = entry["class_name"] in OPERATION_LAYERS
    called = config.get("function") if in_keras_2 else entry["class_name"]
    table = IN_KERAS_2 if in_keras_2 else IN_KERAS_3
    if not isinstance(called, str) or called not in table:
        raise ValueError(
            f"calls {shown(called if called is not None else '')}, which is not in the table of operations"
        )
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list) or len(nodes) != 1:
        raise ValueError(f"calls {called!r} {len(nodes) if isinstance(nodes, list) else 'no'} times, expected once")
    said = (
        {} if in_keras_2 else {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")}
    )
    if called == "Cast":
        said["dtype"] = config.get("dtype")
    operation = table[called]
    args, keywords = _arguments(called, nodes[0])
    operands, settings, tensors = _sort(operation, args, said | keywords)
    options = {"operation": operation, "operands": operands, "settings": settings}
    name = allowed_layers.name(entry.get("name") or config.get("name"))
    return graph_calls.LayerPlan("Operation", name, options, (graph_calls.Call((tensors,)),), is_own=True)


def _arguments(called: str, node: object) -> tuple[list, dict]:
    is_constant = isinstance(node, list) and len(node) in (3, 4) and node[0] == graph_calls.CONSTANT
    if is_constant:
        return [node[2]], node[3] if len(node) == 4 and isinstance(node[3], dict) else {}
    return graph_calls.split_call(called, node)


def _sort(operation: str, args: list, keywords: dict) -> tuple[list, dict, tuple]:
    """Operands with None for each tensor, settings, and the tensors."""
    count = 2 if operation in (*OF_TWO, "power") else 1
    if operation == "concat" and args and isinstance(args[0], list) and not graph_calls.tensor(args[0]):
        args = [*args[0], *args[1:]]
        count = len(args)
    names = [name for name in ("y", "x2") if name in keywords and len(args) < count]
    args = [*args, *(keywords[name] for name in names)]
    left = {key: value for key, value in keywords.items() if key not in (*names, "name")}
    left |= dict(zip(SETTINGS[operation], args[count:], strict=False))
    found = [graph_calls.tensor(value) for value in args[:count]]
    if len(found) != count or not any(found):
        raise ValueError(f"{operation} is called with {shown(args)}, expected {count} tensors or numbers")
    operands = [None if ref else allowed_layers.numbers(value) for ref, value in zip(found, args, strict=False)]
    return operands, read_settings(operation, left), tuple(ref for ref in found if ref)


def read_settings(operation: str, found: dict) -> dict:
    """The settings of an operation, each checked; ValueError names one that it does not have."""
    settings = {}
    for key, value in found.items():
        key = ALIASES.get(key, key)
        if value is None:
            continue
        if key in SETTINGS[operation]:
            settings[key] = read_slices(value) if key == "slices" else KINDS[key](value)
        elif not any(type(value) in (type(usual), int) and value == usual for usual in UNUSED.get(key, ())):
            raise ValueError(f"{operation} has {shown({key: value})}, which is not in the table of operations")
    return settings


def read_slices(value: object) -> list:
    """The subscript of a slice: numbers, [start, stop, step], and "..." for all that lies between."""
    items = []
    for item in value if isinstance(value, list) else [value]:
        if item == "..." or (isinstance(item, dict) and item.get("class_name") == "__ellipsis__"):
            items.append("...")
        elif isinstance(item, dict):
            ends = item.get("config", item)
            if not isinstance(ends, dict):
                raise ValueError(f"expected a slice, found {shown(item)}")
            items.append([allowed_layers.wholes(ends.get(key)) for key in ("start", "stop", "step")])
        else:
            items.append(allowed_layers.wholes(item))
    return items


def read_own(key: str, value: object) -> object:
    """The operands or settings of a layer that this project wrote."""
    if key == "operands" and isinstance(value, list):
        return [None if item is None else allowed_layers.numbers(item) for item in value]
    if key == "settings" and isinstance(value, dict):
        kinds = KINDS | {"slices": read_slices}
        if not value.keys() - kinds.keys():
            return {name: kinds[name](item) for name, item in value.items()}
    raise ValueError(f"expected the {key} of an operation, found {shown(value)}")
