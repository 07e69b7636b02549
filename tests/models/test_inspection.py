"""A network's tables: every layer once, all parameters, and stages that a diagram can show."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from matplotlib.figure import Figure
from tensorflow import keras

from cifar102.figures import sheets
from cifar102.models import inspection, registry
from cifar102.training import fitting


@pytest.mark.parametrize("name", ["fully_connected", "cnn_four_conv", "resnet20", "vgg10"])
def test_layers_and_stages_hold_all_parameters_of_the_network(name: str) -> None:
    model = registry.build(name)
    layers, stages = inspection.layer_table(model), inspection.stage_table(model)
    assert layers["layer"].tolist() == [layer.name for layer in model.layers]
    assert layers["trainable"].sum() == stages["parameters"].sum() == registry.num_parameters(model)
    assert (stages.iloc[0]["height"], stages.iloc[-1]["channels"]) == (32, 10)
    assert stages["height"].is_monotonic_decreasing


def test_the_stages_of_the_classic_example_are_its_blocks() -> None:
    stages = inspection.stage_table(registry.build("cnn_four_conv")).set_index("stage")
    assert stages.loc["stage 1", "layers"] == "2 conv" and stages.loc["stage 2", "layers"] == "max pool"
    assert tuple(stages.loc["stage 3", ["height", "channels"]]) == (16, 64)
    assert stages.loc["logits", "parameters"] == 512 * 10 + 10


def test_a_diagram_has_a_box_a_stage_and_an_arrow_between_each_two() -> None:
    stages = inspection.stage_table(registry.build("cnn_four_conv"))
    ax = Figure().add_subplot()
    sheets.network_diagram(ax, stages)
    assert len(ax.patches) == len(stages)
    assert sum(text.get_text() == "" for text in ax.texts) == len(stages) - 1
    with pytest.raises(ValueError, match="channels"):
        sheets.network_diagram(ax, pd.DataFrame({"stage": ["a"]}))


@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        ("resnet20", {}, 40.6e6),  # He et al.'s ResNet-20: 40.55 million, of which the shortcuts have none
        ("wide_resnet", {"depth": 28, "width": 10}, 5.24e9),  # fvcore and others: 5.2 billion
    ],
)
def test_multiplications_are_those_others_count(name, options, published):
    assert inspection.multiply_adds(registry.build(name, **options)) == pytest.approx(published, rel=0.02)


def test_multiplications_of_a_dense_network_are_its_kernels():
    model = registry.build("fully_connected")
    assert inspection.multiply_adds(model) == 3072 * 512 + 512 * 256 + 256 * 10


def test_the_estimate_follows_from_operations_and_the_hours_from_measured_steps():
    common = {"num_images": 1000, "epochs": 2, "batch_size": 4}
    table = inspection.training_cost_table(["10-1"], **common, gpu_teraflops=10, gpu_share=0.5)
    row = table.iloc[0]
    assert row["hours_here"] == pytest.approx(row["seconds_per_step"] / 4 * 2000 / 3600)
    assert row["gpu_hours_estimated"] == pytest.approx(row["multiply_adds"] * 6 * 2000 / 5e12 / 3600)
    assert row["gigaflops"] == pytest.approx(row["multiply_adds"] * 6 * row["images_per_second"] / 1e9)


def test_the_step_measured_does_what_one_batch_of_fit_does():
    images, labels = tf.random.stateless_uniform((8, 32, 32, 3), [0, 1]), tf.one_hot(tf.range(8), 10)

    def weights_after(train) -> list[np.ndarray]:
        model = registry.build("resnet8")
        fitting.draw_initial_weights(model, 3)
        model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
        train(model)
        return model.get_weights()

    fitted = weights_after(lambda model: model.fit(images, labels, batch_size=8, epochs=2, shuffle=False, verbose=0))

    def two_steps(model: keras.Model) -> None:
        step = inspection.step_of(model, images, labels)
        step()
        step()

    for own, expected in zip(weights_after(two_steps), fitted, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["28", "28x10", "a-b", ""])
def test_a_network_named_otherwise_is_refused(name):
    with pytest.raises(ValueError, match="expected <depth>-<width>"):
        inspection.parse_network(name)
