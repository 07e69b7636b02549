"""Adaptivity, measured: how much better the best of k models looks on the images that chose it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cifar102.analysis import intervals


def best_of_halves(
    right: np.ndarray,
    counts: Sequence[int] | None = None,
    *,
    halves: int = 1_000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how much accuracy the best of k models loses from the half of a test set that chose it to the other half.

    right: bool (n, models); counts: the k (1, 2, 5, 10, ... up to all models without it). In each of `halves` draws the
    images are cut in two at random, k models are drawn at random, and the best on the first half is tested on the
    second. Columns: num_models (k), optimism (mean loss, accuracy 0-1), error (its standard error over draws), low,
    high (between which a single choice's loss lies in 95 % of draws), bound (union bound of k models on half the
    images, as gaps.decompose has it), n_half, halves, level. On all n images the optimism is smaller, by about the root
    of 2.
    """
    right = np.asarray(right, dtype=bool)
    if right.ndim != 2 or len(right) < 2:
        raise ValueError(f"right: expected (images, models) with 2 images at least, found shape {right.shape}")
    total, rng, half = right.shape[1], np.random.default_rng(seed), len(right) // 2
    chosen = [k for k in (1, 2, 5, 10, 20, 50, 100) if k < total] + [total] if counts is None else list(counts)
    if not chosen or min(chosen) < 1 or max(chosen) > total:
        raise ValueError(f"counts: expected numbers of models from 1 to {total}, found {chosen}")
    losses = np.empty((halves, len(chosen)))
    whole = right.sum(axis=0)
    for draw in range(halves):
        first = right[rng.permutation(len(right))[:half]].sum(axis=0)
        loss = first / half - (whole - first) / (len(right) - half)
        order = rng.permutation(total)
        losses[draw] = [loss[order[:k][np.argmax(first[order[:k]])]] for k in chosen]
    rows = []
    for k, drawn in zip(chosen, losses.T, strict=True):
        low, high = intervals.percentile_interval(drawn, level)
        limit = right[:, order].mean(axis=0).max()
        bound = limit - intervals.clopper_pearson(round(limit * half), half, 1 - (1 - level) / k)[0]
        rows.append((k, drawn.mean(), drawn.std(ddof=1) / np.sqrt(halves), low, high, bound, half, halves, level))
    columns = ["num_models", "optimism", "error", "low", "high", "bound", "n_half", "halves", "level"]
    return pd.DataFrame(rows, columns=columns)
