"""Exact groups: equal number if and only if equal pixels, over one set, over many, and on the published sets."""

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.dedup import exact_copies


def test_equal_numbers_mean_equal_pixels_in_order_of_first_appearance(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)[[2, 0, 2, 5, 0, 1]]
    groups = exact_copies.exact_groups(images)
    assert groups.tolist() == [0, 1, 0, 2, 1, 3]
    assert groups.dtype == np.int64


def test_one_different_bit_is_a_different_image(rng: np.random.Generator) -> None:
    images = np.repeat(rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8), 2, axis=0)
    images[1, 31, 31, 2] ^= 1
    assert exact_copies.exact_groups(images).tolist() == [0, 1]


def test_images_whose_digests_collide_stay_apart(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (400, 32, 32, 3), dtype=np.uint8)
    images[399] = images[3]
    expected = [*range(399), 3]
    assert exact_copies.exact_groups(images, digest_size=1).tolist() == expected
    assert exact_copies.exact_groups(images).tolist() == expected


def test_a_memory_map_over_several_blocks_gives_the_same_groups(rng: np.random.Generator, tmp_path) -> None:
    images = np.zeros((9000, 32, 32, 3), np.uint8)
    images[:, 0, 0] = rng.integers(0, 40, (9000, 3))
    np.save(tmp_path / "images.npy", images)
    groups = exact_copies.exact_groups(np.load(tmp_path / "images.npy", mmap_mode="r"))
    _, first, inverse = np.unique(images[:, 0, 0], axis=0, return_index=True, return_inverse=True)
    assert np.array_equal(first[inverse.ravel()], np.unique(groups, return_index=True)[1][groups])


def test_no_images_give_no_groups_and_other_arrays_are_refused() -> None:
    assert exact_copies.exact_groups(np.empty((0, 32, 32, 3), np.uint8)).tolist() == []
    with pytest.raises(ValueError, match="float64"):
        exact_copies.exact_groups(np.zeros((2, 32, 32, 3)))


def test_the_table_holds_every_member_of_every_group_with_set_and_row(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    sets = {"candidates": (images[[0, 1, 0, 2]], [3, 4, 3, 9]), "cifar10-train": (images[[3, 2, 4]], [1, 2, 3])}
    table = exact_copies.exact_table(sets)
    assert list(table) == ["group", "set", "row", "label", "is_label_conflict"]
    assert table[["set", "row"]].to_numpy().tolist() == [
        ["candidates", 0], ["candidates", 2], ["candidates", 3], ["cifar10-train", 1],
    ]  # fmt: skip
    assert table["label"].tolist() == [3, 3, 9, 2]
    assert table["is_label_conflict"].tolist() == [False, False, True, True]


def test_labels_conflict_only_where_they_mean_the_same_classes(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    twice = np.concatenate([image, image])
    table = exact_copies.exact_table(
        {"candidates": (image, [1]), "cifar100-train": (twice, [81, 81]), "unknown": (image, None)}
    )
    assert not table["is_label_conflict"].any()
    table = exact_copies.exact_table({"candidates": (twice, [1, 7]), "cifar100-train": (image, [81])})
    assert table["is_label_conflict"].tolist() == [True, True, False]


def test_sets_without_copies_give_an_empty_table_of_the_same_columns(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for sets in ({"candidates": (images, [0, 1, 2])}, {}):
        table = exact_copies.exact_table(sets)
        assert table.empty
        assert list(table) == ["group", "set", "row", "label", "is_label_conflict"]
        assert table["group"].dtype == np.int64


@pytest.mark.real_data
def test_the_published_sets_hold_the_copies_they_are_known_for(real_data) -> None:
    sets = {}
    for family, folder, load in (
        ("cifar10", "cifar-10-batches-py", cifar.load_cifar10),
        ("cifar100", "cifar-100-python", cifar.load_cifar100),
    ):
        sets |= {f"{family}-{split}": part for split, part in load(real_data / folder).items()}
    table = exact_copies.exact_table(sets)
    family = table["set"].str.rpartition("-")[0]
    per_group = pd.crosstab(table["group"], family)
    assert per_group["cifar10"].max() == 1, "CIFAR-10 holds no copies"
    assert (per_group["cifar100"].clip(lower=1) - 1).sum() == 26, "60,000 images, 59,974 of them distinct"
    assert per_group.gt(0).all(axis=1).sum() == 3, "images of CIFAR-10 in CIFAR-100"
