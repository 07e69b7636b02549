"""Effective robustness and ranks."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import lines

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


def test_rank_change_counts_places_won() -> None:
    original = pd.Series({"a": 0.9, "b": 0.8, "c": 0.7})
    table = lines.rank_table(original, pd.Series({"c": 0.65, "b": 0.5, "a": 0.6})).set_index("model")
    assert table["new_rank"].to_dict() == {"a": 2, "b": 3, "c": 1}
    assert table["change"].to_dict() == {"a": -1, "b": -1, "c": 2}
