"""Many runs: a sweep in this process or over Dask workers, and a small search over hyper-parameters."""

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.datasets import sets
from cifar102.models import registry
from cifar102.training import fitting, runs
from cifar102.training.config import TrainConfig
from cifar102.training.runs import Run
from cifar102.workspace import wording
from cifar102.workspace.folders import Workspace

SEARCH_STUDY = "search"
SAMPLERS = ("random", "optuna-random", "optuna-grid", "optuna-tpe")
Space = Mapping[str, tuple[float, float]]
# lowest and highest value; those of LOGARITHMIC are drawn evenly in their logarithm
SEARCH_SPACE: dict[str, tuple[float, float]] = {
    "learning_rate": (3e-3, 1e-1),
    "weight_decay": (1e-5, 1e-2),
    "dropout": (0.0, 0.5),
}
LOGARITHMIC = ("learning_rate", "weight_decay")
GRID_STEPS = 3


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


def sweep_here(configs: Sequence[TrainConfig], workspace: Workspace) -> list[Run]:
    """Fit configs one after the other; data sets are loaded once. An exception of a run ends up in its `error`."""
    load_set = functools.lru_cache(maxsize=6)(lambda name: sets.load(name, workspace))
    lines, done = RunLines(len(configs)), []
    for config in configs:
        was_finished = (workspace.root / config.folder / "metrics.json").is_file()
        try:
            run = fitting.fit_loaded(config, workspace, load_set)
        except Exception as error:  # whatever it is, it is reported and the rest goes on
            folder = workspace.root / config.folder
            run = Run(config, folder, error=runs.write_error(folder, error))
        lines.tell(run, was_finished)
        done.append(run)
    return done


def sweep_on_cluster(configs: Sequence[TrainConfig], scheduler: str, workspace: Workspace) -> list[Run]:
    """Submit one task per config to the Dask scheduler; a worker that dies, as when memory runs out, says so.

    The workers need this package and the same workspace folder, and take one run at a time each.
    """
    import distributed  # 0.5 s that only cluster users pay

    lines, outcomes = RunLines(len(configs)), {}
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
            lines.tell(run, was_finished=False)
    return [outcomes[config.folder] for config in configs]


def fit_remotely(config: dict, root: str, *before: str | None) -> str | None:
    """On a worker: fit one config; returns the error in one line, or None. before: outcomes it had to wait for."""
    settings, workspace = TrainConfig.from_dict(config), Workspace(root)
    try:
        fitting.fit(settings, workspace)
    except Exception as error:
        return runs.write_error(workspace.root / settings.folder, error)
    return None


def run_search(
    base: TrainConfig,
    workspace: Workspace | str | Path,
    num_trials: int,
    *,
    space: Space = SEARCH_SPACE,
    sampler: str = "random",
    seed: int = 0,
) -> pd.DataFrame:
    """Train `num_trials` points of the space and return one row each, in the order they were drawn.

    base: what all trials have in common; its study and arm are replaced, and it needs num_validation. sampler: "random"
    needs nothing more; "optuna-..." takes Optuna (the extra `search`), whose journal is runs/search/optuna.log.
    Trials are runs (runs/search/trial-<number>), so that a search that was killed goes on where it stood, and more
    trials continue it. Columns: trial, learning_rate, weight_decay, dropout, validation_accuracy, seconds, is_best.
    Raises ValueError for an unknown sampler or a config without validation rows, ImportError without Optuna.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler {sampler!r}: expected one of {', '.join(SAMPLERS)}")
    if not base.num_validation:
        raise ValueError("search: the config has num_validation 0, and trials are judged on validation rows")
    workspace = Workspace(workspace)
    draw = _random if sampler == "random" else _optuna
    trials = draw(base, workspace, num_trials, space, sampler, seed)
    rows = [
        {"trial": number, **point, **{n: done.metrics[n] for n in ("validation_accuracy", "seconds")}}
        for number, (point, done) in enumerate(trials)
    ]
    table = pd.DataFrame(rows)
    return table.assign(is_best=table.index == table["validation_accuracy"].idxmax())


def trial_config(base: TrainConfig, number: int, point: Mapping[str, float]) -> TrainConfig:
    """The config of one trial. dropout: one rate, also where a network has several (Network.dropout_shares)."""
    fields: dict = {name: value for name, value in point.items() if name != "dropout"}
    if "dropout" in point:
        rates = registry.dropout_option(base.model, point["dropout"])
        fields["model_options"] = {**base.model_options, "dropout": rates}
    return base.replace(study=SEARCH_STUDY, arm=f"trial-{number:03d}", **fields)


def random_points(num_points: int, seed: int, space: Space = SEARCH_SPACE) -> list[dict[str, float]]:
    """Draw points of the space, the same first ones whatever num_points is; four significant digits."""
    points = []
    for number in range(num_points):
        rng = np.random.default_rng((seed, number))
        point = {}
        for name, (low, high) in space.items():
            share = rng.random()
            value = low * (high / low) ** share if name in LOGARITHMIC else low + (high - low) * share
            point[name] = float(f"{value:.4g}")
        points.append(point)
    return points


class RunLines:
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


def _random(
    base: TrainConfig, workspace: Workspace, num_trials: int, space: Space, sampler: str, seed: int
) -> list[tuple[dict, Run]]:
    points = random_points(num_trials, seed, space)
    done = sweep([trial_config(base, k, point) for k, point in enumerate(points)], workspace=workspace)
    if failed := [trial for trial in done if trial.error]:
        raise ValueError(f"{failed[0].config.name}: {failed[0].error}")
    return list(zip(points, done, strict=True))


def _optuna(
    base: TrainConfig, workspace: Workspace, num_trials: int, space: Space, sampler: str, seed: int
) -> list[tuple[dict, Run]]:
    """Ask Optuna for points and tell it what came out; a trial that a kill left open is trained on and told."""
    import optuna
    from optuna.storages import journal

    workspace.runs.joinpath(SEARCH_STUDY).mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(
        journal.JournalFileBackend(str(workspace.runs / SEARCH_STUDY / "optuna.log"))
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage, study_name=f"{sampler}-{seed}", direction="maximize", load_if_exists=True
    )
    found = []
    while len(found) < num_trials:
        known = study.get_trials(deepcopy=False)
        own_seed = 1000 * seed + len(found)  # a resumed search draws no point twice
        study.sampler = _sampler(optuna, sampler, space, own_seed)
        trial = known[len(found)] if len(found) < len(known) else study.ask(_distributions(optuna, space))
        done = fitting.fit(trial_config(base, len(found), trial.params), workspace)
        if len(found) >= len(known) or not known[len(found)].state.is_finished():
            study.tell(trial.number, done.metrics["validation_accuracy"])
        found.append((dict(trial.params), done))
    return found


def _distributions(optuna: object, space: Space) -> dict:
    make: Callable = optuna.distributions.FloatDistribution
    return {name: make(low, high, log=name in LOGARITHMIC) for name, (low, high) in space.items()}


def _sampler(optuna: object, name: str, space: Space, seed: int) -> object:
    if name == "optuna-random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "optuna-tpe":
        return optuna.samplers.TPESampler(seed=seed)
    steps = {
        name: (np.geomspace if name in LOGARITHMIC else np.linspace)(low, high, GRID_STEPS).tolist()
        for name, (low, high) in space.items()
    }
    return optuna.samplers.GridSampler(steps, seed=seed)
