"""The quicker layers give what TensorFlow's give: values and slopes, in every dtype, with and without XLA."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers

POINTS = np.linspace(-8, 8, 4001, dtype=np.float32)


def values_and_slopes(function, dtype: str, points: np.ndarray = POINTS) -> tuple[np.ndarray, np.ndarray]:
    x = tf.cast(points, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    assert y.dtype == x.dtype
    return tuple(tf.cast(part, tf.float64).numpy() for part in (y, tape.gradient(y, x)))


@pytest.mark.parametrize(("dtype", "rounding"), [("float32", 1e-6), ("float16", 2**-11), ("bfloat16", 2**-8)])
def test_values_and_slopes_are_those_of_tensorflow(dtype, rounding):
    exact = values_and_slopes(tf.nn.gelu, "float64", tf.cast(tf.cast(POINTS, dtype), tf.float64))
    for found, expected in zip(values_and_slopes(layers.gelu, dtype), exact, strict=True):
        assert (np.abs(found - expected) <= rounding * np.maximum(1, np.abs(expected))).all()


def test_without_xla_it_is_the_same_function(monkeypatch):
    compiled = values_and_slopes(layers.gelu, "float32")

    def refuse(*_: object, **__: object):
        def call(*_: object):
            raise tf.errors.UnimplementedError(None, None, "no XLA here")

        return call

    layers._compiled.cache_clear()
    monkeypatch.setattr(layers.tf, "function", refuse)
    try:
        for found, expected in zip(values_and_slopes(layers.gelu, "float32"), compiled, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
    finally:
        layers._compiled.cache_clear()


def test_a_network_with_it_learns_and_is_saved(tmp_path, rng):
    images, labels = rng.normal(size=(70, 8, 8, 3)).astype(np.float32), np.arange(70) % 2
    images[labels == 1] += 0.5
    inputs = keras.Input((None, None, 3))
    x = layers.Gelu()(layers.SmallMapConv2D(8, 3, padding="same")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(images, labels, batch_size=32, epochs=10, verbose=0).history["loss"]  # the last batch is smaller
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))
    assert again.predict(images[:, :6, :6], verbose=0).shape == (70, 2)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6, 3, 5, 4), {}),
        ((6, 1, 1, 4), {}),
        ((6, 3, 5, 4), {"strides": 2}),
        ((6, 5, 6, 4), {"padding": "valid"}),
        ((6, 3, 5, 4), {"dilation_rate": 2}),
        ((6, 3, 5, 4), {"groups": 2}),
        ((6, 3, 5, 4), {"kernel_size": (2, 2)}),
        ((6, 3, 5, 4), {"kernel_size": (3, 2)}),
        ((6, 3, 5, 4), {"kernel_size": (1, 5)}),
    ],
)
def test_a_convolution_of_small_maps_learns_like_keras_own(shape, options, rng):
    x = tf.constant(rng.normal(size=shape).astype(np.float32))
    options = {"kernel_size": (3, 3), "padding": "same", **options}
    weights = rng.normal(size=(*options["kernel_size"], 4 // options.get("groups", 1), 8)).astype(np.float32)
    found = []
    for kind, policy in (
        (keras.layers.Conv2D, "float32"),
        (layers.SmallMapConv2D, "float32"),
        (layers.SmallMapConv2D, "mixed_bfloat16"),
    ):
        layer = kind(8, dtype=keras.mixed_precision.Policy(policy), **options)
        layer.build(x.shape)
        layer.set_weights([weights, np.ones(8, np.float32)])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cast(layer(x), tf.float32)
            loss = tf.reduce_sum(y * y)
        gradients = tape.gradient(loss, [x, *layer.trainable_variables])
        found.append([tf.convert_to_tensor(part).numpy() for part in (y, *gradients)])
    for expected, same, near in zip(*found, strict=True):
        np.testing.assert_allclose(same, expected, rtol=1e-5, atol=1e-4)
        assert np.abs(near - expected).max() <= 0.03 * np.abs(expected).max()


def test_in_bfloat16_the_kernel_gradient_of_small_maps_is_made_of_products(monkeypatch):
    called = []
    monkeypatch.setattr(layers, "convolve_small", lambda x, kernel: called.append(x.dtype) or x[..., :1])
    for policy in ("float32", "mixed_bfloat16"):
        layers.SmallMapConv2D(1, 3, padding="same", dtype=keras.mixed_precision.Policy(policy))(tf.zeros((1, 3, 3, 2)))
    assert called == [tf.bfloat16]
