"""A network's tables: every layer once, all parameters, and stages that a diagram can show."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from cifar102.figures import sheets
from cifar102.models import inspection, registry


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
