"""Models as users have them, made by the Keras that is here: what opens is shown on files of each of them.

`python -m tests.models.corpus write FOLDER` writes a .keras, an .h5 and the outputs of each, `read FOLDER` opens them;
docs/model_files.py asks both stacks for both.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow import keras

from cifar102.models import architecture, files

L = keras.layers
IN_KERAS_2 = architecture.KERAS == 2


def images() -> np.ndarray:
    return np.random.default_rng(0).random((4, 32, 32, 3), np.float32)


def _ends(body: Callable, classes: int = 10, shape: tuple = (32, 32, 3)) -> keras.Model:
    """A model of `body` between images and a dense layer."""
    inputs = keras.Input(shape)
    x = body(inputs)
    x = L.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else x
    x = L.Flatten()(x) if len(x.shape) == 3 else x
    return keras.Model(inputs, L.Dense(classes, activation="softmax")(x))


def _chain(*layers: keras.layers.Layer) -> keras.Model:
    def body(x: object) -> object:
        for layer in layers:
            x = layer(x)
        return x

    return _ends(body)


def _sequential() -> keras.Model:
    start = [keras.Input((32, 32, 3)), L.Rescaling(1 / 255, -0.5), L.Conv2D(4, 3, activation="relu", strides=2)]
    return keras.Sequential([*start, L.MaxPooling2D(), L.Dropout(0.2), L.Flatten(), L.Dense(10)])


def _sequential_without_input() -> keras.Model:
    model = keras.Sequential([L.Conv2D(3, 3), L.GlobalMaxPooling2D(), L.Dense(10)])
    model(images())
    return model


def _arithmetic() -> keras.Model:
    def body(x: object) -> object:
        x = 1 - (x / 255.0 - 0.5)
        y = L.Conv2D(3, 3, padding="same", activation=tf.nn.relu)(x)
        y = y * np.array([1.0, 2.0, 3.0], np.float32) + x
        y = L.maximum([x, y]) - x
        return y[:, :, :, ::-1] if IN_KERAS_2 else y[..., ::-1]

    return _ends(body)


def _functions() -> keras.Model:
    def body(x: object) -> object:
        x = L.Conv2D(4, 3)(x)
        if IN_KERAS_2:
            x = tf.clip_by_value(tf.nn.relu6(x), 0.1, 0.9) + tf.sigmoid(x) - tf.cast(tf.square(x), "float32")
            x = tf.concat([tf.reshape(tf.reduce_mean(x, [1, 2], keepdims=True), (-1, 4)), tf.reduce_max(x, [1, 2])], -1)
            return tf.nn.softmax(x)
        ops = keras.ops
        x = ops.clip(ops.relu6(x), 0.1, 0.9) + ops.sigmoid(x) - ops.cast(ops.square(x), "float32")
        x = ops.concatenate([ops.reshape(ops.mean(x, (1, 2), keepdims=True), (-1, 4)), ops.max(x, (1, 2))], -1)
        return ops.softmax(x)

    return _ends(body)


def _nested(calls: int, kind: str) -> keras.Model:
    if kind == "sequential":
        block = keras.Sequential([L.Conv2D(3, 3, padding="same"), L.BatchNormalization()], name="block")
    else:
        inner = keras.Input((32, 32, 3))
        block = keras.Model(inner, L.add([L.Conv2D(3, 3, padding="same")(inner), inner]), name="block")

    def body(x: object) -> object:
        ways = [block(x)]
        for _ in range(calls - 1):
            ways.append(block(L.ReLU()(ways[-1])))
        return L.Concatenate()(ways) if calls > 1 else ways[0]

    return _ends(body)


def _twice_nested() -> keras.Model:
    block = keras.Sequential([keras.Input((32, 32, 3)), keras.Sequential([L.Conv2D(4, 3)]), L.ReLU()])
    return keras.Sequential(
        [keras.Input((32, 32, 3)), L.Rescaling(2.0), block, L.GlobalAveragePooling2D(), L.Dense(10)]
    )


def _frozen() -> keras.Model:
    inner = keras.Input((32, 32, 3))
    base = keras.Model(inner, L.BatchNormalization()(L.Conv2D(4, 3)(inner)), name="base")
    base.trainable = False
    return _ends(lambda x: base(x, training=False))


def _shared() -> keras.Model:
    layer = L.Conv2D(3, 3, padding="same", activation="tanh")
    return _ends(lambda x: L.average([layer(layer(x)), layer(x)]))


def _mixed() -> keras.Model:
    before = keras.mixed_precision.global_policy() if IN_KERAS_2 else keras.mixed_precision.dtype_policy()
    setter = keras.mixed_precision.set_global_policy
    setter("mixed_bfloat16")
    try:
        inputs = keras.Input((32, 32, 3))
        x = L.GlobalAveragePooling2D()(L.Activation("relu")(L.BatchNormalization()(L.Conv2D(4, 3)(inputs))))
        return keras.Model(inputs, L.Dense(10, dtype="float32")(x))
    finally:
        setter(before)


def _normalization() -> keras.Model:
    layer = L.Normalization()
    layer.adapt(images() * 3)
    return _chain(layer, L.Conv2D(3, 3))


def _recurrent() -> keras.Model:
    rows = [L.Reshape((32, 96)), L.Bidirectional(L.LSTM(5, return_sequences=True)), L.GRU(4, return_sequences=True)]
    return _chain(*rows, L.SimpleRNN(3, return_sequences=True), L.TimeDistributed(L.Dense(4)), L.LayerNormalization())


def _attention() -> keras.Model:
    def body(x: object) -> object:
        x = L.Dense(6)(L.Reshape((32, 96))(x))
        return L.add([x, L.MultiHeadAttention(2, 3)(L.LayerNormalization()(x), x)])

    return _ends(body)


def _squeeze() -> keras.Model:
    def body(x: object) -> object:
        x = L.Conv2D(4, 3, padding="same", kernel_regularizer=keras.regularizers.L2(0.01))(x)
        gate = L.Dense(4, activation="sigmoid")(L.Reshape((1, 1, 4))(L.GlobalAveragePooling2D()(x)))
        return L.Multiply()([x, gate])

    return _ends(body)


APPLICATIONS = keras.applications
SMALL = {"weights": None, "input_shape": (32, 32, 3), "classes": 10}
MODELS: dict[str, Callable[[], keras.Model]] = {
    "sequential": _sequential,
    "sequential_without_input": _sequential_without_input,
    "dense": lambda: _chain(
        L.Flatten(), L.Dense(5, "elu"), L.Dense(5, "selu"), L.Dense(4, "gelu"), L.Dense(4, "swish")
    ),
    "hard_sigmoid": lambda: _chain(L.Conv2D(4, 3, activation="hard_sigmoid"), L.Activation("softsign")),
    "conv": lambda: _chain(L.Conv2D(4, 3, 2, "same", dilation_rate=1), L.Conv2D(4, 3, groups=2, use_bias=False)),
    "depthwise": lambda: _chain(L.DepthwiseConv2D(3, depth_multiplier=2), L.SeparableConv2D(5, 3, activation="relu")),
    "transposed": lambda: _chain(L.Conv2DTranspose(4, 3, 2, "same"), L.UpSampling2D(2, interpolation="bilinear")),
    "batch_norm": lambda: _chain(
        L.Conv2D(4, 3), L.BatchNormalization(scale=False), L.ReLU(6.0), L.BatchNormalization()
    ),
    "norms": lambda: _chain(L.Conv2D(4, 3), L.LayerNormalization(), L.GroupNormalization(2), L.UnitNormalization()),
    "pooling": lambda: _chain(L.MaxPooling2D(3, 2, "same"), L.AveragePooling2D(2), L.GlobalMaxPooling2D(keepdims=True)),
    "dropouts": lambda: _chain(L.Dropout(0.3), L.SpatialDropout2D(0.2), L.GaussianNoise(0.1), L.GaussianDropout(0.2)),
    "augmentation": lambda: _chain(
        L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.1), L.Conv2D(3, 3)
    ),
    "augmentation_more": lambda: _chain(L.RandomTranslation(0.1, 0.1), L.RandomContrast(0.2), L.Conv2D(3, 3)),
    "resizing": lambda: _chain(L.Rescaling(2.0, -1.0), L.Resizing(24, 24), L.CenterCrop(20, 20), L.Conv2D(3, 3)),
    "normalization": _normalization,
    "merges": lambda: _ends(lambda x: L.Concatenate()([L.Add()([x, x]), L.Multiply()([x, x]), L.Subtract()([x, x])])),
    "activations": lambda: _chain(L.Conv2D(4, 3), L.LeakyReLU(), L.PReLU(shared_axes=[1, 2]), L.ELU(), L.Softmax()),
    "shapes": lambda: _chain(
        L.ZeroPadding2D(((1, 0), (2, 1))), L.Cropping2D(2), L.Permute((2, 1, 3)), L.Reshape((-1, 3))
    ),
    "repeat": lambda: _chain(L.GlobalAveragePooling2D(), L.RepeatVector(3), L.Conv1D(2, 2), L.GlobalMaxPooling1D()),
    "arithmetic": _arithmetic,
    "functions": _functions,
    **{
        f"nested_{kind}_{calls}": lambda k=kind, c=calls: _nested(c, k)
        for kind in ("sequential", "functional")
        for calls in (1, 2)
    },
    "nested_twice": _twice_nested,
    "frozen": _frozen,
    "shared": _shared,
    "mixed_bfloat16": _mixed,
    "squeeze_excite": _squeeze,
    "recurrent": _recurrent,
    "attention": _attention,
    "mobilenet": lambda: APPLICATIONS.MobileNet(alpha=0.25, **SMALL),
    "mobilenet_v2": lambda: APPLICATIONS.MobileNetV2(alpha=0.35, **SMALL),
    "mobilenet_v3": lambda: APPLICATIONS.MobileNetV3Small(minimalistic=True, **SMALL),
    "mobilenet_v3_full": lambda: APPLICATIONS.MobileNetV3Small(**SMALL),
    "efficientnet": lambda: APPLICATIONS.EfficientNetB0(**SMALL),
    "resnet50": lambda: APPLICATIONS.ResNet50(**SMALL),
}
LARGE = ("efficientnet", "resnet50", "mobilenet_v3_full", "mobilenet_v3", "mobilenet_v2", "mobilenet")


def build(name: str) -> keras.Model:
    """One model, whose biases and averages are no zeros and ones, as after training."""
    keras.utils.set_random_seed(3)
    model, rng = MODELS[name](), np.random.default_rng(1)
    if name != "normalization":
        model.set_weights(
            [
                np.asarray(w + 0.05 * np.abs(rng.normal(size=w.shape)) * (w.ndim == 1), w.dtype)
                for w in model.get_weights()
            ]
        )
    return model


def outputs(model: keras.Model) -> np.ndarray:
    return np.asarray(model(images(), training=False), np.float32)


NO_LAYERS = {"InputLayer", "Functional", "Sequential", "Model", "DTypePolicy", "__keras_tensor__"}


def _is_part(name: str) -> bool:
    """Whether a class is an initializer or a penalty."""
    return hasattr(keras.initializers, name) or hasattr(keras.regularizers, name)


def write_all(folder: Path) -> None:
    """Write each model as .keras and .h5, and its outputs."""
    for name in MODELS:
        model = build(name)
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        np.save(folder / f"{name}.npy", outputs(model))


def read_all(folder: Path) -> dict[str, dict[str, object]]:
    """Open what write_all wrote: by file name the kinds of layers, and how far the outputs are from those written."""
    found = {}
    for path in sorted(folder.glob("*.keras")) + sorted(folder.glob("*.h5")):
        model, config = files.open_model(path)
        distance = float(np.abs(outputs(model) - np.load(path.with_suffix(".npy"))).max())
        kinds = [name for name in sorted(set(files.layer_names(config)) - NO_LAYERS) if not _is_part(name)]
        found[path.name] = {"distance": distance, "layers": kinds}
    return found


if __name__ == "__main__":
    word, place = sys.argv[1], Path(sys.argv[2])
    if word == "write":
        write_all(place)
    else:
        print(json.dumps(read_all(place)))
