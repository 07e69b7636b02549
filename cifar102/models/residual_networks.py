"""Networks with shortcuts: the CIFAR ResNets of He et al. and wide residual networks, with squeeze-and-excite."""

import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers


def resnet(inputs: tf.Tensor, num_classes: int, depth: int = 20, activation: str = "relu") -> tf.Tensor:
    """ResNet of depth 6n+2: a convolution, three stages of n blocks with 16, 32, 64 filters, pooling, logits.

    Shortcuts are identities, padded with zeros where the size changes. 269,722 parameters at depth 20.
    Source: He et al. 2015, Deep residual learning for image recognition, section 4.2.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"resnet depth {depth}: expected 6n+2 with n at least 1 (8, 14, 20, 32, 44, 56, 110)")
    x = _convolution(inputs, 16, "conv")
    x = layers.activate(layers.normalize(x, "norm"), activation, "activation")
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range(1, (depth - 2) // 6 + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _residual_block(x, filters, stride, activation, f"stage{stage}_block{block}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.classify(x, num_classes, kernel_initializer="he_normal")


def wide_resnet(
    inputs: tf.Tensor,
    num_classes: int,
    depth: int = 16,
    width: int = 4,
    dropout: float = 0.0,
    squeeze_excite: bool = False,
    activation: str = "relu",
) -> tf.Tensor:
    """WRN-depth-width, depth 6n+4: pre-activation blocks, convolutions without bias, 1x1 where the size changes.

    2,748,890 parameters for WRN-16-4. dropout: between the two convolutions of a block. squeeze_excite: after a block's
    last convolution, reduction 16. Source: Zagoruyko & Komodakis 2016, Wide residual networks; Hu et al. 2017.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"wide_resnet depth {depth}: expected 6n+4 with n at least 1 (10, 16, 22, 28, 40)")
    if width < 1:
        raise ValueError(f"wide_resnet width {width}: expected 1 or more")
    x = _convolution(inputs, 16, "conv")
    for stage, filters in enumerate((16 * width, 32 * width, 64 * width), 1):
        for block in range(1, (depth - 4) // 6 + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            name = f"stage{stage}_block{block}"
            x = _wide_block(x, filters, stride, dropout, squeeze_excite, activation, name)
    x = layers.activate(layers.normalize(x, "norm"), activation, "activation")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.classify(x, num_classes)


def squeeze_and_excite(x: tf.Tensor, name: str, reduction: int = 16) -> tf.Tensor:
    """Scale each channel by a gate computed from the means of all channels. Source: Hu et al. 2017, figure 2."""
    channels = x.shape[-1]
    gate = keras.layers.GlobalAveragePooling2D(name=f"{name}_squeeze")(x)
    gate = keras.layers.Dense(max(1, channels // reduction), "relu", name=f"{name}_reduce")(gate)
    gate = keras.layers.Dense(channels, "sigmoid", name=f"{name}_excite")(gate)
    gate = keras.layers.Reshape((1, 1, channels), name=f"{name}_gate")(gate)
    return keras.layers.Multiply(name=f"{name}_scale")([x, gate])


def _convolution(x: tf.Tensor, filters: int, name: str, stride: int = 1, size: int = 3) -> tf.Tensor:
    return layers.convolve(x, filters, size, name, stride, use_bias=False, kernel_initializer="he_normal")


def _residual_block(x: tf.Tensor, filters: int, stride: int, activation: str, name: str) -> tf.Tensor:
    changes = stride > 1 or x.shape[-1] != filters
    shortcut = layers.PaddedShortcut(filters, stride, name=f"{name}_shortcut")(x) if changes else x
    x = layers.normalize(_convolution(x, filters, f"{name}_conv1", stride), f"{name}_norm1")
    x = layers.activate(x, activation, f"{name}_activation1")
    x = layers.normalize(_convolution(x, filters, f"{name}_conv2"), f"{name}_norm2")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.activate(x, activation, f"{name}_activation2")


def _wide_block(
    x: tf.Tensor, filters: int, stride: int, dropout: float, squeeze_excite: bool, activation: str, name: str
) -> tf.Tensor:
    active = layers.activate(layers.normalize(x, f"{name}_norm1"), activation, f"{name}_activation1")
    changes = stride > 1 or x.shape[-1] != filters
    shortcut = _convolution(active, filters, f"{name}_shortcut", stride, size=1) if changes else x
    y = _convolution(active, filters, f"{name}_conv1", stride)
    y = layers.activate(layers.normalize(y, f"{name}_norm2"), activation, f"{name}_activation2")
    y = _convolution(layers.drop(y, dropout, f"{name}_dropout"), filters, f"{name}_conv2")
    y = squeeze_and_excite(y, name) if squeeze_excite else y
    return keras.layers.Add(name=f"{name}_add")([shortcut, y])
