"""Pools: where the candidates come from. The demo and cifar10 pools are made once, in raw/ of their workspace."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.datasets import demo, downloads, sets
from cifar102.tiny_images import candidates
from cifar102.tiny_images.pair import TinyImages, write_tiny_images
from cifar102.workspace import arrays, ownership
from cifar102.workspace.files import read_object, read_table, replacing, write_json, write_table, write_text
from cifar102.workspace.folders import CIFAR10_FOLDER, CIFAR100_FOLDER, CIFAR101_FOLDER, Workspace, home

PLACEBO_INFO = {
    "pool": "cifar10",
    "title": "placebo pool: real CIFAR images",
    "description": (
        "The 120,000 images of CIFAR-10 and CIFAR-100 under their real Tiny Images names. data_batch_1 to 3 stand for "
        "CIFAR-10's training set, test_batch is its test set, the other 20,000 images of CIFAR-10 are what a collector "
        "can newly find. Verdicts are computed from the true labels; no person voted."
    ),
}
REFERENCE_BATCHES = 3
RATER = "true-label"
OPTIONAL = (CIFAR101_FOLDER, "cifar-10h", "ciFAIR", "cifar-10.2")
OWN = {"pool": "own", "title": "own Tiny Images pool", "description": "A user's own Tiny Images pair and votes."}
NAMES = ("demo", "cifar10", "own")


def make_placebo(raw: Path, data: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Write the reference sets to `raw` and return the pool.

    data: a folder that holds cifar-10-batches-py/ and cifar-100-python/. Returns images uint8 (120000, 32, 32, 3) and
    one record each: keyword, filename, origin, origin_row, true_label (-1 for CIFAR-100), planted.
    """
    cifar10 = cifar.load_cifar10(data / CIFAR10_FOLDER)
    cifar100 = cifar.load_cifar100(data / CIFAR100_FOLDER)
    _copy_references(raw, data)
    parts = [
        ("cifar10-train", cifar10["train"], True),
        ("cifar10-test", cifar10["test"], True),
        ("cifar100-train", cifar100["train"], False),
        ("cifar100-test", cifar100["test"], False),
    ]
    records = pd.concat([_records(*part) for part in parts], ignore_index=True)
    num_reference = REFERENCE_BATCHES * (len(cifar10["train"]) // cifar.TRAIN_BATCHES)
    is_new = (records["origin"] == "cifar10-train") & (records["origin_row"] >= num_reference)
    records.loc[is_new, "origin"] = "new"
    return np.concatenate([images.images for _, images, _ in parts]), records


def placebo_verdicts(candidates: pd.DataFrame, true_labels: np.ndarray) -> pd.DataFrame:
    """The recorded log of a run without people: yes where the proposed class is the true one. One rater, named so.

    candidates: with tiny_index, keyword, class_name, label; true_labels: int (n,), -1 where no class is right.
    """
    answer = np.where(candidates["label"].to_numpy() == true_labels, "yes", "no")
    log = candidates[["tiny_index", "keyword"]].assign(rater=RATER, verdict=answer, time="1970-01-01T00:00:00Z")
    log.insert(2, "class", candidates["class_name"])
    return log


def _records(origin: str, images: cifar.ImageSet, is_cifar10: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "keyword": images.keywords,
            "filename": images.filenames,
            "origin": origin,
            "origin_row": np.arange(len(images)),
            "true_label": images.labels if is_cifar10 else -1,
            "planted": "",
        }
    )


def _copy_references(raw: Path, data: Path) -> None:
    names = [f"data_batch_{k + 1}" for k in range(REFERENCE_BATCHES)] + ["test_batch"]
    files = [Path(CIFAR10_FOLDER) / name for name in names]
    files += [Path(CIFAR100_FOLDER) / name for name in ("train", "test", "meta")]
    files += [
        path.relative_to(data) for name in OPTIONAL for path in sorted((data / name).rglob("*")) if path.is_file()
    ]
    for file in files:
        with replacing(raw / file) as temporary:
            shutil.copyfile(data / file, temporary)
    meta = arrays.read_batch_pickle(data / CIFAR10_FOLDER / "batches.meta")
    cifar.write_meta(raw / CIFAR10_FOLDER / "batches.meta", meta | {"num_train_batches": REFERENCE_BATCHES})


def ensure_pool(pool: str, workspace: Workspace, data: Path | None = None, seed: int = 102) -> dict[str, str]:
    """Make the pool in raw/ of the workspace unless it is there, and return its description.

    pool: "demo" (drawn), "cifar10" (the placebo, from the CIFAR files in `data`, downloaded where it has none) or "own"
    (the user's files are in raw/ already). A pool is there when raw/pool.json is, which is written last. Raises
    downloads.DownloadError, one sentence, without the files and without network; ValueError where the workspace is none
    of ours or has another pool, or raw/ is a link or holds files of somebody else.
    """
    if pool not in NAMES:
        raise ValueError(f"pool {pool!r} is unknown; expected one of {', '.join(NAMES)}")
    ownership.check_workspace(workspace)
    ownership.check_pool(workspace, pool)
    if pool != "own" and not (workspace.raw / "pool.json").is_file():
        data = _cifar(data) if pool == "cifar10" else None
        ownership.begin_pool(workspace, pool)
        _make_pool(pool, workspace, data, seed)
    ownership.end_pool(workspace)
    ownership.sign(workspace, pool=pool)
    return describe_pool(workspace)


def _make_pool(pool: str, workspace: Workspace, data: Path | None, seed: int) -> None:
    raw = workspace.raw
    images, records = demo.make_demo(raw, seed) if pool == "demo" else make_placebo(raw, data)
    order = write_tiny_images(workspace.raw, images, records[["keyword", "filename"]])
    truth = records.iloc[order].reset_index(drop=True).rename_axis("tiny_index").reset_index()
    write_table(workspace.raw / "pool_truth.parquet", truth)
    _write_votes(workspace, truth, demo.demo_verdicts if pool == "demo" else placebo_verdicts)
    write_json(
        workspace.raw / "pool.json", (demo.INFO if pool == "demo" else PLACEBO_INFO) | {"num_images": len(images)}
    )


def describe_pool(workspace: Workspace) -> dict[str, str]:
    """The pool of a workspace: pool, title (as figure titles have it), description."""
    path = workspace.raw / "pool.json"
    return read_object(path) if path.is_file() else dict(OWN)


def pool_truth(workspace: Workspace) -> pd.DataFrame | None:
    """What is known about each record of a made pool (tiny_index, origin, true_label, planted ...), else None."""
    path = workspace.raw / "pool_truth.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def placebo_candidates(workspace: Workspace) -> np.ndarray | None:
    """The candidates that are new to the placebo, rows int64 (n,); None where the pool is not the placebo.

    They are the other images of CIFAR-10's training set, which the published models were trained on.
    """
    truth = pool_truth(workspace) if describe_pool(workspace)["pool"] == "cifar10" else None
    if truth is None:
        return None
    tiny_index = read_table(workspace.candidates)["tiny_index"]
    return np.flatnonzero(tiny_index.map(truth.set_index("tiny_index")["origin"]) == "new")


def class_keywords(workspace: Workspace) -> pd.DataFrame:
    """The keyword table of the workspace's own CIFAR-10, each keyword in one class."""
    reference = cifar.load_cifar10(workspace.cifar10)
    return candidates.decide_keywords(candidates.keyword_table([reference["train"], reference["test"]]))


def _cifar(data: Path | None) -> Path:
    """The folder that holds CIFAR-10 and CIFAR-100; what it lacks is downloaded into it (default data/downloads)."""
    folder = Path(data) if data else home() / "data" / "downloads"
    for name, part in (("cifar10", CIFAR10_FOLDER), ("cifar100", CIFAR100_FOLDER)):
        if not (folder / part).is_dir():
            downloads.fetch_dataset(name, folder)
    return folder


def _write_votes(workspace: Workspace, truth: pd.DataFrame, verdicts: Callable) -> None:
    """Record the verdicts that come with a pool; a log that is there already is somebody's and stays."""
    path = workspace.votes
    if path.exists():
        return
    found, _ = candidates.extract_candidates(TinyImages(workspace.raw), class_keywords(workspace))
    true_labels = truth["true_label"].to_numpy(np.int64)[found["tiny_index"]]
    votes = verdicts(found, true_labels)
    write_text(path, "".join(json.dumps(row) + "\n" for row in votes.to_dict("records")))


def reference_sets(workspace: Workspace) -> dict[str, cifar.ImageSet]:
    """The image sets candidates are compared with, by set name: CIFAR-10, and CIFAR-100 and CIFAR-10.1 if there."""
    found = {}
    for family, folder, load in (
        ("cifar10", workspace.cifar10, cifar.load_cifar10),
        ("cifar100", workspace.cifar100, cifar.load_cifar100),
    ):
        if family == "cifar10" or folder.is_dir():
            found |= {f"{family}-{split}": part for split, part in load(folder).items()}
    for name in ("cifar10.1-v4", "cifar10.1-v6"):
        with contextlib.suppress(FileNotFoundError):
            found[name] = sets.load(name, workspace)["test"]
    return found
