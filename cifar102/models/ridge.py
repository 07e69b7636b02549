"""Ridge regression in closed form on features that come in pieces, its penalty chosen on held-out rows.

Features are centred and brought to deviation 1, targets centred, by the statistics of all rows. A penalty counts in
units of the number of rows: of the squared sum of one such feature.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

TINY = 1e-6  # a feature whose deviation is below is constant


@dataclass(frozen=True)
class Solution:
    """scores = features @ weights + intercept, of shapes (d, classes) and (classes,), float32.

    penalty: the chosen one. held_accuracy: 0-1 by penalty, NaN where the system was not positive definite in float64.
    held_scores: float (m, classes) of the held-out rows, ascending, by the other rows.
    """

    weights: np.ndarray
    intercept: np.ndarray
    penalty: float
    held_accuracy: dict[float, float]
    held_scores: np.ndarray


def fit_by_features(
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    targets: np.ndarray,
    is_held: np.ndarray,
    num_features: int,
    penalties: Sequence[float],
) -> Solution:
    """Solve the normal equations, d x d, summed over batches of rows; for fewer features than rows.

    batches: (rows, features float32 (b, d)) in ascending order of rows. targets: one-hot float (n, classes). is_held:
    bool (n,). Held in memory: three d x d float64 matrices and the features of the held-out rows.
    """
    centre = targets.mean(axis=0)
    centred = targets - centre
    gram, products, held, mean, deviation = _sums(batches, centred, is_held, num_features)
    num_train = np.count_nonzero(~is_held)
    penalty, accuracy, scores = _choose(
        lambda penalty: held @ _solve(gram, penalty * num_train, products) + centre,
        penalties,
        targets[is_held].argmax(axis=1),
    )
    gram += held.T @ held
    products += held.T @ centred[is_held]
    weights = _solve(gram, penalty * len(is_held), products) / deviation[:, None]
    intercept = centre - mean @ weights
    return Solution(weights.astype(np.float32), intercept.astype(np.float32), penalty, accuracy, scores)


def fit_by_rows(
    blocks: Callable[[], Iterable[tuple[slice, np.ndarray]]],
    targets: np.ndarray,
    is_held: np.ndarray,
    num_features: int,
    penalties: Sequence[float],
) -> Solution:
    """Solve the kernel system, n x n, summed over blocks of features; for more features than rows. The same solution.

    blocks: gives, each time it is called, (columns, features float32 (n, b)) over all columns; called twice. Held in
    memory: four n x n float64 matrices and one block.
    """
    centre = targets.mean(axis=0)
    centred, kernel = targets - centre, np.zeros((len(targets), len(targets)))
    for _, raw in blocks():
        features, _, _ = _standardize(raw)
        kernel += features @ features.T
    trains, across = kernel[np.ix_(~is_held, ~is_held)], kernel[np.ix_(is_held, ~is_held)]
    penalty, accuracy, scores = _choose(
        lambda penalty: across @ _solve(trains, penalty * len(trains), centred[~is_held]) + centre,
        penalties,
        targets[is_held].argmax(axis=1),
    )
    dual = _solve(kernel, penalty * len(targets), centred)
    weights, intercept = np.empty((num_features, targets.shape[1]), np.float32), centre.copy()
    for columns, raw in blocks():
        features, mean, deviation = _standardize(raw)
        weights[columns] = (features.T @ dual) / deviation[:, None]
        intercept -= mean @ weights[columns]
    return Solution(weights, intercept.astype(np.float32), penalty, accuracy, scores)


def _sums(
    batches: Iterable[tuple[np.ndarray, np.ndarray]], centred: np.ndarray, is_held: np.ndarray, num_features: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums over the training rows, the standardized features of the held-out rows, and mean and deviation of all.

    Returns gram (d, d), products (d, classes), held (m, d), mean (d,), deviation (d,), float64; one pass.
    """
    gram, products = np.zeros((num_features, num_features)), np.zeros((num_features, centred.shape[1]))
    sums, shift, held_parts = np.zeros(num_features), None, []
    for rows, raw in batches:
        shift = raw.mean(axis=0) if shift is None else shift  # near the mean: float32 products then lose nothing
        features, is_train = raw - shift, ~is_held[rows]
        gram += features[is_train].T @ features[is_train]
        products += features[is_train].T @ centred[rows[is_train]]
        sums += features[is_train].sum(axis=0)
        held_parts.append(features[~is_train])
    held, num_train = np.concatenate(held_parts).astype(np.float64), np.count_nonzero(~is_held)
    mean = (sums + held.sum(axis=0)) / len(is_held)
    variance = (np.diag(gram) + np.square(held).sum(axis=0)) / len(is_held) - mean**2
    deviation = np.sqrt(np.maximum(variance, TINY**2))
    gram += num_train * np.outer(mean, mean) - np.outer(sums, mean) - np.outer(mean, sums)
    gram /= np.outer(deviation, deviation)
    products = (products - np.outer(mean, centred[~is_held].sum(axis=0))) / deviation[:, None]
    return gram, products, (held - mean) / deviation, mean + shift, deviation


def _standardize(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, deviation = raw.mean(axis=0), np.maximum(raw.std(axis=0), TINY)
    return (raw - mean) / deviation, mean, deviation


def _solve(matrix: np.ndarray, penalty: float, right: np.ndarray) -> np.ndarray:
    ridged = matrix.copy()
    ridged.flat[:: len(matrix) + 1] += penalty
    return linalg.solve(ridged, right, assume_a="pos", overwrite_a=True, check_finite=False)


def _choose(
    held_scores: Callable[[float], np.ndarray], penalties: Sequence[float], labels: np.ndarray
) -> tuple[float, dict[float, float], np.ndarray]:
    """Take the penalty with the most held-out hits, the larger one of equals: (penalty, accuracies, its scores)."""
    accuracy, best, best_scores = {}, None, None
    for penalty in sorted(penalties, reverse=True):
        try:
            scores = held_scores(penalty)
        except linalg.LinAlgError:
            accuracy[penalty] = float("nan")
            continue
        accuracy[penalty] = float(np.mean(scores.argmax(axis=1) == labels))
        if best is None or accuracy[penalty] > accuracy[best]:
            best, best_scores = penalty, scores
    if best is None:
        raise ValueError(f"ridge: with no penalty of {sorted(penalties)} the system is solvable; give a larger one")
    return best, accuracy, best_scores
