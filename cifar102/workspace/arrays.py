"""Reading .npy and .npz files of other people: checked, and never through numpy's own unpickler.

CIFAR-10.2 was at first a pickled dictionary in a .npy file. A pickle is a program, so its arrays are rebuilt here from
the bytes in it, with the dtypes that such a file needs, and any other global it asks for is refused by name.
"""

import io
import math
import pickle
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cifar102.workspace import pickle_opcodes

LARGEST_BYTES = 1 << 31  # of all arrays in one .npz; the largest published one unpacks to 32 MB
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


def open_npy(path: Path) -> np.ndarray:
    """Map a .npy file of numbers into memory, to be read in parts; raises as read_npy does."""
    return _guarded(path, lambda file: _mapped(file, Path(path)))


def _mapped(file: BinaryIO, path: Path) -> np.ndarray:
    _read_header(file)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _guarded(path: Path, read: object) -> object:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected an array file ({Path(path).suffix or '.npy'})")
    try:
        with Path(path).open("rb") as file:
            return read(file)
    except Exception as error:  # damaged headers, zip folders and pickles raise almost any kind of error
        raise ValueError(f"{path}: cannot be read safely: {str(error) or type(error).__name__}") from error


def _read_members(file: BinaryIO) -> dict[str, object]:
    with zipfile.ZipFile(file) as bundle:
        size = sum(member.file_size for member in bundle.infolist())
        if size > LARGEST_BYTES:
            raise ValueError(f"its arrays unpack to {size} bytes, expected at most {LARGEST_BYTES}")
        return {name.removesuffix(".npy"): _read_array(io.BytesIO(bundle.read(name))) for name in bundle.namelist()}


def _read_array(file: BinaryIO) -> object:
    if _read_header(file).hasobject:
        content = file.read()
        pickle_opcodes.check(content, most_shared=None)  # a list of numbers names its dtype once a number
        return _rebuild(_Unpickler(io.BytesIO(content), encoding="latin1").load(), set())
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _read_header(file: BinaryIO) -> np.dtype:
    """Read up to the first byte of the array; ValueError where as many bytes as the header says do not follow."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the .npy format, expected 1.0 or 2.0")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    start = file.tell()
    found, expected = file.seek(0, io.SEEK_END) - start, math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and (found != expected or min(shape, default=0) < 0):
        raise ValueError(f"{found} bytes of pixels or numbers, expected {expected} for {dtype} {shape}")
    file.seek(start)
    return dtype


def _rebuild(value: object, seen: set[int]) -> object:
    """Turn shells into arrays and numbers, all the way down; an object array becomes what it holds."""
    if isinstance(value, _Array | _Scalar):
        if id(value) in seen:
            raise ValueError("an array is used twice; refused")
        seen.add(id(value))
    if isinstance(value, _Array):
        return _rebuild_array(value, seen)
    if isinstance(value, _Scalar):
        return np.frombuffer(value.parts[1], dtype=_rebuild_dtype(value.parts[0]), count=1)[0]
    if isinstance(value, dict):
        return {_rebuild(key, seen): _rebuild(item, seen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rebuild(item, seen) for item in value]
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    raise ValueError(f"holds a {type(value).__name__}, expected arrays, text and numbers")


def _rebuild_array(shell: _Array, seen: set[int]) -> object:
    _, shape, dtype, is_fortran, content = shell.state
    if isinstance(content, list):
        items = _rebuild(content, seen)
        return items[0] if shape == () else items
    raw = content.encode("latin-1") if isinstance(content, str) else content
    array = np.frombuffer(raw, dtype=_rebuild_dtype(dtype))
    return array.reshape(shape, order="F" if is_fortran else "C").copy()


def _rebuild_dtype(shell: object) -> np.dtype:
    name = shell.parts[0] if isinstance(shell, _Dtype) else None
    if not isinstance(name, str) or not PLAIN_DTYPE.fullmatch(name):
        raise ValueError(f"an array of dtype {name!r}, expected numbers or text")
    order = shell.state[1] if shell.state else "|"
    return np.dtype((order if order in "<>" else "") + name)
