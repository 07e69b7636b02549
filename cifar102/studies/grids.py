"""The studies: each a grid of run configs whose arms differ in one factor, times seeds. No TensorFlow here."""

from collections.abc import Sequence

from cifar102.datasets import sets as data_sets
from cifar102.studies import arms as study_arms
from cifar102.studies.arms import Arm
from cifar102.training.config import TrainConfig

NAMES = tuple(study_arms.ARMS)
# The accuracy a study is read by, where it is not that of the validation rows.
METRIC = dict.fromkeys(NAMES, "validation_accuracy") | {
    "baseline": "test_accuracy",
    "dataset_size": "cifar10_accuracy",
    "set_and_size": "cifar10_accuracy",
}
DATASET = dict.fromkeys(NAMES, "cifar100-fine") | {"leak": "cifar10", "wrn": "cifar10"}


def configs(
    study: str,
    *,
    seeds: Sequence[int],
    num_train: int | None,
    num_validation: int,
    epochs: int,
    batch_size: int = 128,
    dataset: str | None = None,
    num_arms: int | None = None,
    evaluate_on: Sequence[str] = (),
    datasets: Sequence[str] = (),
    available: dict[str, int] | None = None,
    **overrides: object,
) -> list[TrainConfig]:
    """The configs of a study in the order they have to run: seed by seed, arms in the order of the table.

    dataset: None for the study's own (DATASET). num_train: also the largest size of the arms that vary it. datasets:
    training sets that dataset_size and set_and_size compare. available: training images of a data set, to cap sizes
    (validation rows count into it). num_arms: only the first so many. evaluate_on: only sets with as many classes as
    an arm's data set are kept; empty: the tests of all compared sets. overrides: any other TrainConfig field, for
    all arms; model_options are merged, the arm's own factor wins. Raises ValueError for an unknown study.
    """
    if study not in NAMES:
        raise ValueError(f"study: {study!r} is none of {', '.join(NAMES)}")
    sizes = study_arms.Sizes(
        num_train, num_validation, epochs, dataset or DATASET[study], tuple(datasets), available or {}
    )
    arms = study_arms.ARMS[study](sizes)[:num_arms]
    common = {"num_train": num_train, "num_validation": num_validation, "epochs": epochs, "batch_size": batch_size}
    common |= {"study": study, "dataset": sizes.dataset, "evaluate_on": tuple(evaluate_on), **overrides}
    found = []
    for seed in seeds:
        if study == "optimizers":
            arms = [study_arms.checkpoint(sizes), *study_arms.ARMS[study](sizes)[:num_arms]]
        found += [_config(arm, {**common, "seed": int(seed)}) for arm in arms]
    return found


def references(study: str, arms: Sequence[str]) -> dict[str, str]:
    """Arm -> the arm it is compared with by seed; an arm compared with none stands for itself.

    The study's reference arm or, where arms come in pairs, the partner: the same size or model on the first data set,
    the first version of a final network.
    """
    first = {"leak": "permutation", "augmentation": "none", "optimizers": "checkpoint"}.get(study, arms[0])
    pairs = dict.fromkeys(arms, first)
    if study == "cifar100":
        pairs = {arm: arm.replace("-final", "-first") for arm in arms}
    if study in ("dataset_size", "set_and_size"):
        pairs = {arm: _same_on_first_set(arm, arms) for arm in arms}
    return {arm: partner if partner in arms else arm for arm, partner in pairs.items()}


def _config(arm: Arm, common: dict) -> TrainConfig:
    options: dict = {}
    for part in (arm.base, common, arm.changes):
        options |= part.get("model_options", {})
    values = {**arm.base, **common, **arm.changes, "model_options": options, "arm": arm.name}
    values["start_from"] = values.get("start_from") and str(values["start_from"]).format(**values)
    sets = values["evaluate_on"] or arm.tests or (values["dataset"],)
    num_classes = data_sets.num_classes(values["dataset"])
    values["evaluate_on"] = tuple(name for name in sets if data_sets.num_classes(name) == num_classes)
    return TrainConfig(**values)


def _same_on_first_set(arm: str, arms: Sequence[str]) -> str:
    """The first arm that trains the same thing: arms are named <what>@... by study_arms.on_set."""
    what, _, _ = arm.partition(study_arms.ON)
    return next(other for other in arms if other.partition(study_arms.ON)[0] == what)
