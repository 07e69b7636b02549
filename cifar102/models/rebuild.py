"""A model made anew from its checked architecture and its weights, with the constructors of the Keras that is here.

Nothing of Keras's own reading of files is used: `architecture` has checked every name against the tables, this room
calls constructors by them, and puts the arrays of `weights_file` into the layers. So a file of either Keras opens in
both, and holds nothing that runs.
"""

import inspect
import math

import tensorflow as tf
from tensorflow import keras

from cifar102.models import allowed_layers, architecture, layers, operations, weights_file
from cifar102.models.allowed_layers import shown
from cifar102.models.architecture import ModelPlan, Part
from cifar102.models.graph_calls import LayerPlan, Reference

KERAS = architecture.KERAS
LARGEST_TENSOR = 1 << 24  # numbers between two layers, an image; a VGG on 224 x 224 pixels has 3 million
EVERY = {"name", "trainable", "dtype", "activity_regularizer"}
SPELLED_DIFFERENTLY = {"OrthogonalInitializer": "Orthogonal", "IdentityInitializer": "Identity"}


def hard_sigmoid_of_keras_2(x: tf.Tensor) -> tf.Tensor:
    """0.2 x + 0.5 between 0 and 1; Keras 3 has x / 6 + 0.5 under the same name."""
    return tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


ACTIVATIONS = {
    "relu6": tf.nn.relu6,
    "silu": tf.nn.silu,
    "leaky_relu": tf.nn.leaky_relu,
    "log_softmax": tf.nn.log_softmax,
}
ACTIVATIONS |= {"hard_silu": operations.FUNCTIONS["hard_silu"], "hard_swish": operations.FUNCTIONS["hard_silu"]}


def build(plan: object, file: object, written_by: int) -> keras.Model:
    """Make a model with its weights. plan: of read_architecture; file: of open_hdf5; written_by: Keras 2 or 3."""
    if not isinstance(plan, ModelPlan):
        raise ValueError(f"one layer, {plan.kind}, expected a model")
    builder = Builder(written_by, weights_file.count(file))
    model = builder.model(plan)
    weights_file.fill(file, plan, builder.made)
    return model


class Builder:
    """Makes one model; written_by is 2 or 3, capacity how many numbers its weights file holds."""

    def __init__(self, written_by: int, capacity: int) -> None:
        self.written_by, self.capacity, self.made = written_by, capacity, {}

    def model(self, plan: ModelPlan, shape: object = None) -> keras.Model:
        """Build a Functional or Sequential model; ValueError where the plan is no graph, or larger than the weights."""
        model = self._sequential(plan, shape) if plan.kind == "Sequential" else self._functional(plan)
        if not plan.trainable:
            model.trainable = False
        self.made[id(plan)] = model
        return model

    def _sequential(self, plan: ModelPlan, shape: object) -> keras.Model:
        given = _input_shape(plan, shape)
        if given is None:
            raise ValueError(f"Sequential {plan.name!r} does not say the shape of its input")
        options = next((item.options for item in plan.layers if item.kind == "InputLayer"), {})
        inputs = keras.Input(batch_shape=given, name=_own_name(options.get("name")), dtype=_input_dtype(options))
        x, made = inputs, []
        for item in plan.layers:
            if item.kind != "InputLayer":
                made.append(self._layer(item, x))
                x = self._call(item, made[-1], (x,), {})
        return keras.Sequential([inputs, *made], name=_own_name(plan.name))

    def _functional(self, plan: ModelPlan) -> keras.Model:
        graph = Graph(plan)
        for item in plan.layers:
            if item.kind == "InputLayer":
                graph.outputs[item.name, 0] = [_input(item)]
        while graph.waiting:
            ready = [entry for entry in graph.waiting if graph.is_ready(entry)]
            if not ready:
                item, number = graph.waiting[0]
                raise ValueError(f"{item.kind} {item.name!r} is called with what nothing gives, or with its own output")
            for item, number in ready:
                args, keywords = graph.arguments(item.calls[number])
                if self.written_by == 3 and keywords.get("training"):
                    del keywords["training"]  # Keras 3 writes it for augmentations, and predicts without it
                if item.name not in graph.layers:
                    graph.layers[item.name] = self._layer(item, args[0] if args else next(iter(keywords.values())))
                output = self._call(item, graph.layers[item.name], args, keywords)
                graph.outputs[item.name, number] = list(output) if isinstance(output, list | tuple) else [output]
            graph.waiting = [entry for entry in graph.waiting if entry not in ready]
        try:
            ends = [graph.find(end) for end in (plan.inputs, plan.outputs)]
        except (KeyError, IndexError) as error:
            raise ValueError(f"{plan.kind} {plan.name!r} begins or ends with what no layer gives") from error
        return keras.Model(*ends, name=_own_name(plan.name))

    def _layer(self, plan: LayerPlan | ModelPlan, inputs: object) -> keras.layers.Layer:
        if isinstance(plan, LayerPlan):
            return self.make(plan)
        first = inputs[0] if isinstance(inputs, list | tuple) else inputs
        return self.model(plan, tuple(first.shape))

    def make(self, plan: LayerPlan) -> keras.layers.Layer:
        """Construct one layer; ValueError for an option that is on and which this Keras does not have."""
        kind = _class(plan)
        known = set(inspect.signature(kind.__init__).parameters)
        known |= EVERY if "kwargs" in known else set()
        known |= {"zero_output_for_mask"} if plan.kind in ("LSTM", "GRU", "SimpleRNN") else set()
        options = dict(plan.options)
        if plan.kind in allowed_layers.RENAMED:
            old, new = allowed_layers.RENAMED[plan.kind] if KERAS == 3 else allowed_layers.RENAMED[plan.kind][::-1]
            options = {new if key == old else key: value for key, value in options.items()}
        lost = {key: value for key, value in options.items() if key not in known}
        if on := {key: value for key, value in lost.items() if not allowed_layers.is_without_effect(key, value)}:
            raise ValueError(f"{plan.kind} {plan.name!r} has {shown(on)}, which Keras {KERAS} does not know")
        made = {key: self._option(key, value) for key, value in options.items() if key not in lost}
        if made.get("axis") and plan.kind == "BatchNormalization" and isinstance(made["axis"], list):
            made["axis"] = made["axis"][0] if len(made["axis"]) == 1 else made["axis"]
        made["name"] = _own_name(plan.name)
        self.made[id(plan)] = kind(
            **{key: value for key, value in made.items() if value is not None or key not in EVERY}
        )
        return self.made[id(plan)]

    def _option(self, key: str, value: object) -> object:
        if isinstance(value, Part):
            kind = getattr(getattr(keras, value.family), SPELLED_DIFFERENTLY.get(value.kind, value.kind))
            known = set(inspect.signature(kind.__init__).parameters)
            return kind(**{name: item for name, item in value.options.items() if name in known})
        if isinstance(value, LayerPlan):
            return self.make(value)
        if isinstance(value, ModelPlan):
            return self.model(value)
        if key in ("activation", "recurrent_activation") and isinstance(value, str):
            return self._activation(value)
        return tuple(value) if isinstance(value, list) and key in ("target_shape", "dims", "noise_shape") else value

    def _activation(self, name: str) -> object:
        if name == "hard_sigmoid" and self.written_by != KERAS:
            return hard_sigmoid_of_keras_2 if KERAS == 3 else operations.FUNCTIONS["hard_sigmoid"]
        return name if hasattr(keras.activations, name) else ACTIVATIONS[name]

    def _call(self, plan: LayerPlan | ModelPlan, layer: object, args: tuple, keywords: dict) -> object:
        """Call a layer, after the weights that it will make were counted; ValueError names it where it cannot be."""
        shapes = [tuple(tensor.shape) for tensor in tf.nest.flatten(args)]
        if isinstance(plan, LayerPlan) and (size := weight_size(plan, shapes)) > self.capacity:
            raise ValueError(
                f"{plan.kind} {plan.name!r} needs {size} weights, the file holds {self.capacity} numbers in all"
            )
        try:
            output = layer(*args, **keywords)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{plan.kind} {plan.name!r} cannot be called so: {error}") from error
        for tensor in tf.nest.flatten(output):
            if math.prod(size or 1 for size in tensor.shape) > LARGEST_TENSOR:
                raise ValueError(f"{plan.kind} {plan.name!r} gives {tuple(tensor.shape)}, more than {LARGEST_TENSOR}")
        return output


class Graph:
    """The calls of a Functional model that wait, and the outputs there are."""

    def __init__(self, plan: ModelPlan) -> None:
        self.waiting = [(item, number) for item in plan.layers for number in range(len(item.calls))]
        self.layers: dict[str, keras.layers.Layer] = {}
        self.outputs: dict[tuple[str, int], list] = {}
        names = [item.name for item in plan.layers]
        if len(set(names)) < len(names):
            raise ValueError(f"two layers of one name in {plan.name!r}")
        calls = [[call.args, list(call.keywords.values())] for item in plan.layers for call in item.calls]
        models = {item.name for item in plan.layers if isinstance(item, ModelPlan)}
        # Keras 2 and files of .h5 count the calls of a model from 1, Keras 3 from 0: the smallest number named says it.
        self.first: dict[str, int] = {}
        for reference in references([plan.inputs, plan.outputs, *calls]):
            if reference.layer in models:
                self.first[reference.layer] = min(1, self.first.get(reference.layer, 1), reference.node)

    def find(self, value: object) -> object:
        """The tensors of references; KeyError or IndexError where a layer has not been called yet."""
        if isinstance(value, tuple | list):
            return [self.find(item) for item in value]
        if not isinstance(value, Reference):
            return value
        return self.outputs[value.layer, value.node - self.first.get(value.layer, 0)][value.tensor]

    def arguments(self, call: object) -> tuple[tuple, dict]:
        return tuple(self.find(item) for item in call.args), {
            key: self.find(item) for key, item in call.keywords.items()
        }

    def is_ready(self, entry: tuple) -> bool:
        item, number = entry
        try:
            self.arguments(item.calls[number])
        except (KeyError, IndexError):
            return False
        return True


def references(value: object) -> list[Reference]:
    """All references in nested arguments."""
    if isinstance(value, Reference):
        return [value]
    return [found for item in value for found in references(item)] if isinstance(value, list | tuple) else []


def weight_size(plan: LayerPlan, shapes: list[tuple]) -> int:
    """How many numbers the largest weight of a layer has; 0 where weights are no larger than images."""
    options, last = plan.options, (shapes[0][-1] or 1) if shapes and len(shapes[0]) > 1 else 1
    if options.get("data_format") == "channels_first":
        last = shapes[0][1] or 1
    window = options.get("kernel_size", 1)
    window = math.prod(window) if isinstance(window, list) else window
    units = options.get("units") or 0
    multiplier = options.get("depth_multiplier") or 1
    if plan.kind in ("LSTM", "GRU", "SimpleRNN"):
        return units * max(units, last)
    if plan.kind == "Dense":
        return units * last
    if plan.kind == "Embedding":
        return options["input_dim"] * options["output_dim"]
    if plan.kind == "MultiHeadAttention":
        return options["num_heads"] * max(options["key_dim"], options.get("value_dim") or 0) * last
    if plan.kind.startswith("Depthwise"):
        return window * last * multiplier
    if plan.kind.startswith("Separable"):
        return last * multiplier * max(window, options["filters"])
    return window * last * options["filters"] // (options.get("groups") or 1) if "filters" in options else 0


def _class(plan: LayerPlan) -> type:
    if plan.is_own:
        return operations.Operation if plan.kind == "Operation" else getattr(layers, plan.kind)
    kind = getattr(keras.layers, plan.kind, None)
    if kind is None:
        raise ValueError(f"{plan.kind} of keras.layers is not in Keras {KERAS}")
    return kind


def _own_name(name: str | None) -> str | None:
    return name.replace("/", "_") if isinstance(name, str) and KERAS == 3 else name


def _input_dtype(options: dict) -> str | None:
    dtype = options.get("dtype")
    return None if dtype is None or dtype.startswith("mixed") else dtype


def _input(plan: LayerPlan) -> object:
    shape = plan.options.get("batch_input_shape") or plan.options.get("batch_shape")
    if not isinstance(shape, list) or any(isinstance(size, list) for size in shape):
        raise ValueError(f"InputLayer {plan.name!r} of shape {shown(shape)}")
    return keras.Input(batch_shape=tuple(shape), name=_own_name(plan.name), dtype=_input_dtype(plan.options))


def _input_shape(plan: ModelPlan, called_with: object) -> tuple | None:
    options = plan.layers[0].options if plan.layers and isinstance(plan.layers[0], LayerPlan) else {}
    said = [options.get("batch_input_shape"), options.get("batch_shape")]
    shape = next((shape for shape in [*said, plan.input_shape, called_with] if shape), None)
    return None if shape is None else (None, *shape[1:])
