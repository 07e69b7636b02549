"""One picture as a viewer shows it: every colour mode, turned, transparent, of any size; what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar102.datasets import pictures
from cifar102.workspace.folders import REPOSITORY


@pytest.fixture
def colours(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (32, 32, 3), np.uint8)


def shown(image: Image.Image, path: Path, **options) -> pictures.Shown:
    image.save(path, **options)
    return pictures.read_picture(path)


def test_rgb_of_the_right_size_is_read_pixel_for_pixel(colours: np.ndarray, tmp_path: Path) -> None:
    found = shown(Image.fromarray(colours), tmp_path / "a.png")
    assert np.array_equal(found.pixels, colours) and found.changes == () and found.size == (32, 32)


def test_palettes_and_grey_keep_their_values(rng: np.random.Generator, tmp_path: Path) -> None:
    grey = rng.integers(0, 256, (32, 32), np.uint8)
    found = shown(Image.fromarray(grey), tmp_path / "grey.png")
    assert np.array_equal(found.pixels, np.repeat(grey[..., None], 3, axis=2)) and found.changes == (pictures.GREY,)
    palette = Image.fromarray(grey % 7)
    palette = palette.convert("P", palette=Image.Palette.ADAPTIVE)
    found = shown(palette, tmp_path / "palette.png")
    assert np.array_equal(found.pixels, np.asarray(palette.convert("RGB"))) and found.changes == (pictures.PALETTE,)
    black = shown(Image.fromarray(grey > 128), tmp_path / "one_bit.png")
    assert set(np.unique(black.pixels)) == {0, 255}


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_and_not_clipped_to_white(suffix: str, tmp_path: Path) -> None:
    ramps = [np.tile(np.linspace(start, 65535, 32), (32, 1)).astype(np.uint16) for start in (0, 9000, 30000, 60000)]
    found = [shown(Image.fromarray(ramp), tmp_path / f"{n}.{suffix}") for n, ramp in enumerate(ramps)]
    assert len({picture.pixels.tobytes() for picture in found}) == 4
    for ramp, picture in zip(ramps, found, strict=True):
        assert np.abs(picture.pixels[..., 0] - ramp / 257).max() <= 0.5 and picture.changes == (pictures.DEEP,)


def test_floats_from_0_to_1_are_scaled_and_others_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    values = rng.random((32, 32)).astype(np.float32)
    found = shown(Image.fromarray(values), tmp_path / "a.tif")
    assert np.abs(found.pixels[..., 1] - values * 255).max() <= 0.51 and found.changes == (pictures.FLOAT,)
    for wrong in (values * 255 + 2, values - 2, np.full_like(values, np.nan)):
        with pytest.raises(ValueError, match=r"b\.tif: not readable as a picture: values from .* expected 0 to 1"):
            shown(Image.fromarray(wrong), tmp_path / "b.tif")


def test_transparent_parts_lie_on_white(colours: np.ndarray, tmp_path: Path) -> None:
    layers = np.dstack([colours, np.full((32, 32), 255, np.uint8)])
    assert shown(Image.fromarray(layers), tmp_path / "opaque.png").changes == ()
    layers[:16, :, 3] = 0
    found = shown(Image.fromarray(layers), tmp_path / "a.png")
    assert (found.pixels[:16] == 255).all() and np.array_equal(found.pixels[16:], colours[16:])
    assert found.changes == (pictures.ALPHA,)
    grey = Image.fromarray(np.zeros((32, 32, 2), np.uint8), "LA")
    assert (shown(grey, tmp_path / "grey.png").pixels == 255).all()
    blank = Image.new("P", (32, 32), 3)
    assert (shown(blank, tmp_path / "key.gif", transparency=3).pixels == 255).all()
    keyed = shown(Image.new("RGB", (32, 32), (1, 2, 3)), tmp_path / "key.png", transparency=(1, 2, 3))
    assert (keyed.pixels == 255).all()


def test_exif_turns_and_mirrors_a_picture(colours: np.ndarray, tmp_path: Path) -> None:
    for number, expected in ((3, colours[::-1, ::-1]), (6, np.rot90(colours, -1)), (2, colours[:, ::-1])):
        exif = Image.Exif()
        exif[pictures.ORIENTATION] = number
        found = shown(Image.fromarray(colours), tmp_path / f"{number}.png", exif=exif)
        assert np.array_equal(found.pixels, expected) and found.changes == (pictures.TURNED,)


def test_cmyk_is_converted_and_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    found = shown(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), tmp_path / "a.tif")
    assert found.pixels[0, 0].tolist() == [255, 0, 0] and found.changes == (pictures.CONVERTED,)
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    found = shown(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert found.pixels[0, 0].tolist() == [255, 0, 0] and pictures.FRAMES in found.changes


def test_another_size_is_cut_to_a_square_and_averaged(colours: np.ndarray, tmp_path: Path) -> None:
    large = np.repeat(np.repeat(colours, 3, axis=0), 3, axis=1)
    wide = np.pad(large, ((0, 0), (30, 30), (0, 0)))
    found = shown(Image.fromarray(wide), tmp_path / "a.png")
    assert np.array_equal(found.pixels, colours) and found.size == (156, 96)
    assert found.changes == (pictures.SQUARE["crop"], pictures.RESIZED)
    padded = pictures.read_picture(tmp_path / "a.png", fit="pad")
    assert (padded.pixels[0] == 255).all() and not (padded.pixels[16] == 255).all()
    kept = pictures.read_picture(tmp_path / "a.png", keep_size=True)
    assert np.array_equal(kept.pixels, wide) and kept.changes == ()
    with pytest.raises(ValueError, match="fit 'squash'"):
        pictures.read_picture(tmp_path / "a.png", fit="squash")
    one = shown(Image.new("RGB", (1, 1), "green"), tmp_path / "one.png")
    assert one.pixels.shape == (32, 32, 3)


def test_the_size_of_a_picture_is_read_before_its_pixels(tmp_path: Path, monkeypatch) -> None:
    Image.new("RGB", (9000, 9000)).save(tmp_path / "bomb.png")  # 243 MB in 0.4
    monkeypatch.setattr(Image.Image, "load", lambda picture: pytest.fail("it was unpacked"))
    with pytest.raises(ValueError, match=r"bomb\.png: .*9000 x 9000 pixels, expected at most 64,000,000"):
        pictures.read_picture(tmp_path / "bomb.png")


def test_no_picture_a_torn_one_and_a_program_are_refused_by_name(colours: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(colours).save(tmp_path / "whole.png")
    wrong = {"words.png": b"no picture", "empty.png": b"", "torn.png": (tmp_path / "whole.png").read_bytes()[:900]}
    wrong["program.png"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\nshowpage\n"
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}: not readable as a picture"):
            pictures.read_picture(tmp_path / name)
        with pytest.raises(ValueError, match="row 3: not readable as a picture"):
            pictures.read_picture(content, "row 3")


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
