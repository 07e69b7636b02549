"""Tables of accuracies of many models as an input of `evaluate`."""

from pathlib import Path

import numpy as np
import pytest

from cifar102.evaluation import accuracy_tables, verdict
from cifar102.workspace.folders import REPOSITORY

ROWS = "model,original,new\na,0.90,0.80\nb,0.80,0.66\nc,0.95,0.88\nd,0.70,0.52\ne,0.85,0.74\n"
IMAGENET = REPOSITORY.parent / "shared" / "data" / "imagenetv2_45.csv"


def written(folder: Path, text: str, name: str = "models.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def test_shares_and_percent_are_told_from_the_values_and_said(tmp_path: Path) -> None:
    shares, notes = accuracy_tables.read(written(tmp_path, ROWS))
    percent = "model;original;new\r\na;90,0;80\r\nb;80;66\r\nc;95 %;88\r\nd;70;52\r\ne;85;74\r\n\r\n"
    same, said = accuracy_tables.read(written(tmp_path, percent, "excel.csv", "utf-8-sig"))
    np.testing.assert_allclose(shares[["original", "new"]], same[["original", "new"]])
    assert notes[0].endswith("read as shares") and said[0].endswith("read as percent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS.replace("0.66", "66"), "found accuracies from 0.52 to 66; expected all in 0-1 or all in percent"),
        (ROWS.replace("0.66", "166"), "found accuracies from 0.52 to 166"),
        (ROWS.replace("0.66", "-1"), "found accuracies from -1 to 0.95"),
        (ROWS.replace("0.66", "good"), "found 'good' as new in row 2; expected an accuracy"),
        (ROWS.replace("0.66", ""), "found '' as new in row 2"),
        (ROWS.replace("b,", "A,"), "found the model 'A' twice; expected one row a model"),
        (ROWS.replace("model,original,new", "model,original,new,speed").replace("\n", ",1\n")[:-3], "columns"),
        (ROWS.replace("new\n", "new,n\n").replace("0.80\n", "0.80,ten\n"), "not readable|'' as n|'ten' as n"),
        (ROWS.replace("new\n", "new,n\n").replace(".80\n", ".80,1e300\n"), "'1e300' as n in row 1"),
        (ROWS.replace("new\n", "new,n\n").replace(".80\n", ".80,inf\n"), "'inf' as n in row 1"),
        (ROWS.replace("0.80\n", "0.80,9\n").replace("0.66\n", "0.66,9\n"), "not readable|rows of more than the 3"),
        ("model,original,new\na,0.9,0.8\n", "found 1 models; expected at least 4"),
    ],
)
def test_table_that_is_wrong_is_refused_in_one_sentence_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=rf"models\.csv: .*({message})") as caught:
        verdict.evaluate(path)
    assert "\n" not in str(caught.value)


def test_each_model_is_judged_by_the_line_of_the_others(tmp_path: Path) -> None:
    points = [(0.7, 0.5), (0.8, 0.6), (0.9, 0.7), (0.6, 0.4), (0.75, 0.65)]
    text = "model,original,new\n" + "".join(f"m{k},{a},{b}\n" for k, (a, b) in enumerate(points))
    found = verdict.evaluate(written(tmp_path, text))
    robust = found.tables["effective_robustness"].set_index("model")["effective_robustness"]
    assert robust.idxmax() == "m4" and robust["m4"] > 0.08, "with itself in the line it would stand lower"
    assert robust[["m0", "m1", "m2", "m3"]].max() < 0.01


def test_intervals_and_ranks_are_there_only_where_images_are_counted(tmp_path: Path) -> None:
    bare = verdict.evaluate(written(tmp_path, ROWS))
    assert bare["gaps"][0]["low"] is None and "best_rank" not in bare.tables["ranks"]
    counted = ROWS.replace("new\n", "new,n\n").replace("0\n", "0,2000\n").replace("6\n", "6,2000\n")
    counted = counted.replace("8\n", "8,2000\n").replace("2\n", "2,2000\n").replace("4\n", "4,2000\n")
    found = verdict.evaluate(written(tmp_path, counted, "counted.csv"))
    assert found["gaps"][0]["low"] < 0.1 < found["gaps"][0]["high"]
    assert found.tables["ranks"][["best_rank", "worst_rank"]].to_numpy().tolist() == [[k, k] for k in range(1, 6)]


def test_imagenetv2_gives_the_known_line_through_the_same_function(tmp_path: Path) -> None:
    if not IMAGENET.is_file():
        pytest.skip(f"the accuracies of 45 models on ImageNetV2 are not here: {IMAGENET.name}")
    found = verdict.evaluate(IMAGENET, output=tmp_path / "out")
    fit = next(fit for fit in found["fits"] if fit["axis"] == "linear")
    assert (round(fit["slope"], 2), round(fit["r2"], 2), fit["n"]) == (1.10, 0.99, 45)
    assert len(found["gaps"]) == 45
    assert {path.name for path in found.files} >= {"record.json", "fits.csv", "08-line.png", "08-robustness.svg"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\r", "\r\n"])
def test_table_with_the_line_ends_and_encodings_of_other_systems_is_a_table(
    tmp_path: Path, ends: str, encoding: str
) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes(ROWS.replace("\n", ends).encode(encoding))
    assert accuracy_tables.is_table(path) and len(accuracy_tables.read(path)[0]) == 5


def test_rows_with_more_values_than_the_header_are_refused_not_shifted(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(["model,original,new", *(f"m{k},0.{k},0.{k - 1},0.5" for k in range(2, 9))]))
    with pytest.raises(ValueError, match=r"models\.csv: found rows of more than the 3 values"):
        accuracy_tables.read(path)


def test_table_in_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS.replace("a,", "\xe9,", 1), encoding="latin-1")
    with pytest.raises(ValueError, match=r"models\.csv: not readable as text"):
        accuracy_tables.read(path)
