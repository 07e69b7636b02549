"""The chart's table: all models, the line of those that are fitted."""

import numpy as np
import pandas as pd

from cifar102 import accuracy_chart_tables


def table(drop: float) -> pd.DataFrame:
    accuracy = np.array([0.7, 0.8, 0.9, 0.95]) - drop
    names = ["vgg16_keras", "resnet_basic_32", "wrn_28_10", "mine"]
    return pd.DataFrame({"model": names, "accuracy": accuracy, "low": accuracy - 0.01, "high": accuracy + 0.01})


def test_model_that_is_not_fitted_is_shown_and_does_not_move_the_line() -> None:
    new = table(0.1)
    charts = []
    for accuracy in (0.5, 0.9):
        new.loc[3, "accuracy"] = accuracy
        charts.append(accuracy_chart_tables.line_chart(table(0), new, not_fitted=["mine"]))
    lines = [chart[chart["kind"] == "line"].reset_index(drop=True) for chart in charts]
    assert lines[0].equals(lines[1])
    assert set(charts[0].loc[charts[0]["kind"] == "model", "model"]) == set(new["model"])


def test_two_models_have_no_line() -> None:
    chart = accuracy_chart_tables.line_chart(table(0)[:2], table(0.1)[:2])
    assert chart["kind"].eq("model").all()


def test_families_go_by_the_start_of_the_name() -> None:
    found = [
        accuracy_chart_tables.published_family(name) for name in ("resnext_29", "resnet_basic", "wrn_28_10", "nas")
    ]
    assert found == ["ResNeXt", "ResNet", "wide ResNet", "others"]
