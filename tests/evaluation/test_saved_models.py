"""SavedModel folders: what networks are made of runs in the contained process; a graph that does more is refused."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import contained, saved_models, sources

pytestmark = pytest.mark.slow
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def export(folder: Path, function: object, dtype: str = "float32", **kept: object) -> Path:
    """Write a SavedModel whose one signature is the function of images."""
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    for name, value in kept.items():
        setattr(module, name, value)
    module.predict = tf.function(function, input_signature=[tf.TensorSpec((None, 32, 32, 3), dtype, name="images")])
    tf.saved_model.save(module, str(folder), signatures=module.predict)
    return folder


def test_an_exported_keras_network_gives_what_it_gives_here(tmp_path: Path) -> None:
    keras = pytest.importorskip("tensorflow").keras
    taken = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(taken)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="gelu")(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.5)(keras.layers.MaxPooling2D()(x)))
    model = keras.Model(taken, keras.layers.Dense(10, activation="softmax")(x))
    model.export(str(tmp_path / "mine"))
    expected = model.predict(IMAGES.astype(np.float32), verbose=0)
    opened = contained.ContainedModel(tmp_path / "mine")
    np.testing.assert_allclose(opened.predict(IMAGES.astype(np.float32)), expected, atol=1e-5)
    labels = expected.argmax(axis=1)
    answers = sources.answers_of(tmp_path / "mine", {"a": TestSet("a", labels, IMAGES)}, pixels="raw")
    np.testing.assert_allclose(answers.predictions["a"].probabilities, expected, atol=1e-5)
    assert answers.name == "mine" and len(answers.digest) == 64


def test_uint8_images_and_outputs_by_name(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    weights = tf.Variable(tf.random.stateless_normal((3072, 10), (0, 1)))

    def predict(images: object) -> dict:
        rows = tf.reshape(tf.cast(images, tf.float32), (-1, 3072))
        return {"features": rows[:, :64], "scores": tf.matmul(rows, weights)}

    folder = export(tmp_path / "m", predict, "uint8", weights=weights)
    model = contained.ContainedModel(folder)
    assert model.dtype == "uint8" and set(model.outputs) == {"features", "scores"} and model.notes == []
    expected = IMAGES.reshape(6, -1).astype(np.float32) @ weights.numpy()
    np.testing.assert_allclose(model.predict(IMAGES), expected, rtol=1e-4)


def scores(tf: object, images: object) -> object:
    return tf.reshape(images, (-1, 3072))[:, :10]


def attacked(tf: object, attack: object) -> object:
    """A function of images that calls another one, which attacks first."""
    nested = tf.function(lambda images: (attack(images), images)[1])
    return lambda images: scores(tf, nested(images))


def test_a_graph_that_writes_reads_prints_or_calls_python_is_refused_by_its_step(tmp_path: Path, monkeypatch) -> None:
    tf = pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    canary = str(tmp_path / "CANARY")
    attacks = {
        "WriteFile": lambda x: tf.io.write_file(canary, "x"),
        "ReadFile": lambda x: tf.io.read_file("/etc/passwd"),
        "SaveV2": lambda x: tf.raw_ops.SaveV2(prefix=canary, tensor_names=["x"], shape_and_slices=[""], tensors=[x]),
        "PrintV2": lambda x: tf.raw_ops.PrintV2(input="x", output_stream=f"file://{canary}"),
        "PyFunc": lambda x: tf.numpy_function(lambda value: value, [x], tf.float32),
        "MatchingFiles": lambda x: tf.io.matching_files("/*"),
    }
    for step, attack in attacks.items():
        folder = export(tmp_path / step, attacked(tf, attack))
        with pytest.raises(ValueError, match=rf"^its graph has the step '{step}', which is not in the table"):
            saved_models.check_graph((folder / "saved_model.pb").read_bytes())
    with pytest.raises(ValueError, match=r"WriteFile: its graph has the step 'WriteFile'"):
        contained.ContainedModel(tmp_path / "WriteFile")
    assert not (tmp_path / "CANARY").exists()


def test_a_table_of_words_is_refused_as_a_part_that_may_read_files(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    entries = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    table = tf.lookup.StaticHashTable(entries, 0)
    folder = export(
        tmp_path / "words", lambda images: scores(tf, images) + tf.cast(table.size(), tf.float32), table=table
    )
    with pytest.raises(ValueError, match=r"its graph has (a part 'resource'|the step 'HashTableV2')"):
        saved_models.check_graph((folder / "saved_model.pb").read_bytes())


def test_augmentation_that_was_left_on_is_said(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    folder = export(tmp_path / "noisy", lambda images: scores(tf, images) + tf.random.normal((10,)))
    assert contained.ContainedModel(folder).notes == [saved_models.RANDOM]


def test_a_damaged_or_older_folder_is_one_sentence(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    folder = export(tmp_path / "m", lambda images: scores(tf, images))
    graph = folder / "saved_model.pb"
    whole = graph.read_bytes()
    for content, found in ((whole[: len(whole) // 2], "saved_model.pb is damaged"), (b"", "holds 0 graphs")):
        graph.write_bytes(content)
        with pytest.raises(ValueError, match=found):
            saved_models.check_graph(graph.read_bytes())
    with pytest.raises(ValueError, match=r"m: saved_model\.pb holds 0 graphs"):
        contained.ContainedModel(folder)


def test_where_the_system_cannot_contain_it_the_user_is_asked(tmp_path: Path, monkeypatch) -> None:
    tf = pytest.importorskip("tensorflow")
    folder = export(tmp_path / "m", lambda images: scores(tf, images))
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from cifar102.evaluation import containment, model_worker
        containment.contain = lambda scratch: ["no Landlock: it may write files"]
        model_worker.main(Path(sys.argv[1]))
    """)
    start = subprocess.Popen
    monkeypatch.setattr(
        contained.subprocess, "Popen", lambda words, **o: start([sys.executable, "-P", "-c", code, words[-1]], **o)
    )
    with pytest.raises(ValueError, match=r"m: a SavedModel is a program, and this system has no Landlock.*--trust"):
        contained.ContainedModel(folder)
    trusted = contained.ContainedModel(folder, trust=True)
    assert trusted.missing == ["no Landlock: it may write files"] and trusted.predict(IMAGES / np.float32(1)).shape == (
        6,
        10,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_a_step_that_got_into_the_table_still_writes_nothing(tmp_path: Path, monkeypatch) -> None:
    tf = pytest.importorskip("tensorflow")
    canary = str(tmp_path / "CANARY")

    def predict(images: object) -> object:
        with tf.control_dependencies([tf.io.write_file(canary, "x")]):
            return scores(tf, images)

    folder = export(tmp_path / "m", predict)
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from cifar102.evaluation import model_worker, saved_models
        saved_models.OPERATIONS |= {"WriteFile"}
        model_worker.main(Path(sys.argv[1]))
    """)
    start = subprocess.Popen
    monkeypatch.setattr(
        contained.subprocess, "Popen", lambda words, **o: start([sys.executable, "-P", "-c", code, words[-1]], **o)
    )
    opened = contained.ContainedModel(folder)
    if opened.missing:
        pytest.skip(f"this system has {opened.missing}")
    with pytest.raises(ValueError, match=r"m: .*(denied|not permitted)"):
        opened.predict(IMAGES.astype(np.float32))
    assert not os.path.exists(canary)  # noqa: PTH110
