"""Predictions: what is accepted and what is refused, with the place and the expectation named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import predictions
from cifar102.analysis import published as published_files
from cifar102.workspace.folders import Workspace

SHARES = np.full((4, 10), 0.1)


def changed(row: int, column: int, value: float) -> np.ndarray:
    values = SHARES.copy()
    values[row, column] = value
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 9)) + 1 / 9, r"expected probabilities \(4, 10\), found shape \(4, 9\)"),
        (SHARES[:3], "found 3 rows"),
        (changed(2, 1, np.nan), "row 2 holds a value that is not a number"),
        (changed(1, 0, np.inf), "row 1 holds"),
        (changed(1, 0, 0.5), "row 1 sums to 1.4, expected 1"),
        (changed(0, 0, -0.1), "-0.1"),
        (np.ones((4, 10), dtype=int), "floating-point"),
        (np.zeros((4, 10, 1)), "found shape"),
        (np.array([0, 1, 2, 10]), "ids from 0 to 10"),
        (np.array([0, -1, 2, 3]), "ids from -1 to 3"),
        (np.array([0, 1, 2]), "found 3"),
        (np.array([0.0, 1.0, 2.0, 3.0]), "float64 values"),
        (np.array([True, False, True, True]), "bool values"),
        (np.array(["cat", "dog", "cat", "dog"]), "values such as"),
        (np.array([], dtype=int), "found 0"),
    ],
)
def test_bad_predictions_are_refused_with_place_and_expectation(values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=rf"folder/cifar10.npy: .*{message}"):
        predictions.class_ids(values, 4, 10, where="folder/cifar10.npy")


def test_half_precision_probabilities_pass(rng: np.random.Generator) -> None:
    shares = rng.dirichlet(np.ones(100) / 10, 200).astype(np.float16)
    assert predictions.class_ids(shares).tolist() == shares.argmax(axis=1).tolist()


def test_any_integer_type_gives_int64() -> None:
    for kind in (np.uint8, np.int16, np.uint64):
        assert predictions.class_ids(np.array([9, 0], dtype=kind), 2, 10).dtype == np.int64


def test_one_hot_rows_and_a_column_of_ids_are_class_ids() -> None:
    ids = np.array([3, 0, 9])
    assert predictions.class_ids(np.eye(10, dtype=int)[ids], 3, 10).tolist() == ids.tolist()
    assert predictions.class_ids(ids[:, None].astype(np.uint8), 3, 10).tolist() == ids.tolist()
    with pytest.raises(ValueError, match="floating-point"):
        predictions.class_ids(np.eye(10, dtype=int)[ids] * 2, 3, 10)


IDS = np.array([3, 8, 8, 0, 6])
FILE_SHARES = np.eye(10)[IDS] * 0.91 + 0.009


def test_run_folder_gives_every_set_with_ids_and_probabilities(tmp_path: Path) -> None:
    arrays = {
        "cifar10.class_ids": IDS.astype(np.uint8),
        "cifar10.probabilities": FILE_SHARES.astype(np.float16),
    }
    arrays |= {"cifar102-leftover.class_ids": IDS[:2].astype(np.uint8), "validation.rows": IDS}
    np.savez(tmp_path / "predictions.npz", **arrays, **{"validation.class_ids": IDS})
    found = predictions.read_run(tmp_path)
    assert list(found) == ["cifar10", "cifar102-leftover", "validation"]
    assert found["cifar10"].probabilities.shape == (5, 10)
    assert found["cifar102-leftover"].probabilities is None


def test_runs_are_found_through_the_table_of_runs(workspace: Workspace) -> None:
    folder = workspace.root / "runs" / "pooling" / "max" / "seed-0"
    folder.mkdir(parents=True)
    np.savez(folder / "predictions.npz", **{"cifar10.class_ids": IDS})
    row = {"study": "pooling", "arm": "max", "seed": 0, "model": "m", "dataset": "cifar10", "num_train": 5}
    pd.DataFrame([row | {"run": "runs/pooling/max/seed-0"}]).to_parquet(workspace.root / "runs.parquet")
    table = predictions.read_runs_table(workspace)
    found = predictions.read_named_runs(workspace, pd.concat([table, table.assign(arm="average-max")]), without="-max")
    assert list(found) == ["average, seed 0", "max, seed 0"]
    assert found["max, seed 0"]["cifar10"].class_ids.tolist() == IDS.tolist()


def test_any_version_of_published_predictions_is_read_by_the_same_call(tmp_path: Path) -> None:
    for version, count in (("original", 5), ("v6", 3), ("v9", 2)):
        folder = tmp_path / "model_predictions" / f"{version}_predictions"
        folder.mkdir(parents=True)
        (folder / "vgg_predictions.json").write_text(json.dumps(IDS[:count].tolist()).replace(",", " ,\n"))
    for name, count in (("cifar10", 5), ("cifar10.1-v6", 3), ("cifar10.1-v9", 2)):
        assert published_files.read_published(tmp_path, name)["vgg"].tolist() == IDS[:count].tolist()
    with pytest.raises(FileNotFoundError, match="v4_predictions"):
        published_files.read_published(tmp_path, "cifar10.1-v4")


def test_published_models_of_different_length_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model_predictions" / "v4_predictions"
    folder.mkdir(parents=True)
    (folder / "a_predictions.json").write_text("[1, 2, 3]")
    (folder / "b_predictions.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"b_predictions.json: expected 3 integer class ids 0 to 9, found 2"):
        published_files.read_published(tmp_path, "cifar10.1-v4")


@pytest.mark.real_data
def test_keywords_of_v4_belong_to_the_classes_of_its_labels(published: Path) -> None:
    keywords = published_files.read_published_keywords(published, "cifar10.1-v4")
    labels = published_files.read_published_labels(published, "cifar10.1-v4")
    counts = json.loads((published / "other_data" / "keyword_counts_v4.json").read_text())
    assert len(keywords) == len(labels) == 2021
    assert len(counts) > 0
    by_keyword = pd.Series(labels).groupby(keywords).nunique()
    assert by_keyword.drop("cruiser", errors="ignore").eq(1).all()


@pytest.mark.parametrize("content", ["[1.0]", "[true]", '["1"]', '{"class_ids": [1]}', "[[1]]", f"[{'9' * 400}]", "[]"])
def test_a_published_file_that_is_no_flat_list_of_ids_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "vgg.json").write_text(content)
    with pytest.raises(ValueError, match=r"vgg.json: expected "):
        predictions.read_class_ids(tmp_path / "vgg.json")
