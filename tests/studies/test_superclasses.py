"""CIFAR-100 by superclass: parents from the data, sums of probabilities, fine beside coarse models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cifar102.studies import superclasses


@given(st.permutations(list(range(12))), st.integers(1, 4))
def test_parents_are_found_whatever_the_order_of_images(order, copies):
    parent = np.array([0, 2, 1] * 4)
    fine = np.tile(order, copies)
    assert superclasses.parents_of_classes(fine, parent[fine]).tolist() == parent.tolist()


@pytest.mark.parametrize(("fine", "coarse"), [([0, 0, 1], [0, 1, 1]), ([0, 2], [0, 1])])
def test_a_class_of_two_parents_or_of_none_is_an_error(fine, coarse):
    with pytest.raises(ValueError, match="one superclass"):
        superclasses.parents_of_classes(np.array(fine), np.array(coarse))


@settings(max_examples=50)
@given(arrays.arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)))
def test_summing_keeps_the_total_of_each_image(shares):
    parent = np.array([1, 0, 2, 2, 1, 0])
    found = superclasses.sum_by_parent(shares, parent)
    assert found.sum(axis=1) == pytest.approx(shares.sum(axis=1), rel=1e-5)
    assert found[:, 0] == pytest.approx(shares[:, 1].astype(float) + shares[:, 5], rel=1e-6)


def test_summing_can_see_what_the_likeliest_fine_class_does_not():
    parent, labels = np.array([0, 1, 1]), np.array([1, 0])
    shares = np.array([[0.4, 0.3, 0.3], [0.6, 0.2, 0.2]])
    own = np.array([[0.9, 0.1], [0.8, 0.2]])
    table = superclasses.coarse_beside_fine({0: shares, 1: shares}, {0: own}, parent, labels)
    assert table.loc[0].tolist() == [0, 1.0, 0.5, 0.5]
    assert np.isnan(table.loc[1, "coarse_own"])
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        superclasses.sum_by_parent(own, parent)


def test_fine_and_coarse_models_are_paired_on_the_test_images(rng):
    parent, labels = np.array([0, 1, 1]), rng.integers(0, 2, size=300)
    fine = {seed: rng.dirichlet(np.ones(3), size=300) for seed in range(2)}
    coarse = {seed: rng.dirichlet(np.ones(2), size=300) for seed in range(2)}
    row = superclasses.coarse_difference(fine, coarse, parent, labels)
    table = superclasses.coarse_beside_fine(fine, coarse, parent, labels)
    assert row["difference"] == pytest.approx((table["fine_summed"] - table["coarse_own"]).mean())
    assert (row["num_pairs"], row["num_images"]) == (2, 300) and row["low"] < row["difference"] < row["high"]
