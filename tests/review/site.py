"""What the tests of the review pages share: a small workspace of the demo pool, its server, a headless Chromium."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.annotations.votes import VoteLog
from cifar102.datasets import pools
from cifar102.tiny_images import candidates
from cifar102.tiny_images.pair import TinyImages
from cifar102.workspace.files import write_table
from cifar102.workspace.folders import REPOSITORY, Workspace

PATIENCE = 600  # seconds; the machine of the tests may be busy
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
SCORES = (0.76, 0.4, 0.9, 0.74, 0.56, 1.0, 0.55, 0.751)


def make_workspace(root: Path) -> Workspace:
    """The demo pool as notebook 01 leaves it, its raters' votes, and made-up scores of eight pairs."""
    workspace = Workspace(root)
    pools.ensure_pool("demo", workspace)
    reference = cifar.load_cifar10(workspace.raw / "cifar-10-batches-py")
    keywords = candidates.decide_keywords(candidates.keyword_table([reference["train"], reference["test"]]))
    write_table(workspace.results / "keyword_counts.csv", keywords)
    tiny = TinyImages(workspace.raw)
    found, _ = candidates.extract_candidates(tiny, keywords)
    write_table(workspace.built / "candidates.parquet", found)
    tiny.images_to(workspace.built / "candidate_images.npy", found["tiny_index"].to_numpy())
    write_table(workspace.built / "pairs.parquet", make_pairs())
    return workspace


def make_pairs() -> pd.DataFrame:
    """Eight pairs with test images and, from both sides, one among the candidates."""
    count = len(SCORES)
    table = pd.DataFrame({"query": np.arange(count), "reference_set": "cifar10-test", "reference": np.arange(count)})
    table = table.assign(ncc=0.5, ssim=SCORES, score=np.subtract(SCORES, 0.675) * 20, shift_row=1, shift_column=-2)
    among = table.iloc[:2].assign(query=[20, 21], reference_set="candidates", reference=[21, 20], ssim=0.6, score=-1.5)
    return pd.concat([table, among], ignore_index=True)


def find_chromium() -> str:
    """The browser's path; without one the tests fail where CI=true, and skip with the reason elsewhere."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CIFAR102_CHROMIUM") or next(filter(None, map(shutil.which, names)), "")
    if not found and os.environ.get("CI") == "true":
        pytest.fail("CI=true and there is no Chromium: the review pages would go untested")
    if not found:
        pytest.skip(f"no Chromium: none of {names} is on the PATH, and CIFAR102_CHROMIUM names none")
    return found


class Server:
    """`cifar102 review` of one workspace as a process of its own; name: of its log in the workspace."""

    def __init__(self, workspace: Workspace, name: str = "server") -> None:
        self.workspace, self.name = workspace, name
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "cifar102", "review", "--workspace", str(self.workspace.root), "--no-browser"]
        log = self.workspace.root / f"{self.name}.log"
        with log.open("w") as file:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT)
        try:
            self.address = wait_for(lambda: re.search(r"http://127\S+", log.read_text()), str(log)).group(0)
            wait_for(lambda: "is running at" in log.read_text(), str(log))
        except TimeoutError:
            self.kill()
            raise

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def votes(self, rater: str) -> dict[int, str]:
        """What stands in the log for a rater: tiny_index -> verdict."""
        table = VoteLog(self.workspace.labels / "votes.jsonl").table()
        table = table[table["rater"] == rater]
        return dict(zip(table["tiny_index"], table["verdict"], strict=True))


def wait_for(what, told: str):
    """Ask until there is an answer, for PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.1)
    raise TimeoutError(f"{told}: nothing came within {PATIENCE} s")


@contextlib.contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serve a new workspace and end the server, whatever happens."""
    server = Server(make_workspace(root))
    try:
        yield server
    finally:
        server.kill()
