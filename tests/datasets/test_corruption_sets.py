"""Folders in the form of CIFAR-10-C: written whole, resumed by files, mapped and not read."""

import json

import numpy as np
import pytest

from cifar102.datasets import corruption_sets, corruptions, lookup, sets
from cifar102.workspace.files import write_array

NAMES = ("brightness", "contrast", "pixelate")
LABELS = np.arange(20) % 10


@pytest.fixture
def images(rng) -> np.ndarray:
    return rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Three quick corruptions, so that each test takes a moment; a batch of 7 images."""
    kept = {name: corruptions.CORRUPTIONS[name] for name in NAMES}
    monkeypatch.setattr(corruptions, "CORRUPTIONS", kept)
    monkeypatch.setattr(corruption_sets, "BATCH", 7)


def write(folder, images, **options):
    return corruption_sets.write(folder, images, LABELS, source="mine", provenance="drawn here", **options)


def test_the_folder_has_the_form_of_cifar10_c_and_says_of_what_it_is(tmp_path, images):
    paths = write(tmp_path / "c", images)
    assert [path.name for path in paths] == [f"{name}.npy" for name in NAMES]
    array, labels = np.load(paths[0]), np.load(tmp_path / "c" / "labels.npy")
    assert (array.shape, array.dtype) == ((100, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(labels, np.tile(LABELS, 5))
    for severity in corruptions.SEVERITIES:
        expected = corruptions.corrupt(images, "brightness", severity)
        np.testing.assert_array_equal(array[(severity - 1) * 20 : severity * 20], expected)
    record = json.loads((tmp_path / "c" / "corruptions.json").read_text())
    assert (record["source"], record["provenance"], record["severities"]) == ("mine", "drawn here", [1, 2, 3, 4, 5])
    assert "generated texture" in record["textures"]
    assert set(record["versions"]) == {"numpy", "scipy", "scikit-image", "pillow"}


def test_it_is_read_back_from_the_disk_and_by_the_door_to_the_published_one(tmp_path, images, workspace):
    write(workspace.raw / "CIFAR-10-C", images)
    known = corruption_sets.describe(workspace.raw / "CIFAR-10-C")
    assert (set(known.corruptions), known.source) == (set(NAMES), "mine")
    found, labels = corruption_sets.open_corruption(known, "contrast", 4)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, corruptions.corrupt(images, "contrast", 4))
    np.testing.assert_array_equal(labels, LABELS)
    loaded = sets.load("cifar10-c-contrast-4", workspace)["test"]
    np.testing.assert_array_equal(loaded.images, found)


def test_two_runs_leave_the_same_bytes(tmp_path, images):
    for folder in ("a", "b"):
        write(tmp_path / folder, images, seed=3)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_killed_call_goes_on_from_the_arrays_that_are_there(tmp_path, images, monkeypatch):
    def killed(*arguments, **options):
        if arguments[1] == "contrast":
            raise KeyboardInterrupt
        return corrupt(*arguments, **options)

    corrupt = corruptions.corrupt
    monkeypatch.setattr(corruptions, "corrupt", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "c", images)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "brightness.npy",
        "corruptions.json",
        "labels.npy",
    ]
    made = []
    monkeypatch.setattr(corruptions, "corrupt", lambda *a, **o: made.append(a[1]) or corrupt(*a, **o))
    write(tmp_path / "c", images)
    assert set(made) == {"contrast", "pixelate"}


def test_one_severity_alone_is_written_and_read_as_that(tmp_path, images):
    write(tmp_path / "c", images, severities=(3,))
    known = corruption_sets.describe(tmp_path / "c")
    found, labels = corruption_sets.open_corruption(known, "pixelate", 3)
    np.testing.assert_array_equal(found, corruptions.corrupt(images, "pixelate", 3))
    assert len(labels) == 20
    with pytest.raises(ValueError, match=r"has severities \[3\], not 1"):
        corruption_sets.open_corruption(known, "pixelate", 1)


def test_nothing_of_somebody_else_and_nothing_of_another_set_is_written_over(tmp_path, images):
    write_array(tmp_path / "published" / "fog.npy", images)
    with pytest.raises(ValueError, match="holds files that `corrupt` did not make; name a new folder"):
        write(tmp_path / "published", images)
    write(tmp_path / "c", images)
    for changed, options, words in (
        (images[::-1], {}, "sha256"),
        (images, {"seed": 1}, "seed 0, asked for 1"),
        (images, {"severities": (2,)}, r"severities \[1, 2, 3, 4, 5\], asked for \[2\]"),
    ):
        with pytest.raises(ValueError, match=f"c: holds corruptions of {words}"):
            write(tmp_path / "c", changed, **options)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file, expected a folder"):
        write(tmp_path / "file", images)


def test_a_record_without_severities_is_refused_by_name(tmp_path, images):
    write(tmp_path / "c", images)
    for bad in ("[]", '{"severities": [0]}', '{"severities": [2, 1]}', '{"severities": []}'):
        (tmp_path / "c" / "corruptions.json").write_text(bad)
        with pytest.raises(ValueError, match=r"corruptions\.json: expected a record with `severities` from 1 to 5"):
            corruption_sets.describe(tmp_path / "c")


def test_labelled_folders_and_files_of_the_users_are_read(tmp_path, images):
    np.savez(tmp_path / "keras.npz", x_test=images, y_test=LABELS[:, None])
    np.savez(tmp_path / "own.npz", images=images, labels=LABELS)
    np.save(tmp_path / "x_test.npy", images)
    np.save(tmp_path / "y_test.npy", LABELS[:, None])
    for name in ("keras.npz", "own.npz", "x_test.npy"):
        found = lookup.load_labelled(tmp_path / name)
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, LABELS)


def test_pictures_in_class_folders_get_the_label_of_their_folder(tmp_path, images):
    from PIL import Image

    for word, row in (("Airplane", 0), ("car", 1), ("9", 2)):
        (tmp_path / "set" / "test" / word).mkdir(parents=True)
        Image.fromarray(images[row]).save(tmp_path / "set" / "test" / word / "a.png")
    (tmp_path / "set" / "train").mkdir()
    found = lookup.load_labelled(tmp_path / "set")
    assert sorted(zip(found.labels.tolist(), [image.tobytes() for image in found.images], strict=True)) == sorted(
        (label, images[row].tobytes()) for label, row in ((0, 0), (1, 1), (9, 2))
    )
    (tmp_path / "set" / "test" / "9").rename(tmp_path / "set" / "test" / "frogg")
    with pytest.raises(
        ValueError, match="'frogg' is no class of CIFAR-10; expected a folder a class, did you mean frog"
    ):
        lookup.load_labelled(tmp_path / "set")


def test_images_without_labels_are_no_test_set(tmp_path, images):
    np.save(tmp_path / "alone.npy", images)
    np.savez(tmp_path / "alone.npz", images=images)
    for name, words in (("alone.npy", "have no labels"), ("alone.npz", "holds no labels")):
        with pytest.raises(ValueError, match=rf"{name}: .*{words}"):
            lookup.load_labelled(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        lookup.load_labelled(tmp_path / "nothing")
