"""Every network of the project by its name, and all that is special about one. The table is read without TensorFlow.

All take float32 (n, 32, 32, 3) and give logits (n, num_classes).
"""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cifar102.workspace.wording import near_names


@dataclass(frozen=True)
class Network:
    """What there is to know of one network.

    builder: "<room>.<name>" in this wing: a function (inputs, num_classes, **options) -> logits, or, for a network in
    closed form, the class of its estimator. options: of the builder, which the name has decided. preparation: a
    function (model, images) of this wing that sets first weights from normalised training images, or "".
    dropout_shares: where the builder takes several dropout rates, what each is of a single one. is_closed_form: fitted
    at once from uint8 images, so without epochs, batches, augmentation, history and model file.
    """

    builder: str
    options: dict[str, int] = field(default_factory=dict)
    preparation: str = ""
    dropout_shares: tuple[float, ...] = ()
    is_closed_form: bool = False


NETWORKS = {
    "fully_connected": Network("networks.fully_connected"),
    "cnn_two_conv": Network("networks.cnn_two_conv"),
    "cnn_four_conv": Network("networks.cnn_four_conv", dropout_shares=(0.5, 0.5, 1.0)),
    "ablation_cnn": Network("networks.ablation_cnn"),
    "cifar100_cnn": Network("networks.cifar100_cnn"),
    "cifar100_first_cnn": Network("networks.cifar100_first_cnn"),
    "vgg10": Network("networks.vgg10"),
    "vgg16": Network("networks.vgg16"),
    "alexnet": Network("networks.alexnet"),
    "wide_resnet": Network("networks.wide_resnet"),
    "fast_cnn": Network("networks.fast_cnn", preparation="networks.prepare_fast_cnn"),
    **{f"resnet{depth}": Network("networks.resnet", {"depth": depth}) for depth in (20, 32, 44, 56, 110)},
    "random_features": Network("random_features.RandomFeatures", is_closed_form=True),
}
NAMES = tuple(NETWORKS)
PREPARED_ON = 5000  # images, which are enough for every preparation


def find_network(name: str) -> Network:
    """Return the record of a network: one of NAMES, or `resnet` and a depth; ValueError, with near names, for another.

    Which depths there are, its builder knows.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if match := re.fullmatch(r"resnet(\d+)", name):
        return Network("networks.resnet", {"depth": int(match[1])})
    raise ValueError(f"unknown model {name!r}: {near_names(name, NAMES)}")


def is_closed_form(name: str) -> bool:
    """Say whether a network is fitted in closed form; an unknown one is not."""
    return name in NETWORKS and NETWORKS[name].is_closed_form


def dropout_option(name: str, rate: float) -> float | list[float]:
    """Return the option `dropout` of a network for one rate: the rate, or its share for each of its several rates."""
    shares = find_network(name).dropout_shares
    return [share * rate for share in shares] if shares else rate


def build(name: str, num_classes: int = 10, image_size: int | None = 32, **options: object) -> object:
    """Build one network, not compiled: a Functional Keras model with logits, or the estimator of one in closed form.

    name: one of NAMES, or `resnet` and a depth of the form 6n+2. image_size: height and width of the RGB images; None
    for images of any size, where the network pools over what is left of them.
    options: keyword arguments of the builder. Weights follow from `keras.utils.set_random_seed` called before.
    Raises ValueError for an unknown name or option (with near ones), a bad value, or a layer larger than its input.
    """
    from tensorflow import keras

    if num_classes < 2:
        raise ValueError(f"num_classes {num_classes}: expected 2 or more")
    network = find_network(name)
    builder, options = _find_function(network.builder), options | network.options
    _check_options(name, builder, options)
    if network.is_closed_form:
        return builder(num_classes=num_classes, **options)
    inputs = keras.Input((image_size, image_size, 3), name="images")
    return keras.Model(inputs, builder(inputs, num_classes, **options), name=name)


def prepare(name: str, model: object, images: np.ndarray, normalize: Callable[[np.ndarray], np.ndarray]) -> None:
    """Set those first weights of a built network that come from training images, if it has such.

    images: uint8 (n, h, w, 3); PREPARED_ON are enough. normalize: makes them float32, as for training.
    """
    if preparation := find_network(name).preparation:
        _find_function(preparation)(model, normalize(images))


def load_model(path: Path) -> object:
    """Load a saved model, not compiled: a `.keras` file of Keras 2 or 3, or an .h5 file of a whole model.

    It goes through the one door, `files`, which makes the network anew from its tables of layers, options and
    arithmetic: no code of the file runs, whoever made it. The network is then in this process, with its rights; only
    the command `evaluate` opens a stranger's model in a process of its own (evaluation.contained).

    FileNotFoundError names a missing file, ValueError one that this Keras cannot read.
    """
    from cifar102.models import files

    return files.load_keras_file(path)


def num_parameters(model: object) -> int:
    """Count the trainable parameters of a network: of a Keras model, or those that an estimator tells."""
    if hasattr(model, "num_parameters"):
        return model.num_parameters
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _find_function(place: str) -> Callable:
    from cifar102.models import networks, random_features  # with TensorFlow, which readers of the table do not need

    rooms = {"networks": networks, "random_features": random_features}
    room, _, name = place.partition(".")
    return getattr(rooms[room], name)


def _check_options(name: str, builder: Callable, options: dict[str, object]) -> None:
    """Raise ValueError if `builder` does not take one of the options."""
    known = [key for key in inspect.signature(builder).parameters if key not in ("inputs", "num_classes")]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: {near_names(option, known)}")
