"""A model beside people: its probabilities against their distribution (CIFAR-10H), its classes against their labels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from cifar102.analysis.intervals import check_level, clopper_pearson, mean_difference, mean_interval
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


def people_disagree(labels: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    """Return the images whose label most people do not give: row, label, majority, share_label, share_majority.

    labels: integers (n,); counts: integers (n, classes), how many people gave each class (CIFAR-10H). Where people tie,
    the class with the lowest number is the majority, so an image whose two shares are equal is a tie. Largest share of
    the majority first.
    """
    labels, shares = np.asarray(labels), counts / np.sum(counts, axis=1, keepdims=True)
    own, most = shares[np.arange(len(labels)), labels], shares.max(axis=1)
    rows = np.flatnonzero(shares.argmax(axis=1) != labels)
    columns = {"row": rows, "label": labels[rows], "majority": shares[rows].argmax(axis=1)}
    table = pd.DataFrame(columns | {"share_label": own[rows], "share_majority": most[rows]})
    return table.sort_values("share_majority", ascending=False, kind="stable", ignore_index=True)


def gap_by_labelling(
    original: Mapping[str, np.ndarray],
    new: Mapping[str, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    counts: np.ndarray,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return each model's accuracies and gap where the original set is judged by its labels, or by what people said.

    original, new: model -> class ids (n,); labels: of the two sets; counts: integers (n, classes) of the original
    (CIFAR-10H; nobody has such counts of the new set). Columns: model, labelling ("labels"; "majority" of people, any
    of theirs where they tie; "soft": the share of people who say what the model says), original, new, gap, low, high
    (mean_difference over images), n_original, n_new, level. The last three rows are "all models".
    """
    labels = [np.asarray(part) for part in labels]
    shares = counts / np.sum(counts, axis=1, keepdims=True)
    scores: dict[str, dict[str, np.ndarray]] = {}
    for model, said in original.items():
        ids = check_class_ids(said, len(labels[0]), shares.shape[1], model)
        soft = shares[np.arange(len(ids)), ids]
        by_people = {"majority": soft >= shares.max(axis=1) - 1e-12, "soft": soft}
        right = check_class_ids(new[model], len(labels[1]), shares.shape[1], model) == labels[1]
        scores[model] = {"labels": ids == labels[0], **by_people, "new": right}
    everyone = {
        name: np.mean([part[name] for part in scores.values()], axis=0)
        for name in ("labels", "majority", "soft", "new")
    }
    rows = []
    for model, part in {**scores, "all models": everyone}.items():
        for name in ("labels", "majority", "soft"):
            gap = mean_difference(part[name], part["new"], level)
            rows.append((model, name, part[name].mean(), part["new"].mean(), *gap, *map(len, labels), level))
    columns = ["model", "labelling", "original", "new", "gap", "low", "high", "n_original", "n_new", "level"]
    return pd.DataFrame(rows, columns=columns)
