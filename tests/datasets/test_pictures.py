"""Pictures in files: what is read, and what is refused by name."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar102.datasets import pictures
from cifar102.workspace.folders import REPOSITORY


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


@pytest.mark.skipif(os.name == "nt", reason="a script stands in for Ghostscript")
def test_a_picture_that_another_program_would_open_is_refused_and_none_is_started(tmp_path: Path) -> None:
    """Pillow gives EPS to Ghostscript, by the content and not by the name of a file."""
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/CANARY'\n")
    program.chmod(0o755)
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n")
    code = """if True:
        import sys
        from PIL import Image
        from cifar102.annotations import labelimg
        from cifar102.datasets import pictures
        for read in (pictures.read_picture, labelimg._pixels, lambda path: Image.open(path).load()):
            try:
                read(pictures.Path(sys.argv[1]))
            except Exception as error:
                print(type(error).__name__)
            print((pictures.Path(sys.argv[1]).parent / "CANARY").exists())
    """
    words = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    said = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert said[:4] == ["ValueError", "False", "ValueError", "False"]
    assert said[-1] == "True"  # Pillow by itself starts it: the lines above can fail


@pytest.mark.skipif(os.name == "nt", reason="named pipes are of POSIX")
def test_a_pipe_in_the_place_of_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: is no file, expected a picture"):
        pictures.read_folder(tmp_path)
