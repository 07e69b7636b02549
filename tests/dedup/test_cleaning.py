"""A set without its copies: which rows go out, with reason and partner, and what may be written where."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import ImageSet
from cifar102.dedup import cleaning, exact_copies


def blank(labels: list[int], first: int = 0) -> ImageSet:
    """Images that differ from each other, numbered by their first pixel."""
    images = np.zeros((len(labels), 32, 32, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(first, first + len(labels))
    return ImageSet(images, np.array(labels, dtype=np.int64))


def near(*pairs: tuple[str, int, str, int, float], column: str = "ssim") -> pd.DataFrame:
    names = ["query_set", "query", "reference_set", "reference", column]
    return pd.DataFrame(pairs, columns=names).assign(verdict="duplicate")


def none() -> pd.DataFrame:
    return near().astype({"query": "int64", "reference": "int64", "ssim": "float64"})


def dropped(sets: dict[str, ImageSet], pairs: pd.DataFrame) -> pd.DataFrame:
    return cleaning.dropped_rows(sets, exact_copies.exact_table(sets), pairs)


@pytest.mark.parametrize("column", ["ssim", "score"])
def test_a_group_that_touches_the_first_set_leaves_the_second(column: str) -> None:
    sets = {"a": blank([0, 1, 2]), "b": blank([3, 4, 5, 6, 7], 100)}
    sets["b"].images[4] = sets["a"].images[2]
    pairs = near(("b", 0, "a", 1, 0.8), ("b", 0, "a", 0, 0.9), ("b", 1, "b", 0, 0.77), ("b", 2, "b", 3, 0.99))
    table = dropped(sets, pairs.rename(columns={"ssim": column}))
    assert table["row"].tolist() == [0, 1, 4]
    assert table["reason"].tolist() == [cleaning.NEAR, cleaning.GROUP, cleaning.CONFLICT]
    assert table[["partner_set", "partner_row"]].to_numpy().tolist() == [["a", 0], ["b", 0], ["a", 2]]
    assert table[["label", "partner_label"]].to_numpy().tolist() == [[3, 0], [4, 3], [7, 2]]
    assert table["score"].round(3).fillna(-1).tolist() == [0.9, 0.77, -1]


def test_within_a_set_the_first_of_a_group_stays_and_label_conflicts_go() -> None:
    images = blank([0, 0, 1, 2, 3, 4])
    images.images[1] = images.images[0]
    images.images[3] = images.images[2]  # labels 1 and 2
    table = dropped({"a": images}, near(("a", 5, "a", 4, 0.8)))
    assert dict(zip(table["row"], table["reason"], strict=True)) == {
        1: cleaning.COPY,
        2: cleaning.CONFLICT,
        3: cleaning.CONFLICT,
        5: cleaning.NEAR,
    }


def test_no_pair_one_class_and_empty_sets_leave_everything(tmp_path: Path) -> None:
    for second in (blank([5, 5, 5], 50), blank([])):
        sets = {"a": blank([5, 5]), "b": second}
        table = dropped(sets, none())
        assert table.empty and list(table.columns) == cleaning.COLUMNS
        found = cleaning.write(tmp_path / str(len(second)), sets, table)
        assert found.kept == len(second) and len(np.load(found.path)["images"]) == len(second)


def test_an_npz_keeps_its_own_arrays_and_loses_rows_where_it_has_one_for_each_image(tmp_path: Path) -> None:
    sets = {"a": blank([1]), "b": blank([1, 2, 3], 50)}
    sets["b"].images[1] = sets["a"].images[0]
    source = tmp_path / "b.npz"
    names = np.array([f"class {k}" for k in range(10)])
    np.savez(source, x_test=sets["b"].images, y_test=[[1], [2], [3]], label_names=names, keywords=["p", "q", "r"])
    before = source.read_bytes()
    found = cleaning.write(tmp_path / "clean", sets, dropped(sets, none()), source)
    with np.load(found.path) as entry:
        assert sorted(entry) == ["keywords", "label_names", "x_test", "y_test"]
        assert entry["keywords"].tolist() == ["p", "r"] and entry["y_test"].tolist() == [[1], [3]]
        assert np.array_equal(entry["x_test"], sets["b"].images[[0, 2]]) and len(entry["label_names"]) == 10
    assert source.read_bytes() == before
    record = json.loads((tmp_path / "clean" / cleaning.RECORD).read_text())
    assert record["complete"] and record["kept"] == 2 and set(record["sha256"]) == {"clean.npz", cleaning.TABLE}


def test_a_second_call_replaces_what_the_first_one_left_half_done(tmp_path: Path) -> None:
    sets = {"a": blank([1]), "b": blank([1, 2], 50)}
    folder = tmp_path / "clean"
    cleaning.write(folder, sets, dropped(sets, none()), tmp_path / "b.npy")
    record = json.loads((folder / cleaning.RECORD).read_text()) | {"complete": False}
    (folder / cleaning.RECORD).write_text(json.dumps(record))
    cleaning.write(folder, sets, dropped(sets, none()))
    assert sorted(path.name for path in folder.iterdir()) == ["clean.npz", cleaning.RECORD, cleaning.TABLE]


def test_nothing_is_written_through_links_over_files_or_into_a_set(tmp_path: Path) -> None:
    own, link, pictures = tmp_path / "own", tmp_path / "link", tmp_path / "pictures"
    own.mkdir(), pictures.mkdir()
    (own / "thesis.txt").write_text("mine")
    link.symlink_to(own, target_is_directory=True)
    for folder, words in ((own, "did not make"), (own / "thesis.txt", "is a file"), (link, "is a link")):
        with pytest.raises(ValueError, match=words):
            cleaning.check_folder(folder)
    with pytest.raises(ValueError, match="lies in the set"):
        cleaning.check_folder(pictures / "clean", (pictures,))
    (own / cleaning.RECORD).write_text("[1]")
    with pytest.raises(ValueError, match="did not make"):
        cleaning.check_folder(own)
    assert (own / "thesis.txt").read_text() == "mine"
