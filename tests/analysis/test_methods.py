"""The methods text quotes the run's numbers and leaves out what the run has not."""

import json

import pytest

from cifar102.analysis.methods import MethodsFacts, methods_text

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
        *("+0.40 points [-0.50, +1.30], an interval that includes zero", "Predictions of 30 models", "d9982ab"),
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


def test_placebo_that_leaves_out_zero_says_so() -> None:
    facts = MethodsFacts("pool", SIZES, placebo=(0.02, 0.01, 0.03), placebo_set="cifar102-leftover")
    assert "leaves out zero" in methods_text(facts)


@pytest.mark.parametrize("sizes", [{"cifar10.1-v4": 2_021}, {"cifar10": 10_000}])
def test_every_set_named_needs_a_size(sizes: dict) -> None:
    with pytest.raises(ValueError, match="is missing"):
        methods_text(MethodsFacts("pool", sizes, published_set="cifar10.1-v4"))
