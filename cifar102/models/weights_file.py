"""The weights of a model file: HDF5 read from memory, sizes checked before arrays are made, no link followed.

Keras 2.15 and 3 keep a layer's arrays under `layers/<class>/vars/<number>` of model.weights.h5; the older `.h5` format
keeps them under `model_weights/<layer>` with a list of names. Sources: saving_lib.py and hdf5_format.py of both.
"""

import io
import re
from collections.abc import Iterator

import numpy as np

from cifar102.models.architecture import ModelPlan
from cifar102.models.graph_calls import LayerPlan

LARGEST_NUMBER_OF_OBJECTS = 100_000
DEEPEST = 40
KINDS = "fiub"  # of numpy's dtypes: floats, whole numbers, true and false
INNER = {  # where a layer keeps its weights, if not itself
    **{"TimeDistributed": ("layer",), "Bidirectional": ("forward_layer", "backward_layer")},
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), ("cell",)),
    "MultiHeadAttention": ("_query_dense", "_key_dense", "_value_dense", "_output_dense"),
}
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # the second in files of Keras 2.12 and before


def open_hdf5(content: bytes) -> object:
    """Open an HDF5 file that lies in memory, after every object of it was looked at.

    ValueError for links to other objects or files, external storage, virtual or compressed arrays, kinds that are no
    numbers, and arrays that are larger than what is stored of them. Returns an h5py.File.
    """
    import h5py

    try:
        file = h5py.File(io.BytesIO(content), "r")
        total = sum(_check(h5py, name, item) for name, item in _objects(h5py, file))
    except (ValueError, RecursionError):
        raise
    except Exception as error:  # h5py raises many kinds for a damaged file
        raise ValueError(f"a damaged HDF5 file: {error}") from error
    if total > len(content):
        raise ValueError(f"arrays of {total} bytes in an HDF5 file of {len(content)}")
    return file


def count(file: object) -> int:
    """The numbers in a checked file."""
    import h5py

    return sum(int(item.size) for _, item in _objects(h5py, file) if isinstance(item, h5py.Dataset))


def _objects(h5py: object, file: object) -> Iterator[tuple[str, object]]:
    waiting, seen = [("", file, 0)], set()
    while waiting:
        path, group, depth = waiting.pop()
        for key in group:
            if type(group.get(key, getlink=True)) is not h5py.HardLink:
                raise ValueError(f"a link to another place, {ascii(path + '/' + key)[:120]}")
            item = group[key]
            place = h5py.h5o.get_info(item.id).addr
            if place in seen or len(seen) >= LARGEST_NUMBER_OF_OBJECTS or depth > DEEPEST:
                raise ValueError(f"an object in two places, or too many of them, {ascii(path + '/' + key)[:120]}")
            seen.add(place)
            yield f"{path}/{key}", item
            if isinstance(item, h5py.Group):
                waiting.append((f"{path}/{key}", item, depth + 1))


def _check(h5py: object, name: str, item: object) -> int:
    """The bytes of an array; ValueError for one that is more than plain numbers in this file."""
    if isinstance(item, h5py.Group):
        return 0
    place = ascii(name)[:120]
    if not isinstance(item, h5py.Dataset):
        raise ValueError(f"{place}, which is no array")
    if item.external or item.is_virtual:
        raise ValueError(f"the array {place}, which lies in another file")
    if item.dtype.kind not in KINDS or item.dtype.names or item.dtype.subdtype or item.shape is None:
        raise ValueError(f"the array {place} of {item.dtype}, expected numbers")
    size = int(np.prod(item.shape, dtype=object)) * item.dtype.itemsize
    stored = item.id.get_storage_size()
    if size > stored or item.id.get_create_plist().get_nfilters():
        raise ValueError(f"the array {place} of {size} bytes, of which {stored} are stored")
    return size


def fill(file: object, plan: ModelPlan, made: dict[int, object]) -> None:
    """Put the arrays of a checked file into the layers of a model; made: each layer by the id of its plan.

    ValueError where a layer has weights of other shapes than the file holds.
    """
    if "layer_names" in file.attrs or "layer_names0" in file.attrs or "model_weights" in file:
        for item in plan.layers:
            if id(item) in made:
                _fill_named(file, item, made[id(item)])
    else:
        _fill_model(file, plan, made, "")


def _fill_model(file: object, plan: ModelPlan, made: dict[int, object], path: str) -> None:
    path, used = _container(file, path), {}
    for item in plan.layers:
        name = snake_case(item.kind)
        used[name] = used.get(name, -1) + 1
        place = f"{path}{name}_{used[name]}" if used[name] else f"{path}{name}"
        if isinstance(item, ModelPlan):
            _fill_model(file, item, made, f"{place}/")
        elif id(item) in made:
            _fill_layer(file, item, made, made[id(item)], place)


def _fill_layer(file: object, plan: LayerPlan, made: dict[int, object], layer: object, place: str) -> None:
    inner = plan.options.get("layer")
    if isinstance(inner, ModelPlan):
        _fill_model(file, inner, made, f"{place}/layer/")
        return
    _set(plan, _own_variables(layer), _read_variables(file, place))
    for attribute in INNER.get(type(layer).__name__, ()):
        child = getattr(layer, attribute, None)
        if child is not None:
            found = next((name for name in (attribute, attribute.lstrip("_")) if f"{place}/{name}" in file), attribute)
            _fill_layer(file, plan if "layer" not in plan.options else inner, made, child, f"{place}/{found}")
    if plan.kind == "Normalization":
        layer.finalize_state()


def _own_variables(layer: object) -> list:
    if hasattr(layer, "_trainable_variables"):
        return [*layer._trainable_variables, *layer._non_trainable_variables]  # Keras 3
    return [*layer._trainable_weights, *layer._non_trainable_weights]


def _fill_named(file: object, plan: LayerPlan | ModelPlan, layer: object) -> None:
    names, arrays = _read_named(file, plan.name)
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    here = [variable.name.split("/")[-1].split(":")[0] for variable in variables]
    there = [name.split("/")[-1].split(":")[0] for name in names]
    if here != there and sorted(here) == sorted(there):
        raise ValueError(f"{plan.kind} {plan.name!r} has weights {here}, the file holds them as {there}")
    _set(plan, variables, arrays)
    for inner in [plan, *(plan.layers if isinstance(plan, ModelPlan) else ())]:
        if inner.kind == "Normalization":
            (layer if inner is plan else layer.get_layer(inner.name)).finalize_state()


def _set(plan: LayerPlan | ModelPlan, variables: list, arrays: list[np.ndarray]) -> None:
    needed, found = [tuple(variable.shape) for variable in variables], [array.shape for array in arrays]
    if needed != found:
        raise ValueError(f"{plan.kind} {plan.name!r} needs weights of shapes {needed}, the file holds {found}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def snake_case(name: str) -> str:
    """A class name as Keras writes it in paths: `Conv2D` is conv2d, `GlobalMaxPooling2D` global_max_pooling2d."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _container(file: object, path: str) -> str:
    """Where the layers of the model at `path` are kept."""
    found = [name for name in CONTAINERS if f"{path}{name}" in file]
    if found:
        return f"{path}{found[0]}/"
    return f"{path}layers/"


def _read_variables(file: object, path: str) -> list[np.ndarray]:
    """The arrays of one layer, `<path>/vars/0` and on, in order."""
    group = file.get(f"{path}/vars")
    if group is None:
        return []
    return [np.asarray(group[str(number)]) for number in range(len(group)) if str(number) in group]


def _read_named(file: object, layer: str) -> tuple[list[str], list[np.ndarray]]:
    """The names and arrays of one layer, as the older format keeps them."""
    root = file.get("model_weights", file)
    if layer not in root:
        return [], []
    names = _text_list(root[layer], "weight_names")
    found = [root[layer].get(name) for name in names]
    if any(item is None or not hasattr(item, "shape") for item in found):
        raise ValueError(f"weights of {layer!r} without their arrays")
    return names, [np.asarray(item) for item in found]


def _text_list(group: object, key: str) -> list[str]:
    """A list of texts in the attributes, which Keras cuts into `key0`, `key1` and so on where it is long."""
    keys = (
        [key] if key in group.attrs else [f"{key}{number}" for number in range(1000) if f"{key}{number}" in group.attrs]
    )
    values = [value for name in keys for value in np.asarray(group.attrs[name]).ravel()]
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def read_text(file: object, key: str) -> str | None:
    """One text in the attributes of a file; None where there is none."""
    if key not in file.attrs:
        return None
    if file.attrs.get_id(key).shape != ():
        raise ValueError(f"{key} that is no text")
    value = file.attrs[key]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
