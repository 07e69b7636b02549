"""Fits of new on original accuracy: a line that is there is found, edges are handled and reported."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cifar102.analysis import lines

ORIGINAL = np.array([0.6, 0.7, 0.8, 0.9, 0.95])


@pytest.mark.parametrize("axis", lines.AXES)
def test_points_on_a_line_give_that_line_back(axis: str) -> None:
    start = -8.0 if axis == "linear" else -0.3
    new = lines.from_axis(0.9 * lines.to_axis(ORIGINAL, axis) + start, axis)
    fit = lines.fit_line(ORIGINAL, new, axis, resamples=200)
    assert (fit.slope, fit.intercept, fit.r2) == pytest.approx((0.9, start, 1))
    assert (fit.slope_low, fit.slope_high) == pytest.approx((0.9, 0.9))
    assert fit.predict(ORIGINAL) == pytest.approx(new)


@pytest.mark.parametrize("axis", lines.AXES)
def test_axes_go_there_and_back(axis: str) -> None:
    assert lines.from_axis(lines.to_axis(ORIGINAL, axis), axis) == pytest.approx(ORIGINAL)


def test_slope_and_p_value_are_scipys(rng: np.random.Generator) -> None:
    new = ORIGINAL - 0.1 + 0.02 * rng.standard_normal(5)
    fit, expected = lines.fit_line(ORIGINAL, new, "linear", resamples=0), stats.linregress(100 * ORIGINAL, 100 * new)
    assert (fit.slope, fit.p_value) == pytest.approx((expected.slope, expected.pvalue))
    assert np.isnan(fit.slope_low)


@pytest.mark.parametrize("axis", ["probit", "logit"])
def test_accuracies_of_zero_and_one_are_clipped_and_counted(axis: str) -> None:
    fit = lines.fit_line([0.0, 0.5, 1.0], [0.0, 0.4, 0.9], axis, resamples=0)
    assert fit.num_clipped == 3
    assert np.isfinite([fit.slope, fit.intercept, fit.r2]).all()
    assert lines.fit_line([0.0, 0.5, 1.0], [0.0, 0.4, 0.9], "linear", resamples=0).num_clipped == 0


@pytest.mark.parametrize(
    ("original", "new", "message"),
    [
        ([0.5, 0.6], [0.4, 0.5], "at least 3 models"),
        ([50, 60, 70], [40, 50, 60], "not percent"),
        ([0.5, 0.6, np.nan], [0.4, 0.5, 0.6], "0-1"),
        ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6, 0.7], "the same models"),
        ([0.5, 0.5, 0.5], [0.4, 0.5, 0.6], "different accuracy"),
    ],
)
def test_what_cannot_be_fitted_is_refused(original: list, new: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lines.fit_line(original, new)


def test_unknown_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="axis: expected one of"):
        lines.fit_line(ORIGINAL, ORIGINAL, "log")


def test_models_are_matched_by_name() -> None:
    original = pd.Series(ORIGINAL, index=list("abcde"))
    new = original - 0.05
    assert lines.fit_line(original, new[::-1], "linear", resamples=0).slope == pytest.approx(1)
    with pytest.raises(ValueError, match="different models"):
        lines.fit_line(original, new.rename({"a": "z"}))


def test_seed_decides_the_bootstrap(rng: np.random.Generator) -> None:
    new = ORIGINAL - 0.1 * rng.random(5)
    limits = [lines.fit_line(ORIGINAL, new, resamples=500, seed=seed).slope_low for seed in (1, 1, 2)]
    assert limits[0] == limits[1] != limits[2]


def test_band_holds_the_line_and_is_narrowest_amid_the_models(rng: np.random.Generator) -> None:
    original = np.linspace(0.7, 0.95, 20)
    table = lines.band(original, original - 0.08 + 0.01 * rng.standard_normal(20), "linear", resamples=500)
    assert (table["low"] <= table["new"]).all() and (table["new"] <= table["high"]).all()
    width = table["high"] - table["low"]
    assert 25 < width.idxmin() < 75


def test_bootstrap_over_images_leaves_the_fit_and_widens_with_fewer_images(rng: np.random.Generator) -> None:
    accuracy = np.array([0.6, 0.7, 0.8, 0.9])
    widths = []
    for n in (200, 3200):
        right = [rng.random((n, 4)) < accuracy, rng.random((n, 4)) < accuracy - 0.1]
        fit, band = lines.image_band(*right, "linear", resamples=200)
        assert fit.slope == pytest.approx(
            lines.fit_line(*(side.mean(axis=0) for side in right), "linear", resamples=0).slope
        )
        assert len(band) == 101
        widths.append(fit.slope_high - fit.slope_low)
    assert 2 < widths[0] / widths[1] < 8


def test_most_influential_model_comes_first() -> None:
    new = pd.Series(ORIGINAL - 0.05, index=list("abcde"))
    new["a"] += 0.2
    table = lines.influence(pd.Series(ORIGINAL, index=list("abcde")), new, "linear")
    assert table["model"][0] == "a"
    assert table["slope"][0] == pytest.approx(1)


def test_few_low_models_that_carry_the_fit_are_named() -> None:
    original = np.append(np.linspace(0.90, 0.96, 12), 0.5)
    new = np.append(np.linspace(0.80, 0.92, 12), 0.6)
    assert "1 of 13 models" in lines.fit_line(original, new, "linear", resamples=0).warning
    new[-1] = 0.0
    assert lines.fit_line(original, new, "linear", resamples=0).warning == ""


STANDARD = np.array([0.7, 0.8, 0.9, 0.95])


def test_model_on_the_line_has_none_and_one_above_has_its_height() -> None:
    line = lines.fit_line(STANDARD, STANDARD - 0.1, "linear", resamples=0)
    table = lines.effective_robustness([0.85, 0.85], [0.75, 0.80], line)
    assert table["effective_robustness"].to_numpy() == pytest.approx([0, 0.05])
    assert table["low"].isna().all()


def test_line_is_fitted_on_logit_axes_unless_asked_otherwise() -> None:
    new = lines.from_axis(0.8 * lines.to_axis(STANDARD, "logit") - 0.5, "logit")
    table = lines.effective_robustness(STANDARD, new)
    assert table["axis"].eq("logit").all()
    assert np.allclose(table["effective_robustness"], 0)
    assert not np.allclose(lines.effective_robustness(STANDARD, new, axis="linear")["effective_robustness"], 0)


def test_interval_narrows_with_more_images_and_holds_the_value() -> None:
    line = lines.fit_line(STANDARD, STANDARD - 0.1, "linear", resamples=0)
    widths = []
    for n in (100, 10_000):
        row = lines.effective_robustness([0.85], [0.8], line, n_original=n, n_new=n).iloc[0]
        assert row["low"] < 0.05 < row["high"]
        widths.append(row["high"] - row["low"])
    assert widths[1] < widths[0] / 5


def test_perfect_model_gets_a_finite_interval() -> None:
    line = lines.fit_line(STANDARD, STANDARD - 0.1, "probit", resamples=0)
    row = lines.effective_robustness([1.0], [1.0], line, n_original=50, n_new=50).iloc[0]
    assert np.isfinite([row["low"], row["high"]]).all()


@pytest.mark.parametrize("axis", lines.AXES)
def test_the_line_of_the_others_is_the_fit_without_the_model(rng, axis: str) -> None:
    original = pd.Series(rng.uniform(0.6, 0.99, 12))
    new = (original - rng.uniform(0.02, 0.2, 12)).clip(0, 1)
    found = lines.line_of_others(original, new, axis)
    for row in range(12):
        alone = lines.fit_line(original.drop(row), new.drop(row), axis, resamples=0)
        assert (found.slope[row], found.intercept[row]) == pytest.approx((alone.slope, alone.intercept), rel=1e-9)
    with pytest.raises(ValueError, match="three of different accuracy"):
        lines.line_of_others(pd.Series([0.5, 0.5, 0.5, 0.9]), pd.Series([0.4, 0.3, 0.2, 0.8]), axis)


def test_each_model_is_beside_the_line_of_the_others_and_not_its_own() -> None:
    original = pd.Series(STANDARD, [f"m{k}" for k in range(len(STANDARD))])
    new = pd.Series(lines.from_axis(0.8 * lines.to_axis(STANDARD, "logit") - 0.5, "logit"), original.index)
    new["m1"] += 0.05
    table = lines.beside_others(original, new).set_index("model")
    assert table.loc["m1", "effective_robustness"] == pytest.approx(0.05)
    assert lines.effective_robustness(original, new).set_index("model").loc["m1", "effective_robustness"] < 0.05
