"""The convolutional networks whose keyword arguments are the factors of the studies, and the CIFAR-100 networks."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers

POOLINGS = ("max", "average", "max_then_average")


def ablation_cnn(
    inputs: tf.Tensor,
    num_classes: int,
    pooling: str = "max",
    padding: str = "same",
    num_conv: int = 1,
    batch_norm: bool = False,
    dropout: float = 0.0,
    l2: float = 0.0,
    activation: str = "relu",
    filters: Sequence[int] = (32, 64, 128),
    dense_units: int = 256,
    width: float = 1.0,
) -> tf.Tensor:
    """Stages of [num_conv 3x3 convolutions, 2x2 pooling], flatten, dense, logits. 620,362 parameters as it stands.

    pooling: "max", "average" or "max_then_average" (max in all stages but the last, which averages).
    padding: of the convolutions. With "valid" and too many of them a ValueError names the layer that does not fit.
    batch_norm: before each activation, that of the dense layer too, whose units else die under dropout. dropout: after
    each pooling and the dense layer. l2: penalty on the kernel of the dense layer, where most parameters are; on every
    kernel, the published range (to .2) leaves only zeros. filters: one a stage. width: factor on them and dense_units.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling {pooling!r}: expected one of {', '.join(POOLINGS)}")
    if width <= 0:
        raise ValueError(f"width {width}: expected a factor above 0")
    if num_conv < 1 or not filters:
        raise ValueError(f"num_conv {num_conv}, filters {filters!r}: expected at least one convolution and one stage")
    x = inputs
    for stage, count in enumerate(filters, 1):
        for k in range(1, num_conv + 1):
            x = _unit(x, max(1, round(width * count)), f"stage{stage}_conv{k}", padding, batch_norm, activation)
        averages = pooling == "average" or (pooling == "max_then_average" and stage == len(filters))
        x = layers.pool(x, f"stage{stage}_pool", "average" if averages else "max")
        x = layers.drop(x, dropout, f"stage{stage}_dropout")
    x = keras.layers.Flatten(name="flatten")(x)
    penalty = keras.regularizers.L2(l2) if l2 else None
    x = keras.layers.Dense(max(1, round(width * dense_units)), kernel_regularizer=penalty, name="dense")(x)
    x = _activate(x, "dense", batch_norm, activation)
    return layers.classify(layers.drop(x, dropout, "dense_dropout"), num_classes)


def cifar100_cnn(
    inputs: tf.Tensor,
    num_classes: int,
    activation: str = "elu",
    dropout: float = 0.4,
    l2: float = 0.1,
    filters: Sequence[int] = (64, 128, 256),
    width: float = 1.0,
) -> tf.Tensor:
    """The final CIFAR-100 network: three stages of two convolutions, ELU, batch norm, dropout .4, L2 .1."""
    return ablation_cnn(
        inputs,
        num_classes,
        num_conv=2,
        batch_norm=True,
        dropout=dropout,
        l2=l2,
        activation=activation,
        filters=filters,
        dense_units=512,
        width=width,
    )


def cifar100_first_cnn(
    inputs: tf.Tensor, num_classes: int, activation: str = "relu", dropout: float = 0.2, width: float = 1.0
) -> tf.Tensor:
    """The deeper first CIFAR-100 network: four stages of three convolutions, batch norm, little dropout, no L2."""
    return ablation_cnn(
        inputs,
        num_classes,
        num_conv=3,
        batch_norm=True,
        dropout=dropout,
        activation=activation,
        filters=(64, 128, 256, 512),
        dense_units=512,
        width=width,
    )


def _unit(x: tf.Tensor, filters: int, name: str, padding: str, batch_norm: bool, activation: str) -> tf.Tensor:
    x = layers.convolve(x, filters, 3, name, padding=padding, use_bias=not batch_norm)
    return _activate(x, name, batch_norm, activation)


def _activate(x: tf.Tensor, name: str, batch_norm: bool, activation: str) -> tf.Tensor:
    x = layers.normalize(x, f"{name}_norm") if batch_norm else x
    return layers.activate(x, activation, f"{name}_{activation}")
