"""The protocol's part: the table, what follows for a gap, and sentences that say the opposite where it holds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cifar102.analysis import protocol
from cifar102.workspace.folders import REPOSITORY

RECORDED = REPOSITORY / "results" / "cifar10" / "placebo_protocol.csv"


def parts(values: dict[str, list[float]], rule: str = "ssim", classifier: str = "linear") -> pd.DataFrame:
    """Rows as the placebo leaves them: arm -> the part of each split."""
    rows = [
        {
            "split": split,
            "rule": rule,
            "classifier": classifier,
            "arm": arm,
            "part": part,
            "images": 10,
            "accuracy": 0.6,
        }
        for arm, found in values.items()
        for split, part in enumerate(found)
    ]
    return pd.DataFrame(rows)


def table(**values: float) -> pd.DataFrame:
    """A table of 100 splits whose parts lie around the given ones with a deviation of .1."""
    around = stats.zscore(np.arange(100.0), ddof=1) / 10
    return protocol.protocol_table(parts({arm: list(value + around) for arm, value in values.items()}))


USUAL = {"matched": 0.07, "uniform": 0.3, "leftover": 0.5, "eligible": 0.26, "twin": 0.0}


def test_the_table_has_mean_interval_and_equivalence_as_scipy_computes_them(rng) -> None:
    values = rng.normal(0.05, 0.2, size=40)
    row = protocol.protocol_table(parts({"twin": list(values)})).iloc[0]
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert row[["protocol_part", "se", "low", "high"]].tolist() == pytest.approx(
        [values.mean(), stats.sem(values), low, high]
    )
    sides = [
        stats.ttest_1samp(values, -0.1, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.1, alternative="less").pvalue,
    ]
    assert row["p_equivalent"] == pytest.approx(max(sides)) and row["equivalent"] == (max(sides) < 0.05)
    assert row["share_of_published"] == pytest.approx(values.mean() / 8.1112) and row["splits"] == 40


def test_the_first_columns_are_those_of_the_interface() -> None:
    names = ["classifier", "arm", "splits", "protocol_part", "se", "low", "high", "equivalent", "margin", "rule"]
    assert list(table(**USUAL).columns[:10]) == names


def test_one_split_has_no_interval_and_is_equivalent_to_nothing() -> None:
    row = protocol.protocol_table(parts({"twin": [0.0]})).iloc[0]
    assert np.isnan([row["se"], row["low"], row["high"]]).all() and not row["equivalent"]


def test_the_published_gap_is_that_of_the_recorded_figure() -> None:
    shown = pd.read_csv(REPOSITORY / "figures" / "08-gap.csv")
    row = shown[shown["label"] == "mean of 30 models: to cifar10.1-v4"].iloc[0]
    assert pytest.approx(row["gap"], abs=5e-5) == protocol.PUBLISHED_GAP


def test_a_corrected_gap_loses_the_part_and_its_interval_widens() -> None:
    part = {"protocol_part": 0.5, "low": 0.2, "high": 0.9}
    left, low, high = protocol.corrected_gap(8.0, 7.0, 9.5, part)
    assert left == 7.5
    assert low == pytest.approx(7.5 - np.hypot(1.0, 0.4)) and high == pytest.approx(7.5 + np.hypot(1.5, 0.3))
    assert protocol.corrected_gap(8.0, 7.0, 9.5, {"protocol_part": 0, "low": 0, "high": 0}) == (8.0, 7.0, 9.5)
    with pytest.raises(ValueError, match=r"expected low <= gap <= high, found 7\.0, 6\.0, 9\.0"):
        protocol.corrected_gap(6.0, 7.0, 9.0, part)


@pytest.mark.slow
def test_a_corrected_gap_covers_what_is_left_in_95_percent_of_400_repetitions(rng) -> None:
    covered = 0
    for _ in range(400):
        gap, values = rng.normal(4, 1), rng.normal(0.5, 2, size=50)
        low, high = stats.norm.interval(0.95, gap, 1)
        row = protocol.protocol_table(parts({"matched": list(values)})).iloc[0]
        _, low, high = protocol.corrected_gap(gap, low, high, row)
        covered += low <= 3.5 <= high
    assert 368 <= covered <= 391


def test_the_arm_to_publish_is_the_one_that_is_surely_least_touched_and_never_the_twin() -> None:
    assert protocol.arm_to_publish(table(**USUAL)) == "matched"
    assert protocol.arm_to_publish(table(**{**USUAL, "matched": 0.9})) == "eligible"
    assert protocol.arm_to_publish(table(**{**USUAL, "matched": -0.9, "uniform": 0.1})) == "uniform"
    with pytest.raises(ValueError, match="beside the twin"):
        protocol.arm_to_publish(table(twin=0))


def test_sentences_say_a_gap_a_gain_and_nothing_as_the_table_has_it() -> None:
    usual = protocol.protocol_sentences(table(**USUAL), "linear", "ssim")
    assert "makes a gap of +0.26 [+0.24, +0.28] points, 3.2 % of the published 8.1," in usual[0]
    assert "drawn by keyword +0.07 [+0.05, +0.09]" in usual[1]
    assert usual[2].endswith("equivalent to zero within 0.1 points.")
    assert usual[3].startswith("The arm to publish is the one drawn by keyword")
    gain = protocol.protocol_sentences(table(**{**USUAL, "eligible": -0.3}), "linear", "ssim")
    assert "makes a gain of -0.30" in gain[0]
    none = protocol.protocol_sentences(table(**{**USUAL, "eligible": 0.01}), "linear", "ssim")
    assert "makes no gap that 100 splits show (+0.01 [-0.01, +0.03] points)" in none[0]
    with pytest.raises(ValueError, match="expected one row of linear, rule registered, arm matched, found 0"):
        protocol.protocol_sentences(table(**USUAL), "linear", "registered")


def test_a_twin_that_is_not_zero_or_not_known_well_enough_is_not_called_equivalent() -> None:
    biased = protocol.twin_sentence(table(twin=0.4).iloc[0])
    assert biased.endswith("+0.40 [+0.38, +0.42] points: not zero, and not shown to be within 0.1 points of it.")
    values = [-1.0, 1.0, -1.0, 1.0]
    unsure = protocol.twin_sentence(protocol.protocol_table(parts({"twin": values})).iloc[0])
    assert unsure.endswith("not shown to be within 0.1 points of zero.")


def test_a_test_batch_that_is_easier_is_found_and_one_that_is_not_is_not(rng) -> None:
    scores, is_test = rng.random(3_000), np.arange(3_000) >= 2_500
    same = protocol.batch_difference(scores, is_test, resamples=500)
    assert same["low"] < 0 < same["high"] and same["p_value"] > 0.05 and same["n_test"] == 500
    assert "shows no difference" in protocol.batch_sentence(same, "linear")
    scores[is_test] = np.clip(scores[is_test] + 0.2, 0, 1)
    scores[0] = np.nan
    easier = protocol.batch_difference(scores, is_test, resamples=500)
    assert easier["low"] > 10 and easier["p_value"] < 0.01
    assert "shows a difference" in protocol.batch_sentence(easier, "linear")


@pytest.mark.slow
def test_the_permutation_test_of_the_batch_errs_in_5_percent_of_400_repetitions(rng) -> None:
    is_test = np.arange(600) < 100
    p_values = [
        protocol.batch_difference(rng.random(600), is_test, resamples=199, seed=k)["p_value"] for k in range(400)
    ]
    assert 8 <= np.sum(np.array(p_values) <= 0.05) <= 34


def test_rows_to_draw_keep_arms_together_and_name_the_rule_where_there_are_two() -> None:
    first = protocol.protocol_table(parts({"twin": [0.1, 0.2], "matched": [0.2, 0.3]}))
    rows = protocol.protocol_rows(pd.concat([first, first.assign(classifier="nearest_neighbour")]))
    assert rows["label"].str.partition(":")[0].tolist() == ["matched", "matched", "twin", "twin"]
    assert rows["source"].tolist() == ["linear", "nearest neighbour"] * 2
    both = protocol.protocol_rows(pd.concat([first, first.assign(rule="registered")]))
    assert both["source"].tolist()[:2] == ["linear, rule registered", "linear, rule ssim"]
