"""The leakage report: what is shared is found in files, folders and sets, and written as tables and a picture."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cifar102.commands import leakage
from cifar102.datasets import lookup
from cifar102.workspace.folders import Workspace
from tests.dedup.test_pair_table import moved, smooth_images


@pytest.fixture
def two_files(rng: np.random.Generator, tmp_path: Path) -> tuple[Path, Path]:
    """first.npy of 30 images; second.npz of 8: a copy of 5, a shifted copy of 11, an unlike rest."""
    first, second = smooth_images(rng, 30), smooth_images(rng, 8)
    second[2], second[6] = (
        first[5],
        np.clip(moved(first[11], 1, -1).astype(int) + rng.integers(-9, 10, (32, 32, 3)), 0, 255),
    )
    np.save(tmp_path / "first.npy", first)
    np.savez(tmp_path / "second.npz", images=second, labels=np.arange(8))
    return tmp_path / "first.npy", tmp_path / "second.npz"


def test_a_copy_and_a_shifted_copy_in_two_files_are_reported(two_files, workspace: Workspace) -> None:
    found = leakage.report(*map(str, two_files), workspace)
    assert found.exact["row"].tolist() == [5, 2]
    duplicates = found.near[found.near["verdict"] == "duplicate"]
    assert duplicates[["query", "reference"]].to_numpy().tolist() == [[2, 5], [6, 11]]
    assert "exact: 1 groups; 1 images" in str(found)
    assert "near: 2 images (25.0%)" in str(found)


def test_the_report_leaves_two_tables_and_a_contact_sheet(two_files, workspace: Workspace) -> None:
    folder = leakage.report(*map(str, two_files), workspace).folder
    assert folder.is_relative_to(workspace.results)
    assert sorted(path.name for path in folder.iterdir()) == ["exact.csv", "groups.csv", "near.csv", "pairs.png"]
    near = pd.read_csv(folder / "near.csv")
    assert near["ssim"].is_monotonic_decreasing
    assert set(near["verdict"]) <= {"duplicate", "review"}
    with Image.open(folder / "pairs.png") as sheet:
        assert np.array_equal(np.asarray(sheet)[8 : 8 + 96 : 3, 8 : 8 + 96 : 3], np.load(two_files[1])["images"][2])


def test_a_check_holds_the_pairs_against_scikit_image_and_a_wrong_table_stops(
    two_files, workspace: Workspace, monkeypatch
) -> None:
    found = leakage.report(*map(str, two_files), workspace, check=True)
    assert "note: SSIM is the same as scikit-image's in 2 of 2 listed pairs" in str(found)
    monkeypatch.setattr(leakage.ssim_check, "best_ssim", lambda *_: 0.0)
    with pytest.raises(ValueError, match="--check: the SSIM of near-duplicates DIFFERS"):
        leakage.report(*map(str, two_files), workspace, check=True)


def test_pairs_for_review_are_listed_but_not_counted_as_duplicates(two_files, workspace: Workspace) -> None:
    found = leakage.report(*map(str, two_files), workspace, rule="ssim", duplicate=0.999, review=0.7)
    assert found.near["verdict"].tolist() == ["duplicate", "review"]
    assert "near: 1 images (12.5%) have a near-duplicate" in str(found)
    assert "near: 1 images (12.5%) more" in str(found)


def test_one_set_is_compared_with_itself_and_a_pair_stands_once(rng, tmp_path: Path, workspace: Workspace) -> None:
    images = smooth_images(rng, 12)
    images[9] = images[3]
    np.save(tmp_path / "images.npy", images)
    found = leakage.report(str(tmp_path / "images.npy"), str(tmp_path / "images.npy"), workspace)
    assert found.near[["query", "reference"]].to_numpy().tolist() == [[3, 9]]
    assert "2 images (16.7%) have a near-duplicate" in str(found)


def test_sets_that_share_nothing_give_empty_tables(rng, tmp_path: Path, workspace: Workspace) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", smooth_images(rng, 10))
    found = leakage.report(str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), workspace)
    assert found.exact.empty
    assert found.near.empty
    assert (found.folder / "pairs.png").is_file()


def test_a_folder_of_pictures_is_read_in_order_of_names(rng, tmp_path: Path, workspace: Workspace) -> None:
    images = smooth_images(rng, 3)
    for place, name in enumerate(("b/2.png", "a/10.png", "a/1.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(images[place]).save(tmp_path / name)
    loaded = lookup.load(str(tmp_path), workspace)
    assert loaded.filenames == ("a/1.png", "a/10.png", "b/2.png")
    assert np.array_equal(loaded.images, images[::-1])
    assert loaded.labels.tolist() == [-1, -1, -1]


def test_pictures_of_another_size_are_compared_and_the_report_says_so(rng, tmp_path: Path, workspace) -> None:
    images = smooth_images(rng, 4)
    np.save(tmp_path / "first.npy", images)
    (tmp_path / "second" / "cat").mkdir(parents=True)
    large = np.repeat(np.repeat(images[2], 2, axis=0), 2, axis=1)
    Image.fromarray(large).save(tmp_path / "second" / "cat" / "a.png")
    found = leakage.report(str(tmp_path / "first.npy"), str(tmp_path / "second"), workspace, clean=tmp_path / "clean")
    assert found.exact["row"].tolist() == [2, 0] and found.cleaned.kept == 0
    assert "second: 1 of 1 pictures: of another size, brought to 32 x 32" in str(found)
    assert "no image is left" in str(found)


def test_what_cannot_be_compared_is_refused_by_name(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "wide.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"wide.png"):
        lookup.load(str(tmp_path), workspace)
    with pytest.raises(ValueError, match="cifar10-test"):
        lookup.load("cifar11", workspace)
    with pytest.raises(FileNotFoundError, match="candidate_images"):
        lookup.load("candidates", workspace)


@pytest.mark.real_data
def test_a_part_of_a_data_set_is_found_by_name(real_data, workspace: Workspace, monkeypatch) -> None:
    monkeypatch.setenv("CIFAR102_DATA", str(real_data))
    assert len(lookup.load("cifar10-test", workspace)) == 10_000
    assert len(lookup.load("cifar100", workspace)) == 60_000


def test_the_second_set_is_written_without_what_it_shares(two_files, tmp_path: Path, workspace: Workspace) -> None:
    found = leakage.report(*map(str, two_files), workspace, clean=tmp_path / "clean")
    assert found.cleaned.kept == 6 and found.cleaned.dropped["row"].tolist() == [2, 6]
    assert found.cleaned.dropped["reason"].tolist() == ["copy", "near-duplicate"]
    assert "cleaned: 2 images out (1 copy, 1 near-duplicate), 6 kept" in str(found)
    with np.load(found.cleaned.path) as entry:
        assert entry["labels"].tolist() == [0, 1, 3, 4, 5, 7]
    again = leakage.report(str(two_files[0]), str(found.cleaned.path), workspace)
    assert again.exact.empty and not (again.near["verdict"] == "duplicate").any()


def test_a_folder_that_may_not_be_written_is_refused_before_the_search(two_files, tmp_path, workspace) -> None:
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="did not make"):
        leakage.report(*map(str, two_files), workspace, clean=tmp_path / "clean")
    assert not workspace.root.exists()
