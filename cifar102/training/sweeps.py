"""Sweeps: many runs one after the other in this process, or spread over the workers of a Dask cluster."""

import functools
import os
import time
from collections.abc import Sequence
from pathlib import Path

from cifar102.datasets import sets
from cifar102.training import fitting, runs
from cifar102.training.config import TrainConfig
from cifar102.training.runs import Run
from cifar102.workspace import wording
from cifar102.workspace.folders import Workspace


class Counter:
    """Prints one line per run that ended, with the time left at the pace of the runs that were trained."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.failed, self.trained = total, 0, 0, 0
        self.started = time.perf_counter()

    def tell(self, run: Run, was_finished: bool) -> None:
        self.done += 1
        self.trained += not was_finished
        self.failed += run.error is not None
        rest = (time.perf_counter() - self.started) / max(self.trained, 1) * (self.total - self.done)
        outcome = f"FAILED: {run.error}" if run.error else _outcome(run, was_finished)
        tail = f"about {wording.duration(rest)} left" if self.done < self.total else f"{self.failed} failed"
        print(f"({self.done}/{self.total}) {run.config.name}: {outcome}; {tail}", flush=True)


def sweep_here(configs: Sequence[TrainConfig], workspace: Workspace) -> list[Run]:
    """Fit configs one after the other; data sets are loaded once. An exception of a run ends up in its `error`."""
    load_set = functools.lru_cache(maxsize=6)(lambda name: sets.load(name, workspace))
    counter, done = Counter(len(configs)), []
    for config in configs:
        was_finished = (workspace.root / config.folder / "metrics.json").is_file()
        try:
            run = fitting.fit_loaded(config, workspace, load_set)
        except Exception as error:  # whatever it is, it is reported and the rest goes on
            folder = workspace.root / config.folder
            run = Run(config, folder, error=runs.write_error(folder, error))
        counter.tell(run, was_finished)
        done.append(run)
    return done


def sweep_on_cluster(configs: Sequence[TrainConfig], scheduler: str, workspace: Workspace) -> list[Run]:
    """Submit one task per config to the Dask scheduler; a worker that dies, as when memory runs out, says so.

    The workers need this package and the same workspace folder, and take one run at a time each.
    """
    import distributed  # 0.5 s that only cluster users pay

    counter, outcomes = Counter(len(configs)), {}
    with distributed.Client(scheduler, set_as_default=False) as client:
        futures: dict = {}
        for config in configs:
            # A run that starts from another one's weights waits for it.
            before = [future for future, other in futures.items() if other.folder == config.start_from]
            key = f"{config.folder}-{time.time_ns()}"
            futures[client.submit(fit_remotely, config.to_dict(), str(workspace.root), *before, key=key)] = config
        for future in distributed.as_completed(futures, loop=client.loop):
            config = futures[future]
            run = _gather(future, config, workspace)
            outcomes[config.folder] = run
            counter.tell(run, was_finished=False)
    return [outcomes[config.folder] for config in configs]


def fit_remotely(config: dict, root: str, *before: str | None) -> str | None:
    """On a worker: fit one config; returns the error in one line, or None. before: outcomes it had to wait for."""
    settings, workspace = TrainConfig.from_dict(config), Workspace(root)
    try:
        fitting.fit(settings, workspace)
    except Exception as error:
        return runs.write_error(workspace.root / settings.folder, error)
    return None


def _gather(future: object, config: TrainConfig, workspace: Workspace) -> Run:
    folder = workspace.root / config.folder
    try:
        return Run(config, folder, error=future.result())
    except Exception as error:
        died = type(error).__name__ == "KilledWorker"
        why = "its worker process died, as when the system runs out of memory" if died else "the cluster lost it"
        return Run(config, folder, error=f"{why} ({type(error).__name__}: {error})"[:500])


def _outcome(run: Run, was_finished: bool) -> str:
    accuracy = run.metrics.get("validation_accuracy")
    share = "" if accuracy is None else f"validation accuracy {accuracy:.4f}, "
    return f"{share}{'kept' if was_finished else wording.duration(run.metrics['seconds'])}"


def sweep(
    configs: Sequence[TrainConfig], scheduler: str | None = None, workspace: Workspace | str | Path | None = None
) -> list[Run]:
    """Fit configs in order, or spread over a Dask cluster; a failed run is reported and does not stop the rest.

    scheduler: address of a Dask scheduler (`tcp://host:port`) whose workers see the same workspace folder, or None.
    workspace: default the environment's CIFAR102_WORKSPACE, else data/demo. Returns one Run per config, in order;
    a failed one has `error`. Finished runs are skipped, so the same call resumes a sweep that was interrupted.
    """
    workspace = Workspace(workspace or os.environ.get("CIFAR102_WORKSPACE") or "data/demo")
    folders = [config.folder for config in configs]
    if doubled := sorted({name for name in folders if folders.count(name) > 1}):
        raise ValueError(f"sweep: {len(doubled)} run folders are in it twice, the first is {doubled[0]}")
    if scheduler:
        return sweep_on_cluster(configs, scheduler, workspace)
    return sweep_here(configs, workspace)
