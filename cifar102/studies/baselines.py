"""The networks of notebook 05: their recipes, the configs of their trainings, and the table that sums the runs up."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cifar102.decisions.tables import published_baselines
from cifar102.studies import fast_recipe
from cifar102.training.config import TrainConfig

STUDY, AUGMENTED, WHOLE, CYCLES = "training_sets", "baseline_augmentation", "whole_cifar10", "cyclical"
TRAINING_SETS = ("cifar10-10k", "cifar102")
TESTS = ("cifar10", "cifar102", "cifar102-leftover")

OPTIMIZERS = {"rmsprop": 1e-3, "adagrad": 1e-2, "adadelta": 1.0, "adam": 1e-3}  # the rates of their papers
# Peak rates of the one-cycle schedule for SGD with momentum and batches of 64, from range tests.
RECIPES: dict[str, dict] = {
    "fully_connected": {"model": "fully_connected", "learning_rate": 0.02},
    "random_features": {"model": "random_features"},
    "cnn_two_conv": {"model": "cnn_two_conv", "learning_rate": 0.02},
    "cnn_four_conv": {"model": "cnn_four_conv", "learning_rate": 0.03},
    "alexnet": {"model": "alexnet", "learning_rate": 0.02},
    "resnet8": {"model": "resnet8", "learning_rate": 0.1},
    "resnet20": {"model": "resnet20", "learning_rate": 0.1},
    "vgg10": {"model": "vgg10", "learning_rate": 0.05},
    "wrn16-1": {"model": "wide_resnet", "model_options": {"depth": 16, "width": 1}, "learning_rate": 0.1},
    "fast_cnn": fast_recipe.FIELDS,
}
OF_FAST_CNN = ("batch_size", "augmentation")  # its recipe's own, whatever the other networks have


def recipe(name: str, common: Mapping[str, object]) -> dict[str, object]:
    """The fields of a baseline's TrainConfig: one-cycle SGD with decay, unless `common` says otherwise.

    name: of RECIPES; fast_cnn has its own (fast_recipe), batch size and augmentation included. Raises ValueError for
    another name.
    """
    if name not in RECIPES:
        raise ValueError(f"baseline {name!r}: expected one of {', '.join(RECIPES)}")
    if name == "fast_cnn":
        return fast_recipe.fields() | {field: value for field, value in common.items() if field not in OF_FAST_CNN}
    fields: dict[str, object] = {"schedule": "one_cycle", "weight_decay": 5e-4, **RECIPES[name], **common}
    options = {**RECIPES[name].get("model_options", {}), **common.get("model_options", {})}
    return fields | {"model_options": options}


def training_set_configs(
    epochs: Mapping[str, int], seeds: int, num_filters: int = 256, **common: object
) -> list[TrainConfig]:
    """Each network on both training sets, model by model in the order of `epochs`, each seed on both sets.

    epochs: baseline -> passes. num_filters: of random_features, which are fitted in closed form and not augmented.
    common: further TrainConfig fields. All networks see one view of a test image. Those trained on the reference are
    evaluated on the uniform arm too, which overlaps the new training set.
    """
    found = []
    own = {"random_features": {"model_options": {"num_filters": num_filters}}, "fast_cnn": fast_recipe.FEW_IMAGES}
    for name, count in epochs.items():
        fields = recipe(name, {**common, "epochs": count, "study": STUDY, "test_views": "one"}) | own.get(name, {})
        for seed in range(seeds):
            for dataset in TRAINING_SETS:
                tests = (*TESTS, "cifar102-uniform") if dataset == TRAINING_SETS[0] else TESTS
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
    possible = [name for name in epochs if name != "random_features" and "augmentation" not in recipe(name, {})]
    if wrong := [name for name in networks if name not in possible]:
        raise ValueError(
            f"networks with augmentation: {wrong}: expected some of {possible}: trained by steps, none in their recipe"
        )
    return [
        TrainConfig(
            **recipe(name, {**common, "epochs": epochs[name], "study": AUGMENTED, "augmentation": augmentation}),
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

    plain, augmented: rows of runs.table of the two studies. Columns: model, seed, augmentation, train_accuracy,
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
    place = {**common, "study": WHOLE, "dataset": "cifar10-whole", "evaluate_on": ("cifar10",)}
    options = {name: {"epochs": count} for name, count in epochs.items()}
    if num_filters:
        options = {"random_features": {"model_options": {"num_filters": num_filters}, "epochs": 1}, **options}
    return [TrainConfig(**recipe(name, {**place, **own}), arm=f"{name}-whole") for name, own in options.items()]


def cyclical_configs(
    low: float, high: float, epochs: int, more_epochs: int, model: str = "cnn_four_conv", **common: object
) -> list[TrainConfig]:
    """A phase of two cycles from rate `low` to `high`, then four optimizers, each from its own copy of its end."""
    place = {"study": CYCLES, "dataset": TRAINING_SETS[0], "evaluate_on": ("cifar10",), "model": model, **common}
    cycles = {"schedule": "triangular", "schedule_options": {"minimum_rate": low, "cycle_epochs": epochs / 2}}
    first = TrainConfig(**place, **cycles, arm="checkpoint", learning_rate=high, epochs=epochs)
    rest = [
        TrainConfig(**place, arm=name, optimizer=name, learning_rate=rate, epochs=more_epochs, start_from=first.folder)
        for name, rate in OPTIMIZERS.items()
    ]
    return [first, *rest]


def summary_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per network and training set: mean and deviation over seeds of what the runs table holds.

    runs: rows of runs.table; arm is `<model>-<dataset>`. Columns: model, trained_on, n, num_train, epochs, parameters,
    test (accuracy on CIFAR-10's test images), validation, new_test, each with _mean and _sd; seconds (wall),
    processor_seconds and images_per_second (wall, validation included), means of a run; images_per_processor_second;
    published, published_images. Accuracies 0-1. Wall times hold what else the machine did. By training set, then in
    the order of RECIPES.
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
