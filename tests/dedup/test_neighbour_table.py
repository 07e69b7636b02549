"""The table of Euclidean neighbours: the nearest of all sets, no image its own, the same after a kill."""

from pathlib import Path

import numpy as np
import pytest

from cifar102.dedup import block_search, neighbour_table


@pytest.fixture
def sets(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: rng.integers(0, 256, (n, 32, 32, 3), np.uint8) for name, n in (("a", 30), ("b", 7), ("q", 12))}


def brute(queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    apart = queries[:, None].reshape(len(queries), 1, -1).astype(np.int64) - others.reshape(1, len(others), -1)
    return np.sqrt((apart**2).sum(axis=2))


def test_the_nearest_of_several_sets_are_those_of_all_pairs(sets, tmp_path: Path) -> None:
    table = neighbour_table.nearest_table(sets["q"], {"a": sets["a"], "b": sets["b"]}, tmp_path, k=5)
    distances = brute(sets["q"], np.concatenate([sets["a"], sets["b"]]))
    order = np.argsort(distances, axis=1, kind="stable")[:, :5]
    assert np.array_equal(table["reference"] + 30 * (table["reference_set"] == "b"), order.ravel())
    assert np.allclose(table["distance"], np.take_along_axis(distances, order, 1).ravel(), rtol=0, atol=0)
    assert table["rank"].tolist() == [1, 2, 3, 4, 5] * 12 and list(table.columns) == neighbour_table.COLUMNS


def test_no_image_is_its_own_neighbour_not_even_among_many_copies(sets, tmp_path: Path) -> None:
    images = np.concatenate([np.repeat(sets["a"][:1], 6, axis=0), sets["b"]])
    table = neighbour_table.nearest_table(images, {"a": None}, tmp_path, k=3)
    assert (table["query"] != table["reference"]).all()
    assert (table.groupby("query").size() == 3).all()
    assert (table.loc[table["query"] < 6, "distance"] == 0).all()


def test_a_killed_search_goes_on_where_it_was(sets, tmp_path: Path, monkeypatch) -> None:
    whole = neighbour_table.nearest_table(sets["q"], {"a": sets["a"]}, tmp_path / "whole", k=2)
    monkeypatch.setattr(block_search.search_blocks, "__defaults__", ("", 4))
    wanted = block_search.write_block
    done = []

    def killed(*given) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given[4].start)
        wanted(*given)

    monkeypatch.setattr(block_search, "write_block", killed)
    with pytest.raises(KeyboardInterrupt):
        neighbour_table.nearest_table(sets["q"], {"a": sets["a"]}, tmp_path / "part", k=2)
    monkeypatch.setattr(block_search, "write_block", lambda *given: (done.append(given[4].start), wanted(*given)))
    again = neighbour_table.nearest_table(sets["q"], {"a": sets["a"]}, tmp_path / "part", k=2)
    assert done == [0, 4, 8] and again.equals(whole)


def test_few_or_no_images_give_a_short_table_and_a_sentence(sets, tmp_path: Path) -> None:
    few = neighbour_table.nearest_table(sets["q"], {"b": sets["b"]}, tmp_path / "few", k=10)
    assert (few.groupby("query").size() == 7).all()
    empty = np.empty((0, 32, 32, 3), np.uint8)
    for queries, others in ((empty, sets["b"]), (sets["q"], empty), (sets["q"][:1], None)):
        none = neighbour_table.nearest_table(queries, {"b": others}, tmp_path / "none", k=10)
        assert none.empty and list(none.columns) == neighbour_table.COLUMNS
        assert "none of" in neighbour_table.nearest_sentence(none, len(queries))
    with pytest.raises(ValueError, match="k: expected 1 or more, found 0"):
        neighbour_table.nearest_table(sets["q"], {"b": sets["b"]}, tmp_path, k=0)


def test_the_sentence_counts_equal_and_near_images(sets, tmp_path: Path) -> None:
    queries = sets["a"][:4].copy()
    queries[0, 0, 0, 0] ^= 8
    table = neighbour_table.nearest_table(queries, {"a": sets["a"]}, tmp_path, k=1)
    said = neighbour_table.nearest_sentence(table, 4)
    assert "3 have an equal one, 4 (100.0%) one within a distance of 1,000" in said
