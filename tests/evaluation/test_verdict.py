"""`evaluate`: a user's predictions, function or model judged on the sets that are here."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.analysis import lines, standard_models
from cifar102.datasets import corruption_sets, corruptions
from cifar102.evaluation import test_sets, verdict
from cifar102.workspace.folders import Workspace

MODELS = ("vgg", "resnet", "wrn", "densenet", "shake")


def said_with(labels: np.ndarray, wrong: int) -> np.ndarray:
    said = labels.copy()
    said[:wrong] = (said[:wrong] + 1) % 10
    return said


def write_predictions(folder: Path, labels: np.ndarray) -> Path:
    folder.mkdir()
    np.save(folder / "cifar10.npy", said_with(labels, 6))
    shares = np.eye(10)[said_with(labels[:40], 9)] * 0.9 + 0.01
    pd.DataFrame(shares, columns=cifar.CLASS_NAMES).to_csv(folder / "cifar10.1-v4.csv", index=False)
    return folder


def test_folder_of_predictions_gets_tables_line_figure_and_json(data, workspace, tmp_path) -> None:
    mine, folder = write_predictions(tmp_path / "my model", np.arange(60) % 10), tmp_path / "out"
    found = verdict.evaluate(mine, workspace=workspace, data=data, output=folder)
    gap = found.tables["gaps"].set_index("set").loc["cifar10.1-v4"]
    assert (gap["original"], gap["new"], gap["n_new"]) == (0.9, 0.775, 40)
    robust = found.tables["effective_robustness"].iloc[0]
    assert robust["low"] < robust["effective_robustness"] < robust["high"]
    assert list(found.tables["calibration"]["set"]) == ["cifar10.1-v4"]
    assert found.tables["class_gaps"]["class_name"].nunique() == 10
    record = json.loads((folder / "record.json").read_text())
    assert record == dict(found) == json.loads(found.to_json())
    assert record["gaps"][0]["gap"] == pytest.approx(0.125)
    assert (folder / "figures" / "08-line-cifar10-1-v4.svg").is_file()
    assert all(path.is_file() and path.is_relative_to(folder) for path in found.files)
    assert not workspace.root.exists(), "nothing is written into a workspace"
    text = str(found)
    assert "cifar10.2 was not judged" in text and "github.com/modestyachts/cifar-10.2" in text


def test_record_has_the_promised_fields_and_none_for_what_is_not_known(data, workspace, tmp_path) -> None:
    found = verdict.evaluate(write_predictions(tmp_path / "mine", np.arange(60) % 10), workspace=workspace, data=data)
    assert list(found) == ["model", "verdict", "notes", "sets", "gaps"] and found.files == ()
    fields = ["name", "provenance", "n", "correct", "accuracy", "low", "high", "confidence", "ece"]
    assert [list(row) for row in found["sets"]] == [fields, fields]
    assert found["sets"][0]["ece"] is None and found["sets"][1]["ece"] > 0
    fields = ["original", "new", "gap", "low", "high", "robustness", "robustness_low", "robustness_high"]
    assert [list(row) for row in found["gaps"]] == [fields]


def test_verdict_is_one_line_and_stands_first(data: Path, workspace: Workspace, tmp_path: Path) -> None:
    found = verdict.evaluate(write_predictions(tmp_path / "mine", np.arange(60) % 10), workspace=workspace, data=data)
    first = str(found).splitlines()[0]
    assert first == found["verdict"]
    assert first.startswith("mine: 90.0 % on CIFAR-10, 77.5 % on CIFAR-10.1 v4: gap 12.5 [")
    assert " the line of 5 models [" in first and " of 6 (95% intervals)" in first


def test_folder_of_somebody_else_is_not_written_to_and_ours_is_written_again(data, workspace, tmp_path) -> None:
    mine, folder = write_predictions(tmp_path / "mine", np.arange(60) % 10), tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.tex").write_text("all of it")
    with pytest.raises(ValueError, match=r"out: holds thesis.tex and was not made by this command"):
        verdict.evaluate(mine, workspace=workspace, data=data, output=folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    (folder / "thesis.tex").unlink()
    verdict.evaluate(mine, workspace=workspace, data=data, output=folder)
    again = verdict.evaluate(mine, workspace=workspace, data=data, output=folder)
    assert (folder / "record.json") in again.files


def test_function_is_asked_for_every_set_whose_images_are_here(data, workspace, tmp_path, monkeypatch) -> None:
    code = """
import numpy as np
def predict(images):
    assert images.dtype == "uint8"
    return np.arange(len(images)) % 10
"""
    (tmp_path / "my_own_model.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    found = verdict.evaluate("my_own_model:predict", workspace=workspace, data=data)
    assert found.tables["accuracy"]["accuracy"].tolist() == [1, 1]
    assert list(found.tables["accuracy"]["set"]) == ["cifar10", "cifar10.1-v4"]
    assert str(tmp_path) not in sys.path[:1]


def test_one_published_file_brings_its_other_sets(data: Path, workspace: Workspace) -> None:
    path = data / "CIFAR-10.1" / "model_predictions" / "v4_predictions" / "vgg_predictions.json"
    found = verdict.evaluate(path, workspace=workspace, data=data)
    assert found["model"] == "vgg"
    assert found.tables["gaps"]["gap"].tolist() == pytest.approx([1 / 60])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.npy", "nowhere.npy: no such file"),
        ("no_such_module:predict", "cannot be imported"),
        ("json:predict", "has no 'predict'"),
        ("json:dumps", "json:dumps"),
        ("some words", "no such file"),
    ],
)
def test_source_that_is_not_there_is_named(data: Path, workspace: Workspace, source: str, message: str) -> None:
    with pytest.raises(
        (ValueError, FileNotFoundError, TypeError), match=message if source != "json:dumps" else "ndarray"
    ):
        verdict.evaluate(source, workspace=workspace, data=data)


def test_predictions_in_another_class_order_are_judged_and_the_order_is_named(data, workspace, tmp_path) -> None:
    (tmp_path / "cifar10.json").write_text(json.dumps(((np.arange(60) + 3) % 10).tolist()))
    found = verdict.evaluate(tmp_path / "cifar10.json", workspace=workspace, data=data)
    assert found.tables["accuracy"]["accuracy"].tolist() == [0]
    assert "cifar10: 0.0% are right as they stand and 100.0% with other class numbers: 0 (airplane) seems" in str(found)


def test_unknown_set_and_unknown_data_folder_are_named(data: Path, workspace: Workspace) -> None:
    with pytest.raises(ValueError, match=r"\['cifar100'\] are no test sets"):
        verdict.evaluate("x.npy", ["cifar100"], workspace=workspace, data=data)
    with pytest.raises(FileNotFoundError, match="--data"):
        verdict.evaluate("x.npy", workspace=workspace, data=data / "none")


def test_labels_alone_are_enough_for_predictions(data: Path, workspace: Workspace) -> None:
    found, missing = test_sets.find(["cifar10", "cifar10.1-v6", "cifar102"], workspace, data)
    assert found["cifar10.1-v6"].images is None
    assert len(found["cifar10.1-v6"].labels) == 30
    assert found["cifar10"].keywords[:2].tolist() == ["jetliner", "cab"]
    assert "04_sample" in missing["cifar102"]


@pytest.mark.slow
def test_keras_file_is_judged_and_its_pixel_scale_stated(data: Path, workspace: Workspace, tmp_path: Path) -> None:
    keras = pytest.importorskip("tensorflow").keras
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs)))
    keras.Model(inputs, outputs).save(tmp_path / "mine.keras")
    found = verdict.evaluate(tmp_path / "mine.keras", workspace=workspace, data=data)
    assert list(found.tables["accuracy"]["n"]) == [60, 40]
    assert "mine.keras: pixels given as 0-255" in str(found)
    assert len(found.tables["calibration"]) == 2
    keras.Model(inputs, keras.layers.Lambda(lambda x: x[:, 0, 0, :])(inputs)).save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match=r"code\.keras: holds a Lambda layer"):
        verdict.evaluate(tmp_path / "code.keras", workspace=workspace, data=data)


def test_every_set_that_is_not_judged_gets_a_sentence(data: Path, workspace: Workspace, tmp_path: Path) -> None:
    (data / "CIFAR-10.1" / "datasets" / "cifar10.1_v4_data.npy").unlink()
    (tmp_path / "half.py").write_text("def predict(images):\n    return [0] * len(images)\n")
    sys.path.insert(0, str(tmp_path))
    try:
        text = str(verdict.evaluate("half:predict", workspace=workspace, data=data))
    finally:
        sys.path.remove(str(tmp_path))
    for name in test_sets.NAMES[1:]:
        assert text.count(f"{name} was not judged: ") == 1, name
    assert "d9982ab/datasets/cifar10.1_v4_data.npy" in text
    np.save(tmp_path / "cifar10.npy", np.arange(60) % 10)
    text = str(verdict.evaluate(tmp_path / "cifar10.npy", ["cifar10", "cifar10.1-v6"], workspace=workspace, data=data))
    assert "cifar10.1-v6 was not judged: " in text


def test_later_version_is_judged_by_the_same_path(data: Path, workspace: Workspace) -> None:
    home = data / "CIFAR-10.1"
    labels = np.arange(20) % 10
    np.save(home / "datasets" / "cifar10.1_v11_labels.npy", labels)
    place = home / "model_predictions" / "v11_predictions"
    place.mkdir()
    for k, model in enumerate(MODELS):
        (place / f"{model}_predictions.json").write_text(json.dumps(said_with(labels, 3 + 2 * k).tolist()))
    assert test_sets.names(workspace, data)[-1] == "cifar10.1-v11"
    found = verdict.evaluate(place / "wrn_predictions.json", workspace=workspace, data=data)
    assert list(found.tables["gaps"]["set"]) == ["cifar10.1-v4", "cifar10.1-v11"]
    assert found.tables["gaps"]["new"].iloc[1] == 0.65
    assert list(found.tables["effective_robustness"]["set"]) == ["cifar10.1-v4", "cifar10.1-v11"]
    np.save(home / "datasets" / "cifar10.1_v11_data.npy", np.zeros((20, 32, 32, 3), dtype=np.uint8))
    assert test_sets.load("cifar10.1-v11", workspace, data).images.shape == (20, 32, 32, 3)


def test_corruptions_are_summed_up_by_their_means_and_set_against_the_clean_errors(data, workspace, tmp_path) -> None:
    labels, mine, folder = np.arange(60) % 10, tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    (data / "CIFAR-10-C").mkdir()
    np.save(data / "CIFAR-10-C" / "labels.npy", np.tile(labels, 5))
    np.save(mine / "cifar10.npy", said_with(labels, 6))
    for name, wrong in (("fog", (6, 12, 18, 24, 30)), ("snow", (30,) * 5)):
        np.save(data / "CIFAR-10-C" / f"{name}.npy", np.zeros((300, 32, 32, 3), np.uint8))
        for severity, count in enumerate(wrong, start=1):
            np.save(mine / f"cifar10-c-{name}-{severity}.npy", said_with(labels, count))
    found = verdict.evaluate(mine, ["cifar10", "cifar10-c"], workspace=workspace, data=data, output=folder)
    means = found.tables["corruptions"].set_index("corruption")
    assert means["set"].unique().tolist() == ["cifar10-c"]
    assert means["accuracy"].to_dict() == pytest.approx({"fog": 0.7, "snow": 0.5, "mean of all": 0.6})
    assert means.loc["mean of all", ["error_added", "error_ratio"]].tolist() == pytest.approx([0.3, 4])
    assert any(note.startswith("cifar10-c: 60.0 % [") and "4.00 times the errors" in note for note in found["notes"])
    assert len(found["sets"]) == 11, "each corruption and severity is in the record"
    assert [row["accuracy"] for row in found["corruptions"]] == pytest.approx([0.7, 0.5, 0.6])
    assert found["verdict"].startswith("mine: 90.0 [79.5, 96.2] % on CIFAR-10, 60.0 [")
    assert found["verdict"].endswith("] % on the mean of 10 sets of corrupted images (cifar10-c) (95% intervals)")
    assert "cifar10-c-fog-1" not in found.text and "mean of all" in found.text
    assert "\ncifar10-c: CIFAR-10-C (Hendrycks & Dietterich 2019)" in found.text
    card = (folder / "model_card.md").read_text().splitlines()[2:]
    assert [line.split(" | ")[1] for line in card] == ["CIFAR-10", "cifar10-c, mean of 10 sets"]
    chart = pd.read_csv(folder / "figures" / "08-corruptions.csv").groupby("corruption")["severity"].apply(list)
    assert chart.to_dict() == {name: [1, 2, 3, 4, 5] for name in ("fog", "snow")}
    written = pd.read_csv(folder / "tables" / "corruptions.csv")
    assert written["accuracy"].tolist() == pytest.approx(means["accuracy"].tolist())


def test_corruptions_made_here_are_set_against_the_errors_on_their_own_clean_set(
    data, workspace, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(corruptions, "CORRUPTIONS", {"contrast": corruptions.CORRUPTIONS["contrast"]})
    test = test_sets.load("cifar10.1-v4", workspace, data)
    corruption_sets.write(tmp_path / "made", test.images, test.labels, source=test.name, severities=(2,))
    answers = iter([said_with(test.labels, 4), said_with(test.labels, 10)])  # the clean images, then the changed ones
    asked = ["cifar10.1-v4", str(tmp_path / "made")]
    found = verdict.evaluate(lambda images: next(answers), asked, workspace=workspace, data=data)
    row = found.tables["corruptions"].set_index("corruption").loc["mean of all"]
    assert row["set"] == "cifar10.1-v4-corrupted"
    assert (row["error_added"], row["error_ratio"]) == pytest.approx((0.15, 2.5))


def test_probabilities_are_set_beside_what_people_said_and_class_ids_by_agreement_alone(
    data, workspace, tmp_path
) -> None:
    labels, sets = np.arange(60) % 10, ["cifar10"]
    (data / "cifar-10h").mkdir()
    votes = np.eye(10, dtype=np.int64)[labels] * 30 + np.eye(10, dtype=np.int64)[(labels + 1) % 10] * 10
    np.save(data / "cifar-10h" / "cifar10h-counts.npy", votes)
    people, entropy = votes / 40, -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    for name, rows in (("same", people), ("surer", 0.9 * np.eye(10)[labels] + 0.01)):
        pd.DataFrame(rows, columns=cifar.CLASS_NAMES).to_csv(tmp_path / f"{name}.csv", index=False)
    np.save(tmp_path / "ids.npy", said_with(labels, 15))
    same, surer, ids = (
        verdict.evaluate(tmp_path / name, sets, workspace=workspace, data=data)
        for name in ("same.csv", "surer.csv", "ids.npy")
    )
    row = same.tables["people"].iloc[0]
    assert (row["set"], row["n"], row["majority_agreement"]) == ("cifar10", 60, 1)
    assert (row["cross_entropy"], row["human_entropy"]) == pytest.approx((entropy, entropy))
    assert row["divergence"] == pytest.approx(0, abs=1e-6)
    wanted = -(0.75 * np.log(0.91) + 0.25 * np.log(0.01))
    assert surer.tables["people"]["cross_entropy"].tolist() == pytest.approx([wanted])
    assert f"{wanted:.4f}" in surer.text and "beside what people said of the same images" in surer.text
    assert "cross_entropy" not in ids.tables["people"]
    assert ids.tables["people"]["majority_agreement"].tolist() == [0.75]


def test_level_is_kept_and_the_line_is_drawn_on_the_axes_that_the_text_names(data, workspace, tmp_path) -> None:
    mine, folder = write_predictions(tmp_path / "mine", np.arange(60) % 10), tmp_path / "out"
    found = verdict.evaluate(mine, workspace=workspace, data=data, level=0.8, output=folder)
    record = json.loads((folder / "figures" / "08-scorecard.json").read_text())
    assert record["title"] == "mine, 80% intervals"
    assert [panel["options"]["title"] for panel in record["panels"]] == [
        "accuracy",
        "gap to CIFAR-10",
        "above the line",
    ]
    assert all((table["level"] == 0.8).all() for table in found.tables.values() if "level" in table)
    assert json.loads((folder / "figures" / "08-line-cifar10-1-v4.json").read_text())["options"]["scale"] == "logit"
    assert "logit axes" in str(found)


def test_published_model_is_left_out_of_the_line_it_is_judged_by(data, workspace, tmp_path) -> None:
    path = data / "CIFAR-10.1" / "model_predictions" / "v4_predictions" / "vgg_predictions.json"
    for name in (None, "under another name"):
        found = verdict.evaluate(path, workspace=workspace, data=data, name=name, output=tmp_path / f"{name}")
        row = found.tables["effective_robustness"].iloc[0]
        assert (row["num_models"], row["left_out"]) == (4, "vgg")
        chart = pd.read_csv(tmp_path / f"{name}" / "figures" / "08-line-cifar10-1-v4.csv")
        models = chart[chart["kind"] == "model"]
        assert models["family"].value_counts().to_dict() == {"published models": 4, "this model": 1}


def test_named_standard_makes_the_line_and_an_unknown_set_of_it_is_named(data, workspace, tmp_path) -> None:
    mine = write_predictions(tmp_path / "mine", np.arange(60) % 10)
    table = tmp_path / "models.csv"
    table.write_text("model,original,new\na,90,80\nb,80,66\nc,95,88\nd,70,52\n")
    found = verdict.evaluate(mine, workspace=workspace, data=data, standard=table)
    assert found.tables["effective_robustness"]["num_models"].tolist() == [4]
    assert "4 models of models.csv" in str(found)
    with pytest.raises(ValueError, match=r"--standard cifar10.2=.*the new sets judged here are \['cifar10.1-v4'\]"):
        verdict.evaluate(mine, workspace=workspace, data=data, standard=f"cifar10.2={table}")


@pytest.mark.real_data
def test_published_file_of_vgg16_gets_the_golden_gap_and_stands_on_the_line(
    real_data, published, workspace, monkeypatch
) -> None:
    monkeypatch.setenv("CIFAR102_DATA", str(real_data))
    path = published / "model_predictions" / "v4_predictions" / "vgg16_keras_predictions.json"
    found = verdict.evaluate(path, ["cifar10", "cifar10.1-v4"], workspace=workspace, data=published.parent)
    gap = found.tables["gaps"].iloc[0]
    assert [round(100 * gap[name], 2) for name in ("original", "new", "gap", "low", "high")] == [
        *(93.59, 85.25, 8.34, 6.78, 10.01)
    ]
    robust = found.tables["effective_robustness"].iloc[0]
    assert robust["low"] < 0 < robust["high"]
    assert "29 published models (logit axes, slope 0.839" in str(found)


@pytest.mark.real_data
def test_published_resnet_110_is_reproduced_with_and_without_itself_in_the_line(
    real_data, published, workspace, monkeypatch
) -> None:
    monkeypatch.setenv("CIFAR102_DATA", str(real_data))
    path = published / "model_predictions" / "v4_predictions" / "resnet_basic_110_predictions.json"
    found = verdict.evaluate(path, ["cifar10", "cifar10.1-v4"], workspace=workspace, data=published.parent)
    gap = found["gaps"][0]
    assert [round(gap[name], 4) for name in ("gap", "low", "high")] == [0.083, 0.0674, 0.0999]
    line = [round(100 * gap[name], 2) for name in ("robustness", "robustness_low", "robustness_high")]
    assert line == [0.18, -1.66, 1.93]  # the line of the 29 others
    sets = test_sets.find(["cifar10", "cifar10.1-v4"], workspace, published.parent)[0]
    standard = standard_models.from_published(published, {name: test.labels for name, test in sets.items()})
    accuracies = [standard.accuracies.set_index("model")[side] for side in ("original", "new")]
    table = lines.effective_robustness(*accuracies, axis="logit", n_original=10_000, n_new=2_021).set_index("model")
    row = 100 * table.loc["resnet_basic_110", ["effective_robustness", "low", "high"]].astype(float)
    assert row.round(2).tolist() == [0.17, -1.66, 1.92]  # all 30 in the line
