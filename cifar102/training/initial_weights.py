"""Initial weights and dropout seeds that arms of one seed share: they depend on seed, shape and order alone."""

from collections import Counter
from pathlib import Path

from tensorflow import keras

from cifar102.models import layers, registry
from cifar102.training.callbacks import derive_seed


def draw(model: keras.Model, seed: int) -> None:
    """Draw every trainable kernel anew, by its own initializer with a seed of (seed, shape, how-manieth such shape).

    Without this a dropout layer, which takes a seed of its own when built, would change all weights after it, and
    arms with and without it would not be a pair. Biases and normalisation start from constants. Dropout layers get
    seeds of (seed, how-manieth): the next number of Python's generator is another one in Keras 3 than in Keras 2.
    """
    dropouts = [layer for layer in model._flatten_layers() if isinstance(layer, layers.CountedDropout)]
    for position, layer in enumerate(dropouts):
        layer.seed = derive_seed("dropout", seed, position)
    seen: Counter = Counter()
    for layer in model._flatten_layers():
        kernel, initializer = getattr(layer, "kernel", None), getattr(layer, "kernel_initializer", None)
        if kernel is None or initializer is None or not layer.trainable:
            continue
        settings = initializer.get_config()
        if "seed" not in settings:
            continue
        shape = tuple(int(size) for size in kernel.shape)
        settings["seed"] = derive_seed("weights", seed, shape, seen[shape])
        seen[shape] += 1
        kernel.assign(type(initializer).from_config(settings)(shape))


def copy(model: keras.Model, path: Path) -> None:
    """Give the model the weights of a saved model; ValueError where the two are not the same architecture."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"start_from: {path} does not exist; train that run first")
    weights = registry.load_model(path).get_weights()
    shapes, wanted = [weight.shape for weight in weights], [weight.shape for weight in model.get_weights()]
    if shapes != wanted:
        raise ValueError(f"start_from: {path} has weights of shapes {shapes}, the model needs {wanted}")
    model.set_weights(weights)
