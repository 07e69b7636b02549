"""All training images of CIFAR-10 come back from a placebo pool in their own order, and from no other pool."""

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import ImageSet
from cifar102.datasets import sets as whole_cifar10
from cifar102.tiny_images.pair import write_tiny_images
from cifar102.workspace.files import write_json, write_table
from cifar102.workspace.folders import Workspace


@pytest.fixture
def pool(workspace: Workspace, rng: np.random.Generator) -> tuple[Workspace, ImageSet]:
    """A placebo pool of 12 training images under names that stand in another order, 8 of them the reference."""
    images, labels = rng.integers(0, 256, (12, 32, 32, 3), np.uint8), np.arange(12) % 10
    words = [f"word{k}" for k in rng.permutation(12)]
    names = tuple(f"{word}_s_000001.png" for word in words)
    records = pd.DataFrame({"keyword": words, "filename": names, "origin_row": range(12), "true_label": labels})
    records["origin"] = ["cifar10-train"] * 8 + ["new"] * 4
    order = write_tiny_images(workspace.raw, images, records[["keyword", "filename"]])
    truth = records.iloc[order].reset_index(drop=True).rename_axis("tiny_index").reset_index()
    write_table(workspace.raw / "pool_truth.parquet", truth)
    write_json(workspace.raw / "pool.json", {"pool": "cifar10", "title": "t", "description": "d"})
    return workspace, ImageSet(images, labels, names)


def reference_of(whole: ImageSet) -> dict[str, ImageSet]:
    return {"train": ImageSet(whole.images[:8], whole.labels[:8], whole.filenames[:8]), "test": whole}


def test_the_batches_that_were_kept_back_are_put_behind_the_reference(pool):
    workspace, whole = pool
    sets = whole_cifar10.load_whole_cifar10(workspace, reference_of(whole))
    np.testing.assert_array_equal(sets["train"].images, whole.images)
    np.testing.assert_array_equal(sets["train"].labels, whole.labels)
    assert sets["train"].filenames == whole.filenames and sets["test"] is whole


def test_where_nothing_was_kept_back_the_reference_is_the_whole(pool):
    workspace, whole = pool
    write_json(workspace.raw / "pool.json", {"pool": "demo", "title": "t", "description": "d"})
    reference = reference_of(whole)
    assert whole_cifar10.load_whole_cifar10(workspace, reference) is reference


def test_a_pool_whose_labels_are_not_those_of_the_reference_is_refused(pool):
    workspace, whole = pool
    other = reference_of(ImageSet(whole.images, (whole.labels + 1) % 10, whole.filenames))
    with pytest.raises(ValueError, match=r"pool_truth\.parquet.*the first 8"):
        whole_cifar10.load_whole_cifar10(workspace, other)
