"""The frozen settings of one training run, checked field by field and hashed."""

import dataclasses
import hashlib
import json
import math
import re
from dataclasses import dataclass, field

from cifar102.models import registry
from cifar102.workspace import names

# Name -> (share, pixels down and to the right) of each view; every name but "one" also takes the mirror images.
TEST_VIEWS = {
    "one": ((1.0, 0),),
    "mirror": ((1.0, 0),),
    "mirror_shift": ((0.5, 0), (0.25, -1), (0.25, 1)),
}
SPLITS = ("permutation", "with_replacement")
NORMALIZATIONS = ("unit", "per_channel", "per_image")
OPTIMIZERS = ("sgd", "adam", "adamax", "nadam", "rmsprop", "adagrad", "adadelta", "sgdw", "adamw", "muon")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
CYCLIC_SCHEDULES = ("cosine_restarts", "triangular", "triangular2", "exp_range")
# What each schedule takes in `schedule_options`; lengths are in epochs, whole or not.
SCHEDULE_OPTIONS = {
    "constant": (),
    "cosine": ("final_fraction", "warmup_epochs"),
    "cosine_restarts": ("first_period_epochs", "period_multiplier", "rate_multiplier", "final_fraction"),
    "triangular": ("minimum_rate", "cycle_epochs"),
    "triangular2": ("minimum_rate", "cycle_epochs"),
    "exp_range": ("minimum_rate", "cycle_epochs", "decay_per_epoch"),
    "one_cycle": ("start_fraction", "final_fraction", "warmup_share"),
}
SCHEDULES = tuple(SCHEDULE_OPTIONS)
# Where a run stands, not what it computes: these do not count for config_hash.
UNHASHED = ("study", "arm", "tensorboard")
# Fields that came later: where they have their default, a run is the one of a config without them.
ADDED = ("test_views", "kernel_rate", "norm_batches")
REMOVED = ("lookahead",)  # a config.json may still have them, unset
OPTIONAL = ("num_train", "patience", "ema_momentum", "kernel_rate")  # may be None
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the numbers of one run; plain values, so that it is kept as JSON.

    study, arm, seed: the run's folder runs/<study>/<arm>/seed-<seed>; the seed decides split, subset, initial
    weights, data order, augmentation and dropout, so arms of one seed differ in nothing but their factor.
    model, model_options: for registry.build. dataset: for sets.load; num_train: stratified subset of the training
    part (None: all that validation leaves); num_validation: rows kept out of it; 0 trains without validation.
    split: "with_replacement" only shows the leak. weight_decay: decoupled, a share of each kernel that one step at
    learning rate 1 takes away (Keras), of "muon" also of each bias; of "sgdw" absolute, not times the rate.
    kernel_rate: of "muon", the highest rate of the convolutions' kernels, whose steps are always Nesterov's;
    learning_rate, momentum and nesterov are those of all other weights.
    norm_batches: training batches over which batch norm's statistics are measured again at the end (0: its moving
    averages stay). patience: epochs without a better val_accuracy before stopping, the best weights are restored then
    (None: no early stopping).
    ema_momentum: keep a moving average of the weights and end with it (None: none). test_views: whose predictions are
    averaged (predict.average_logits; training and validation during it see one). num_snapshots: weights kept at the
    ends of the last cycles; the predictions are then those of their ensemble. evaluate_on: data sets whose test part
    the run predicts. start_from: run folder, relative to the workspace, whose model.keras holds the first weights.
    """

    study: str = "study"
    arm: str = "arm"
    seed: int = 0
    model: str = "cnn_four_conv"
    model_options: dict = field(default_factory=dict)
    dataset: str = "cifar10"
    num_train: int | None = None
    num_validation: int = 0
    split: str = "permutation"
    augmentation: str = "none"
    augmentation_options: dict = field(default_factory=dict)
    normalization: str = "per_channel"
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = True
    schedule: str = "constant"
    schedule_options: dict = field(default_factory=dict)
    epochs: int = 10
    batch_size: int = 128
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    patience: int | None = None
    precision: str = "float32"
    evaluate_on: tuple[str, ...] = ()
    start_from: str | None = None
    num_snapshots: int = 0
    ema_momentum: float | None = None
    test_views: str = "one"
    kernel_rate: float | None = None
    norm_batches: int = 0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.evaluate_on, list):
            object.__setattr__(self, "evaluate_on", tuple(self.evaluate_on))
        _check_types(self)
        _check_values(self)
        _check_combinations(self)

    @property
    def folder(self) -> str:
        """The run's folder relative to the workspace, with forward slashes."""
        return f"runs/{self.study}/{self.arm}/seed-{self.seed}"

    @property
    def name(self) -> str:
        """How the run is called in printed lines: `study/arm seed 0`."""
        return f"{self.study}/{self.arm} seed {self.seed}"

    def to_dict(self) -> dict:
        """The fields as plain JSON values, in the order of the class."""
        return {**dataclasses.asdict(self), "evaluate_on": list(self.evaluate_on)}

    @classmethod
    def from_dict(cls, values: dict) -> "TrainConfig":
        """The config of a config.json; ValueError names fields that no config has."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        values = {name: value for name, value in values.items() if name not in REMOVED or value is not None}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"TrainConfig has no fields {unknown}; it has {sorted(known)}")
        return cls(**values)

    def replace(self, **changes: object) -> "TrainConfig":
        """A copy with other values, checked again."""
        return TrainConfig.from_dict({**dataclasses.asdict(self), **changes})


def hash_config(config: TrainConfig, data_hash: str, leave_out: tuple[str, ...] = ()) -> str:
    """SHA-256 over the fields that change numbers, as sorted JSON, and over `data_hash`.

    leave_out: more fields that do not count, as `evaluate_on` for what training alone depends on.
    """
    unused = [name for name in ADDED if getattr(config, name) == getattr(TrainConfig, name)]
    left_out = (*UNHASHED, *leave_out, *unused)
    counted = {name: value for name, value in config.to_dict().items() if name not in left_out}
    text = json.dumps({"config": counted, "data": data_hash}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _check_types(config: TrainConfig) -> None:
    expected = {
        str: "study arm model dataset split augmentation normalization optimizer schedule precision test_views",
        dict: "model_options augmentation_options schedule_options",
        bool: "nesterov tensorboard",
        int: "seed num_train num_validation epochs batch_size patience num_snapshots norm_batches",
        float: "learning_rate momentum weight_decay label_smoothing ema_momentum kernel_rate",
    }
    for kind, fields in expected.items():
        for name in fields.split():
            _check_type(name, getattr(config, name), kind)
    if not isinstance(config.evaluate_on, tuple) or not all(isinstance(name, str) for name in config.evaluate_on):
        raise ValueError(f"evaluate_on: expected a tuple of data set names, found {config.evaluate_on!r}")
    for name in expected[dict].split():
        try:
            json.dumps(getattr(config, name))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{name}: options of a TrainConfig are plain JSON values: {error}") from error


def _check_type(name: str, value: object, kind: type) -> None:
    if value is None and name in OPTIONAL:
        return
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name}: expected {kind.__name__}, found {value!r} ({type(value).__name__})")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, found {value!r}")


def _check_values(config: TrainConfig) -> None:
    for name in ("study", "arm"):
        if not FOLDER_NAME.fullmatch(getattr(config, name)):
            raise ValueError(f"{name} {getattr(config, name)!r}: a folder name has letters, digits and _ . + = -")
        names.check_plain(getattr(config, name), name)
    choices = {"split": SPLITS, "normalization": NORMALIZATIONS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}
    for name, allowed in {**choices, "precision": PRECISIONS, "test_views": tuple(TEST_VIEWS)}.items():
        if getattr(config, name) not in allowed:
            raise ValueError(f"{name}: {getattr(config, name)!r} is none of {', '.join(allowed)}")
    lowest = {"seed": 0, "num_train": 1, "num_validation": 0, "epochs": 1, "batch_size": 1, "patience": 1}
    lowest |= {"num_snapshots": 0, "weight_decay": 0, "norm_batches": 0}
    for name, low in lowest.items():
        if getattr(config, name) is not None and getattr(config, name) < low:
            raise ValueError(f"{name}: expected at least {low}, found {getattr(config, name)}")
    for name in ("momentum", "label_smoothing", "ema_momentum"):
        if getattr(config, name) is not None and not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name}: expected 0 up to but not 1, found {getattr(config, name)}")
    for name in ("learning_rate", "kernel_rate"):
        if getattr(config, name) is not None and getattr(config, name) <= 0:
            raise ValueError(f"{name}: expected a number above 0, found {getattr(config, name)}")


def _check_combinations(config: TrainConfig) -> None:
    allowed = SCHEDULE_OPTIONS[config.schedule]
    if unknown := sorted(set(config.schedule_options) - set(allowed)):
        raise ValueError(f"schedule_options: {config.schedule} takes {list(allowed)}, found also {unknown}")
    for name, value in config.schedule_options.items():
        _check_type(f"schedule_options[{name!r}]", value, float)
        if value < 0 or (value == 0 and name.endswith(("_epochs", "multiplier")) and name != "warmup_epochs"):
            raise ValueError(f"schedule_options[{name!r}]: expected a number above 0, found {value}")
    if config.patience is not None and not config.num_validation:
        raise ValueError("patience: early stopping needs num_validation above 0")
    if config.num_snapshots and config.schedule not in CYCLIC_SCHEDULES:
        raise ValueError(f"num_snapshots: needs a schedule with cycles ({', '.join(CYCLIC_SCHEDULES)})")
    if config.num_snapshots and config.patience is not None:
        raise ValueError("num_snapshots: snapshots are taken at the end of every cycle, so patience has to be None")
    _check_muon_and_norms(config)
    if "validation" in config.evaluate_on or len(set(config.evaluate_on)) < len(config.evaluate_on):
        raise ValueError(f"evaluate_on: names each data set once, 'validation' is always there: {config.evaluate_on}")


def _check_muon_and_norms(config: TrainConfig) -> None:
    if (config.optimizer == "muon") != (config.kernel_rate is not None):
        raise ValueError(f"kernel_rate {config.kernel_rate}: optimizer muon needs one, and no other takes one")
    if config.norm_batches and (config.num_snapshots or registry.is_closed_form(config.model)):
        raise ValueError("norm_batches: are for one network; snapshots and random_features have no use for them")
