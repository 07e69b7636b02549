"""The folder of a run: which file comes last, and what is still there after a kill between two of them."""

from pathlib import Path

import numpy as np
import pytest

from cifar102.training import runs
from cifar102.training.config import TrainConfig
from cifar102.workspace.files import read_json, write_text
from cifar102.workspace.folders import Workspace

CONFIG = TrainConfig(evaluate_on=("cifar10",))
PREDICTIONS = {"cifar10": {"class_ids": np.arange(3, dtype=np.uint8)}}
LEFT = ["config.json", "metrics.json", "model.keras", "normalization.json", "predictions.npz"]


def open_folder(workspace: Workspace, config: TrainConfig = CONFIG, data: str = "data") -> runs.RunFolder:
    return runs.open_folder(config, workspace, data, "tests")


def finish(folder: runs.RunFolder) -> runs.Run:
    folder.start({"tensorflow": "2.15"}, first_epoch=0)
    folder.checkpoint.mkdir()
    return folder.finish(
        lambda path: write_text(path, "weights"), {"kind": "unit"}, PREDICTIONS, {"epochs": 1, **folder.hashes}
    )


def test_a_finished_folder_has_its_files_and_no_checkpoint(workspace: Workspace) -> None:
    folder = open_folder(workspace)
    assert folder.finished_record() is None
    run = finish(folder)
    assert sorted(path.name for path in run.folder.iterdir()) == LEFT
    assert run.is_finished and run.predictions()["cifar10"]["class_ids"].tolist() == [0, 1, 2]
    assert folder.finished_record() == read_json(run.folder / "config.json")
    assert list(folder.finished_record()) == ["config", "config_hash", "train_hash", "machine"]


@pytest.mark.parametrize("number", range(1, 5))
def test_a_kill_before_any_of_the_files_leaves_an_unfinished_run(workspace: Workspace, monkeypatch, number) -> None:
    names, replace = [], Path.replace

    def killed(path: Path, target: Path) -> Path:
        if len(names) == number:
            raise KeyboardInterrupt
        names.append(Path(target).name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        finish(open_folder(workspace))
    assert names == ["config.json", "model.keras", "normalization.json", "predictions.npz"][:number]
    folder = open_folder(workspace)
    assert folder.checkpoint.is_dir() and folder.finished_record() is None and folder.trained_numbers() is None


def test_other_evaluation_sets_need_no_training_and_other_data_do(workspace: Workspace) -> None:
    finish(open_folder(workspace))
    more = open_folder(workspace, CONFIG.replace(evaluate_on=("cifar10", "cifar102")))
    assert more.finished_record() is None
    assert more.trained_numbers() == {"epochs": 1, **more.hashes}
    assert open_folder(workspace, data="other").trained_numbers() is None


def test_a_run_that_starts_from_another_one_depends_on_its_training(workspace: Workspace) -> None:
    follower = CONFIG.replace(arm="follower", start_from=CONFIG.folder)
    with pytest.raises(FileNotFoundError, match="train that run first"):
        open_folder(workspace, follower)
    finish(open_folder(workspace))
    hashes = open_folder(workspace, follower).hashes
    finish(open_folder(workspace, data="other"))
    assert open_folder(workspace, follower).hashes != hashes
