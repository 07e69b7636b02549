"""Every network of the project, a function from inputs to logits: plain, of the studies, with shortcuts, fast."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers

POOLINGS = ("max", "average", "max_then_average")
WHITENING = "whitening"  # name of the fixed first layer
NUM_PATCH_VALUES = 12  # 2x2 pixels of 3 channels
WHITENING_BIAS = 0.6  # trained ones end between -1.7 and 1.2; without any, training accuracy is lower from epoch 1 on


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


def fast_cnn(
    inputs: tf.Tensor,
    num_classes: int,
    filters: Sequence[int] = (64, 256, 256),
    downsampling: str = "max",
    activation: str = "gelu",
    logit_scale: float = 1 / 9,
    bias_factor: float = 8.0,
) -> tf.Tensor:
    """A fixed whitening convolution, three blocks of two 3x3 convolutions, max pooling, scaled logits.

    1,971,328 trainable parameters. downsampling: "max" pools after the first convolution of a block, as published;
    "stride" lets it step by 2 instead, which is cheaper. The bias of the whitening is fixed; for the published
    one, which is trained, the first trained convolution would need its gradient by its input, 5 % of a step.
    bias_factor: the other biases learn at its square times the rate, as published. prepare_fast_cnn sets the first
    weights from training images. Source: Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds, arXiv 2404.00498, section 3.
    """
    if downsampling not in ("stride", "max"):
        raise ValueError(f"downsampling {downsampling!r}: expected 'stride' or 'max'")
    bias = keras.initializers.Constant(WHITENING_BIAS)
    fixed = {"trainable": False, "kernel_initializer": "orthogonal", "bias_initializer": bias}
    x = layers.convolve(inputs, 2 * NUM_PATCH_VALUES, 2, WHITENING, padding="valid", **fixed)
    x = layers.activate(x, activation, f"{WHITENING}_{activation}")
    for block, width in enumerate(filters, 1):
        kind = layers.SmallMapConv2D if block == len(filters) else keras.layers.Conv2D
        for k in (1, 2):
            name = f"block{block}_conv{k}"
            options = {"kind": kind, "use_bias": False, "kernel_initializer": _small_uniform()}
            x = layers.convolve(x, width, 3, name, 2 if k == 1 and downsampling == "stride" else 1, **options)
            x = layers.pool(x, f"block{block}_pool") if k == 1 and downsampling == "max" else x
            x = layers.normalize(x, f"{name}_norm", momentum=0.6, center=False, scale=False)
            x = layers.ScaledBias(bias_factor, name=f"{name}_bias")(x)
            x = layers.activate(x, activation, f"{name}_{activation}")
    x = keras.layers.GlobalMaxPooling2D(name="pool")(x)
    x = keras.layers.Rescaling(logit_scale, name="scale")(x)
    return layers.classify(x, num_classes, use_bias=False)


def _small_uniform() -> keras.initializers.Initializer:
    """Between -1 and 1 over the root of the number of inputs: PyTorch's own, which the published rates belong to."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def prepare_fast_cnn(model: keras.Model, images: np.ndarray) -> None:
    """Whiten, and let the first filters of each other convolution pass one channel each on as it is (Dirac).

    images: float32 (n, h, w, 3), normalised as for training; 5,000 are enough. Source: arXiv 2404.00498, section 3.2.
    """
    whiten_fast_cnn(model, images)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name != WHITENING:
            kernel = np.array(layer.get_weights()[0])
            middle, same = kernel.shape[0] // 2, min(kernel.shape[2:])
            kernel[..., :same] = 0
            kernel[middle, middle, range(same), range(same)] = 1
            layer.set_weights([kernel])


def whiten_fast_cnn(model: keras.Model, images: np.ndarray, epsilon: float = 5e-4) -> None:
    """Set the fixed first layer to the eigenvectors of 2x2 patches, scaled to variance 1, and their opposites.

    images: float32 (n, h, w, 3), normalised as for training; 5,000 are enough. ValueError where the model has no such
    layer. Source: arXiv 2404.00498, section 3.1.
    """
    if WHITENING not in [layer.name for layer in model.layers]:
        raise ValueError(f"model {model.name!r} has no layer {WHITENING!r}; only fast_cnn has")
    windows = np.lib.stride_tricks.sliding_window_view(images, (2, 2), axis=(1, 2))
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, NUM_PATCH_VALUES).astype(np.float64)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (vectors / np.sqrt(values + epsilon)).reshape(2, 2, 3, NUM_PATCH_VALUES)
    model.get_layer(WHITENING).kernel.assign(np.concatenate([scaled, -scaled], axis=3).astype(np.float32))
