"""Pairs found from either side: each once, with the better score, by whichever column a table is judged."""

import numpy as np
import pandas as pd

from cifar102.dedup import pair_union, similarity
from tests.dedup.test_pair_table import moved, smooth_images


def test_a_pair_that_one_side_alone_finds_is_found(rng: np.random.Generator, tmp_path) -> None:
    queries = smooth_images(rng, 4)
    references = np.concatenate([np.stack([moved(queries[0], 0, step) for step in (-2, -1, 1, 2)]), queries[:1]])
    one_way = pair_union.search_both_ways(queries[:1], references, tmp_path / "a", k=1)
    assert sorted(one_way["reference"]) == [0, 1, 2, 3, 4]  # each asks back, though the query names its first alone
    assert not one_way.duplicated(["query", "reference"]).any()


def test_both_orders_of_two_sets_give_the_same_pairs(rng: np.random.Generator, tmp_path) -> None:
    first, second = smooth_images(rng, 25), smooth_images(rng, 9)
    second[3], second[7] = moved(first[8], 1, -2), first[2]
    forth = pair_union.search_both_ways(second, first, tmp_path / "a", k=2)
    back = pair_union.turned(pair_union.search_both_ways(first, second, tmp_path / "b", k=2))
    keys = ["query", "reference"]
    columns = [*keys, "ssim", "shift_row", "shift_column", "verdict"]
    left, right = (table.sort_values(keys, ignore_index=True)[columns] for table in (forth, back))
    shifted = right["ssim"] >= 0.75  # where two shifts fit equally well, either may be named
    pd.testing.assert_frame_equal(left[columns[:3]], right[columns[:3]])
    pd.testing.assert_frame_equal(left[shifted], right[shifted])


def test_within_a_set_a_pair_stands_once_the_smaller_row_first(rng: np.random.Generator, tmp_path) -> None:
    images = smooth_images(rng, 8)
    found = pair_union.search_both_ways(images, None, tmp_path / "a", k=7)
    assert len(found) == 28 and (found["query"] < found["reference"]).all()


def test_the_score_of_the_registered_rule_comes_first_where_a_table_has_one() -> None:
    table = pd.DataFrame({"query": [1, 1], "reference": [2, 2], "ssim": [0.9, 0.8], "score": [1.0, 2.0]})
    assert pair_union.score_column(table) == "score"
    assert pair_union.union(table)["score"].tolist() == [2.0]
    assert pair_union.union(table.drop(columns="score"))["ssim"].tolist() == [0.9]


def test_a_turned_mirrored_pair_keeps_its_shift_to_the_side(rng: np.random.Generator) -> None:
    query = smooth_images(rng, 1)
    reference = moved(query[0, :, ::-1], 1, -2)[None]
    there = [int(value[0]) for value in similarity.best_shift(query[:, :, ::-1], reference)[1:]]
    back = [int(value[0]) for value in similarity.best_shift(reference[:, :, ::-1], query)[1:]]
    columns = ["query", "reference", "shift_row", "shift_column", "mirrored"]
    turned = pair_union.turned(pd.DataFrame([(0, 1, *there, True)], columns=columns))
    assert there[1] != 0
    assert turned[["query", "reference", "shift_row", "shift_column"]].to_numpy().tolist() == [[1, 0, *back]]
