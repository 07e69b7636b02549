"""All 50,000 training images of CIFAR-10, also where a placebo pool keeps two batches back as what can be found."""

import numpy as np

from cifar102 import cifar
from cifar102.cifar import ImageSet
from cifar102.tiny_images.pair import TinyImages
from cifar102.workspace.files import read_json, read_table
from cifar102.workspace.folders import Workspace

ORIGINS = ("cifar10-train", "new")  # of pool_truth.parquet: the reference's batches, and the batches kept back


def load(workspace: Workspace, reference: dict[str, ImageSet]) -> dict[str, ImageSet]:
    """Return {"train", "test"}: in a placebo pool the training images of all five batches, in their order.

    reference: the workspace's own CIFAR-10, which is returned as it is where no batch was kept back. A network that is
    trained on this set has seen the placebo's new test sets: it can be tested on CIFAR-10's test images alone. Raises
    ValueError where the pool's truth does not hold every row once, or its labels are not those of the reference.
    """
    workspace = Workspace(workspace)
    description = workspace.raw / "pool.json"
    if not description.is_file() or read_json(description).get("pool") != "cifar10":
        return reference
    path = workspace.raw / "pool_truth.parquet"
    truth = read_table(path, ("tiny_index", "filename", "origin", "origin_row", "true_label"))
    rows = truth[truth["origin"].isin(ORIGINS)].sort_values("origin_row", kind="stable")
    labels, known = rows["true_label"].to_numpy(np.int64), reference["train"].labels
    if not np.array_equal(rows["origin_row"], np.arange(len(rows))) or not np.array_equal(labels[: len(known)], known):
        raise ValueError(
            f"{path}: expected each CIFAR-10 training row once, the first {len(known):,} of them as in raw/"
        )
    images = TinyImages(workspace.raw).images(rows["tiny_index"].to_numpy(np.int64))
    cifar.check_labels(labels, len(images), len(cifar.CLASS_NAMES), str(path))
    return {**reference, "train": ImageSet(images, labels, tuple(rows["filename"]), batch_label="whole")}
