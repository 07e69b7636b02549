"""The methods text quotes the run's numbers and leaves out what the run has not."""

import json

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis.methods import MethodsFacts, headline, methods_text, published_facts
from cifar102.analysis.published import PublishedModels

SIZES = {"cifar10": 10_000, "cifar102-leftover": 7_283, "cifar10.1-v4": 2_021}
FACTS = MethodsFacts(
    "placebo pool",
    SIZES,
    trainings={"cnn_four_conv": 3, "resnet8": 1},
    num_train={"cifar10-10k": 9_000, "cifar102": 9_000},
    resamples=2_000,
    seed=7,
    placebo=(0.004, -0.005, 0.013),
    placebo_set="cifar102-leftover",
    num_duplicates=61,
    num_published=30,
    published_set="cifar10.1-v4",
    published_gap=(0.0811, 0.0702, 0.092),
    fit={"linear": (1.6166, 1.53, 1.7, 0.9887)},
    fit_resamples=100_000,
    num_pairs=435,
    num_certain=322,
)


@pytest.mark.parametrize(
    "part",
    [
        *("10,000 images", "2,021 images", "cnn_four_conv (3 seeds) and resnet8 (1 seed)", "9,000 images of cifar102"),
        *("sets of one size", "61 images of cifar10 have", "2,000 resamples, seed 7", "100,000 resamples", "95%"),
        *("+0.40 points [-0.50, +1.30] in one draw of the roles", "Predictions of 30 models", "d9982ab"),
        *("+8.11 points [+7.02, +9.20]", "1.617 [1.530, 1.700]", "of 435 pairs 322 differ", "rate of 5%"),
    ],
)
def test_every_number_of_the_run_is_in_the_text(part: str) -> None:
    assert part in methods_text(FACTS)


def test_the_stored_facts_give_the_same_text() -> None:
    stored = json.loads(json.dumps(FACTS.to_json()))
    assert methods_text(MethodsFacts(**stored)) == methods_text(FACTS)


def test_parts_without_numbers_are_left_out() -> None:
    text = methods_text(MethodsFacts("demo pool", SIZES))
    for part in ("McNemar", "placebo", "fitted", "d9982ab", "Trained", "bootstrap", "near-duplicate"):
        assert part not in text


def test_sets_of_other_sizes_are_not_called_of_one_size() -> None:
    text = methods_text(MethodsFacts("pool", SIZES, trainings={"m": 2}, num_train={"a": 10, "b": 20}))
    assert "one size" not in text


def test_simulated_models_are_not_called_published() -> None:
    facts = MethodsFacts("demo pool", SIZES, published="simulated", num_published=8, published_set="cifar10.1-v4")
    assert "are simulated." in methods_text(facts)
    assert "d9982ab" not in methods_text(facts)


def test_the_placebo_gap_is_named_one_draw_and_not_judged_by_zero() -> None:
    facts = MethodsFacts("pool", SIZES, placebo=(0.02, 0.01, 0.03), placebo_set="cifar102-leftover")
    text = methods_text(facts)
    assert "in one draw of the roles" in text and "zero" not in text


@pytest.mark.parametrize("sizes", [{"cifar10.1-v4": 2_021}, {"cifar10": 10_000}])
def test_every_set_named_needs_a_size(sizes: dict) -> None:
    with pytest.raises(ValueError, match="is missing"):
        methods_text(MethodsFacts("pool", sizes, published_set="cifar10.1-v4"))


def test_the_headline_has_every_gap_with_its_interval_and_the_mean_over_seeds() -> None:
    gap = {"new_set": "cifar102-leftover", "gap": 0.004, "low": -0.005, "high": 0.013, "n_original": 10_000}
    gaps = pd.DataFrame([gap | {"model": "all models", "n_new": 7_283}, gap | {"model": "vgg16", "n_new": 7_283}])
    models = ["vgg16, seed 0", "vgg16, seed 1", "alexnet, seed 0"]
    found = headline(gaps, pd.DataFrame({"model": models, "accuracy": [0.8, 0.9, 0.7]}), FACTS)
    assert found == {
        "gap, CIFAR-10 test to all images left over": "+0.40 points [-0.50, +1.30], n = 10,000 and 7,283 images",
        "gap, CIFAR-10 test to cifar10.1-v4 (published models)": "8.11 points [7.02, 9.20], mean of 30 models",
        "CIFAR-10 test accuracy of alexnet": "70.0%",
        "CIFAR-10 test accuracy of vgg16": "85.0%",
    }
    without = headline(gaps, pd.DataFrame({"model": models, "accuracy": 0.8}), MethodsFacts("pool", SIZES))
    assert not [name for name in without if "models" in name]


def test_facts_of_the_published_models_are_those_of_their_version() -> None:
    fit = {"axis": "linear", "slope": 1.6, "slope_low": 1.5, "slope_high": 1.7, "r2": 0.99, "resamples": 100}
    fits = pd.DataFrame([{"version": "cifar10.1-v4"} | fit, {"version": "cifar10.1-v6"} | fit | {"slope": 2.0}])
    tables = {"fits": fits, "gap": pd.DataFrame({"model": ["a", "b"]}), "pairs": pd.DataFrame({"is_certain": [True]})}
    gap = pd.DataFrame({"gap": [0.0, 0.08], "low": [0.0, 0.07], "high": [0.0, 0.09]})
    models = PublishedModels("cifar10.1-v4", {"cifar10.1-v4": np.zeros(2021)}, {})
    assert published_facts(models, tables, gap, "simulated")["published_gap"] == (0.08, 0.07, 0.09)
    rows = [("mean gap", "", 0.08, 0.06, 0.1, 100), ("slope", "linear", 1.6, 1.4, 1.8, 100)]
    joint = pd.DataFrame(rows, columns=["statistic", "axis", "value", "low", "high", "resamples"])
    found = published_facts(models, tables | {"joint": joint}, gap, "simulated")
    assert found["fit"] == {"linear": (1.6, 1.4, 1.8, 0.99)} and found["published_gap"] == (0.08, 0.06, 0.1)
    assert (found["num_published"], found["num_pairs"], found["num_certain"]) == (2, 1, 1)
    assert "simulated" in methods_text(MethodsFacts("pool", **found | {"set_sizes": SIZES | found["set_sizes"]}))
