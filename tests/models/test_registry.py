"""Every network: parameters, initial weights, files, and what is refused before anything is built."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from cifar102.models import layers, networks, registry

KERAS_NAMES = [name for name in registry.NAMES if name != "random_features"]
SLOW_TO_SAVE = {"resnet32", "resnet44", "resnet56", "resnet110", "vgg16", "cifar100_first_cnn"}
SAVED = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_TO_SAVE else []) for name in KERAS_NAMES]


@pytest.mark.parametrize(
    ("name", "num_classes", "options", "count"),
    [
        ("fully_connected", 10, {}, 1_707_274),
        ("cnn_two_conv", 100, {}, 6_454_948),
        ("cnn_four_conv", 10, {}, 2_168_362),
        ("ablation_cnn", 10, {}, 620_362),
        ("cifar100_cnn", 100, {}, 3_296_292),
        ("cifar100_first_cnn", 100, {}, 8_924_068),
        ("cifar100_cnn", 100, {"width": 0.5}, 838_212),
        ("vgg10", 10, {}, 1_913_834),
        ("vgg16", 10, {}, 14_987_210),
        ("alexnet", 10, {}, 1_756_426),
        ("alexnet", 10, {"image_size": 24}, 1_068_298),
        ("fast_cnn", 10, {}, 1_971_328),
        ("resnet8", 10, {}, 75_290),
        ("resnet20", 10, {}, 269_722),
        ("resnet32", 10, {}, 464_154),
        ("resnet44", 10, {}, 658_586),
        ("resnet56", 10, {}, 853_018),
        ("resnet110", 10, {}, 1_727_962),
        ("wide_resnet", 10, {"depth": 16, "width": 4}, 2_748_890),
        ("wide_resnet", 10, {"depth": 28, "width": 2}, 1_467_610),
        ("wide_resnet", 10, {"depth": 28, "width": 10}, 36_479_194),
        ("random_features", 10, {"num_filters": 100}, 8_010),
    ],
)
def test_a_network_has_its_known_number_of_trainable_parameters(name, num_classes, options, count):
    assert registry.num_parameters(registry.build(name, num_classes, **options)) == count


def test_squeeze_and_excite_adds_two_dense_layers_of_reduction_16_to_each_block():
    plain = registry.num_parameters(registry.build("wide_resnet", depth=16, width=4))
    gated = registry.num_parameters(registry.build("wide_resnet", depth=16, width=4, squeeze_excite=True))
    assert gated - plain == sum(2 * (c * (c // 16) + c // 16 + c * (c // 16) + c) for c in (64, 128, 256))


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_and_loaded_network_gives_equal_logits(name, tmp_path, rng):
    options = {"depth": 10, "width": 1, "squeeze_excite": True, "dropout": 0.1, "activation": "mish"}
    model = registry.build(name, 7, **(options if name == "wide_resnet" else {}))
    images = tf.constant(rng.random((3, 32, 32, 3), np.float32))
    model.save(tmp_path / "model.keras")
    logits = model(images).numpy()
    assert logits.shape == (3, 7)
    np.testing.assert_array_equal(registry.load_model(tmp_path / "model.keras")(images).numpy(), logits)


@pytest.mark.parametrize("activation", layers.ACTIVATIONS)
def test_a_graph_whose_operations_are_fused_predicts_what_the_layers_give_one_by_one(activation, rng):
    model = registry.build("wide_resnet", depth=10, width=1, activation=activation)
    images = rng.random((3, 32, 32, 3), np.float32)
    np.testing.assert_allclose(model.predict(images, verbose=0), model(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["cnn_four_conv", "resnet8", "fast_cnn"])
def test_the_same_seed_gives_the_same_initial_weights_and_another_seed_others(name):
    def first_weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        return registry.build(name).get_weights()

    first = first_weights(1)
    assert all((a == b).all() for a, b in zip(first, first_weights(1), strict=True))
    assert any((a != b).any() for a, b in zip(first, first_weights(2), strict=True))


def test_dropout_masks_follow_the_seed_and_go_on_where_saved_weights_stood():
    x = tf.ones((2, 1000))
    first, second = layers.CountedDropout(0.4, seed=3), layers.CountedDropout(0.4, seed=3)
    masks = [first(x, training=True).numpy() for _ in range(3)]
    second.build((None, 1000))
    second.set_weights([np.int64(2)])
    np.testing.assert_array_equal(second(x, training=True).numpy(), masks[2])
    assert (masks[0] != masks[1]).any()
    assert np.mean(masks[0] == 0) == pytest.approx(0.4, abs=0.05)
    assert masks[0].max() == pytest.approx(1 / 0.6)
    np.testing.assert_array_equal(first(x, training=False), x)


def test_dropout_of_networks_depends_on_the_random_seed_alone():
    def masked(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        return registry.build("fully_connected", dropout=0.5)(tf.ones((1, 32, 32, 3)), training=True).numpy()

    np.testing.assert_array_equal(masked(4), masked(4))


def test_an_identity_shortcut_keeps_every_second_pixel_and_pads_channels_with_zeros(rng):
    images = rng.random((2, 8, 8, 4), np.float32)
    out = layers.PaddedShortcut(8, 2)(images).numpy()
    np.testing.assert_array_equal(out[..., 2:6], images[:, ::2, ::2])
    assert not out[..., :2].any() and not out[..., 6:].any()


@pytest.mark.parametrize("size", [8, 7])
def test_an_identity_shortcut_hands_gradients_back_to_the_pixels_it_took(size, rng):
    images = tf.constant(rng.random((2, size, size, 4), np.float32))
    factors = rng.random((2, 4, 4, 8), np.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(layers.PaddedShortcut(8, 2)(images) * factors)
    expected = np.zeros(images.shape, np.float32)
    expected[:, ::2, ::2] = factors[..., 2:6]
    np.testing.assert_array_equal(tape.gradient(total, images), expected)


@pytest.mark.parametrize(
    ("pooling", "kinds"),
    [("max", "MMM"), ("average", "AAA"), ("max_then_average", "MMA")],
)
def test_ablation_pooling_is_of_the_kind_asked_in_each_stage(pooling, kinds):
    model = registry.build("ablation_cnn", pooling=pooling)
    assert "".join(type(model.get_layer(f"stage{k}_pool")).__name__[0] for k in (1, 2, 3)) == kinds


def test_ablation_options_change_what_they_name_and_nothing_else():
    plain = {layer.name for layer in registry.build("ablation_cnn").layers}
    normed = {layer.name for layer in registry.build("ablation_cnn", batch_norm=True, dropout=0.2).layers}
    stages = {f"stage{k}_{kind}" for k in (1, 2, 3) for kind in ("conv1_norm", "dropout")}
    assert normed - plain == stages | {"dense_norm", "dense_dropout"}
    penalised = registry.build("ablation_cnn", l2=0.1)
    kernel = penalised.get_layer("dense").kernel
    assert float(penalised.losses[0]) == pytest.approx(0.1 * float(tf.reduce_sum(kernel**2)), rel=1e-5)
    assert not registry.build("ablation_cnn").losses


@pytest.mark.parametrize("activation", layers.ACTIVATIONS)
def test_every_activation_of_the_studies_builds(activation):
    assert registry.build("ablation_cnn", activation=activation).output_shape == (None, 10)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnt20", {}, "did you mean resnet20"),
        ("resnet21", {}, r"6n\+2"),
        ("ablation_cnn", {"pool": "max"}, "did you mean pooling"),
        ("ablation_cnn", {"pooling": "median"}, "max_then_average"),
        ("ablation_cnn", {"activation": "swish"}, "leaky_relu"),
        ("ablation_cnn", {"padding": "valid", "num_conv": 3}, "'stage3_conv2'"),
        ("ablation_cnn", {"padding": "full"}, "expected 'same' or 'valid'"),
        ("ablation_cnn", {"filters": (8,) * 6}, "'stage6_pool'"),
        ("vgg16", {"image_size": 16}, "'block5_pool'"),
        ("wide_resnet", {"depth": 17}, r"6n\+4"),
        ("fast_cnn", {"image_size": 8, "downsampling": "max"}, "'block3_pool'"),
        ("cnn_four_conv", {"dropout": (0.1,)}, "3 rates"),
        ("fully_connected", {"dropout": 1.0}, "0 <= rate < 1"),
        ("fully_connected", {"num_classes": 1}, "num_classes"),
        ("random_features", {"num_filter": 3}, "did you mean num_filters"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_place_and_what_was_expected(name, options, message):
    with pytest.raises(ValueError, match=message):
        registry.build(name, **options)


def test_whitening_makes_the_first_responses_of_a_fast_network_uncorrelated(rng):
    base = rng.normal(size=(64, 32, 32, 1))
    images = (base + 0.3 * rng.normal(size=(64, 32, 32, 3))).astype(np.float32)
    model = registry.build("fast_cnn")
    networks.whiten_fast_cnn(model, images, epsilon=0.0)
    whitening = model.get_layer("whitening")
    assert not whitening.trainable_weights
    responses = whitening(images).numpy().reshape(-1, 24) - networks.WHITENING_BIAS
    moments = responses[:, :12].T @ responses[:, :12] / len(responses)
    np.testing.assert_allclose(moments, np.eye(12), atol=1e-3)
    np.testing.assert_allclose(responses[:, 12:], -responses[:, :12], atol=1e-5)
    with pytest.raises(ValueError, match="whitening"):
        networks.whiten_fast_cnn(registry.build("fully_connected"), images)


def test_a_fast_network_of_any_size_has_the_weights_of_one_of_a_fixed_size(rng):
    fixed, free = registry.build("fast_cnn"), registry.build("fast_cnn", image_size=None)
    free.set_weights(fixed.get_weights())
    images = rng.normal(size=(4, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(free(images), fixed(images))
    assert free(images[:, :25, :25]).shape == (4, 10)


def test_logits_stay_float32_under_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        for name in ("alexnet", "resnet8", "cnn_four_conv"):
            assert registry.build(name)(tf.zeros((1, 32, 32, 3)), training=True).dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_loading_a_missing_model_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.keras"):
        registry.load_model(tmp_path / "gone.keras")


def test_filters_of_a_prepared_fast_network_pass_their_channel_on(rng):
    model = registry.build("fast_cnn")
    before = model.get_layer("block2_conv1").get_weights()[0]
    networks.prepare_fast_cnn(model, rng.normal(size=(64, 32, 32, 3)).astype(np.float32))
    kernel = model.get_layer("block2_conv1").get_weights()[0]
    x = rng.normal(size=(1, 9, 9, 64)).astype(np.float32)
    passed = tf.nn.conv2d(x, kernel, 1, "SAME").numpy()[..., :64]
    np.testing.assert_allclose(passed, x, atol=1e-5)
    np.testing.assert_array_equal(kernel[..., 64:], before[..., 64:])


def test_a_scaled_bias_learns_at_the_square_of_its_factor():
    layer = layers.ScaledBias(8.0)
    x = tf.zeros((1, 2, 2, 3))
    layer(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x))
    (gradient,) = tape.gradient(loss, layer.trainable_weights)
    layer.trainable_weights[0].assign(-0.1 * gradient)
    np.testing.assert_allclose(layer(x), -0.1 * 64 * 4 * np.ones((1, 2, 2, 3)), rtol=1e-6)  # 4 pixels share the bias


def test_a_scaled_bias_learns_alike_in_bfloat16_however_many_pixels_there_are(rng):
    x = rng.normal(size=(64, 32, 32, 4)).astype(np.float32)
    target = tf.constant(rng.normal(size=x.shape).astype(np.float32) + 0.05)
    found = []
    for dtype in ("float32", "mixed_bfloat16"):
        layer = layers.ScaledBias(8.0, dtype=keras.mixed_precision.Policy(dtype))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(target * tf.cast(layer(tf.constant(x)), tf.float32))
        found.append(tf.convert_to_tensor(tape.gradient(loss, layer.trainable_variables)[0]).numpy())
    np.testing.assert_allclose(found[0], 8 * target.numpy().sum(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found[1], found[0], rtol=0.02)
