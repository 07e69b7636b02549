"""Where a keyword's records stand in `tiny_metadata.bin`: binary search over a memory map, or one scan.

Records are grouped by keyword and keywords stand in strict ASCII byte order, so a keyword is one range. A file that is
not sorted is noticed where the probes of a search contradict each other; then the runs of equal keywords are found by
one sequential scan, and kept.
"""

import itertools
import mmap
import warnings
from pathlib import Path

import numpy as np

from cifar102.tiny_images import metadata
from cifar102.workspace.wording import near_names

RECORD_BYTES = metadata.RECORD_BYTES
KEYWORD_BYTES = metadata.WIDTHS["keyword"]
WINDOW_RECORDS = 1 << 16  # 48 MiB mapped at a time; a multiple of 64 KiB, as Windows wants offsets to be
SCAN_RECORDS = 4096  # the two cache lines of so many keywords are 512 KiB: they stay in the cache
SMALL_FILE = 1 << 16  # records up to which a scan (50 MB) is cheap enough to prove the order before the first search
NUM_SAMPLES = 1024  # neighbours compared in a large file before a keyword is called unknown


class UnknownKeywordError(KeyError, ValueError):
    """A keyword that the file does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class OrderError(Exception):
    """Two records stand in the wrong order."""


class KeywordIndex:
    """Keyword ranges of one metadata file, whose size has been checked to be a whole number of records.

    num_reads counts the record reads of all searches so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._count = len(self._map) // RECORD_BYTES
        self._runs: np.ndarray | None = None  # first record of each run, once the file is known to be unsorted
        self._is_sorted: bool | None = None
        self.num_reads = 0

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def find(self, keyword: str) -> range:
        """Return a keyword's records: about log2(records) reads for the first, log2(its records) more for the last.

        See TinyImages.keyword_range for what is raised.
        """
        if not keyword.isascii():
            raise UnknownKeywordError(f"{self.path}: no keyword {keyword!r}; keywords of Tiny Images are ASCII")
        key = keyword.encode("ascii")
        if self._runs is None and self._count <= SMALL_FILE and not self.is_sorted():
            self._fall_back()
        if self._runs is None:
            try:
                start, stop = self._search(key)
                if start == stop:
                    self._sample_order()
            except OrderError as error:
                self._fall_back(str(error))
        if self._runs is not None:
            start, stop = self._search_runs(key)
        if start == stop:
            raise UnknownKeywordError(f"{self.path}: no keyword {keyword!r}; {self._near(keyword, start)}")
        return range(start, stop)

    def all(self) -> dict[str, range]:
        """Return every keyword with its range, in file order, by galloping from run to run."""
        if self._runs is None:
            try:
                return self._gallop_all()
            except OrderError as error:
                self._fall_back(str(error))
        ranges: dict[str, range] = {}
        bounds = [*self._runs.tolist(), self._count]
        for start, stop in itertools.pairwise(bounds):
            keyword = self._decoded(start)
            if keyword in ranges:
                raise ValueError(
                    f"{self.path}: {keyword!r} stands at records {ranges[keyword].start} and {start} apart"
                )
            ranges[keyword] = range(start, stop)
        return ranges

    def is_sorted(self) -> bool:
        """Say by one scan whether all keywords stand in strict ASCII byte order; known afterwards."""
        if self._is_sorted is None:
            _, self._is_sorted = scan_runs(self.path)
        return self._is_sorted

    def _at(self, index: int) -> bytes:
        self.num_reads += 1
        first = index * RECORD_BYTES
        return self._map[first : first + KEYWORD_BYTES].rstrip(b" \0")

    def _decoded(self, index: int) -> str:
        return metadata.decode_keyword(self._at(index), index, str(self.path))

    def _search(self, key: bytes) -> tuple[int, int]:
        """First and one past the last record of `key`; OrderError where two records read contradict the order."""
        probes: dict[int, bytes] = {}
        low, high, after = 0, self._count, self._count
        while low < high:
            middle = (low + high) // 2
            probes[middle] = self._at(middle)
            if probes[middle] < key:
                low = middle + 1
            else:
                high = middle
                after = middle if probes[middle] > key else after
        start, low = low, max([low, *(p + 1 for p, value in probes.items() if value == key)])
        while low < after:
            middle = (low + after) // 2
            probes[middle] = self._at(middle)
            low, after = (low, middle) if probes[middle] > key else (middle + 1, after)
        ordered = sorted(probes.items())
        for (first, value), (second, following) in itertools.pairwise(ordered):
            if value > following:
                raise OrderError(f"record {first} has {value!r}, record {second} {following!r}")
        return start, low

    def _run_end(self, start: int, key: bytes) -> int:
        """One past the last record of the run that starts at `start`, by doubling steps, then halving them."""
        step = 1
        while start + step < self._count and self._at(start + step) == key:
            step *= 2
        low, high = start + step // 2, min(start + step, self._count)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._at(middle) == key else (low, middle)
        return high

    def _gallop_all(self) -> dict[str, range]:
        ranges, start, previous = {}, 0, b""
        while start < self._count:
            key = self._at(start)
            if start and key <= previous:
                raise OrderError(f"record {start - 1} has {previous!r}, record {start} {key!r}")
            stop, previous = self._run_end(start, key), key
            ranges[self._decoded(start)] = range(start, stop)
            start = stop
        return ranges

    def _sample_order(self) -> None:
        """Compare evenly spread records; OrderError where they fall."""
        sample = np.linspace(0, self._count - 1, min(NUM_SAMPLES, self._count)).astype(np.int64).tolist()
        keys = [self._at(index) for index in sample]
        for place in range(len(sample) - 1):
            if keys[place] > keys[place + 1]:
                raise OrderError(f"records {sample[place]} and {sample[place + 1]} are out of order")

    def _fall_back(self, detail: str = "") -> None:
        detail = f" ({detail})" if detail else ""
        warnings.warn(f"{self.path} is not sorted by keyword{detail}: scanning all of it once", stacklevel=4)
        self._runs, self._is_sorted = scan_runs(self.path)

    def _search_runs(self, key: bytes) -> tuple[int, int]:
        found = self._runs_of(key)
        if len(found) > 1:
            starts = [int(self._runs[place]) for place in found]
            raise ValueError(f"{self.path}: {key!r} stands in {len(found)} places, at records {starts[:5]}: no range")
        if not found:
            return 0, 0
        return int(self._runs[found[0]]), int(np.append(self._runs, self._count)[found[0] + 1])

    def _runs_of(self, key: bytes) -> list[int]:
        """The runs with this keyword. No view of the map outlives this call: an error would keep it from closing."""
        keys = np.frombuffer(self._map, dtype=metadata.RECORD)["keyword"]
        return [
            int(place) + first
            for first in range(0, len(self._runs), SCAN_RECORDS)
            for place in np.flatnonzero(keys[self._runs[first : first + SCAN_RECORDS]] == key.ljust(KEYWORD_BYTES))
        ]

    def _near(self, keyword: str, place: int) -> str:
        """Name keywords like `keyword`: among all in a small file, else among those that stand near its place."""
        if self._count <= SMALL_FILE and self._is_sorted:
            names = [*self._gallop_all()]
        else:
            spots = np.clip(place + np.arange(-64, 65) * max(1, self._count >> 18), 0, self._count - 1)
            names = sorted({self._at(int(index)).decode("latin-1") for index in spots})
        return near_names(keyword, names, "nor one like it")


def scan_runs(path: Path) -> tuple[np.ndarray, bool]:
    """Find where each run of equal keywords starts, int64 (runs,), by one sequential scan; and whether runs ascend.

    The file is mapped a window at a time: only the keywords' cache lines are touched, which is faster than reading.
    """
    starts, is_sorted, previous = [], True, np.zeros(1, dtype=metadata.RECORD["keyword"])
    num_records = Path(path).stat().st_size // RECORD_BYTES
    with Path(path).open("rb") as file:
        for first in range(0, num_records, WINDOW_RECORDS):
            length = min(WINDOW_RECORDS, num_records - first) * RECORD_BYTES
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=first * RECORD_BYTES) as window:
                changes, ascends, previous = _window_changes(window, previous)
            starts.append(changes + first)
            is_sorted = is_sorted and ascends
    return np.concatenate(starts), is_sorted


def _window_changes(window: mmap.mmap, previous: np.ndarray) -> tuple[np.ndarray, bool, np.ndarray]:
    """Rows of a window that start a run, whether each keyword there is above the one before, the last keyword."""
    records = np.frombuffer(window, dtype=metadata.RECORD)
    keywords = records["keyword"]
    blocks = range(0, len(records) - 1, SCAN_RECORDS)
    rows = [_changes(records[first : first + SCAN_RECORDS + 1]) + first + 1 for first in blocks]
    changes = np.concatenate([np.flatnonzero(keywords[:1] != previous), *rows])
    before = keywords[changes - 1]
    if len(changes) and changes[0] == 0:
        before[0] = previous[0]
    return changes, bool((keywords[changes] > before).all()), keywords[-1:].copy()


def _changes(records: np.ndarray) -> np.ndarray:
    """Rows of `records` whose keyword is another than the next row's, compared eight bytes at a time."""
    words = records.view(np.uint64).reshape(len(records), -1)[:, : KEYWORD_BYTES // 8]
    is_changed = words[1:, 0] != words[:-1, 0]
    for column in range(1, words.shape[1]):
        is_changed |= words[1:, column] != words[:-1, column]
    return np.flatnonzero(is_changed)
