"""Optimizers by name, with decoupled weight decay that spares normalisation and, but for Muon's, biases."""

from tensorflow import keras

from cifar102.models import addons
from cifar102.training.config import OPTIMIZERS, TrainConfig
from cifar102.training.muon import Muon

NORMALISATION = ("gamma", "beta")  # names of weights that are not decayed


def build(config: TrainConfig, learning_rate: object) -> keras.optimizers.Optimizer:
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
