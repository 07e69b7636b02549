"""Finished runs as the repository keeps them: settings, history, numbers and answers, without models; and back again.

A folder of records holds `runs.jsonl`, a line a run; `predictions/<run>.npz`, for each test set the class ids as uint8;
and `details/<run>.npz`, for each test set `<set>.confidence`, the probability of that class as float16, and
`validation.rows`, which training images were held out. A run laid out again counts as finished where its hash fits: it
has class ids and confidences, but no model and no other probabilities.
"""

import json
from pathlib import Path

import numpy as np

from cifar102.training import runs
from cifar102.training.config import TrainConfig
from cifar102.training.runs import Run, RunFolder
from cifar102.workspace.arrays import read_npz
from cifar102.workspace.files import parse_json, plain, read_json, read_text, replacing, write_json, write_text
from cifar102.workspace.folders import RECORDED_RUNS, Workspace

FACTS = ("config", "config_hash", "train_hash", "machine", "metrics", "history")
HASHES = ("config_hash", "train_hash")


def write(workspace: Workspace, folder: Path) -> int:
    """Record the finished runs of a workspace; return how many there are in the folder then.

    A run takes the place of an earlier record of its folder; records of other runs stay. The same runs give the same
    bytes. Raises ValueError where the folder's records or a run's files are damaged.
    """
    folder, records = Path(folder), {}
    if (folder / RECORDED_RUNS).is_file():
        records = read(folder)
    for run in runs.find_runs(workspace):
        records[name_of(run.config)] = _record(run)
        _write_answers(run, folder)
    lines = [json.dumps(plain(records[name])) for name in sorted(records)]
    if lines:
        write_text(folder / RECORDED_RUNS, "".join(f"{line}\n" for line in lines))
    return len(lines)


def read(folder: Path) -> dict[str, dict]:
    """Read the records of a folder: name of the run -> config, config_hash, train_hash, machine, metrics, history.

    history: the text of history.csv. FileNotFoundError where there are none; ValueError names the
    line that is not the record of a run.
    """
    path, found = Path(folder) / RECORDED_RUNS, {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            record = _checked(parse_json(line))
            found[name_of(TrainConfig.from_dict(record["config"]))] = record
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: line {number}: {error}") from error
    return found


def _checked(record: object) -> dict:
    if not isinstance(record, dict) or not all(name in record for name in FACTS):
        raise ValueError(f"expected an object with {', '.join(FACTS)}, found {str(record)[:80]}")
    return record


def lay_out(folder: Path, workspace: Workspace) -> int:
    """Write the recorded runs that a workspace has neither finished nor begun into it; return how many these are."""
    written = 0
    for name, record in read(folder).items():
        run = RunFolder(TrainConfig.from_dict(record["config"]), workspace, {key: record[key] for key in HASHES})
        if (run.path / "metrics.json").is_file() or run.checkpoint.exists():
            continue
        _write_run(run, record, _answers_of(folder, name))
        written += 1
    return written


def name_of(config: TrainConfig) -> str:
    """The name of a run's files: study, arm and seed."""
    return f"{config.study}-{config.arm}-seed-{config.seed}"


def _record(run: Run) -> dict:
    made = read_json(run.folder / "config.json")
    history = run.folder / "history.csv"
    text = read_text(history) if history.is_file() else ""
    return {**{name: made.get(name) for name in FACTS[:4]}, "metrics": run.metrics, "history": text}


def _write_answers(run: Run, folder: Path) -> None:
    said, details = {}, {}
    for name, parts in run.predictions().items():
        said[name] = parts["class_ids"].astype(np.uint8)
        shares = parts["probabilities"].max(axis=1) if "probabilities" in parts else parts["confidence"]
        details[f"{name}.confidence"] = shares.astype(np.float16)
        if "rows" in parts:
            details[f"{name}.rows"] = parts["rows"].astype(np.int32)
    for part, content in (("predictions", said), ("details", details)):
        with replacing(folder / part / f"{name_of(run.config)}.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **content)


def _answers_of(folder: Path, name: str) -> dict[str, dict[str, np.ndarray]]:
    """What `runs.write_predictions` takes, of a recorded run."""
    said = read_npz(Path(folder) / "predictions" / f"{name}.npz")
    details = read_npz(Path(folder) / "details" / f"{name}.npz")
    found = {test: {"class_ids": ids} for test, ids in said.items()}
    for key, values in details.items():
        test, _, what = key.rpartition(".")
        if test not in found:
            raise ValueError(f"{folder}/details/{name}.npz: {key} is of no set in predictions/: {sorted(found)}")
        found[test][what] = values.astype(np.int64) if what == "rows" else values
    return found


def _write_run(run: RunFolder, record: dict, answers: dict) -> None:
    """The files of a finished run, metrics.json last, as training leaves them; no model."""
    run.path.mkdir(parents=True, exist_ok=True)
    if record["history"]:
        write_text(run.history, record["history"])
    write_json(run.path / "config.json", {name: record[name] for name in FACTS[:4]})
    runs.write_predictions(run.path, answers)
    write_json(run.path / "metrics.json", record["metrics"])
