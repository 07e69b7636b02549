"""Layers that compute what Keras's do in less time on a processor: GELU, and convolutions in bfloat16."""

import functools
from collections.abc import Callable

import tensorflow as tf
from tensorflow import keras

HALF_ROOT, DENSITY_AT_0 = 0.5**0.5, 0.3989422804014327  # 1 / sqrt(2), 1 / sqrt(2 pi)


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
def gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """x times the standard normal distribution function of x, computed in float32 whatever the dtype of x.

    Each direction is one loop where TensorFlow comes with XLA; TensorFlow's own takes several operations, each with its
    conversions under bfloat16. Source: Hendrycks & Gimpel 2016, Gaussian error linear units, arXiv 1606.08415.
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(_compiled(_backward, x.dtype)(x, upstream), x.shape)

    return tf.ensure_shape(_compiled(_forward, x.dtype)(x), x.shape), gradient


@keras.utils.register_keras_serializable(package="cifar102")
class Gelu(keras.layers.Layer):
    """x times the standard normal distribution function of x."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return gelu(inputs)


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


@keras.utils.register_keras_serializable(package="cifar102")
class SmallMapConv2D(keras.layers.Conv2D):
    """Conv2D for maps of a few pixels: in bfloat16, by 1 and with padded edges, odd kernels go by `convolve_small`."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        ones = {*self.strides, *self.dilation_rate, self.groups, *(size % 2 for size in self.kernel_size)}
        layout = (self.compute_dtype, self.padding, self.data_format)
        if layout == ("bfloat16", "same", "channels_last") and ones == {1}:
            return convolve_small(inputs, tf.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)
