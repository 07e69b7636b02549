"""Learning-rate schedules and optimizers by name, with decoupled weight decay, and Muon."""

import math

import tensorflow as tf
from tensorflow import keras

from cifar102.models import addons
from cifar102.training.config import CYCLIC_SCHEDULES, OPTIMIZERS, SCHEDULES, TrainConfig

Schedule = keras.optimizers.schedules.LearningRateSchedule
NORMALISATION = ("gamma", "beta")  # names of weights that are not decayed
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5, chosen to be steep at 0 and to end within .7 to 1.2
NUM_ITERATIONS = 3


def build_schedule(
    name: str, learning_rate: float, steps_per_epoch: int, epochs: int, options: dict
) -> float | Schedule:
    """The schedule of a run: a number for "constant", else a Keras schedule of the step counted from 0.

    learning_rate: the highest rate. options: lengths in epochs, as config.SCHEDULE_OPTIONS lists them.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule: {name!r} is none of {', '.join(SCHEDULES)}")
    total = steps_per_epoch * epochs
    final = learning_rate * options.get("final_fraction", 0.0)
    if name == "constant":
        return learning_rate
    if name == "cosine":
        warmup = options.get("warmup_epochs", 0) * steps_per_epoch
        return Ramps([0, warmup, total], [0.0 if warmup else learning_rate, learning_rate, final], "cosine")
    if name == "one_cycle":
        start = learning_rate * options.get("start_fraction", 0.1)
        return Ramps([0, options.get("warmup_share", 0.3) * total, total], [start, learning_rate, final])
    if name == "cosine_restarts":
        return keras.optimizers.schedules.CosineDecayRestarts(
            learning_rate,
            first_decay_steps=period_epochs(name, epochs, options) * steps_per_epoch,
            t_mul=float(options.get("period_multiplier", 1.0)),
            m_mul=float(options.get("rate_multiplier", 1.0)),
            alpha=float(options.get("final_fraction", 0.0)),
        )
    return addons.cyclical_rate(
        name,
        options.get("minimum_rate", learning_rate / 10),
        learning_rate,
        max(1, round(period_epochs(name, epochs, options) * steps_per_epoch / 2)),
        options.get("decay_per_epoch", 0.95) ** (1 / steps_per_epoch),
    )


def period_epochs(name: str, epochs: int, options: dict) -> float:
    """Length of the first cycle in epochs; a third of the run where the options do not say."""
    key = "first_period_epochs" if name == "cosine_restarts" else "cycle_epochs"
    return float(options.get(key, max(1, epochs // 3)))


def cycle_ends(name: str, epochs: int, options: dict) -> list[int]:
    """The epochs (from 1) that end with a cycle's end, within `epochs`; [] for a schedule without cycles.

    An end inside an epoch counts for the epoch that it falls into.
    """
    if name not in CYCLIC_SCHEDULES:
        return []
    length, multiplier = period_epochs(name, epochs, options), 1.0
    if name == "cosine_restarts":
        multiplier = float(options.get("period_multiplier", 1.0))
    ends, position = [], length
    while position < epochs + 1e-6 and length > 1e-3:
        ends.append(math.ceil(position - 1e-6))
        length *= multiplier
        position += length
    return sorted(set(ends))


def build_optimizer(config: TrainConfig, learning_rate: object) -> keras.optimizers.Optimizer:
    """The optimizer of a config. learning_rate: a number or a Keras schedule.

    Weight decay is decoupled (Loshchilov & Hutter 2017): a step takes rate * weight_decay * kernel away, whatever
    the optimizer; of "sgdw" weight_decay * kernel, as in TensorFlow Addons. Muon decays biases too, as published.
    Momentum is of sgd, sgdw and muon (its kernels have their own).
    """
    name = config.optimizer
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer: {name!r} is none of {', '.join(OPTIMIZERS)}")
    if name == "sgdw":
        if config.ema_momentum is not None:
            raise ValueError("ema_momentum: sgdw keeps no moving average; use sgd with weight_decay")
        return addons.sgdw(config.weight_decay, learning_rate, momentum=config.momentum, nesterov=config.nesterov)
    common = {"learning_rate": learning_rate, "weight_decay": config.weight_decay or None}
    if config.ema_momentum is not None:
        common |= {"use_ema": True, "ema_momentum": config.ema_momentum}
    optimizer = _make(config, common)
    if config.weight_decay:
        biases = () if config.optimizer == "muon" else ("bias",)
        optimizer.exclude_from_weight_decay(var_names=[*NORMALISATION, *biases])
    return optimizer


class Ramps(Schedule):
    """Straight or cosine ramps between (step, rate) knots; constant after the last one.

    steps: ascending, from 0; rates: as many. curve: "linear", or "cosine" for half a cosine between two knots.
    Linear knots give one-cycle (Smith 2018, https://arxiv.org/abs/1803.09820) and a warm-up before a cosine.
    """

    def __init__(self, steps: list[float], rates: list[float], curve: str = "linear") -> None:
        self.steps, self.rates, self.curve = list(steps), list(rates), curve

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.rates[0], tf.float32)
        for i in range(len(self.steps) - 1):
            length = max(self.steps[i + 1] - self.steps[i], 1e-9)
            share = tf.clip_by_value((step - self.steps[i]) / length, 0.0, 1.0)
            if self.curve == "cosine" and self.rates[i + 1] < self.rates[i]:
                share = (1 - tf.cos(math.pi * share)) / 2
            rate += (self.rates[i + 1] - self.rates[i]) * share
        return rate

    def get_config(self) -> dict:
        return {"steps": self.steps, "rates": self.rates, "curve": self.curve}


@keras.utils.register_keras_serializable(package="cifar102")
class Muon(keras.optimizers.SGD):
    """Momentum SGD for biases and dense layers; kernels of convolutions take orthogonalised Nesterov steps.

    kernel_rate: the rate of the kernels as a share of learning_rate, so that one schedule drives both.
    kernel_momentum: of the kernels. Before each step a kernel is brought to the norm of sqrt(filters), so its rate is
    the angle by which it turns, and weight decay does nothing to it. ValueError for a momentum of 0. Source: Jordan et
    al. 2024, Muon: an optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(
        self,
        learning_rate: object = 0.01,
        kernel_rate: float = 1.0,
        kernel_momentum: float = 0.6,
        momentum: float = 0.9,
        name: str = "muon",
        **options: object,
    ) -> None:
        if not momentum > 0:
            raise ValueError(f"momentum {momentum}: muon needs one above 0")
        super().__init__(learning_rate, momentum=momentum, name=name, **options)
        self.kernel_rate, self.kernel_momentum = kernel_rate, kernel_momentum

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, *rate: tf.Tensor) -> None:
        """Take one step; `rate` is given by Keras 3 alone."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, *rate)
            return
        velocity, rate = self._velocity_of(variable), rate[0] if rate else self.learning_rate
        momentum = tf.cast(self.kernel_momentum, variable.dtype)
        velocity.assign(momentum * velocity + gradient)
        filters = int(variable.shape[-1])
        step = orthogonal(tf.reshape(gradient + momentum * velocity, [-1, filters]))
        kernel = variable * (filters**0.5 / tf.norm(variable))
        variable.assign(kernel - tf.cast(rate * self.kernel_rate, kernel.dtype) * tf.reshape(step, variable.shape))

    def _velocity_of(self, variable: tf.Variable) -> tf.Variable:
        if hasattr(self, "_get_variable_index"):  # Keras 3
            return self.momentums[self._get_variable_index(variable)]
        return self.momentums[self._index_dict[self._var_key(variable)]]

    def get_config(self) -> dict:
        return super().get_config() | {"kernel_rate": self.kernel_rate, "kernel_momentum": self.kernel_momentum}


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Nearly the orthogonal matrix nearest to a matrix (m, n): its large singular values end near 1.

    By Newton-Schulz iterations. All but the first and last product are of min(m, n) rows and columns: an iteration
    multiplies by a polynomial in the matrix of inner products, which is brought along. A matrix of zeros stays one.
    """
    linear, cubic, quintic = NEWTON_SCHULZ
    is_wide = matrix.shape[0] < matrix.shape[1]
    x = matrix / (tf.norm(matrix) + 1e-7)
    inner = tf.matmul(x, x, transpose_a=not is_wide, transpose_b=is_wide)
    factor = identity = tf.eye(inner.shape[0], dtype=inner.dtype)
    for _ in range(NUM_ITERATIONS):
        step = linear * identity + cubic * inner + quintic * tf.matmul(inner, inner)
        factor = tf.matmul(factor, step)
        inner = tf.matmul(tf.matmul(step, inner), step)
    return tf.matmul(factor, x) if is_wide else tf.matmul(x, factor)


def _make(config: TrainConfig, common: dict) -> keras.optimizers.Optimizer:
    """The Keras class; momentum goes to SGD alone, as Keras's defaults have none for RMSprop."""
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamax": keras.optimizers.Adamax,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "adagrad": keras.optimizers.Adagrad,
        "adadelta": keras.optimizers.Adadelta,
        "adamw": keras.optimizers.AdamW,
    }
    if config.optimizer == "muon":
        options = {"momentum": config.momentum, "nesterov": config.nesterov, **common}
        return Muon(kernel_rate=config.kernel_rate / config.learning_rate, **options)
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=config.momentum, nesterov=config.nesterov, **common)
    if config.optimizer == "adamw":
        common = {**common, "weight_decay": config.weight_decay}
    return kinds[config.optimizer](**common)
