"""`sets.load`, the one door: every named set from files of its published form, written here in miniature."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.cifar import ImageSet
from cifar102.datasets import sets, sources
from cifar102.tiny_images.pair import write_tiny_images
from cifar102.workspace.files import write_array, write_bytes, write_json, write_table
from cifar102.workspace.folders import Workspace

LABELS = np.repeat(np.arange(10), 6)


def _images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def _names(count: int, keyword: str = "cat") -> list[str]:
    return [f"{keyword}_s_{row:06d}.png" for row in range(count)]


@pytest.fixture
def full(workspace):
    """A workspace with a miniature of every file the named sets are read from."""
    raw = workspace.raw
    for name, seed in (("data_batch_1", 1), ("test_batch", 2)):
        cifar.write_batch(raw / "cifar-10-batches-py" / name, _images(60, seed), LABELS, _names(60), name)
    counts = {"num_train_batches": 1, "num_cases_per_batch": 60, "num_test_cases": 60, "num_vis": 3072}
    meta = counts | {"label_names": list(cifar.CLASS_NAMES)}
    cifar.write_meta(raw / "cifar-10-batches-py" / "batches.meta", meta)
    fine, coarse = np.arange(60) + 40, np.arange(60) % 20
    for name, seed in (("train", 3), ("test", 4)):
        images = _images(60, seed)
        cifar.write_batch(raw / "cifar-100-python" / name, images, fine, _names(60), name, coarse_labels=coarse)
    names = {"fine_label_names": [f"f{k}" for k in range(100)], "coarse_label_names": [f"c{k}" for k in range(20)]}
    cifar.write_meta(raw / "cifar-100-python" / "meta", names)
    for version, folder in (("v4", raw / "CIFAR-10.1" / "datasets"), ("v6", raw / "CIFAR-10.1")):
        write_array(folder / f"cifar10.1_{version}_data.npy", _images(60, 5))
        write_array(folder / f"cifar10.1_{version}_labels.npy", LABELS.astype(np.int32))
    _write_companions(raw)
    _write_builds(workspace)
    return workspace


def _write_companions(raw):
    """What others published about the test set: votes, ciFAIR, one corruption."""
    write_array(raw / "cifar-10h" / "cifar10h-counts.npy", np.eye(10, dtype=np.int64)[LABELS] * 50)
    cifar.write_batch(raw / "ciFAIR-10" / "test_batch", _images(60, 8), LABELS, _names(60), "testing batch")
    labels = {"coarse_labels": np.arange(60) % 20}
    cifar.write_batch(raw / "ciFAIR-100" / "test", _images(60, 9), np.arange(60) + 40, _names(60), "test", **labels)
    noisy = {name: LABELS.copy() for name in sets.NOISY_LABELS.values()} | {"worse_label": (LABELS + 1) % 10}
    (raw / "cifar-10n").mkdir()
    np.save(raw / "cifar-10n" / "CIFAR-10_human.npy", noisy, allow_pickle=True)
    write_array(raw / "CIFAR-10-C" / "fog.npy", _images(50, 7))
    write_array(raw / "CIFAR-10-C" / "labels.npy", np.tile(np.arange(10), 5))


def _write_release(path, rows=slice(None), seed=6):
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"images": _images(60, seed)[rows], "labels": LABELS[rows], "label_names": np.array(cifar.CLASS_NAMES)}
    count = len(entry["labels"])
    np.savez(path, **entry, ti_indices=np.arange(count), keywords=np.array(["tabby_cat"] * count))


def _write_builds(workspace):
    for split in ("train", "test"):
        _write_release(workspace.raw / "cifar-10.2" / f"cifar102_{split}.npz")
    # train: the first 3 of each class, test: the next 2, leftover: the last; uniform: every second candidate
    place = np.arange(60) % 6
    parts = {"train": place < 3, "test": (place >= 3) & (place < 5), "leftover": place == 5, "uniform": place % 2 == 0}
    tables = []
    for split, chosen in parts.items():
        rows = np.flatnonzero(chosen)
        table = pd.DataFrame({"split": split, "row": np.arange(len(rows)), "candidate": rows, "label": LABELS[rows]})
        tables.append(table.assign(filename=[_names(60, "tabby_cat")[row] for row in rows], group=rows // 2))
        if split in ("train", "test"):
            _write_release(workspace.release / f"cifar102_{split}.npz", rows)
    write_table(workspace.release / "manifest.parquet", pd.concat(tables).sample(frac=1, random_state=0))
    write_array(workspace.built / "candidate_images.npy", _images(60, 6))


@pytest.mark.parametrize("name", [*sets.NAMES, "cifar10-c-fog-3"])
def test_every_named_set_is_loaded_with_images_and_labels_in_range(full, name):
    parts = sets.load(name, full)
    with_train = "cifar10 cifar100-fine cifar100-coarse cifar10.2 cifar102 cifar10-10k cifar10-whole"
    expected = ["train", "test"] if name in with_train.split() else ["train"] if name == "cifar10n" else ["test"]
    assert list(parts) == expected
    for images in parts.values():
        assert images.images.dtype == np.uint8
        assert images.images.shape == (len(images.labels), 32, 32, 3)
        assert images.labels.dtype == np.int64
        assert images.labels.max() < sets.num_classes(name)
        assert len(images.filenames) in (0, len(images))
    assert len(sets.class_names(name, full)) == sets.num_classes(name)


def test_the_interfaces_names_are_all_known():
    names = "cifar10 cifar100-fine cifar100-coarse cifar10.1-v4 cifar10.1-v6 cifar10.2 cifar102 cifar10-10k"
    assert set(names.split()) <= set(sets.NAMES)


def test_the_two_labellings_of_cifar100_share_their_images(full):
    fine, coarse = (sets.load(f"cifar100-{kind}", full)["test"] for kind in ("fine", "coarse"))
    np.testing.assert_array_equal(fine.images, coarse.images)
    np.testing.assert_array_equal(fine.labels, np.arange(60) + 40)
    np.testing.assert_array_equal(coarse.labels, np.arange(60) % 20)
    assert sets.class_names("cifar100-coarse", full)[19] == "c19"


def test_this_build_has_the_groups_and_names_of_its_manifest(full):
    train = sets.load("cifar102", full)["train"]
    candidates = np.flatnonzero(np.arange(60) % 6 < 3)
    np.testing.assert_array_equal(train.images, _images(60, 6)[candidates])
    np.testing.assert_array_equal(train.groups, candidates // 2)
    assert train.filenames == tuple(_names(60, "tabby_cat")[row] for row in candidates)


def test_leftover_images_are_the_candidates_of_the_manifest(full):
    leftover = sets.load("cifar102-leftover", full)["test"]
    np.testing.assert_array_equal(leftover.images, _images(60, 6)[5::6])
    np.testing.assert_array_equal(leftover.labels, np.arange(10))
    assert len(sets.load("cifar102-uniform", full)["test"]) == 30


def test_a_release_that_is_not_the_manifests_is_refused(full):
    _write_release(full.release / "cifar102_train.npz", slice(5, 35))
    with pytest.raises(ValueError, match=r"cifar102_train\.npz: its 30 labels are not the 30"):
        sets.load("cifar102", full)


def test_a_candidate_that_is_not_in_the_pool_is_refused(full):
    write_array(full.built / "candidate_images.npy", _images(50, 6))
    with pytest.raises(ValueError, match="names candidate 59"):
        sets.load("cifar102-leftover", full)


def test_the_size_matched_set_is_balanced_seeded_and_as_large_as_the_build(full):
    matched, reference = sets.load("cifar10-10k", full), sets.load("cifar10", full)
    np.testing.assert_array_equal(np.bincount(matched["train"].labels), [3] * 10)
    np.testing.assert_array_equal(matched["test"].images, reference["test"].images)
    rows = {image.tobytes(): row for row, image in enumerate(reference["train"].images)}
    drawn = [rows[image.tobytes()] for image in matched["train"].images]
    assert drawn == sorted(set(drawn))
    np.testing.assert_array_equal(sets.load("cifar10-10k", full)["train"].images, matched["train"].images)
    np.testing.assert_array_equal(np.bincount(sets.load("cifar10-2k", full)["test"].labels), [2] * 10)


def test_another_seed_draws_another_set(full):
    train = sets.load("cifar10", full)["train"]
    first, second = (sets.size_matched(train, np.full(10, 3), seed) for seed in (1, 2))
    assert not np.array_equal(first.images, second.images)


def test_without_a_build_the_size_matched_set_takes_a_thousand_a_class_or_all(full):
    (full.release / "manifest.parquet").unlink()
    assert len(sets.load("cifar10-10k", full)["train"]) == 60


def test_a_draw_of_a_thousand_a_class_from_the_whole_of_cifar10_has_ten_thousand_images():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))
    numbered = np.broadcast_to(np.uint8(0), (50_000, 32, 32, 3))
    drawn = sets.size_matched(cifar.ImageSet(numbered, labels, groups=np.arange(50_000)), np.full(10, 1000))
    np.testing.assert_array_equal(np.bincount(drawn.labels), [1000] * 10)
    np.testing.assert_array_equal(drawn.labels, labels[drawn.groups])
    assert len(set(drawn.groups)) == 10_000


def _write_old(workspace, entry, protocol=2):
    folder = workspace.raw / "cifar-10.2"
    for split in ("train", "test"):
        (folder / f"cifar102_{split}.npz").unlink()
        with (folder / f"cifar102_{split}.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
            pickle.dump(np.array(entry, dtype=object), file, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_the_old_pickled_form_gives_what_the_npz_gives(full, protocol):
    published = sets.load("cifar10.2", full)
    entry = {"images": _images(60, 6), "labels": LABELS, "label_names": list(cifar.CLASS_NAMES)}
    entry |= {"ti_indices": list(np.arange(60)), "keywords": np.array(["tabby_cat"] * 60)}
    _write_old(full, entry, protocol)
    old = sets.load("cifar10.2", full)
    for split in ("train", "test"):
        np.testing.assert_array_equal(old[split].images, published[split].images)
        np.testing.assert_array_equal(old[split].labels, published[split].labels)
        assert old[split].filenames == published[split].filenames
        assert set(old[split].keywords) == {"tabby_cat"}


class _Hostile:
    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


def test_a_hostile_old_file_is_refused_by_name(full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _write_old(full, {"images": _Hostile()})
    with pytest.raises(ValueError, match=r"cifar102_train\.npy: .*mkdir.* refused"):
        sets.load("cifar10.2", full)
    assert not (tmp_path / "made_by_a_pickle").exists()


def test_an_object_array_in_an_npz_does_not_run_its_pickle(full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(full.raw / "cifar-10.2" / "cifar102_train.npz", images=np.array([_Hostile()], dtype=object))
    with pytest.raises(ValueError, match="mkdir"):
        sets.load("cifar10.2", full)


def test_cifar101_is_never_unpickled(full):
    path = full.raw / "CIFAR-10.1" / "cifar10.1_v6_data.npy"
    np.save(path, np.array([_Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"cifar10\.1_v6_data\.npy"):
        sets.load("cifar10.1-v6", full)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (_images(60, 1), LABELS[:59], "expected 60 labels"),
        (_images(60, 1), LABELS + 1, "1 to 10"),
        (_images(60, 1).astype(np.float32), LABELS, "found float32"),
        (_images(60, 1)[:, :, :, 0], LABELS, r"found uint8 \(60, 32, 32\)"),
        (_images(60, 1), LABELS / 2, "integer labels"),
    ],
)
def test_wrong_counts_ranges_shapes_and_types_are_named(full, images, labels, message):
    write_array(full.raw / "CIFAR-10.1" / "cifar10.1_v6_data.npy", images)
    write_array(full.raw / "CIFAR-10.1" / "cifar10.1_v6_labels.npy", labels)
    with pytest.raises(ValueError, match=message) as caught:
        sets.load("cifar10.1-v6", full)
    assert "cifar10.1_v6" in str(caught.value)


@pytest.mark.parametrize("file", ["CIFAR-10.1/cifar10.1_v6_data.npy", "cifar-10.2/cifar102_test.npz"])
@pytest.mark.parametrize("kept", [0, 3, 90, 5000, -7])
def test_a_truncated_file_is_an_error_that_names_it(full, file, kept):
    path = full.raw / file
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=path.name):
        sets.load("cifar10.1-v6" if "10.1" in file else "cifar10.2", full)


def test_an_unknown_name_brings_the_nearest_and_all_known_ones(workspace):
    with pytest.raises(ValueError, match=r"unknown data set 'cifar100_fine': did you mean cifar100-fine"):
        sets.load("cifar100_fine", workspace)
    for ask in (sets.num_classes, lambda name: sets.class_names(name, workspace)):
        with pytest.raises(ValueError, match=r"cifar10\.1-v4"):
            ask("mnist")


@pytest.mark.parametrize(
    ("name", "file", "advice"),
    [
        ("cifar10", "cifar-10-batches-py", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"),
        ("cifar100-fine", "cifar-100-python", "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"),
        ("cifar10.1-v4", "cifar10.1_v4_data.npy", "github.com/modestyachts/CIFAR-10.1"),
        ("cifar10.2", "cifar102_train.npz", "github.com/modestyachts/cifar-10.2"),
        ("cifar10h", "cifar10h-counts.npy", "github.com/jcpeterson/cifar-10h"),
        ("cifar10-c-fog-1", "fog.npy", "zenodo.org/records/2535967"),
        ("cifair10", "ciFAIR-10/test_batch", "https://github.com/cvjena/cifair"),
        ("cifair100", "ciFAIR-100/test", "https://github.com/cvjena/cifair"),
        ("cifar102", "manifest.parquet", "04_sample"),
        ("cifar102-leftover", "manifest.parquet", "04_sample"),
    ],
)
def test_a_missing_file_is_named_with_where_it_comes_from(workspace, name, file, advice):
    with pytest.raises(FileNotFoundError) as caught:
        sets.load(name, workspace)
    assert file in str(caught.value)
    assert advice in str(caught.value)


def test_one_missing_batch_is_named_with_its_home(full):
    (full.raw / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(FileNotFoundError, match=r"test_batch.*https://www\.cs\.toronto\.edu"):
        sets.load("cifar10", full)


def test_cifar10h_is_the_test_set_with_the_votes_of_each_image(full):
    test = sets.load("cifar10h", full)["test"]
    np.testing.assert_array_equal(test.images, sets.load("cifar10", full)["test"].images)
    np.testing.assert_array_equal(test.votes.argmax(axis=1), test.labels)
    write_array(full.raw / "cifar-10h" / "cifar10h-counts.npy", test.votes[:50])
    with pytest.raises(ValueError, match="votes on 50 images, the test set has 60"):
        sets.load("cifar10h", full)


def test_a_corruption_has_its_name_at_each_severity_and_no_other(full):
    for severity in range(1, 6):
        found = sets.load(f"cifar10-c-fog-{severity}", full)["test"].images
        np.testing.assert_array_equal(found, _images(50, 7)[(severity - 1) * 10 : severity * 10])
    with pytest.raises(ValueError, match="did you mean cifar10-c-fog-"):
        sets.load("cifar10-c-fog-6", full)
    assert sum(name.startswith("cifar10-c-") for name in sets.REGISTRY) == 19 * 5


def test_what_is_missing_is_fetched_only_where_asked_and_never_into_a_made_pool(full, monkeypatch):
    asked, (data, kept) = [], ((path := full.raw / "CIFAR-10.1" / "cifar10.1_v6_data.npy"), path.read_bytes())
    data.unlink()

    def fetch(dataset, raw):
        asked.append((dataset, raw))
        write_bytes(data, kept)

    monkeypatch.setattr(sets.downloads, "fetch_dataset", fetch)
    for pool, download in ((False, False), (True, True)):
        if pool:
            write_bytes(full.raw / "pool.json", b"{}")
        with pytest.raises(FileNotFoundError, match=r"cifar10\.1_v6_data\.npy is not there"):
            sets.load("cifar10.1-v6", full, download=download)
    (full.raw / "pool.json").unlink()
    for _ in range(2):
        assert len(sets.load("cifar10.1-v6", full, download=True)["test"]) == 60
    assert asked == [("cifar10.1-v6", full.raw)]


def test_every_download_of_a_set_has_files_and_what_a_run_builds_has_none():
    assert {part for known in sets.REGISTRY.values() for part in known.downloads} <= set(sources.DATASET_FILES)
    built = {"cifar102", "cifar102-leftover", "cifar102-uniform"}
    built |= {name for name in sets.REGISTRY if name.startswith("old-or-new-")}
    assert {name for name, known in sets.REGISTRY.items() if not known.downloads} == built


def test_votes_are_counts_of_ten_classes(workspace):
    votes = np.random.default_rng(0).multinomial(50, [0.1] * 10, size=20)
    write_array(workspace.raw / "cifar-10h" / "cifar10h-counts.npy", votes)
    np.testing.assert_array_equal(sets.load_human_votes(workspace), votes)
    for wrong, message in [(votes[:, :9], r"\(20, 9\)"), (-votes, "not negative"), (votes + 0.5, "whole")]:
        write_array(workspace.raw / "cifar-10h" / "cifar10h-counts.npy", wrong)
        with pytest.raises(ValueError, match=message):
            sets.load_human_votes(workspace)


def test_the_real_votes_are_about_fifty_an_image(real_data, workspace):
    source = real_data / "cifar-10h" / "cifar10h-counts.npy"
    if not source.is_file():
        pytest.skip("cifar10h-counts.npy is not here")
    write_bytes(workspace.raw / "cifar-10h" / source.name, source.read_bytes())
    votes = sets.load_human_votes(workspace)
    assert votes.shape == (10000, 10)
    assert 47 <= votes.sum(axis=1).min() <= votes.sum(axis=1).max() <= 70


def test_a_corruption_is_cut_at_its_severity(workspace):
    images, folder = _images(50, 7), workspace.raw / "CIFAR-10-C"
    write_array(folder / "fog.npy", images)
    write_array(folder / "labels.npy", np.tile(np.arange(10), 5))
    for severity in range(1, 6):
        found = sets.load_corruption("fog", severity, workspace)
        np.testing.assert_array_equal(found.images, images[(severity - 1) * 10 : severity * 10])
        np.testing.assert_array_equal(found.labels, np.arange(10))
    for corruption, severity in (("fog", 0), ("fog", 6), ("fogg", 1)):
        with pytest.raises(ValueError, match="severity"):
            sets.load_corruption(corruption, severity, workspace)
    with pytest.raises(FileNotFoundError, match="zenodo"):
        sets.load_corruption("snow", 1, workspace)


def test_find_looks_into_the_folders_of_the_published_repository(workspace):
    path = workspace.raw / "CIFAR-10.1" / "datasets" / "cifar10.1_v4_labels.npy"
    write_array(path, LABELS)
    assert sources.find("cifar10.1_v4_labels.npy", workspace.raw) == path


@pytest.fixture
def pool(workspace: Workspace, rng: np.random.Generator) -> tuple[Workspace, ImageSet]:
    """A placebo pool of 12 training images under names that stand in another order, 8 of them the reference."""
    images, labels = rng.integers(0, 256, (12, 32, 32, 3), np.uint8), np.arange(12) % 10
    words = [f"word{k}" for k in rng.permutation(12)]
    names = tuple(f"{word}_s_000001.png" for word in words)
    records = pd.DataFrame({"keyword": words, "filename": names, "origin_row": range(12), "true_label": labels})
    records["origin"] = ["cifar10-train"] * 8 + ["new"] * 4
    order = write_tiny_images(workspace.raw, images, records[["keyword", "filename"]])
    truth = records.iloc[order].reset_index(drop=True).rename_axis("tiny_index").reset_index()
    write_table(workspace.raw / "pool_truth.parquet", truth)
    write_json(workspace.raw / "pool.json", {"pool": "cifar10", "title": "t", "description": "d"})
    return workspace, ImageSet(images, labels, names)


def reference_of(whole: ImageSet) -> dict[str, ImageSet]:
    return {"train": ImageSet(whole.images[:8], whole.labels[:8], whole.filenames[:8]), "test": whole}


def test_the_batches_that_were_kept_back_are_put_behind_the_reference(pool):
    workspace, whole = pool
    parts = sets.load_whole_cifar10(workspace, reference_of(whole))
    np.testing.assert_array_equal(parts["train"].images, whole.images)
    np.testing.assert_array_equal(parts["train"].labels, whole.labels)
    assert parts["train"].filenames == whole.filenames and parts["test"] is whole


def test_where_nothing_was_kept_back_the_reference_is_the_whole(pool):
    workspace, whole = pool
    write_json(workspace.raw / "pool.json", {"pool": "demo", "title": "t", "description": "d"})
    reference = reference_of(whole)
    assert sets.load_whole_cifar10(workspace, reference) is reference


def test_a_pool_whose_labels_are_not_those_of_the_reference_is_refused(pool):
    workspace, whole = pool
    other = reference_of(ImageSet(whole.images, (whole.labels + 1) % 10, whole.filenames))
    with pytest.raises(ValueError, match=r"pool_truth\.parquet.*the first 8"):
        sets.load_whole_cifar10(workspace, other)
