"""The pickles of the CIFAR python batches: a restricted reader, and a writer of Python 2's form.

A pickle is a program. The reader runs one that may only build numpy arrays and plain containers; the writer puts out
the opcodes itself, with Python 2 byte strings, because Keras decodes the keys from bytes and torchvision reads them as
latin-1 text, and only that form serves both.
"""

import io
import pickle
import struct
from pathlib import Path

import numpy as np

from cifar102.workspace import pickle_opcodes


def _ndarray(*arguments: object) -> None:
    """Stand for the type numpy.ndarray, which a batch names and never calls."""
    raise pickle.UnpicklingError("the pickle calls numpy.ndarray, which no CIFAR batch does; refused")


def _reconstruct(subtype: object, shape: object, typecode: object) -> np.ndarray:
    if subtype is not _ndarray or shape != (0,):
        raise pickle.UnpicklingError("an array is rebuilt from an empty ndarray only")
    return np.ndarray.__new__(np.ndarray, (0,), np.dtype("b"))


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"_codecs.encode is allowed with latin1 only, found {encoding!r}")
    return text.encode("latin-1")


def _dtype(name: object, *flags: object) -> np.dtype:
    if name not in ("u1", b"u1", "i8", b"i8"):
        raise pickle.UnpicklingError(f"an array of dtype u1 or i8 is expected, found {name!r}")
    return np.dtype(name.decode() if isinstance(name, bytes) else name)


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which no CIFAR batch needs; refused")
        return ALLOWED[module, name]

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("the pickle asks for a persistent object; refused")


def read(path: Path) -> dict[str, object]:
    """Read the dictionary in a CIFAR pickle; text keys, byte-string values as bytes.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        content = path.read_bytes()
        pickle_opcodes.check(content)
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # damaged opcodes raise almost any kind of error
        detail = str(error) or type(error).__name__
        raise ValueError(f"{path}: not a CIFAR batch that can be read safely: {detail}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a dictionary, found {type(value).__name__}")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): item for key, item in value.items()}


def dumps(entry: dict[str, object]) -> bytes:
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
