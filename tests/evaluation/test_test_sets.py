"""The sets of `evaluate` by name and by path, where each comes from, and that drawings stay apart from real images."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cifar102 import cifar
from cifar102.datasets import corruption_sets, corruptions
from cifar102.evaluation import test_sets
from cifar102.workspace.files import write_array, write_json
from cifar102.workspace.folders import Workspace

LABELS = np.arange(20) % 10
NAMES = [f"cat_s_{row:06d}.png" for row in range(20)]


@pytest.fixture(autouse=True)
def no_other_data(monkeypatch):
    monkeypatch.delenv("CIFAR102_DATA", raising=False)


def images_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


def write_published(folder: Path, seed: int = 1) -> Path:
    """A small CIFAR-10, 10.1 v4 and ciFAIR in their published form; an image is told by its seed."""
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        cifar.write_batch(folder / "cifar-10-batches-py" / name, images_of(seed), LABELS, NAMES, name)
    meta = {"num_cases_per_batch": 20, "label_names": list(cifar.CLASS_NAMES), "num_vis": 3072}
    cifar.write_meta(folder / "cifar-10-batches-py" / "batches.meta", meta)
    write_array(folder / "CIFAR-10.1" / "datasets" / "cifar10.1_v4_data.npy", images_of(seed + 1))
    write_array(folder / "CIFAR-10.1" / "datasets" / "cifar10.1_v4_labels.npy", LABELS)
    cifar.write_batch(folder / "ciFAIR-10" / "test_batch", images_of(seed + 2), LABELS, NAMES, "testing batch")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_published(tmp_path / "downloads")


@pytest.fixture
def demo(workspace: Workspace) -> Workspace:
    """A workspace whose pool is drawn, with sets in the place of the published ones."""
    write_published(workspace.raw, seed=50)
    write_json(workspace.raw / "pool.json", {"pool": "demo", "title": "synthetic demo pool"})
    (workspace.raw / "cifar-10.2").mkdir()
    np.savez(workspace.raw / "cifar-10.2" / "cifar102_test.npz", images=images_of(60), labels=LABELS)
    return workspace


def test_asked_for_nothing_real_images_are_judged_and_drawings_left_out_with_a_sentence(data, demo):
    shutil.rmtree(data / "CIFAR-10.1")
    found, missing = test_sets.find(None, demo, data)
    assert list(found) == ["cifar10", "cifair10"]
    np.testing.assert_array_equal(found["cifar10"].images, images_of(1))
    assert {test.pool for test in found.values()} == {""}
    assert "cifar10.1_v4_data.npy is not there: get it from" in missing["cifar10.1-v4"]
    assert "drawings of the demo pool" in missing["cifar10.1-v4"]
    assert "--sets demo judges the drawings" in missing["cifar10.1-v4"]


def test_real_images_of_the_environment_are_not_mixed_with_the_last_demo_run(data, demo, monkeypatch):
    monkeypatch.setenv("CIFAR102_DATA", str(data))
    found, _ = test_sets.find(None, demo)
    assert {test.place for test in found.values()} == {str(data)}


def test_without_real_images_the_drawings_are_judged_and_marked_as_such(demo):
    found, missing = test_sets.find(None, demo)
    assert list(found) == ["cifar10", "cifar10.1-v4", "cifar10.2", "cifair10"]
    assert {test.pool for test in found.values()} == {"demo"}
    assert all(test.provenance.startswith("drawings of the demo pool (synthetic)") for test in found.values())
    assert "04_sample" in missing["cifar102"]


def test_the_pools_name_asks_for_its_drawings_beside_real_data(data, demo):
    found, missing = test_sets.find(["demo"], demo, data)
    assert {test.pool for test in found.values()} == {"demo"}
    np.testing.assert_array_equal(found["cifar10"].images, images_of(50))
    assert "cifar102-uniform" in missing


def test_a_name_that_only_the_drawings_have_brings_the_other_names_from_the_drawings(data, demo):
    found, _ = test_sets.find(["cifar10", "cifar10.2"], demo, data)
    assert {name: test.pool for name, test in found.items()} == {"cifar10": "demo", "cifar10.2": "demo"}
    found, missing = test_sets.find(["cifar10", "cifar10.2", "cifar10.1-v6"], demo, data)
    assert {name: test.pool for name, test in found.items()} == {"cifar10": ""}
    assert "never judged beside real images" in missing["cifar10.2"]


def test_a_release_of_the_demo_given_by_path_is_known_as_drawings(data, demo):
    path = demo.raw / "cifar-10.2" / "cifar102_test.npz"
    found, _ = test_sets.find([str(path)], demo, data)
    assert found["cifar102_test"].provenance == "drawings of the demo pool (synthetic)"
    found, missing = test_sets.find([str(path), "cifair10"], Workspace(demo.root / "other"), data)
    assert list(found) == ["cifair10"]
    assert "holds drawings: the two are never judged together" in missing[str(path)]


def test_each_published_set_says_where_it_comes_from_and_that_it_is_not_of_the_published_size(data, workspace):
    found, _ = test_sets.find(["cifar10", "cifar10.1-v4", "cifair10"], workspace, data)
    assert "Krizhevsky 2009" in found["cifar10"].provenance
    assert found["cifar10.1-v4"].provenance.endswith("20 images here, 2,021 are published")
    assert "Barz & Denzler 2020" in found["cifair10"].provenance


def test_cifar10_c_is_a_family_of_sets_whose_images_stay_on_the_disk(data, workspace):
    for name in ("fog", "spatter"):
        write_array(data / "CIFAR-10-C" / f"{name}.npy", np.concatenate([images_of(s) for s in range(5)]))
    write_array(data / "CIFAR-10-C" / "labels.npy", np.tile(LABELS, 5))
    found, _ = test_sets.find(["cifar10-c"], workspace, data)
    assert list(found) == [f"cifar10-c-{name}-{severity}" for name in ("fog", "spatter") for severity in range(1, 6)]
    fog = found["cifar10-c-fog-4"]
    assert (fog.family, fog.severity, fog.pool) == ("cifar10-c", 4, "")
    assert isinstance(fog.images, np.memmap)
    np.testing.assert_array_equal(fog.images, images_of(3))
    np.testing.assert_array_equal(fog.labels, LABELS)
    assert list(test_sets.find(["cifar10-c-fog-3"], workspace, data)[0]) == ["cifar10-c-fog-3"]
    assert len(test_sets.find(["cifar10-c-fog"], workspace, data)[0]) == 5
    assert "cifar10-c" not in test_sets.names(workspace, data)
    missing = test_sets.find(["cifar10-c-snow-1"], workspace, data)[1]
    assert "snow.npy is not there" in missing["cifar10-c-snow-1"]


def test_corruptions_made_here_are_judged_by_their_path_with_the_provenance_of_their_images(
    data, workspace, tmp_path, monkeypatch
):
    monkeypatch.setattr(corruptions, "CORRUPTIONS", {"contrast": corruptions.CORRUPTIONS["contrast"]})
    test = test_sets.load("cifar10.1-v4", workspace, data)
    about = {"source": test.name, "provenance": test.provenance, "pool": test.pool}
    corruption_sets.write(tmp_path / "made", test.images, test.labels, severities=(2,), **about)
    found, _ = test_sets.find([str(tmp_path / "made")], workspace, data)
    assert list(found) == ["cifar10.1-v4-corrupted-contrast-2"]
    made = found["cifar10.1-v4-corrupted-contrast-2"]
    assert (made.family, made.severity) == ("cifar10.1-v4-corrupted", 2)
    assert made.provenance.startswith("made by `cifar102 corrupt` of cifar10.1-v4 (CIFAR-10.1 v4 (Recht et al. 2018)")
    assert "frost is a generated texture" in made.provenance


def test_corruptions_of_drawings_stay_drawings(data, demo, tmp_path, monkeypatch):
    monkeypatch.setattr(corruptions, "CORRUPTIONS", {"contrast": corruptions.CORRUPTIONS["contrast"]})
    test = test_sets.load("cifar10", demo)
    corruption_sets.write(tmp_path / "made", test.images, test.labels, source="cifar10", pool=test.pool)
    found, missing = test_sets.find(["cifair10", str(tmp_path / "made")], Workspace(tmp_path / "none"), data)
    assert list(found) == ["cifair10"]
    assert "holds drawings" in missing[str(tmp_path / "made")]


def test_cifar10h_gives_the_test_images_their_soft_labels(data, workspace):
    assert test_sets.load("cifar10", workspace, data).soft_labels is None
    votes = np.eye(10, dtype=np.int64)[LABELS] * 40 + 1
    write_array(data / "cifar-10h" / "cifar10h-counts.npy", votes)
    for name in ("cifar10", "cifar10h"):
        test = test_sets.load(name, workspace, data)
        np.testing.assert_allclose(test.soft_labels, votes / 50)
        np.testing.assert_array_equal(test.images, images_of(1))
    assert "Peterson et al. 2019" in test.provenance


def test_cifar10n_is_the_training_images_under_peoples_labels(data, workspace):
    train = np.tile(LABELS, 5)
    noisy = {"clean_label": train, "worse_label": (train + 1) % 10, "aggre_label": (train + 2) % 10}
    noisy |= {f"random_label{k}": (train + k) % 10 for k in (1, 2, 3)}
    (data / "CIFAR-10-N").mkdir()
    np.save(data / "CIFAR-10-N" / "CIFAR-10_human.npy", noisy, allow_pickle=True)
    found, _ = test_sets.find(["cifar10n", "cifar10n-worse"], workspace, data)
    np.testing.assert_array_equal(found["cifar10n"].labels, (train + 2) % 10)
    np.testing.assert_array_equal(found["cifar10n-worse"].labels, (train + 1) % 10)
    assert {test.family for test in found.values()} == {"cifar10n"}
    assert "training images" in found["cifar10n"].provenance
    np.testing.assert_allclose(found["cifar10n"].soft_labels.sum(axis=1), 1)
    np.savez(data / "CIFAR-10-N" / "x.npz", a=1)
    noisy["clean_label"] = train[::-1].copy()
    np.save(data / "CIFAR-10-N" / "CIFAR-10_human.npy", noisy, allow_pickle=True)
    with pytest.raises(ValueError, match="are not the labels of CIFAR-10's training images in order"):
        test_sets.find(["cifar10n"], workspace, data)


def test_a_set_of_the_users_own_goes_by_its_path_beside_published_ones(data, workspace, tmp_path):
    np.savez(tmp_path / "mine.npz", images=images_of(9), labels=LABELS)
    np.savez(tmp_path / "cifar10.npz", images=images_of(9), labels=LABELS)
    asked = ["cifar10", str(tmp_path / "mine.npz"), str(tmp_path / "cifar10.npz")]
    found, missing = test_sets.find(asked, workspace, data)
    assert (list(found), missing) == (["cifar10", "mine", "own-cifar10"], {})
    assert found["mine"].provenance == "a set of the user's own"
    np.testing.assert_array_equal(found["mine"].images, images_of(9))


def test_a_name_that_is_nothing_is_refused_with_what_there_is(data, workspace):
    with pytest.raises(ValueError, match=r"\['cifar10-c-rain'\] are no test sets of ten classes and no paths"):
        test_sets.find(["cifar10", "cifar10-c-rain"], workspace, data)


def test_own_set_without_some_classes_says_which(tmp_path: Path, workspace) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.zeros((8, 32, 32, 3), np.uint8), labels=np.arange(8))
    found, _ = test_sets.find([str(path)], workspace)
    assert found["mine"].provenance == "a set of the user's own, with no image of ship, truck"


def test_folder_in_the_form_of_cifar10_c_is_set_against_the_clean_set_whatever_its_name(data, workspace, tmp_path):
    place = tmp_path / "Downloads C"
    place.mkdir()
    np.save(place / "labels.npy", np.tile(np.arange(60) % 10, 5))
    np.save(place / "fog.npy", np.zeros((300, 32, 32, 3), np.uint8))
    found, _ = test_sets.find([str(place)], workspace, data)
    assert list(found) == [f"cifar10-c-fog-{severity}" for severity in range(1, 6)]
    assert {test.family for test in found.values()} == {"cifar10-c"}


def test_two_sets_of_one_name_are_refused_and_one_named_twice_is_judged_once(workspace, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "own.npz", images=np.zeros((10, 32, 32, 3), np.uint8), labels=np.arange(10))
    first, second = (str(tmp_path / folder / "own.npz") for folder in ("a", "b"))
    assert list(test_sets.find([first, first], workspace)[0]) == ["own"]
    with pytest.raises(ValueError, match=r"own\.npz is called own too; rename one of the two"):
        test_sets.find([first, second], workspace)
