"""Bad tables and texts: JSON, CSV, XML, votes, predictions, models, notebooks, figures. Each is refused by name."""

import json
import pickle
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import predictions, published
from cifar102.analysis.scorecard import TestSet
from cifar102.annotations import labelimg, votes
from cifar102.datasets import downloads
from cifar102.decisions import tables
from cifar102.dedup import screening
from cifar102.evaluation import prediction_tables
from cifar102.figures import drawing
from cifar102.models import files
from cifar102.sampling import cifar101
from cifar102.training import runs
from cifar102.training.config import TrainConfig
from cifar102.workflow import notebooks, report, stamps, steps
from cifar102.workflow.steps import Files, Step
from cifar102.workspace import folders
from cifar102.workspace.files import read_json, read_table, write_bytes, write_json, write_table, write_text
from cifar102.workspace.folders import Workspace
from tests.faults.cases import Case, check, contents
from tests.faults.test_bad_files import npy, npz, write


def text(name: str, content: str | bytes):
    return write(name, content.encode("utf-8") if isinstance(content, str) else content)


def reading(name: str, file: str, content: str | bytes, read, found: str, expected: str, error=ValueError) -> Case:
    return Case(name, text(file, content), read, found, expected, error)


DEEP = "[" * 100_000
JSON = [
    reading(f"json: {name}", "a.json", content, read_json, found, "not readable as JSON")
    for name, content, found in (
        ("empty", "", "Expecting value"),
        ("cut", '{"a": [1, 2', "Expecting|delimiter"),
        ("latin-1", b'{"a": "caf\xe9"}', "utf-8"),
        ("UTF-16 cut in a character", '{"a": 1}'.encode("utf-16")[:-1], "utf-16"),
        ("nested a hundred thousand deep", DEEP, "recursion"),
        ("a number of 5,000 digits", "1" * 5000, "4300"),
        ("a name twice", '{"cat": 1, "cat": 2}', "'cat' stands twice"),
        ("text behind it", "{} x", "Extra data"),
        ("one quote", "{'a': 1}", "property name"),
        ("zero bytes", b"\0\0\0\0", "Expecting value"),
    )
]
JSON.append(
    Case("json: missing", lambda f: f / "a.json", read_json, "no such file", "expected JSON", FileNotFoundError)
)


def table_case(name: str, file: str, content: bytes, found: str, expected: str, error=ValueError) -> Case:
    return reading(f"table: {name}", file, content, lambda path: read_table(path, ("a", "b")), found, expected, error)


TABLES = [
    table_case("an empty csv", "t.csv", b"", "No columns", "not readable as a .csv"),
    table_case("a csv of other columns", "t.csv", b"a,c\n1,2\n", r"\['b'\] are missing", "found"),
    table_case("a csv in latin-1", "t.csv", b"a,b\n\xe9,1\n", "utf-8", "not readable as a .csv"),
    table_case("a csv with a row too long", "t.csv", b"a,b\n1,2\n1,2,3,4\n", "Expected 2 fields", "not readable"),
    table_case("a csv with an open quote", "t.csv", b'a,b\n1,"2\n', "EOF", "not readable as a .csv"),
    table_case("an empty parquet", "t.parquet", b"", "size is 0|0 bytes", "not readable as a .parquet"),
    table_case("a parquet of text", "t.parquet", b"a,b\n1,2\n" * 9, "magic bytes", "not readable as a .parquet"),
    table_case("a parquet cut off", "t.parquet", b"PAR1" + b"\x15" * 90 + b"PAR1", ".", "not readable as a .parquet"),
    Case("table: missing", lambda f: f / "t.csv", read_table, "no such table", "has not run", FileNotFoundError),
    Case(
        "table: written as .xlsx",
        lambda f: f / "t.xlsx",
        lambda p: write_table(p, pd.DataFrame()),
        "'.xlsx'",
        "as .csv",
    ),
    Case("table: written as nothing", lambda f: f / "t", lambda p: write_table(p, pd.DataFrame()), "''", "as .csv or"),
]
INDICES = [
    reading(f"good indices: {name}", "g.json", content, cifar101.read_good_indices, found, expected)
    for name, content, found, expected in (
        ("a list", "[1]", "found list", "an object of keyword"),
        ("a number", '{"cat": 3}', "cat: .*found int", "a list of indices"),
        ("text", '{"cat": ["3"]}', "found '3'", "whole numbers from 0"),
        ("negative", '{"cat": [-1]}', "found -1", "whole numbers from 0"),
        ("a half", '{"cat": [0.5]}', "found 0.5", "whole numbers from 0"),
        ("NaN", '{"cat": [NaN]}', "found nan", "whole numbers from 0"),
        ("true", '{"cat": [true]}', "found True", "whole numbers from 0"),
        ("null", '{"cat": null}', "found NoneType", "a list of indices"),
        ("a keyword twice", '{"cat": [1], "cat": [2]}', "'cat' stands twice", "JSON"),
    )
] + [
    reading("blacklist: an object", "b.json", "{}", cifar101.read_blacklist, "found dict", "a list of indices"),
    reading("blacklist: a list in it", "b.json", "[[1]]", cifar101.read_blacklist, r"found \[1\]", "whole numbers"),
]
VOTE = {"tiny_index": 3, "keyword": "tabby", "class": "cat", "rater": "anna", "verdict": "yes"}
VOTE["time"] = "2026-11-24T12:00:00Z"


def vote(name: str, found: str, expected: str, **changes: object) -> Case:
    given = {key: value for key, value in (VOTE | changes).items() if value is not ...}
    return Case(
        f"vote: {name}",
        None,
        lambda folder: votes.VoteLog(folder / "votes.jsonl").append(given),
        found,
        expected,
    )


VOTES = [
    vote("no rater", r"found \[.*'keyword'", "a vote has the fields", rater=...),
    vote("a field too many", "'mood'", "a vote has the fields", mood="good"),
    vote("an index in words", "found 'three'", "a whole number", tiny_index="three"),
    vote("an index below 0", "found -3", "a whole number", tiny_index=-3),
    vote("an index of 1.5", "found 1.5", "a whole number", tiny_index=1.5),
    vote("an index of NaN", "found nan", "a whole number", tiny_index=float("nan")),
    vote("an index of True", "found True", "a whole number", tiny_index=True),
    vote("an index of 2**63", str(2**63), "a whole number", tiny_index=2**63),
    vote("an unknown class", "found 'lion'", "class is one of", **{"class": "lion"}),
    vote("a verdict of maybe", "found 'maybe'", "verdict is one of", verdict="maybe"),
    vote("a verdict in capitals", "found 'YES'", "verdict is one of", verdict="YES"),
    vote("an empty rater", "found ' '", "rater is text", rater=" "),
    vote("a rater that is a number", "found 7", "rater is text", rater=7),
    vote("a keyword of nothing", "found None", "keyword is text", keyword=None),
    vote("a time of yesterday", "found 'yesterday'", "ISO 8601 in UTC", time="yesterday"),
    vote(
        "a time of Berlin", r"found '2026-11-24T12:00:00\+01:00'", "ISO 8601 in UTC", time="2026-11-24T12:00:00+01:00"
    ),
    vote("a time without zone", "found '2026-11-24T12:00:00'", "ISO 8601 in UTC", time="2026-11-24T12:00:00"),
]


def judged(path: Path, count: int = 4) -> object:
    return prediction_tables.predictions_of(path, {"cifar10": TestSet("cifar10", np.arange(count))})


def prediction(name: str, file: str, content: bytes | str, found: str, expected: str) -> Case:
    return reading(f"predictions: {name}", file, content, judged, found, expected)


SHARES = np.full((4, 10), 0.1)
IDS_OR_ROWS = r"class ids \(4,\) or rows \(4, 10\)"
PREDICTIONS = [
    prediction("ids too few", "p.npy", npy(np.array([1, 2, 3])), "found 3", r"expected 4 \(cifar10\)"),
    prediction("an id of 11", "p.npy", npy(np.array([1, 2, 3, 11])), "ids from 1 to 11", "0 to 9"),
    prediction("an id of -1", "p.npy", npy(np.array([1, 2, 3, -1])), "ids from -1 to 3", "0 to 9"),
    prediction("ids as halves", "p.npy", npy(np.array([1.5, 2, 3, 4])), r"such as \[1.5\]", "4 class ids 0 to 9"),
    prediction("ids as text", "p.npy", npy(np.array(["a"] * 4)), "found 'a' in row 0", "class ids 0 to 9 or CIFAR-10"),
    prediction("ids as truths", "p.npy", npy(np.array([True] * 4)), r"such as \[True", "4 class ids"),
    prediction("no ids", "p.npy", npy(np.array([], int)), "found 0", "expected one line an image"),
    prediction("a cube", "p.npy", npy(np.zeros((4, 10, 2))), r"\(4, 10, 2\)", IDS_OR_ROWS),
    prediction("nine classes", "p.npy", npy(SHARES[:, 1:]), r"\(4, 9\)", IDS_OR_ROWS),
    prediction("rows too few", "p.npy", npy(SHARES[1:]), "found 3", r"expected 4 \(cifar10\)"),
    prediction("probabilities of NaN", "p.npy", npy(SHARES * np.nan), "row 0 holds nan", "expected finite"),
    prediction(
        "an infinite probability", "p.npy", npy(SHARES + np.array([np.inf, *[0] * 9])), "row 0 holds inf", "finite"
    ),
    prediction("whole numbers in rows", "p.npy", npy(np.arange(40).reshape(4, 10) % 7), "whole numbers 0 to 9", "one"),
    prediction("a pickle", "p.npy", npy(np.array([{}, {}, {}, {}])), "a list of dict", "expected class ids"),
    prediction("text", "p.npy", b"1, 2", "magic|EOF", "expect|safely"),
    prediction("an archive of text", "p.npz", b"PK" * 9, "zip", "safely"),
    prediction("an archive of nothing", "p.npz", npz(), "found no array", "expected class_ids"),
    prediction(
        "ids and rows of different number",
        "p.npz",
        npz(class_ids=np.array([1]), probabilities=SHARES),
        "different lengths",
        "expected one length",
    ),
    prediction(
        "a pickle in an archive", "p.npz", npz(class_ids=np.array([{}, {}, {}, {}])), "a list of dict", "class ids"
    ),
    prediction("an empty json", "p.json", "", "an empty file", "expected predictions"),
    prediction("a json cut off", "p.json", "[1, 2", "Expecting", "JSON"),
    prediction("a word", "p.json", '"cat"', "found a str", "a list of class ids"),
    prediction("words", "p.json", '["kitten", "dog", "dog", "dog"]', "'kitten' in row 0", "class ids 0 to 9"),
    prediction("an object of other things", "p.json", '{"a": 1}', "found 1", r"expected 4 \(cifar10\)"),
    prediction("rows of different length", "p.json", "[[1, 2], [3]]", "different lengths", "one length"),
    prediction("other class names", "p.json", '{"label_names": ["truck"], "class_ids": [1]}', "truck", "CIFAR-10's"),
    prediction(
        "class names of a number", "p.json", '{"label_names": 7, "class_ids": [1]}', r"names \[7\]", "CIFAR-10's"
    ),
    prediction("an id of 400 digits", "p.json", f"[{'9' * 400}]", "list of int", "class ids"),
    prediction("lists 64 deep", "p.json", "[" * 64 + "]" * 64, "list|shape|lengths", "class ids|one length"),
    prediction("an empty csv", "p.csv", "", "an empty file", "expected predictions"),
    prediction("a csv of words", "p.csv", "label\nkitten\ndog\n", "'kitten' in row 0", "CIFAR-10's names"),
    prediction("a csv with a gap", "p.csv", "1\n\n2\n", "line 2 is empty", "one line an image"),
    prediction("a csv of other classes", "p.csv", "a,b\n.5,.5\n", "column 'a', column 'b'", "ten of probabilities"),
    prediction("a csv of an id of 40 digits", "p.csv", "9" * 40 + "\n" + "1\n" * 3, ".", "4 class ids|one class id"),
    prediction("another kind of file", "p.dat", "1", "found '.dat'", r"\.npy, \.npz, \.json, "),
    prediction("a spreadsheet", "p.xlsx", "PK", "a spreadsheet", "save the sheet as CSV"),
    prediction("a model of PyTorch", "p.pt", "PK", "weights of PyTorch", "def predict"),
    Case(
        "predictions: missing",
        lambda f: f / "p.npy",
        judged,
        "no such file",
        "predictions as",
        FileNotFoundError,
    ),
    Case(
        "predictions: a folder of another set",
        lambda f: write("cifar9.npy", npy(np.arange(4)))(f),
        lambda path: judged(path.parent),
        "'cifar9'",
        "expected the name of one of",
    ),
    Case(
        "predictions: two files of one set",
        lambda f: [write(f"cifar10.{s}", c)(f) for s, c in (("json", b"[1]"), ("npy", npy(np.array([1]))))][1],
        lambda path: judged(path.parent, 1),
        "a second set",
        "expected one a set",
    ),
    Case(
        "predictions: an empty folder",
        lambda f: f,
        judged,
        "holds no predictions",
        "expected <set> with .npy",
        FileNotFoundError,
    ),
    Case(
        "predictions: a run without arrays",
        lambda f: write("predictions.npz", npz())(f),
        lambda path: predictions.read_run(path.parent),
        r"found \[\]",
        "expected arrays <set>.class_ids",
    ),
    Case(
        "predictions: no published models",
        lambda f: f,
        lambda path: published.read_published(path, "cifar10.1-v4"),
        "no predictions",
        "they are at https",
        FileNotFoundError,
    ),
]


def keywords(name: str, indices: str, by_keyword: str, found: str, expected: str) -> Case:
    def spoil(folder: Path) -> Path:
        write_text(folder / "other_data" / "cifar10.1_v4_ti_indices.json", indices)
        return write_text(folder / "other_data" / "cifar10.1_v4_ti_indices_per_keyword.json", by_keyword)

    return Case(
        f"published keywords: {name}",
        spoil,
        lambda path: published.read_published_keywords(path.parents[1], "cifar10.1-v4"),
        found,
        expected,
    )


PAIR = {"tiny_index": 3, "reference_set": "cifar10-test", "reference": 5, "rater": "anna", "verdict": "near"}
PAIR["time"] = "2026-11-24T12:00:00Z"


def pair(name: str, found: str, expected: str, text: str = "", **changes: object) -> Case:
    line = text or json.dumps({key: value for key, value in (PAIR | changes).items() if value is not ...})
    content = json.dumps(PAIR) + "\n" + line + "\n"
    return reading(
        f"pair verdict: {name}", "pair_verdicts.jsonl", content, screening.read_pair_verdicts, found, expected
    )


PAIR_VERDICTS = [
    pair("an unknown verdict", "line 2: verdict 'maybe'", "expected one of", verdict="maybe"),
    pair("a verdict of a list", r"line 2: verdict \['near'\]", "expected one of", verdict=["near"]),
    pair("no rater", "line 2", r"\['rater'\] missing", rater=...),
    pair("a rater of a number", "found 7", "rater is text", rater=7),
    pair("an index in words", "found '3'", "a whole number", tiny_index="3"),
    pair("an index below 0", "found -1", "a whole number", reference=-1),
    pair("an index of NaN", "found nan", "a whole number", tiny_index=float("nan")),
    pair("a time without zone", "found '2026-11-24T12:00:00'", "ISO 8601 in UTC", time="2026-11-24T12:00:00"),
    pair("an empty object", "line 2", "missing; expected", text="{}"),
    pair("one quotation mark for two", "line 2: .*property name", "Expecting", text="{'a': 1}"),
]
KEYWORDS = [
    keywords("an index without keyword", "[1, 2]", '{"cat": [1]}', r"\[2\]", "no keyword for 1"),
    keywords("a list", "[1]", "[1]", "list", "expected"),
    keywords("a number", "[1]", '{"cat": 1}', "int", "expected"),
    keywords("a list of lists", "[[1]]", '{"cat": [[1]]}', "list", "expected"),
]
DENSE = {"class_name": "Dense", "module": "keras.layers", "registered_name": None, "config": {"units": 10}}


def keras_file(*layers: dict, config: object = None, name: str = "config.json", compression: int = zipfile.ZIP_STORED):
    model = {"class_name": "Sequential", "module": "keras", "config": {"layers": [DENSE, *layers]}}

    def spoil(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "m.keras", "w", compression) as archive:
            archive.writestr(name, config if isinstance(config, str | bytes) else json.dumps(config or model))
        return folder / "m.keras"

    return spoil


def layer(name: str, **config: object) -> dict:
    return {"class_name": name, "module": "keras.layers", "registered_name": None, "config": config}


def operation(function: str) -> dict:
    return layer("TFOpLambda", function=function)


def model(name: str, spoil, found: str, expected: str = "package.module:predict", error=ValueError) -> Case:
    return Case(f"model: {name}", spoil, files.check_model_file, found, expected, error)


WHOLE = "expected a .keras file with config.json"
MODELS = [
    model("a Lambda layer", keras_file(layer("Lambda")), "Lambda layer, which is code"),
    model("a Lambda inside a layer", keras_file(layer("TimeDistributed", layer=layer("Lambda"))), "Lambda layer"),
    *(
        model(f"calls {name}", keras_file(operation(name)), f"calls '{name}'")
        for name in (
            "io.write_file",
            "io.read_file",
            "keras.utils.get_file",
            "numpy_function",
            "py_function",
            "data.Dataset",
            "compat.v1.py_func",
            "keras.models.load_model",
            "raw_ops.WriteFile",
            "saved_model.load",
            "",
        )
    ),
    model("a vocabulary file", keras_file(layer("StringLookup", vocabulary="/etc/passwd")), "'/etc/passwd'"),
    model("a module of the user's", keras_file(layer("Mine") | {"module": "my_layers"}), "'my_layers'"),
    model("os.system", keras_file(layer("function") | {"module": "os", "config": "system"}), "from the module 'os'"),
    model(
        "Python's exec", keras_file({"class_name": "function", "module": "builtins", "config": "exec"}), "Python's exec"
    ),
    model("an empty file", write("m.keras", b""), "zip", WHOLE),
    model("a text file", write("m.keras", b"model"), "zip", WHOLE),
    model("no config", keras_file(name="other.json"), "config.json", WHOLE),
    model("a config that is a list", keras_file(config=[1]), "list", WHOLE),
    model("a config that is no JSON", keras_file(config="{"), "Expecting", WHOLE),
    model("a config nested a hundred thousand deep", keras_file(config=DEEP), "recursion", WHOLE),
    model("a config nested 5,000 deep", keras_file(config='{"a":' * 5000 + "1" + "}" * 5000), "recursion", WHOLE),
    model(
        "a config that unpacks to 80 MB",
        keras_file(config=b" " * 80_000_000, compression=zipfile.ZIP_DEFLATED),
        "80000000 bytes",
        WHOLE,
    ),
    model("an h5 file of text", write("m.h5", b"model"), "signature|open", "expected an .h5 file"),
    model("missing", lambda f: f / "m.keras", "no such", "model file", FileNotFoundError),
]
CELL = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "epochs: int = 3  # passes", "outputs": []}


def notebook(name: str, content: object, found: str, expected: str = "expected|not readable as a notebook") -> Case:
    words = content if isinstance(content, str | bytes) else json.dumps({"cells": content})
    return reading(f"notebook: {name}", "05_x.ipynb", words, notebooks.declared_parameters, found, expected)


def cell(source: object) -> list[dict]:
    return [CELL | {"source": source}]


NOTEBOOKS = [
    notebook("empty", "", "Expecting value"),
    notebook("not JSON", "cells", "Expecting value"),
    notebook("no cells", "{}", "cells"),
    notebook("cells of a number", '{"cells": 3}', "int"),
    notebook("cells of words", '{"cells": ["a"]}', "mapping|str"),
    notebook("a cell without source", [{"cell_type": "code"}], "source"),
    notebook("a cell without kind", [{"source": "a"}], "cell_type"),
    notebook("a source of numbers", cell([1]), "int"),
    notebook("tags of a number", [CELL | {"metadata": {"tags": 3}}], "list of tags"),
    notebook("metadata of a list", [CELL | {"metadata": []}], "list of tags"),
    notebook("latin-1", b'{"cells": ["\xe9"]}', "utf-8"),
    notebook("nested deeply", DEEP, "recursion"),
    notebook("a parameter that is computed", cell("n = 2\nm: int = n + 1"), r"m: int = n \+ 1", "NAME: TYPE = LITERAL"),
    notebook("a parameter that is called", cell("import os"), "import os", "NAME: TYPE = LITERAL"),
    notebook("a parameter of os.system", cell("a: str = __import__('os').system('x')"), "system", "LITERAL"),
    notebook("a parameter that is no Python", cell("epochs: int ="), "invalid syntax", "expected Python"),
    notebook("a parameter with a zero byte", cell("a = '\0'"), "null bytes", "expected Python"),
    notebook("a parameter that cannot be a key", cell("a: dict = {[]: 1}"), "{.*: 1}", "LITERAL"),
    notebook("a parameter nested deeply", cell("a = " + "[" * 500), "too many nested|never closed", "expected Python"),
    Case(
        "notebook: missing",
        lambda f: f / "05_x.ipynb",
        lambda p: report.notebook_html(p),
        "not there",
        "notebook",
        FileNotFoundError,
    ),
    reading("notebook: executed and broken", "05.ipynb", "{}", report.notebook_html, "not readable", "notebook"),
]
PROFILE = read_json(steps.PROFILES / "demo.json")


def profile(name: str, content: object, found: str, expected: str) -> Case:
    words = content if isinstance(content, str) else json.dumps(content)
    return reading(
        f"profile: {name}", "mine.json", words, lambda path: steps.load_profile("mine", path.parent), found, expected
    )


PROFILES = [
    profile("a key too few", {k: v for k, v in PROFILE.items() if k != "jobs"}, r"found \[", "the keys .*'jobs'"),
    profile("a key too many", PROFILE | {"joobs": 1}, "'joobs'", "the keys"),
    profile("a list", [1], "found list", "an object with the keys"),
    profile("not JSON", "demo", "Expecting", "JSON"),
    profile("jobs in words", PROFILE | {"jobs": "two"}, "'two'", "a number from 1 on"),
    profile("parameters of a list", PROFILE | {"parameters": []}, r"\[\]", "step -> name -> value"),
    profile("parameters of a step of a list", PROFILE | {"parameters": {"05": [1]}}, r"\[1\]", "step -> name -> value"),
    profile("a workspace of nothing", PROFILE | {"workspace": ""}, "''", "a folder as text"),
    profile("studies of a number", PROFILE | {"studies": 3}, "found 3", "a list of names"),
]


def figure(name: str, entry: object, table: str | None, found: str, expected: str, error=ValueError) -> Case:
    def spoil(folder: Path) -> Path:
        if table is not None:
            write_text(folder / "05-x.csv", table)
        return write_json(folder / "05-x.json", entry)

    return Case(f"figure: {name}", spoil, drawing.read_record, found, expected, error)


BARS = {"title": "t", "plot": "bars", "options": {}}
FIGURES = [
    figure("no title", {"plot": "bars"}, "a\n1\n", "not the file of a figure", "expected title and plot"),
    figure("a list", [1], "a\n1\n", "not the file of a figure", "expected title"),
    figure("no options", {"title": "t", "plot": "bars"}, "a\n1\n", "options", "expected a figure's panels"),
    figure("panels of a number", {"title": "t", "panels": 3}, "panel,a\n0,1\n", "int", "expected a figure's panels"),
    figure(
        "a panel of other columns",
        {"title": "t", "panels": [{"table_columns": ["b"], "plot": "p", "options": {}}]},
        "panel,a\n0,1\n",
        "b",
        "expected a figure's panels",
    ),
    figure("an empty table", BARS, "", "No columns", "expected a figure's panels"),
    Case(
        "figure: no table",
        lambda f: write_json(f / "05-x.json", BARS) and f / "05-x.csv",
        lambda path: drawing.read_record(path.with_suffix(".json")),
        "not here",
        "is drawn from it",
        FileNotFoundError,
    ),
    Case(
        "figure: a name that leaves the folder",
        None,
        lambda f: drawing.check_name("../05-x"),
        "'../05-x'",
        "two digits",
    ),
    Case("figure: a name in capitals", None, lambda f: drawing.check_name("05-X"), "'05-X'", "two digits"),
]


def run_folder(name: str, file: str, content: object, read, found: str, expected: str, error=ValueError) -> Case:
    def spoil(folder: Path) -> Path:
        write_json(folder / "config.json", {"config": TrainConfig().to_dict()})
        words = content if isinstance(content, str | bytes) else json.dumps(content)
        return write_bytes(folder / file, words.encode() if isinstance(words, str) else words)

    return Case(f"run: {name}", spoil, lambda path: read(runs.read_run(path.parent)), found, expected, error)


RUNS = [
    run_folder("a config of a list", "config.json", [1], id, r"\[1\]", "an object with a config"),
    run_folder("a config cut off", "config.json", "{", id, "Expecting", "JSON"),
    run_folder("a config of other fields", "config.json", {"config": {"mood": 1}}, id, "'mood'", "it has"),
    run_folder("a config of 0 epochs", "config.json", {"config": {"epochs": 0}}, id, "found 0", "at least 1"),
    run_folder("metrics of a list", "metrics.json", [1], lambda run: run.metrics, "list", "an object"),
    run_folder("metrics cut off", "metrics.json", "{", lambda run: run.metrics, "Expecting", "JSON"),
    run_folder("a history of other columns", "history.csv", "a,b\n", lambda run: run.history, "epoch", "missing"),
    run_folder("a history of nothing", "history.csv", "", lambda run: run.history, "No columns", "not readable"),
    Case("run: no config", lambda f: f, runs.read_run, "no config.json", "training run", FileNotFoundError),
    Case(
        "summary: a list",
        lambda f: write_json(f / "results" / "summary.json", [1]),
        lambda path: folders.read_summary(Workspace(path.parents[1])),
        "found list",
        "a JSON object of sections",
    ),
    Case(
        "summary: cut off",
        lambda f: write_text(f / "results" / "summary.json", "{"),
        lambda path: folders.update_summary(Workspace(path.parents[1]), "a", {"b": 1}),
        "Expecting",
        "JSON",
    ),
    Case(
        "summary: a section of a list",
        None,
        lambda f: folders.update_summary(Workspace(f), "a", [1]),
        "found list",
        "dict",
    ),
    reading(
        "keywords: a decision without its column",
        "d.csv",
        "keyword,image_goes_to\n",
        tables.classes_of_keywords,
        "classes",
        "missing",
    ),
]


def archive(name: str, make, members: dict[str, str], found: str, expected: str) -> Case:
    def spoil(folder: Path) -> Path:
        path = folder / ("a.zip" if make in (zip_of, zip_text) else "a.tar.gz")
        make(path)
        return path

    return Case(
        f"archive: {name}",
        spoil,
        lambda path: downloads.unpack_archive(path, path.parent / "out", members),
        found,
        expected,
    )


def tar_of(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


def zip_of(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("a", b"a")
        with bundle.open("large", "w") as file:
            for _ in range(300):
                file.write(bytes(1 << 20))


def zip_text(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and no more")


ARCHIVES = [
    archive("a member is missing", tar_of, {"b": ""}, r"\['b'\]", "are not in it"),
    archive("a link", tar_of, {"link": ""}, "link is a link", "expected a plain file"),
    archive("another checksum", tar_of, {"a": "md5:0"}, "has md5:d41d8", "expected md5:0"),
    archive(
        "a tar of text", lambda path: path.write_bytes(b"tar" * 200), {"a": ""}, "cannot be unpacked", "tar|file|open"
    ),
    archive("a zip of text", zip_text, {"a": ""}, "cannot be unpacked", "zip"),
    archive("a member of 300 MB in 300 kB", zip_of, {"large": ""}, "large is larger", "than 268435456 bytes"),
]
CASES = [
    *JSON,
    *TABLES,
    *INDICES,
    *VOTES,
    *PREDICTIONS,
    *PAIR_VERDICTS,
    *KEYWORDS,
    *MODELS,
    *NOTEBOOKS,
    *PROFILES,
    *FIGURES,
    *RUNS,
]


@pytest.mark.parametrize("case", [*CASES, *ARCHIVES], ids=str)
def test_a_bad_table_or_text_is_refused_by_name(case: Case, tmp_path: Path, counts: Counter) -> None:
    check(case, tmp_path)
    counts["bad_inputs"] += 1


GOOD_XML = labelimg._xml("cat", "tabby", "tabby_s_000001.png", "yes").decode()
BOMB = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "ha" * 10}">' for k in range(9))
XML = {
    "empty": ("", "does not parse"),
    "cut off": (GOOD_XML[:90], "does not parse"),
    "text": ("a cat", "does not parse"),
    "latin-1 called UTF-8": (GOOD_XML.replace("tabby", "caf\xe9").encode("latin-1"), "does not parse"),
    "an unknown encoding": ('<?xml version="1.0" encoding="ebcdic-9"?>' + GOOD_XML, "does not parse"),
    "entities that grow": (f"<!DOCTYPE a [{BOMB}]>" + GOOD_XML.replace("tabby<", "&e8;<"), "DTDForbidden"),
    "a file as entity": ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + GOOD_XML, "DTDForbidden"),
    "a document type": ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">' + GOOD_XML, "DTDForbidden"),
    "no path": ("<annotation/>", "does not end in"),
    "a path outside": (GOOD_XML.replace("cat/tabby/", "cat/../"), "points outside"),
    "a path of one word": (GOOD_XML.replace("cat/tabby/", ""), "does not end in"),
    "an unknown class": (GOOD_XML.replace("cat/tabby/", "lion/tabby/"), "'lion', which is none of"),
    "a keyword of a web page": (GOOD_XML.replace("cat/tabby/", "cat/&lt;script&gt;/"), "not a name that a file"),
    "a keyword of control characters": (GOOD_XML.replace("cat/tabby/", "cat/a&#9;b/"), "not a name that a file"),
    "another object": (GOOD_XML.replace("<name>cat", "<name>lion"), "named 'lion'"),
    "two verdicts": (GOOD_XML.replace("</annotation>", "<object><name>dog</name></object></annotation>"), "contradict"),
    "two megabytes": (GOOD_XML.replace("</annotation>", " " * (2 << 20) + "</annotation>"), "at most 1048576"),
    "nested ten thousand deep": ("<a>" * 10_000 + "</a>" * 10_000, "does not end in|does not parse"),
}


@pytest.mark.parametrize("name", XML)
def test_a_bad_annotation_is_refused_by_name_and_the_good_one_beside_it_is_read(
    name: str, tmp_path: Path, counts: Counter
) -> None:
    content, reason = XML[name]
    write_text(tmp_path / "good.xml", GOOD_XML)
    write_bytes(tmp_path / "sub" / "bad.xml", content if isinstance(content, bytes) else content.encode())
    before = contents(tmp_path)
    rows, refused = labelimg.read_labelimg(tmp_path)
    assert rows["file"].tolist() == ["good.xml"]
    assert [refusal.file for refusal in refused] == ["sub/bad.xml"]
    assert reason in refused[0].reason or any(part in refused[0].reason for part in reason.split("|"))
    assert contents(tmp_path) == before
    counts["bad_inputs"] += 1


STEP = Step("05_x", None, Files(leaves=("built/a.txt",)))
BROKEN_STAMPS = {
    "cut off": b"{",
    "a list": b"[]",
    "no inputs": json.dumps({"source": "", "modules": {}, "parameters": {}, "outputs": {}}).encode(),
    "modules of a number": json.dumps(
        {"source": "", "modules": 3, "parameters": {}, "inputs": {}, "outputs": {}}
    ).encode(),
    "an output without hash": json.dumps(
        {"source": "", "modules": {}, "parameters": {}, "inputs": {}, "outputs": {"a": {"size": 1}}}
    ).encode(),
    "an output of text": json.dumps(
        {"source": "", "modules": {}, "parameters": {}, "inputs": {}, "outputs": {"a": "b"}}
    ).encode(),
    "latin-1": b'{"a": "\xe9"}',
    "a pickle": pickle.dumps({}),
}


@pytest.mark.parametrize("name", BROKEN_STAMPS)
def test_a_step_with_a_broken_stamp_has_not_finished(name: str, tmp_path: Path, counts: Counter) -> None:
    workspace = Workspace(tmp_path)
    write_bytes(stamps.path_of(STEP, workspace), BROKEN_STAMPS[name])
    assert stamps.stale_reasons(STEP, workspace) == ["it has not finished in this workspace"]
    assert stamps.known_files(workspace) == {}
    counts["bad_inputs"] += 1


def test_a_good_notebook_still_declares_its_parameters(tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.from_dict(CELL | {"execution_count": None, "id": "a"})])
    nbformat.write(book, tmp_path / "05_x.ipynb")
    assert notebooks.declared_parameters(tmp_path / "05_x.ipynb")["epochs"].default == 3
