"""The rotations in miniature: two networks on six rotations of 120 images, from configs to protocol parts."""

import numpy as np
import pytest

from cifar102 import cifar
from cifar102.analysis import protocol
from cifar102.datasets import sets
from cifar102.datasets.roles import BATCHES, rotated_roles
from cifar102.studies import placebo, rotations
from cifar102.workspace.folders import Workspace


@pytest.fixture
def small(workspace: Workspace, rng: np.random.Generator) -> Workspace:
    """A workspace with a CIFAR-10 of 5 x 100 and 100 images."""
    for number, name in enumerate([f"data_batch_{k + 1}" for k in range(5)] + ["test_batch"]):
        images = rng.integers(0, 256, size=(100, 32, 32, 3), dtype=np.uint8)
        labels = np.arange(100) % 10
        names = [f"{'klmnopqrst'[label]}_s_{100 * number + row:06d}.png" for row, label in enumerate(labels)]
        cifar.write_batch(workspace.cifar10 / name, images, labels, names, name)
    cifar.write_meta(
        workspace.cifar10 / "batches.meta", {"num_cases_per_batch": 100, "label_names": list(cifar.CLASS_NAMES)}
    )
    return workspace


def test_a_rotation_is_a_data_set_of_its_fitted_and_its_tested_images(small) -> None:
    images = sets.all_of_cifar10(small)
    assert len(images) == 600 and images.filenames[-1].endswith("_000599.png")
    for rotation in (0, 5):
        roles, found = rotated_roles(600, rotation), sets.load(f"cifar10-rotation-{rotation}", small)
        assert np.array_equal(found["test"].images, images.images[roles.tested])
        assert np.array_equal(found["train"].images, images.images[np.sort(roles.fitted)])
        assert not set(found["train"].filenames) & set(found["test"].filenames)


def test_every_network_is_trained_once_on_every_rotation_by_its_own_recipe() -> None:
    configs = rotations.rotation_configs(3, batch_size=64)
    assert len({(config.arm, config.dataset) for config in configs}) == len(configs) == 2 * BATCHES
    assert {config.epochs for config in configs} == {3}
    fast = next(config for config in configs if config.model == "fast_cnn")
    assert fast.batch_size == 500 and fast.optimizer == "muon" and fast.test_views == "one"


@pytest.mark.slow
def test_rotations_in_miniature_give_six_splits_of_parts_and_are_not_trained_again(small) -> None:
    images = sets.all_of_cifar10(small)
    pairs = {"ssim": np.array([[0, 150], [20, 555]])}
    look = {"epochs": 1, "networks": ("cnn_two_conv",), "num_draws": 2, "batch_size": 50}
    parts = rotations.run_rotations(small, images, pairs, **look)
    table = protocol.protocol_table(parts)
    assert set(table["arm"]) == set(placebo.ARMS) and (table["splits"] == BATCHES).all()
    assert table["classifier"].unique().tolist() == ["cnn_two_conv"] and np.isfinite(table["protocol_part"]).all()
    written = {path: path.stat().st_mtime_ns for path in small.runs.rglob("predictions.npz")}
    assert len(written) == BATCHES
    assert rotations.run_rotations(small, images, pairs, **look).equals(parts)
    assert {path: path.stat().st_mtime_ns for path in small.runs.rglob("predictions.npz")} == written
