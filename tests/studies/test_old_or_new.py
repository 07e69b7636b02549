"""Study old_or_new: configs in pairs of folds, and scores of images that the network did not see."""

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import ImageSet
from cifar102.datasets import origins, sets
from cifar102.datasets.sets import DataSet
from cifar102.studies import old_or_new
from cifar102.training import runs, sweeps


@pytest.fixture
def sides(monkeypatch, rng) -> dict[str, ImageSet]:
    """Dark old images and light new ones, in the places of CIFAR-10's and this build's test images."""
    shades = {"cifar10": 60, "cifar102": 190}
    found = {
        name: ImageSet((rng.integers(-40, 40, (80, 32, 32, 3)) + shade).astype(np.uint8), np.arange(80) % 10)
        for name, shade in shades.items()
    }
    for name, images in found.items():
        monkeypatch.setitem(sets.REGISTRY, name, DataSet(lambda _, part=images: {"test": part}))
    for kind in ("test", "control"):
        for number in range(origins.FOLDS):
            parts = origins.fold(found["cifar10"], found["cifar102"], number, kind == "control")
            known = DataSet(lambda _, part=parts: part, num_classes=2)
            monkeypatch.setitem(sets.REGISTRY, sets.ORIGIN.format(kind=kind, number=number), known)
    return found


def test_each_comparison_has_a_network_a_fold_and_seed():
    configs = old_or_new.old_or_new_configs(3, 2, batch_size=10)
    assert len({config.folder for config in configs}) == len(configs) == 2 * origins.FOLDS * 3
    assert {config.evaluate_on for config in configs} == {(config.dataset,) for config in configs}
    assert {sets.num_classes(config.dataset) for config in configs} == {2}


def test_a_planted_difference_is_found_and_every_image_has_one_score(workspace, sides):
    said = old_or_new.run_old_or_new(workspace, seeds=1, epochs=3, batch_size=10)
    assert said.groupby("comparison").size().to_dict() == {"old or new": 160, "control: two halves of old": 80}
    asked = said[said["comparison"] == "old or new"]
    assert not asked.duplicated(["fold", "row"]).any() and asked["score"].between(0, 1).all()
    right = (asked["score"] > 0.5) == asked["is_new"]
    assert right.mean() > 0.9, "dark and light images are easily told apart"
    again = old_or_new.run_old_or_new(workspace, seeds=1, epochs=3, batch_size=10)
    pd.testing.assert_frame_equal(said, again)


def test_the_largest_probability_is_enough_for_two_classes(workspace, monkeypatch):
    answers = {"s": {"class_ids": np.array([0, 1]), "confidence": np.array([0.75, 0.875], np.float16)}}
    config = old_or_new.old_or_new_configs(1, 1, batch_size=10)[0].replace(dataset="cifar10", evaluate_on=())
    run = runs.Run(config, workspace.root)
    monkeypatch.setattr(runs.Run, "predictions", lambda _: {"cifar10": answers["s"]})
    assert old_or_new._score(run).tolist() == [0.25, 0.875]


def test_a_training_that_failed_is_named(workspace, sides, monkeypatch):
    config = old_or_new.old_or_new_configs(1, 1, batch_size=10)[0]
    monkeypatch.setattr(sweeps, "sweep", lambda *_: [runs.Run(config, workspace.root, error="out of memory")])
    with pytest.raises(ValueError, match=r"test-fold-0.*out of memory"):
        old_or_new.run_old_or_new(workspace, seeds=1, epochs=1, batch_size=10)
