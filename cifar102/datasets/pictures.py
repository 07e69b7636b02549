"""Picture files read as images: one file, or a folder of them. Pillow opens them; nothing in them is run."""

from pathlib import Path

import numpy as np
from PIL import Image

from cifar102.cifar import ImageSet

ENDINGS = {".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".ppm"}
# Pillow tells a picture by its content, whatever its name; the kinds left out here are opened by other programs (EPS by
# Ghostscript) or by readers that few people use.
FORMATS = ("PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM")
SIDE = 32


def read_picture(path: Path) -> np.ndarray:
    """Read one picture of 32 x 32 pixels as uint8 (32, 32, 3), RGB.

    ValueError names the file where it is no picture or has another size, which is looked at before it is unpacked.
    """
    if not Path(path).is_file():  # a pipe would be waited for
        raise ValueError(f"{path}: is no file, expected a picture")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size  # known before a picture that unpacks to gigabytes is unpacked
            pixels = np.asarray(picture.convert("RGB")) if (width, height) == (SIDE, SIDE) else None
    except Exception as error:  # Pillow's readers raise many kinds for a damaged file
        raise ValueError(f"{path}: not readable as a picture: {error}") from error
    if pixels is None:
        raise ValueError(f"{path}: expected {SIDE} x {SIDE} pixels, found {width} x {height}")
    return pixels


def read_folder(folder: Path) -> ImageSet:
    """Read all pictures below a folder, by name; labels are -1, file names are paths below the folder.

    ValueError where there is none, or where one of them is not readable.
    """
    files = sorted(file for file in Path(folder).rglob("*") if file.suffix.lower() in ENDINGS)
    if not files:
        raise ValueError(f"{folder}: holds no pictures ({', '.join(sorted(ENDINGS))}) and no CIFAR files")
    images = np.stack([read_picture(file) for file in files])
    return ImageSet(images, np.full(len(files), -1), tuple(file.relative_to(folder).as_posix() for file in files))
