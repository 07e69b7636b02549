"""Reading .npy and .npz files of other people: checked, and never through numpy's own unpickler.

CIFAR-10.2 was at first a pickled dictionary in a .npy file. A pickle is a program, so its arrays are rebuilt here from
the bytes in it, with the dtypes that such a file needs, and any other global it asks for is refused by name.
"""

import io
import math
import pickle
import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
CONSTANTS = {"NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE"}
CALLS = {"GLOBAL", "STACK_GLOBAL"}
ATOMS = TEXT | BYTES | NUMBERS | CONSTANTS | CALLS
CONTAINERS = {"MARK", "EMPTY_LIST", "EMPTY_DICT", "LIST", "DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
CONTAINERS |= {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"}
FILED = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
FETCHED = {"GET", "BINGET", "LONG_BINGET"}
MADE = "REDUCE"  # arrays, dtypes, byte strings: of these only a dtype is used twice in a file that numpy wrote
KNOWN = ATOMS | CONTAINERS | FILED | FETCHED | {MADE, "PROTO", "FRAME", "STOP"}
MOST_SHARED = 16


def check_opcodes(content: bytes, most_shared: int | None = MOST_SHARED) -> None:
    """Raise UnpicklingError where a pickle has an opcode or a use of its memory that no file of arrays needs.

    Refused: any opcode that is not in KNOWN, a memory number above the opcodes so far, a list, dictionary or tuple that
    is used twice, and more than `most_shared` further uses of what was made by a call (None: any number).
    """
    kinds: dict[int, str] = {}
    before, num_shared, count = "", 0, 0
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
            kind = kinds.get(argument)
            if kind is None:
                raise pickle.UnpicklingError(f"memory number {argument} at byte {position} is empty")
            num_shared += kind == MADE
            if kind not in ATOMS and (kind != MADE or (most_shared is not None and num_shared > most_shared)):
                raise pickle.UnpicklingError(f"a container is used twice (byte {position}); refused")
            name = kind
        before = name


def _ndarray(*arguments: object) -> None:
    """Stand for the type numpy.ndarray, which a batch names and never calls."""
    raise pickle.UnpicklingError("the pickle calls numpy.ndarray, which no CIFAR batch does; refused")


def _reconstruct(subtype: object, shape: object, typecode: object) -> np.ndarray:
    if subtype is not _ndarray or shape != (0,):
        raise pickle.UnpicklingError("an array is rebuilt from an empty ndarray only")
    return np.ndarray.__new__(np.ndarray, (0,), np.dtype("b"))


def _encode_latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"_codecs.encode is allowed with latin1 only, found {encoding!r}")
    return text.encode("latin-1")


def _dtype(name: object, *flags: object) -> np.dtype:
    if name not in ("u1", b"u1", "i8", b"i8"):
        raise pickle.UnpicklingError(f"an array of dtype u1 or i8 is expected, found {name!r}")
    return np.dtype(name.decode() if isinstance(name, bytes) else name)


BATCH_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode_latin1,
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in BATCH_GLOBALS:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which no CIFAR batch needs; refused")
        return BATCH_GLOBALS[module, name]

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("the pickle asks for a persistent object; refused")


def read_batch_pickle(path: Path) -> dict[str, object]:
    """Read the dictionary in a CIFAR pickle; text keys, byte-string values as bytes.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        content = path.read_bytes()
        check_opcodes(content)
        value = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # damaged opcodes raise almost any kind of error
        detail = str(error) or type(error).__name__
        raise ValueError(f"{path}: not a CIFAR batch that can be read safely: {detail}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a dictionary, found {type(value).__name__}")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): item for key, item in value.items()}


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
        check_opcodes(content, most_shared=None)  # a list of numbers names its dtype once a number
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
