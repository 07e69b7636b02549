"""The folder of a run: written in an order that survives a kill, read as it stands; and the table of all of them."""

import csv
import shutil
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.models import registry
from cifar102.training.config import TrainConfig, hash_config
from cifar102.workspace import files
from cifar102.workspace.arrays import npz_names
from cifar102.workspace.files import read_json, replacing, write_json
from cifar102.workspace.folders import Workspace

FIRST_COLUMNS = (
    "study", "arm", "seed", "model", "dataset", "num_train", "augmentation", "epochs", "parameters", "seconds",
    "images_per_second", "train_accuracy", "validation_accuracy",
)  # fmt: skip
LAST_COLUMNS = ("run", "config_hash")
LOCK_SECONDS = 300  # another notebook's table, read from thousands of runs on a slow disk
# A worker that a cluster has given up, or whose client was killed, may go on with its run: the second one waits for it.
RUN_LOCK_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run while it is trained: where its files stand, and in which order they are written.

    config.json comes when training starts; history.csv, checkpoint/ and snapshots/ while it runs; then model.keras,
    normalization.json, predictions.npz and, last, metrics.json, whose presence means finished. So a kill at any moment
    leaves what the next call goes on with. hashes: config_hash, of config and data, and train_hash, of that which
    training alone depends on; both stand in config.json and metrics.json.
    """

    config: TrainConfig
    workspace: Workspace
    hashes: dict[str, str]

    @property
    def path(self) -> Path:
        return self.workspace.root / self.config.folder

    @property
    def history(self) -> Path:
        """The table of epochs, to which each epoch adds its row."""
        return self.path / "history.csv"

    @property
    def checkpoint(self) -> Path:
        """What training goes on from; gone from a finished run."""
        return self.path / "checkpoint"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def model(self) -> Path:
        return model_file(self.path)

    def snapshot(self, epoch: int) -> Path:
        """The weights at the end of an epoch, counted from 1."""
        return self.path / "snapshots" / f"epoch-{epoch}.npz"

    def locked(self) -> AbstractContextManager:
        """Keep other processes out, or wait for the one that is in."""
        return files.locked(self.path / ".lock", RUN_LOCK_SECONDS)

    def finished_record(self) -> dict | None:
        """The config.json of a finished run of this config and data, else None; what a kill left of it is removed."""
        if self._metrics().get("config_hash") != self.hashes["config_hash"]:
            return None
        self._remove_checkpoint()
        return read_json(self.path / "config.json")

    def trained_numbers(self) -> dict | None:
        """The metrics of a finished run that differs from this one in its evaluation sets alone, else None.

        Its model predicts anew; the hashes are those of this run.
        """
        found = self._metrics()
        is_same = found.get("train_hash") == self.hashes["train_hash"] and self.model.is_file()
        return {**found, **self.hashes} if is_same else None

    def drop_metrics(self) -> None:
        """Make the run an unfinished one."""
        (self.path / "metrics.json").unlink(missing_ok=True)

    def start(self, machine: dict, first_epoch: int) -> None:
        """Write config.json, with what made the run; of an earlier process only the finished epochs are kept."""
        truncate_history(self.history, first_epoch)
        self._remove_error()
        write_json(self.path / "config.json", {"config": self.config.to_dict(), **self.hashes, "machine": machine})

    def finish(
        self, save_model: Callable[[Path], None], normalization: dict, predictions: dict, metrics: dict
    ) -> "Run":
        """Write all that a finished run has, metrics.json last, then remove what is no longer needed.

        save_model: writes the model to a path. predictions: as `write_predictions` takes them.
        """
        save_model(self.model)
        write_json(normalization_file(self.path), normalization)
        write_predictions(self.path, predictions)
        write_json(self.path / "metrics.json", metrics)
        self._remove_checkpoint()
        self._remove_error()
        return Run(self.config, self.path)

    def _metrics(self) -> dict:
        path = self.path / "metrics.json"
        return read_json(path) if path.is_file() else {}

    def _remove_checkpoint(self) -> None:
        shutil.rmtree(self.checkpoint, ignore_errors=True)

    def _remove_error(self) -> None:
        (self.path / "error.json").unlink(missing_ok=True)


def open_folder(config: TrainConfig, workspace: Workspace, train_hash: str, evaluation_hash: str) -> RunFolder:
    """The folder of a config's run on data of these hashes; nothing is written.

    The weights that a run starts from count as its data do: FileNotFoundError where that run has not finished.
    """
    start_hash = ""
    if config.start_from:
        path = workspace.root / config.start_from / "metrics.json"
        if not path.is_file():
            raise FileNotFoundError(f"start_from: {path} does not exist; train that run first")
        start_hash = str(read_json(path)["train_hash"])
    hashes = {
        "config_hash": hash_config(config, train_hash + evaluation_hash + start_hash),
        "train_hash": hash_config(config, train_hash + start_hash, leave_out=("evaluate_on", "test_views")),
    }
    return RunFolder(config, workspace, hashes)


def model_file(folder: Path) -> Path:
    """The model of a finished run; networks in closed form leave none."""
    return Path(folder) / "model.keras"


def normalization_file(folder: Path) -> Path:
    """How images became the inputs of a finished run's model, as pipeline.Normalization takes it."""
    return Path(folder) / "normalization.json"


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


def truncate_history(path: Path, num_epochs: int) -> None:
    """Keep the rows of the first `num_epochs` epochs of a history.csv, whatever a kill left behind them."""
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

        Without rows for networks that are fitted in closed form.
        """
        if registry.is_closed_form(self.config.model):
            return pd.DataFrame(columns=["epoch", "loss"])
        return files.read_table(self.folder / "history.csv", ("epoch", "loss"))

    @cached_property
    def keeps_probabilities(self) -> bool:
        """Whether predictions() has all probabilities; a run from the repository's records has the largest alone."""
        return any(name.endswith(".probabilities") for name in npz_names(self.folder / "predictions.npz"))

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


def find_runs(workspace: Workspace | str | Path, study: str | None = None) -> list[Run]:
    """All finished runs of a workspace, or of one study, by folder name."""
    pattern = f"{study or '*'}/*/seed-*/metrics.json"
    return [read_run(path.parent) for path in sorted(Workspace(workspace).runs.glob(pattern))]


def runs_table(workspace: Workspace | str | Path, study: str | None = None) -> pd.DataFrame:
    """One row per finished run: the columns of runs.parquet, sorted by study, arm and seed.

    Accuracies are 0-1; a set that a run was not evaluated on is NaN; `options` are the model's, as "depth=16;width=1";
    `run` is the folder relative to the workspace.
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
    options = ";".join(f"{name}={value}" for name, value in sorted(config.model_options.items()))
    place = run.folder.relative_to(workspace.root).as_posix()
    return {**counts, **numbers, **missing, **settings, "options": options, "run": place}
