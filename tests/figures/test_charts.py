"""Plot functions: what is in the table is what stands on the axes, and the axes are named."""

import inspect
import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cifar102.figures import accuracy_charts, charts, drawing

COUNTS = pd.DataFrame(
    {"class_name": ["cat", "dog", "cat", "dog"], "split": ["train"] * 2 + ["test"] * 2, "images": [5, 3, 2, 4]}
)
MODELS = pd.DataFrame(
    {
        "kind": ["model"] * 3 + ["line"] * 2,
        "family": ["VGG", "ResNet", "VGG", "fit", "fit"],
        "original": [0.7, 0.9, 0.95, 0.6, 0.97],
        "new": [0.6, 0.85, 0.9, 0.5, 0.93],
        "new_low": [0.58, 0.83, 0.88, 0.45, 0.92],
        "new_high": [0.62, 0.87, 0.92, 0.55, 0.94],
    }
)
GAPS = pd.DataFrame({"label": ["cat", "dog"], "gap": [1.0, -2.0], "low": [0.5, -3.0], "high": [2.0, -1.0]})
BINS = pd.DataFrame({"bin_left": [0.0, 0.5], "bin_right": [0.5, 1.0], "count": [7, 9]})
SEEDS = pd.DataFrame({"arm": ["a", "a", "b"], "accuracy": [0.7, 0.8, 0.9], "mean": [0.75, 0.75, 0.9]})
CELLS = pd.DataFrame(
    {"true": ["z", "z", "a", "a"], "predicted": ["z", "a", "z", "a"], "share": [90.0, 10.0, 25.0, 75.0]}
)
RELIABILITY = pd.DataFrame({"confidence": [0.2, 0.9], "accuracy": [0.1, 0.8], "low": [0.0, 0.7], "high": [0.3, 0.9]})
ESTIMATES = GAPS.rename(columns={"gap": "value"})
ALL = {
    "bars": (COUNTS, {"x": "class_name", "y": "images", "hue": "split"}),
    "horizontal_bars": (COUNTS, {"y": "class_name", "x": "images", "hue": "split", "stacked": True}),
    "histogram": (BINS, {"thresholds": [0.25, [0.75, "limit"]], "x_label": "SSIM"}),
    "curves": (COUNTS.assign(epoch=[1, 2, 1, 2]), {"x": "epoch", "y": "images", "dash": "split"}),
    "points_per_seed": (SEEDS, {"x_label": "accuracy (%)", "y_label": "arm"}),
    "scatter": (GAPS, {"x": "low", "y": "high", "label": "label", "diagonal": True}),
    "matrix": (CELLS, {"row": "true", "column": "predicted", "value": "share", "value_label": "share (%)"}),
    "original_against_new": (MODELS, {}),
    "gap_bars": (GAPS, {"x_label": "class", "reference": 8.1, "reference_label": "CIFAR-10.1 v4"}),
    "interval_rows": (ESTIMATES, {"x_label": "gap (points)", "y_label": "pool"}),
    "reliability": (RELIABILITY, {}),
}


PANELS = {"image_sheet", "pictures", "network_diagram"}  # without axes: tested where they are made


def axes_of(name: str, table: pd.DataFrame, **options: object) -> mpl.axes.Axes:
    with mpl.rc_context(drawing.STYLE):
        ax = Figure(figsize=(6.4, 3.8)).subplots()
        drawing.PLOTS[name](ax, table, **options)
    return ax


def test_every_registered_chart_is_tried_here():
    assert set(ALL) | PANELS == set(drawing.PLOTS)


@pytest.mark.parametrize("name", ALL)
def test_both_axes_are_named_and_the_table_is_not_changed(name):
    table, options = ALL[name]
    before = table.copy()
    ax = axes_of(name, table, **options)
    assert ax.get_xlabel() and ax.get_ylabel()
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("name", ALL)
def test_a_missing_column_is_named(name):
    table, options = ALL[name]
    with pytest.raises(ValueError, match="missing from the table"):
        axes_of(name, table[table.columns[-1:]].rename(columns=lambda column: f"other_{column}"), **options)


def test_bars_are_as_high_as_the_table_says():
    ax = axes_of("bars", COUNTS, x="class_name", y="images", hue="split")
    assert [[bar.get_height() for bar in group] for group in ax.containers] == [[5, 3], [2, 4]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test"]


def test_grouped_bars_do_not_cover_each_other():
    bars = sorted(axes_of("bars", COUNTS, x="class_name", y="images", hue="split").patches, key=lambda bar: bar.get_x())
    assert all(left.get_x() + left.get_width() <= right.get_x() + 1e-9 for left, right in itertools.pairwise(bars))


def test_stacked_bars_stand_on_each_other():
    ax = axes_of(
        "horizontal_bars", **{"table": COUNTS, "y": "class_name", "x": "images", "hue": "split", "stacked": True}
    )
    assert [bar.get_x() for bar in ax.containers[1]] == [5, 3]


def test_keywords_coloured_by_class_keep_their_full_thickness():
    table = pd.DataFrame({"keyword": ["a", "b", "c", "c"], "class": ["x", "y", "x", "z"], "n": [1, 2, 3, 4]})
    ax = axes_of("horizontal_bars", table, y="keyword", x="n", hue="class")
    thickness = {round(bar.get_width()): bar.get_height() for bar in ax.patches}
    assert [thickness[n] / thickness[1] for n in (2, 3, 4)] == pytest.approx([1, 0.5, 0.5])


def test_intervals_end_where_the_table_says():
    ax = axes_of("gap_bars", GAPS)
    ends = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    assert ends == [[0.5, 2.0], [-3.0, -1.0]]


def test_the_first_row_of_lying_charts_is_on_top():
    for name in ("horizontal_bars", "interval_rows", "points_per_seed"):
        table, options = ALL[name]
        bottom, top = axes_of(name, table, **options).get_ylim()
        assert top < 0 < bottom


def test_thresholds_are_drawn_with_their_names():
    ax = axes_of("histogram", BINS, thresholds=[[0.75, "limit"], 0.25])
    assert [line.get_xdata()[0] for line in ax.lines] == [0.75, 0.25]
    assert [text.get_text() for text in ax.texts] == ["limit", "0.25"]


def test_bins_lie_between_their_edges():
    bars = axes_of("histogram", BINS).patches
    assert [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for bar in bars] == [
        (0, 0.5, 7),
        (0.5, 1, 9),
    ]


def test_each_seed_is_a_point_and_each_arm_has_its_mean():
    points, means = axes_of("points_per_seed", SEEDS).lines
    assert list(points.get_xdata()) == [0.7, 0.8, 0.9]
    assert list(means.get_xdata()) == [0.75, 0.75, 0.9]


def test_a_matrix_keeps_the_order_of_its_table_and_writes_its_values():
    ax = axes_of("matrix", CELLS, row="true", column="predicted", value="share", value_format="{:.0f}")
    assert [text.get_text() for text in ax.texts] == ["90", "10", "25", "75"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["z", "a"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["z", "a"]


@pytest.mark.parametrize("scale", ["probit", "logit", "linear"])
def test_the_diagonal_is_straight_and_holds_equal_accuracies(scale):
    ax = axes_of("original_against_new", MODELS, scale=scale)
    diagonal = ax.lines[0]
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert ax.get_xlim() == ax.get_ylim()
    low, high = (ax.transAxes.inverted().transform(ax.transData.transform((p, p))) for p in (0.7, 0.9))
    assert np.allclose(low[0], low[1]) and np.allclose(high[0], high[1])


def test_probit_axes_put_normal_quantiles_at_equal_distances():
    ax = axes_of("original_against_new", MODELS, scale="probit")
    places = [ax.transData.transform((p, 0.8))[0] for p in (0.69146246, 0.84134475, 0.93319280)]  # 0.5, 1, 1.5 sigma
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], rel=1e-6)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="probit"):
        axes_of("original_against_new", MODELS, scale="cubic")


def test_percent_axes_write_hundred_times_the_value():
    ax = axes_of("original_against_new", MODELS, scale="linear")
    assert ax.xaxis.get_major_formatter()(0.925) == "92.5"
    assert ax.yaxis.get_major_formatter()(0.29) == "29"  # 100 * 0.29 is 28.999...


def test_estimates_are_written_with_their_intervals():
    texts = [text.get_text() for text in axes_of("interval_rows", ESTIMATES).texts]
    assert texts == ["1.0 [0.5, 2.0]", "-2.0 [-3.0, -1.0]"]


def test_ten_classes_have_ten_colours():
    table = pd.DataFrame({"x": range(10), "y": range(10), "c": list("abcdefghij")})
    ax = axes_of("scatter", table, x="x", y="y", hue="c")
    assert len({tuple(points.get_facecolor()[0]) for points in ax.collections if len(points.get_offsets())}) == 10


def test_colours_stay_when_the_style_is_gone():
    ax = axes_of("curves", COUNTS.assign(epoch=[1, 2, 1, 2]), x="epoch", y="images", hue="split")
    assert [line.get_color() for line in ax.lines] == drawing.PALETTE[:2]


def test_large_numbers_have_thousands_commas():
    ax = axes_of("bars", COUNTS.assign(images=COUNTS["images"] * 1000), x="class_name", y="images", hue="split")
    assert ax.yaxis.get_major_formatter()(4000) == "4,000"


def test_the_modules_hold_no_chart_that_is_not_registered():
    for module in (charts, accuracy_charts):
        functions = inspect.getmembers(module, inspect.isfunction)
        public = {name for name, item in functions if item.__module__ == module.__name__ and name[0] != "_"}
        assert public - {"draw_bars", "slots_of"} == set(drawing.MODULES[module])


def test_epochs_are_counted_in_whole_numbers():
    table = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0]})
    for rows in (table, table.head(1)):
        assert all(tick == round(tick) for tick in axes_of("curves", rows, x="epoch", y="loss").get_xticks())


def test_of_sizes_whose_labels_would_touch_the_larger_one_is_written():
    table = pd.DataFrame({"size": [1000, 2500, 9000, 10_000], "accuracy": [0.3, 0.4, 0.5, 0.6]})
    ticks = axes_of("curves", table, x="size", y="accuracy", x_log=True).get_xticks()
    assert ticks.tolist() == [1000, 2500, 10_000]
