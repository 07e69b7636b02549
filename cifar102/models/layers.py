"""The pieces our networks are made of: layers Keras lacks, and calls that refuse an input too small for them."""

import functools
import random
from collections.abc import Callable

import tensorflow as tf
from tensorflow import keras

from cifar102.models import addons

HALF_ROOT, DENSITY_AT_0 = 0.5**0.5, 0.3989422804014327  # 1 / sqrt(2), 1 / sqrt(2 pi)
ACTIVATIONS = ("relu", "selu", "elu", "tanh", "leaky_relu", "mish", "gelu")
POOLINGS = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}


def activate(x: tf.Tensor, activation: str, name: str | None = None) -> tf.Tensor:
    """Apply one of ACTIVATIONS as a layer of its own; ValueError for another name."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}: expected one of {', '.join(ACTIVATIONS)}")
    if activation in ACTIVATION_LAYERS:
        return ACTIVATION_LAYERS[activation](name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def convolve(
    x: tf.Tensor,
    filters: int,
    size: int,
    name: str,
    stride: int = 1,
    padding: str = "same",
    kind: type = keras.layers.Conv2D,
    **options: object,
) -> tf.Tensor:
    """Apply Conv2D `name`, or another `kind` of it; ValueError where its input is too small. `options` go to it."""
    if padding not in ("same", "valid"):
        raise ValueError(f"padding {padding!r}: expected 'same' or 'valid'")
    _check_size(x, size if padding == "valid" else 1, stride, name)
    return kind(filters, size, stride, padding, name=name, **options)(x)


def pool(
    x: tf.Tensor, name: str, kind: str = "max", size: int = 2, stride: int | None = None, padding: str = "valid"
) -> tf.Tensor:
    """Apply max or average pooling `name`; ValueError where its input is smaller than its window."""
    if kind not in POOLINGS:
        raise ValueError(f"pooling {kind!r}: expected one of {', '.join(POOLINGS)}")
    _check_size(x, size, stride or size, name)
    return POOLINGS[kind](size, stride, padding, name=name)(x)


def normalize(x: tf.Tensor, name: str | None = None, momentum: float = 0.9, **options: object) -> tf.Tensor:
    """Apply batch normalisation with the averages of the papers (momentum .9) instead of Keras's .99."""
    return keras.layers.BatchNormalization(momentum=momentum, epsilon=1e-5, name=name, **options)(x)


def drop(x: tf.Tensor, rate: float, name: str | None = None) -> tf.Tensor:
    """Apply CountedDropout, or nothing where the rate is 0."""
    return CountedDropout(rate, name=name)(x) if rate else x


def classify(x: tf.Tensor, num_classes: int, **options: object) -> tf.Tensor:
    """Apply the last dense layer: logits (n, num_classes), float32 under mixed precision too."""
    return keras.layers.Dense(num_classes, dtype="float32", name="logits", **options)(x)


@keras.utils.register_keras_serializable(package="cifar102")
class Gelu(keras.layers.Layer):
    """x times the standard normal distribution function of x."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return gelu(inputs)


@keras.utils.register_keras_serializable(package="cifar102")
class Mish(keras.layers.Layer):
    """x * tanh(softplus(x)) (Misra 2019), from TensorFlow Addons where it is installed."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return addons.mish(_unfused(inputs))


@keras.utils.register_keras_serializable(package="cifar102")
class Tanh(keras.layers.Layer):
    """tanh, also after batch norm."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.tanh(_unfused(inputs))


@keras.utils.register_keras_serializable(package="cifar102")
class SmallMapConv2D(keras.layers.Conv2D):
    """Conv2D for maps of a few pixels: in bfloat16, by 1 and with padded edges, odd kernels go by `convolve_small`."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        ones = {*self.strides, *self.dilation_rate, self.groups, *(size % 2 for size in self.kernel_size)}
        layout = (self.compute_dtype, self.padding, self.data_format)
        if layout == ("bfloat16", "same", "channels_last") and ones == {1}:
            return convolve_small(inputs, tf.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)


@keras.utils.register_keras_serializable(package="cifar102")
class PaddedShortcut(keras.layers.Layer):
    """The identity shortcut over a change of size: every `stride`-th pixel, new channels filled with zeros.

    Source: He et al. 2015, Deep residual learning, section 3.3, option A; it has no parameters. Pooling over one pixel
    takes the same pixels as a slice, whose operation and gradient are 8 % of a step of ResNet-20 on a processor.
    """

    def __init__(self, filters: int, stride: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters, self.stride = filters, stride

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        thinned = tf.nn.avg_pool2d(inputs, 1, self.stride, "VALID")
        missing = self.filters - inputs.shape[-1]
        return tf.pad(thinned, [[0, 0], [0, 0], [0, 0], [missing // 2, missing - missing // 2]])

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], -(-shape[1] // self.stride), -(-shape[2] // self.stride), self.filters)

    def get_config(self) -> dict:
        return super().get_config() | {"filters": self.filters, "stride": self.stride}


@keras.utils.register_keras_serializable(package="cifar102")
class LocalResponseNormalization(keras.layers.Layer):
    """Divide by the activity of the neighbouring channels (Krizhevsky et al. 2012), with the tutorial's constants."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        full = tf.cast(inputs, tf.float32)  # the operation knows no bfloat16 gradient
        normal = tf.nn.local_response_normalization(full, depth_radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75)
        return tf.cast(normal, inputs.dtype)


@keras.utils.register_keras_serializable(package="cifar102")
class CountedDropout(keras.layers.Layer):
    """Dropout whose mask depends on a seed and on the count of masks drawn so far, which is saved with the weights.

    Keras's own layer forgets where its random stream stood when a model is saved; with this one a run that was killed
    and resumed draws the masks of the unbroken run. Without a seed one is drawn from Python's generator, which
    `keras.utils.set_random_seed` fixes.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"dropout rate {rate}: expected 0 <= rate < 1")
        self.rate = rate
        self.seed = random.randrange(2**31) if seed is None else seed

    def build(self, shape: tuple) -> None:
        self.count = self.add_weight(name="count", shape=(), dtype="int64", initializer="zeros", trainable=False)
        super().build(shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or self.rate == 0:
            return inputs
        replica = tf.distribute.get_replica_context()
        number = replica.replica_id_in_sync_group if replica else 0
        seed = tf.random.experimental.stateless_fold_in([self.seed, number], tf.cast(self.count, tf.int64))
        self.count.assign_add(1)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed, rng_alg="philox")

    def get_config(self) -> dict:
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


@keras.utils.register_keras_serializable(package="cifar102")
class ScaledBias(keras.layers.Layer):
    """Adds `factor` times a bias per channel, which so learns at factor^2 times the rate of the other weights."""

    def __init__(self, factor: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape: tuple) -> None:
        self.bias = self.add_weight(name="bias", shape=(shape[-1],), initializer="zeros")
        super().build(shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return _add_bias(inputs, self.factor * tf.cast(self.bias, tf.float32))

    def get_config(self) -> dict:
        return super().get_config() | {"factor": self.factor}


ACTIVATION_LAYERS = {"mish": Mish, "tanh": Tanh, "gelu": Gelu, "leaky_relu": keras.layers.LeakyReLU}


@tf.custom_gradient
def gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """x times the standard normal distribution function of x, computed in float32 whatever the dtype of x.

    Each direction is one loop where TensorFlow comes with XLA; TensorFlow's own takes several operations, each with its
    conversions under bfloat16. Source: Hendrycks & Gimpel 2016, Gaussian error linear units, arXiv 1606.08415.
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(_compiled(_backward, x.dtype)(x, upstream), x.shape)

    return tf.ensure_shape(_compiled(_forward, x.dtype)(x), x.shape), gradient


@tf.custom_gradient
def convolve_small(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple]]:
    """Convolve (n, h, w, c) by (a, b, c, d), a and b odd, edges padded; the kernel's gradient is a*b matrix products.

    On maps of a few pixels and many channels, in bfloat16, oneDNN's own kernel gradient takes twice the time of the
    convolution; the products of all pixels, moved once for each place of the kernel, take three quarters of that.
    """
    height, width, *channels = kernel.shape
    edges = [[0, 0], [height // 2] * 2, [width // 2] * 2, [0, 0]]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_input = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, strides=[1] * 4, padding="SAME"
        )
        padded, pixels = tf.pad(x, edges), tf.reshape(upstream, (-1, channels[1]))
        rows, columns = tf.shape(x)[1], tf.shape(x)[2]
        places = [
            tf.matmul(tf.reshape(padded[:, i : i + rows, j : j + columns], (-1, channels[0])), pixels, transpose_a=True)
            for i in range(height)
            for j in range(width)
        ]
        return of_input, tf.reshape(tf.stack(places), kernel.shape)

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradient


def _forward(x: tf.Tensor) -> tf.Tensor:
    full = tf.cast(x, tf.float32)
    return tf.cast(full * _distribution(full), x.dtype)


def _backward(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    full = tf.cast(x, tf.float32)
    slope = _distribution(full) + full * DENSITY_AT_0 * tf.exp(-0.5 * full * full)
    return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)


def _distribution(x: tf.Tensor) -> tf.Tensor:
    """The standard normal distribution function."""
    return 0.5 + 0.5 * tf.math.erf(x * HALF_ROOT)


@functools.cache
def _compiled(function: Callable, dtype: tf.DType) -> Callable:
    """The function as one loop of XLA, for tensors of any shape; as it is where TensorFlow comes without XLA."""
    arguments = [tf.TensorSpec(None, dtype)] * function.__code__.co_argcount
    compiled = tf.function(function, input_signature=arguments, jit_compile=True)
    try:
        with tf.init_scope():
            compiled(*[tf.zeros(1, dtype)] * len(arguments))
    except tf.errors.OpError:
        return function
    return compiled


@tf.custom_gradient
def _add_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """x (..., c) + bias (c,), float32, whose gradient is summed in float32 whatever the dtype of x.

    TensorFlow sums it in the dtype of x: in bfloat16, over 100,000 pixels, it was twice as long and pointed elsewhere.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return upstream, tf.reduce_sum(tf.cast(upstream, tf.float32), axis=list(range(len(x.shape) - 1)))

    return tf.nn.bias_add(x, tf.cast(bias, x.dtype)), gradient


def _unfused(x: tf.Tensor) -> tf.Tensor:
    """The same tensor, which TensorFlow cannot fuse with what comes after; the check of a shape costs nothing.

    In inference TensorFlow with oneDNN fuses a convolution, its batch norm and tanh or Mish into an operation that it
    has no kernel for: "Fusion is not implemented: [FusedBatchNorm,Tanh]".
    """
    return tf.ensure_shape(x, x.shape)


def _check_size(x: tf.Tensor, window: int, stride: int, name: str) -> None:
    if None in x.shape[1:3]:  # a network for images of any size: too small ones show when they come
        return
    smallest = min(x.shape[1:3])
    if smallest < window or smallest < stride:
        raise ValueError(
            f"layer {name!r}: its input is {x.shape[1]}x{x.shape[2]} pixels, it needs at least {max(window, stride)}; "
            "use padding='same' or fewer layers"
        )
