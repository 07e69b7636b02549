"""McNemar's exact test, Holm's correction and the ranks that are certain."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cifar102.analysis import model_pairs

LABELS = np.zeros(100, dtype=int)


def model(right: int, start: int = 0) -> np.ndarray:
    ids = np.ones(100, dtype=int)
    ids[start : start + right] = 0
    return ids


def test_p_value_is_the_two_sided_binomial_of_the_disagreements() -> None:
    test = model_pairs.mcnemar(model(60), model(50, start=20), LABELS)
    assert (test.only_first, test.only_second, test.n) == (20, 10, 100)
    assert test.p_value == pytest.approx(stats.binomtest(10, 30).pvalue)
    assert test.difference == pytest.approx(0.1)
    assert test.low < 0.1 < test.high


def test_model_against_itself_is_certain_of_nothing() -> None:
    test = model_pairs.mcnemar(model(60), model(60), LABELS)
    assert (test.p_value, test.difference) == (1, 0)
    assert test.low == -test.high < 0, "100 equal answers do not show that there is no difference at all"


def test_swapping_the_models_turns_the_difference() -> None:
    first, second = model_pairs.mcnemar(model(60), model(40), LABELS), model_pairs.mcnemar(model(40), model(60), LABELS)
    assert first.p_value == second.p_value
    assert first.difference == -second.difference


def test_holm_multiplies_the_smallest_p_by_the_number_of_pairs() -> None:
    table = model_pairs.mcnemar_table({"a": model(90), "b": model(80), "c": model(78)}, LABELS)
    assert len(table) == 3
    assert table["p_holm"].min() == pytest.approx(3 * table["p_value"].min())
    assert (table["p_holm"] >= table["p_value"]).all()


def test_clear_loser_is_last_for_certain_and_equals_stay_open() -> None:
    models = {"good": model(90), "also_good": model(89), "bad": model(20)}
    ranks = model_pairs.certain_ranks(model_pairs.mcnemar_table(models, LABELS)).set_index("model")
    assert ranks[["best_rank", "worst_rank"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 3]]
    assert ranks.index[2] == "bad"


def test_one_model_against_the_others_needs_fewer_corrections_than_all_pairs() -> None:
    models = {"a": model(90), "b": model(80), "c": model(78), "d": model(60)}
    table = model_pairs.against_others("b", models, LABELS)
    assert table[["first", "second"]].to_numpy().tolist() == [["b", "a"], ["b", "c"], ["b", "d"]]
    assert table["p_holm"].min() == pytest.approx(3 * table["p_value"].min())


def test_unpaired_tests_of_equal_accuracies_show_nothing_and_of_far_ones_the_order() -> None:
    table = pd.DataFrame({"model": ["a", "b", "c"], "accuracy": [0.9, 0.9, 0.5], "n": [1000, 500, 1000]})
    pairs = model_pairs.unpaired_table(table).set_index(["first", "second"])
    assert pairs.loc[("a", "b"), "p_value"] == 1
    assert pairs.loc[("a", "c"), "is_certain"] and pairs.loc[("b", "c"), "difference"] == pytest.approx(0.4)


def test_one_model_alone_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="at least 2 models"):
        model_pairs.mcnemar_table({"a": model(90)}, LABELS)


def simulated(rng: np.random.Generator, n: int, shift: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Models of rising skill on images of rising difficulty; `shift` makes all images harder."""
    labels, difficulty = rng.integers(10, size=n), rng.standard_normal(n) + shift
    models = {}
    for k, skill in enumerate(np.linspace(0.3, 2.2, 8)):
        right = skill + 0.5 * rng.standard_normal(n) > difficulty
        models[f"m{k}"] = np.where(right, labels, (labels + 1 + rng.integers(9, size=n)) % 10)
    return models, labels


def test_accuracy_is_foretold_without_labels(rng: np.random.Generator) -> None:
    (original, labels), (new, new_labels) = simulated(rng, 20_000, 0), simulated(rng, 20_000, 0.5)
    found = model_pairs.agreement_on_the_line(original, new, labels, new_labels)
    drop = (found.models["original"] - found.models["new"]).mean()
    assert drop > 0.08
    assert found.r2 > 0.99
    assert found.models["error_s"].abs().mean() < drop / 4
    assert found.models["error_d"].abs().mean() < drop / 4


def test_same_set_twice_foretells_its_own_accuracy(rng: np.random.Generator) -> None:
    models, labels = simulated(rng, 2_000, 0)
    found = model_pairs.agreement_on_the_line(models, models, labels)
    assert (found.slope, found.intercept) == pytest.approx((1, 0), abs=1e-9)
    assert np.allclose(found.models["aline_s"], found.models["original"])
    assert np.allclose(found.models["aline_d"], found.models["original"])
    assert "error_s" not in found.models


def test_agreements_are_shares_of_equal_answers(rng: np.random.Generator) -> None:
    models = {name: rng.integers(10, size=500) for name in "abc"}
    found = model_pairs.agreements(models)
    assert np.diag(found).tolist() == [1, 1, 1]
    assert found[0, 2] == found[2, 0] == pytest.approx((models["a"] == models["c"]).mean())


def test_two_models_or_other_models_are_refused(rng: np.random.Generator) -> None:
    models, labels = simulated(rng, 100, 0)
    few = {name: models[name] for name in ("m0", "m1")}
    with pytest.raises(ValueError, match="3 or more"):
        model_pairs.agreement_on_the_line(few, few, labels)
    with pytest.raises(ValueError, match="same 3 or more"):
        model_pairs.agreement_on_the_line(models, few, labels)
