"""The terms of a drop: they sum to it, and what is not measured stays wide."""

import pandas as pd
import pytest

from cifar102.analysis import gaps, intervals


def table(correct: int, n: int) -> pd.DataFrame:
    return pd.DataFrame({"model": ["m"], "correct": [correct], "n": [n]})


def by_term(**options: object) -> pd.DataFrame:
    return gaps.decompose(table(9300, 10_000), table(1700, 2_000), **options).set_index("term")


@pytest.mark.parametrize("fresh", [None, table(4600, 5_000)])
def test_terms_sum_to_the_drop_and_lie_in_their_bounds(fresh: pd.DataFrame | None) -> None:
    terms = by_term(fresh=fresh)
    assert terms["value"][["adaptivity", "distribution", "generalization"]].sum() == pytest.approx(0.08)
    assert (terms["low"] <= terms["value"]).all() and (terms["value"] <= terms["high"]).all()


def test_fresh_sample_measures_adaptivity() -> None:
    terms = by_term(fresh=table(4600, 5_000))
    assert terms.loc["adaptivity", "value"] == pytest.approx(0.01)
    assert terms.loc["distribution", "value"] == pytest.approx(0.07)
    assert terms.loc["adaptivity", "source"] == "fresh sample"
    low, high = intervals.clopper_pearson(4600, 5_000)
    assert tuple(terms.loc["adaptivity", ["low", "high"]]) == pytest.approx((0.93 - high, 0.93 - low))


def test_more_models_tested_widen_the_adaptivity_bound_alone() -> None:
    one, many = by_term(models_tested=1), by_term(models_tested=1000)
    assert many.loc["adaptivity", "high"] > one.loc["adaptivity", "high"]
    assert many.loc["generalization", "high"] == one.loc["generalization", "high"]


def test_tables_of_different_models_are_refused() -> None:
    with pytest.raises(ValueError, match="same models"):
        gaps.decompose(table(90, 100), table(90, 100).assign(model="other"))
