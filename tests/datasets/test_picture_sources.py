"""Sources of pictures: folders, parquet files and tars, read one picture after the other and never unpacked."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from cifar102.datasets import lookup, picture_sources
from cifar102.workspace.folders import Workspace


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 32, 32, 3), np.uint8)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return path


def write_parquet(path: Path, values: list, labels: list | None = None, names: list[str] | None = None) -> Path:
    table = pa.table({"image": values} | ({} if labels is None else {"label": labels}))
    features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)} if names else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path)
    return path


def test_a_folder_is_read_by_name_and_the_folder_is_the_word(images: np.ndarray, tmp_path: Path) -> None:
    for name, image in zip(("b.png", "a/c.bmp", "z.png"), images, strict=True):
        put(tmp_path / name, png(image))
    found, words = picture_sources.read_set(tmp_path)
    assert found.filenames == ("a/c.bmp", "b.png", "z.png") and words == ["a", "", ""]
    assert np.array_equal(found.images, images[[1, 0, 2]]) and found.labels.tolist() == [-1, -1, -1]
    assert found.notes == ()


def test_what_systems_leave_beside_pictures_is_passed_over_and_counted(images: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path / "cat" / "0.png", png(images[0]))
    for name in ("cat/._0.png", ".DS_Store", "__MACOSX/cat/._0.png", "Thumbs.db", ".hidden/1.png", "desktop.ini"):
        put(tmp_path / name, b"\0\5\26\7no picture")
    put(tmp_path / "notes.txt", b"no picture either")
    found, words = picture_sources.read_set(tmp_path)
    assert words == ["cat"] and found.notes == ("6 hidden or companion files passed over",)


def test_changes_are_counted_and_unreadable_pictures_all_named(images: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path / "a.png", png(images[0]))
    put(tmp_path / "b.png", png(np.zeros((64, 64, 3), np.uint8)))
    assert picture_sources.read_set(tmp_path)[0].notes == ("1 of 2 pictures: of another size, brought to 32 x 32",)
    put(tmp_path / "c.png", b"no")
    put(tmp_path / "d.jpg", b"")
    with pytest.raises(ValueError, match=r"c\.png: not readable .*; d\.jpg: not readable"):
        picture_sources.read_set(tmp_path)


def test_links_to_folders_and_pipes_are_not_followed(images: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path / "set" / "a.png", png(images[0]))
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set", target_is_directory=True)
    os.mkfifo(tmp_path / "set" / "pipe.png")
    assert picture_sources.read_set(tmp_path / "set")[0].filenames == ("a.png",)


def test_a_hugging_face_folder_gives_pictures_and_the_names_of_its_labels(images: np.ndarray, tmp_path: Path) -> None:
    values = [{"bytes": png(image), "path": None} for image in images]
    write_parquet(tmp_path / "data" / "train-00000-of-00001.parquet", values[:1], [0], ["truck", "cat"])
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", values[1:], [1, 0], ["truck", "cat"])
    put(tmp_path / "README.md", b"# a card")
    found = lookup.load_labelled(tmp_path)
    assert found.labels.tolist() == [3, 9] and np.array_equal(found.images, images[1:])
    assert len(lookup.load(str(tmp_path), Workspace(tmp_path / "w"))) == 3
    plain = write_parquet(tmp_path / "plain.parquet", [png(image) for image in images], [5, 6, 7])
    assert lookup.load_labelled(plain).labels.tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([None], "row 0: expected the bytes of a picture, found NoneType"),
        ([{"bytes": None, "path": "/etc/passwd"}], "row 0: expected the bytes of a picture, found a path without"),
        ([3], "row 0: expected the bytes of a picture, found int"),
    ],
)
def test_a_parquet_row_without_a_picture_is_refused(values: list, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        picture_sources.read_set(write_parquet(tmp_path / "a.parquet", values))


def test_a_parquet_file_without_pictures_or_damaged_is_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: .*expected a column of image, .*found \['text'\]"):
        picture_sources.read_set(tmp_path / "a.parquet")
    put(tmp_path / "b.parquet", b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"b\.parquet: not readable"):
        picture_sources.read_set(tmp_path / "b.parquet")


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz")])
def test_a_webdataset_tar_is_read_and_never_unpacked(name: str, mode: str, images, tmp_path: Path) -> None:
    members = {"0001.png": png(images[0]), "0001.cls": b"4\n", "0002.cls": b"frog", "0002.png": png(images[1])}
    members |= {"._0003.png": b"companion", "0003.json": b'{"label": "ship"}', "0003.png": png(images[2])}
    (tmp_path / "tars").mkdir()
    path = write_tar(tmp_path / "tars" / name, members, mode)
    found = lookup.load_labelled(path)
    assert found.labels.tolist() == [4, 6, 8] and np.array_equal(found.images, images)
    assert [file.name for file in (tmp_path / "tars").iterdir()] == [name]
    assert len(lookup.load(str(tmp_path / "tars"), Workspace(tmp_path / "w"))) == 3


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png", "..\\out.png", "C:/out.png"])
def test_a_member_outside_its_tar_is_refused(name: str, images: np.ndarray, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"ok.png": png(images[0]), name: png(images[1])})
    with pytest.raises(ValueError, match="lies outside of the archive"):
        picture_sources.read_set(path)
    assert not (tmp_path / "out.png").exists() and not (tmp_path.parent / "out.png").exists()


def test_a_torn_tar_and_links_in_one_are_met_without_harm(images: np.ndarray, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"cat/a.png": png(images[0]), "cat/b.png": png(images[1])})
    put(tmp_path / "torn.tar", path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"torn\.tar: not readable as pictures"):
        picture_sources.read_set(tmp_path / "torn.tar")
    with tarfile.open(path, "a") as bundle:
        link = tarfile.TarInfo("cat/c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bundle.addfile(link)
    found, words = picture_sources.read_set(path)
    assert words == ["cat", "cat"] and len(found) == 2


def test_pictures_are_gone_through_one_after_the_other(images: np.ndarray, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{number}.png": png(images[0]) for number in range(4)})
    stream = picture_sources.entries(path)
    assert [next(stream).name for _ in range(2)] == ["a.tar:0.png", "a.tar:1.png"]


def test_labels_of_class_folders_are_kept_and_numbers_guessed_by_nobody(images: np.ndarray, tmp_path: Path) -> None:
    for name, image in zip(("named/cat/0.png", "named/dog/0.png", "numbers/3/0.png"), images, strict=True):
        put(tmp_path / name, png(image))
    place = Workspace(tmp_path / "w")
    assert lookup.load(str(tmp_path / "named"), place).labels.tolist() == [3, 5]
    assert lookup.load(str(tmp_path / "numbers"), place).labels.tolist() == [-1]
    assert lookup.load_labelled(tmp_path / "numbers").labels.tolist() == [3]
    with pytest.raises(ValueError, match="holds no pictures"):
        (tmp_path / "empty").mkdir()
        lookup.load(str(tmp_path / "empty"), place)
