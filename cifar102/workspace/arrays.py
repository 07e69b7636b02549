"""Arrays in files from outside: .npy, .npz and CIFAR's python batches, checked, and no pickle is ever run.

CIFAR's batches are pickles, and so was CIFAR-10.2 at first, a dictionary in a .npy file. A pickle is a program, so its
opcodes are checked before it is opened; what it asks for by name becomes a shell that keeps what it was given and does
nothing; and arrays are made of the bytes in the shells, with the dtypes that such a file needs. Any other name it asks
for is refused. Batches are written opcode by opcode, as Python 2 wrote the published ones.
"""

import io
import math
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cifar102.workspace.files import other_content

TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
CONSTANTS = {"NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE"}
CALLS = {"GLOBAL", "STACK_GLOBAL"}
CONTAINERS = {"MARK", "EMPTY_LIST", "EMPTY_DICT", "LIST", "DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
CONTAINERS |= {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"}
FILED = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
FETCHED = {"GET", "BINGET", "LONG_BINGET"}
SHARED = TEXT | BYTES | NUMBERS | CONSTANTS | CALLS | {"REDUCE"}  # what REDUCE makes is a shell, see _rebuild
KNOWN = SHARED | CONTAINERS | FILED | FETCHED | {"PROTO", "FRAME", "STOP"}
LARGEST_BYTES = 1 << 31  # of all arrays in one .npz; the largest published one unpacks to 32 MB


def _check_opcodes(content: bytes) -> None:
    """Raise UnpicklingError where a pickle has an opcode or a use of its memory that no file of arrays needs.

    Refused: any opcode that is not in KNOWN, a memory number above the opcodes so far, a list, dictionary or tuple that
    is used twice: a few bytes of such a file can stand for more than any memory holds.
    """
    kinds: dict[int, str] = {}
    before, count = "", 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(content)):
        name = opcode.name
        if name not in KNOWN:
            raise pickle.UnpicklingError(f"opcode {name} at byte {position}, which no file of arrays needs; refused")
        if name in FILED:
            number = len(kinds) if name == "MEMOIZE" else argument
            if not 0 <= number <= count:
                raise pickle.UnpicklingError(f"memory number {number} at byte {position}, in opcode {count}; refused")
            kinds[number] = before
            continue  # what was filed may be filed again
        if name in FETCHED:
            name = kinds.get(argument)
            if name is None:
                raise pickle.UnpicklingError(f"memory number {argument} at byte {position} is empty")
            if name not in SHARED:
                raise pickle.UnpicklingError(f"a container is used twice (byte {position}); refused")
        before = name


class _Shell:
    """What a pickled array, dtype or number says of itself, until `_rebuild` has looked at it."""

    def __init__(self, *parts: object) -> None:
        self.parts, self.state = parts, None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Array(_Shell):
    pass


class _Buffer(_Shell):
    """An array as protocol 5 writes it: bytes, dtype, shape and order."""


class _Scalar(_Shell):
    pass


class _Dtype(_Shell):
    pass


class _Ndarray(_Shell):
    """Stands for the type numpy.ndarray, which a pickle of arrays names and never calls."""

    def __init__(self, *parts: object) -> None:
        raise pickle.UnpicklingError("the pickle calls numpy.ndarray, which no file of arrays does; refused")


class _Encoded(_Shell):
    """Bytes as Python 3 writes them for Python 2: a text and latin1; encoded once, however often they are used."""

    def __init__(self, text: str, encoding: str = "latin1") -> None:
        super().__init__(text, encoding)
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"_codecs.encode is allowed with latin1 only, found {encoding!r}")
        self.content = text.encode("latin-1")


class _Empty(_Encoded):
    """No bytes at all, which protocols 0 to 2 write as a call of `bytes` without arguments."""

    def __init__(self) -> None:
        super().__init__("")


SHELLS = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _Scalar,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("numpy.core.numeric", "_frombuffer"): _Buffer,
    ("numpy._core.numeric", "_frombuffer"): _Buffer,
    ("numpy", "ndarray"): _Ndarray,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encoded,
    ("__builtin__", "bytes"): _Empty,
}


@dataclass(frozen=True)
class _Kind:
    """A kind of file with a pickle in it: its name, how Python 2's texts are read, which dtypes its arrays may have."""

    name: str
    encoding: str
    dtypes: re.Pattern
    arrays: str
    holds_objects: bool


BATCH = _Kind("CIFAR batch", "bytes", re.compile(r"u1|i8"), "dtype u1 or i8", holds_objects=False)
OBJECTS = _Kind("image file", "latin1", re.compile(r"[iuf][1248]|b1|[US]\d+"), "numbers or text", holds_objects=True)


class _Unpickler(pickle.Unpickler):
    """Opens a pickle whose opcodes were checked; a name that is not in SHELLS is refused."""

    def __init__(self, content: bytes, kind: _Kind) -> None:
        super().__init__(io.BytesIO(content), encoding=kind.encoding)
        self._kind = kind

    def find_class(self, module: str, name: str) -> type[_Shell]:
        if (module, name) not in SHELLS:
            asked = f"the pickle asks for {module}.{name}"
            raise pickle.UnpicklingError(f"{asked}, which no {self._kind.name} needs; refused")
        return SHELLS[module, name]


def _unpickle(content: bytes, kind: _Kind) -> object:
    _check_opcodes(content)
    return _rebuild(_Unpickler(content, kind).load(), kind, set())


def _rebuild(value: object, kind: _Kind, seen: set[int]) -> object:
    """Turn shells into arrays, numbers and bytes, all the way down; an object array becomes what it holds.

    seen: the ids of the arrays and numbers so far; one that is used twice could hold itself, and is refused.
    """
    if isinstance(value, _Array | _Buffer | _Scalar):
        if id(value) in seen:
            raise ValueError("an array is used twice; refused")
        seen.add(id(value))
    if isinstance(value, _Array):
        return _rebuild_array(value, kind, seen)
    if isinstance(value, _Buffer):
        content, dtype, shape, order = value.parts
        return _array(content, dtype, shape, order == "F", kind)
    if isinstance(value, _Scalar):
        return np.frombuffer(_bytes(value.parts[1]), dtype=_rebuild_dtype(value.parts[0], kind), count=1)[0]
    if isinstance(value, _Encoded):
        return value.content
    if isinstance(value, dict):
        return {_rebuild(key, kind, seen): _rebuild(item, kind, seen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_rebuild(item, kind, seen) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    raise ValueError(f"holds a {type(value).__name__}, expected arrays, text and numbers")


def _rebuild_array(shell: _Array, kind: _Kind, seen: set[int]) -> object:
    if shell.parts[:2] != (_Ndarray, (0,)):
        raise ValueError("an array is rebuilt from an empty ndarray only")
    _, shape, dtype, is_fortran, content = shell.state
    if kind.holds_objects and isinstance(content, list):
        items = _rebuild(content, kind, seen)
        return items[0] if shape == () else items
    return _array(content, dtype, shape, is_fortran, kind)


def _array(content: object, dtype: object, shape: tuple[int, ...], is_fortran: bool, kind: _Kind) -> np.ndarray:
    array = np.frombuffer(_bytes(content), dtype=_rebuild_dtype(dtype, kind))
    return array.reshape(shape, order="F" if is_fortran else "C").copy()


def _rebuild_dtype(shell: object, kind: _Kind) -> np.dtype:
    name = _text(shell.parts[0]) if isinstance(shell, _Dtype) else None
    if not isinstance(name, str) or not kind.dtypes.fullmatch(name):
        raise ValueError(f"an array of {kind.arrays} is expected, found {name!r}")
    order = _text(shell.state[1]) if shell.state else "|"
    return np.dtype((order if order in ("<", ">") else "") + name)


def _bytes(value: object) -> object:
    """The bytes behind what a pickle has for them: an encoded text, or a text of Python 2 read as latin1."""
    if isinstance(value, _Encoded):
        return value.content
    return value.encode("latin-1") if isinstance(value, str) else value


def _text(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def read_batch_pickle(path: Path) -> dict[str, object]:
    """Read the dictionary in a CIFAR pickle; text keys, byte-string values as bytes.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        value = _unpickle(path.read_bytes(), BATCH)
    except Exception as error:  # damaged opcodes raise almost any kind of error
        detail = other_content(path) or str(error) or type(error).__name__
        raise ValueError(f"{path}: not a CIFAR batch that can be read safely: {detail}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a dictionary, found {type(value).__name__}")
    return {str(_text(key)): item for key, item in value.items()}


def read_npy(path: Path) -> np.ndarray | dict:
    """Read a .npy file: an array of numbers or text, or the dictionary of arrays in an old CIFAR-10.2 file.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    return _guarded(path, _read_array)


def read_npz(path: Path) -> dict[str, object]:
    """Read all arrays of a .npz file, by name; raises as read_npy does."""
    return _guarded(path, _read_members)


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays of a .npz file, in their order, and read none of them; raises as read_npy does."""

    def read(file: BinaryIO) -> list[str]:
        with zipfile.ZipFile(file) as bundle:
            return [name.removesuffix(".npy") for name in bundle.namelist()]

    return _guarded(path, read)


def open_npy(path: Path) -> np.ndarray:
    """Map a .npy file of numbers into memory, to be read in parts; raises as read_npy does."""
    return _guarded(path, lambda file: _mapped(file, Path(path)))


def _guarded(path: Path, read: Callable[[BinaryIO], object]) -> object:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected an array file ({Path(path).suffix or '.npy'})")
    try:
        with Path(path).open("rb") as file:
            return read(file)
    except Exception as error:  # damaged headers, zip folders and pickles raise almost any kind of error
        detail = other_content(path) or str(error) or type(error).__name__
        raise ValueError(f"{path}: cannot be read safely: {detail}") from error


def _mapped(file: BinaryIO, path: Path) -> np.ndarray:
    _read_header(file)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_members(file: BinaryIO) -> dict[str, object]:
    with zipfile.ZipFile(file) as bundle:
        size = sum(member.file_size for member in bundle.infolist())
        if size > LARGEST_BYTES:
            raise ValueError(f"its arrays unpack to {size} bytes, expected at most {LARGEST_BYTES}")
        return {name.removesuffix(".npy"): _read_array(io.BytesIO(bundle.read(name))) for name in bundle.namelist()}


def _read_array(file: BinaryIO) -> object:
    if _read_header(file).hasobject:
        return _unpickle(file.read(), OBJECTS)
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


def dump_batch_pickle(entry: dict[str, object]) -> bytes:
    """Pickle a dictionary of byte strings, integers, lists of them and uint8 arrays (n, m), as Python 2 would."""
    out = io.BytesIO()
    out.write(pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK)
    for key, value in entry.items():
        _put(out, key)
        _put(out, value)
    out.write(pickle.SETITEMS + pickle.STOP)
    return out.getvalue()


def _put(out: io.BytesIO, value: object) -> None:
    if isinstance(value, str):
        value = value.encode("latin-1")
    if isinstance(value, bytes):
        short = len(value) < 256
        out.write(pickle.SHORT_BINSTRING + bytes([len(value)]) if short else _long(pickle.BINSTRING, len(value)))
        out.write(value)
    elif isinstance(value, int):
        out.write(pickle.BININT1 + bytes([value]) if 0 <= value < 256 else _long(pickle.BININT, value))
    elif isinstance(value, list):
        out.write(pickle.EMPTY_LIST + pickle.MARK)
        for item in value:
            _put(out, item)
        out.write(pickle.APPENDS)
    elif isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2:
        _put_array(out, value)
    else:
        raise ValueError(f"a CIFAR batch holds text, integers, lists and uint8 (n, m), not {type(value).__name__}")


def _put_array(out: io.BytesIO, array: np.ndarray) -> None:
    out.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n" + pickle.GLOBAL + b"numpy\nndarray\n")
    out.write(pickle.BININT1 + b"\x00" + pickle.TUPLE1)
    _put(out, "b")
    out.write(pickle.TUPLE3 + pickle.REDUCE + pickle.MARK + pickle.BININT1 + b"\x01")
    for size in array.shape:
        _put(out, size)
    out.write(pickle.TUPLE2 + pickle.GLOBAL + b"numpy\ndtype\n")
    _put(out, "u1")
    out.write(pickle.BININT1 + b"\x00" + pickle.BININT1 + b"\x01" + pickle.TUPLE3 + pickle.REDUCE)
    out.write(pickle.MARK + pickle.BININT1 + b"\x03")
    _put(out, "|")
    out.write(pickle.NONE * 3 + _long(pickle.BININT, -1) * 2 + pickle.BININT1 + b"\x00" + pickle.TUPLE + pickle.BUILD)
    out.write(pickle.NEWFALSE)
    _put(out, np.ascontiguousarray(array).tobytes())
    out.write(pickle.TUPLE + pickle.BUILD)


def _long(opcode: bytes, value: int) -> bytes:
    return opcode + struct.pack("<i", value)
