"""Pictures in files: what is read, and what is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar102.datasets import pictures


def test_a_folder_is_read_by_name_and_without_labels(rng: np.random.Generator, tmp_path: Path) -> None:
    images = rng.integers(0, 256, (3, 32, 32, 3), np.uint8)
    for name, image in zip(("b.png", "a/c.bmp", "z.png"), images, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / name)
    found = pictures.read_folder(tmp_path)
    assert found.filenames == ("a/c.bmp", "b.png", "z.png")
    assert np.array_equal(found.images, images[[1, 0, 2]])
    assert found.labels.tolist() == [-1, -1, -1]


def test_the_size_of_a_picture_is_read_before_its_pixels(tmp_path: Path, monkeypatch) -> None:
    Image.new("RGB", (9000, 9000)).save(tmp_path / "bomb.png")  # 243 MB in 0.4
    assert (tmp_path / "bomb.png").stat().st_size < 1_000_000
    monkeypatch.setattr(Image.Image, "load", lambda picture: pytest.fail("it was unpacked"))
    with pytest.raises(ValueError, match=r"bomb\.png: expected 32 x 32 pixels, found 9000 x 9000"):
        pictures.read_picture(tmp_path / "bomb.png")


def test_another_size_no_picture_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no pictures"):
        pictures.read_folder(tmp_path)
    Image.new("RGB", (31, 32)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: expected 32 x 32 pixels, found 31 x 32"):
        pictures.read_folder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png: not readable as a picture"):
        pictures.read_picture(tmp_path / "a.png")
