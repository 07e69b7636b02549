"""From a source to its answers: batches, other sizes, other numbers of classes, and what is refused with advice."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import inputs, sources
from cifar102.workspace.folders import REPOSITORY


@pytest.fixture
def sets(rng: np.random.Generator) -> dict[str, TestSet]:
    """Two sets of images whose mean brightness tells their class, and one of labels alone."""
    labels = np.arange(50) % 10
    images = np.broadcast_to((25 * labels + 12)[:, None, None, None], (50, 32, 32, 3)).astype(np.uint8)
    alone = TestSet("v6", labels[:30], None, missing="no images")
    return {"a": TestSet("a", labels, images), "b": TestSet("b", labels[:20], images[:20]), "v6": alone}


def by_brightness(images: np.ndarray) -> np.ndarray:
    return (images.mean(axis=(1, 2, 3)) // 25).astype(int)


def test_a_function_is_asked_in_batches_for_every_set_with_images(sets: dict[str, TestSet]) -> None:
    asked = []
    answers = sources.answers_of(lambda images: (asked.append(len(images)), by_brightness(images))[1], sets, batch=20)
    assert asked == [20, 20, 10, 20] and list(answers.predictions) == ["a", "b"]
    assert all((answers.predictions[name].class_ids == sets[name].labels).all() for name in ("a", "b"))
    assert answers.notes == () and answers.digest == ""


def test_logits_of_a_function_are_softmaxed_and_said(sets: dict[str, TestSet]) -> None:
    answers = sources.answers_of(lambda images: 5 * np.eye(10)[by_brightness(images)] - 2, sets, name="mine")
    assert answers.name == "mine" and "logits" in answers.notes[0]
    np.testing.assert_allclose(answers.predictions["a"].probabilities.sum(axis=1), 1)


def test_a_thousand_classes_are_not_guessed(sets: dict[str, TestSet]) -> None:
    with pytest.raises(ValueError, match=r"found shape \(50, 1000\).*not guessed"):
        sources.answers_of(lambda images: np.zeros((len(images), 1000)), sets)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.pt", r"net\.pt: weights of PyTorch(?s:.*)def predict\(images\)"),
        ("net.safetensors", "weights of PyTorch"),
        ("model.pkl", "a pickle can run anything and is not opened; give the model as a function"),
        ("net.tflite", "TensorFlow Lite is not read here"),
        ("nowhere.keras", r"nowhere\.keras: no such model file"),
        ("nowhere.onnx", r"nowhere\.onnx: no such model file"),
        ("no words:x", "no such file or folder, and no package.module:name"),
    ],
)
def test_what_cannot_be_run_is_refused_with_what_to_do(sets, name: str, message: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        sources.answers_of(name, sets)


def test_options_out_of_range_are_named(sets: dict[str, TestSet]) -> None:
    with pytest.raises(ValueError, match=r"pixels: expected one of auto, raw, unit.*found 'odd'"):
        sources.answers_of(by_brightness, sets, pixels="odd")
    with pytest.raises(ValueError, match="batch: expected 1 or more images, found 0"):
        sources.answers_of(by_brightness, sets, batch=0)
    with pytest.raises(FileNotFoundError, match=r"no images of \['v6'\] are here"):
        sources.answers_of(by_brightness, {"v6": sets["v6"]})


@pytest.mark.slow
@pytest.mark.parametrize("size", [(32, 32, 3), (None, None, 3), (16, 16, 3), (48, 48, 3), (3072,)], ids=str)
def test_a_keras_model_gets_images_of_its_size_and_the_right_range(sets, size: tuple, tmp_path) -> None:
    """Rescaling is inside, yet the network was made for 0-1 pixels, and it gets every image right so."""
    keras = pytest.importorskip("tensorflow").keras
    taken = keras.Input(size)
    x = keras.layers.Flatten()(taken) if None not in size else taken
    x = keras.layers.Rescaling(25.5)(x)  # 0-1 pixels to 0-25.5, and about 2.5 a class
    x = keras.layers.Reshape((-1, 1))(x) if None not in size else x
    mean = (keras.layers.GlobalAveragePooling1D if None not in size else keras.layers.GlobalAveragePooling2D)()(x)
    head = keras.layers.Dense(10)
    logits = head(mean)
    # -(m - c)^2 is, but for a term of m alone, the line 2 c m - c^2.
    centres = np.float32(2.5 * np.arange(10) + 1.2)
    head.set_weights([np.tile(2 * centres, (mean.shape[-1], 1)) / mean.shape[-1], -(centres**2)])
    keras.Model(taken, logits).save(tmp_path / "mine.keras")
    answers = sources.answers_of(tmp_path / "mine.keras", sets, batch=30)
    assert all((answers.predictions[name].class_ids == sets[name].labels).all() for name in ("a", "b")), answers.notes
    assert any("pixels given as 0-1" in note and "100.0%" in note for note in answers.notes)
    assert any("resized" in note for note in answers.notes) is (size[0] in (16, 48))
    assert answers.name == "mine" and len(answers.digest) == 64


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["preprocess_input", "normalization_of_unit", "normalization_of_raw"])
def test_pixels_that_a_layer_inside_scales_are_found_by_trying(sets, kind: str, tmp_path) -> None:
    """mobilenet_v2.preprocess_input takes 0-255; a Normalization takes what it was fitted to; the file says neither."""
    keras = pytest.importorskip("tensorflow").keras
    taken, pixels = keras.Input((32, 32, 3)), sets["a"].images.astype(np.float32)
    if kind == "preprocess_input":
        x, shades = keras.applications.mobilenet_v2.preprocess_input(taken), pixels / 127.5 - 1
    else:
        layer = keras.layers.Normalization()
        given = pixels / 255 if kind == "normalization_of_unit" else pixels
        layer.adapt(given)
        x, shades = layer(taken), np.asarray(layer(given))
    head = keras.layers.Dense(10)
    logits = head(keras.layers.GlobalAveragePooling2D()(x))
    centres = shades.mean(axis=(1, 2, 3))[:10]
    head.set_weights([np.tile(200 * centres, (3, 1)), -300 * centres**2])
    keras.Model(taken, logits).save(tmp_path / "mine.keras")
    answers = sources.answers_of(tmp_path / "mine.keras", sets, batch=30)
    assert all((answers.predictions[name].class_ids == sets[name].labels).all() for name in ("a", "b")), answers.notes
    wanted = "0-1" if kind == "normalization_of_unit" else "0-255"
    assert any(f"pixels given as {wanted}" in note and "100.0%" in note for note in answers.notes), answers.notes


@pytest.mark.slow
def test_a_keras_model_of_a_thousand_classes_is_refused_before_it_runs(sets, tmp_path) -> None:
    keras = pytest.importorskip("tensorflow").keras
    taken = keras.Input((32, 32, 3))
    x = keras.layers.Dense(1000)(keras.layers.GlobalAveragePooling2D()(taken))
    keras.Model(taken, x).save(tmp_path / "big.keras")
    with pytest.raises(ValueError, match=r"big\.keras: gives .*1000.* ten of a thousand classes are not guessed"):
        sources.answers_of(tmp_path / "big.keras", sets)


@pytest.mark.slow
def test_a_keras_model_as_an_object_is_asked_like_its_file(sets, tmp_path) -> None:
    keras = pytest.importorskip("tensorflow").keras
    taken = keras.Input((32, 32, 3))
    model = keras.Model(taken, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(taken)))
    model.save(tmp_path / "m.keras")
    both = [sources.answers_of(source, sets, pixels="unit") for source in (model, tmp_path / "m.keras")]
    np.testing.assert_allclose(*(each.predictions["a"].probabilities for each in both), atol=1e-5)


def test_a_fixed_batch_is_filled_up_and_cut(sets: dict[str, TestSet]) -> None:
    asked = []

    def predict(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return (x.mean(axis=(1, 2, 3)) // 25).astype(int)

    form = inputs.Form((32, 32), batch=8)
    model = sources.Model("m", "m.onnx", predict, form, tuple(inputs.readings(form, "raw")))
    answers = sources._ask(model, sets, 500, None)
    assert set(asked) == {8} and (answers.predictions["b"].class_ids == sets["b"].labels).all()


def test_a_normalization_beside_a_model_brings_no_lines_of_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "normalization.json").write_text('{"kind": "unit"}')
    code = "import sys; from pathlib import Path; from cifar102.evaluation import sources\n"
    code += "sources._normalization(Path(sys.argv[1])).apply(__import__('numpy').zeros((1, 32, 32, 3)))"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    words = [sys.executable, "-c", code, str(tmp_path / "normalization.json")]
    done = subprocess.run(words, env=environment | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
