"""The one door to TensorFlow Addons, and what stands in for it where it is absent or CIFAR102_NO_TFA=1."""

import os
import warnings

import tensorflow as tf
from tensorflow import keras

SCALES = ("triangular", "triangular2", "exp_range")


def _import_addons():
    """Import TensorFlow Addons without its end-of-life warning; None where it is absent, broken or switched off."""
    if os.environ.get("CIFAR102_NO_TFA") == "1":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow_addons
    except Exception:  # absent: ImportError; beside another TensorFlow: ValueError, AttributeError and others
        return None
    return tensorflow_addons


_addons = _import_addons()
HAS_ADDONS = _addons is not None


def mish(x: tf.Tensor) -> tf.Tensor:
    """x * tanh(softplus(x)), of any float dtype. Source: Misra 2019, arXiv 1908.08681."""
    return (_addons if HAS_ADDONS else keras).activations.mish(x)


def cyclical_rate(
    scale: str, initial_rate: float, maximal_rate: float, step_size: int, gamma: float = 1.0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Give Smith's cyclical learning rate: up in `step_size` steps, down in as many, again and again.

    scale: "triangular"; "triangular2", whose height halves each cycle; "exp_range", whose height is multiplied by
    gamma each step. The last is always our own: Addons' ExponentialCyclicalLearningRate (0.23.0) raises a TypeError,
    as its step is not cast to float. Source: Smith 2015, arXiv 1506.01186. Raises ValueError for a bad argument.
    """
    if scale not in SCALES:
        raise ValueError(f"cyclical scale {scale!r}: expected one of {', '.join(SCALES)}")
    if step_size < 1 or not 0 <= initial_rate <= maximal_rate or gamma <= 0:
        raise ValueError(
            f"cyclical rate from {initial_rate} to {maximal_rate}, step size {step_size}, gamma {gamma}: "
            "expected 0 <= initial_rate <= maximal_rate, step_size >= 1, gamma > 0"
        )
    if not HAS_ADDONS or scale == "exp_range":
        return CyclicalRate(scale, initial_rate, maximal_rate, step_size, gamma)
    optimizers = _addons.optimizers
    schedule = {
        "triangular": optimizers.TriangularCyclicalLearningRate,
        "triangular2": optimizers.Triangular2CyclicalLearningRate,
    }[scale]
    return schedule(float(initial_rate), float(maximal_rate), int(step_size))


def sgdw(weight_decay: float, learning_rate: object, momentum: float = 0.9, nesterov: bool = True) -> object:
    """SGD with momentum and decoupled weight decay: each step first takes `weight_decay` times the weight off it.

    The decay is absolute, not multiplied by the rate (Keras's own `weight_decay` is). Addons' optimizer is a legacy
    one. Source: Loshchilov & Hutter 2017, arXiv 1711.05101.
    """
    optimizer = _addons.optimizers.SGDW if HAS_ADDONS else SGDW
    return optimizer(weight_decay=weight_decay, learning_rate=learning_rate, momentum=momentum, nesterov=nesterov)


@keras.utils.register_keras_serializable(package="cifar102")
class CyclicalRate(keras.optimizers.schedules.LearningRateSchedule):
    """Smith's cyclical learning rate as a schedule that can be saved and loaded; arguments as in cyclical_rate."""

    def __init__(self, scale: str, initial_rate: float, maximal_rate: float, step_size: int, gamma: float = 1.0):
        super().__init__()
        self.scale, self.initial_rate, self.maximal_rate = scale, initial_rate, maximal_rate
        self.step_size, self.gamma = step_size, gamma

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        cycle = tf.floor(1 + step / (2 * self.step_size))
        position = tf.abs(step / self.step_size - 2 * cycle + 1)
        height = (self.maximal_rate - self.initial_rate) * tf.maximum(0.0, 1 - position)
        return self.initial_rate + height * self._factor(step, cycle)

    def _factor(self, step: tf.Tensor, cycle: tf.Tensor) -> tf.Tensor:
        if self.scale == "exp_range":
            return tf.pow(tf.constant(self.gamma, tf.float32), step)
        return 1.0 / tf.pow(2.0, cycle - 1) if self.scale == "triangular2" else tf.ones(())

    def get_config(self) -> dict:
        names = ("scale", "initial_rate", "maximal_rate", "step_size", "gamma")
        return {name: getattr(self, name) for name in names}


@keras.utils.register_keras_serializable(package="cifar102")
class SGDW(keras.optimizers.SGD):
    """SGD whose step first takes `weight_decay` times the weight off it, independent of the learning rate."""

    def __init__(self, learning_rate: object = 0.01, weight_decay: float = 0.0, name: str = "SGDW", **kwargs: object):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.absolute_decay = weight_decay

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, *rate: tf.Tensor) -> None:
        variable.assign_sub(variable * tf.cast(self.absolute_decay, variable.dtype))
        super().update_step(gradient, variable, *rate)

    def get_config(self) -> dict:
        return super().get_config() | {"weight_decay": self.absolute_decay}
