"""What the review pages show: many small images as one PNG, their order, difference images, CIFAR-10's own images."""

import hashlib
import io

import numpy as np
import pandas as pd
from PIL import Image

from cifar102 import cifar
from cifar102.cifar import check_images
from cifar102.figures import tiles
from cifar102.workspace.folders import Workspace

COLUMNS = 50
Reply = tuple[dict[str, object], list[bytes]]  # what a desk answers: fields, and pictures beside them


def sheet(images: np.ndarray, columns: int = COLUMNS) -> bytes:
    """Lay images, uint8 (n, 32, 32, 3), out in rows of `columns` and return the bytes of one PNG; b"" for none."""
    check_images(images)
    if not len(images):
        return b""
    columns = min(columns, len(images))
    grid = tiles.Grid(len(images), columns, (tiles.SIDE, tiles.SIDE))
    picture = tiles.draw(images, grid.spots, grid.size, background=0)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", compress_level=1)  # quick: it travels inside this machine
    return file.getvalue()


def order(count: int, *names: str) -> np.ndarray:
    """Return a permutation of range(count), int64, that depends on the names alone: the same at every opening."""
    digest = hashlib.blake2b("\0".join(names).encode("utf-8"), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big")).permutation(count)


def moved(image: np.ndarray, down: int, right: int, blank: int = 0) -> np.ndarray:
    """Move an image, uint8 (32, 32, 3), by whole pixels; where nothing comes from, it is `blank`."""
    rows, columns = np.arange(32) - down, np.arange(32) - right
    inside = ((rows >= 0) & (rows < 32))[:, None] & ((columns >= 0) & (columns < 32))
    found = image[np.clip(rows, 0, 31)[:, None], np.clip(columns, 0, 31)]
    return np.where(inside[..., None], found, np.uint8(blank))


def difference(image: np.ndarray, other: np.ndarray, down: int, right: int) -> np.ndarray:
    """How far `other`, moved down and right, is from `image`: absolute differences, uint8, 0 outside the overlap."""
    apart = np.abs(image.astype(np.int16) - moved(other, down, right)).astype(np.uint8)
    overlap = moved(np.full_like(other, 255), down, right)
    return np.minimum(apart, overlap)


class OwnImages:
    """CIFAR-10's own images by class and keyword, read from raw/ when first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._found: dict[tuple[str, str], np.ndarray] | None = None

    def of(self, class_name: str, keyword: str) -> np.ndarray:
        """Return uint8 (n, 32, 32, 3); none where CIFAR-10 is not in raw/ or has no image of that keyword."""
        if self._found is None:
            self._found = self._read()
        return self._found.get((class_name, keyword), np.empty((0, 32, 32, 3), np.uint8))

    def _read(self) -> dict[tuple[str, str], np.ndarray]:
        folder = self._workspace.cifar10
        if not folder.is_dir():
            return {}
        own = cifar.join(list(cifar.load_cifar10(folder).values()))
        if not own.filenames:
            return {}
        table = pd.DataFrame({"class": np.array(cifar.CLASS_NAMES)[own.labels], "keyword": own.keywords})
        return {key: own.images[rows] for key, rows in table.groupby(["class", "keyword"]).indices.items()}
