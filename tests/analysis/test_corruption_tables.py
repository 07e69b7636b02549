"""Accuracy under corruptions and agreement with people: small cases worked out by hand, and simulated coverage."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cifar102.analysis import corruption_tables, human_labels


def accuracy(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"set": names, "n": 10, "accuracy": 0.5, "low": 0.2, "high": 0.8})


def test_the_rows_of_corruptions_are_found_by_their_names_and_sorted():
    table = corruption_tables.corruption_table(
        accuracy("cifar10", "cifar10-c-fog-3", "cifar10-c-jpeg_compression-1", "cifar10-c-fog-1", "cifar10.1-v6")
    )
    assert table["corruption"].tolist() == ["fog", "fog", "jpeg_compression"]
    assert table["severity"].tolist() == [1, 3, 1]
    assert table["family"].unique().tolist() == ["cifar10-c"]
    assert not len(corruption_tables.corruption_table(accuracy("cifar10")))


def test_means_are_over_severities_and_then_over_all_common_sets_with_errors_beside_the_clean_one():
    clean = np.array([1, 1, 1, 0], bool)
    correct = {
        "cifar10-c-fog-1": np.array([1, 1, 1, 0], bool),
        "cifar10-c-fog-5": np.array([1, 0, 0, 0], bool),
        "cifar10-c-snow-1": np.array([1, 1, 0, 0], bool),
        "cifar10-c-spatter-1": np.array([0, 0, 0, 0], bool),
    }
    table = corruption_tables.corruption_means(correct, clean).set_index("corruption")
    assert table["accuracy"].to_dict() == pytest.approx(
        {"fog": 0.5, "snow": 0.5, "spatter": 0, corruption_tables.ALL: 0.5}
    )
    assert table.loc["fog", ["severities", "n"]].tolist() == [2, 4]
    assert table.loc["fog", ["error", "error_added", "error_ratio"]].tolist() == pytest.approx([0.5, 0.25, 2])
    assert "error_added" not in corruption_tables.corruption_means(correct)
    assert np.isnan(corruption_tables.corruption_means(correct, np.ones(4, bool))["error_ratio"]).all()


def test_the_interval_counts_each_image_once():
    rng = np.random.default_rng(1)
    same = rng.random(400) < 0.7
    five = {f"cifar10-c-fog-{severity}": same for severity in range(1, 6)}
    one, many = corruption_tables.corruption_means({"cifar10-c-fog-1": same}), corruption_tables.corruption_means(five)
    assert many[["low", "high"]].to_numpy() == pytest.approx(one[["low", "high"]].to_numpy())
    half = 1.96 * same.std(ddof=1) / 20
    assert (one["high"] - one["accuracy"]).iloc[0] == pytest.approx(half, rel=1e-3)


def test_sets_of_other_images_and_names_of_no_corruption_are_refused():
    with pytest.raises(ValueError, match=r"found sets of \[3, 4\] images"):
        corruption_tables.corruption_means({"c-fog-1": np.ones(3, bool), "c-fog-2": np.ones(4, bool)})
    with pytest.raises(ValueError, match=r"family-corruption-severity, found \['cifar10'\]"):
        corruption_tables.corruption_means({"cifar10": np.ones(3, bool)})


def test_a_model_that_says_what_people_say_has_their_entropy_and_no_divergence(rng):
    shares = rng.dirichlet(np.ones(10), 300)
    row = human_labels.human_table(shares, shares).iloc[0]
    entropy = -(shares * np.log(shares)).sum(axis=1)
    assert row["cross_entropy"] == pytest.approx(entropy.mean())
    assert row["divergence"] == pytest.approx(0)
    assert row["majority_agreement"] == 1
    assert row["high"] - row["cross_entropy"] == pytest.approx(
        stats.t.ppf(0.975, 299) * entropy.std(ddof=1) / np.sqrt(300)
    )


def test_any_other_probabilities_have_a_higher_cross_entropy_with_people(rng):
    shares = rng.dirichlet(np.ones(10), 300)
    for other in (rng.dirichlet(np.ones(10), 300), np.full((300, 10), 0.1), np.eye(10)[shares.argmax(axis=1)]):
        row = human_labels.human_table(other, shares).iloc[0]
        assert row["divergence"] > 0
        assert np.isfinite(row["cross_entropy"])


def test_where_people_tie_any_of_their_classes_agrees():
    shares = np.array([[0.5, 0.5, 0], [0.2, 0.8, 0]])
    assert human_labels.majority_agreement(np.array([1, 0]), shares)["majority_agreement"] == 0.5
    assert human_labels.majority_agreement(np.array([0, 1]), shares)["majority_agreement"] == 1


def test_people_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"as people's shares, found \(2, 10\)"):
        human_labels.human_table(np.full((2, 10), 0.1), np.full((3, 10), 0.1))
