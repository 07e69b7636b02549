"""Prediction files as people have them: read where the meaning is certain, said how, else refused with what to do."""

import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from cifar102.analysis.scorecard import TestSet
from cifar102.cifar import CLASS_NAMES
from cifar102.evaluation import prediction_tables
from cifar102.evaluation.answers import Answers
from tests.evaluation import prediction_forms as forms

N = 120
NAMES = np.array(CLASS_NAMES)
RANDOM = np.random.default_rng(102)
LABELS = RANDOM.integers(10, size=N)
IDS = np.where(RANDOM.random(N) < 0.8, LABELS, RANDOM.integers(10, size=N))
OTHER = RANDOM.integers(10, size=40)
ORDER = RANDOM.permutation(N)
SETS = {"cifar10": TestSet("cifar10", LABELS), "cifar10.1-v4": TestSet("cifar10.1-v4", OTHER)}


def shares_of(ids: np.ndarray, seed: int = 0) -> np.ndarray:
    return 0.4 * np.random.default_rng(seed).dirichlet(np.ones(10), len(ids)) + 0.6 * np.eye(10)[ids]


def read(path: Path, sets=SETS, **options) -> Answers:
    return prediction_tables.predictions_of(path, sets, **options)


def ids_of(answers: Answers, name: str = "cifar10") -> list[int]:
    return answers.predictions[name].class_ids.tolist()


def table(folder: Path, columns: dict, name: str = "p.csv", **settings) -> Path:
    return forms.table(folder, columns, name, **settings)


@pytest.mark.parametrize("form", forms.IDS)
def test_class_ids_come_back_from_every_form(tmp_path: Path, form: str) -> None:
    path = forms.IDS[form](tmp_path, IDS, shares_of(IDS), LABELS)
    found = read(path)
    assert list(found.predictions) == ["cifar10"]
    assert ids_of(found) == IDS.tolist()


@pytest.mark.parametrize("form", forms.SHARES)
def test_probabilities_come_back_from_every_form(tmp_path: Path, form: str) -> None:
    shares = shares_of(IDS)
    found = read(forms.SHARES[form](tmp_path, IDS, shares, LABELS)).predictions["cifar10"]
    assert found.class_ids.tolist() == IDS.tolist()
    assert np.allclose(found.probabilities, shares, rtol=0, atol=1e-2 if "float16" in form else 1e-12)


def property_test(test):
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=150, deadline=None, suppress_health_check=checks)(test)


@property_test
@given(ids=st.lists(st.integers(0, 9), min_size=13, max_size=40), form=st.sampled_from(sorted(forms.IDS)))
def test_any_class_ids_come_back_from_every_form(tmp_path: Path, ids: list[int], form: str) -> None:
    ids = np.array(ids)
    if form in ("npy_classes_from_one", "json_label_and_score") and set(ids) != set(range(10)):
        ids = np.r_[ids, np.arange(10)]  # counted from 1 only where the first and the last class are there
    labels = np.r_[(ids[:1] + 1) % 10, ids[1:]]  # all right but the first, so that the truth is told from the answer
    path = forms.IDS[form](tmp_path, ids, shares_of(ids), labels)
    assert ids_of(read(path, {"cifar10": TestSet("cifar10", labels)})) == ids.tolist()


@property_test
@given(
    rows=st.lists(st.lists(st.floats(1e-6, 1), min_size=10, max_size=10, unique=True), min_size=13, max_size=30),
    form=st.sampled_from(sorted(forms.SHARES)),
)
def test_any_probabilities_come_back_from_every_form(tmp_path: Path, rows: list[list[float]], form: str) -> None:
    shares = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    ids = shares.argmax(axis=1)
    found = read(forms.SHARES[form](tmp_path, ids, shares, ids), {"cifar10": TestSet("cifar10", ids)})
    assert np.allclose(found.predictions["cifar10"].probabilities, shares, atol=1e-2 if "float16" in form else 1e-9)


def test_every_reading_that_is_not_plain_is_said(tmp_path: Path) -> None:
    said = {
        "csv_kaggle": "column 'id' counts the rows from 1",
        "csv_shuffled_ids": "lines are put into order by column 'image_id'",
        "csv_file_names": "lines by the numbers in column 'filename'",
        "csv_truth": "its own labels are those of cifar10 in every row",
        "csv_truth_without_header": "column 2 (",
        "npy_classes_from_one": "counted from 1",
        "json_top_three_scores": "without probabilities",
        "csv_series_without_index": "the 0 in its first line is a header",
    }
    for form, sentence in said.items():
        notes = read(forms.IDS[form](tmp_path, np.r_[0, IDS[1:]], shares_of(IDS), LABELS)).notes
        assert any(sentence in note for note in notes), (form, notes)
    notes = read(forms.csv_excel_decimal_commas(tmp_path, IDS, shares_of(IDS), LABELS)).notes
    assert notes == (f"{tmp_path / 'p.csv'}: commas in numbers are decimal points",)


def test_the_order_of_lines_is_tried_on_the_labels_and_the_choice_printed_with_its_accuracy(tmp_path: Path) -> None:
    right = f"({np.mean(IDS == LABELS):.1%} are right)"
    by_number = read(table(tmp_path, {"id": 50_000 + ORDER, "pred": IDS[ORDER]}))
    assert ids_of(by_number) == IDS.tolist()
    assert any("lines by column 'id'" in note and right in note for note in by_number.notes)
    as_is = read(table(tmp_path, {"id": 50_000 + ORDER, "pred": IDS}))
    assert ids_of(as_is) == IDS.tolist()
    assert any("lines as they stand" in note and right in note for note in as_is.notes)


def test_labels_in_the_file_find_out_another_order_of_the_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"p\.csv: its own labels are those of cifar10 in .* same in another order"):
        read(table(tmp_path, {"y_true": LABELS[ORDER], "y_pred": IDS[ORDER]}))
    with pytest.raises(ValueError, match=r"p\.csv: its own labels .* is it of another set"):
        read(table(tmp_path, {"y_true": np.zeros(N, dtype=int), "y_pred": IDS}))
    changed = np.r_[(LABELS[:2] + 1) % 10, LABELS[2:]]
    assert "but for 2 rows" in read(table(tmp_path, {"y_true": changed, "y_pred": IDS})).notes[-1]


def test_class_folders_in_file_names_are_labels(tmp_path: Path) -> None:
    names = [f"test/{CLASS_NAMES[label]}/{k:04}.png" for k, label in enumerate(LABELS)]
    found = read(table(tmp_path, {"file": np.array(names)[ORDER], "pred": IDS[ORDER]}))
    assert ids_of(found) == IDS.tolist()
    assert "its own labels are those of cifar10 in every row" in found.notes[-1]


def test_two_models_in_one_table_are_refused_and_not_the_better_one_taken(tmp_path: Path) -> None:
    other = np.where(RANDOM.random(N) < 0.6, LABELS, IDS)
    path = table(tmp_path, {"resnet": IDS, "vgg": other})
    with pytest.raises(ValueError, match=r"p\.csv: found more than one column .*'resnet' .*'vgg' .*expected one"):
        read(path)
    with pytest.raises(ValueError, match=r"p\.csv: column 'resnet', column 'vgg' could each be"):
        prediction_tables.read(path)
    with pytest.raises(ValueError, match=r"p\.csv: found rows of whole numbers 0 to 9 \(class ids of ten models"):
        read(table(tmp_path, {f"model_{k}": np.roll(IDS, k) for k in range(10)}))


def test_a_set_is_told_by_name_or_by_length_or_by_its_labels(tmp_path: Path) -> None:
    twin = TestSet("cifair10", LABELS)
    same_length = TestSet("cifar10.1-v6", np.random.default_rng(5).integers(10, size=40))
    sets = SETS | {"cifair10": twin, "cifar10.1-v6": same_length}
    np.save(tmp_path / "resnet_CIFAR-10.1_v6.npy", OTHER)
    assert list(read(tmp_path / "resnet_CIFAR-10.1_v6.npy", sets).predictions) == ["cifar10.1-v6"]
    np.save(tmp_path / "mine.npy", OTHER)
    found = read(tmp_path / "mine.npy", sets)
    assert list(found.predictions) == ["cifar10.1-v4"]
    assert "read as cifar10.1-v4 (100.0% are right); also possible: cifar10.1-v6" in found.notes[0]
    np.save(tmp_path / "mine.npy", IDS)
    found = read(tmp_path / "mine.npy", sets)
    assert list(found.predictions) == ["cifar10"]
    assert "taken for cifar10; predictions of cifair10 need the name of their set" in found.notes[0]
    np.save(tmp_path / "cifair10.npy", IDS)
    assert list(read(tmp_path / "cifair10.npy", sets).predictions) == ["cifair10"]
    np.save(tmp_path / "mine.npy", np.zeros(40, dtype=int))
    with pytest.raises(
        ValueError, match=r"mine.npy: could be predictions of .* expected a file with the name of its set"
    ):
        read(tmp_path / "mine.npy", sets)


@pytest.mark.parametrize("form", ["npz", "npz parts", "json", "json parts", "csv", "folder"])
def test_one_file_may_hold_several_sets(tmp_path: Path, form: str) -> None:
    shares = shares_of(IDS)
    if form == "npz":
        np.savez(tmp_path / "p.npz", **{"cifar10": shares, "cifar10.1-v4": OTHER})
    elif form == "npz parts":
        parts = {"cifar10.logits": np.log(shares), "cifar10.labels": LABELS, "cifar10.1-v4_preds": OTHER}
        np.savez(tmp_path / "p.npz", **parts)
    elif form == "json":
        forms.dumped(tmp_path, {"cifar10": IDS.tolist(), "cifar10.1-v4": OTHER.tolist()})
    elif form == "json parts":
        value = {"cifar10": {"probabilities": shares.tolist()}, "cifar10.1-v4": {"predictions": OTHER.tolist()}}
        forms.dumped(tmp_path, value)
    elif form == "csv":
        table(tmp_path, {"set": ["cifar10"] * N + ["cifar10.1-v4"] * 40, "pred": np.r_[IDS, OTHER]})
    else:
        (tmp_path / "README.txt").write_text("my predictions")
        table(tmp_path, {"pred": IDS}, "vgg_cifar10.csv")
        forms.dumped(tmp_path, OTHER.tolist(), "cifar10.1-v4.json")
    found = read(tmp_path if form == "folder" else next(tmp_path.iterdir()))
    assert ids_of(found) == IDS.tolist()
    assert ids_of(found, "cifar10.1-v4") == OTHER.tolist()


def test_label_names_of_a_file_count_for_all_its_sets(tmp_path: Path) -> None:
    value = {
        "cifar10": (9 - IDS).tolist(),
        "cifar10.1-v4": (9 - OTHER).tolist(),
        "class_names": list(CLASS_NAMES[::-1]),
    }
    found = read(forms.dumped(tmp_path, value))
    assert (ids_of(found), ids_of(found, "cifar10.1-v4")) == (IDS.tolist(), OTHER.tolist())
    assert "renumbered" in found.notes[0]


def test_a_run_folder_and_its_file_are_read_alike(tmp_path: Path) -> None:
    arrays = {"cifar10.class_ids": IDS.astype(np.uint8), "validation.class_ids": OTHER}
    np.savez(tmp_path / "predictions.npz", **arrays)
    for path in (tmp_path, tmp_path / "predictions.npz"):
        assert list(read(path).predictions) == ["cifar10", "validation"]


def test_a_published_file_stands_for_all_its_versions(tmp_path: Path) -> None:
    for version, ids in (("original", IDS), ("v4", OTHER), ("v9", IDS[:2])):
        folder = tmp_path / f"{version}_predictions"
        folder.mkdir()
        (folder / "vgg_predictions.json").write_text(json.dumps(ids.tolist()).replace(",", " ,\n"))
    found = read(tmp_path / "v4_predictions" / "vgg_predictions.json")
    assert (found.name, list(found.predictions)) == ("vgg", ["cifar10", "cifar10.1-v4"])


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    first = read(forms.json_list(tmp_path, IDS, None, None)).digest
    assert (len(first), first) == (64, read(forms.json_list(tmp_path, IDS, None, None)).digest)
    assert first != read(forms.json_list(tmp_path, LABELS, None, None)).digest


def test_the_users_word_on_logits_reaches_the_numbers(tmp_path: Path) -> None:
    path = forms.saved(tmp_path, 5 * shares_of(IDS) ** 2)
    assert read(path).predictions["cifar10"].probabilities is None
    assert read(path, logits=True).predictions["cifar10"].probabilities.shape == (N, 10)


REFUSED = {
    "p.xlsx": (b"PK", "save the sheet as CSV"),
    "model.pt": (b"PK", "def predict"),
    "model.pth": (b"PK", "torch.load"),
    "p.pkl": (b"x", "a pickle can run anything"),
    "p.joblib": (b"x", "numpy.save"),
    "p.csv.gz": (b"x", "unpack it first"),
    "p.mat": (b"x", "found '.mat'"),
    "pointer.npy": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "page.csv": (b"<!DOCTYPE html><html>", "a web page"),
    "empty.csv": (b"", "an empty file"),
    "blank.csv": (b" \n\n", "an empty file"),
    "header.csv": (b"id,pred\n", "a header and no line below"),
    "latin.csv": ("file,pred\nbär.png,3\n".encode("latin-1"), "save it so"),
    "ragged.csv": (b"1,2\n3,4\n4,5,6\n", "Expected 2 fields in line 3"),
    "gap.csv": (b"1\n\n2\n", "line 2 is empty"),
    "words.csv": (b"label\ntabby\ncat\n", "'tabby' in row 0; expected class ids 0 to 9 or CIFAR-10's names"),
    "cell.csv": (b"id,pred\n0,1\n1,\n2,3\n", "an empty cell in row 1"),
    "twice.csv": (b"id,pred\n0,1\n1,1\n1,3\n", "column 'id' holds 1 2 times; expected one line an image"),
    "confidence.csv": (b"file,confidence\na.png,0.5\nb.png,0.6\n", "none of which holds predictions"),
    "null.json": (b"[1, null]", "row 1 is null"),
    "ragged.json": (b"[[1, 2], [3]]", "rows of different lengths"),
    "word.json": (b'"cat"', "found a str"),
    "nothing.json": (b"[]", "an empty list"),
    "records.json": (b'[{"a": 1}, {"b": 1}]', r"row 1 has the names \['b'\]"),
    "labels.json": (b'[{"label": "tabby", "score": 1}]', "'tabby' in row 0"),
    "order.json": (b'{"label_names": ["truck"], "class_ids": [1]}', "expected CIFAR-10's"),
    "array.npy": (b"not an array", "cannot be read safely"),
    "t.parquet": (b"PAR1", "not readable as .parquet"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_file_and_what_to_do(tmp_path: Path, name: str) -> None:
    content, sentence = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"(?s){name}: .*{sentence}"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (IDS[:-1], r"found 119 predictions; expected 120 \(cifar10\), 40 \(cifar10.1-v4\)"),
        (np.where(np.arange(N) == 3, np.nan, IDS), "row 3 holds nan"),
        (np.where(np.arange(N) == 3, 17, IDS), "ids from 0 to 17; expected 120 class ids 0 to 9"),
        (IDS + 0.5, "found values such as"),
        (np.zeros((N, 1000)), "which these are is not guessed"),
        (np.zeros((10, N)), "rows and columns swapped"),
        (np.zeros((N, 10), dtype=complex), "an array of complex128"),
    ],
)
def test_wrong_lengths_ranges_and_numbers_name_the_file_what_was_found_and_expected(tmp_path, values, found) -> None:
    with pytest.raises(ValueError, match=rf"p\.npy: .*{found}"):
        read(forms.saved(tmp_path, values))


def test_missing_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npy: no such file; expected predictions as \.npy"):
        read(tmp_path / "none.npy")
    with pytest.raises(FileNotFoundError, match="holds no predictions"):
        read(tmp_path)
    (tmp_path / "cifar9.npy").touch()
    with pytest.raises(
        ValueError, match=r"cifar9.npy: 'cifar9' is no set with labels here; expected the name of one of"
    ):
        read(tmp_path)


def test_two_files_of_one_set_in_a_folder_are_refused(tmp_path: Path) -> None:
    table(tmp_path, {"pred": IDS}, "cifar10.csv")
    np.save(tmp_path / "cifar10.npy", IDS)
    with pytest.raises(ValueError, match=r"cifar10.npy: a second set of predictions of cifar10; expected one a set"):
        read(tmp_path)


def test_a_table_of_a_billion_rows_in_a_kilobyte_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cifar102.evaluation.prediction_files.MOST_CELLS", 1000)
    pd.DataFrame({"pred": np.zeros(1001, dtype=np.int8)}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(ValueError, match=r"p\.parquet: .* 1001 cells, expected at most 1000"):
        read(tmp_path / "p.parquet")


def test_a_dictionary_saved_by_numpy_is_read_and_a_pickle_that_calls_is_not(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array({"predictions": IDS}, dtype=object), allow_pickle=True)
    assert ids_of(read(tmp_path / "p.npy")) == IDS.tolist()
    np.save(tmp_path / "p.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"p\.npy: .*builtins\.print"):
        read(tmp_path / "p.npy")


def test_one_table_without_sets_is_read_as_it_stands(tmp_path: Path) -> None:
    found = prediction_tables.read(forms.csv_truth_and_shuffled_ids(tmp_path, IDS, None, LABELS))
    assert np.take(found.values, np.argsort(found.rows)).tolist() == IDS.tolist()
    assert found.truth[np.argsort(found.rows)].tolist() == LABELS.tolist()


def test_mac_line_ends_are_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "cifar10.csv"
    path.write_bytes("\r".join(map(str, IDS)).encode())
    assert ids_of(read(path)) == IDS.tolist()


def test_names_of_classes_as_bytes_are_names(tmp_path: Path) -> None:
    np.save(tmp_path / "cifar10.npy", NAMES[IDS].astype("S"))
    assert ids_of(read(tmp_path / "cifar10.npy")) == IDS.tolist()


def test_label_that_is_no_class_counts_as_another_under_label_names_too(tmp_path: Path) -> None:
    truth = np.where(np.arange(N) == 3, 10, 9 - LABELS)
    np.savez(tmp_path / "cifar10.npz", class_ids=9 - IDS, labels=truth, label_names=NAMES[::-1])
    found = read(tmp_path / "cifar10.npz")
    assert ids_of(found) == IDS.tolist() and any("but for 1 rows" in note for note in found.notes)


def test_column_of_predictions_that_stands_twice_is_refused(tmp_path: Path) -> None:
    lines = [f"{one},{other}" for one, other in zip(IDS, LABELS, strict=True)]
    (tmp_path / "p.csv").write_text("\n".join(["prediction,prediction", *lines]))
    with pytest.raises(ValueError, match=r"p\.csv: found column 'prediction' 2 times; expected it once"):
        read(tmp_path / "p.csv")


def test_only_column_that_is_named_as_true_labels_are_is_read_and_said(tmp_path: Path) -> None:
    found = read(table(tmp_path, {"y_true": IDS}))
    assert ids_of(found) == IDS.tolist() and any("true labels are often called so" in note for note in found.notes)


def test_rows_of_json_that_do_not_fit_its_columns_are_refused(tmp_path: Path) -> None:
    rows = [[int(k), 1] for k in IDS]
    (tmp_path / "p.json").write_text(json.dumps({"columns": ["prediction"], "data": rows}))
    with pytest.raises(ValueError, match=r"p\.json: row 0 of data does not have the 1 values"):
        read(tmp_path / "p.json")


def test_text_with_one_huge_cell_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"prediction,{'x' * 200_000}\n1,2\n")
    with pytest.raises(ValueError, match=r"p\.csv: not readable as \.csv: field larger than"):
        read(tmp_path / "p.csv")


@pytest.mark.parametrize("column", [["x" * 1_000_000] * 1000, [[0.0] * 100_000] * 1100])
def test_parquet_file_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path, column: list) -> None:
    path = tmp_path / "p.parquet"
    kind = pyarrow.string() if isinstance(column[0], str) else pyarrow.list_(pyarrow.float32())
    parquet.write_table(pyarrow.table({"prediction": pyarrow.array(column, kind)}), path)
    assert path.stat().st_size < 5_000_000
    with pytest.raises(ValueError, match=r"p\.parquet: not readable as \.parquet: it (unpacks to|has) "):
        read(path)


def test_npz_that_unpacks_to_more_than_predictions_can_be_is_refused_unopened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.npz", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("other.npy", bytes(900_000_000))
    with pytest.raises(ValueError, match=r"p\.npz: its arrays unpack to 900000000 bytes, expected at most 800000000"):
        read(tmp_path / "p.npz")


def nested(depth: int) -> str:
    return '{"s": {"x": [0]}, "t": ' * depth + '{"x": [0]}' + "}" * depth


ENDLESS = {
    "a column named by 60,000 characters": ("p.csv", "_" * 60_000 + "!" + ",x" * 11 + ("\n0" + ",0" * 11) * 20),
    "a list named by 400,000 characters": ("p.json", json.dumps({"a." * 200_000: [0] * 20, "b": [1] * 20})),
    "JSON nested 900 deep": ("p.json", nested(900)),
    "JSON nested 300 deep": ("p.json", nested(300)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_names_without_end_are_refused_at_once(tmp_path: Path, name: str) -> None:
    file, text = ENDLESS[name]
    (tmp_path / file).write_text(text)
    begun = time.process_time()
    with pytest.raises(ValueError, match=f"{file}"):
        read(tmp_path / file)
    assert time.process_time() - begun < 20


def test_a_file_name_of_a_hundred_thousand_digits_is_read_at_once(tmp_path: Path) -> None:
    names = ["1" * 100_000 + f"a{row}.png" for row in range(4)]
    (tmp_path / "p.csv").write_text("file,prediction\n" + "".join(f"{name},{row}\n" for row, name in enumerate(names)))
    begun = time.process_time()
    assert list(prediction_tables.read(tmp_path / "p.csv").values) == [0, 1, 2, 3]
    assert time.process_time() - begun < 20
