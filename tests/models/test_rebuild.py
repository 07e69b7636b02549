"""Models as users have them open with the outputs they had in memory; nested ones of Keras 3 too, without a loop."""

import re
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

from cifar102.models import files, registry
from cifar102.workspace.folders import REPOSITORY
from tests.models import corpus

CASES = REPOSITORY.parent / "shared" / "cases" / "keras3"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in corpus.LARGE else name for name in corpus.MODELS]
)
def test_a_saved_model_gives_the_outputs_it_had_in_memory(name: str, tmp_path: Path) -> None:
    model = corpus.build(name)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        opened = registry.load_model(tmp_path / f"model{suffix}")
        np.testing.assert_allclose(corpus.outputs(opened), corpus.outputs(model), atol=1e-5, err_msg=suffix)
    assert len(opened.get_weights()) == len(model.get_weights())


@pytest.mark.parametrize("name", ["arithmetic", "functions", "nested_sequential_2", "hard_sigmoid"])
def test_what_was_opened_can_be_saved_and_opened_again(name: str, tmp_path: Path) -> None:
    model = corpus.build(name)
    model.save(tmp_path / "model.keras")
    files.load_keras_file(tmp_path / "model.keras").save(tmp_path / "again.keras")
    again = files.load_keras_file(tmp_path / "again.keras")
    np.testing.assert_allclose(corpus.outputs(again), corpus.outputs(model), atol=1e-5)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "keras_files").glob("corpus-*.npy")), ids=lambda p: p.stem
)
def test_a_file_of_either_keras_gives_its_outputs(path: Path) -> None:
    for suffix in (".keras", ".h5"):
        if path.with_suffix(suffix).exists():
            opened = files.load_keras_file(path.with_suffix(suffix))
            np.testing.assert_allclose(corpus.outputs(opened), np.load(path), atol=1e-5, err_msg=suffix)


@pytest.mark.skipif(not CASES.is_dir(), reason="../shared is not here")
def test_a_nested_model_of_keras_3_opens_and_does_not_loop() -> None:
    model = files.load_keras_file(CASES / "n_once.keras")
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(images, verbose=0), np.load(CASES / "n_once.npy"), atol=1e-5)


def test_the_page_of_model_files_names_every_model_and_all_of_them_open_on_both_stacks() -> None:
    page = (REPOSITORY / "docs" / "model_files.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+) \| ([^`\n]*) \| [^|\n]* \|$", page, re.MULTILINE))
    assert sorted(rows) == sorted(corpus.MODELS)
    for name, cells in rows.items():
        assert len(cells.split(" | ")) == 4
        assert all(cell == "both" or ("main" in cell and "next" in cell) for cell in cells.split(" | ")), name


def test_keras_reads_no_part_of_a_file(tmp_path: Path, monkeypatch) -> None:
    corpus.build("nested_functional_2").save(tmp_path / "m.keras")

    def refuse(*arguments: object, **keywords: object) -> None:
        raise AssertionError("a reader of Keras was called")

    monkeypatch.setattr(keras.models, "load_model", refuse)
    monkeypatch.setattr(keras.utils, "deserialize_keras_object", refuse)
    for kind in (keras.layers.Conv2D, keras.Model, keras.Sequential, keras.layers.Layer):
        monkeypatch.setattr(kind, "from_config", refuse)
    files.load_keras_file(tmp_path / "m.keras")
