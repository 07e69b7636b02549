"""The one door to TensorFlow Addons, and what stands in for it where it is absent or CIFAR102_NO_TFA=1.

Every learning module imports this one, which also switches oneDNN's kernels on: TensorFlow reads the variable at
its first operation, and on processors without AVX512-VNNI leaves them off (2.5 times slower convolutions).
"""

import os
import warnings

import tensorflow as tf
from tensorflow import keras

from cifar102.models import addons_fallback

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

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
    return (_addons.activations if HAS_ADDONS else addons_fallback).mish(x)


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
        return addons_fallback.CyclicalRate(scale, initial_rate, maximal_rate, step_size, gamma)
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
    library = _addons.optimizers if HAS_ADDONS else addons_fallback
    return library.SGDW(weight_decay=weight_decay, learning_rate=learning_rate, momentum=momentum, nesterov=nesterov)


def adamw(
    weight_decay: float, learning_rate: object, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> object:
    """Adam with decoupled weight decay, absolute as in `sgdw`. Source: Loshchilov & Hutter 2017, arXiv 1711.05101."""
    library = _addons.optimizers if HAS_ADDONS else addons_fallback
    return library.AdamW(
        weight_decay=weight_decay, learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon
    )


def weight_average(start: int = 0, period: int = 1) -> addons_fallback.WeightAverage:
    """Give the callback that averages weights as steps start, start + period, ... (counted from 0) leave them.

    Our own even beside Addons: its SWA wraps legacy optimizers only; a test holds both equal.
    """
    return addons_fallback.WeightAverage(start, period)


def progress_bar() -> keras.callbacks.Callback:
    """Give the callback that shows epochs, rate and time left, in Jupyter and in a log."""
    if not HAS_ADDONS:
        return addons_fallback.ProgressBar()
    return _addons.callbacks.TQDMProgressBar(show_epoch_progress=False)
