"""Runs as the repository keeps them: what is written, and that it comes back as finished runs."""

from pathlib import Path

import numpy as np
import pytest

from cifar102.training import run_records, runs
from cifar102.training.config import TrainConfig
from cifar102.workspace.arrays import read_npz
from cifar102.workspace.files import write_json, write_text
from cifar102.workspace.folders import Workspace

CONFIG = TrainConfig(study="pooling", arm="max", seed=1, evaluate_on=("cifar10",), num_validation=2)
HISTORY = "epoch,accuracy,loss\n0,0.5,1.25\n1,0.625,1.125\n"
SHARES = np.array([[0.75, 0.25], [0.125, 0.875], [0.5, 0.5]], dtype=np.float16)


def finish(workspace: Workspace, config: TrainConfig = CONFIG) -> runs.Run:
    """A finished run as training leaves it, with a stand-in for the model."""
    folder = runs.open_folder(config, workspace, "data", "tests")
    folder.start({"tensorflow": "2.15"}, first_epoch=0)
    write_text(folder.history, HISTORY)
    said = {"class_ids": SHARES.argmax(axis=1).astype(np.uint8), "probabilities": SHARES}
    held_out = {"class_ids": said["class_ids"][:2], "probabilities": SHARES[:2], "rows": np.array([7, 3])}
    numbers = {"epochs": 2, "seconds": 1.5, "cifar10_accuracy": 0.5, "validation_accuracy": 0.5, **folder.hashes}
    sets = {"cifar10": said, "validation": held_out}
    return folder.finish(lambda path: write_text(path, "weights"), {"kind": "unit"}, sets, numbers)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_record_holds_one_uint8_array_a_set_and_no_model(workspace: Workspace, tmp_path: Path) -> None:
    finish(workspace)
    assert run_records.write(workspace, tmp_path / "kept") == 1
    names = {"runs.jsonl", "predictions/pooling-max-seed-1.npz", "details/pooling-max-seed-1.npz"}
    assert set(files_of(tmp_path / "kept")) == names
    said = read_npz(tmp_path / "kept" / "predictions" / "pooling-max-seed-1.npz")
    assert {name: (ids.dtype, ids.tolist()) for name, ids in said.items()} == {
        "cifar10": (np.uint8, [0, 1, 0]),
        "validation": (np.uint8, [0, 1]),
    }
    details = read_npz(tmp_path / "kept" / "details" / "pooling-max-seed-1.npz")
    assert details["cifar10.confidence"].tolist() == [0.75, 0.875, 0.5] and details["validation.rows"].tolist() == [
        7,
        3,
    ]


def test_a_recorded_run_laid_out_is_finished_and_is_recorded_as_the_same_bytes(workspace, tmp_path: Path) -> None:
    run = finish(workspace)
    run_records.write(workspace, tmp_path / "kept")
    other = Workspace(tmp_path / "other")
    assert run_records.lay_out(tmp_path / "kept", other) == 1
    again = runs.read_run(other.root / CONFIG.folder)
    assert again.metrics == run.metrics and again.history.equals(run.history)
    assert again.predictions()["validation"]["rows"].tolist() == [7, 3]
    assert runs.open_folder(CONFIG, other, "data", "tests").finished_record() is not None
    assert runs.open_folder(CONFIG, other, "other data", "tests").finished_record() is None, "its hash fits no more"
    run_records.write(other, tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(tmp_path / "kept")
    assert run_records.lay_out(tmp_path / "kept", other) == 0


def test_what_a_workspace_has_itself_is_left(workspace: Workspace, tmp_path: Path) -> None:
    run_records.write(workspace, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    finish(workspace)
    run_records.write(workspace, tmp_path / "kept")
    other = Workspace(tmp_path / "other")
    begun = runs.open_folder(CONFIG, other, "data", "tests")
    begun.checkpoint.mkdir(parents=True)
    assert run_records.lay_out(tmp_path / "kept", other) == 0 and not (begun.path / "metrics.json").exists()


def test_runs_recorded_earlier_stay(workspace: Workspace, tmp_path: Path) -> None:
    finish(workspace)
    run_records.write(workspace, tmp_path / "kept")
    later = Workspace(tmp_path / "later")
    finish(later, CONFIG.replace(seed=0))
    assert run_records.write(later, tmp_path / "kept") == 2
    assert list(run_records.read(tmp_path / "kept")) == ["pooling-max-seed-0", "pooling-max-seed-1"]


@pytest.mark.parametrize(
    ("line", "found"), [("[]", "line 1"), ("{", "line 1"), ('{"config": {}}', "config_hash"), ("", "line 1")]
)
def test_a_damaged_record_is_refused_by_name(tmp_path: Path, line: str, found: str) -> None:
    write_text(tmp_path / "runs.jsonl", f"{line}\n")
    with pytest.raises(ValueError, match=found):
        run_records.read(tmp_path)


def test_a_config_of_another_version_is_named(workspace: Workspace, tmp_path: Path) -> None:
    finish(workspace)
    run_records.write(workspace, tmp_path)
    record = run_records.read(tmp_path)["pooling-max-seed-1"]
    write_json(tmp_path / "line.json", record | {"config": record["config"] | {"colour": 1}})
    text = " ".join((tmp_path / "line.json").read_text(encoding="utf-8").split())
    write_text(tmp_path / "runs.jsonl", f"{text}\n")
    with pytest.raises(ValueError, match=r"runs\.jsonl: line 1: .*colour"):
        run_records.read(tmp_path)
