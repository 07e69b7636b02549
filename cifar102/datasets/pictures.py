"""One picture as a viewer shows it, in 8-bit RGB, at the size of CIFAR: the one reader of picture files.

Turned as its EXIF data says, transparent parts on white, palettes and grey as colours, 16 bits scaled to 8 by the range
of the format. Each change is said. Pillow opens the file, in a few formats only; nothing in a picture is run.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ENDINGS = {".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".ppm", ".pgm"}
FORMATS = ("PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM")  # others, such as EPS, start programs
SIDE = 32
LARGEST_PIXELS = 64_000_000  # of one picture; a larger one is not unpacked
LARGEST_FILE = 1 << 28  # bytes of one picture file
ORIENTATION = 0x0112  # of EXIF
RESAMPLE = {"box": Image.Resampling.BOX, "lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}
FITS = ("crop", "pad")
WHITE = (255, 255, 255)

TURNED = "turned as EXIF says"
FRAMES = "the first frame of several"
ALPHA = "transparent parts laid on white"
GREY = "grey, taken as RGB"
PALETTE = "palette, taken as RGB"
DEEP = "16-bit grey, scaled to 8 bits"
FLOAT = "floating-point grey 0 to 1, scaled to 8 bits"
CONVERTED = "in another colour space (CMYK, YCbCr, LAB), converted to RGB"
SQUARE = {"crop": "not square, cut to a square at the centre", "pad": "not square, filled up with white"}
RESIZED = "of another size, brought to 32 x 32"


@dataclass(frozen=True)
class Shown:
    """A picture as it is taken: pixels uint8 (32, 32, 3), RGB; what was changed; its size before, (width, height)."""

    pixels: np.ndarray
    changes: tuple[str, ...]
    size: tuple[int, int]


def read_picture(
    content: Path | bytes, name: str = "", fit: str = "crop", resample: str = "box", keep_size: bool = False
) -> Shown:
    """Read one picture from a file or from the bytes of one.

    name: for messages, by default the path. fit: `crop` cuts a square at the centre, `pad` fills one up; resample: of
    RESAMPLE, `box` is the area average; keep_size: the pixels stay as many as they are. ValueError names the picture
    where it is none, has a value that no viewer shows, or is too large, which is looked at before it is unpacked.
    """
    name = name or str(content)
    if isinstance(content, Path) and content.stat().st_size > LARGEST_FILE:
        raise ValueError(
            f"{name}: a picture file of {content.stat().st_size:,} bytes, expected at most {LARGEST_FILE:,}"
        )
    try:
        with warnings.catch_warnings(), Image.open(_file(content), formats=FORMATS) as picture:
            warnings.simplefilter("ignore")  # about its size, which is looked at here, and about broken EXIF data
            width, height = picture.size
            if width * height > LARGEST_PIXELS:
                raise ValueError(f"{width} x {height} pixels, expected at most {LARGEST_PIXELS:,}; it was not unpacked")
            shown, changes = as_shown(picture)
            if not keep_size:
                shown, resized = _at_size(shown, fit, resample)
                changes += resized
            return Shown(np.asarray(shown), tuple(changes), (width, height))
    except Exception as error:  # Pillow's readers raise many kinds for a damaged file
        detail = "no picture of a known format" if isinstance(error, Image.UnidentifiedImageError) else error
        raise ValueError(f"{name}: not readable as a picture: {detail}") from error


def as_shown(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return a picture as a viewer shows it, mode RGB, and what that changed; ValueError where no viewer shows it."""
    changes = [FRAMES] if getattr(picture, "n_frames", 1) > 1 else []
    picture.load()
    if picture.getexif().get(ORIENTATION, 1) in range(2, 9):
        picture = ImageOps.exif_transpose(picture)
        changes.append(TURNED)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture, change = _eight_bits(picture)
        return picture.convert("RGB"), [*changes, change]
    if "A" in picture.mode.upper().replace("LAB", "") or "transparency" in picture.info:
        layers = picture.convert("RGBA")
        changes += [ALPHA] if layers.getextrema()[3][0] < 255 else []
        white = Image.new("RGBA", layers.size, (*WHITE, 255))
        return Image.alpha_composite(white, layers).convert("RGB"), changes
    known = {"RGB": None, "L": GREY, "1": GREY, "P": PALETTE}
    change = known.get(picture.mode, CONVERTED)
    return picture.convert("RGB"), [*changes, *([change] if change else [])]


def _eight_bits(picture: Image.Image) -> tuple[Image.Image, str]:
    """Scale whole numbers of 16 bits, or floats from 0 to 1, to 0 to 255; other ranges have no agreed picture."""
    values = np.asarray(picture).astype(np.float64)
    lowest, highest = (values.min(), values.max()) if values.size else (0.0, 0.0)
    largest = 1.0 if picture.mode == "F" else 65535.0
    if not 0 <= lowest <= highest <= largest:  # false for NaN too
        raise ValueError(f"values from {lowest:g} to {highest:g}, expected 0 to {largest:g} for grey of its kind")
    scaled = np.rint(values * (255.0 / largest)).astype(np.uint8)
    return Image.fromarray(scaled), FLOAT if picture.mode == "F" else DEEP


def _at_size(picture: Image.Image, fit: str, resample: str) -> tuple[Image.Image, list[str]]:
    if fit not in FITS or resample not in RESAMPLE:
        raise ValueError(f"fit {fit!r}, resample {resample!r}: expected one of {FITS} and one of {tuple(RESAMPLE)}")
    if picture.size == (SIDE, SIDE):
        return picture, []
    changes = [] if picture.width == picture.height else [SQUARE[fit]]
    method = RESAMPLE[resample]
    if fit == "crop":
        return ImageOps.fit(picture, (SIDE, SIDE), method), [*changes, RESIZED]
    return ImageOps.pad(picture, (SIDE, SIDE), method, color=WHITE), [*changes, RESIZED]


def _file(content: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content
