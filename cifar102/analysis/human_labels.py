"""A model beside people: its probabilities against their distribution (CIFAR-10H), its classes against their labels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from cifar102.analysis.intervals import check_level, clopper_pearson, mean_interval
from cifar102.analysis.predictions import check_class_ids, check_probabilities


def human_table(probabilities: np.ndarray, shares: np.ndarray, *, level: float = 0.95) -> pd.DataFrame:
    """Return how far a model's probabilities are from what people said of the same images: one row.

    probabilities, shares: float (n, classes), rows that sum to 1; shares of the people who gave each class. Columns: n,
    cross_entropy with low and high (nats, mean over images of -sum(shares * log(probabilities)), Student's interval
    over images, NaN for one; probabilities clipped at the smallest float64), human_entropy (the least it can be),
    divergence (what is above that), majority_agreement with majority_low and majority_high (share of images whose
    likeliest class is people's most frequent one, exact; where people tie, any of theirs counts), level.
    Source: Peterson et al. 2019 (arXiv 1908.07086).
    """
    shares = check_probabilities(shares, where="shares of people")
    probabilities = check_probabilities(probabilities, where="probabilities")
    if probabilities.shape != shares.shape:
        raise ValueError(f"expected probabilities {shares.shape} as people's shares, found {probabilities.shape}")
    losses = -(shares * np.log(np.maximum(probabilities, np.finfo(float).tiny))).sum(axis=1)
    mean, low, high = mean_interval(losses, level)
    entropy = special.entr(shares).sum(axis=1).mean()
    agreement = majority_agreement(probabilities.argmax(axis=1), shares, level=level)
    row = {"n": len(losses), "cross_entropy": mean, "low": low, "high": high}
    row |= {"human_entropy": entropy, "divergence": mean - entropy}
    return pd.DataFrame([row | agreement]).assign(level=check_level(level))


def majority_agreement(class_ids: np.ndarray, shares: np.ndarray, *, level: float = 0.95) -> dict[str, float]:
    """Return majority_agreement, majority_low, majority_high: how often a model says what most people say.

    class_ids: integers (n,); shares: float (n, classes). Where people tie, any of their classes counts. Interval exact.
    """
    class_ids = check_class_ids(class_ids, len(shares), shares.shape[1], "class ids")
    agrees = shares[np.arange(len(shares)), class_ids] >= shares.max(axis=1) - 1e-12
    low, high = clopper_pearson(int(agrees.sum()), len(agrees), level)
    return {"majority_agreement": float(agrees.mean()), "majority_low": low, "majority_high": high}


def agreement_table(
    class_ids: np.ndarray, labellings: Mapping[str, np.ndarray], *, level: float = 0.95
) -> pd.DataFrame:
    """Return how often a model agrees with each labelling of the same images, such as those of CIFAR-10-N.

    class_ids: integers (n,); labellings: name -> integers (n,). Columns: labelling, n, agree, share, low, high (exact),
    level. It is agreement and no accuracy on new images: CIFAR-10-N relabels training images.
    """
    rows = []
    for name, labels in labellings.items():
        labels = np.asarray(labels)
        agree = int((check_class_ids(class_ids, len(labels), 10, name) == labels).sum())
        rows.append((name, len(labels), agree, agree / len(labels), *clopper_pearson(agree, len(labels), level)))
    columns = ["labelling", "n", "agree", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(level=level)
