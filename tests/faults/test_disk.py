"""A full disk, a read-only one, a second run, a clock that jumps: said in one sentence, nothing lost, resumed."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.annotations import votes
from cifar102.datasets import release
from cifar102.tiny_images import pair
from cifar102.training import runs
from cifar102.workflow import report, runner, stamps
from cifar102.workspace import files, folders
from cifar102.workspace.files import remove_leftovers, write_array, write_bytes, write_json, write_table, write_text
from cifar102.workspace.folders import LAYOUT, Workspace
from tests.faults import demo_runs
from tests.faults.cases import contents
from tests.faults.test_bad_files import IMAGES, LABELS, NAMES, built
from tests.faults.test_kills import assert_nothing_half_written, wait_for

ROWS = pd.DataFrame({"keyword": ["dog"] * 20, "filename": NAMES})
WRITERS = {
    "bytes": lambda folder: write_bytes(folder / "a.bin", b"new"),
    "text": lambda folder: write_text(folder / "a.txt", "new"),
    "json": lambda folder: write_json(folder / "a.json", {"new": 1}),
    "an array": lambda folder: write_array(folder / "a.npy", np.arange(9)),
    "a csv": lambda folder: write_table(folder / "a.csv", ROWS),
    "a parquet": lambda folder: write_table(folder / "a.parquet", ROWS),
    "a batch": lambda folder: cifar.write_batch(folder / "data_batch_1", IMAGES, LABELS, NAMES, "b"),
    "tiny images": lambda folder: pair.write_tiny_images(folder, IMAGES, ROWS),
    "predictions": lambda folder: runs.write_predictions(folder, {"a": {"class_ids": LABELS}}),
    "a summary": lambda folder: folders.update_summary(Workspace(folder), "new", {"a": 1}),
    "a report": lambda folder: report.build_report(Workspace(folder), []),
    "a release": lambda folder: built(folder),
}
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("moment", ["the first fsync", "the last rename"])
def test_a_writer_on_a_full_disk_says_so_and_leaves_what_was_there(
    name: str, moment: str, tmp_path: Path, monkeypatch, counts: Counter
) -> None:
    write = WRITERS[name]
    write(tmp_path)
    before = contents(tmp_path)

    def fails(*arguments: object) -> None:
        raise OSError(FULL.errno, FULL.strerror)

    if moment == "the first fsync":
        monkeypatch.setattr(files.os, "fsync", fails)
    else:
        monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match=r"No space left on device: '.*'") as caught:
        write(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    after = contents(tmp_path)
    gone = set(before) - set(after)
    assert gone <= {"built/release/SHA256SUMS"}, "a release is not complete without its checksums, and says so"
    assert {file: digest for file, digest in before.items() if file not in gone} == after
    monkeypatch.undo()
    write(tmp_path)
    assert set(contents(tmp_path)) == set(before)
    counts["bad_inputs"] += 1


LEFT_BEHIND = (".a.npy.cifar102-abcd1234.tmp.npy", ".b.cifar102-abcd1234.tmp")


def test_what_killed_writers_left_is_removed_by_the_next_run_and_what_lives_is_not(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    dead, alive, mine = (place.built / name for name in (*LEFT_BEHIND, ".mine.tmp.txt"))
    for path in (dead, alive, mine):
        write_text(path, "half")
    for path in (dead, mine):
        os.utime(path, (0, 0))
    with runner.hold_workspace(place):
        pass
    assert sorted(path.name for path in place.built.iterdir()) == sorted([alive.name, mine.name])
    assert remove_leftovers(tmp_path, LAYOUT, older_than_seconds=-1) == [alive]


LEFT_IN_RELEASE = (
    ".manifest.parquet.cifar102-abcd1234.tmp.parquet",
    "cifar-10.2-batches-py/.test_batch.cifar102-abcd1234.tmp",
)


def test_a_release_killed_half_way_is_whole_when_it_is_written_again(tmp_path: Path) -> None:
    place = built(tmp_path)
    (place.release / "SHA256SUMS").unlink()
    for name in LEFT_IN_RELEASE:
        (place.release / name).write_bytes(b"half")
    built(tmp_path)
    assert release.check_release(place) == {"train": 10, "test": 5, "leftover": 5}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, empty."""
    place = tmp_path / "a disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or mount(place, "size=256k") != 0:
        pytest.skip("only root can mount a small disk on Linux; the wrapped writes above run everywhere")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def mount(place: Path, options: str) -> int:
    if "remount" in options:
        return subprocess.call(["mount", "-o", options, str(place)])
    return subprocess.call(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)])


@pytest.mark.faults
def test_a_run_on_a_disk_that_fills_up_says_so_and_goes_on_with_the_next_one(
    disk: Path, tmp_path: Path, unbroken: Path, counts: Counter
) -> None:
    words, log = ("run", "demo", "--only", "04", "--workspace", str(disk / "run")), tmp_path / "log"
    for size in ("256k", "10m", "40m"):
        assert mount(disk, f"remount,size={size}") == 0
        command = demo_runs.Command(words, log)
        code, text = command.wait(), command.text()
        assert code in (1, 2), f"{size} are enough: {text[-2000:]}"
        said = text.strip().splitlines()[-1]
        assert "No space left on device" in said and str(disk) in said, text[-3000:]
        assert_nothing_half_written(disk / "run")
        counts["bad_inputs"] += 1
    assert mount(disk, "remount,size=1g") == 0
    demo_runs.run_to_end(words, log)
    wrong, compared = demo_runs.differences(unbroken, disk / "run", is_part=True)
    assert wrong == []
    release.check_release(disk / "run" / "built" / "release")
    counts["bytes_compared"] += compared


@pytest.mark.faults
def test_votes_on_a_full_disk_are_refused_aloud_and_none_is_lost(disk: Path, counts: Counter) -> None:
    log, kept = votes.VoteLog(disk / "labels" / "votes.jsonl"), 0
    with pytest.raises(OSError, match=r"No space left on device: '.*votes\.jsonl'"):
        while True:
            log.append(kept, "tabby", "cat", "anna", "yes")
            kept += 1
    assert kept > 100
    assert set(range(kept)) <= set(log.table(all=True)["tiny_index"])
    assert mount(disk, "remount,size=1m") == 0
    log.append(10**6, "tabby", "cat", "anna", "no")
    found = set(log.table(all=True)["tiny_index"])
    assert set(range(kept)) | {10**6} <= found
    assert len(log.refused()) <= 1
    counts["votes_kept"] += kept + 1


@pytest.mark.faults
def test_a_read_only_workspace_is_named_and_can_still_be_listed(disk: Path, tmp_path: Path, counts: Counter) -> None:
    assert mount(disk, "remount,size=100m") == 0
    root = disk / "run"
    demo_runs.run_to_end(("run", "demo", "--only", "01", "--workspace", str(root)), tmp_path / "log")
    before = contents(root)
    assert mount(disk, "remount,ro") == 0
    for words in (
        ("run", "demo", "--only", "02"),
        ("run", "demo", "--from", "01"),
        ("duplicates", "candidates", "cifar10"),
    ):
        command = demo_runs.Command((*words, "--workspace", str(root)), tmp_path / "log")
        assert command.wait() == 2
        assert command.text().count("\n") == 1 and "Read-only file system" in command.text(), command.text()
        assert str(root) in command.text()
        counts["bad_inputs"] += 1
    text = demo_runs.run_to_end(("list", "demo", "--workspace", str(root)), tmp_path / "log")
    assert "01_build_subset: up to date" in text
    assert contents(root) == before
    assert mount(disk, "remount,rw") == 0
    demo_runs.run_to_end(("run", "demo", "--only", "02", "--workspace", str(root)), tmp_path / "log")


@pytest.mark.faults
def test_a_second_run_is_told_who_works_there_and_may_start_when_that_one_is_dead(
    tmp_path: Path, counts: Counter
) -> None:
    root = tmp_path / "run"
    words = ("run", "demo", "--only", "01", "--workspace", str(root))
    first = demo_runs.Command(words, tmp_path / "first")
    wait_for(lambda: (root / ".lock").is_file() and (root / ".lock").stat().st_size > 0)
    second = demo_runs.Command(words, tmp_path / "second")
    assert second.wait() == 2
    assert re.fullmatch(
        rf"cifar102: another run works in {re.escape(str(root))}: process {first.process.pid} on \S+, since \S+\n",
        second.text(),
    )
    assert first.is_running()
    first.kill()
    demo_runs.run_to_end(words, tmp_path / "second")
    assert (root / ".lock").read_bytes() == b""
    counts["kills_survived"] += 1


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static time_t jump(void) {  /* every 20 seconds another day: yesterday, in a year, ten years ago, in three days */
    static const time_t jumps[] = {-86400, 31536000, -315360000, 259200};
    struct timespec now;
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_MONOTONIC, &now);
    return jumps[now.tv_sec / 20 % 4];
}
int clock_gettime(clockid_t clock, struct timespec *result) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, result);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) result->tv_sec += jump();
    return code;
}
int gettimeofday(struct timeval *restrict result, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int code = real(result, zone);
    result->tv_sec += jump();
    return code;
}
time_t time(time_t *result) {
    struct timeval now;
    gettimeofday(&now, 0);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.fixture
def jumping_clock(tmp_path: Path) -> str:
    """A library that makes the clock of every process it is loaded into jump by days and years every 20 seconds."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or not compiler:
        pytest.skip("a clock can be made to jump on Linux with a C compiler")
    (tmp_path / "clock.c").write_text(CLOCK)
    words = [compiler, "-shared", "-fPIC", "-O2", "-o", str(tmp_path / "clock.so"), str(tmp_path / "clock.c"), "-ldl"]
    subprocess.run(words, check=True)
    library = str(tmp_path / "clock.so")
    words = [sys.executable, "-c", "import time; print(time.time())"]
    seen = float(subprocess.check_output(words, env=os.environ | {"LD_PRELOAD": library}))
    assert abs(seen - time.time()) > 3600, "the clock does not jump"
    return library


@pytest.mark.faults
def test_a_clock_that_jumps_changes_no_byte_and_no_step_is_run_twice(
    jumping_clock: str, unbroken: Path, tmp_path: Path, counts: Counter
) -> None:
    root, rng = tmp_path / "run", np.random.default_rng(3)
    words = ("run", "demo", "--only", "04", "--workspace", str(root))
    for _ in range(12):
        command = demo_runs.Command(words, tmp_path / "log", changes={"LD_PRELOAD": jumping_clock})
        code = command.wait()
        assert_nothing_half_written(root)
        if code == 0:
            break
        # Jupyter waits for a kernel by the clock on the wall; a jump meanwhile ends the step, and says so
        assert re.match(r"\d\d_\w+ failed in code cell .*Kernel didn't respond", command.text().splitlines()[-1])
    assert code == 0, command.text()[-3000:]
    wrong, compared = demo_runs.differences(unbroken, root, is_part=True)
    assert wrong == []
    for path in root.rglob("*"):  # and what the files say of their age is as wrong
        if path.is_file():
            os.utime(path, (moment := float(rng.uniform(0, 4e9)), moment))
    assert "everything was up to date: nothing ran" in demo_runs.run_to_end(words, tmp_path / "log")
    assert stamps.known_files(Workspace(root))
    counts["bytes_compared"] += compared
