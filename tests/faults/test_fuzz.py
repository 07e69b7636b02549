"""Fuzzing: whatever bytes a reader is given, it reads them or refuses them in the documented way, and soon.

Bytes are good files that were changed at random places, and made up ones. How many were read is counted call by call.
"""

import ast
import csv
import json
import pickle
import random
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar102 import cifar
from cifar102.analysis.scorecard import TestSet
from cifar102.annotations import labelimg, votes
from cifar102.evaluation import prediction_tables
from cifar102.figures import drawing
from cifar102.models import files
from cifar102.sampling import cifar101
from cifar102.tiny_images import pair
from cifar102.workflow import execution, notebooks, stamps, steps
from cifar102.workflow.steps import Files, Step
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json, read_table
from cifar102.workspace.folders import Workspace
from tests.faults.test_bad_files import GOOD_NPY, GOOD_NPZ, batch_bytes, npy, npz
from tests.faults.test_bad_tables import CELL, GOOD_XML, PROFILE

pytestmark = pytest.mark.faults
SECONDS = 5.0  # of processor time: no file of a few thousand bytes may take longer
FEW = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
BATCH = batch_bytes(labels=[1, 2], data=cifar.images_to_rows(FEW), filenames=["a_s_000001.png", "b_s_000002.png"])
FIELDS = {"batch_label": "b", "labels": [1, 2], "filenames": ["a_s_000001.png", "b_s_000002.png"]}


def fuzz(examples: int) -> Callable:
    """A test of `examples` examples that are the same in each run."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def change(content: bytes, number: int) -> bytes:
    """A good file, a few bytes set to others, and perhaps a piece cut out, doubled or put in, or the end cut off."""
    rng, changed = random.Random(number), bytearray(content)
    for _ in range(rng.choice((0, 1, 1, 2, 4, 8))):
        changed[rng.randrange(max(len(changed), 1))] = rng.choice((rng.randrange(256), *b"\0\xff.[]{}(),:'0123456789"))
    first, length = rng.randrange(len(changed) + 1), rng.randrange(64)
    how = rng.choice(("nothing", "cut out", "doubled", "put in", "cut off"))
    if how == "cut out":
        del changed[first : first + length]
    elif how == "doubled":
        changed[first:first] = changed[first : first + length]
    elif how == "put in":
        changed[first:first] = rng.randbytes(length)
    elif how == "cut off":
        del changed[first:]
    return bytes(changed)


def changed(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good files, each changed in its own way; one number says how, so that a finding can be made again."""
    return st.builds(change, st.sampled_from([seed for seed in seeds if seed]), st.integers(0, 2**48))


def refuses_or_reads(read: Callable[[Path], object], path: Path, content: bytes, counts: Counter) -> object:
    """Read the bytes: a value, or a ValueError or FileNotFoundError that names the file, within a few seconds."""
    path.write_bytes(content)
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = read(path)
    except (ValueError, FileNotFoundError) as error:
        value = None
        assert path.name in str(error), f"does not name the file: {error!r}"
    assert time.process_time() - start < SECONDS
    counts["fuzz_examples"] += 1
    return value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@fuzz(15_000)
@given(
    content=changed([BATCH, pickle.dumps(FIELDS), pickle.dumps(FIELDS, 0), pickle.dumps(FIELDS, 2)])
    | st.binary(max_size=200)
)
def test_batches(folder: Path, counts: Counter, content: bytes) -> None:
    found = refuses_or_reads(cifar.read_batch, folder / "data_batch_1", content, counts)
    if found is not None:
        assert found.images.dtype == np.uint8 and found.images.shape == (len(found.labels), 32, 32, 3)
        assert len(found.filenames) in (0, len(found.labels))  # a batch without the key is read


@fuzz(10_000)
@given(
    content=changed([pickle.dumps({"a": [1, {"b": (2, "x", b"y", None, 1.5)}]}, p) for p in range(5)])
    | st.binary(max_size=99)
)
def test_pickles(folder: Path, counts: Counter, content: bytes) -> None:
    found = refuses_or_reads(arrays.read_batch_pickle, folder / "batches.meta", content, counts)
    assert found is None or isinstance(found, dict)


OBJECTS = np.array([{"images": FEW, "labels": [1, 2], "keywords": np.array(["a", "b"])}], object)
ARRAYS = [npy(FEW), npy(OBJECTS), npy(np.arange(5.0)), npy(np.array(["a", "bc"])), npy(FEW, (2, 0)), GOOD_NPY[:300]]


@fuzz(15_000)
@given(content=changed(ARRAYS) | st.binary(max_size=200))
def test_arrays(folder: Path, counts: Counter, content: bytes) -> None:
    refuses_or_reads(arrays.read_npy, folder / "a.npy", content, counts)


@fuzz(5_000)
@given(content=changed(ARRAYS))
def test_mapped_arrays(folder: Path, counts: Counter, content: bytes) -> None:
    found = refuses_or_reads(arrays.open_npy, folder / "mapped.npy", content, counts)
    assert found is None or isinstance(found, np.ndarray)


@fuzz(10_000)
@given(
    content=changed([npz(images=FEW, labels=np.arange(2)), npz(a=OBJECTS), GOOD_NPZ[-900:]]) | st.binary(max_size=200)
)
def test_archives_of_arrays(folder: Path, counts: Counter, content: bytes) -> None:
    found = refuses_or_reads(arrays.read_npz, folder / "a.npz", content, counts)
    assert found is None or isinstance(found, dict)


@fuzz(8_000)
@given(content=changed([GOOD_XML.encode()]) | st.binary(max_size=200))
def test_annotations(folder: Path, counts: Counter, content: bytes) -> None:
    home = folder / "xml"
    home.mkdir(exist_ok=True)
    (home / "a.xml").write_bytes(content)
    rows, refused = labelimg.read_labelimg(home)
    assert len(rows) + len(refused) == 1
    if len(rows):
        class_name, keyword, filename = rows.loc[0, ["class_name", "keyword", "filename"]]
        assert class_name in cifar.CLASS_NAMES and rows.loc[0, "verdict"] in votes.VERDICTS
        assert (home / class_name / keyword / filename).resolve().is_relative_to(home.resolve())
    counts["fuzz_examples"] += 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
JSON_READERS = {
    "a.json": read_json,
    "good.json": cifar101.read_good_indices,
    "blacklist.json": cifar101.read_blacklist,
    "p.json": lambda path: prediction_tables.predictions_of(path, {"cifar10": TestSet("cifar10", np.arange(3))}),
    "05-x.json": drawing.read_record,
    "mine.json": lambda path: steps.load_profile("mine", path.parent),
    "x.ipynb": notebooks.declared_parameters,
}
JSON_SEEDS = [
    json.dumps(value).encode()
    for value in (
        PROFILE,
        {"cat": [1, 2], "dog": []},
        [0, 1, 2],
        [[0.5] * 2, [0.1, 0.9]],
        {"cifar10": {"predictions": [1, 2, 3]}, "pred": {"0": 1}},
        [{"label": "cat", "score": 0.5}] * 3,
        {"columns": ["id", "pred"], "data": [[0, 1], [1, 2]]},
        {"title": "t", "plot": "bars", "options": {"x": "a"}},
        {"title": "t", "panels": [{"plot": "bars", "options": {}, "table_columns": ["a"]}]},
        {"cells": [CELL]},
    )
]


@fuzz(14_000)
@given(
    name=st.sampled_from(sorted(JSON_READERS)),
    content=changed(JSON_SEEDS) | VALUES.map(lambda value: json.dumps(value).encode()),
)
def test_json(folder: Path, counts: Counter, name: str, content: bytes) -> None:
    (folder / "05-x.csv").write_text("panel,a\n0,1\n")
    refuses_or_reads(JSON_READERS[name], folder / name, content, counts)


STAMP = {"source": "a", "modules": {"b": "c"}, "parameters": {"d": 1}, "inputs": {}, "outputs": {"e": {"sha256": "f"}}}


@fuzz(4_000)
@given(
    content=changed([json.dumps(STAMP).encode()])
    | st.fixed_dictionaries(dict.fromkeys(STAMP, VALUES)).map(lambda value: json.dumps(value).encode())
)
def test_stamps(folder: Path, counts: Counter, content: bytes) -> None:
    workspace, step = Workspace(folder / "stamps"), Step("05_x", None, Files(leaves=("built/a.txt",)))
    stamps.path_of(step, workspace).parent.mkdir(parents=True, exist_ok=True)
    stamps.path_of(step, workspace).write_bytes(content)
    assert stamps.stale_reasons(step, workspace)
    stamps.known_files(workspace)
    counts["fuzz_examples"] += 1


VOTE = {"tiny_index": 3, "keyword": "tabby", "class": "cat", "rater": "anna", "verdict": "yes"}
VOTE["time"] = "2026-11-24T12:00:00Z"
LINE = json.dumps(VOTE).encode() + b"\n"


@fuzz(6_000)
@given(
    content=changed([LINE * 3, LINE[:-9] + LINE])
    | st.fixed_dictionaries(dict.fromkeys(VOTE, VALUES)).map(lambda value: json.dumps(value).encode())
)
def test_logs_of_votes(folder: Path, counts: Counter, content: bytes) -> None:
    (folder / "votes.jsonl").write_bytes(content)
    log = votes.VoteLog(folder / "votes.jsonl")
    table, refused = log.table(all=True), log.refused()
    assert len(table) + len(refused) == sum(bool(line.strip()) for line in content.split(b"\n"))
    assert (folder / "votes.jsonl").read_bytes() == content, "reading never changes the log"
    with votes.write_votes_csv(folder / "votes.csv", table).open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(table)
    counts["fuzz_examples"] += 1


CSV_SEEDS = [b"1\n2\n3\n", b"id;pred\n1;cat\n2;3\n", b"0.1," * 9 + b"0.1\n", b"f.png\t1\t0,5\n" * 3]


@fuzz(4_000)
@given(content=changed(CSV_SEEDS) | st.binary(max_size=99))
def test_predictions_as_csv(folder: Path, counts: Counter, content: bytes) -> None:
    sets = {"cifar10": TestSet("cifar10", np.arange(3)), "cifar10.1-v4": TestSet("cifar10.1-v4", np.arange(2))}
    found = refuses_or_reads(
        lambda path: prediction_tables.predictions_of(path, sets), folder / "p.csv", content, counts
    )
    assert found is None or all(set(said.class_ids) <= set(range(10)) for said in found.predictions.values())


@fuzz(3_000)
@given(data=st.data())
def test_tables(folder: Path, counts: Counter, data: st.DataObject) -> None:
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}).to_parquet(folder / "good.parquet")
    name = data.draw(st.sampled_from(("t.csv", "t.parquet")))
    seeds = [b"a,b\n1,x\n2,\n"] if name == "t.csv" else [(folder / "good.parquet").read_bytes()]
    refuses_or_reads(lambda path: read_table(path, ("a",)), folder / name, data.draw(changed(seeds)), counts)


@fuzz(8_000)
@given(data=st.data())
def test_tiny_images(folder: Path, counts: Counter, data: st.DataObject) -> None:
    home = folder / "tiny"
    if not home.exists():
        table = pd.DataFrame({"keyword": ["cat", "dog"], "filename": ["a_s_000001.png", "b_s_000002.png"]})
        pair.write_tiny_images(home, FEW, table)
        (home / "good").write_bytes((home / "tiny_metadata.bin").read_bytes())
    content = data.draw(changed([(home / "good").read_bytes()]))

    def read(path: Path) -> object:
        with pair.TinyImages(path.parent) as opened:
            for keyword in opened.keywords():
                opened.keyword_range(keyword)
            return opened.metadata(range(len(opened)))

    refuses_or_reads(read, home / "tiny_metadata.bin", content, counts)


MODEL = {
    "class_name": "Sequential",
    "module": "keras",
    "config": {"layers": [{"class_name": "Dense", "module": "keras.layers", "config": {"units": 10}}]},
}


@fuzz(4_000)
@given(content=changed([json.dumps(MODEL).encode()]) | VALUES.map(lambda value: json.dumps({"config": value}).encode()))
def test_model_files(folder: Path, counts: Counter, content: bytes) -> None:
    def read(path: Path) -> object:
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", content)
        return files.check_model_file(path)

    refuses_or_reads(read, folder / "m.keras", b"", counts)


SOURCES = (
    "epochs: int = 3  # passes\nrate: float = 0.1  # a rate\nname: str = 'a'\nsizes: tuple[int, ...] = (1, 2)\n",
)


@fuzz(6_000)
@given(content=changed([text.encode() for text in SOURCES]), value=st.text(max_size=30))
def test_notebook_parameters(folder: Path, counts: Counter, content: bytes, value: str) -> None:
    book = {"cells": [CELL | {"source": content.decode("latin-1")}]}
    declared = refuses_or_reads(notebooks.declared_parameters, folder / "05_x.ipynb", json.dumps(book).encode(), counts)
    for parameter in (declared or {}).values():
        try:
            given_value = steps.parse_override(f"{parameter.name}={value}").value_for(parameter, "05_x")
        except ValueError as error:
            assert parameter.name in str(error) or "expected NAME=VALUE" in str(error)
            continue
        assert parameter.accepts(given_value)


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@fuzz(4_000)
@given(value=LITERALS)
def test_values_reach_a_notebook_as_they_are(counts: Counter, value: object) -> None:
    (line,) = ast.parse(f"name = {execution.LiteralTranslator.translate(value)}").body
    assert ast.literal_eval(line.value) == value
    counts["fuzz_examples"] += 1


@fuzz(4_000)
@given(text=st.text(max_size=60))
def test_overrides(counts: Counter, text: str) -> None:
    parameters = [
        notebooks.Parameter("n", kind, None)
        for kind in ("int", "float", "str", "bool", "tuple[int, ...] | None", "dict")
    ]
    try:
        override = steps.parse_override(text)
    except ValueError as error:
        assert "expected NAME=VALUE" in str(error)
        override = steps.Override("", "n", text)
    for parameter in parameters:
        try:
            assert parameter.accepts(override.value_for(parameter, "05_x"))
        except ValueError as error:
            assert "declares n" in str(error)
    counts["fuzz_examples"] += 1


def test_at_least_a_hundred_thousand_files_were_read(counts: Counter, request: pytest.FixtureRequest) -> None:
    asked = [item for item in request.session.items if item.path == request.path]
    if len(asked) < 18:
        pytest.skip("only some of the readers were fuzzed")
    assert counts["fuzz_examples"] >= 100_000
