"""How fast and how small: the metadata scan against `cat`, keyword search against a scan, memory against 2 GB."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cifar102 import tiny_images, tiny_keywords, tiny_metadata

SCANNED_RECORDS = 1 << 19  # 384 MiB of metadata, which stay in the page cache
RECORDS_A_KEYWORD = 1046  # as the full set has on average
FULL_SET = 79_302_017
MEMORY_BUDGET_MB = 2000
REPEATS = 7

# A process of its own, so that its peak memory is that of the candidates alone
CHILD = """
import json, sys, time
import numpy as np
from cifar102 import tiny_images
folder, num_candidates, num_keywords = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start = time.perf_counter()
tiny = tiny_images.TinyImages(folder)
found = sum(len(tiny.keyword_range(f"keyword_{k:06d}")) for k in range(num_keywords))
searched = time.perf_counter()
indices = np.random.default_rng(0).integers(0, len(tiny), num_candidates)
tiny.images_to(folder + "/candidate_images.npy", indices)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"records": len(tiny), "found": found, "peak_mb": int(status["VmHWM"].split()[0]) / 1024,
    "search_seconds": searched - start, "gather_seconds": time.perf_counter() - searched}))
"""


def benchmarks() -> list[dict]:
    """Return rows {name, ours, peer, unit, ratio, peer_name}, a ratio above 1 where ours is better; about 20 s."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny_metadata.bin"
        write_metadata(path, SCANNED_RECORDS)
        rows = [scan_against_cat(path), search_against_scan(path)]
    if sys.platform == "linux":  # sparse files and /proc
        rows += [memory_of_candidates(count) for count in (10**6, 10**7, FULL_SET)]
    return rows


def scan_against_cat(path: Path) -> dict:
    """Find the runs of keywords of a whole file, and `cat FILE >/dev/null`, in turns."""
    gigabytes = path.stat().st_size / 1e9
    seconds = {"ours": [], "peer": []}
    for _ in range(REPEATS):
        seconds["peer"].append(_timed(lambda: _cat(path)))
        seconds["ours"].append(_timed(lambda: tiny_keywords.scan_runs(path)))
    ours, peer = (gigabytes / statistics.median(seconds[side]) for side in ("ours", "peer"))
    return _row("metadata_scan_vs_cat", ours, peer, "GB/s", ours / peer, "cat FILE >/dev/null (file in the page cache)")


def search_against_scan(path: Path) -> dict:
    """Find keywords by binary search, and by a scan of the file for each."""
    index = tiny_keywords.KeywordIndex(path)
    index._is_sorted = True  # proven for small files only; the search is timed alone
    num_keywords = SCANNED_RECORDS // RECORDS_A_KEYWORD
    seconds = _timed(lambda: [index.find(f"keyword_{k:06d}") for k in range(num_keywords)])
    ours, peer = num_keywords / seconds, 1 / _timed(lambda: tiny_keywords.scan_runs(path))
    index.close()
    return _row("keyword_search_vs_scan", ours, peer, "look-ups/s", ours / peer, "one scan a look-up")


def memory_of_candidates(num_records: int, num_candidates: int = 20_000, num_keywords: int = 50) -> dict:
    """Peak memory of a process that finds keywords and streams candidates out of a sparse pair of `num_records`."""
    found = run_child(num_records, num_candidates, num_keywords)
    ratio = MEMORY_BUDGET_MB / found["peak_mb"]
    return _row(f"candidate_memory_{num_records}", found["peak_mb"], MEMORY_BUDGET_MB, "MB", ratio, "budget of 2 GB")


def run_child(num_records: int, num_candidates: int, num_keywords: int) -> dict:
    """Make a sparse pair whose last records have keywords, and measure one process that works on it."""
    with tempfile.TemporaryDirectory() as folder:
        per_keyword = num_candidates // num_keywords
        write_metadata(Path(folder) / "tiny_metadata.bin", per_keyword * num_keywords, per_keyword, num_records)
        with (Path(folder) / "tiny_images.bin").open("wb") as file:
            file.truncate(num_records * tiny_images.IMAGE_BYTES)
        command = [sys.executable, "-c", CHILD, folder, str(num_candidates), str(num_keywords)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["found"] == per_keyword * num_keywords, found
    return found


def write_metadata(
    path: Path, count: int, per_keyword: int = RECORDS_A_KEYWORD, num_records: int | None = None
) -> None:
    """Write `count` records of sorted keywords, behind a hole (zero bytes sort first) up to `num_records` in all."""
    records = np.zeros(count, dtype=tiny_metadata.RECORD)
    records["keyword"] = [b"keyword_%06d" % (row // per_keyword) for row in range(count)]
    rows = records.view(np.uint8)
    rows[rows == 0] = ord(" ")
    with path.open("wb") as file:
        file.seek(((num_records or count) - count) * tiny_metadata.RECORD_BYTES)
        file.write(records.data)


def _cat(path: Path) -> None:
    if sys.platform == "win32":
        subprocess.run(["cmd", "/c", f'type "{path}" > NUL'], check=True)
        return
    subprocess.run(["cat", str(path)], check=True, stdout=subprocess.DEVNULL)


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _row(name: str, ours: float, peer: float, unit: str, ratio: float, peer_name: str) -> dict:
    return {"name": name, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio, "peer_name": peer_name}


if __name__ == "__main__":
    print(json.dumps(benchmarks(), indent=2))
