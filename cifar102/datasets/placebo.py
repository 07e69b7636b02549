"""The placebo pool: CIFAR-10 and CIFAR-100 under their real Tiny Images names, as if someone searched them anew.

The reference "CIFAR-10" is data_batch_1..3 and test_batch. All 120,000 images become the Tiny Images pair, so what a
collector can newly find is the rest of CIFAR-10: the same distribution as the reference. Any gap that a run measures
is then the protocol's own (README, "The placebo").
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.workspace import arrays
from cifar102.workspace.files import replacing

INFO = {
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
OPTIONAL = ("CIFAR-10.1", "cifar-10h", "ciFAIR", "cifar-10.2")


def make(raw: Path, data: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Write the reference sets to `raw` and return the pool.

    data: a folder that holds cifar-10-batches-py/ and cifar-100-python/. Returns images uint8 (120000, 32, 32, 3) and
    one record each: keyword, filename, origin, origin_row, true_label (-1 for CIFAR-100), planted.
    """
    cifar10 = cifar.load_cifar10(data / "cifar-10-batches-py")
    cifar100 = cifar.load_cifar100(data / "cifar-100-python")
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


def verdicts(candidates: pd.DataFrame, true_labels: np.ndarray) -> pd.DataFrame:
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
    files = [Path("cifar-10-batches-py") / name for name in names]
    files += [Path("cifar-100-python") / name for name in ("train", "test", "meta")]
    files += [
        path.relative_to(data) for name in OPTIONAL for path in sorted((data / name).rglob("*")) if path.is_file()
    ]
    for file in files:
        with replacing(raw / file) as temporary:
            shutil.copyfile(data / file, temporary)
    meta = arrays.read_batch_pickle(data / "cifar-10-batches-py" / "batches.meta")
    cifar.write_meta(raw / "cifar-10-batches-py" / "batches.meta", meta | {"num_train_batches": REFERENCE_BATCHES})
