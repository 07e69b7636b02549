"""Run folders as they stand on disk, and the table of all of them, the experiment log."""

import csv
import traceback
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.training.config import TrainConfig
from cifar102.workspace import files
from cifar102.workspace.files import read_json, replacing, write_json
from cifar102.workspace.folders import Workspace

FIRST_COLUMNS = ("study", "arm", "seed", "model", "dataset", "num_train", "augmentation", "epochs", "parameters")
FIRST_COLUMNS += ("seconds", "images_per_second", "train_accuracy", "validation_accuracy")
LAST_COLUMNS = ("run", "config_hash")
LOCK_SECONDS = 300  # another notebook's table, read from thousands of runs on a slow disk


@dataclass(frozen=True)
class Run:
    """One run: its config and its folder; finished once metrics.json, which is written last, is there.

    error: why it failed, in one line, else None. note: what differs between the code that made it and today's.
    """

    config: TrainConfig
    folder: Path
    error: str | None = None
    note: str | None = None

    @property
    def is_finished(self) -> bool:
        return (self.folder / "metrics.json").is_file()

    @cached_property
    def metrics(self) -> dict:
        """The numbers of metrics.json; FileNotFoundError where the run has not finished."""
        numbers = read_json(self.folder / "metrics.json")
        if not isinstance(numbers, dict):
            raise ValueError(f"{self.folder / 'metrics.json'}: expected an object, found {type(numbers).__name__}")
        return numbers

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch (from 0), accuracy, learning_rate, loss, val_accuracy, val_loss.

        Without rows for random_features, which are fitted in closed form.
        """
        if self.config.model == "random_features":
            return pd.DataFrame(columns=["epoch", "loss"])
        return files.read_table(self.folder / "history.csv", ("epoch", "loss"))

    def predictions(self) -> dict[str, dict[str, np.ndarray]]:
        """Set name -> {"class_ids": (n,), "probabilities": float16 (n, classes)}, in file order.

        The set "validation" has also "rows", int64 (n,): the rows of the training part that were kept out.
        """
        with np.load(self.folder / "predictions.npz", allow_pickle=False) as arrays:
            found: dict[str, dict[str, np.ndarray]] = {}
            for key in arrays.files:
                name, _, what = key.rpartition(".")
                found.setdefault(name, {})[what] = arrays[key]
            return found


def read_run(folder: Path) -> Run:
    """The run in a folder with a config.json."""
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: no config.json, so no training run is here")
    record = read_json(folder / "config.json")
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise ValueError(f"{folder / 'config.json'}: expected an object with a config, found {str(record)[:80]}")
    error = folder / "error.json"
    try:
        config = TrainConfig.from_dict(record["config"])
    except ValueError as wrong:
        raise ValueError(f"{folder / 'config.json'}: {wrong}") from wrong
    return Run(config, folder, read_json(error)["error"] if error.is_file() else None)


def start_run(config: TrainConfig, folder: Path, about: dict, first_epoch: int) -> None:
    """Make the run folder ready: config.json with `about` (hashes, machine), history of the finished epochs only."""
    truncate_history(folder, first_epoch)
    (folder / "error.json").unlink(missing_ok=True)
    write_json(folder / "config.json", {"config": config.to_dict(), **about})


def find_runs(workspace: Workspace | str | Path, study: str | None = None) -> list[Run]:
    """All finished runs of a workspace, or of one study, by folder name."""
    pattern = f"{study or '*'}/*/seed-*/metrics.json"
    return [read_run(path.parent) for path in sorted(Workspace(workspace).runs.glob(pattern))]


def runs_table(workspace: Workspace | str | Path, study: str | None = None) -> pd.DataFrame:
    """One row per finished run: the columns of runs.parquet, sorted by study, arm and seed.

    Accuracies are 0-1; a set that a run was not evaluated on is NaN; `run` is the folder relative to the workspace.
    """
    workspace = Workspace(workspace)
    rows = [_row(run, workspace) for run in find_runs(workspace, study)]
    columns = {name: None for row in rows for name in row}
    accuracies = [name for name in columns if name.endswith("_accuracy") and name not in FIRST_COLUMNS]
    order = [*FIRST_COLUMNS, *sorted(accuracies), *LAST_COLUMNS]
    rest = [name for name in columns if name not in order]
    log = pd.DataFrame(rows, columns=[*order, *rest])
    return log.sort_values(["study", "arm", "seed"], ignore_index=True)


def write_runs_table(workspace: Workspace | str | Path) -> Path:
    """Write the table of all finished runs to <workspace>/runs.parquet, atomically.

    Notebooks that run side by side take turns, from looking for runs to the last byte: else the one that looked first
    could write last, without the runs that the other saw.
    """
    workspace = Workspace(workspace)
    with files.locked(workspace.runs / ".table.lock", LOCK_SECONDS):
        return files.write_table(workspace.root / "runs.parquet", runs_table(workspace))


def _row(run: Run, workspace: Workspace) -> dict:
    config = run.config
    counts = {name: getattr(config, name) for name in ("study", "arm", "seed", "model", "dataset", "augmentation")}
    numbers = {name: value for name, value in run.metrics.items() if not isinstance(value, list | dict)}
    settings = {name: getattr(config, name) for name in ("optimizer", "learning_rate", "batch_size", "schedule")}
    missing = {name: np.nan for name in numbers if numbers[name] is None}
    place = run.folder.relative_to(workspace.root).as_posix()
    return {**counts, **numbers, **missing, **settings, "run": place}


def write_predictions(folder: Path, predictions: dict[str, dict[str, np.ndarray]]) -> Path:
    """Write predictions.npz (uncompressed keys "<set>.<what>"), atomically."""
    arrays = {f"{name}.{what}": array for name, parts in predictions.items() for what, array in parts.items()}
    path = Path(folder) / "predictions.npz"
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def write_error(folder: Path, error: BaseException) -> str:
    """Keep why a run failed in error.json and return it in one line; running out of memory says so."""
    reason = f"{type(error).__name__}: {error}".strip().splitlines()[0][:500]
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        reason = f"out of memory ({reason}); try a smaller batch_size or model"
    trace = traceback.format_exception(type(error), error, error.__traceback__)
    write_json(Path(folder) / "error.json", {"error": reason, "traceback": "".join(trace)})
    return reason


def truncate_history(folder: Path, num_epochs: int) -> None:
    """Keep the rows of the first `num_epochs` epochs of history.csv, whatever a kill left behind them."""
    path = Path(folder) / "history.csv"
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    kept = [line for line in lines[1:] if len(line) == len(lines[0]) and int(line[0]) < num_epochs]
    if not kept:
        path.unlink()
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([lines[0], *kept])
