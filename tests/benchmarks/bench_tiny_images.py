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

from cifar102.tiny_images import keyword_index, metadata, pair

SCANNED_RECORDS = 1 << 19  # 384 MiB of metadata, which stay in the page cache
RECORDS_A_KEYWORD = 1046  # as the full set has on average
FULL_SET = 79_302_017
PUBLISHED_CANDIDATES, PUBLISHED_KEYWORDS = 466_009, 299  # of the first CIFAR-10.2 build
MEMORY_BUDGET_MB = 2000
REPEATS = 7
FIELDS = {
    **{"width": b"32", "height": b"32", "colors": b"3", "date": b"15 May 2006 12:39:30 +0000", "engine": b"google"},
    **{"thumb_url": b"http://images.test/" + b"t" * 80, "source_url": b"http://pictures.test/" + b"s" * 120},
    **{"page": b"1", "ind_page": b"1", "ind_engine": b"1", "ind_overall": b"1", "label": b"-1"},
}

# What notebook 01 does, in a process of its own, so that its peak memory is that of the candidates alone
CHILD = """
import json, sys, time
import pandas as pd
from cifar102.tiny_images import candidates
from cifar102.tiny_images import pair
folder, num_keywords = sys.argv[1], int(sys.argv[2])
words = [f"keyword_{k:06d}" for k in range(num_keywords)]
tiny = pair.TinyImages(folder)
start = time.perf_counter()
ranges = [tiny.keyword_range(word) for word in words]
searched = time.perf_counter()
found, missing = candidates.extract_candidates(tiny, pd.DataFrame({"keyword": words, "class_name": "cat", "label": 3}))
tiny.images_to(folder + "/candidate_images.npy", found["tiny_index"].to_numpy())
gathered = time.perf_counter()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"records": len(tiny), "found": len(found), "peak_mb": int(status["VmHWM"].split()[0]) / 1024,
    "search_seconds": searched - start, "gather_seconds": gathered - searched}))
"""


def benchmarks() -> list[dict]:
    """Return rows {name, ours, peer, unit, ratio, peer_name}, a ratio above 1 where ours is better; about 40 s."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny_metadata.bin"
        write_metadata(path, SCANNED_RECORDS)
        rows = [scan_against_cat(path), search_against_scan(path)]
    if sys.platform == "linux":  # sparse files and /proc
        rows += [memory_of_candidates(count) for count in (10**6, 10**7, FULL_SET)]
    return rows


def long_benchmarks() -> list[dict]:
    """The scan of a whole sparse metadata file of 79,302,017 records (61 GB) against `cat` of it, once each."""
    if sys.platform != "linux":
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny_metadata.bin"
        write_metadata(path, PUBLISHED_CANDIDATES, num_records=FULL_SET)
        peer = {"peer_name": "cat FILE >/dev/null (sparse, larger than the page cache)"}
        return [scan_against_cat(path, repeats=1) | {"name": "metadata_scan_vs_cat_full_set_sparse"} | peer]


def scan_against_cat(path: Path, repeats: int = REPEATS) -> dict:
    """Find the runs of keywords of a whole file, and `cat FILE >/dev/null`, in turns."""
    gigabytes = path.stat().st_size / 1e9
    seconds = {"ours": [], "peer": []}
    for _ in range(repeats):
        seconds["peer"].append(_timed(lambda: _cat(path)))
        seconds["ours"].append(_timed(lambda: keyword_index.scan_runs(path)))
    ours, peer = (gigabytes / statistics.median(seconds[side]) for side in ("ours", "peer"))
    return _row("metadata_scan_vs_cat", ours, peer, "GB/s", ours / peer, "cat FILE >/dev/null (file in the page cache)")


def search_against_scan(path: Path) -> dict:
    """Find keywords by binary search, and by a scan of the file for each."""
    index = keyword_index.KeywordIndex(path)
    index._is_sorted = True  # proven for small files only; the search is timed alone
    num_keywords = SCANNED_RECORDS // RECORDS_A_KEYWORD
    seconds = _timed(lambda: [index.find(f"keyword_{k:06d}") for k in range(num_keywords)])
    ours, peer = num_keywords / seconds, 1 / _timed(lambda: keyword_index.scan_runs(path))
    index.close()
    return _row("keyword_search_vs_scan", ours, peer, "look-ups/s", ours / peer, "one scan a look-up")


def memory_of_candidates(num_records: int) -> dict:
    """Peak memory of a process that takes 466,009 candidates of 299 keywords out of a sparse pair of `num_records`."""
    found = run_child(num_records, PUBLISHED_CANDIDATES, PUBLISHED_KEYWORDS)
    print(f"{num_records:,} records: {json.dumps(found)}", flush=True)
    ratio = MEMORY_BUDGET_MB / found["peak_mb"]
    return _row(f"candidate_memory_{num_records}", found["peak_mb"], MEMORY_BUDGET_MB, "MB", ratio, "budget of 2 GB")


def run_child(num_records: int, num_candidates: int, num_keywords: int) -> dict:
    """Make a sparse pair whose last records have keywords, and measure one process that works on it."""
    with tempfile.TemporaryDirectory() as folder:
        write_metadata(Path(folder) / "tiny_metadata.bin", num_candidates, num_candidates / num_keywords, num_records)
        with (Path(folder) / "tiny_images.bin").open("wb") as file:
            file.truncate(num_records * pair.IMAGE_BYTES)
        command = [sys.executable, "-c", CHILD, folder, str(num_keywords)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["found"] == num_candidates, found
    return found


def write_metadata(
    path: Path, count: int, per_keyword: float = RECORDS_A_KEYWORD, num_records: int | None = None
) -> None:
    """Write `count` records of sorted keywords, behind a hole (zero bytes sort first) up to `num_records` in all."""
    records = np.zeros(count, dtype=metadata.RECORD)
    words = [b"keyword_%06d" % int(row / per_keyword) for row in range(count)]
    records["keyword"] = words
    records["filename"] = [b"%s_s_%06d.png" % (word, row) for row, word in enumerate(words)]
    for name, value in FIELDS.items():
        records[name] = value
    rows = records.view(np.uint8)
    rows[rows == 0] = ord(" ")
    with path.open("wb") as file:
        file.seek(((num_records or count) - count) * metadata.RECORD_BYTES)
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
