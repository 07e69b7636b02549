"""The Tiny Images binary pair, the only place where its layout is known: random access by index and by keyword.

`tiny_images.bin` holds 3,072 bytes a record, Matlab column-major (byte = row + 32*column + 1024*channel);
`tiny_metadata.bin` holds 768. Record numbers are 0-based. The full set has 79,302,017 records; nothing here holds more
than a block of them. Source: Torralba, Fergus & Freeman 2008, https://groups.csail.mit.edu/vision/TinyImages/
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.tiny_images import keyword_index
from cifar102.tiny_images import metadata as tiny_metadata
from cifar102.workspace.files import refuse_link, replacing

IMAGES_FILE, METADATA_FILE = "tiny_images.bin", "tiny_metadata.bin"
IMAGE_BYTES = 3072
BLOCK_RECORDS = 8192  # 24 MiB of pixels: the most that is read before it is handed on


class RecordNumberError(IndexError, ValueError):
    """A record number that the file does not have."""


def images_to_records(images: np.ndarray) -> np.ndarray:
    """Lay out images as Tiny Images records: byte = row + 32*column + 1024*channel.

    images: uint8 (n, 32, 32, 3). Returns uint8 (n, 3072). Inverse of records_to_images.
    """
    return np.ascontiguousarray(cifar.check_images(images).transpose(0, 3, 2, 1)).reshape(len(images), IMAGE_BYTES)


def records_to_images(records: np.ndarray) -> np.ndarray:
    """Turn Tiny Images records, uint8 (n, 3072), into images, uint8 (n, 32, 32, 3), contiguous."""
    if records.dtype != np.uint8 or records.ndim != 2 or records.shape[1] != IMAGE_BYTES:
        raise ValueError(f"Tiny Images records are uint8 (n, 3072), found {records.dtype} {records.shape}")
    return np.ascontiguousarray(records.reshape(-1, 3, 32, 32).transpose(0, 3, 2, 1))


class TinyImages:
    """An open Tiny Images pair: `tiny_images.bin` and `tiny_metadata.bin` of one folder.

    Usable as a context manager. Raises FileNotFoundError for a missing file and ValueError where a size is no multiple
    of the record size or the two files hold different numbers of records.
    """

    def __init__(self, folder: Path) -> None:
        self.images_path, self.metadata_path = Path(folder) / IMAGES_FILE, Path(folder) / METADATA_FILE
        num_images = _count_records(self.images_path, IMAGE_BYTES)
        self._count = _count_records(self.metadata_path, tiny_metadata.RECORD_BYTES)
        if num_images != self._count:
            raise ValueError(
                f"{folder}: {IMAGES_FILE} holds {num_images} records, {METADATA_FILE} {self._count}; one is truncated"
            )
        self._keywords = keyword_index.KeywordIndex(self.metadata_path)

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> "TinyImages":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the memory map of the metadata."""
        self._keywords.close()

    def keyword_range(self, keyword: str) -> range:
        """Return the record numbers of a keyword, found by binary search (see keyword_index.KeywordIndex.find).

        An unsorted file brings a warning and one sequential scan. Raises a ValueError that is a KeyError too, with
        the nearest names, for an unknown keyword, and ValueError for one whose records are not contiguous.
        """
        return self._keywords.find(keyword)

    def keywords(self) -> dict[str, range]:
        """Return every keyword with its record numbers, in file order (about 20 record reads a keyword)."""
        return self._keywords.all()

    def is_sorted(self) -> bool:
        """Say, by one scan of the whole metadata file, whether keywords stand in strict ASCII byte order."""
        return self._keywords.is_sorted()

    def metadata(self, indices: Sequence[int], columns: tuple[str, ...] = tiny_metadata.FIELDS) -> pd.DataFrame:
        """Return the 14 fields (or `columns` of them) of records, a row each, in the order asked.

        keyword, filename, date, engine, thumb_url, source_url are str; width, height, colors, page, ind_page,
        ind_engine, ind_overall and label (-1 unlabelled, 0 incorrect, 1 correct) int64, -1 where a field is blank.
        Raises ValueError with the record number for a bad index or field.
        """
        indices = self._checked(indices)
        tables = [self._metadata_block(block, columns) for block in _blocks(indices)]
        return pd.concat(tables, ignore_index=True)

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Return images, uint8 (n, 32, 32, 3), in the order asked; the file is read once, in file order."""
        indices = self._checked(indices)
        images = np.empty((len(indices), 32, 32, 3), dtype=np.uint8)
        for rows in _blocks(np.argsort(indices, kind="stable")):
            images[rows] = records_to_images(_read_records(self.images_path, IMAGE_BYTES, indices[rows]))
        return images

    def images_to(self, path: Path, indices: Sequence[int]) -> Path:
        """Write images to a .npy file in the order asked, atomically, without ever holding more than a block of them.

        The pixels are read once, in file order, whatever the order asked; each goes to its own place in the file.
        """
        indices = self._checked(indices)
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(indices), 32, 32, 3)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            start = file.tell()
            for block in _blocks(np.argsort(indices, kind="stable")):
                places = np.sort(block)
                images = records_to_images(_read_records(self.images_path, IMAGE_BYTES, indices[places]))
                for first, last in _runs(places):
                    file.seek(start + int(places[first]) * IMAGE_BYTES)
                    file.write(images[first:last].data)
        return Path(path)

    def _metadata_block(self, indices: np.ndarray, columns: tuple[str, ...]) -> pd.DataFrame:
        rows = _read_records(self.metadata_path, tiny_metadata.RECORD_BYTES, indices)
        records = rows.reshape(-1).view(tiny_metadata.RECORD)
        return tiny_metadata.decode_records(records, indices, columns, str(self.metadata_path))

    def _checked(self, indices: Sequence[int]) -> np.ndarray:
        values = np.asarray(indices)
        if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
            raise ValueError(f"indices: expected a list of record numbers, found {values.dtype} {values.shape}")
        outside = values[(values < 0) | (values >= len(self))]
        if len(outside):
            raise RecordNumberError(f"record {outside[0]} is not in {self.images_path}: it has 0 to {len(self) - 1}")
        return values.astype(np.int64)


def write_tiny_images(folder: Path, images: np.ndarray, metadata: pd.DataFrame) -> np.ndarray:
    """Write a Tiny Images pair, records stably sorted by keyword in strict ASCII byte order; each file atomically.

    images: uint8 (n, 32, 32, 3); metadata: n rows with `keyword` and `filename`; the other fields have defaults
    (metadata.DEFAULTS). Returns int64 (n,): the input rows in file order. Raises ValueError naming row and field,
    or where `folder` or a file of the pair in it is a link.
    """
    cifar.check_images(images)
    if len(images) != len(metadata) or not len(images):
        raise ValueError(f"expected as many images as metadata rows, at least 1: found {len(images)}, {len(metadata)}")
    records = tiny_metadata.encode_records(metadata)
    order = np.argsort(records["keyword"], kind="stable")
    folder = Path(folder)
    refuse_link(folder)
    with replacing(folder / IMAGES_FILE) as images_file, replacing(folder / METADATA_FILE) as metadata_file:
        with images_file.open("wb") as file:
            for rows in _blocks(order):
                file.write(images_to_records(np.asarray(images[rows])).data)
        metadata_file.write_bytes(records[order].tobytes())
    return order.astype(np.int64)


def _count_records(path: Path, record_bytes: int) -> int:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; a Tiny Images pair is {IMAGES_FILE} and {METADATA_FILE}")
    size = path.stat().st_size
    if size == 0 or size % record_bytes:
        raise ValueError(f"{path}: {size} bytes are no whole number of {record_bytes}-byte records; is it truncated?")
    return size // record_bytes


def _blocks(indices: np.ndarray) -> list[np.ndarray]:
    """Cut indices into blocks of BLOCK_RECORDS; one empty block where there are none."""
    return [indices[first : first + BLOCK_RECORDS] for first in range(0, max(len(indices), 1), BLOCK_RECORDS)]


def _read_records(path: Path, record_bytes: int, indices: np.ndarray) -> np.ndarray:
    """Read records, uint8 (n, record_bytes), in the order asked; on disk in file order, neighbours in one read."""
    numbers, inverse = np.unique(indices, return_inverse=True)
    rows = np.empty((len(numbers), record_bytes), dtype=np.uint8)
    with path.open("rb", buffering=0) as file:
        for first, last in _runs(numbers):
            file.seek(int(numbers[first]) * record_bytes)
            _read_into(file, rows[first:last].reshape(-1), path)
    return rows[inverse]


def _runs(numbers: np.ndarray) -> list[tuple[int, int]]:
    """Cut ascending numbers into runs of neighbours: the first place and one past the last of each."""
    bounds = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
    return [(first, last) for first, last in itertools.pairwise(bounds) if first < last]


def _read_into(file: object, target: np.ndarray, path: Path) -> None:
    """Fill `target`, uint8 (m,), from a raw file, whose reads may fall short."""
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])
        if not count:
            raise ValueError(f"{path}: ends {len(target) - done} bytes too early; it was cut while it was read")
        done += count
