"""The networks of notebook 05: their recipes, the configs of their trainings, and the tables that sum the runs up."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cifar102.datasets import sets
from cifar102.decisions.tables import published_baselines
from cifar102.models import registry
from cifar102.training import data, machine, pipeline, predict
from cifar102.training.config import TrainConfig
from cifar102.training.data import Load, TrainingData
from cifar102.training.runs import Run, model_file, normalization_file
from cifar102.workspace.files import read_json
from cifar102.workspace.folders import Workspace

TRAINING_SETS_STUDY = "training_sets"
AUGMENTATION_STUDY = "baseline_augmentation"
WHOLE_STUDY = "whole_cifar10"
CYCLES_STUDY = "cyclical"
TRAINING_SETS = ("cifar10-10k", "cifar102")
TEST_SETS = ("cifar10", "cifar102", "cifar102-leftover")
OPTIMIZERS = {"rmsprop": 1e-3, "adagrad": 1e-2, "adadelta": 1.0, "adam": 1e-3}  # the rates of their papers
FAST_EPOCHS = 8  # of fast_cnn on all of CIFAR-10


@dataclass(frozen=True)
class Recipe:
    """The fields of a baseline's TrainConfig.

    few_images: those with another value on about 10,000 images. keeps: fields that no comparison of several networks
    changes. is_for_bfloat16: trained in it where it is fast (machine.fast_precision).
    """

    fields: dict[str, object]
    few_images: dict[str, object] = field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    is_for_bfloat16: bool = False


COMMON: dict[str, object] = {"schedule": "one_cycle", "weight_decay": 5e-4}
# Sources: Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds, arXiv 2404.00498 (network, augmentation, views), and Jordan
# et al. 2024, https://kellerjordan.github.io/posts/muon/ (optimizer, schedule, rates); for 50,000 images.
FAST_CNN = Recipe(
    {
        "model": "fast_cnn",
        "batch_size": 2000,
        "augmentation": "alternate_flip+flip_crop",
        "augmentation_options": {"flip": False, "pad": 2, "reflect": True},
        "optimizer": "muon",
        "kernel_rate": 0.24,
        "learning_rate": 1.66,
        "momentum": 0.85,
        "weight_decay": 0.016,
        "label_smoothing": 0.2,
        "schedule": "one_cycle",
        "schedule_options": {"start_fraction": 1.0, "warmup_share": 0.0, "final_fraction": 0.0},  # straight to 0
        "norm_batches": 3,
        "test_views": "mirror_shift",
    },
    # Batches of 2,000 would be 5 steps an epoch; the rate of biases and last layer goes with the batch size.
    few_images={"batch_size": 500, "kernel_rate": 0.2, "learning_rate": 0.42, "norm_batches": 10},
    keeps=("batch_size", "augmentation"),
    is_for_bfloat16=True,
)
# Peak rates of the one-cycle schedule for SGD with momentum and batches of 64, from range tests.
RECIPES = {
    "fully_connected": Recipe({"model": "fully_connected", "learning_rate": 0.02}),
    "random_features": Recipe({"model": "random_features"}),
    "cnn_two_conv": Recipe({"model": "cnn_two_conv", "learning_rate": 0.02}),
    "cnn_four_conv": Recipe({"model": "cnn_four_conv", "learning_rate": 0.03}),
    "alexnet": Recipe({"model": "alexnet", "learning_rate": 0.02}),
    "resnet8": Recipe({"model": "resnet8", "learning_rate": 0.1}),
    "resnet20": Recipe({"model": "resnet20", "learning_rate": 0.1}),
    "vgg10": Recipe({"model": "vgg10", "learning_rate": 0.05}),
    "wrn16-1": Recipe({"model": "wide_resnet", "model_options": {"depth": 16, "width": 1}, "learning_rate": 0.1}),
    "fast_cnn": FAST_CNN,
}


def baseline_recipe(name: str, common: Mapping[str, object]) -> dict[str, object]:
    """The fields of a baseline's TrainConfig: one-cycle SGD with decay, unless its recipe or `common` says otherwise.

    name: of RECIPES; ValueError for another. common: what several networks have in common; a recipe may keep its own.
    """
    found = _find_recipe(name)
    fields = {**COMMON, **found.fields}
    if found.is_for_bfloat16:
        fields["precision"] = machine.fast_precision()
    options = {**found.fields.get("model_options", {}), **common.get("model_options", {})}
    taken = {key: value for key, value in common.items() if key not in found.keeps}
    return {**fields, **taken, "model_options": options}


def own_test_config(name: str, dataset: str, common: Mapping[str, object], **fields: object) -> TrainConfig:
    """The config of a baseline on a set of about 10,000 images or fewer, all of which are trained on.

    It is tested on the set's own test part, by one view. name, common: as baseline_recipe; fields: the rest.
    """
    own = {"dataset": dataset, "evaluate_on": (dataset,), "num_validation": 0, "test_views": "one"}
    return TrainConfig(**{**baseline_recipe(name, common), **RECIPES[name].few_images, **own, **fields})


def _find_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise ValueError(f"baseline {name!r}: expected one of {', '.join(RECIPES)}")
    return RECIPES[name]


def _is_closed_form(name: str) -> bool:
    return registry.is_closed_form(_find_recipe(name).fields["model"])


def fast_cnn_config(epochs: int = FAST_EPOCHS, seed: int = 0, **changes: object) -> TrainConfig:
    """The config of one training of fast_cnn on CIFAR-10's 50,000 images, tested on its 10,000.

    changes: further fields.
    """
    place = {"study": "fast_cnn", "arm": f"epochs-{epochs}", "dataset": "cifar10", "evaluate_on": ("cifar10",)}
    return TrainConfig(**{**baseline_recipe("fast_cnn", {}), **place, "epochs": epochs, "seed": seed, **changes})


def training_set_configs(
    epochs: Mapping[str, int], seeds: int, num_filters: int = 256, **common: object
) -> list[TrainConfig]:
    """Each network on both training sets, model by model in the order of `epochs`, each seed on both sets.

    epochs: baseline -> passes. num_filters: of those fitted in closed form, which are not augmented either.
    common: further TrainConfig fields. All networks see one view of a test image. Those trained on the reference are
    evaluated on the uniform arm too, which overlaps the new training set.
    """
    found = []
    for name, count in epochs.items():
        fields = baseline_recipe(name, {**common, "epochs": count, "study": TRAINING_SETS_STUDY, "test_views": "one"})
        fields |= RECIPES[name].few_images
        if _is_closed_form(name):
            fields["model_options"] = {"num_filters": num_filters}
        for seed in range(seeds):
            for dataset in TRAINING_SETS:
                tests = (*TEST_SETS, "cifar102-uniform") if dataset == TRAINING_SETS[0] else TEST_SETS
                where = {"dataset": dataset, "evaluate_on": tests, "seed": seed}
                found.append(TrainConfig(**fields, **where, arm=f"{name}-{dataset}"))
    return found


def augmentation_configs(
    epochs: Mapping[str, int], networks: Sequence[str], seeds: int, augmentation: str = "flip_crop", **common: object
) -> list[TrainConfig]:
    """The partners with augmentation of training_set_configs' first seeds on the reference set, tested on CIFAR-10.

    epochs: as there. networks: which of them; ValueError for one that is not, that is fitted in closed form or whose
    recipe has an augmentation of its own.
    """
    possible = [
        name for name in epochs if not _is_closed_form(name) and "augmentation" not in _find_recipe(name).fields
    ]
    if wrong := [name for name in networks if name not in possible]:
        raise ValueError(
            f"networks with augmentation: {wrong}: expected some of {possible}: trained by steps, none in their recipe"
        )
    return [
        TrainConfig(
            **baseline_recipe(
                name, {**common, "epochs": epochs[name], "study": AUGMENTATION_STUDY, "augmentation": augmentation}
            ),
            dataset=TRAINING_SETS[0],
            evaluate_on=("cifar10",),
            seed=seed,
            arm=f"{name}+{augmentation}",
        )
        for name in networks
        for seed in range(seeds)
    ]


def augmentation_table(plain: pd.DataFrame, augmented: pd.DataFrame) -> pd.DataFrame:
    """Runs with and without augmentation side by side, for the networks and seeds that both tables hold.

    plain, augmented: rows of runs.runs_table of the two studies. Columns: model, seed, augmentation, train_accuracy,
    cifar10_accuracy.
    """
    reference = plain[plain["dataset"] == TRAINING_SETS[0]]
    both = pd.concat([reference, augmented]).assign(model=lambda rows: rows["arm"].map(_model_of))
    pairs = set(zip(augmented["arm"].map(_model_of), augmented["seed"], strict=True))
    kept = [pair in pairs for pair in zip(both["model"], both["seed"], strict=True)]
    columns = ["model", "seed", "augmentation", "train_accuracy", "cifar10_accuracy"]
    return both.loc[kept, columns].reset_index(drop=True)


def whole_configs(epochs: Mapping[str, int], num_filters: int, **common: object) -> list[TrainConfig]:
    """Trainings on all of CIFAR-10's images, tested on its test images alone: a placebo's new ones are among these.

    epochs: baseline -> passes. num_filters: of random features; 0 leaves them out.
    """
    place = {**common, "study": WHOLE_STUDY, "dataset": "cifar10-whole", "evaluate_on": ("cifar10",)}
    options = {name: {"epochs": count} for name, count in epochs.items()}
    if num_filters:
        options = {"random_features": {"model_options": {"num_filters": num_filters}, "epochs": 1}, **options}
    return [
        TrainConfig(**baseline_recipe(name, {**place, **own}), arm=f"{name}-whole") for name, own in options.items()
    ]


def cyclical_configs(
    low: float, high: float, epochs: int, more_epochs: int, model: str = "cnn_four_conv", **common: object
) -> list[TrainConfig]:
    """A phase of two cycles from rate `low` to `high`, then four optimizers, each from its own copy of its end."""
    place = {"study": CYCLES_STUDY, "dataset": TRAINING_SETS[0], "evaluate_on": ("cifar10",), "model": model, **common}
    cycles = {"schedule": "triangular", "schedule_options": {"minimum_rate": low, "cycle_epochs": epochs / 2}}
    first = TrainConfig(**place, **cycles, arm="checkpoint", learning_rate=high, epochs=epochs)
    rest = [
        TrainConfig(**place, arm=name, optimizer=name, learning_rate=rate, epochs=more_epochs, start_from=first.folder)
        for name, rate in OPTIMIZERS.items()
    ]
    return [first, *rest]


def baseline_summary(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per network and training set: mean and deviation over seeds of what the runs table holds.

    runs: rows of runs.runs_table; arm is `<model>-<dataset>`. Columns: model, trained_on, n, num_train, epochs,
    parameters, test (accuracy on CIFAR-10's test images), validation, new_test, each with _mean and _sd; seconds
    (wall), processor_seconds and images_per_second (wall, validation included), means of a run;
    images_per_processor_second; published, published_images. Accuracies 0-1. Wall times hold what else the machine did.
    By training set, then in the order of RECIPES.
    """
    shares = {"test": "cifar10_accuracy", "validation": "validation_accuracy", "new_test": "cifar102_accuracy"}
    rows = []
    for arm, part in runs.groupby("arm", sort=False):
        seen = (part["num_train"] * part["epochs"]).sum()
        row = {"model": _model_of(arm), "trained_on": part["dataset"].iloc[0], "n": len(part)}
        row |= {name: part[name].iloc[0] for name in ("num_train", "epochs", "parameters")}
        for name, column in shares.items():
            values = part[column].astype(float) if column in part else pd.Series([np.nan])
            row |= {f"{name}_mean": values.mean(), f"{name}_sd": values.std(ddof=1)}
        row |= {name: part[name].mean() for name in ("seconds", "processor_seconds", "images_per_second")}
        rows.append({**row, "images_per_processor_second": seen / part["processor_seconds"].sum()})
    known = published_baselines().set_index("model")
    table = pd.DataFrame(rows)
    table["published"] = table["model"].map(known["published"])
    table["published_images"] = table["model"].map(known["training_images"]).astype("Int64")
    order = list(RECIPES).index
    table = table.sort_values("model", key=lambda models: models.map(order))
    return table.sort_values("trained_on", kind="stable", ignore_index=True)


def _model_of(arm: str) -> str:
    return next(name for name in sorted(RECIPES, key=len, reverse=True) if arm.startswith(name))


def leak_table(runs: Sequence[Run], workspace: Workspace) -> pd.DataFrame:
    """Judge finished runs on an honest and on a leaked validation split; one row a run.

    The published mistake (splits.split with_replacement) trains on the very rows of the honest split and draws its
    validation rows from all of them, so nothing is trained again: the stored model predicts the leaked rows. Columns:
    arm, seed, train, honest, leaked, test (accuracies 0-1; test on CIFAR-10) and trained_on, the share of leaked rows
    that the network was trained on. Runs without a stored model (random features) are left out. Raises ValueError
    for a run with num_train, whose two splits would not have the same training rows.
    """
    load_set = functools.lru_cache(maxsize=2)(lambda name: sets.load(name, workspace))
    rows = [_row(run, load_set) for run in runs if model_file(run.folder).is_file()]
    columns = ["arm", "seed", "train", "honest", "leaked", "test", "trained_on"]
    return pd.DataFrame(rows, columns=columns)


def _row(run: Run, load_set: Load) -> dict:
    honest, leaked = (_data(run.config, split, load_set) for split in ("permutation", "with_replacement"))
    if not np.array_equal(honest.train_rows, leaked.train_rows):
        raise ValueError(f"{run.config.name}: the two splits train on different rows (num_train is set)")
    model = registry.load_model(model_file(run.folder))
    normalization = pipeline.Normalization(**read_json(normalization_file(run.folder)))
    rows = leaked.validation_rows
    predicted = predict.predictor(model, normalization)(leaked.images[rows]).argmax(axis=1)
    row = {"arm": run.config.arm, "seed": run.config.seed, "train": run.metrics["train_accuracy"]}
    row |= {"honest": run.metrics["validation_accuracy"], "leaked": float(np.mean(predicted == leaked.labels[rows]))}
    trained_on = float(np.isin(rows, leaked.train_rows).mean())
    return {**row, "test": run.metrics.get("cifar10_accuracy", np.nan), "trained_on": trained_on}


def _data(config: TrainConfig, split: str, load_set: Load) -> TrainingData:
    return data.load(config.replace(split=split, evaluate_on=()), load_set)
