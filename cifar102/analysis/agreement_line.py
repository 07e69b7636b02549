"""Agreement-on-the-line: accuracy on a new set estimated from how far models agree there, without its labels."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from cifar102.analysis import lines
from cifar102.analysis.accuracies import Predictions, correctness
from cifar102.analysis.predictions import class_ids


@dataclass(frozen=True)
class AgreementLine:
    """The line of new on original agreement over all pairs of models (probit axes) and the estimates it gives.

    fit: lines.LineFit over pairs (p_value and intervals left out: pairs are not independent); pairs: first, second,
    original, new (shares of images on which the two agree); models: model, original (accuracy), aline_s, aline_d
    (estimated new accuracy) and, where the new labels were given, new, error_s, error_d (estimate - truth).
    """

    slope: float
    intercept: float
    r2: float
    num_models: int
    num_pairs: int
    pairs: pd.DataFrame
    models: pd.DataFrame

    @property
    def mean_error_s(self) -> float:
        """Mean absolute error of ALine-S over the models; NaN without labels."""
        return float(self.models["error_s"].abs().mean()) if "error_s" in self.models else float("nan")

    @property
    def mean_error_d(self) -> float:
        """Mean absolute error of ALine-D over the models; NaN without labels."""
        return float(self.models["error_d"].abs().mean()) if "error_d" in self.models else float("nan")


def agreement_on_the_line(
    original: Predictions, new: Predictions, original_labels: np.ndarray, new_labels: np.ndarray | None = None
) -> AgreementLine:
    """Estimate every model's accuracy on the new set from agreements (ALine-S, ALine-D), on probit axes.

    original, new: model -> class ids (n,) or probabilities (n, classes), the same 3 or more models on both sets;
    original_labels: integers (n,); new_labels only judges the estimates. No interval: the estimate is a bet that
    accuracy and agreement share one line, worth little where r2 is below about .95. Raises ValueError.
    Source: Baek et al. 2022 (arXiv 2206.13089), methods ALine-S and ALine-D.
    """
    if set(original) != set(new) or len(original) < 3:
        raise ValueError(f"expected the same 3 or more models on both sets, found {sorted(original)} and {sorted(new)}")
    names = list(original)
    accuracy = correctness(original, original_labels).mean().to_numpy()
    pairs = pd.DataFrame(list(combinations(names, 2)), columns=["first", "second"])
    upper = np.triu_indices(len(names), 1)
    for side, predictions in (("original", original), ("new", new)):
        pairs[side] = agreements({name: predictions[name] for name in names})[upper]
    fit = lines.fit_line(pairs["original"].to_numpy(), pairs["new"].to_numpy(), "probit", resamples=0)
    simple = fit.predict(accuracy)
    models = pd.DataFrame({"model": names, "original": accuracy, "aline_s": simple})
    models["aline_d"] = _aline_d(accuracy, pairs, upper, fit.slope)
    if new_labels is not None:
        models["new"] = correctness({name: new[name] for name in names}, new_labels).mean().to_numpy()
        models["error_s"], models["error_d"] = (models[f"aline_{kind}"] - models["new"] for kind in "sd")
    return AgreementLine(fit.slope, fit.intercept, fit.r2, len(names), len(pairs), pairs, models)


def agreements(predictions: Predictions) -> np.ndarray:
    """Return the share of images on which each two models say the same class: float64 (models, models)."""
    ids = [class_ids(values, where=model) for model, values in predictions.items()]
    if len({len(values) for values in ids}) != 1:
        raise ValueError(f"expected predictions of one set of images, found {[len(values) for values in ids]} of them")
    ids = np.stack(ids)
    same = np.zeros((len(ids), len(ids)))
    for label in np.unique(ids):
        says = (ids == label).astype(np.float32)  # sums of up to 2^24 ones are exact
        same += says @ says.T
    return same / ids.shape[1]


def _aline_d(accuracy: np.ndarray, pairs: pd.DataFrame, upper: tuple[np.ndarray, ...], slope: float) -> np.ndarray:
    """Least squares over all pairs: the mean new probit accuracy of a pair is its new agreement plus slope times
    the distance of its mean original accuracy from its original agreement."""
    first, second = upper
    design = np.zeros((len(pairs), len(accuracy)))
    design[np.arange(len(pairs)), first] = design[np.arange(len(pairs)), second] = 0.5
    probit = lines.to_axis(accuracy, "probit")
    start = lines.to_axis(pairs["original"], "probit")
    target = lines.to_axis(pairs["new"], "probit") + slope * ((probit[first] + probit[second]) / 2 - start)
    return lines.from_axis(np.linalg.lstsq(design, target, rcond=None)[0], "probit")
