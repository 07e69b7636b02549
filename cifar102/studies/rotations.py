"""The placebo on real networks: the six rotations of CIFAR-10's batches, one training each.

A network is too slow for hundreds of random splits. Each batch is the old test set once, the next two are the new pool,
and a third of the other three is trained on. Six splits that share images say less than their number: the intervals
over them are wide and rough.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cifar102.cifar import ImageSet
from cifar102.datasets.roles import BATCHES, Roles, rotated_roles
from cifar102.datasets.sets import ROTATION
from cifar102.studies import baselines, placebo
from cifar102.training import sweeps
from cifar102.training.config import TrainConfig
from cifar102.training.runs import Run
from cifar102.workspace.folders import Workspace

STUDY = "placebo"
# fast_cnn's recipe was chosen on CIFAR-10's test images; cnn_four_conv is plain, with a rate from a range test.
NETWORKS = ("fast_cnn", "cnn_four_conv")


def rotation_configs(epochs: int, networks: Sequence[str] = NETWORKS, **common: object) -> list[TrainConfig]:
    """The configs of each network on each rotation, rotation by rotation. common: further TrainConfig fields."""
    found = []
    for rotation in range(BATCHES):
        dataset = ROTATION.format(number=rotation)
        for name in networks:
            where = {"study": STUDY, "arm": f"{name}-rotation-{rotation}", "epochs": epochs}
            found.append(baselines.own_test_config(name, dataset, common, **where))
    return found


def run_rotations(
    workspace: Workspace,
    images: ImageSet,
    pairs: Mapping[str, np.ndarray],
    *,
    epochs: int,
    num_draws: int = 5,
    networks: Sequence[str] = NETWORKS,
    seed: int = 0,
    **common: object,
) -> pd.DataFrame:
    """Train the networks on the six rotations and return their protocol parts, as Placebo.parts has them.

    images, pairs: all images and their near-duplicates, as placebo.run_placebo takes them. epochs: passes over the
    training images. Finished runs in runs/placebo/ are not trained again. ValueError names a run that failed.
    """
    configs = rotation_configs(epochs, networks, seed=seed, **common)
    rows = []
    for run in sweeps.sweep(configs, workspace=workspace):
        if run.error:
            raise ValueError(f"{run.config.name}: {run.error}")
        rotation = int(run.config.arm.rpartition("-")[2])
        roles = rotated_roles(len(images), rotation)
        arms = {
            rule: placebo.protocol_arms(images, roles, found, num_draws, np.random.default_rng([seed, rotation]))
            for rule, found in pairs.items()
        }
        name = run.config.arm.removesuffix(f"-rotation-{rotation}")
        rows += placebo.part_rows(rotation, name, _right(run, images, roles), roles, arms)
    return pd.DataFrame(rows)


def _right(run: Run, images: ImageSet, roles: Roles) -> np.ndarray:
    right = np.zeros(len(images), bool)
    right[roles.tested] = run.predictions()[run.config.dataset]["class_ids"] == images.labels[roles.tested]
    return right
