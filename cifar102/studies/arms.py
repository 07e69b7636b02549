"""The arms of every study: what differs between them, what they have in common, and the configs they make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cifar102.datasets.sets import num_classes
from cifar102.training.config import TrainConfig

ON = "+on+"  # <model or size>+on+<training set> names an arm of a study that compares training sets
TESTS = ("cifar10", "cifar102")  # of networks that are compared by their training set
ADAM = {"optimizer": "adam", "learning_rate": 1e-3}
ABLATION = {**ADAM, "model": "ablation_cnn"}
# Stochastic gradient descent of the WRN paper; its L2 penalty of 5e-4 under momentum .9 pulls like a decoupled decay
# of 5e-4 / (1 - .9).
WRN = {"model": "wide_resnet", "learning_rate": 0.1, "weight_decay": 5e-3, "schedule": "cosine"}
# Keras 2.15's own default rates and no momentum, as the published comparison had them.
PLAIN_RATES = {
    "adam": 1e-3,
    "sgd": 1e-2,
    "rmsprop": 1e-3,
    "adagrad": 1e-3,
    "adadelta": 1e-3,
    "adamax": 1e-3,
    "nadam": 1e-3,
}
ACTIVATIONS = ("relu", "selu", "elu", "tanh", "leaky_relu")
CUTMIX = "flip_crop+cutmix"


@dataclass(frozen=True)
class Arm:
    """One arm: `base` holds defaults that a caller may override, `changes` the factor, which nobody overrides.

    tests: the data sets to evaluate on where the caller names none; () for the arm's own data set.
    """

    name: str
    base: dict
    changes: dict = field(default_factory=dict)
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """What the caller of a study fixes for all arms, as far as arms depend on it."""

    num_train: int | None = None
    num_validation: int = 0
    epochs: int = 10
    dataset: str = "cifar100-fine"
    datasets: tuple[str, ...] = ()
    available: dict[str, int] = field(default_factory=dict)

    def largest(self, dataset: str) -> int | None:
        """How many training rows an arm can have on a data set; None for all that validation leaves."""
        cap = self.available.get(dataset)
        rest = None if cap is None else max(1, cap - self.num_validation)
        known = [number for number in (self.num_train, rest) if number is not None]
        return min(known) if known else None


def baseline(sizes: Sizes) -> list[Arm]:
    """The network that memorises."""
    return [Arm("cnn_two_conv", ADAM, {"model": "cnn_two_conv"})]


def augmentation(sizes: Sizes) -> list[Arm]:
    """Six augmentations, then smaller training sets without any."""
    base = {**ADAM, "model": "cnn_four_conv"}
    names = ("none", "flip_crop", "affine", "cutout", "mixup", "cutmix")
    smaller = size_steps(sizes.largest(sizes.dataset), (10_000, 20_000, 40_000))[:-1]
    arms = [Arm(name, base, {"augmentation": name}) for name in names]
    return [*arms, *(Arm(f"none-{size}", base, {"augmentation": "none", "num_train": size}) for size in smaller)]


def pooling(sizes: Sizes) -> list[Arm]:
    """Which pooling the stages end with."""
    return _options({name: {"pooling": name} for name in ("max", "average", "max_then_average")}, ABLATION)


def padding(sizes: Sizes) -> list[Arm]:
    """Padding of the convolutions."""
    return _options({name: {"padding": name} for name in ("same", "valid")}, ABLATION)


def batch_norm(sizes: Sizes) -> list[Arm]:
    """Batch normalisation, then dropout added to it."""
    names: dict[str, dict] = {"neither": {"batch_norm": False}, "batch_norm": {"batch_norm": True}}
    for rate in (0.2, 0.3, 0.4, 0.5):
        names[f"batch_norm+dropout{rate}"] = {"batch_norm": True, "dropout": rate}
    return _options(names, ABLATION)


def l2(sizes: Sizes) -> list[Arm]:
    """L2 penalty on the dense layer of a network with batch normalisation."""
    base = {**ABLATION, "model_options": {"batch_norm": True}}
    return _options({f"l2={text}": {"l2": float(text)} for text in ("0", "1e-4", "1e-3", "1e-2", "1e-1", "2e-1")}, base)


def activation_optimizer(sizes: Sizes) -> list[Arm]:
    """5 x 7 cells with early stopping; a patience of a fifth of the epochs, 3 at least."""
    base = {"model": "ablation_cnn", "momentum": 0.0, "nesterov": False}
    base["patience"] = max(3, sizes.epochs // 5) if sizes.num_validation else None
    return [
        Arm(f"{activation}+{name}", base, {"model_options": {"activation": activation}, **_plain(name)})
        for activation in ACTIVATIONS
        for name in PLAIN_RATES
    ]


def checkpoint(sizes: Sizes) -> Arm:
    """The cyclical phase of the optimizers study, which each of its arms starts from."""
    cycles = {
        "schedule": "triangular",
        "schedule_options": {"minimum_rate": 1e-3, "cycle_epochs": max(1, sizes.epochs // 2)},
    }
    return Arm("checkpoint", {"model": "ablation_cnn"}, {"optimizer": "sgd", "learning_rate": 0.02, **cycles})


def optimizers(sizes: Sizes) -> list[Arm]:
    """Four optimizers, each from its own copy of the checkpoint of its seed."""
    start = {"start_from": "runs/{study}/checkpoint/seed-{seed}"}
    names = ("rmsprop", "adagrad", "adadelta", "adam")
    return [Arm(name, {"model": "ablation_cnn"}, {**_plain(name), **start}) for name in names]


def dataset_size(sizes: Sizes) -> list[Arm]:
    """1k to 50k images of CIFAR-10 and of the new set, as far as each goes."""
    sets, base = sizes.datasets or ("cifar10", "cifar102"), {**ADAM, "model": "cnn_four_conv"}
    published = (1000, 2500, 5000, 10_000, 20_000, 50_000)
    steps = {name: size_steps(sizes.largest(name), published) for name in sets}
    every = sorted({size for found in steps.values() for size in found})
    return [
        Arm(f"{size}{ON}{name}", base, {"dataset": name, "num_train": size}, sets)
        for size in every
        for name in sets
        if size in steps[name]
    ]


def set_and_size(sizes: Sizes) -> list[Arm]:
    """Published networks, each trained on as many images of CIFAR-10 and of the new set."""
    sets = sizes.datasets or ("cifar10-10k", "cifar102")
    same = [size for size in map(sizes.largest, sets) if size is not None]
    kinds = {
        "vgg10": {"model": "vgg10"},
        "alexnet": {"model": "alexnet"},
        "random_features": {"model": "random_features", "augmentation": "none"},
        "resnet20": {"model": "resnet20"},
        "resnet20+autoaugment": {"model": "resnet20", "augmentation": "flip_crop+autoaugment"},
    }
    size = {"num_train": min(same)} if same else {}
    return [
        Arm(f"{kind}{ON}{name}", {**ADAM, "augmentation": "flip_crop"}, {**changes, **size, "dataset": name}, TESTS)
        for kind, changes in kinds.items()
        for name in sets
    ]


def wrn(sizes: Sizes) -> list[Arm]:
    """Augmentation, squeeze-and-excite and Mish added one after the other, and an ensemble of 3 snapshots."""
    se, mish = {"squeeze_excite": True}, {"squeeze_excite": True, "activation": "mish"}
    period = max(1, sizes.epochs // 3)
    cycles = {"schedule": "cosine_restarts", "schedule_options": {"first_period_epochs": period}, "epochs": 3 * period}
    return [
        Arm("none", WRN, {"augmentation": "none"}),
        Arm("flip_crop", WRN, {"augmentation": "flip_crop"}),
        Arm(CUTMIX, WRN, {"augmentation": CUTMIX}),
        Arm(f"{CUTMIX}+se", WRN, {"augmentation": CUTMIX, "model_options": se}),
        Arm(f"{CUTMIX}+se+mish", WRN, {"augmentation": CUTMIX, "model_options": mish}),
        Arm("snapshots", WRN, {"augmentation": CUTMIX, "model_options": se, "num_snapshots": 3, **cycles}),
    ]


def cifar100(sizes: Sizes) -> list[Arm]:
    """The final network, on the fine and carried over to the coarse labels, and the deeper first one."""
    first = {"model": "cifar100_first_cnn", "augmentation": "none"}
    final = {"model": "cifar100_cnn", "augmentation": "affine"}
    return [
        Arm(f"{labels}-{version}", ADAM, {**changes, "dataset": f"cifar100-{labels}"})
        for version, changes in (("final", final), ("first", first))
        for labels in ("fine", "coarse")
    ]


def leak(sizes: Sizes) -> list[Arm]:
    """An honest validation split against one drawn with replacement."""
    base = {**ADAM, "model": "cnn_four_conv"}
    return [Arm(name, base, {"split": name}) for name in ("permutation", "with_replacement")]


ARMS: dict[str, Callable[[Sizes], list[Arm]]] = {
    build.__name__: build
    for build in (
        baseline, augmentation, pooling, padding, batch_norm, l2, activation_optimizer, optimizers, dataset_size, wrn,
        cifar100, leak, set_and_size,
    )
}  # fmt: skip
STUDIES = tuple(ARMS)
# The accuracy a study is read by, where it is not that of the validation rows.
STUDY_METRIC = dict.fromkeys(STUDIES, "validation_accuracy") | {
    "baseline": "test_accuracy",
    "dataset_size": "cifar10_accuracy",
    "set_and_size": "cifar10_accuracy",
}
STUDY_DATASET = dict.fromkeys(STUDIES, "cifar100-fine") | {"leak": "cifar10", "wrn": "cifar10"}


def study_configs(
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

    dataset: None for the study's own (STUDY_DATASET). num_train: also the largest size of the arms that vary it.
    datasets: training sets that dataset_size and set_and_size compare. available: training images of a data set, to cap
    sizes (validation rows count into it). num_arms: only the first so many. evaluate_on: only sets with as many classes
    as an arm's data set are kept; empty: the tests of all compared sets. overrides: any other TrainConfig field, for
    all arms; model_options are merged, the arm's own factor wins. Raises ValueError for an unknown study.
    """
    if study not in STUDIES:
        raise ValueError(f"study: {study!r} is none of {', '.join(STUDIES)}")
    sizes = Sizes(num_train, num_validation, epochs, dataset or STUDY_DATASET[study], tuple(datasets), available or {})
    arms = ARMS[study](sizes)[:num_arms]
    common = {"num_train": num_train, "num_validation": num_validation, "epochs": epochs, "batch_size": batch_size}
    common |= {"study": study, "dataset": sizes.dataset, "evaluate_on": tuple(evaluate_on), **overrides}
    found = []
    for seed in seeds:
        if study == "optimizers":
            arms = [checkpoint(sizes), *ARMS[study](sizes)[:num_arms]]
        found += [_config(arm, {**common, "seed": int(seed)}) for arm in arms]
    return found


def reference_arms(study: str, arms: Sequence[str]) -> dict[str, str]:
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


def order(study: str) -> list[str]:
    """The names of a study's arms in the order of the table; of arms by size, those of the largest sizes."""
    names = [arm.name for arm in ARMS[study](Sizes(num_validation=1))]
    return ["checkpoint", *names] if study == "optimizers" else names


def size_steps(largest: int | None, published: tuple[int, ...]) -> list[int]:
    """Training-set sizes up to `largest`: the published ones, or an eighth, a quarter, a half of it where too small."""
    if largest is None:
        return list(published)
    below = [size for size in published if size < largest] or [max(1, largest // part) for part in (8, 4, 2)]
    return [*dict.fromkeys(below), largest]


def _options(names: dict[str, dict], base: dict) -> list[Arm]:
    """Arms that differ in model options: name -> options."""
    return [Arm(name, base, {"model_options": options}) for name, options in names.items()]


def _plain(optimizer: str) -> dict:
    return {"optimizer": optimizer, "learning_rate": PLAIN_RATES[optimizer]}


def _config(arm: Arm, common: dict) -> TrainConfig:
    options: dict = {}
    for part in (arm.base, common, arm.changes):
        options |= part.get("model_options", {})
    values = {**arm.base, **common, **arm.changes, "model_options": options, "arm": arm.name}
    values["start_from"] = values.get("start_from") and str(values["start_from"]).format(**values)
    sets = values["evaluate_on"] or arm.tests or (values["dataset"],)
    values["evaluate_on"] = tuple(name for name in sets if num_classes(name) == num_classes(values["dataset"]))
    return TrainConfig(**values)


def _same_on_first_set(arm: str, arms: Sequence[str]) -> str:
    """The first arm that trains the same thing on another set: such arms are named <what> ON <set>."""
    what, _, _ = arm.partition(ON)
    return next(other for other in arms if other.partition(ON)[0] == what)
