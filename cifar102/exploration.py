"""Looking at a data set and at a model's mistakes: mean images, confident errors, as tables that figures draw."""

import numpy as np
import pandas as pd

from cifar102 import image_sheets
from cifar102.cifar import CLASS_NAMES, ImageSet


def mean_images(images: ImageSet) -> pd.DataFrame:
    """The mean image of each of the ten classes, as rows of an image sheet: set, row, pixels, caption."""
    means = np.stack([images.images[images.labels == label].mean(axis=0) for label in range(len(CLASS_NAMES))])
    pixels = image_sheets.encode_pixels(np.round(means).astype(np.uint8))
    return pd.DataFrame({"set": "pixels", "row": range(len(CLASS_NAMES)), "pixels": pixels, "caption": CLASS_NAMES})


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
