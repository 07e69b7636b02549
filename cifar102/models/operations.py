"""Arithmetic between layers, such as `1 - x` or `x / 255 - .5`: a table of operations, and the layer that does one.

Keras 2 keeps such a step as a TFOpLambda layer that names a function of TensorFlow, Keras 3 as an operation of
`keras.ops`. Both are read as one of the operations of this table, with numbers as its only constants.
"""

from collections.abc import Callable

import tensorflow as tf
from tensorflow import keras


def _subscript(item: object) -> object:
    if item == "...":
        return ...
    return slice(*item) if isinstance(item, list) else item


UNARY = {
    **{"negative": tf.negative, "abs": tf.abs, "square": tf.square, "sqrt": tf.sqrt, "exp": tf.exp, "log": tf.math.log},
    **{"rsqrt": tf.math.rsqrt, "relu": tf.nn.relu, "relu6": tf.nn.relu6, "sigmoid": tf.sigmoid, "tanh": tf.tanh},
    **{"silu": tf.nn.silu, "softplus": tf.nn.softplus, "elu": tf.nn.elu, "selu": tf.nn.selu, "identity": tf.identity},
    **{"hard_sigmoid": lambda x: tf.nn.relu6(x + 3) / 6, "hard_silu": lambda x: x * tf.nn.relu6(x + 3) / 6},
}
BINARY = {
    **{"add": tf.add, "subtract": tf.subtract, "multiply": tf.multiply, "divide": tf.divide, "power": tf.pow},
    **{"maximum": tf.maximum, "minimum": tf.minimum},
}
OVER_AXES = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "max": tf.reduce_max, "min": tf.reduce_min}
WITH_SETTINGS: dict[str, Callable] = {
    **{"reshape": tf.reshape, "transpose": tf.transpose, "expand_dims": tf.expand_dims, "squeeze": tf.squeeze},
    **{"softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax, "l2_normalize": tf.math.l2_normalize},
    **{"cast": tf.cast, "pad": tf.pad, "gelu": tf.nn.gelu},
    "clip": lambda x, low, high: tf.clip_by_value(x, tf.cast(low, x.dtype), tf.cast(high, x.dtype)),
    "slice": lambda x, slices: x[tuple(_subscript(item) for item in slices)],
    "concat": lambda *tensors, axis=-1: tf.concat(tensors, axis),
    "resize": lambda x, size, interpolation="bilinear": tf.image.resize(x, size, interpolation),
}
FUNCTIONS = UNARY | BINARY | OVER_AXES | WITH_SETTINGS


@keras.utils.register_keras_serializable(package="cifar102")
class Operation(keras.layers.Layer):
    """One operation of the table on the tensors it is called with.

    operands: one entry an argument in order, None where a tensor stands, else a number or lists of numbers. settings:
    as read_settings returns them. The dtype is that of the tensors.
    """

    def __init__(self, operation: str, operands: list, settings: dict, **kwargs: object) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.operation, self.operands, self.settings = operation, operands, settings

    def call(self, inputs: object) -> tf.Tensor:
        tensors = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        dtypes = [tensor.dtype for tensor in tensors]
        common = next((dtype for dtype in dtypes if tf.as_dtype(dtype).is_floating), dtypes[0])
        if (self.operation == "divide" and not tf.as_dtype(common).is_floating) or self._has_fractions(common):
            common = tf.float32
        tensors = iter([tf.cast(tensor, common) for tensor in tensors])
        values = [next(tensors) if value is None else tf.cast(value, common) for value in self.operands]
        return FUNCTIONS[self.operation](*values, **self.settings)

    def _has_fractions(self, dtype: object) -> bool:
        constants = [value for value in self.operands if value is not None]
        return not tf.as_dtype(dtype).is_floating and any(tf.constant(value).dtype.is_floating for value in constants)

    def get_config(self) -> dict:
        said = {"operation": self.operation, "operands": self.operands, "settings": self.settings}
        return super().get_config() | said
