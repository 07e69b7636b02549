"""ONNX files as exporters leave them, run by onnxruntime in the contained process."""

from pathlib import Path

import numpy as np
import pytest
from scipy import special

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import contained, onnx_models, sources

FILES = Path(__file__).parent / "onnx_files"


@pytest.fixture
def sets() -> dict[str, TestSet]:
    images, logits = np.load(FILES / "images.npy"), np.load(FILES / "logits.npy")
    return {"cifar10": TestSet("cifar10", logits.argmax(axis=1), images)}


@pytest.mark.parametrize("name", ["free", "four-at-a-time", "float16"])
def test_answers_are_those_of_pytorch_itself(name: str, sets: dict[str, TestSet]) -> None:
    pytest.importorskip("onnxruntime")
    answers = sources.answers_of(FILES / f"{name}.onnx", sets, pixels="unit")
    expected = special.softmax(np.load(FILES / "logits.npy").astype(float), axis=1)
    atol = 2e-3 if name == "float16" else 1e-6
    np.testing.assert_allclose(answers.predictions["cifar10"].probabilities, expected, atol=atol)
    assert f"{name}.onnx: pixels given as 0-1" in answers.notes


def test_bytes_are_given_as_they_are_and_nothing_is_tried(sets: dict[str, TestSet]) -> None:
    pytest.importorskip("onnxruntime")
    model = contained.ContainedModel(FILES / "bytes.onnx")
    assert (model.shape, model.dtype, model.outputs) == ([None, 32, 32, 3], "uint8", {"scores": [None, 10]})
    images = sets["cifar10"].images
    np.testing.assert_allclose(model.predict(images)[:, 4], images.mean(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("in-two-files", r"keeps its weights in another file; expected all in one"),
        ("own-operator", r"onnxruntime cannot open it: .*somebody\.else"),
        ("thousand", r"ten of a thousand classes are not guessed"),
    ],
)
def test_what_is_not_run_is_refused_by_file_and_reason(name: str, message: str, sets: dict[str, TestSet]) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match=rf"{name}\.onnx: .*{message}"):
        sources.answers_of(FILES / f"{name}.onnx", sets)


def test_a_damaged_file_is_one_sentence(tmp_path: Path, sets: dict[str, TestSet]) -> None:
    pytest.importorskip("onnxruntime")
    for content in (b"", b"text", (FILES / "free.onnx").read_bytes()[:900]):
        (tmp_path / "cut.onnx").write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.onnx: ") as found:
            sources.answers_of(tmp_path / "cut.onnx", sets)
        assert "\n" not in str(found.value)


def test_where_onnxruntime_is_absent_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r'pip install "cifar102\[onnx\]"'):
        onnx_models.open_onnx(b"")
