"""The methods text quotes the run's numbers and leaves out what the run has not."""

import pytest

from cifar102.methods_text import MethodsFacts, methods_text

SIZES = {"cifar10": 10_000, "cifar10.1-v4": 2_021}


def test_every_number_of_the_run_is_in_the_text() -> None:
    facts = MethodsFacts(
        *("placebo pool", SIZES, "cifar10", 34, 30, 3, {"cifar10-10k": 10_000}, 0.95, 10_000, 7, 435, 322),
        fit={"linear": (1.6166, 1.53, 1.7, 0.9887)},
        placebo=(0.004, -0.005, 0.013),
    )
    text = methods_text(facts)
    for part in (
        "10,000 images",
        "2,021 images",
        "30 published",
        "4 models were trained",
        "3 seeds",
        "1.617 [1.530, 1.700]",
    ):
        assert part in text
    for part in ("322 differ", "435 pairs", "+0.40 points [-0.50, +1.30]", "includes zero", "seed 7", "95%"):
        assert part in text


def test_parts_without_numbers_are_left_out() -> None:
    text = methods_text(MethodsFacts("demo pool", SIZES))
    for part in ("McNemar", "placebo", "fitted", "published", "seeds each"):
        assert part not in text


def test_placebo_that_leaves_out_zero_says_so() -> None:
    assert "leaves out zero" in methods_text(MethodsFacts("pool", SIZES, placebo=(0.02, 0.01, 0.03)))


def test_original_set_needs_a_size() -> None:
    with pytest.raises(ValueError, match="'cifar10' is missing"):
        methods_text(MethodsFacts("pool", {"cifar10.1-v4": 2_021}))
