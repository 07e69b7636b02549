"""SIGKILL, as a power cut is for a program: runs, downloads, sweeps and writers of votes lose nothing by it."""

import hashlib
import http.server
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from cifar102 import cifar
from cifar102.annotations import votes
from cifar102.datasets import release
from cifar102.training import runs
from cifar102.training.config import TrainConfig
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json
from cifar102.workspace.folders import Workspace
from tests.faults import demo_runs

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and process groups are of Unix"),
]
SEED = 102
AGAIN = ("01_build_subset", "03_deduplicate", "05_baseline_cnn", "05_baseline_cnn", "07_wrn_cutmix")


def assert_nothing_half_written(root: Path) -> None:
    """Every file of a workspace that has its name can be read to its end, right after a kill."""
    for name in demo_runs.files_of(root):
        path = root / name
        if "/checkpoint/" in name or name.endswith("history.csv"):
            continue  # what a training goes on from: its state.json says how far they count
        if path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        elif path.suffix == ".npz":
            arrays.read_npz(path)
        elif path.suffix == ".npy":
            arrays.read_npy(path)
    if (root / "built" / "release" / "SHA256SUMS").is_file():
        release.check_release(root / "built" / "release")
    assert votes.VoteLog(root / "labels" / "votes.jsonl").refused().empty


def killed_run(words: tuple[str, ...], root: Path, moments: list[tuple[str, float, float]], home: Path) -> int:
    """Start a run, kill it at each of the moments, resume it by the same command each time; how often it was killed."""
    log, kills, left = root.parent / f"{root.name}.log", 0, list(moments)
    while left:
        command = demo_runs.Command((*words, "--workspace", str(root)), log, home)
        name = demo_runs.kill_at(command, left)
        if not name:
            assert command.wait() == 0, command.text()[-3000:]
            break
        left.remove(next(moment for moment in left if moment[0] == name))
        kills += 1
        assert_nothing_half_written(root)
    demo_runs.run_to_end((*words, "--workspace", str(root)), log, home=home)
    return kills


def test_a_demo_run_killed_in_every_step_ends_like_an_unbroken_one(
    unbroken: Path, tmp_path: Path, counts: Counter
) -> None:
    rng, lengths = np.random.default_rng(SEED), demo_runs.seconds_of_steps(unbroken)
    names = [*sorted(lengths), *AGAIN]
    moments = [(name, float(rng.uniform(0.05, 0.95)), lengths[name]) for name in names]
    root = tmp_path / "killed"
    kills = killed_run(("run", "demo", "--jobs", "2"), root, moments, unbroken.parents[1])
    assert kills >= 20, f"only {kills} kills met a running run"
    wrong, compared = demo_runs.differences(unbroken, root)
    assert wrong == []
    assert not list((root / ".running").glob("*"))
    counts["kills_survived"] += kills
    counts["bytes_compared"] += compared


def test_the_data_path_killed_at_random_times_leaves_the_same_release(
    unbroken: Path, tmp_path: Path, counts: Counter
) -> None:
    rng, root = np.random.default_rng(SEED + 1), tmp_path / "a killed data path"
    words = ("run", "demo", "--only", "04", "--workspace", str(root))
    log, kills, length = tmp_path / "log", 0, sum(list(demo_runs.seconds_of_steps(unbroken).values())[:4])
    for _ in range(6):
        command = demo_runs.Command(words, log, unbroken.parents[1])
        time.sleep(float(rng.uniform(2, 2 + length)))
        if not command.is_running():
            break
        command.kill()
        kills += 1
        assert_nothing_half_written(root)
    demo_runs.run_to_end(words, log, home=unbroken.parents[1])
    wrong, compared = demo_runs.differences(unbroken, root, is_part=True)
    assert wrong == []
    release.check_release(root / "built" / "release")
    counts["kills_survived"] += kills
    counts["bytes_compared"] += compared


class SlowHome(http.server.BaseHTTPRequestHandler):
    """Sends a file in small pieces, from where it is asked to."""

    def do_GET(self) -> None:
        content = self.server.content
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        try:
            for first in range(start, len(content), 10_000):
                self.wfile.write(content[first : first + 10_000])
                time.sleep(0.01)
        except OSError:
            return

    def log_message(self, *arguments: object) -> None:
        pass


FETCH = """
import sys, urllib.request
from cifar102.datasets import downloads
from cifar102.datasets import sources
url, folder, checksum, size = sys.argv[1:]
sources.SOURCES["a.bin"] = sources.Source("a.bin", "https://home.test/a.bin", checksum, int(size))
downloads.BLOCK_BYTES = 5000
ask = lambda request: urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers)), timeout=60)
downloads.fetch("a.bin", folder, ask, show_progress=False)
"""


def test_a_download_killed_again_and_again_is_whole_in_the_end(tmp_path: Path, counts: Counter) -> None:
    rng = np.random.default_rng(SEED)
    content = rng.integers(0, 256, 4_000_000, dtype=np.uint8).tobytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowHome)
    server.content, server.daemon_threads = content, True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    words = [sys.executable, "-c", FETCH, f"http://127.0.0.1:{server.server_port}/", str(tmp_path), checksum]
    part, kills = tmp_path / "a.bin.part", 0
    for goal in sorted(rng.uniform(0.02, 0.8, 5) * len(content)):
        process = subprocess.Popen([*words, str(len(content))])
        while process.poll() is None and not (part.is_file() and part.stat().st_size > goal):
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -9, "it ended before it could be killed"
        assert not (tmp_path / "a.bin").exists()
        assert part.read_bytes() == content[: part.stat().st_size]
        kills += 1
    subprocess.run([*words, str(len(content))], check=True)
    assert (tmp_path / "a.bin").read_bytes() == content
    server.shutdown()
    counts["kills_survived"] += kills
    counts["bytes_compared"] += len(content)


def small_cifar10(workspace: Workspace) -> None:
    """CIFAR-10 of 300 images whose brightness tells the class."""
    rng, labels = np.random.default_rng(SEED), np.arange(300) % 10
    images = (rng.integers(0, 100, (300, 32, 32, 3)) + 15 * labels[:, None, None, None]).astype(np.uint8)
    names = [f"dog_s_{number:06d}.png" for number in range(300)]
    folder = workspace.raw / "cifar-10-batches-py"
    cifar.write_batch(folder / "data_batch_1", images[:200], labels[:200], names[:200], "training batch 1 of 1")
    cifar.write_batch(folder / "test_batch", images[200:], labels[200:], names[200:], "testing batch 1 of 1")
    counts = {"num_train_batches": 1, "num_cases_per_batch": 200, "num_test_cases": 100}
    cifar.write_meta(folder / "batches.meta", counts | {"label_names": list(cifar.CLASS_NAMES), "num_vis": 3072})


SWEPT = TrainConfig(
    study="killed",
    model="ablation_cnn",
    model_options={"filters": [8, 8], "dense_units": 32, "dropout": 0.25},
    num_validation=40,
    augmentation="flip_crop+cutmix",
    epochs=12,
    batch_size=20,
    evaluate_on=("cifar10",),
)
SWEEP = """
import sys
sys.path.insert(0, {folder!r})
from tests.faults import test_kills
from cifar102 import training
configs = [test_kills.SWEPT.replace(seed=seed) for seed in range(4)]
done = training.sweep(configs, scheduler=sys.argv[2] if len(sys.argv) > 2 else None, workspace=sys.argv[1])
sys.exit(any(run.error for run in done))
"""


def python(code: str, *words: object, log: Path) -> subprocess.Popen:
    with log.open("ab") as file:
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, words)]
        return subprocess.Popen(command, stdout=file, stderr=file, env=demo_runs.environment(demo_runs.REPOSITORY))


def dask(kind: str, *words: str, log: Path) -> subprocess.Popen:
    with log.open("ab") as file:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1", *words]
        return subprocess.Popen(command, stdout=file, stderr=file, env=demo_runs.environment(demo_runs.REPOSITORY))


def wait_for(is_so, seconds: float = 3600) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.02)


def test_a_sweep_whose_worker_and_then_itself_are_killed_ends_like_one_in_this_process(
    tmp_path: Path, counts: Counter
) -> None:
    here, spread, log = Workspace(tmp_path / "here"), Workspace(tmp_path / "spread"), tmp_path / "log"
    for workspace in (here, spread):
        small_cifar10(workspace)
    code = SWEEP.format(folder=str(demo_runs.REPOSITORY))
    assert python(code, here.root, log=log).wait(3600) == 0, log.read_text()[-3000:]
    address = tmp_path / "scheduler.json"
    started = [dask("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(address), log=log)]
    wait_for(lambda: address.is_file() and address.read_text().rstrip().endswith("}"))  # Dask writes it in place
    worker = ("--scheduler-file", str(address), "--nthreads", "1", "--no-nanny", "--no-dashboard")
    started += [dask("worker", *worker, log=log) for _ in range(2)]
    try:
        scheduler = read_json(address)["address"]
        sweep = python(code, spread.root, scheduler, log=log)
        started.append(sweep)
        wait_for(lambda: any(spread.runs.glob("killed/*/seed-*/checkpoint/state.json")))
        started[1].kill()  # a worker, most likely in a training
        wait_for(lambda: any(spread.runs.glob("killed/*/seed-*/metrics.json")))
        sweep.kill()
        started.append(dask("worker", *worker, log=log))
        again = python(code, spread.root, scheduler, log=log)
        started.append(again)
        assert again.wait(3600) == 0, log.read_text()[-3000:]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for seed in range(4):
        folder = SWEPT.replace(seed=seed).folder
        wrong, compared = demo_runs.differences(here.root / folder, spread.root / folder)
        assert [name for name in wrong if not name.startswith("checkpoint/")] == []
        assert runs.read_run(spread.root / folder).is_finished
        counts["bytes_compared"] += compared
    counts["kills_survived"] += 2


VOTE = """
import sys
from cifar102.annotations.votes import VoteLog
log, rater, first = VoteLog(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for index in range(first, first + 1_000_000):
    log.append(index, "tabby", "cat", rater, "yes")
    print(index, flush=True)
"""


def test_no_vote_that_was_acknowledged_is_lost_when_its_writer_is_killed(tmp_path: Path, counts: Counter) -> None:
    rng, path, acknowledged, kills = np.random.default_rng(SEED), tmp_path / "votes.jsonl", set(), 0
    for turn in range(6):
        writers = {}
        for rater in ("anna", "ben"):
            words = [sys.executable, "-c", VOTE, str(path), rater, str(turn * 1_000_000)]
            writers[rater] = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        firsts = {rater: process.stdout.readline() for rater, process in writers.items()}
        time.sleep(float(rng.uniform(0.05, 0.8)))
        for rater, process in writers.items():
            process.kill()
            lines = (firsts[rater] + process.communicate()[0]).split("\n")[:-1]  # what has no end was not said whole
            acknowledged |= {(rater, int(line)) for line in lines}
            kills += 1
    log = votes.VoteLog(path)
    table = log.table(all=True)
    found = set(zip(table["rater"], table["tiny_index"], strict=True))
    assert acknowledged - found == set()
    assert len(found) == len(table), "no vote is there twice"
    assert len(log.refused()) <= kills, "at most one torn line a kill"
    counts["kills_survived"] += kills
    counts["votes_kept"] += len(acknowledged)


def test_the_kernels_of_a_killed_run_are_gone(tmp_path: Path) -> None:
    """What `kill` calls the whole family is really gone: no process of the run is left that could go on writing."""
    root = tmp_path / "run"
    command = demo_runs.Command(("run", "demo", "--only", "01", "--workspace", str(root)), tmp_path / "log")
    wait_for(lambda: len(psutil.Process(command.process.pid).children(recursive=True)) > 0)
    number = command.kill()
    assert number >= 2
    time.sleep(0.5)
    alive = [p for p in psutil.process_iter(["cmdline"]) if str(root) in " ".join(p.info["cmdline"] or ())]
    assert alive == []
