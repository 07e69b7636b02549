"""Pools: where the candidates come from. The demo and cifar10 pools are made once, in raw/ of their workspace."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.datasets import demo, downloads, placebo, sets
from cifar102.tiny_images import candidates
from cifar102.tiny_images.pair import TinyImages, write_tiny_images
from cifar102.workspace.files import read_json, write_json, write_table, write_text
from cifar102.workspace.folders import REPOSITORY, Workspace

OWN = {"pool": "own", "title": "own Tiny Images pool", "description": "A user's own Tiny Images pair and votes."}
NAMES = ("demo", "cifar10", "own")


def ensure(pool: str, workspace: Workspace, data: Path | None = None, seed: int = 102) -> dict[str, str]:
    """Make the pool in raw/ of the workspace unless it is there, and return its description.

    pool: "demo" (drawn), "cifar10" (the placebo, from the CIFAR files in `data`, downloaded where it has none) or "own"
    (the user's files are in raw/ already). A pool is there when raw/pool.json is, which is written last. Raises
    downloads.DownloadError, one sentence, without the files and without network.
    """
    if pool not in NAMES:
        raise ValueError(f"pool {pool!r} is unknown; expected one of {', '.join(NAMES)}")
    if pool == "own":
        return describe(workspace)
    if (workspace.raw / "pool.json").is_file():
        found = describe(workspace)
        if found["pool"] != pool:
            raise ValueError(f"{workspace.raw}: holds the pool {found['pool']!r}, not {pool!r}; take another workspace")
        return found
    images, records = demo.make(workspace.raw, seed) if pool == "demo" else placebo.make(workspace.raw, _cifar(data))
    order = write_tiny_images(workspace.raw, images, records[["keyword", "filename"]])
    truth = records.iloc[order].reset_index(drop=True).rename_axis("tiny_index").reset_index()
    write_table(workspace.raw / "pool_truth.parquet", truth)
    _write_votes(workspace, truth, demo.verdicts if pool == "demo" else placebo.verdicts)
    write_json(
        workspace.raw / "pool.json", (demo.INFO if pool == "demo" else placebo.INFO) | {"num_images": len(images)}
    )
    return describe(workspace)


def describe(workspace: Workspace) -> dict[str, str]:
    """The pool of a workspace: pool, title (as figure titles have it), description."""
    path = workspace.raw / "pool.json"
    return dict(read_json(path)) if path.is_file() else dict(OWN)


def truth(workspace: Workspace) -> pd.DataFrame | None:
    """What is known about each record of a made pool (tiny_index, origin, true_label, planted ...), else None."""
    path = workspace.raw / "pool_truth.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def class_keywords(workspace: Workspace) -> pd.DataFrame:
    """The keyword table of the workspace's own CIFAR-10, each keyword in one class."""
    reference = cifar.load_cifar10(workspace.raw / "cifar-10-batches-py")
    return candidates.decide(candidates.keyword_table([reference["train"], reference["test"]]))


def _cifar(data: Path | None) -> Path:
    """The folder that holds CIFAR-10 and CIFAR-100; what it lacks is downloaded into it (default data/downloads)."""
    folder = Path(data) if data else REPOSITORY / "data" / "downloads"
    for name, part in (("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")):
        if not (folder / part).is_dir():
            downloads.fetch_dataset(name, folder)
    return folder


def _write_votes(workspace: Workspace, truth: pd.DataFrame, verdicts: Callable) -> None:
    """Record the verdicts that come with a pool; a log that is there already is somebody's and stays."""
    path = workspace.labels / "votes.jsonl"
    if path.exists():
        return
    found, _ = candidates.extract(TinyImages(workspace.raw), class_keywords(workspace))
    true_labels = truth["true_label"].to_numpy(np.int64)[found["tiny_index"]]
    votes = verdicts(found, true_labels)
    write_text(path, "".join(json.dumps(row) + "\n" for row in votes.to_dict("records")))


def reference_sets(workspace: Workspace) -> dict[str, cifar.ImageSet]:
    """The image sets candidates are compared with, by set name: CIFAR-10, and CIFAR-100 and CIFAR-10.1 if there."""
    found = {}
    for family, folder, load in (
        ("cifar10", "cifar-10-batches-py", cifar.load_cifar10),
        ("cifar100", "cifar-100-python", cifar.load_cifar100),
    ):
        if family == "cifar10" or (workspace.raw / folder).is_dir():
            found |= {f"{family}-{split}": part for split, part in load(workspace.raw / folder).items()}
    for name in ("cifar10.1-v4", "cifar10.1-v6"):
        with contextlib.suppress(FileNotFoundError):
            found[name] = sets.load(name, workspace)["test"]
    return found
