"""Reading .npy and .npz files of other people: checked, and never through numpy's own unpickler.

CIFAR-10.2 was at first a pickled dictionary in a .npy file. A pickle is a program, so its arrays are rebuilt here from
the bytes in it, with the dtypes that such a file needs, and any other global it asks for is refused by name.
"""

import io
import pickle
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

PLAIN_DTYPE = re.compile(r"[iuf][1248]|b1|[US]\d+")


class _Shell:
    """What a pickled array, dtype or scalar says of itself, until `_rebuild` has looked at it."""

    def __init__(self, *parts: object) -> None:
        self.parts, self.state = parts, None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Array(_Shell):
    pass


class _Scalar(_Shell):
    pass


class _Dtype(_Shell):
    pass


def _encode(text: str, encoding: str) -> bytes:
    return text.encode({"latin1": "latin-1"}[encoding])


def _marker(*parts: object) -> None:
    raise pickle.UnpicklingError("the type ndarray may be named, not called")


ALLOWED = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
    ("numpy", "ndarray"): _marker,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image file needs; refused")
        return ALLOWED[module, name]


def read_npy(path: Path) -> np.ndarray | dict:
    """Read a .npy file: an array of numbers or text, or the dictionary of arrays in an old CIFAR-10.2 file.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    return _guarded(path, lambda file: _read_array(file))


def read_npz(path: Path) -> dict[str, object]:
    """Read all arrays of a .npz file, by name; raises as read_npy does."""
    return _guarded(path, _read_members)


def _guarded(path: Path, read: object) -> object:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with Path(path).open("rb") as file:
            return read(file)
    except Exception as error:  # damaged headers, zip folders and pickles raise almost any kind of error
        raise ValueError(f"{path}: cannot be read safely: {str(error) or type(error).__name__}") from error


def _read_members(file: BinaryIO) -> dict[str, object]:
    with zipfile.ZipFile(file) as bundle:
        return {name.removesuffix(".npy"): _read_array(io.BytesIO(bundle.read(name))) for name in bundle.namelist()}


def _read_array(file: BinaryIO) -> object:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the .npy format, expected 1.0 or 2.0")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read_header(file)
    if dtype.hasobject:
        return _rebuild(_Unpickler(file, encoding="latin1").load())
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _rebuild(value: object) -> object:
    """Turn shells into arrays and numbers, all the way down; an object array becomes what it holds."""
    if isinstance(value, _Array):
        return _rebuild_array(value)
    if isinstance(value, _Scalar):
        return np.frombuffer(value.parts[1], dtype=_rebuild_dtype(value.parts[0]), count=1)[0]
    if isinstance(value, dict):
        return {_rebuild(key): _rebuild(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rebuild(item) for item in value]
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    raise ValueError(f"holds a {type(value).__name__}, expected arrays, text and numbers")


def _rebuild_array(shell: _Array) -> object:
    _, shape, dtype, is_fortran, content = shell.state
    if isinstance(content, list):
        items = _rebuild(content)
        return items[0] if shape == () else items
    raw = content.encode("latin-1") if isinstance(content, str) else content
    array = np.frombuffer(raw, dtype=_rebuild_dtype(dtype))
    return array.reshape(shape, order="F" if is_fortran else "C").copy()


def _rebuild_dtype(shell: _Dtype) -> np.dtype:
    name = shell.parts[0] if isinstance(shell, _Dtype) else None
    if not isinstance(name, str) or not PLAIN_DTYPE.fullmatch(name):
        raise ValueError(f"an array of dtype {name!r}, expected numbers or text")
    order = shell.state[1] if shell.state else "|"
    return np.dtype((order if order in "<>" else "") + name)
