"""Every network of the project by its name. All take float32 (n, 32, 32, 3) and give logits (n, num_classes)."""

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path

from tensorflow import keras

from cifar102.models import files, networks, random_features
from cifar102.workspace.wording import near_names

BUILDERS = {
    "fully_connected": networks.fully_connected,
    "cnn_two_conv": networks.cnn_two_conv,
    "cnn_four_conv": networks.cnn_four_conv,
    "ablation_cnn": networks.ablation_cnn,
    "cifar100_cnn": networks.cifar100_cnn,
    "cifar100_first_cnn": networks.cifar100_first_cnn,
    "vgg10": networks.vgg10,
    "vgg16": networks.vgg16,
    "alexnet": networks.alexnet,
    "wide_resnet": networks.wide_resnet,
    "fast_cnn": networks.fast_cnn,
}
RESNETS = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")
NAMES = (*BUILDERS, *RESNETS, "random_features")


def build(name: str, num_classes: int = 10, image_size: int | None = 32, **options: object) -> object:
    """Build one network, not compiled: a Functional Keras model with logits, or the random_features estimator.

    name: one of NAMES, or `resnet` and a depth of the form 6n+2. image_size: height and width of the RGB images; None
    for images of any size, where the network pools over what is left of them.
    options: keyword arguments of the builder. Weights follow from `keras.utils.set_random_seed` called before.
    Raises ValueError for an unknown name or option (with near ones), a bad value, or a layer larger than its input.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes {num_classes}: expected 2 or more")
    if name == "random_features":
        check_options(name, random_features.RandomFeatures, options)
        return random_features.RandomFeatures(num_classes=num_classes, **options)
    builder, options = find_builder(name, options)
    check_options(name, builder, options)
    inputs = keras.Input((image_size, image_size, 3), name="images")
    return keras.Model(inputs, builder(inputs, num_classes, **options), name=name)


def find_builder(name: str, options: dict[str, object]) -> tuple[Callable, dict[str, object]]:
    """Return the function that builds `name` and its options, to which `resnet56` adds its depth."""
    if name in BUILDERS:
        return BUILDERS[name], options
    if match := re.fullmatch(r"resnet(\d+)", name):
        return networks.resnet, options | {"depth": int(match[1])}
    raise ValueError(f"unknown model {name!r}: {near_names(name, NAMES)}")


def check_options(name: str, builder: Callable, options: dict[str, object]) -> None:
    """Raise ValueError if `builder` does not take one of the options."""
    known = [key for key in inspect.signature(builder).parameters if key not in ("inputs", "num_classes")]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: {near_names(option, known)}")


def load_model(path: Path) -> object:
    """Load a saved model, not compiled: a `.keras` file of Keras 2 or 3, or an .h5 file of a whole model.

    It goes through the one door, `files`: no code of the file runs, whoever made it.

    FileNotFoundError names a missing file, ValueError one that this Keras cannot read.
    """
    return files.load_keras_file(path)


def num_parameters(model: object) -> int:
    """Count the trainable parameters of a model."""
    if isinstance(model, random_features.RandomFeatures):
        return model.num_parameters
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)
