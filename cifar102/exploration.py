"""Looking at a data set and at a model's mistakes: mean images, confident errors, as tables that figures draw."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cifar102 import image_sheets
from cifar102.cifar import CLASS_NAMES, ImageSet


def sheet_of(groups: Mapping[str, np.ndarray], captions: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows of an image sheet that shows computed images, a heading a group: set, row, pixels, group[, caption].

    groups: heading -> uint8 (n, 32, 32, 3); captions: n texts under the images of each group.
    """
    tables = []
    for heading, images in groups.items():
        pixels = image_sheets.encode_pixels(images)
        table = pd.DataFrame({"set": "pixels", "row": range(len(images)), "pixels": pixels, "group": heading})
        tables.append(table if captions is None else table.assign(caption=list(captions)))
    return pd.concat(tables, ignore_index=True)


def mean_images(images: ImageSet) -> np.ndarray:
    """The mean image of each of the ten classes, uint8 (10, 32, 32, 3)."""
    means = np.stack([images.images[images.labels == label].mean(axis=0) for label in range(len(CLASS_NAMES))])
    return np.round(means).astype(np.uint8)


def normalized(probabilities: np.ndarray) -> np.ndarray:
    """Stored float16 probabilities (n, classes) as float64 whose rows sum to 1."""
    wide = probabilities.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)


def confident_mistakes(probabilities: np.ndarray, labels: np.ndarray, count: int) -> pd.DataFrame:
    """The wrong predictions of highest probability: row, true, predicted (class ids), confidence; the surest first.

    probabilities: float (n, classes); labels: integers (n,).
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    rows = wrong[np.argsort(-confidence[wrong], kind="stable")[:count]]
    found = {"row": rows, "true": labels[rows], "predicted": predicted[rows], "confidence": confidence[rows]}
    return pd.DataFrame(found)
