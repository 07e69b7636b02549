"""Test images with a copy in train: found through the pool's tables, and only where the training rows count."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import single_images


def pair_table(*rows: tuple[int, str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query", "reference_set", "reference", "verdict"])


GROUPS = pd.DataFrame(
    [
        *((0, "candidates", 7), (0, "cifar10-test", 2), (1, "candidates", 8), (1, "cifar10-train", 5)),
        *((2, "cifar10-test", 0), (2, "candidates", 3), (2, "candidates", 4)),
    ],
    columns=["group", "set", "row"],
)
PAIRS = pair_table(
    (7, "cifar10-train", 11, "duplicate"),
    (3, "cifar10-train", 12, "review"),
    (3, "candidates", 20, "duplicate"),
    (3, "candidates", 3, "duplicate"),
    (9, "cifar10-test", 11, "duplicate"),
)


def test_test_images_are_found_among_the_candidates_by_their_exact_copy() -> None:
    assert single_images.candidates_of_images(GROUPS, "cifar10-test", 4).tolist() == [3, -1, 7, -1]
    with pytest.raises(ValueError, match="cifar10-test has a row 2, the set has 2 images"):
        single_images.candidates_of_images(GROUPS, "cifar10-test", 2)


def test_only_duplicates_of_training_images_count() -> None:
    candidates = np.array([3, -1, 7, 8, 9])
    assert single_images.has_copy(candidates, PAIRS, GROUPS).tolist() == [False, False, True, True, False]


def test_training_rows_that_were_not_used_do_not_count() -> None:
    candidates = np.array([7, 8])
    for rows, expected in (([11], [True, False]), ([5], [False, True]), ([99], [False, False])):
        assert single_images.has_copy(candidates, PAIRS, GROUPS, train_rows=np.array(rows)).tolist() == expected


def test_candidates_that_were_trained_on_count_but_an_image_is_no_copy_of_itself() -> None:
    found = [
        single_images.has_copy(np.array([3]), PAIRS, GROUPS, train_candidates=np.array([chosen]))[0]
        for chosen in (20, 3, 21)
    ]
    assert found == [True, False, False]


def test_gap_without_duplicates_leaves_out_just_these_images() -> None:
    labels = np.arange(20) % 10
    easy = np.arange(20) < 5
    said = np.where(easy | (np.arange(20) < 15), labels, (labels + 1) % 10)
    new = (
        {"m": np.where(np.arange(10) < 5, np.arange(10), (np.arange(10) + 1) % 10)},
        np.arange(10),
        np.zeros(10, dtype=bool),
    )
    table = single_images.gap_without_copies_table(({"m": said}, labels, easy), new).set_index("subset")
    assert table.loc["all", ["original", "new", "n_original"]].tolist() == [0.75, 0.5, 20]
    assert table.loc["without duplicates", "original"] == pytest.approx(10 / 15)
    assert table.loc["without duplicates", ["n_original", "n_new"]].tolist() == [15, 10]
    assert (table["low"] < table["gap"]).all() and (table["gap"] < table["high"]).all()
