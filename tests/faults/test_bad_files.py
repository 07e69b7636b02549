"""Bad files of images: CIFAR batches, Tiny Images pairs, arrays, releases, pictures. Each is refused by name."""

import io
import pickle
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cifar102 import cifar
from cifar102.datasets import lookup, release, sets
from cifar102.dedup import screening
from cifar102.tiny_images import pair
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json, read_table, write_array, write_bytes, write_table
from cifar102.workspace.folders import Workspace
from tests.faults.cases import Case, check

IMAGES = np.random.default_rng(9).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(20) % 10
NAMES = [f"dog_s_{number:06d}.png" for number in range(20)]


class Hostile:
    """What a pickle makes of this when it is opened with Python's own unpickler."""

    def __reduce__(self) -> tuple:
        import os

        return os.system, ("touch hostile",)


def write(name: str, content: bytes):
    return lambda folder: write_bytes(folder / name, content)


def batch_bytes(**changes: object) -> bytes:
    entry = {"batch_label": "b", "labels": LABELS.tolist(), "data": cifar.images_to_rows(IMAGES), "filenames": NAMES}
    return arrays.dump_batch_pickle({key: value for key, value in (entry | changes).items() if value is not None})


def python3_batch(**changes: object) -> bytes:
    """A batch as a Python 3 program pickles it, with whatever it holds."""
    entry = {"batch_label": "b", "labels": LABELS.tolist(), "data": cifar.images_to_rows(IMAGES), "filenames": NAMES}
    return pickle.dumps(entry | changes)


def npy(array: object, version: tuple[int, int] | None = None) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), version=version, allow_pickle=True)
    return out.getvalue()


def npz(compression: int = zipfile.ZIP_STORED, **members: object) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as bundle:
        for name, value in members.items():
            bundle.writestr(f"{name}.npy", value if isinstance(value, bytes) else npy(value))
    return out.getvalue()


def batch(name: str, content: bytes, found: str, expected: str) -> Case:
    return Case(f"batch: {name}", write("data_batch_1", content), cifar.read_batch, found, expected)


GOOD = batch_bytes()
SAFE = "cannot|not a CIFAR batch that can be read safely"
ROWS = cifar.images_to_rows(IMAGES)
OTHER_FILES = [  # what other programs leave under the name of a data file, and what a reader calls it
    ("a web page", b"<!DOCTYPE html><html>404</html>", "it is an HTML page"),
    ("a web page behind a comment", b"\n<!-- saved -->\n<html lang='en'>", "it is an HTML page"),
    ("a server's error", b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "it is an XML text"),
    ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
    ("gzip", b"\x1f\x8b\x08\x00" + bytes(60), "it is a gzip file"),
    ("xz", b"\xfd7zXZ\x00" + bytes(60), "it is a compressed file"),
    ("tar", b"cifar-10-batches-py/".ljust(257, b"\0") + b"ustar\x0000" + bytes(255), "it is a tar archive"),
]
BINARY10 = np.hstack([LABELS.astype(np.uint8)[:, None], ROWS]).tobytes()
BINARY100 = np.hstack([LABELS.astype(np.uint8)[:, None], LABELS.astype(np.uint8)[:, None] + 50, ROWS]).tobytes()
DOUBLED = b"(lp0\n" + b"".join(b"(lp%d\ng%d\nag%d\na" % (level, level - 1, level - 1) for level in range(1, 30))
BATCHES = [
    batch("empty", b"", "EOF|exhausted|Ran out|STOP", SAFE),
    *(
        batch(f"cut after {n} bytes", GOOD[:n], "exhausted|truncated|expected|remain|STOP|newline|not enough", SAFE)
        for n in (1, 10, 100, 1000, 30_000, len(GOOD) - 1)
    ),
    batch("plain text", b"hello world\n", "memory number", SAFE),
    *(batch(name, content, found, SAFE) for name, content, found in OTHER_FILES),
    batch("an array", npy(IMAGES), r"it is an array \(.npy\)", SAFE),
    batch("a zip archive", npz(images=IMAGES), "it is a zip archive", SAFE),
    batch("CIFAR-10's binary version", BINARY10, "is a file of CIFAR-10's binary version", "the python version"),
    batch("CIFAR-100's binary version", BINARY100, "is a file of CIFAR-100's binary version", "the python version"),
    batch("zero bytes", bytes(5000), "opcode|unknown", SAFE),
    batch("a list", pickle.dumps([1, 2]), "found list", "expected a dictionary"),
    batch("a number", pickle.dumps(3), "found int", "expected a dictionary"),
    batch("no data", batch_bytes(data=None), "'data' is missing", "found"),
    batch("no labels", batch_bytes(labels=None), r"found \[\]", "expected labels .CIFAR-10. or fine_labels"),
    batch(
        "both labellings", batch_bytes(fine_labels=LABELS.tolist()), "found .'fine_labels', 'labels'", "expected labels"
    ),
    batch("data int64", python3_batch(data=ROWS.astype(np.int64)), "found int64", r"uint8 \(n, 3072\)"),
    batch("data float", python3_batch(data=ROWS.astype(float)), "found 'f8'", "dtype u1 or i8"),
    batch("data of 3071 columns", python3_batch(data=ROWS[:, 1:]), r"\(20, 3071\)", r"uint8 \(n, 3072\)"),
    batch("data as images", python3_batch(data=IMAGES), r"\(20, 32, 32, 3\)", r"uint8 \(n, 3072\)"),
    batch("data as list", batch_bytes(data=[1, 2]), "found list", r"uint8 \(n, 3072\)"),
    batch("one label too few", batch_bytes(labels=LABELS[1:].tolist()), r"found shape \(19,\)", "expected 20 labels"),
    batch("one label too many", batch_bytes(labels=[0] * 21), r"found shape \(21,\)", "expected 20 labels"),
    batch("label 10", batch_bytes(labels=[10] * 20), "from 10 to 10", "expected 0 to 9"),
    batch("label -1", batch_bytes(labels=[-1] * 20), "from -1 to -1", "expected 0 to 9"),
    batch("label 2**30", batch_bytes(labels=[2**30] * 20), "1073741824", "expected 0 to 9"),
    batch("label 1.5", python3_batch(labels=[1.5] * 20), "found float64", "expected integer labels"),
    batch("label NaN", python3_batch(labels=[float("nan")] * 20), "found float64", "expected integer labels"),
    batch("label None", python3_batch(labels=[None] * 20), "found object", "expected integer labels"),
    batch("label text", python3_batch(labels=["1"] * 20), "found <U1", "expected integer labels"),
    batch("labels nested", python3_batch(labels=[[1]] * 20), "container is used twice", SAFE),
    batch("labels uneven", batch_bytes(labels=[[1], [1, 2]]), "no plain list", "expected 20 labels"),
    batch("labels a number", python3_batch(labels=7), r"shape \(\)", "expected 20 labels"),
    batch("fine label 100", batch_bytes(labels=None, fine_labels=[100] * 20), "100 to 100", "expected 0 to 99"),
    batch(
        "coarse label 20",
        batch_bytes(labels=None, fine_labels=[0] * 20, coarse_labels=[20] * 20),
        "20 to 20",
        "0 to 19",
    ),
    batch("one name too few", batch_bytes(filenames=NAMES[1:]), "found 19", "expected 20 file names"),
    batch("names as numbers", batch_bytes(filenames=[1] * 20), "found list", "expected a list of names"),
    batch("names as one text", batch_bytes(filenames="dog"), "found bytes", "expected a list of names"),
    batch("a name in latin-1", batch_bytes(filenames=["caf\xe9_s_000001.png"] * 20), r"xe9", "not ASCII"),
    batch("protocol 99", b"\x80\x63}.", "unsupported pickle protocol: 99", SAFE),
    batch("calls os.system", pickle.dumps(Hostile()), "system", "no CIFAR batch needs; refused"),
    batch("an object array", pickle.dumps({"data": np.array([{}])}), "found 'O8'", "dtype u1 or i8"),
    batch("files a value far off", b"\x80\x02}r\xff\xff\xff\x0a.", "memory number 184549375", SAFE),
    batch("a list of lists doubled thirty times", DOUBLED + b".", "container is used twice", SAFE),
    Case(
        "batch: missing", lambda folder: folder / "data_batch_1", cifar.read_batch, "no such", "file", FileNotFoundError
    ),
    Case("batch: a folder in its place", lambda folder: folder, cifar.read_batch, "no such", "file", FileNotFoundError),
]


def cifar10_folder(folder: Path, meta: dict | None = None, **files: bytes | None) -> Path:
    """CIFAR-10 in miniature with two training batches, changed as asked; None leaves a file out."""
    counts = {"num_train_batches": 2, "num_cases_per_batch": 20, "num_test_cases": 20}
    names = {"label_names": list(cifar.CLASS_NAMES)}
    content = {key: value for key, value in (counts | names | (meta or {})).items() if value is not None}
    found = {"batches.meta": pickle.dumps(content), "data_batch_1": GOOD, "data_batch_2": GOOD, "test_batch": GOOD}
    for name, text in (found | files).items():
        if text is not None:
            write_bytes(folder / name, text)
    return folder


def cifar10(name: str, file: str, found: str, expected: str, error=ValueError, **changes: object) -> Case:
    def spoil(folder: Path) -> Path:
        return cifar10_folder(folder, **changes) / file

    return Case(f"cifar10: {name}", spoil, lambda path: cifar.load_cifar10(path.parent), found, expected, error)


SHORT = batch_bytes(labels=[1] * 19, data=ROWS[1:], filenames=NAMES[1:])
META = "batches.meta"
FOLDERS = [
    cifar10("no batches.meta", META, "not found", "CIFAR-10 needs it", FileNotFoundError, **{META: None}),
    cifar10("no test batch", "test_batch", "not found", "CIFAR-10 needs it", FileNotFoundError, test_batch=None),
    cifar10("no second batch", "data_batch_2", "not found", "needs it", FileNotFoundError, data_batch_2=None),
    cifar10("a short batch", "data_batch_2", "holds 19 images", "batches.meta says 20", data_batch_2=SHORT),
    cifar10("a short test batch", "test_batch", "holds 19 images", "says 20", test_batch=SHORT),
    cifar10("classes in another order", META, "label_names", "are not CIFAR-10's", meta={"label_names": ["truck"]}),
    cifar10("no class names", META, "label_names", "are not CIFAR-10's", meta={"label_names": None}),
    cifar10("class names a number", META, "found int", "expected a list of names", meta={"label_names": 3}),
    cifar10("0 batches", META, "found 0", "whole number from 1", meta={"num_train_batches": 0}),
    cifar10("-1 batches", META, "found -1", "whole number from 1", meta={"num_train_batches": -1}),
    cifar10("a billion batches", META, "found 1000000000", "to 1000", meta={"num_train_batches": 10**9}),
    cifar10("two batches in words", META, "found b?'two'", "whole number", meta={"num_train_batches": "two"}),
    cifar10("half a batch", META, "found 0.5", "whole number", meta={"num_cases_per_batch": 0.5}),
    cifar10("test count in a list", META, r"found \[20\]", "whole number", meta={"num_test_cases": [20]}),
    cifar10(
        "a batch of CIFAR-100",
        "data_batch_1",
        "found the fine_labels",
        "expected labels 0 to 9",
        data_batch_1=batch_bytes(labels=None, fine_labels=[99] * 20),
    ),
    Case(
        "cifar100: CIFAR-10 in its place",
        lambda folder: write("test", GOOD)(folder) and write("train", GOOD)(folder),
        lambda path: cifar.load_cifar100(path.parent),
        "this file has not",
        "fine_labels and coarse_labels",
    ),
    Case(
        "cifar100: no train",
        lambda folder: folder / "train",
        lambda path: cifar.load_cifar100(path.parent),
        "not found",
        "CIFAR-100 needs it",
        FileNotFoundError,
    ),
    Case(
        "meta: none",
        lambda folder: folder,
        cifar.read_meta,
        "holds neither",
        "batches.meta .CIFAR-10. nor meta",
        FileNotFoundError,
    ),
    Case(
        "meta: without names",
        write("meta", pickle.dumps({"a": [1]})),
        lambda path: cifar.read_meta(path.parent),
        r"found \['a'\]",
        "no label names",
    ),
]


def tiny_folder(folder: Path) -> Path:
    table = pd.DataFrame({"keyword": ["cat"] * 2 + ["dog"] * 3, "filename": NAMES[:5]})
    pair.write_tiny_images(folder, IMAGES[:5], table)
    return folder


def tiny(name: str, file: str, change, call, found: str, expected: str, error=ValueError) -> Case:
    def spoil(folder: Path) -> Path:
        path = tiny_folder(folder) / file
        content = change(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
        return path

    def read(path: Path) -> object:
        with pair.TinyImages(path.parent) as opened:
            return call(opened)

    return Case(f"tiny images: {name}", spoil, read, found, expected, error)


PIXELS, FIELDS = "tiny_images.bin", "tiny_metadata.bin"


def tiny_option(name: str, call, found: str, expected: str) -> Case:
    """A wrong argument of a pair that is right: there is no file to name."""

    def read(folder: Path) -> object:
        with pair.TinyImages(folder) as opened:
            return call(opened)

    return Case(f"tiny images: {name}", lambda folder: tiny_folder(folder) and None, read, found, expected)


def put(offset: int, text: bytes):
    return lambda content: content[:offset] + text + content[offset + len(text) :]


def same(content: bytes) -> bytes:
    return content


def table_of(opened: pair.TinyImages) -> object:
    return opened.metadata(range(len(opened)))


TINY = [
    tiny("no pixels", PIXELS, lambda content: None, len, "no such file", "a Tiny Images pair is", FileNotFoundError),
    tiny("no metadata", FIELDS, lambda content: None, len, "no such file", "a Tiny Images pair is", FileNotFoundError),
    tiny("no bytes of pixels", PIXELS, lambda content: b"", len, "0 bytes", "whole number of 3072-byte records"),
    tiny("no bytes of metadata", FIELDS, lambda content: b"", len, "0 bytes", "768-byte records"),
    tiny("a byte short", PIXELS, lambda content: content[:-1], len, "15359 bytes", "3072-byte records"),
    tiny("a byte long", FIELDS, lambda content: content + b" ", len, "3841 bytes", "768-byte records"),
    tiny("a record short", PIXELS, lambda content: content[3072:], len, "holds 4 records", "5; one is truncated"),
    tiny("a record long", FIELDS, lambda content: content + content[:768], len, "5 records", "6; one is truncated"),
    tiny("a keyword in latin-1", FIELDS, put(0, b"\xe9"), lambda t: t.keywords(), r"xe9", "not ASCII"),
    tiny("a name in latin-1", FIELDS, put(80, b"\xff"), table_of, r"record 0: filename", "not ASCII"),
    tiny("a width of letters", FIELDS, put(175, b"ab"), table_of, "b'ab'", "should be an integer"),
    tiny("a label of 7", FIELDS, put(768 + 766, b" 7"), table_of, "record 1: label", "should be an integer"),
    tiny("a keyword in two places", FIELDS, put(0, b"dog"), lambda t: t.keyword_range("dog"), "2 places", "no range"),
    *(
        tiny(f"record {n}", PIXELS, same, lambda t, n=n: t.images([0, n]), f"record {n} is not in", "0 to 4")
        for n in (-1, 5, 2**40)
    ),
    tiny("an unknown keyword", FIELDS, same, lambda t: t.keyword_range("dgo"), "no keyword 'dgo'", "did you mean dog"),
    tiny("an empty keyword", FIELDS, same, lambda t: t.keyword_range(""), "no keyword ''", "nor one like it|near"),
]
TINY += [
    tiny_option(f"record {text}", lambda t, value=value: t.images(value), found, "list of record numbers")
    for text, value, found in (
        ("1.5", [1.5], "found float64"),
        ("NaN", [float("nan")], "found float64"),
        ("in a square", [[1]], r"\(1, 1\)"),
        ("in words", ["1"], "found <U1"),
    )
]
TINY.append(tiny_option("an unknown column", lambda t: t.metadata([0], ("colour",)), "'colour'", "the fields are"))


def rows(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"keyword": ["dog"] * 3, "filename": NAMES[:3]} | columns)


def writing(name: str, table: pd.DataFrame, found: str, expected: str, images: np.ndarray = IMAGES[:3]) -> Case:
    return Case(
        f"write_tiny_images: {name}",
        None,
        lambda folder: pair.write_tiny_images(folder, images, table),
        found,
        expected,
    )


def write_batch_case(name: str, found: str, expected: str, **changes: object) -> Case:
    given = {"images": IMAGES, "labels": LABELS, "filenames": NAMES} | changes
    return Case(
        f"write_batch: {name}",
        lambda folder: folder / "b",
        lambda path: cifar.write_batch(path, **given, batch_label=""),
        found,
        expected,
    )


WRITERS = [
    writing("float images", rows(), "found float64", "uint8", IMAGES[:3].astype(float)),
    writing("grey images", rows(), r"\(3, 32, 32\)", r"\(n, 32, 32, 3\)", IMAGES[:3, :, :, 0]),
    writing("one row too many", rows(), "found 2, 3", "as many images as metadata rows", IMAGES[:2]),
    writing("nothing", rows().iloc[:0], "found 0, 0", "at least 1", IMAGES[:0]),
    writing("no keyword", rows().drop(columns="keyword"), r"\['keyword'\] are missing", "fields are"),
    writing("an unknown column", rows(colour="red"), r"\['colour'\] are no fields", "fields are"),
    writing("an empty name", rows(filename=["a", "", "b"]), "row 1: filename", "is empty"),
    writing("a keyword 81 bytes wide", rows(keyword=["x" * 81] * 3), "81 bytes wide", "at most 80"),
    writing("a keyword that is not ASCII", rows(keyword=["h\xfcnd"] * 3), "h\xfcnd", "not ASCII"),
    writing("a keyword that is a number", rows(keyword=[1, 2, 3]), "found 1", "should be text"),
    writing("a missing keyword", rows(keyword=[None] * 3), "found None", "should be text"),
    writing("a zero byte", rows(keyword=["a\0b"] * 3), r"a\\x00b", "zero byte"),
    writing("a width in words", rows(width=["wide"] * 3), "found 'wide'", "an integer"),
    writing("a width of NaN", rows(width=[float("nan")] * 3), "found nan", "an integer"),
    writing("an infinite width", rows(width=[float("inf")] * 3), "found inf", "an integer"),
    writing("a width of 1.5", rows(width=[1.5] * 3), "found 1.5", "an integer"),
    writing("a page of 99999", rows(page=[99999] * 3), "5 bytes wide", "at most 4"),
    writing("a label of 2", rows(label=[2] * 3), "found 2", "-1, 0 or 1"),
    write_batch_case("float images", "found float32", "expected uint8", images=IMAGES.astype(np.float32)),
    write_batch_case("label 10", "from 1 to 10", "expected 0 to 9", labels=LABELS + 1),
    write_batch_case("labels too few", r"\(19,\)", "expected 20 labels", labels=LABELS[1:]),
    write_batch_case("names too few", "19 file names", "20 images", filenames=NAMES[1:]),
    write_batch_case("a name of no keyword", "'dog.png'", "six digits", filenames=["dog.png"] * 20),
    write_batch_case("a name that is not ASCII", "h\xfcnd", "not ASCII", filenames=["h\xfcnd_s_000001.png"] * 20),
]


def header(text: str) -> bytes:
    padded = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


def array_case(name: str, content: bytes, found: str, expected: str) -> Case:
    return Case(f"npy: {name}", write("a.npy", content), arrays.read_npy, found, expected)


def images101(name: str, file: str, content: bytes, found: str, expected: str) -> Case:
    def spoil(folder: Path) -> Path:
        home = folder / "raw" / "CIFAR-10.1"
        write_array(home / "cifar10.1_v6_data.npy", IMAGES)
        write_array(home / "cifar10.1_v6_labels.npy", LABELS)
        return write_bytes(home / file, content)

    def read(path: Path) -> object:
        return sets.load("cifar10.1-v6", Workspace(path.parents[2]))

    # The message names the images' file for both: they are one set.
    return Case(
        f"CIFAR-10.1: {name}", lambda folder: spoil(folder).with_name("cifar10.1_v6_data.npy"), read, found, expected
    )


GOOD_NPY, SHAPE = npy(IMAGES), "'fortran_order': False, 'shape': "
ARRAYS = [
    *(
        array_case(f"cut after {n} bytes", GOOD_NPY[:n], "EOF|magic|bytes|header", "cannot be read safely|expect")
        for n in (0, 3, 9, 40, 127, 5000, len(GOOD_NPY) - 1)
    ),
    array_case("a byte too many", GOOD_NPY + b"x", "61441 bytes", "expected 61440"),
    array_case("text", b"hello world" * 20, "magic", "expected"),
    *(array_case(name, content, found, "cannot be read safely") for name, content, found in OTHER_FILES),
    *(
        Case(f"{suffix}: {name}", write(f"a{suffix}", content), read, found, "safely|readable")
        for suffix, read in ((".npz", arrays.read_npz), (".json", read_json), (".parquet", read_table))
        for name, content, found in OTHER_FILES
    ),
    array_case("version 9", b"\x93NUMPY\x09\x00" + GOOD_NPY[8:], r"version \(9, 0\)", "expected 1.0 or 2.0"),
    array_case("a header that is code", header("__import__('os').system('touch x')"), "malformed", "safely"),
    array_case("a header of a list", header("[1, 2]"), "not a dictionary", "safely"),
    array_case("a shape of 8 exabytes", header("{'descr': '|u1', " + SHAPE + "(2**60,), }"), "malformed", "safely"),
    array_case(
        "a shape of a terabyte",
        header("{'descr': '|u1', " + SHAPE + "(1099511627776,), }"),
        "0 bytes",
        "expected 1099511627776",
    ),
    array_case(
        "a negative shape", header("{'descr': '|u1', " + SHAPE + "(-1, -4), }") + bytes(4), r"\(-1, -4\)", "expected 4"
    ),
    array_case("an unknown dtype", header("{'descr': 'q9', " + SHAPE + "(1,), }"), "dtype|q9|descr", "safely"),
    array_case("objects that call os.system", npy(np.array([Hostile()])), "system", "no image file needs; refused"),
    array_case("objects of a class", npy(np.array([Path("a")])), "Path", "no image file needs; refused"),
    array_case("a pickle cut off", npy(np.array([{"a": 1}]))[:-4], "EOF|exhausted|truncated|STOP|expected", "safely"),
    Case(
        "npy: missing",
        lambda folder: folder / "a.npy",
        arrays.read_npy,
        "no such file",
        "array file",
        FileNotFoundError,
    ),
    Case("npy: a folder", lambda folder: folder, arrays.read_npy, "no such file", "array file", FileNotFoundError),
    images101("images as float", "cifar10.1_v6_data.npy", npy(IMAGES.astype(np.float32)), "found float32", "uint8"),
    images101("images without colour", "cifar10.1_v6_data.npy", npy(IMAGES[..., 0]), r"\(20, 32, 32\)", "32, 32, 3"),
    images101("images of 31 rows", "cifar10.1_v6_data.npy", npy(IMAGES[:, 1:]), r"\(20, 31, 32, 3\)", "32, 32, 3"),
    images101("images as rows", "cifar10.1_v6_data.npy", npy(ROWS), r"\(20, 3072\)", "32, 32, 3"),
    images101("channels first", "cifar10.1_v6_data.npy", npy(IMAGES.transpose(0, 3, 1, 2)), r"\(20, 3, 32, 32\)", "3"),
    images101("a dictionary", "cifar10.1_v6_data.npy", npy(np.array({"a": 1})), "found dict", "uint8 array"),
    images101("label 10", "cifar10.1_v6_labels.npy", npy(LABELS + 1), "from 1 to 10", "expected 0 to 9"),
    images101("labels as float", "cifar10.1_v6_labels.npy", npy(LABELS / 1.0), "found float64", "integer labels"),
    images101("labels NaN", "cifar10.1_v6_labels.npy", npy(LABELS * np.nan), "found float64", "integer labels"),
    images101("labels as text", "cifar10.1_v6_labels.npy", npy(LABELS.astype(str)), "found <U", "integer labels"),
    images101("labels as truths", "cifar10.1_v6_labels.npy", npy(LABELS > 3), "found bool", "integer labels"),
    images101("one label too few", "cifar10.1_v6_labels.npy", npy(LABELS[1:]), r"\(19,\)", "expected 20 labels"),
    images101(
        "one-hot labels", "cifar10.1_v6_labels.npy", npy(np.eye(10)[LABELS]), r"\(20, 10\)", "expected 20 labels"
    ),
]


def published(name: str, content: bytes, found: str, expected: str) -> Case:
    def spoil(folder: Path) -> Path:
        write_bytes(folder / "raw" / "cifar-10.2" / "cifar102_test.npz", GOOD_NPZ)
        return write_bytes(folder / "raw" / "cifar-10.2" / "cifar102_train.npz", content)

    return Case(
        f"CIFAR-10.2: {name}",
        spoil,
        lambda path: sets.load("cifar10.2", Workspace(path.parents[2])),
        found,
        expected,
    )


WORDS = np.array(["dog"] * 20)
GOOD_NPZ = npz(images=IMAGES, labels=LABELS, keywords=WORDS)
TEN_GIGABYTES = header("{'descr': '|u1', " + SHAPE + "(9999999999,), }")
BROKEN_CRC = bytearray(GOOD_NPZ)
BROKEN_CRC[500] ^= 255
ARCHIVES = [
    *(published(f"cut after {n} bytes", GOOD_NPZ[:n], "zip", "safely") for n in (0, 10, 5000, len(GOOD_NPZ) - 1)),
    published("a bit turned", bytes(BROKEN_CRC), "CRC", "safely"),
    published("text", b"images", "zip", "safely"),
    published("no images", npz(labels=LABELS), r"\['images'\] are missing", "found"),
    published("no labels", npz(images=IMAGES), r"\['labels'\] are missing", "found"),
    published("empty", npz(), r"\['images', 'labels'\] are missing", r"found \[\]"),
    published("keywords too few", npz(images=IMAGES, labels=LABELS, keywords=WORDS[1:]), "19 keywords", "20 images"),
    published("labels too few", npz(images=IMAGES, labels=LABELS[1:]), r"\(19,\)", "expected 20 labels"),
    published("a label too large", npz(images=IMAGES, labels=LABELS + 5), "from 5 to 14", "expected 0 to 9"),
    published("labels as objects", npz(images=IMAGES, labels=np.array([Hostile()])), "system", "refused"),
    published("a member that is no array", npz(images=b"text", labels=LABELS), "EOF|magic", "safely|expect"),
    published(
        "an array of ten gigabytes that are not there",
        npz(images=TEN_GIGABYTES, labels=LABELS),
        "0 bytes",
        "expected 9999999999",
    ),
]


def built(folder: Path) -> Workspace:
    """A workspace with a small release whose images are the candidates 0 to 19."""
    workspace = Workspace(folder)
    table = pd.DataFrame(
        {"candidate": range(20), "tiny_index": range(20), "keyword": "dog", "label": LABELS, "filename": NAMES}
    )
    table["class_name"] = np.array(cifar.CLASS_NAMES)[LABELS]
    write_array(workspace.built / "candidate_images.npy", IMAGES)
    write_table(workspace.built / "candidates.parquet", table)
    release.write_release(workspace, table.iloc[:10], table.iloc[10:15], IMAGES, leftover=table.iloc[15:])
    return workspace


def release_case(name: str, change, file: str, read, found: str, expected: str, error=ValueError) -> Case:
    def spoil(folder: Path) -> Path:
        workspace = built(folder)
        change(workspace)
        return workspace.root / file

    return Case(
        f"release: {name}", spoil, lambda path: read(Workspace(path.parents[file.count("/")])), found, expected, error
    )


def edit(**columns: object):
    def change(workspace: Workspace) -> None:
        path = workspace.release / "manifest.parquet"
        write_table(path, pd.read_parquet(path).assign(**columns))

    return change


def rewrite(file: str, content: bytes):
    return lambda workspace: write_bytes(workspace.root / file, content)


def remove(file: str):
    return lambda workspace: (workspace.root / file).unlink()


def drop_column(workspace: Workspace) -> None:
    path = workspace.release / "manifest.parquet"
    write_table(path, pd.read_parquet(path).drop(columns="label"))


def load102(workspace: Workspace) -> object:
    return sets.load("cifar102", workspace)


def load_leftover(workspace: Workspace) -> object:
    return sets.load("cifar102-leftover", workspace)


MANIFEST, TRAIN, SUMS = (f"built/release/{name}" for name in ("manifest.parquet", "cifar102_train.npz", "SHA256SUMS"))
POOL = "built/candidate_images.npy"
RELEASES = [
    release_case(
        "no manifest", remove(MANIFEST), MANIFEST, load102, "not there", "04_sample leaves it", FileNotFoundError
    ),
    release_case("a manifest of text", rewrite(MANIFEST, b"a,b\n"), MANIFEST, load102, "Parquet", "not readable as a"),
    release_case(
        "a manifest cut off", rewrite(MANIFEST, b"PAR1"), MANIFEST, load102, "Parquet|parquet", "not readable"
    ),
    release_case("a manifest without labels", drop_column, MANIFEST, load102, r"\['label'\] are missing", "found"),
    release_case("no npz", remove(TRAIN), TRAIN, load102, "not there", "04_sample leaves it", FileNotFoundError),
    release_case("labels of another build", edit(label=3), TRAIN, load102, "10 labels are not", "manifest.parquet has"),
    release_case("NaN labels", edit(label=np.nan), TRAIN, load102, "10 labels are not", "manifest.parquet has"),
    release_case("no candidate images", remove(POOL), POOL, load_leftover, "not there", "leaves it", FileNotFoundError),
    release_case(
        "candidate images cut off", rewrite(POOL, GOOD_NPY[:9000]), POOL, load_leftover, "8872 bytes", "expected 61440"
    ),
    release_case(
        "candidate images of floats", rewrite(POOL, npy(IMAGES / 255)), POOL, load_leftover, "float64", "uint8"
    ),
    release_case(
        "candidate images as pickle",
        rewrite(POOL, npy(np.array([{}]))),
        POOL,
        load_leftover,
        "pickle|dict|object",
        "expected|safely|allow_pickle",
    ),
    release_case(
        "a candidate too far", edit(candidate=99), POOL, load_leftover, "names candidate 99", "holds 20 images"
    ),
    release_case(
        "no checksums", remove(SUMS), SUMS, release.check_release, "not found", "not complete", FileNotFoundError
    ),
    release_case(
        "one byte changed", rewrite(TRAIN, GOOD_NPZ), TRAIN, release.check_release, "SHA-256 is not", "SHA256SUMS"
    ),
    release_case(
        "a file too many", rewrite("built/release/x.txt", b"x"), SUMS, release.check_release, r"\['x.txt'\]", "differ"
    ),
    release_case(
        "a list of sums that is none",
        rewrite(SUMS, b"\xff\n"),
        SUMS,
        release.check_release,
        "xff|UTF|decode",
        "expected",
    ),
    release_case(
        "a list of sums without names", rewrite(SUMS, b"abc\n"), SUMS, release.check_release, "length 1", "expected"
    ),
    release_case(
        "no candidates to compare",
        remove(POOL),
        POOL,
        lambda w: lookup.load("candidates", w),
        "not found",
        "01_build_subset leaves it",
        FileNotFoundError,
    ),
    release_case(
        "candidates cut off",
        rewrite(POOL, GOOD_NPY[:200]),
        POOL,
        lambda w: lookup.load("candidates", w),
        "72 bytes",
        "expected 61440",
    ),
]


def manifest_case(name: str, change, found: str, expected: str) -> Case:
    def read(folder: Path) -> None:
        release.check_manifest(change(TABLE.copy()), 20)

    return Case(f"manifest: {name}", None, read, found, expected)


TABLE = pd.DataFrame(
    {
        **{"split": ["train"] * 10 + ["test"] * 10, "row": [*range(10)] * 2, "candidate": range(20), "group": -1},
        **{"tiny_index": range(20), "label": LABELS, "class_name": np.array(cifar.CLASS_NAMES, object)[LABELS]},
    }
)
MANIFESTS = [
    manifest_case("an unknown split", lambda t: t.assign(split="val"), "'val'", "unknown or holds"),
    manifest_case("an image twice", lambda t: t.assign(tiny_index=[0, 0, *range(2, 20)]), "'train'", "image twice"),
    manifest_case(
        "an image in train and test", lambda t: t.assign(tiny_index=[*range(10)] * 2), "image 0", "is in two"
    ),
    manifest_case("a group in train and test", lambda t: t.assign(group=3), "group 3", "in train and in test"),
    manifest_case("rows that do not count up", lambda t: t.assign(row=5), "rows of '\\w+'", "0 to 9 in order"),
    manifest_case("a label of 10", lambda t: t.assign(label=10), "from 10 to 10", "expected 0 to 9"),
    manifest_case(
        "a name of another class", lambda t: t.assign(class_name="cat"), "a class_name", "not that of its label"
    ),
    manifest_case("a candidate below 0", lambda t: t.assign(candidate=-1), "found others", "20 images"),
]


def picture_file(folder: Path, size: tuple[int, int], name: str = "a.png") -> Path:
    Image.new("RGB", size).save(folder / name)
    return folder / name


def chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size, and holds nothing."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def source(name: str, spoil, found: str, expected: str, error=ValueError) -> Case:
    def read(path: Path) -> object:
        return lookup.load(str(path.parent if path.suffix in (".png", ".jpg") else path), Workspace("nowhere"))

    return Case(f"images: {name}", spoil, read, found, expected, error)


def by_name(name: str, found: str, expected: str, error=ValueError) -> Case:
    return Case(f"images: {name}", None, lambda folder: lookup.load(name, Workspace(folder)), found, expected, error)


COUNTS = np.full((20, 10), 5)


def companion(name: str, file: str, content: bytes, read, found: str, expected: str) -> Case:
    return Case(
        f"companion: {name}",
        lambda folder: write_bytes(folder / "raw" / file, content),
        lambda path: read(Workspace(path.parents[file.count("/") + 1])),
        found,
        expected,
    )


PAIRS = "ciFAIR/duplicates_cifar10_test.csv"
PICTURES = [
    source(
        "a picture that is text", write("a.png", b"hello"), "no picture of a known format", "not readable as a picture"
    ),
    source("an empty picture", write("a.png", b""), "no picture of a known format", "not readable as a picture"),
    source(
        "a picture that unpacks to gigabytes",
        write("a.png", png_of(30_000, 30_000)),
        "30000|900000000",
        "expected at most 64,000,000|not readable",
    ),
    source("a picture of 8 gigapixels", write("a.png", png_of(90_000, 90_000)), "8100000000", "not readable|limit"),
    source("a picture without pixels", write("a.png", png_of(32, 32)), "truncated|EOF|broken", "not readable"),
    source("a folder without pictures", lambda f: f, "holds no pictures", "and no CIFAR files"),
    source("a text file", write("a.txt", b"hello"), "memory number", "CIFAR batch"),
    source("an archive without images", write("a.npz", npz(a=IMAGES)), r"found \['a'\]", "an array `images`"),
    source("an array of floats", write("a.npy", npy(IMAGES / 255)), "found float64", "expected uint8"),
    source("labels too few", write("a.npz", npz(images=IMAGES, labels=LABELS[1:])), r"\(19,\)", "expected 20"),
    by_name("cifar11", "'cifar11'", "known are"),
    by_name("cifar10.1-v4-train", "parts|cifar10.1_v4", "parts|not there", (ValueError, FileNotFoundError)),
    by_name("cifar10-test", "cifar-10-batches-py", "unpack it into", FileNotFoundError),
    by_name("cifar102-test", "manifest.parquet", "04_sample leaves it", FileNotFoundError),
    Case(
        "data set: cifar_10",
        None,
        lambda folder: sets.load("cifar_10", Workspace(folder)),
        "cifar_10",
        "mean cifar10",
    ),
    Case("data set: nothing", None, lambda folder: sets.load("", Workspace(folder)), "''", "the known names"),
    companion(
        "votes of nine classes",
        "cifar-10h/cifar10h-counts.npy",
        npy(COUNTS[:, 1:]),
        sets.load_human_votes,
        r"\(20, 9\)",
        r"\(n, 10\)",
    ),
    companion(
        "a vote below 0",
        "cifar-10h/cifar10h-counts.npy",
        npy(COUNTS - 6),
        sets.load_human_votes,
        "least is -1",
        "not negative",
    ),
    companion(
        "half a vote", "cifar-10h/cifar10h-counts.npy", npy(COUNTS / 2), sets.load_human_votes, "least is 2.5", "whole"
    ),
    companion(
        "NaN votes", "cifar-10h/cifar10h-counts.npy", npy(COUNTS * np.nan), sets.load_human_votes, "nan", "whole"
    ),
    companion("pairs without a column", PAIRS, b"TestID,Judgment\n1,2\n", screening.judged_pairs, "TrainID", "missing"),
    companion(
        "pairs in words",
        PAIRS,
        b"TestID,TrainID,Distance,Judgment\na,b,1,1\n",
        screening.judged_pairs,
        "'a'",
        "expected",
    ),
    companion(
        "a pair of nothing",
        PAIRS,
        b"TestID,TrainID,Distance,Judgment\n1,,1,1\n",
        screening.judged_pairs,
        "NA|nan|NaN",
        "expected",
    ),
    companion(
        "corruptions of 18 images",
        "CIFAR-10-C/fog.npy",
        npy(IMAGES[:18]),
        lambda w: sets.load_corruption("fog", 1, w),
        "18 images",
        "five severities",
    ),
    companion(
        "corruptions cut off",
        "CIFAR-10-C/fog.npy",
        GOOD_NPY[:500],
        lambda w: sets.load_corruption("fog", 1, w),
        "372 bytes",
        "expected 61440",
    ),
    Case(
        "companion: an unknown corruption",
        None,
        lambda folder: sets.load_corruption("fogg", 1, Workspace(folder)),
        "'fogg'",
        "'fog'",
    ),
    Case(
        "companion: severity 6",
        None,
        lambda folder: sets.load_corruption("fog", 6, Workspace(folder)),
        "severity 6",
        "expected 1 to 5",
    ),
]
CASES = [*BATCHES, *FOLDERS, *TINY, *WRITERS, *ARRAYS, *ARCHIVES, *RELEASES, *MANIFESTS, *PICTURES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_file_is_refused_by_name(case: Case, tmp_path: Path, counts: Counter, monkeypatch) -> None:
    monkeypatch.delenv("CIFAR102_DATA", raising=False)
    check(case, tmp_path)
    counts["bad_inputs"] += 1
