"""`evaluate`: a user's predictions, function or model judged on the sets that are here."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.evaluation import test_sets, verdict
from cifar102.workspace.folders import Workspace

WORDS = ("jetliner", "cab", "wren", "tabby", "elk", "pug", "bullfrog", "pony", "ferry", "lorry")


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder of downloads: a small CIFAR-10, CIFAR-10.1 v4, v6 without its images, three published models."""
    folder = tmp_path / "downloads"
    images, labels = rng.integers(256, size=(60, 32, 32, 3), dtype=np.uint8), np.arange(60) % 10
    names = [f"{WORDS[label]}_s_{k:06d}.png" for k, label in enumerate(labels)]
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        cifar.write_batch(folder / "cifar-10-batches-py" / name, images, labels, names, name)
    meta = {"num_cases_per_batch": 60, "label_names": list(cifar.CLASS_NAMES), "num_vis": 3072}
    cifar.write_meta(folder / "cifar-10-batches-py" / "batches.meta", meta)
    home = folder / "CIFAR-10.1" / "datasets"
    home.mkdir(parents=True)
    np.save(home / "cifar10.1_v4_data.npy", images[:40])
    for version, count in (("v4", 40), ("v6", 30)):
        np.save(home / f"cifar10.1_{version}_labels.npy", labels[:count].astype(np.int32))
    for version, count, step in (("original", 60, 3), ("v4", 40, 4)):
        place = folder / "CIFAR-10.1" / "model_predictions" / f"{version}_predictions"
        place.mkdir(parents=True)
        for k, model in enumerate(("vgg", "resnet", "wrn")):
            said = said_with(labels[:count], step * (k + 1))
            (place / f"{model}_predictions.json").write_text(json.dumps(said.tolist()))
    return folder


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


def test_folder_of_predictions_gets_tables_line_figure_and_json(
    data: Path, workspace: Workspace, tmp_path: Path
) -> None:
    mine = write_predictions(tmp_path / "my model", np.arange(60) % 10)
    found = verdict.evaluate(mine, workspace=workspace, data=data)
    gap = found.card.tables["gaps"].set_index("set").loc["cifar10.1-v4"]
    assert (gap["original"], gap["new"], gap["n_new"]) == (0.9, 0.775, 40)
    robust = found.card.tables["effective_robustness"].iloc[0]
    assert robust["low"] < robust["effective_robustness"] < robust["high"]
    assert list(found.card.tables["calibration"]["set"]) == ["cifar10.1-v4"]
    assert found.card.tables["class_gaps"]["class_name"].nunique() == 10
    record = json.loads((workspace.results / "evaluate-my-model.json").read_text())
    assert record["gaps"][0]["gap"] == pytest.approx(0.125)
    assert (workspace.figures / "08-evaluate-my-model-cifar10-1-v4.svg").is_file()
    text = str(found)
    assert "cifar10.2 was not judged" in text and "github.com/modestyachts/cifar-10.2" in text


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
    assert found.card.tables["accuracy"]["accuracy"].tolist() == [1, 1]
    assert list(found.card.tables["accuracy"]["set"]) == ["cifar10", "cifar10.1-v4"]
    assert str(tmp_path) not in sys.path[:1]


def test_one_published_file_brings_its_other_sets(data: Path, workspace: Workspace) -> None:
    path = data / "CIFAR-10.1" / "model_predictions" / "v4_predictions" / "vgg_predictions.json"
    found = verdict.evaluate(path, workspace=workspace, data=data)
    assert found.card.name == "vgg"
    assert found.card.tables["gaps"]["gap"].tolist() == pytest.approx([0.05])


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
    assert found.card.tables["accuracy"]["accuracy"].tolist() == [0]
    assert "cifar10: 0.0% are right as they stand and 100.0% with other class numbers: 0 (airplane) seems" in str(found)


def test_unknown_set_and_unknown_data_folder_are_named(data: Path, workspace: Workspace) -> None:
    with pytest.raises(ValueError, match=r"\['cifar100'\] are no test sets"):
        verdict.evaluate("x.npy", ["cifar100"], workspace, data)
    with pytest.raises(FileNotFoundError, match="--data"):
        verdict.evaluate("x.npy", None, workspace, data / "none")


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
    assert list(found.card.tables["accuracy"]["n"]) == [60, 40]
    assert "mine.keras: pixels given as 0-255" in str(found)
    assert len(found.card.tables["calibration"]) == 2
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
    text = str(verdict.evaluate(tmp_path / "cifar10.npy", ["cifar10", "cifar10.1-v6"], workspace, data))
    assert "cifar10.1-v6 was not judged: " in text


def test_later_version_is_judged_by_the_same_path(data: Path, workspace: Workspace) -> None:
    home = data / "CIFAR-10.1"
    labels = np.arange(20) % 10
    np.save(home / "datasets" / "cifar10.1_v11_labels.npy", labels)
    place = home / "model_predictions" / "v11_predictions"
    place.mkdir()
    for k, model in enumerate(("vgg", "resnet", "wrn")):
        (place / f"{model}_predictions.json").write_text(json.dumps(said_with(labels, 3 + 2 * k).tolist()))
    assert test_sets.names(workspace, data)[-1] == "cifar10.1-v11"
    found = verdict.evaluate(place / "wrn_predictions.json", workspace=workspace, data=data)
    assert list(found.card.tables["gaps"]["set"]) == ["cifar10.1-v4", "cifar10.1-v11"]
    assert found.card.tables["gaps"]["new"].iloc[1] == 0.65
    assert list(found.card.tables["effective_robustness"]["set"]) == ["cifar10.1-v4", "cifar10.1-v11"]
    np.save(home / "datasets" / "cifar10.1_v11_data.npy", np.zeros((20, 32, 32, 3), dtype=np.uint8))
    assert test_sets.load("cifar10.1-v11", workspace, data).images.shape == (20, 32, 32, 3)


def test_figure_shows_what_images_it_is_of_and_the_level_is_kept(data, workspace, tmp_path) -> None:
    mine = write_predictions(tmp_path / "mine", np.arange(60) % 10)
    found = verdict.evaluate(mine, workspace=workspace, data=data, level=0.8)
    record = json.loads((workspace.figures / "08-evaluate-mine.json").read_text())
    assert record["title"] == "mine, 80% intervals\npublished sets"
    assert [panel["plot"] for panel in record["panels"]] == ["interval_rows", "interval_rows", "reliability"]
    assert all((table["level"] == 0.8).all() for table in found.card.tables.values() if "level" in table)


def test_published_model_is_judged_by_the_line_it_is_part_of(data: Path, workspace: Workspace) -> None:
    path = data / "CIFAR-10.1" / "model_predictions" / "v4_predictions" / "vgg_predictions.json"
    chart = verdict.evaluate(path, workspace=workspace, data=data).card.charts["cifar10.1-v4"]
    models = chart[chart["kind"] == "model"]
    assert models["family"].value_counts().to_dict() == {"published models": 3, "this model": 1}
    assert "3 models" in chart.loc[chart["kind"] == "line", "family"].iloc[0]


@pytest.mark.real_data
def test_published_file_of_vgg16_gets_the_golden_gap_and_stands_on_the_line(
    real_data, published, workspace, monkeypatch
) -> None:
    monkeypatch.setenv("CIFAR102_DATA", str(real_data))
    path = published / "model_predictions" / "v4_predictions" / "vgg16_keras_predictions.json"
    found = verdict.evaluate(path, ["cifar10", "cifar10.1-v4"], workspace, published.parent)
    gap = found.card.tables["gaps"].iloc[0]
    assert [round(100 * gap[name], 2) for name in ("original", "new", "gap", "low", "high")] == [
        *(93.59, 85.25, 8.34, 6.78, 10.01)
    ]
    robust = found.card.tables["effective_robustness"].iloc[0]
    assert robust["low"] < 0 < robust["high"]
    assert "30 published models (logit axes, slope 0.839" in str(found)
