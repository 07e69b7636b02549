"""Keras model files: the one door through which a model is opened, whoever made it and whichever Keras wrote it.

The file is read once, into memory: what is checked is what is loaded. `architecture` checks each name against the
tables of `allowed_layers`, `weights_file` the arrays, `rebuild` makes the model. Keras's own readers are never called:
they find classes and functions by the names in the file (CVE-2024-3660, 2025-1550, 2025-8747, 2025-9906).
"""

import json
import zipfile
from dataclasses import dataclass
from importlib import metadata
from io import BytesIO
from pathlib import Path

from cifar102.models import architecture
from cifar102.workspace.files import read_whole

VERSION = metadata.version("keras")
OWN = int(VERSION.split(".")[0])
LARGEST_FILE = 1 << 31  # bytes, read into memory
LARGEST_CONFIG = 1 << 26  # that of the largest published network has about a million
LARGEST_METADATA = 1 << 20
H5 = (".h5", ".hdf5")
LARGEST_RATIO = 20  # of what a member unpacks to; Keras writes them unpacked, zip makes weights half as large at best
INSTEAD = "give it as a Python function package.module:predict, or its predictions as files"
LIMITS = {"config.json": LARGEST_CONFIG, "metadata.json": LARGEST_METADATA, "model.weights.h5": LARGEST_FILE}


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds: its architecture as written, the Keras that wrote it, and its HDF5 file of weights."""

    path: Path
    config: object
    version: object
    weights: bytes | None


def check_model_file(path: Path) -> dict:
    """Return the architecture of a .keras or .h5 file if every layer and option in it is in the tables.

    Raises FileNotFoundError, ValueError that names what was found.
    """
    file = read_model_file(path)
    try:
        architecture.read_architecture(file.config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {INSTEAD}") from error
    return file.config


def load_keras_file(path: Path) -> object:
    """Load a .keras or .h5 file, not compiled, whichever Keras wrote it; returns a keras.Model.

    Raises FileNotFoundError, ValueError that names the file and what was found.
    """
    return open_model(path)[0]


def open_model(path: Path, content: bytes | None = None) -> tuple[object, dict]:
    """Load a model as load_keras_file does; returns it and its architecture, read from the same bytes.

    content: the bytes of the file where they were read before.
    """
    file = read_model_file(path, content)
    version = _check_version(file)
    if file.weights is None:
        raise ValueError(f"{path}: expected a .keras file with model.weights.h5")
    from cifar102.models import rebuild, weights_file

    try:
        plan = architecture.read_architecture(file.config)
        model = rebuild.build(plan, weights_file.open_hdf5(file.weights), int(version.split(".")[0]))
    except Exception as error:  # a layer of Keras may refuse what it was given with an error of any kind
        wrote = "" if version == VERSION else f"Keras {version} wrote it, and Keras {VERSION} cannot read it: "
        raise ValueError(f"{path}: {wrote}{_one_line(error)}; {INSTEAD}") from error
    return model, file.config


def layer_names(config: dict) -> list[str]:
    """Return the class names of all layers of an architecture, outermost first."""
    found = [entry.get("class_name") for entry, _ in architecture.entries(config)]
    return [name for name in found if isinstance(name, str)]


def read_model_file(path: Path, content: bytes | None = None) -> ModelFile:
    """Read a file once, after its sizes were looked at; FileNotFoundError, ValueError say what is wrong with it."""
    content = read_content(path) if content is None else content
    return _read_h5(Path(path), content) if Path(path).suffix.lower() in H5 else _read_keras(Path(path), content)


def read_content(path: Path) -> bytes:
    """The bytes of a model file; FileNotFoundError, ValueError where it is too large to be one."""
    return read_whole(path, LARGEST_FILE, "model file")


def _read_keras(path: Path, content: bytes) -> ModelFile:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _check_sizes(archive, len(content))
            names = [name for name in LIMITS if name in archive.namelist()]
            parts = {name: archive.read(name) for name in names}
        config = json.loads(parts["config.json"])
        if not isinstance(config, dict):
            raise ValueError(f"an architecture that is no object but {type(config).__name__}")
        version = json.loads(parts["metadata.json"]) if "metadata.json" in parts else None
    except KeyError as error:
        raise ValueError(f"{path}: expected a .keras file with config.json, found none") from error
    except Exception as error:  # damaged, encrypted or oddly packed zip folders raise many kinds
        raise ValueError(f"{path}: expected a .keras file with config.json, found {_one_line(error)}") from error
    return ModelFile(path, config, version, parts.get("model.weights.h5"))


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """ValueError for a zip folder that says of itself that it unpacks to too much."""
    members = archive.infolist()
    for member in members:
        limit = LIMITS.get(member.filename, LARGEST_FILE)
        if member.file_size > limit:
            raise ValueError(f"a {ascii(member.filename)[1:-1]} of {member.file_size} bytes, at most {limit}")
    total = sum(member.file_size for member in members)
    if total > LARGEST_METADATA + LARGEST_RATIO * size:
        raise ValueError(f"{total} bytes in a file of {size}")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two members of one name")


def _read_h5(path: Path, content: bytes) -> ModelFile:
    from cifar102.models import weights_file

    try:
        with weights_file.open_hdf5(content) as file:
            config, version = (weights_file.read_text(file, key) for key in ("model_config", "keras_version"))
        config = json.loads(config or "null")
        if not isinstance(config, dict):
            raise ValueError(f"an architecture that is no object but {type(config).__name__}")
    except Exception as error:  # h5py raises many kinds for a damaged file
        found = _one_line(error)
        raise ValueError(f"{path}: expected an .h5 file of a whole model (model_config), found {found}") from error
    return ModelFile(path, config, {"keras_version": version or "2.0"}, content)


def _check_version(file: ModelFile) -> str:
    if file.version is None:
        raise ValueError(f"{file.path}: expected a .keras file with metadata.json")
    try:
        version = str(file.version["keras_version"])
        [int(part) for part in version.split(".")[:2]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file.path}: metadata.json or config.json is not as Keras writes it: {error!r}") from error
    return version


def _one_line(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 400 else f"{words[:400]}..."
