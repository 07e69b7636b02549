"""Tables as charts draw them: all models, the line of those that are fitted, labels and percentage points."""

import numpy as np
import pandas as pd
import pytest

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


def gap_rows(models: list[str], new_set: str = "cifar102-leftover") -> pd.DataFrame:
    gaps = 0.01 * np.arange(1, len(models) + 1)
    return pd.DataFrame({"model": models, "new_set": new_set, "gap": gaps, "low": gaps - 0.01, "high": gaps + 0.01})


def test_stacked_tables_carry_their_names_last() -> None:
    both = chart_tables.stack_tables({"a": gap_rows(["m"]), "b": gap_rows(["m", "n"])}, "source")
    assert both.columns[-1] == "source" and both["source"].tolist() == ["a", "b", "b"]
    assert both.index.tolist() == [0, 1, 2]


def test_points_are_percent_and_the_table_given_stays_as_it_is() -> None:
    given = gap_rows(["m"])
    assert chart_tables.in_points(given)[["gap", "low", "high"]].iloc[0].tolist() == pytest.approx([1, 0, 2])
    assert given["gap"].tolist() == [0.01]


def test_own_gaps_are_the_mean_on_every_set_and_each_model_on_the_images_left_over() -> None:
    gaps = pd.concat([gap_rows(["vgg-cifar10-10k", "all models"], name) for name in ("cifar102", "cifar102-leftover")])
    rows = chart_tables.own_gap_rows(gaps, "this pool")
    assert rows["label"].tolist() == [
        "all models: CIFAR-10 to cifar102", "vgg: CIFAR-10 to cifar102-leftover",
        "all models: CIFAR-10 to cifar102-leftover",
    ]  # fmt: skip
    assert rows["gap"].tolist() == pytest.approx([2, 1, 2]) and set(rows["source"]) == {"this pool"}


def test_of_the_published_gaps_the_ends_the_middle_and_the_mean_are_drawn() -> None:
    rows = chart_tables.published_gap_rows(gap_rows(list("abcde")), gap_rows(["x", "all models"]), "v4", "published")
    assert rows["label"].tolist() == ["a: to v4", "c: to v4", "e: to v4", "mean of 5 models: to v4"]
    assert rows["gap"].tolist() == pytest.approx([1, 3, 5, 2])


def test_the_published_mean_has_the_interval_over_models_and_images_where_it_is_known() -> None:
    joint = pd.DataFrame({"statistic": ["slope", "mean gap"], "low": [0.5, -0.03], "high": [1.5, 0.07]})
    of_both = (gap_rows(list("abcde")), gap_rows(["x", "all models"]), "v4", "published")
    wider, before = (chart_tables.published_gap_rows(*of_both, known) for known in (joint, None))
    assert wider.iloc[-1][["gap", "low", "high"]].tolist() == pytest.approx([2, -3, 7])
    pd.testing.assert_frame_equal(wider.iloc[:-1], before.iloc[:-1])


def test_gaps_of_classes_and_with_and_without_copies_are_labelled() -> None:
    by_class = chart_tables.class_gap_rows(gap_rows(["m"]).assign(class_name="cat"))
    assert by_class.to_dict("list") == {"label": ["cat"], "gap": [1], "low": [0], "high": [2]}
    rows = chart_tables.copy_gap_rows({"here": gap_rows(["m"]).assign(subset="all")})
    assert rows["label"].tolist() == ["m, all"] and rows["source"].tolist() == ["here"]


def test_a_keyword_is_as_large_as_its_images_up_to_200() -> None:
    points = chart_tables.keyword_points(pd.DataFrame({"n_new": [0, 100, 200, 5000]}))
    assert points["area"].tolist() == [4, 64, 124, 124]


def test_cells_of_the_set_matrix_hold_accuracy_and_interval_in_percent() -> None:
    cells = chart_tables.set_matrix_cells(pd.DataFrame({"accuracy": [0.5], "low": [0.4], "high": [0.6123]}))
    assert cells["text"].tolist() == ["50.0\n[40.0, 61.2]"] and cells["percent"].tolist() == [50]


def test_terms_of_a_split_and_of_a_drop_are_in_points() -> None:
    terms = pd.DataFrame({"term": ["gap_of_new"], "value": [0.01], "low": [0.0], "high": [0.02], "level": 0.95})
    assert chart_tables.split_rows(terms).to_dict("records") == [
        {"label": "gap of new", "value": 1, "low": 0, "high": 2}
    ]
    models = ["vgg, seed 0", "vgg, seed 1", "vgg, seed 10", "published_vgg"]
    drop = pd.concat([terms.assign(model=model, whose="ours") for model in models], ignore_index=True)
    assert chart_tables.drop_rows(drop)["label"].tolist() == ["vgg, seed 0: gap_of_new", "published_vgg: gap_of_new"]


def test_robust_models_come_first() -> None:
    table = pd.DataFrame({"model": ["a", "b"], "effective_robustness": [-0.01, 0.02], "low": -0.1, "high": 0.1})
    rows = chart_tables.robustness_rows(table)
    assert rows["label"].tolist() == ["b", "a"] and rows["value"].tolist() == [2, -1]
    assert list(rows) == ["label", "value", "low", "high"]


def test_confusion_and_power_are_in_points() -> None:
    assert chart_tables.confusion_cells(pd.DataFrame({"difference": [0.5]}))["points"].tolist() == [50]
    curve = chart_tables.power_curves(pd.DataFrame({"accuracy": [0.9], "gap": [0.02]}))
    assert curve.to_dict("records") == [{"accuracy": 0.9, "gap": 2, "label": "accuracy 90%"}]
