"""A user's model file is read before it is opened: what would run code is refused by name."""

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import sources
from cifar102.models import files, graph_calls, registry

DENSE = {"class_name": "Dense", "module": "keras.layers", "registered_name": None, "config": {"units": 10}}


def write(path: Path, *layers: dict) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        model = {
            "class_name": "Sequential",
            "module": "keras.src.engine.sequential",
            "config": {"layers": list(layers)},
        }
        archive.writestr("config.json", json.dumps(model))
    return path


def test_plain_layers_and_this_projects_own_pass(tmp_path: Path) -> None:
    own = {"class_name": "Mish", "module": "cifar102.models.layers", "registered_name": "cifar102>Mish", "config": {}}
    relu = {"class_name": "function", "module": "builtins", "config": "relu"}  # as Keras 2 writes tf.nn.relu
    activated = DENSE | {"config": {"units": 10, "activation": relu}}
    config = files.check_model_file(write(tmp_path / "m.keras", DENSE, own, activated))
    assert files.layer_names(config)[:2] == ["Sequential", "Dense"]


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ({"class_name": "Lambda", "module": "keras.layers", "config": {}}, "Lambda"),
        ({"class_name": "function", "module": "os", "config": "system", "registered_name": "system"}, "module 'os'"),
        ({"class_name": "function", "module": "builtins", "config": "exec"}, "Python's exec"),
        ({"class_name": "function", "module": "keras.utils", "config": "get_file"}, "keras.utils"),
        ({"class_name": "Mine", "module": "my_layers", "config": {}}, "Mine from the module 'my_layers'"),
        (
            {"class_name": "Mish", "module": "os", "registered_name": "cifar102>Mish", "config": {}},
            "Mish from the module",
        ),
        (
            {"class_name": "Model", "module": "keras", "compile_config": {"class_name": "X", "module": "os"}},
            "without layers",
        ),
        (
            {"class_name": "TFOpLambda", "module": "keras.layers", "config": {"function": "io.write_file"}},
            "io.write_file",
        ),
        (
            {"class_name": "Dense", "module": "keras.layers", "config": {"activation": {"class_name": "__lambda__"}}},
            "Lambda",
        ),
    ],
)
def test_code_in_a_model_file_is_refused(tmp_path: Path, layer: dict, found: str) -> None:
    with pytest.raises(ValueError, match=rf"m\.keras: .*{found}.*package.module:predict"):
        files.check_model_file(write(tmp_path / "m.keras", DENSE, layer))


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_file_that_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=name):
        files.check_model_file(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such model"):
        files.check_model_file(tmp_path / f"none-{name}")


def test_lambda_in_the_old_format_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [{"class_name": "Lambda"}]})
    with pytest.raises(ValueError, match="Lambda layer"):
        files.check_model_file(tmp_path / "m.h5")


def test_how_the_outermost_model_was_compiled_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        compiled = {
            "optimizer": {"class_name": "Ramps", "module": "cifar102.training.optimizers", "registered_name": "Ramps"}
        }
        archive.writestr("config.json", json.dumps({**DENSE, "compile_config": compiled}))
    assert files.check_model_file(path)["compile_config"] == compiled


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
    images = (255 * MAKE.images()).astype(np.uint8)
    test = TestSet("mine", np.arange(len(images)) % 10, images)
    path = FILES / f"keras{OTHER}-users.keras"
    found = sources.answers_of(path, {"mine": test}, pixels="raw")
    assert found.notes[0] == f"{path.name}: pixels given as 0-255"
    wanted = registry.load_model(path)(images.astype(np.float32)).numpy()
    np.testing.assert_allclose(found.predictions["mine"].probabilities, wanted, atol=1e-5)


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


def test_a_call_with_more_than_tensors_is_named() -> None:
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}
    found = graph_calls.Reference("a", 0, 0)
    node = {"args": [[tensor, tensor]], "kwargs": {"mask": None}}
    call = graph_calls.Call(((found, found),))
    assert graph_calls.read_calls({"class_name": "Add", "inbound_nodes": [node]}) == (call,)
    assert graph_calls.read_calls({"class_name": "Add", "inbound_nodes": [[["a", 0, 0, {}]] * 2]}) == (call,)
    for node in ({"args": [tensor, 3], "kwargs": {}}, {"args": [tensor], "kwargs": {"mask": tensor}}):
        with pytest.raises(ValueError, match="more than tensors"):
            graph_calls.read_calls({"class_name": "Add", "inbound_nodes": [node]})


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
