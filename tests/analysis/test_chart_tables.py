"""The chart's table: all models, the line of those that are fitted."""

import numpy as np
import pandas as pd

from cifar102.analysis import chart_tables


def table(drop: float) -> pd.DataFrame:
    accuracy = np.array([0.7, 0.8, 0.9, 0.95]) - drop
    names = ["vgg16_keras", "resnet_basic_32", "wrn_28_10", "mine"]
    return pd.DataFrame({"model": names, "accuracy": accuracy, "low": accuracy - 0.01, "high": accuracy + 0.01})


def test_model_that_is_not_fitted_is_shown_and_does_not_move_the_line() -> None:
    new = table(0.1)
    charts = []
    for accuracy in (0.5, 0.9):
        new.loc[3, "accuracy"] = accuracy
        charts.append(chart_tables.line_chart(table(0), new, not_fitted=["mine"]))
    lines = [chart[chart["kind"] == "line"].reset_index(drop=True) for chart in charts]
    assert lines[0].equals(lines[1])
    assert set(charts[0].loc[charts[0]["kind"] == "model", "model"]) == set(new["model"])


def test_two_models_have_no_line() -> None:
    chart = chart_tables.line_chart(table(0)[:2], table(0.1)[:2])
    assert chart["kind"].eq("model").all()


def test_families_go_by_the_start_of_the_name() -> None:
    found = [chart_tables.published_family(name) for name in ("resnext_29", "resnet_basic", "wrn_28_10", "nas")]
    assert found == ["ResNeXt", "ResNet", "wide ResNet", "others"]


def test_models_of_a_run_stand_beside_the_published_line_and_do_not_move_it() -> None:
    line = chart_tables.line_chart(table(0), table(0.1))
    own = table(0.3).replace({"model": {"mine": "ours"}})
    both = chart_tables.beside_published(line, {"this run": (own, own)}, name="simulated models")
    assert set(both.loc[both["kind"] == "model", "family"]) == {"simulated models", "this run"}
    drawn = [chart.loc[chart["kind"] == "line", ["original", "new"]].reset_index(drop=True) for chart in (line, both)]
    pd.testing.assert_frame_equal(*drawn)
    assert both["kind"].tolist() == sorted(both["kind"], reverse=True)


def test_rank_rows_hold_the_rank_and_what_is_open() -> None:
    certain = pd.DataFrame({"model": ["a", "b", "c"], "best_rank": [1, 1, 3], "worst_rank": [2, 2, 3], "level": 0.95})
    accuracy = pd.DataFrame({"model": ["c", "b", "a"], "accuracy": [0.5, 0.9, 0.8]})
    rows = chart_tables.rank_rows(certain, accuracy)
    assert rows.to_numpy().tolist() == [["b", 1, 1, 2], ["a", 2, 1, 2], ["c", 3, 3, 3]]


def test_estimates_are_drawn_against_the_truth_beside_no_change() -> None:
    models = pd.DataFrame({"model": ["a"], "original": [0.9], "aline_s": [0.8], "aline_d": [0.81], "new": [0.79]})
    points = chart_tables.estimate_points(models)
    assert points["predicted"].tolist() == [0.8, 0.81, 0.9]
    assert points["new"].eq(0.79).all()


def test_slopes_are_named_by_axis_and_by_what_the_interval_is_over() -> None:
    slopes = pd.DataFrame({"over": ["models", "images"], "axis": "linear", "slope": 1.6, "low": 1.5, "high": 1.7})
    slopes["warning"] = ""
    rows = chart_tables.slope_rows(slopes.assign(source="published"))
    assert rows["label"].tolist() == ["linear axes, interval over models", "linear axes, interval over images"]
    few = slopes.assign(source="ours", warning=["an interval over 4 models is too narrow", ""])
    assert chart_tables.slope_rows(few)["label"].tolist() == ["linear axes, interval over images"]
