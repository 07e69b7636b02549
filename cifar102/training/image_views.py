"""Views of a test image whose predictions are averaged: its mirror image, and itself moved by a pixel."""

from collections.abc import Callable

import numpy as np

from cifar102.training.config import TEST_VIEWS


def average_logits(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, views: str) -> np.ndarray:
    """The mean of a model's logits over the views of each image, float32 (n, classes).

    predict: images uint8 (n, h, w, 3) -> logits. views: "one" (the image itself), "mirror", or "mirror_shift" (six:
    the image at half the weight, and moved by a pixel either way along the diagonal, edges reflected, each with its
    mirror image). ValueError for another name. Source: Jordan 2024, arXiv 2404.00498, section 3.5.
    """
    if views not in TEST_VIEWS:
        raise ValueError(f"test_views {views!r}: expected one of {', '.join(TEST_VIEWS)}")
    if views == "one":
        return np.asarray(predict(images), np.float32)
    total = 0.0
    for share, shift in TEST_VIEWS[views]:
        view = moved(images, shift)
        for version in (view, view[:, :, ::-1]):
            total = total + np.float32(share / 2) * np.asarray(predict(np.ascontiguousarray(version)), np.float32)
    return total


def moved(images: np.ndarray, shift: int) -> np.ndarray:
    """Images (n, h, w, 3) moved down and to the right by `shift` pixels, edges reflected."""
    if not shift:
        return images
    size, pad = images.shape[1], abs(shift)
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "reflect")
    return padded[:, pad - shift : pad - shift + size, pad - shift : pad - shift + size]
