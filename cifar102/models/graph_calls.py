"""How the layers of a model file are called: the forms in which Keras 2 and Keras 3 write the graph, read as one."""

from dataclasses import dataclass, field

from cifar102.models import allowed_layers
from cifar102.models.allowed_layers import shown

CONSTANT = "_CONSTANT_VALUE"  # stands where Keras 2 has a number instead of a layer


@dataclass(frozen=True)
class Reference:
    """A tensor of the graph: the output `tensor` of the call number `node` of a layer."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True)
class Call:
    """One call of a layer: positional arguments (references or lists of them), and keywords that are let through."""

    args: tuple
    keywords: dict = field(default_factory=dict)


@dataclass(frozen=True)
class LayerPlan:
    """One layer: its class by the table, checked options, and how it is called."""

    kind: str
    name: str
    options: dict
    calls: tuple[Call, ...] = ()
    is_own: bool = False


def is_reference(value: object) -> bool:
    """Whether it has the form [layer, call, tensor] or [layer, call, tensor, keywords]."""
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and type(value[1]) is int


def read_reference(value: list) -> Reference:
    """[layer, call, tensor], and in Keras 2 the keywords of the call."""
    node, tensor = allowed_layers.whole(value[1]), allowed_layers.whole(value[2])
    if min(node, tensor) < 0:
        raise ValueError(f"expected [layer, call, tensor], found {shown(value)}")
    return Reference(allowed_layers.name(value[0]), node, tensor)


def read_calls(entry: dict) -> tuple[Call, ...]:
    """The calls of a layer, as either Keras writes them."""
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise ValueError(f"expected a list of calls, found {shown(nodes)}")
    return tuple(_read_call(entry["class_name"], node) for node in nodes)


def _read_call(kind: str, node: object) -> Call:
    args, keywords = split_call(kind, node)
    kept = {}
    for key, value in keywords.items():
        if value is None or (key, value) in (("use_causal_mask", False), ("return_attention_scores", False)):
            continue
        if key == "training":
            kept[key] = allowed_layers.flag(value)
        elif key in ("query", "key", "value") and (reference := tensor(value)):
            kept[key] = reference
        else:
            raise ValueError(f"{kind} is called with more than tensors: {shown({key: value})}")
    return Call(tuple(_tensors(kind, value) for value in args if value is not None), kept)


def split_call(kind: str, node: object) -> tuple[list, dict]:
    """The arguments and keywords of one call, unread."""
    if isinstance(node, dict):
        args, keywords = node.get("args"), node.get("kwargs", {})
        if isinstance(args, list) and isinstance(keywords, dict):
            return args, keywords
    elif is_reference(node):
        return [node[:3]], _keywords(node)
    elif isinstance(node, list) and node and all(is_reference(item) for item in node):
        tensors = [item[:3] for item in node]
        return [tensors[0] if len(tensors) == 1 else tensors], _keywords(node[0])
    raise ValueError(f"{kind} is called as {shown(node)}, which is no form of Keras 2 or 3")


def _keywords(item: list) -> dict:
    keywords = item[3] if len(item) == 4 else {}
    if not isinstance(keywords, dict):
        raise ValueError(f"expected the keywords of a call, found {shown(keywords)}")
    return keywords


def tensor(value: object) -> Reference | None:
    """The reference that an argument is, in the form of either Keras; None where it is none."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        value = config.get("keras_history") if isinstance(config, dict) else None
    return read_reference(value) if is_reference(value) and value[0] != CONSTANT else None


def _tensors(kind: str, value: object) -> object:
    if reference := tensor(value):
        return reference
    if isinstance(value, list) and value and all(found := [tensor(item) for item in value]):
        return tuple(found)
    raise ValueError(f"{kind} is called with more than tensors: {shown(value)}")
