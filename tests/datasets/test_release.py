"""The release folder: read back by CIFAR's readers, the same bytes twice, nothing shared between train and test."""

import json
import os
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.datasets import release, release_cards
from cifar102.workspace.files import hash_file, read_table, write_bytes, write_json

FACTS = {"name": "Tiny test set", "pool": "a test pool", "date": "2026-01-01", "kappa": {"all": 0.81, "n": 12}}


def make_tables(per_class: int = 7) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Tables of train (5 a class) and test (2 a class) over random images, in an order of no meaning."""
    rng = np.random.default_rng(7)
    count = 10 * per_class
    labels = np.repeat(np.arange(10), per_class)
    names = [cifar.CLASS_NAMES[label] for label in labels]
    table = pd.DataFrame({"candidate": rng.permutation(count), "tiny_index": np.arange(count) * 3, "keyword": names})
    table = table.assign(class_name=names, label=labels, num_raters=2, num_yes=2, group=-1)
    table["filename"] = [f"{name}_s_{number:06d}.png" for number, name in enumerate(names)]
    is_test = np.arange(count) % per_class < 2
    return table[~is_test], table[is_test], rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    train, test, images = make_tables()
    folder = tmp_path_factory.mktemp("release")
    release.write_release(
        folder, train, test, images, seed=3, leftover=None, uniform=pd.concat([train, test])[::4], facts=FACTS
    )
    return folder, train, test, images


def keras_reader(path):
    """Read a batch with the steps of keras.datasets.cifar.load_batch (Keras 2.15): bytes keys, decoded."""
    with path.open("rb") as file:
        entry = {key.decode("utf8"): value for key, value in pickle.load(file, encoding="bytes").items()}
    return entry["data"].reshape(entry["data"].shape[0], 3, 32, 32).transpose(0, 2, 3, 1), entry["labels"]


def torchvision_reader(paths):
    """Read batches with the steps of torchvision.datasets.CIFAR10: latin-1, stacked, (n, 3, 32, 32) to NHWC."""
    data, labels = [], []
    for path in paths:
        with path.open("rb") as file:
            entry = pickle.load(file, encoding="latin1")
        data.append(entry["data"])
        labels.extend(entry["labels"])
    return np.vstack(data).reshape(-1, 3, 32, 32).transpose((0, 2, 3, 1)), labels


def test_every_reader_of_cifar_gets_the_same_pixels_back(made):
    folder, train, test, images = made
    batches = folder / release.BATCHES
    with np.load(folder / "cifar102_train.npz") as arrays:
        pixels, labels, indices = arrays["images"], arrays["labels"], arrays["ti_indices"]
    rows = train.set_index("tiny_index").loc[indices]
    np.testing.assert_array_equal(pixels, images[rows["candidate"]])
    np.testing.assert_array_equal(labels, rows["label"])
    paths = [batches / f"data_batch_{k}" for k in range(1, 6)]
    by_torch, torch_labels = torchvision_reader(paths)
    by_keras = [keras_reader(path) for path in paths]
    np.testing.assert_array_equal(by_torch, pixels)
    np.testing.assert_array_equal(np.concatenate([part[0] for part in by_keras]), pixels)
    assert torch_labels == [label for part in by_keras for label in part[1]] == labels.tolist()
    assert cifar.load_cifar10(batches)["test"].images.shape == (len(test), 32, 32, 3)
    with (batches / "batches.meta").open("rb") as file:  # the key torchvision looks class names up by
        meta = pickle.load(file, encoding="latin1")
    assert tuple(meta["label_names"]) == cifar.CLASS_NAMES and meta["num_vis"] == 3072
    assert (meta["num_cases_per_batch"], meta["num_test_cases"]) == (10, 20)


def test_kerass_own_loader_reads_the_batches(made):
    cifar_loader = pytest.importorskip("keras.src.datasets.cifar", reason="Keras is where its batch loader stands")
    folder = made[0]
    parts = [cifar_loader.load_batch(str(folder / release.BATCHES / f"data_batch_{k}")) for k in range(1, 6)]
    with np.load(folder / "cifar102_train.npz") as arrays:
        pixels = np.concatenate([data for data, _ in parts]).transpose(0, 2, 3, 1)  # as load_data does after it
        np.testing.assert_array_equal(pixels, arrays["images"])
        assert [label for _, labels in parts for label in labels] == arrays["labels"].tolist()


def test_npz_holds_the_keys_of_the_published_files(made):
    with np.load(made[0] / "cifar102_test.npz", allow_pickle=False) as arrays:
        assert list(arrays) == ["images", "labels", "label_names", "ti_indices", "keywords"]
        assert arrays["images"].dtype == np.uint8 and arrays["labels"].dtype == np.int64


def test_same_input_and_seed_give_the_same_bytes_whatever_the_row_order(made, tmp_path):
    folder, train, test, images = made
    uniform = pd.concat([train, test])[::4]
    shuffled = [part.sample(frac=1, random_state=1) for part in (train, test)]
    release.write_release(tmp_path, *shuffled, images, seed=3, uniform=uniform, facts=FACTS)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert [hash_file(folder / name) for name in names] == [hash_file(tmp_path / name) for name in names]


def test_another_seed_gives_another_order_of_the_same_images(made, tmp_path):
    folder, train, test, images = made
    release.write_release(tmp_path, train, test, images, seed=4)
    with np.load(folder / "cifar102_train.npz") as first, np.load(tmp_path / "cifar102_train.npz") as second:
        assert first["ti_indices"].tolist() != second["ti_indices"].tolist()
        assert sorted(first["ti_indices"]) == sorted(second["ti_indices"])


def test_batches_are_mixed_not_sorted_by_class(made):
    labels = cifar.read_batch(made[0] / release.BATCHES / "data_batch_1").labels
    assert len(set(labels.tolist())) > 3 and (np.diff(labels) < 0).any()


def test_manifest_has_one_row_an_image_at_its_place(made):
    folder = made[0]
    manifest = read_table(folder / "manifest.parquet")
    assert tuple(manifest) == tuple(release.MANIFEST_DEFAULTS)
    assert manifest["split"].value_counts().to_dict() == {"train": 50, "test": 20, "uniform": 18}
    with np.load(folder / "cifar102_train.npz") as arrays:
        np.testing.assert_array_equal(manifest.loc[manifest["split"] == "train", "tiny_index"], arrays["ti_indices"])


def test_check_counts_a_whole_release(made):
    assert release.check_release(made[0]) == {"train": 50, "test": 20, "uniform": 18}


@pytest.mark.parametrize(
    "name", ["cifar102_test.npz", "datasheet.md", "croissant.json", f"{release.BATCHES}/test_batch"]
)
def test_check_finds_a_single_changed_byte(made, tmp_path, name):
    folder = shutil.copytree(made[0], tmp_path / "copy")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=name.split("/")[-1]):
        release.check_release(folder)


def test_check_finds_a_release_that_is_not_complete(made, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "copy")
    (folder / "datasheet.md").unlink()
    with pytest.raises(ValueError, match=r"datasheet\.md"):
        release.check_release(folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(FileNotFoundError, match="SHA256SUMS"):
        release.check_release(folder)


def test_killed_release_has_no_checksums(made, tmp_path, monkeypatch):
    folder = shutil.copytree(made[0], tmp_path / "copy")
    monkeypatch.setattr(release_cards, "croissant_metadata", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        release.write_release(folder, *made[1:], seed=3)
    assert not (folder / "SHA256SUMS").exists()


def test_image_or_group_in_train_and_test_is_an_error(tmp_path):
    train, test, images = make_tables()
    with pytest.raises(ValueError, match="two of train, test"):
        release.write_release(tmp_path, pd.concat([train, test[:1]]), test, images)
    with pytest.raises(ValueError, match="group 4"):
        release.write_release(tmp_path, train.assign(group=4), test.assign(group=[4] + [-1] * 19), images)
    with pytest.raises(ValueError, match="class_name"):
        release.write_release(tmp_path, train.assign(label=0), test, images)
    with pytest.raises(ValueError, match="filename"):
        release.write_release(tmp_path, train.drop(columns="filename"), test, images)
    assert not list(tmp_path.iterdir())


def test_sizes_that_five_does_not_divide_have_fewer_batches(tmp_path):
    train, test, images = make_tables()
    release.write_release(tmp_path, train[:48], test, images)
    assert len(cifar.load_cifar10(tmp_path / release.BATCHES)["train"]) == 48
    release.write_release(tmp_path, train, test, images)
    assert release.check_release(tmp_path) == {"train": 50, "test": 20}
    release.write_release(tmp_path, train[:48], test, images)
    assert release.check_release(tmp_path) == {"train": 48, "test": 20}


def test_croissant_is_valid_and_gives_the_manifest_as_records(made):
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=made[0] / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    records = list(dataset.records("images"))
    assert len(records) == 88
    assert {record["images/split"] for record in records} == {b"train", b"test", b"uniform"}
    described = {
        entry["@id"]: entry["sha256"] for entry in json.loads((made[0] / "croissant.json").read_text())["distribution"]
    }
    assert described == {name: hash_file(made[0] / name) for name in release.release_files(made[0])}


def test_datasheet_has_the_seven_headings_and_the_facts(made):
    text = (made[0] / "datasheet.md").read_text()
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings[:7] == [
        "Motivation",
        "Composition",
        "Collection process",
        "Preprocessing, cleaning, labelling",
        "Uses",
        "Distribution",
        "Maintenance",
    ]
    assert "| kappa.all | 0.81 |" in text and "Date: 2026-01-01" in text
    assert "| train | 50 |" in text and "{" not in text
    assert "not recorded in this run" in text


def test_datasheet_counts_the_groups_that_have_two_members(tmp_path):
    train, test, images = make_tables()
    alone = {"group": np.arange(len(train))}
    folder = release.write_release(tmp_path / "alone", train.assign(**alone), test.assign(group=99), images)
    text = (folder / "datasheet.md").read_text()
    assert "20 images of train and test form 1 groups of near-duplicates" in text
    folder = release.write_release(tmp_path / "none", train.assign(**alone), test, images)
    assert "No two images of train and test are known" in (folder / "datasheet.md").read_text()


def test_no_release_is_made_of_a_file_that_changed_unseen(workspace):
    train, test, images = make_tables()
    path = write_bytes(workspace.pairs, b"pairs as the step left them")
    status = path.stat()
    entry = {"sha256": hash_file(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    stamp = {"source": "", "modules": {}, "parameters": {}, "inputs": {}, "versions": {}}
    write_json(workspace.executed / "03_deduplicate.json", {**stamp, "outputs": {"built/pairs.parquet": entry}})
    release.write_release(workspace, train, test, images)
    sums = (workspace.release / "SHA256SUMS").read_bytes()
    path.write_bytes(b"PAIRS as the step left them")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ValueError, match=r"pairs\.parquet: its content changed since 03_deduplicate left it"):
        release.write_release(workspace, train, test, images)
    assert (workspace.release / "SHA256SUMS").read_bytes() == sums
