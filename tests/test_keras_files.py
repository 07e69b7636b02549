"""`.keras` files of both Keras versions: each stack reads the other's, and says what it cannot read."""

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

from cifar102.evaluation import verdict
from cifar102.models import files, registry

FILES = Path(__file__).parent / "keras_files"
SPEC = importlib.util.spec_from_file_location("make_keras_files", FILES / "make.py")
MAKE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MAKE)
OTHER = {2: 3, 3: 2}[files.OWN]


@pytest.mark.parametrize("name", ["ours", "users"])
@pytest.mark.parametrize("version", [2, 3])
def test_a_file_of_either_keras_gives_the_logits_it_gave_where_it_was_written(name: str, version: int) -> None:
    path = FILES / f"keras{version}-{name}.keras"
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("metadata.json"))["keras_version"].startswith(f"{version}.")
    model = registry.load_model(path)
    np.testing.assert_allclose(model(MAKE.images()), np.load(path.with_suffix(".npy")), atol=1e-6)
    assert (model.input_shape, model.output_shape) == ((None, 32, 32, 3), (None, 10))


def test_a_file_of_the_other_keras_keeps_names_settings_and_penalties() -> None:
    found, built = registry.load_model(FILES / f"keras{OTHER}-ours.keras"), MAKE.build()["ours"]
    assert [(type(layer), layer.name) for layer in found.layers] == [
        (type(layer), layer.name) for layer in built.layers
    ]
    assert found.name == built.name
    assert registry.num_parameters(found) == registry.num_parameters(built)
    norms = [model.get_layer("stage1_conv1_norm") for model in (found, built)]
    assert norms[0].momentum == norms[1].momentum == 0.9 and norms[0].epsilon == norms[1].epsilon == 1e-5
    assert found.get_layer("stage1_dropout").rate == 0.2
    assert len(found.losses) == len(built.losses) == 1


def test_a_loaded_file_of_the_other_keras_can_be_saved_and_loaded_again(tmp_path: Path) -> None:
    registry.load_model(FILES / f"keras{OTHER}-ours.keras").save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras", compile=False)
    np.testing.assert_allclose(again(MAKE.images()), np.load(FILES / f"keras{OTHER}-ours.npy"), atol=1e-6)


def test_evaluate_takes_a_users_model_of_the_other_keras() -> None:
    predict, note = verdict.load_keras(FILES / f"keras{OTHER}-users.keras")
    pixels = (255 * MAKE.images()).astype(np.uint8)
    assert "0-255" in note  # it has a Rescaling layer
    assert predict(pixels).sum(axis=1) == pytest.approx(1)


def changed(tmp_path: Path, change: Callable[[list[dict]], None]) -> Path:
    """The other Keras's file with its layers changed."""
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(FILES / f"keras{OTHER}-ours.keras") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"])
                content = json.dumps(config)
            target.writestr(name, content)
    return path


def switch_on(layers: list[dict]) -> None:
    next(layer for layer in layers if layer["class_name"] == "Conv2D")["config"]["secret"] = 7


def name_unknown(layers: list[dict]) -> None:
    next(layer for layer in layers if layer["class_name"] == "Flatten")["class_name"] = "Flattening"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (switch_on, r"Conv2D 'stage1_conv1' has \{'secret': 7\}, which Keras \d does not know"),
        (name_unknown, r"Flattening of keras.layers is not in Keras \d"),
    ],
)
def test_what_this_keras_does_not_have_is_named(tmp_path: Path, change: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=rf"changed\.keras: Keras {OTHER}\.\d+\.\d wrote it.*{message}"):
        registry.load_model(changed(tmp_path, change))


@pytest.mark.skipif(files.OWN == 3, reason="Keras 3 reads the calls of both")
def test_a_call_with_more_than_tensors_is_named() -> None:
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}
    assert files._node({"args": [[tensor, tensor]], "kwargs": {"mask": None}}) == [["a", 0, 0, {}]] * 2
    for node in ({"args": [tensor, 3], "kwargs": {}}, {"args": [tensor], "kwargs": {"value": tensor}}):
        with pytest.raises(ValueError, match="more than tensors"):
            files._node(node)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (None, "expected a .keras file"),
        ({"config.json": "{}"}, "expected a .keras file with metadata.json"),
        ({"config.json": "{}", "metadata.json": "{}"}, "not as Keras writes it.*keras_version"),
        ({"config.json": "{}", "metadata.json": '{"keras_version": "new"}'}, "not as Keras writes it"),
        ({"config.json": "{}", "metadata.json": '{"keras_version": "99.0.1"}'}, "with model.weights.h5"),
    ],
)
def test_a_file_that_is_no_keras_file_is_named(tmp_path: Path, parts: dict | None, message: str) -> None:
    path = tmp_path / "no.keras"
    if parts is None:
        path.write_bytes(b"something else")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
    with pytest.raises(ValueError, match=rf"no\.keras: .*{message}"):
        registry.load_model(path)
