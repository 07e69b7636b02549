"""Verdicts on published claims: two answers a claim, the words of both, and the scale at which they hold."""

import gc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cifar102.decisions.tables import published_claims
from cifar102.studies import verdicts

SCALE = {"num_train": 8_000, "epochs": 10, "options": "width=0.5"}
FULL = {"num_train": 40_000, "epochs": 100, "options": ""}


def make_runs(arms: dict[str, list[float]], study: str = "pooling", **columns: object) -> pd.DataFrame:
    columns = SCALE | columns
    rows = [
        {"study": study, "arm": arm, "seed": seed, "dataset": "cifar100-fine", "validation_accuracy": value, **columns}
        for arm, values in arms.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def judge(arms: dict[str, list[float]], claim: str, study: str = "pooling", **columns: object) -> pd.Series:
    table = verdicts.verdicts(make_runs(arms, study, **columns))
    return table[(table["study"] == study) & table["claim"].str.startswith(claim)].iloc[0]


def around(mean: float, spread: float = 0.001) -> list[float]:
    return [mean + step * spread for step in (-2, -1, 0, 1, 2)]


MAX = [0.300, 0.302, 0.299, 0.301, 0.298]
PAIRED = np.array([0.0003, -0.0002, 0.0001, -0.0003, 0.0001])  # what two arms differ by beside their difference


def above(difference: float, spread: float = 1.0) -> list[float]:
    return [value + difference + spread * noise for value, noise in zip(MAX, PAIRED, strict=True)]


@pytest.mark.parametrize(
    ("average", "words", "sign", "size"),
    [
        (above(0.0432, spread=10), "confirmed", "as published", "inside"),
        (above(0.03), "same sign, smaller", "as published", "ours is smaller"),
        (above(0.08), "same sign, larger", "as published", "ours is larger"),
        (above(-0.03), "opposite sign", "opposite", "ours is smaller"),
        (above(0.0001, spread=5), "equivalent within 2 points", "not shown", "ours is smaller"),
        (above(0.03, spread=100), "not shown (could show", "not shown", "inside"),
    ],
)
def test_a_claim_has_two_answers_in_fixed_words_at_its_scale(average, words, sign, size):
    row = judge({"max": MAX, "average": average}, "average")
    assert row["verdict"].startswith(words), row["verdict"]
    assert row["verdict"].endswith("(8,000 images, 10 epochs, width 0.5)")
    assert (row["sign"], row["published_size"]) == (sign, size)


def test_contradicted_is_said_at_the_published_scale_alone():
    arms = {"max": MAX, "average": above(-0.03)}
    assert judge(arms, "average", **FULL)["verdict"] == "contradicted (40,000 images, 100 epochs, width 1)"
    assert judge(arms, "average", **FULL | {"num_train": 39_999})["verdict"].startswith("opposite sign")
    assert judge(arms, "average", **FULL | {"options": "width=0.5"})["verdict"].startswith("opposite sign")


def test_networks_that_have_not_learned_test_nothing():
    arms = {"max": [value - 0.2 for value in MAX], "average": [value - 0.2 for value in above(0.0432)]}
    row = judge(arms, "average")
    assert row["verdict"] == "not tested at a comparable scale (8,000 images, 10 epochs, width 0.5)"
    assert row["sign"] == row["published_size"] == "not tested" and not row["is_comparable"]


def test_the_list_of_claims_is_fixed_and_holm_counts_all_of_it():
    table = verdicts.verdicts(make_runs({"max": MAX, "average": above(0.03)}))
    assert table[["study", "claim"]].equals(published_claims()[["study", "claim"]])
    assert list(table.columns) == list(verdicts.COLUMNS)
    row = table[table["arm"] == "average"].iloc[0]
    difference = np.array(above(0.03)) - MAX
    t = difference.mean() / (difference.std(ddof=1) / np.sqrt(5))
    assert row["p_holm"] == pytest.approx(len(table) * 2 * stats.t.sf(t, 4))
    rest = table[table["arm"] != "average"]
    assert (rest["verdict"] == "not tested at a comparable scale").all() and rest["p_holm"].isna().all()


def test_a_claim_of_equality_wants_equivalence_and_falls_by_a_difference_beyond_the_margin():
    alike = {"same": MAX, "valid": above(0.0001)}
    apart = {"same": MAX, "valid": above(-0.03)}
    wide = {"same": MAX, "valid": above(-0.01, spread=100)}
    assert judge(alike, "same and valid", "padding")["verdict"].startswith("equivalent within 2 points")
    assert judge(apart, "same and valid", "padding")["verdict"].startswith("same sign, larger")
    assert judge(apart, "same and valid", "padding", **FULL)["verdict"].startswith("contradicted")
    assert judge(wide, "same and valid", "padding")["verdict"].startswith("not shown (could show")


def test_a_claim_of_the_best_is_compared_with_the_best_of_the_others():
    cells = {"relu+adam": around(0.3), "elu+adam": around(0.31), "selu+adam": [0.212, 0.208, 0.213, 0.211, 0.214]}
    row = judge(cells, "SELU", "activation_optimizer")
    assert (row["reference"], row["sign"], row["high"]) == ("elu+adam", "opposite", 0)
    assert row["verdict"].startswith("opposite sign")
    cells["selu+adam"] = [value + 0.2 for value in cells["selu+adam"]]
    assert judge(cells, "SELU", "activation_optimizer")["sign"] == "as published"


def test_no_runs_at_all_still_give_the_whole_list():
    table = verdicts.verdicts(make_runs({"max": MAX}, study="pooling"))
    assert len(table) == len(published_claims()) and (table["n"] == 0).all()


@pytest.mark.slow
def test_five_percent_of_lists_without_any_true_difference_hold_a_false_sign(rng, request):
    gc.freeze()  # statsmodels collects garbage at every correction, which takes long beside a loaded TensorFlow
    request.addfinalizer(gc.unfreeze)
    wrong = []
    for _ in range(200):
        arms = {arm: list(0.3 + 0.01 * rng.normal(size=5)) for arm in ("max", "average", "max_then_average")}
        table = verdicts.verdicts(make_runs(arms))
        wrong.append(table["sign"].isin(["as published", "opposite"]).any())
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
