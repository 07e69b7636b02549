"""Previews of what the input pipeline does to images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cifar102 import image_sheets, pipeline
from cifar102.cifar import CLASS_NAMES, ImageSet


def augmented_images(images: ImageSet, augmentations: Sequence[str], count: int = 10, seed: int = 0) -> pd.DataFrame:
    """The same images under each augmentation, as rows of an image sheet: set, row, pixels, group.

    images: the first image of each class is taken, then more up to `count`. Pixels are those that enter the network,
    before normalization.
    """
    firsts = [int(np.flatnonzero(images.labels == label)[0]) for label in range(len(CLASS_NAMES))][:count]
    picked, labels = images.images[firsts], images.labels[firsts]
    unit = pipeline.fit_normalization("unit", picked)
    tables = []
    for name in augmentations:
        batches = pipeline.training_batches(
            picked, labels, len(CLASS_NAMES), len(firsts), unit, augmentation=name, seed=seed
        )
        pixels, _ = next(iter(batches))
        encoded = image_sheets.encode_pixels(np.clip(np.round(pixels.numpy() * 255), 0, 255).astype(np.uint8))
        tables.append(pd.DataFrame({"set": "pixels", "row": range(len(firsts)), "pixels": encoded, "group": name}))
    return pd.concat(tables, ignore_index=True)
