"""A user's model file is read before it is opened: what would run code is refused by name."""

import json
import zipfile
from pathlib import Path

import pytest

from cifar102.models import files

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
    activation = {"class_name": "function", "module": "builtins", "config": "relu"}
    config = files.check_model_file(write(tmp_path / "m.keras", DENSE, own, activation))
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
        ({"class_name": "Model", "module": "keras", "compile_config": {"class_name": "X", "module": "os"}}, "X from"),
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
