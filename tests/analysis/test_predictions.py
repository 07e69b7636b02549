"""Predictions: what is accepted and what is refused, with the place and the expectation named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import predictions
from cifar102.analysis import published as published_files
from cifar102.cifar import CLASS_NAMES
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


def test_alphabetical_order_of_another_program_is_recognised(rng: np.random.Generator) -> None:
    labels = rng.integers(10, size=400)
    said = np.where(rng.random(400) < 0.9, labels, rng.integers(10, size=400))
    predictions.check_class_order(said, labels, "mine")
    with pytest.raises(ValueError, match=r"mine: .* 4 seems to mean 3 \(cat\)"):
        predictions.check_class_order((said + 1) % 10, labels, "mine")


def test_model_that_knows_nothing_is_no_wrong_class_order(rng: np.random.Generator) -> None:
    predictions.check_class_order(rng.integers(10, size=100), rng.integers(10, size=100), "mine")
    predictions.check_class_order(np.zeros(100, dtype=int), rng.integers(10, size=100), "mine")


def test_one_hot_rows_and_a_column_of_ids_are_class_ids() -> None:
    ids = np.array([3, 0, 9])
    assert predictions.class_ids(np.eye(10, dtype=int)[ids], 3, 10).tolist() == ids.tolist()
    assert predictions.class_ids(ids[:, None].astype(np.uint8), 3, 10).tolist() == ids.tolist()
    assert predictions.from_array(ids[:, None], 3, 10, "mine").probabilities is None
    with pytest.raises(ValueError, match="floating-point"):
        predictions.class_ids(np.eye(10, dtype=int)[ids] * 2, 3, 10)


IDS = np.array([3, 8, 8, 0, 6])
FILE_SHARES = np.eye(10)[IDS] * 0.91 + 0.009


def write(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, **{"class_ids" if values.ndim == 1 else "probabilities": values})
    elif path.suffix == ".json":
        path.write_text(json.dumps(values.tolist(), indent=1 if values.ndim == 1 else None))
    else:
        pd.DataFrame(values).to_csv(path, header=False, index=False)
    return path


@pytest.mark.parametrize("suffix", predictions.SUFFIXES)
@pytest.mark.parametrize("values", [IDS, FILE_SHARES], ids=["ids", "probabilities"])
def test_every_form_reads_back_the_same_ids(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    found = predictions.read_file(write(tmp_path / f"cifar10{suffix}", values), 5)
    assert found.class_ids.tolist() == IDS.tolist()
    assert (found.probabilities is None) == (values.ndim == 1)


def test_csv_may_have_cifars_class_names_as_header_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "cifar10.csv"
    pd.DataFrame(FILE_SHARES, columns=CLASS_NAMES).to_csv(path, index=False)
    assert predictions.read_file(path, 5).class_ids.tolist() == IDS.tolist()
    pd.DataFrame(FILE_SHARES, columns=sorted(CLASS_NAMES, reverse=True)).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"cifar10.csv: label names \['truck'"):
        predictions.read_file(path, 5)


def test_json_may_name_its_classes(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"class_ids": IDS.tolist(), "label_names": list(CLASS_NAMES)}))
    assert predictions.read_file(path).class_ids.tolist() == IDS.tolist()
    path.write_text(json.dumps({"class_ids": IDS.tolist(), "label_names": ["cat"] * 10}))
    with pytest.raises(ValueError, match="label names"):
        predictions.read_file(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"[1, 2"),
        ("a.json", b'{"other": [1]}'),
        ("a.json", b"[[0.5, 0.5], [1]]"),
        ("a.json", b"[true, false]"),
        ("a.json", b"[NaN, 1]"),
        ("a.json", b"3"),
        ("a.json", b"[]"),
        ("a.json", b"\xff\xfe"),
        ("a.json", b'["1", "2"]'),
        ("a.csv", b""),
        ("a.csv", b"3\n4.5\n"),
        ("a.csv", b"3\n\n4\n"),
        ("a.csv", b"0.5,0.5\n0.5,0.5,0.1\n"),
        ("a.csv", b"cat\ndog\n"),
        ("a.npy", b"not an array"),
        ("a.npy", b""),
        ("a.npz", b"PK\x03\x04broken"),
    ],
)
def test_damaged_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: "):
        predictions.read_file(tmp_path / name)


def test_pickled_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a.npy: .*pickle"):
        predictions.read_file(tmp_path / "a.npy")


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        predictions.read_file(tmp_path / "none.npy")
    (tmp_path / "a.txt").write_text("3")
    with pytest.raises(ValueError, match=r"a.txt: expected .*\.json"):
        predictions.read_file(tmp_path / "a.txt")


def test_folder_is_read_set_by_set_and_unknown_sets_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "cifar10.npy", IDS)
    write(tmp_path / "cifar10.1-v4.json", FILE_SHARES[:3])
    counts = {"cifar10": 5, "cifar10.1-v4": 3}
    found = predictions.read_folder(tmp_path, counts)
    assert {name: len(part.class_ids) for name, part in found.items()} == counts
    with pytest.raises(ValueError, match=r"cifar10.1-v4.json: 'cifar10.1-v4' is no set"):
        predictions.read_folder(tmp_path, {"cifar10": 5})
    write(tmp_path / "cifar10.csv", IDS)
    with pytest.raises(ValueError, match="second file"):
        predictions.read_folder(tmp_path, counts)


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
    single = tmp_path / "model_predictions" / "v6_predictions" / "vgg_predictions.json"
    found = predictions.read_single(single, {"cifar10": 5, "cifar10.1-v6": 3})
    assert {name: len(part.class_ids) for name, part in found.items()} == {"cifar10": 5, "cifar10.1-v6": 3}
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


def test_archive_may_name_its_classes(tmp_path: Path) -> None:
    path = tmp_path / "cifar10.npz"
    np.savez(path, class_ids=IDS, label_names=np.array(CLASS_NAMES))
    assert predictions.read_file(path, 5).class_ids.tolist() == IDS.tolist()
    np.savez(path, class_ids=IDS, label_names=np.array(sorted(CLASS_NAMES, reverse=True)))
    with pytest.raises(ValueError, match=r"cifar10.npz: label names \['truck'"):
        predictions.read_file(path, 5)
