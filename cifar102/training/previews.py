"""Previews of what the input pipeline does to images."""

from collections.abc import Sequence

import numpy as np

from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.training import pipeline


def augmented_images(
    images: ImageSet, augmentations: Sequence[str], count: int = 10, seed: int = 0
) -> dict[str, np.ndarray]:
    """The same images under each augmentation: its name -> uint8 (count, 32, 32, 3), in one order for all.

    images: the first image of each class is taken, up to `count`. Pixels are those that enter the network, before
    normalization.
    """
    firsts = [int(np.flatnonzero(images.labels == label)[0]) for label in range(len(CLASS_NAMES))][:count]
    picked, labels = images.images[firsts], images.labels[firsts]
    unit = pipeline.fit_normalization("unit", picked)
    found = {}
    for name in augmentations:
        batches = pipeline.training_batches(
            picked, labels, len(CLASS_NAMES), len(firsts), unit, augmentation=name, seed=seed
        )
        pixels, _ = next(iter(batches))
        found[name] = np.clip(np.round(pixels.numpy() * 255), 0, 255).astype(np.uint8)
    return found
