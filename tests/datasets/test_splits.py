"""Splits are seeded, stratified permutations; groups stay together; the published leak is what it says."""

import itertools

import numpy as np
import pytest

from cifar102.datasets import splits


@pytest.fixture
def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.repeat(np.arange(10), 60))


def test_a_split_is_disjoint_complete_and_gives_each_class_its_share(labels):
    train, validation = splits.split(labels, 100, seed=1)
    assert train.dtype == validation.dtype == np.int64
    assert sorted([*train, *validation]) == list(range(600))
    assert (np.bincount(labels[validation]) == 10).all()


def test_uneven_classes_get_their_share_to_within_one(rng):
    labels = rng.permutation(np.repeat([0, 1, 2], [500, 73, 9]))
    _, validation = splits.split(labels, 100, seed=2)
    share = np.array([500, 73, 9]) * 100 / 582
    assert len(validation) == 100
    assert (np.abs(np.bincount(labels[validation], minlength=3) - share) <= 1).all()


def test_a_split_follows_its_seed(labels):
    first, again, other = (splits.split(labels, 100, seed)[1] for seed in (1, 1, 2))
    assert (first == again).all() and not np.array_equal(first, other)


def test_groups_stay_on_one_side(labels, rng):
    groups = rng.integers(0, 150, size=600)
    groups[:50] = -1
    train, validation = splits.split(labels, 120, 3, groups=groups)
    shared = set(groups[train]) & set(groups[validation])
    assert shared <= {-1} and {*groups[train][groups[train] < 0]}
    assert sorted([*train, *validation]) == list(range(600))
    assert 100 <= len(validation) <= 120


def test_rows_in_no_group_or_alone_split_as_finely_as_without_groups(labels):
    for groups in (np.arange(600), np.full(600, -1)):
        _, validation = splits.split(labels, 100, 1, groups=groups)
        np.testing.assert_array_equal(validation, splits.split(labels, 100, 1)[1])


def test_the_published_leak_validates_on_rows_that_were_trained_on(labels):
    honest, _ = splits.split(labels, 100, seed=4)
    train, validation = splits.split(labels, 100, seed=4, with_replacement=True)
    np.testing.assert_array_equal(train, honest)
    assert len(validation) == 100
    assert np.isin(validation, train).mean() == pytest.approx(5 / 6, abs=0.12)


def test_a_smaller_subset_lies_in_each_larger_one_and_is_stratified(labels):
    subsets = [splits.subset(labels, size, seed=5) for size in (10, 50, 200, 600)]
    for small, large in itertools.pairwise(subsets):
        assert set(small) < set(large)
    assert [len(rows) for rows in subsets] == [10, 50, 200, 600]
    assert all((np.bincount(labels[rows]) == len(rows) // 10).all() for rows in subsets)


@pytest.mark.parametrize(("num_validation", "groups"), [(0, None), (600, None), (10, np.zeros(3))])
def test_a_split_that_cannot_be_is_refused(labels, num_validation, groups):
    with pytest.raises(ValueError, match="expected"):
        splits.split(labels, num_validation, 0, groups=groups)


def test_a_subset_that_cannot_be_is_refused(labels):
    with pytest.raises(ValueError, match="subset of 601"):
        splits.subset(labels, 601, 0)
