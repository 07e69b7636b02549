"""What a trained model predicts on a run's sets, and what is kept of it."""

from collections.abc import Callable

import numpy as np
from scipy import special
from tensorflow import keras

from cifar102.training import pipeline
from cifar102.training.config import TEST_VIEWS
from cifar102.training.data import TrainingData

Predict = Callable[[np.ndarray], np.ndarray]


def predictor(model: object, normalization: object, batch_size: int = 500, views: str = "one") -> Predict:
    """Images uint8 (n, 32, 32, 3) -> probabilities float32 (n, classes), the softmax of the model's logits.

    model: a Keras model, or an estimator whose predict takes uint8 images and gives logits. views: of each image whose
    logits are averaged, as `predict.average_logits` has them.
    """

    def logits(images: np.ndarray) -> np.ndarray:
        if not isinstance(model, keras.Model):
            return model.predict(images)
        return model.predict(pipeline.evaluation_batches(images, batch_size, normalization), verbose=0)

    return lambda images: special.softmax(average_logits(logits, images, views), axis=1)


def predict_sets(model: object, data: TrainingData, views: str = "one") -> dict[str, np.ndarray]:
    """Set name -> probabilities float32 (n, classes) for "train" (its first rows), "validation", evaluation sets.

    views: as in `predictor`; training images, which test nothing, are seen once whatever it says.
    """
    sets = data.sets()
    held_out = [name for name in sets if name != "train"]
    found = {}
    for names, own_views in [(list(sets), views)] if views == "one" else [(["train"], "one"), (held_out, views)]:
        if names:
            predict = predictor(model, data.normalization, views=own_views)
            together = predict(np.concatenate([sets[name][0] for name in names]))  # one call, one trace
            ends = np.cumsum([len(sets[name][1]) for name in names])
            found |= dict(zip(names, np.split(together, ends[:-1]), strict=True))
    return found


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


def accuracies(probabilities: dict[str, np.ndarray], data: TrainingData) -> dict[str, float | None]:
    """`<set>_accuracy` -> share of right class ids, 0-1; validation_accuracy is None without validation rows."""
    found: dict[str, float | None] = {"train_accuracy": None, "validation_accuracy": None}
    for name, (_, labels) in data.sets().items():
        found[f"{name}_accuracy"] = float(np.mean(probabilities[name].argmax(axis=1) == labels))
    return found


def to_predictions(probabilities: dict[str, np.ndarray], data: TrainingData) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of predictions.npz: class ids (uint8) and probabilities (float16) of every set but "train"."""
    kept = {
        name: {"class_ids": values.argmax(axis=1).astype(np.uint8), "probabilities": values.astype(np.float16)}
        for name, values in probabilities.items()
        if name != "train"
    }
    if "validation" in kept:
        kept["validation"]["rows"] = data.validation_rows.astype(np.int64)
    return kept
