"""Model files made to run code, to reach other files or to fill the memory: each is refused in a sentence, unopened."""

import ast
import contextlib
import io
import json
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cifar102 import models
from cifar102.models import files
from cifar102.workspace.folders import REPOSITORY
from tests.faults.cases import contents
from tests.models import published_attacks

DENSE = {"units": 10, "name": "dense"}
TENSOR = {"class_name": "__keras_tensor__", "config": {"keras_history": ["images", 0, 0]}}
POLICY = {"class_name": "DTypePolicy", "module": "keras", "config": {"name": "Lambda"}}


def layer(kind: object, nodes: object = None, **config: object) -> dict:
    entry = {"class_name": kind, "module": "keras.layers", "registered_name": None, "config": config}
    nodes = [[["images", 0, 0, {}]]] if nodes is None else nodes
    return entry | {"name": config.get("name", "x"), "inbound_nodes": nodes}


def graph(*layers: dict, end: str = "x") -> dict:
    start = layer("InputLayer", [], batch_input_shape=[None, 32, 32, 3], name="images", dtype="float32")
    config = {"name": "m", "layers": [start, *layers], "input_layers": [["images", 0, 0]]}
    return {"class_name": "Functional", "module": "keras", "config": config | {"output_layers": [[end, 0, 0]]}}


def weights(change: Callable[[h5py.File], object] | None = None) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((3, 10), np.float32)
        file["layers/dense/vars/1"] = np.zeros(10, np.float32)
        if change:
            change(file)
    return content.getvalue()


def write(path: Path, config: object, stored: bytes | None = None, **parts: bytes) -> Path:
    """A .keras file, or an .h5 file of the same architecture."""
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.15.0"
            file.create_group("model_weights").attrs["layer_names"] = []
        return path
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.writestr("model.weights.h5", weights() if stored is None else stored)
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return path


def refused(path: Path, found: str) -> None:
    """One sentence that names the file and what was found; nothing else lies in the folder afterwards."""
    before, start = sorted(path.parent.iterdir()), time.process_time()
    with pytest.raises(ValueError, match=rf"{path.name}: .*{found}") as caught:
        files.load_keras_file(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 900
    assert sorted(path.parent.iterdir()) == before and time.process_time() - start < 20


CONSTANT = ["_CONSTANT_VALUE", -1, "CANARY", {"contents": "x"}]
SYMBOL = {"cls_ref": "math.add", "cls_symbol": "io.write_file", "method_name": "__call__", "name": "x"}
CODE = {
    "class method whose symbol is overwritten": (layer("ClassMethod", [CONSTANT], **SYMBOL), "calls 'math.add'"),
    "instance method": (layer("InstanceMethod", [CONSTANT], function="numpy", name="x"), "calls 'numpy'"),
    "instance property": (layer("InstanceProperty", attr_name="__class__", name="x"), "calls ''"),
    **{
        f"operation {name}": (layer("TFOpLambda", [CONSTANT], function=name, name="x"), f"calls '{name}'")
        for name in (
            *("io.write_file", "io.gfile.rmtree", "load_op_library", "py_function", "keras.utils.get_file"),
            *("raw_ops.WriteFile", "saved_model.load", "math.reduce_mean.__globals__", "nn", "image.decode_image"),
        )
    },
    "text as an argument": (
        layer("TFOpLambda", [CONSTANT], function="math.add", name="x"),
        "add is called with|expected a finite number",
    ),
    "text as a constant": (
        layer("TFOpLambda", [["images", 0, 0, {"y": "CANARY"}]], function="math.add", name="x"),
        "expected a finite number",
    ),
    "infinite constant": (
        layer("TFOpLambda", [["images", 0, 0, {"y": float("inf")}]], function="math.add", name="x"),
        "a finite number",
    ),
    "unknown keyword of an operation": (
        layer("TFOpLambda", [["images", 0, 0, {"out": 3}]], function="nn.relu", name="x"),
        "not in the table",
    ),
    "operation of Keras 3": (
        layer("Map", [{"args": [TENSOR], "kwargs": {}}], name="x") | {"module": "keras.src.ops.core"},
        "calls 'Map'",
    ),
    "policy in place of a class": (layer(POLICY, name="x"), "expected a layer with its class name"),
    "policy in place of a function": (
        layer("TFOpLambda", [CONSTANT], function=POLICY, name="x"),
        "calls .*DTypePolicy",
    ),
    "policy in place of an activation": (layer("Dense", activation=POLICY, **DENSE), "expected|needs|not in"),
    "policy of another kind": (layer("Dense", dtype=POLICY, **DENSE), "dtype: expected one of"),
    "policy in place of a module": (layer("Dense", **DENSE) | {"module": POLICY}, "from the module"),
    "function of Keras as a layer": (
        layer("function") | {"module": "keras", "config": "utils.get_file", "registered_name": "cifar102>Mish"},
        "needs function from the module 'keras'",
    ),
    "function as an initializer": (
        layer(
            "Dense",
            kernel_initializer={"class_name": "function", "module": "keras", "config": "utils.get_file"},
            **DENSE,
        ),
        "expected one of GlorotUniform",
    ),
    "function as a regularizer": (
        layer("Dense", kernel_regularizer={"class_name": "function", "module": "os", "config": "system"}, **DENSE),
        "expected one of L1",
    ),
    "function as an activation": (
        layer("Dense", activation={"class_name": "function", "module": "keras.utils", "config": "get_file"}, **DENSE),
        "from the module 'keras.utils'",
    ),
    "activation by a dotted name": (
        layer("Dense", activation="keras.utils.get_file", **DENSE),
        "activation: expected one of",
    ),
    "Lambda": (layer("Lambda", function=["code", None, None], name="x"), "Lambda layer, which is code"),
    "Lambda in a wrapper": (layer("TimeDistributed", layer=layer("Lambda"), name="x"), "Lambda layer"),
    "Lambda in a nested model": (graph(layer("Lambda")) | {"inbound_nodes": []}, "Lambda layer"),
    **{
        kind: (layer(kind, name="x"), f"{kind} of keras.layers is not in")
        for kind in (
            "TFSMLayer",
            "TorchModuleWrapper",
            "JaxLayer",
            "StringLookup",
            "Hashing",
            "TextVectorization",
            "Wrapper",
        )
    },
    "vocabulary": (layer("StringLookup", vocabulary="/etc/passwd", name="x"), "reads the file '/etc/passwd'"),
    "own name, foreign module": (
        layer("Mish") | {"module": "os", "registered_name": "cifar102>Mish"},
        "needs Mish from the module 'os'",
    ),
    "registered as another": (layer("Dense", **DENSE) | {"registered_name": "x>Dense"}, "registered as 'x>Dense'"),
    "unknown option": (layer("Dense", secret=7, **DENSE), "has {'secret': 7}"),
    "option of another kind": (layer("Dense", units="10"), "units: expected a whole number"),
    "number that is true": (layer("Dense", units=True), "units: expected a whole number"),
    "name that a terminal obeys": (layer("Dense", units=10, name="\x1b[2J"), "expected a plain name"),
    "name that climbs": (layer("Dense", units=10, name="a/../../x"), "expected a plain name"),
    "name of a whole path": (layer("Dense", units=10, name="/etc/x"), "expected a plain name"),
    "keyword of a call": (
        layer("Dense", [[["images", 0, 0, {"mask": "x"}]]], **DENSE),
        "called with more than tensors",
    ),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", CODE)
def test_code_is_refused(name: str, suffix: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry, found = CODE[name]
    refused(write(tmp_path / f"m{suffix}", graph(entry)), found)


GRAPHS = {
    "its own output": (layer("Dense", [[["dense", 0, 0, {}]]], **DENSE), "called with what nothing gives"),
    "call that is not there": (layer("Dense", [[["images", 7, 0, {}]]], **DENSE), "called with what nothing gives"),
    "Dense of a milliard": (layer("Dense", units=10**9, name="dense"), "needs 3000000000 weights, the file holds 40"),
    "Conv2D of a milliard": (
        layer("Conv2D", filters=10**6, kernel_size=[99, 99], name="x"),
        "needs 29403000000 weights",
    ),
    "Embedding": (layer("Embedding", input_dim=10**6, output_dim=10**6, name="x"), "needs 1000000000000 weights"),
    "LSTM": (layer("LSTM", units=10**5, name="x"), "needs 10000000000 weights"),
    "UpSampling2D": (layer("UpSampling2D", size=[10**4, 10**4], name="x"), "more than 16777216"),
    "ZeroPadding2D": (layer("ZeroPadding2D", padding=10**5, name="x"), "more than 16777216"),
    "end that no layer gives": (layer("Dense", **DENSE | {"name": "other"}), "ends with what no layer gives"),
    "other shapes": (
        layer("Dense", units=2, name="dense"),
        r"needs weights of shapes \[\(3, 2\), \(2,\)\], the file holds",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_is_none_or_too_large_is_refused(name: str, tmp_path: Path) -> None:
    entry, found = GRAPHS[name]
    refused(write(tmp_path / "m.keras", graph(entry, end="x" if entry["name"] == "other" else entry["name"])), found)


def external_storage(file: h5py.File) -> None:
    file.create_dataset("layers/x", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("layers/x", layout)


HDF5 = {
    "soft link": (lambda file: file.__setitem__("layers/x", h5py.SoftLink("/layers")), "link to another place"),
    "external link": (
        lambda file: file.__setitem__("layers/x", h5py.ExternalLink("/etc/x.h5", "/")),
        "link to another place",
    ),
    "external storage": (external_storage, "lies in another file"),
    "virtual array": (virtual, "lies in another file"),
    "loop": (lambda file: file.__setitem__("layers/x", file["layers"]), "in two places"),
    "one array under two names": (
        lambda file: file.__setitem__("layers/x", file["layers/dense/vars/0"]),
        "in two places",
    ),
    "160 GB of fill value": (
        lambda file: file.create_dataset("layers/x", (4 * 10**10,), "f4", fillvalue=1),
        "160000000000 bytes, of which 0",
    ),
    "compressed": (
        lambda file: file.create_dataset("layers/x", data=np.zeros(10**6), compression="gzip"),
        "8000000 bytes, of which",
    ),
    "texts": (lambda file: file.create_dataset("layers/x", data=["a"], dtype=h5py.string_dtype()), "expected numbers"),
    "references": (lambda file: file.create_dataset("layers/x", (1,), h5py.ref_dtype), "expected numbers"),
    "records": (lambda file: file.create_dataset("layers/x", (1,), [("a", "f4")]), "expected numbers"),
    "type": (lambda file: file.__setitem__("layers/x", np.dtype("f4")), "no array"),
    "array missing": (lambda file: file.__delitem__("layers/dense/vars/1"), "needs weights of shapes"),
}


@pytest.mark.parametrize("name", HDF5)
def test_weights_that_are_more_than_arrays_of_this_file_are_refused(name: str, tmp_path: Path) -> None:
    change, found = HDF5[name]
    model = graph(
        layer("GlobalAveragePooling2D", name="pool"), layer("Dense", [[["pool", 0, 0, {}]]], **DENSE), end="dense"
    )
    files.load_keras_file(write(tmp_path / "good.keras", model))
    refused(write(tmp_path / "m.keras", model, weights(change)), found)


def test_weights_cut_off_or_damaged_are_refused(tmp_path: Path) -> None:
    model, whole = graph(layer("Dense", **DENSE), end="dense"), weights()
    for content in (whole[:-100], whole[:600], b"", b"text", bytes(1000)):
        refused(write(tmp_path / "m.keras", model, content), "HDF5|weights")
    for start in range(0, len(whole), 97):
        path = write(tmp_path / "m.keras", model, whole[:start] + b"\xff" * 8 + whole[start + 8 :])
        with contextlib.suppress(ValueError):  # bytes that no array or name lies in change nothing
            files.load_keras_file(path)


MODEL = graph(layer("Dense", **DENSE), end="dense")
BOMBS = {
    "metadata": ({"stored": weights(), "metadata2_json": bytes(200_000_000)}, "bytes in a file of"),
    "assets": ({f"assets__{number}": bytes(30_000_000) for number in range(6)}, "bytes in a file of"),
    "weights": ({"stored": weights() + bytes(200_000_000)}, "bytes in a file of"),
    "two configs": ({"config_json": b"{}"}, "two members of one name"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    name: str, tmp_path: Path, monkeypatch
) -> None:
    parts, found = BOMBS[name]
    path = write(tmp_path / "m.keras", MODEL, **parts)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *arguments, **keywords: pytest.fail("it was unpacked"))
    refused(path, found)


def test_metadata_of_many_bytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(MODEL))
        archive.writestr("metadata.json", b" " * 50_000_000)
    refused(tmp_path / "m.keras", "metadata.json of 50000000 bytes, at most 1048576")


def test_the_bytes_that_were_checked_are_those_that_are_loaded(tmp_path: Path, monkeypatch) -> None:
    path = write(
        tmp_path / "m.keras",
        graph(
            layer("GlobalAveragePooling2D", name="pool"), layer("Dense", [[["pool", 0, 0, {}]]], **DENSE), end="dense"
        ),
    )
    checked = files.architecture.read_architecture

    def swap(config: dict) -> object:
        write(path, graph(layer("Lambda")))
        return checked(config)

    monkeypatch.setattr(files.architecture, "read_architecture", swap)
    assert files.load_keras_file(path).get_layer("dense").units == 10


READERS_OF_KERAS = {
    *("load_model", "load_weights", "model_from_json", "model_from_config", "model_from_yaml", "clone_model"),
    *("deserialize", "deserialize_keras_object", "load_op_library", "TFSMLayer", "enable_unsafe_deserialization"),
}


def test_there_is_one_door_through_which_a_model_file_is_opened() -> None:
    """No room calls a reader of Keras's; `load_model` is our own, and goes through `files`."""
    called = set()
    for path in sorted((REPOSITORY / "cifar102").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in READERS_OF_KERAS:
                called.add((path.name, ast.unparse(node)))
    assert {name for _, name in called} == {"registry.load_model"}


def test_load_model_goes_through_that_door(tmp_path: Path, monkeypatch) -> None:
    opened = []
    monkeypatch.setattr(files, "open_model", lambda path: (opened.append(path), {}))
    models.load_model(tmp_path / "m.keras")
    assert opened == [tmp_path / "m.keras"]


WATCHED = ("os.", "subprocess.", "socket.", "urllib.", "shutil.", "ctypes.", "pty.", "open")
HARMLESS = ("os.scandir", "os.listdir", "os.walk", "os.fwalk")
seen: list[
    tuple[str, object]
] = []  # while a list of its own is watched by the hook, which Python never takes off again
watching: list[bool] = []


def note(event: str, arguments: tuple) -> None:
    if watching and event.startswith(WATCHED) and event not in HARMLESS:
        is_read = event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        if not is_read or "secret" in str(arguments[0]):
            seen.append((event, arguments))


@pytest.fixture(scope="module")
def hook() -> None:
    sys.addaudithook(note)


@pytest.fixture
def attack(request, tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return published_attacks.make(request.param, tmp_path)


DOORS = (files.load_keras_file, files.check_model_file, models.load_model)


@pytest.mark.usefixtures("hook")
@pytest.mark.parametrize("attack", published_attacks.FILES, indirect=True)
def test_a_published_attack_opens_starts_writes_and_asks_for_nothing(attack: Path, request) -> None:
    name = request.node.callspec.params["attack"]
    in_weights = published_attacks.FILES[name][0].__qualname__.startswith("changing_weights")
    before = contents(attack.parent)
    for door in DOORS:
        if in_weights and door is files.check_model_file:
            continue  # it looks at the architecture alone
        seen.clear()
        watching.append(True)
        try:
            with pytest.raises(ValueError, match=rf"{attack.name}: .*{published_attacks.FILES[name][2]}"):
                door(attack)
        finally:
            watching.clear()
        assert seen == []
    assert contents(attack.parent) == before and not Path("CANARY").exists()


@pytest.mark.parametrize("attack", ["CVE-2025-9905 byte code in an .h5 file"], indirect=True)
def test_keras_itself_runs_such_a_file(attack: Path) -> None:
    """The canary sings where nobody refuses: the test above can fail."""
    from tensorflow import keras

    opened = keras.models.load_model(attack, **({} if files.OWN == 2 else {"safe_mode": False}))
    opened(np.zeros((1, 32, 32, 3), np.float32))
    assert Path("CANARY").exists()


@pytest.mark.usefixtures("hook")
def test_the_watch_sees_what_a_file_would_do(tmp_path: Path) -> None:
    watching.append(True)
    try:
        (tmp_path / "CANARY").write_text("x")
    finally:
        watching.clear()
    assert any("CANARY" in str(arguments) for _, arguments in seen)
    seen.clear()
