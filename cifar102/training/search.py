"""A small search over learning rate, weight decay and dropout, judged on validation accuracy, that can be resumed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.training import fitting, sweeps
from cifar102.training.config import TrainConfig
from cifar102.training.runs import Run
from cifar102.workspace.folders import Workspace

STUDY = "search"
SAMPLERS = ("random", "optuna-random", "optuna-grid", "optuna-tpe")
Space = Mapping[str, tuple[float, float]]
# lowest and highest value; those of LOGARITHMIC are drawn evenly in their logarithm
SPACE: dict[str, tuple[float, float]] = {
    "learning_rate": (3e-3, 1e-1),
    "weight_decay": (1e-5, 1e-2),
    "dropout": (0.0, 0.5),
}
LOGARITHMIC = ("learning_rate", "weight_decay")
GRID_STEPS = 3


def run(
    base: TrainConfig,
    workspace: Workspace | str | Path,
    num_trials: int,
    *,
    space: Space = SPACE,
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


def config_of(base: TrainConfig, number: int, point: Mapping[str, float]) -> TrainConfig:
    """The config of one trial. dropout: of cnn_four_conv after its dense layer, half of it after the blocks."""
    fields: dict = {name: value for name, value in point.items() if name != "dropout"}
    if "dropout" in point:
        rate = point["dropout"]
        rates = [rate / 2, rate / 2, rate] if base.model == "cnn_four_conv" else rate
        fields["model_options"] = {**base.model_options, "dropout": rates}
    return base.replace(study=STUDY, arm=f"trial-{number:03d}", **fields)


def random_points(num_points: int, seed: int, space: Space = SPACE) -> list[dict[str, float]]:
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


def _random(
    base: TrainConfig, workspace: Workspace, num_trials: int, space: Space, sampler: str, seed: int
) -> list[tuple[dict, Run]]:
    points = random_points(num_trials, seed, space)
    done = sweeps.sweep([config_of(base, k, point) for k, point in enumerate(points)], workspace=workspace)
    if failed := [trial for trial in done if trial.error]:
        raise ValueError(f"{failed[0].config.name}: {failed[0].error}")
    return list(zip(points, done, strict=True))


def _optuna(
    base: TrainConfig, workspace: Workspace, num_trials: int, space: Space, sampler: str, seed: int
) -> list[tuple[dict, Run]]:
    """Ask Optuna for points and tell it what came out; a trial that a kill left open is trained on and told."""
    import optuna
    from optuna.storages import journal

    workspace.runs.joinpath(STUDY).mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(workspace.runs / STUDY / "optuna.log")))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=f"{sampler}-{seed}",
        direction="maximize",
        load_if_exists=True,
    )
    found = []
    while len(found) < num_trials:
        known = study.get_trials(deepcopy=False)
        study.sampler = _sampler(
            optuna, sampler, space, 1000 * seed + len(found)
        )  # a resumed search draws no point twice
        trial = known[len(found)] if len(found) < len(known) else study.ask(_distributions(optuna, space))
        done = fitting.fit(config_of(base, len(found), trial.params), workspace)
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
