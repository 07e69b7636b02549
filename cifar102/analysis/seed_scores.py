"""Which images each seed of each model gets right, rearranged for the tables of notebook 08."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cifar102.analysis import intervals

Scores = Mapping[str, Mapping[str, np.ndarray]]


def accuracy_table(scores: Scores, level: float = 0.95) -> pd.DataFrame:
    """Return one row a model, test set and seed: model, test, seed, accuracy, low, high (Clopper-Pearson), n, level.

    scores: model -> set -> correctness bool (seeds, n), as gaps.run_scores gives it.
    """
    tables = []
    for model, sets in scores.items():
        for name, right in sets.items():
            low, high = intervals.clopper_pearson(right.sum(axis=1), right.shape[1], level)
            columns = {"seed": range(len(right)), "accuracy": right.mean(axis=1), "low": low, "high": high}
            tables.append(pd.DataFrame({"model": model, "test": name, **columns, "n": right.shape[1], "level": level}))
    return pd.concat(tables, ignore_index=True)


def seeds_as_models(scores: Scores) -> dict[str, dict[str, np.ndarray]]:
    """Take every seed for a model of its own: "<model> seed <k>" -> set -> correctness (1, n)."""
    found = {}
    for model, sets in scores.items():
        for k in range(len(next(iter(sets.values())))):
            found[f"{model} seed {k}"] = {name: right[[k]] for name, right in sets.items()}
    return found


def crossed(
    of_original: Scores, of_new: Scores, partner: Mapping[str, str], original: str = "cifar10", new: str = "cifar102"
) -> dict[tuple[str, str], np.ndarray]:
    """Put the scores of two training sets against all test sets: (train, test) -> correctness (seeds, n).

    partner: model trained on the original set -> the same model trained on the new one. Only models with as many seeds
    on either side enter, so that all tables hold the same networks; a test set that one of them was not evaluated on
    is left out for that training set. ValueError where no model is on both sides.
    """
    pairs = [
        (first, second)
        for first, second in partner.items()
        if second in of_new and len(of_new[second][original]) == len(of_original[first][original])
    ]
    if not pairs:
        raise ValueError(
            f"no model is trained on both sets with as many seeds; found {list(of_original)}, {list(of_new)}"
        )
    tables = {}
    for k, (train, side) in enumerate(((original, of_original), (new, of_new))):
        models = [side[pair[k]] for pair in pairs]
        tests = [name for name in models[0] if all(name in model for model in models)]
        tables |= {(train, test): np.concatenate([model[test] for model in models]) for test in tests}
    return tables
