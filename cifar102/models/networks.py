"""Networks without shortcuts: dense, small convolutional, AlexNet- and VGG-like. All take inputs, give logits."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers


def fully_connected(inputs: tf.Tensor, num_classes: int, activation: str = "relu", dropout: float = 0.0) -> tf.Tensor:
    """Flatten, dense 512 and 256, logits. 1,707,274 parameters for 10 classes."""
    x = keras.layers.Flatten(name="flatten")(inputs)
    for units in (512, 256):
        x = keras.layers.Dense(units, name=f"dense_{units}")(x)
        x = layers.activate(x, activation, f"{activation}_{units}")
        x = layers.drop(x, dropout, f"dropout_{units}")
    return layers.classify(x, num_classes)


def cnn_two_conv(inputs: tf.Tensor, num_classes: int, activation: str = "relu") -> tf.Tensor:
    """Two 3x3 valid convolutions, dense 128, logits; no pooling. 6,454,948 parameters for 100 classes."""
    x = inputs
    for k, filters in enumerate((32, 64), 1):
        x = layers.convolve(x, filters, 3, f"conv{k}", padding="valid")
        x = layers.activate(x, activation, f"conv{k}_{activation}")
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.activate(keras.layers.Dense(128, name="dense")(x), activation, f"dense_{activation}")
    return layers.classify(x, num_classes)


def cnn_four_conv(
    inputs: tf.Tensor, num_classes: int, activation: str = "relu", dropout: Sequence[float] = (0.25, 0.25, 0.5)
) -> tf.Tensor:
    """Keras's classic CIFAR-10 example: two blocks of two 3x3 convolutions, dense 512. 2,168,362 parameters.

    dropout: the rates after the first block, after the second one and after the dense layer.
    """
    if len(dropout) != 3:
        raise ValueError(f"dropout {dropout!r}: cnn_four_conv has 3 rates (block 1, block 2, dense)")
    x = inputs
    for block, filters in enumerate((32, 64), 1):
        for k in (1, 2):
            x = layers.convolve(x, filters, 3, f"block{block}_conv{k}")
            x = layers.activate(x, activation, f"block{block}_{activation}{k}")
        x = layers.pool(x, f"block{block}_pool")
        x = layers.drop(x, dropout[block - 1], f"block{block}_dropout")
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.activate(keras.layers.Dense(512, name="dense")(x), activation, f"dense_{activation}")
    return layers.classify(layers.drop(x, dropout[2], "dense_dropout"), num_classes)


def alexnet(inputs: tf.Tensor, num_classes: int, local_response: bool = True, dropout: float = 0.0) -> tf.Tensor:
    """The small AlexNet of TensorFlow's first CIFAR-10 tutorial, on whole 32x32 images. 1,756,426 parameters.

    local_response: its local response normalisation after the first pooling and before the second.
    Source: https://github.com/tensorflow/models/tree/r1.4.0/tutorials/image/cifar10 (24x24 crops: 1,068,298)
    """
    x = layers.activate(layers.convolve(inputs, 64, 5, "conv1"), "relu", "conv1_relu")
    x = layers.pool(x, "pool1", size=3, stride=2, padding="same")
    x = layers.LocalResponseNormalization(name="norm1")(x) if local_response else x
    x = layers.activate(layers.convolve(x, 64, 5, "conv2"), "relu", "conv2_relu")
    x = layers.LocalResponseNormalization(name="norm2")(x) if local_response else x
    x = layers.pool(x, "pool2", size=3, stride=2, padding="same")
    x = keras.layers.Flatten(name="flatten")(x)
    for units in (384, 192):
        x = layers.activate(keras.layers.Dense(units, name=f"dense_{units}")(x), "relu", f"relu_{units}")
        x = layers.drop(x, dropout, f"dropout_{units}")
    return layers.classify(x, num_classes)


def vgg10(
    inputs: tf.Tensor,
    num_classes: int,
    filters: Sequence[int] = (32, 64, 128, 256),
    dropout: float = 0.0,
    activation: str = "relu",
) -> tf.Tensor:
    """Ten 3x3 convolutions in VGG blocks of 2, 2, 3, 3 with batch norm, global average pooling. 1,913,834 parameters.

    filters: of the four blocks. Global pooling stands for VGG's large dense layers.
    """
    if len(filters) != 4:
        raise ValueError(f"filters {filters!r}: vgg10 has 4 blocks")
    x = _vgg_blocks(inputs, tuple(filters), (2, 2, 3, 3), activation)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.classify(layers.drop(x, dropout, "dropout"), num_classes)


def vgg16(inputs: tf.Tensor, num_classes: int, dropout: float = 0.5, activation: str = "relu") -> tf.Tensor:
    """VGG-16 for CIFAR: 13 convolutions with batch norm, dense 512 with dropout, logits. 14,987,210 parameters.

    Source: Simonyan & Zisserman 2014, configuration D; dense 512 once instead of 4096 twice, for 32x32 pixels.
    """
    x = _vgg_blocks(inputs, (64, 128, 256, 512, 512), (2, 2, 3, 3, 3), activation)
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.normalize(keras.layers.Dense(512, use_bias=False, name="dense")(x), "dense_norm")
    x = layers.activate(x, activation, f"dense_{activation}")
    return layers.classify(layers.drop(x, dropout, "dropout"), num_classes)


def _vgg_blocks(x: tf.Tensor, filters: Sequence[int], num_conv: Sequence[int], activation: str) -> tf.Tensor:
    for block, (width, count) in enumerate(zip(filters, num_conv, strict=True), 1):
        for k in range(1, count + 1):
            name = f"block{block}_conv{k}"
            x = layers.convolve(x, width, 3, name, use_bias=False, kernel_initializer="he_normal")
            x = layers.activate(layers.normalize(x, f"{name}_norm"), activation, f"{name}_{activation}")
        x = layers.pool(x, f"block{block}_pool")
    return x
