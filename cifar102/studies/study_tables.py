"""Tables behind the figures of single studies: cells beside the best one, accuracy by size, coarse out of fine."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from cifar102.studies.comparisons import paired

SAME_AS_BEST = "•"  # stands in a cell that cannot be told apart from the best one


def beside_best(rows: pd.DataFrame, value: str = "score", level: float = 0.95) -> pd.DataFrame:
    """How far each arm lies below the best one, with intervals that hold for all pairs of arms together.

    rows: columns arm and `value` (0-1), one row a run. Returns, best first, arm, n, mean, sd, difference (to the best
    mean), low, high, p and is_same (p is at least 1 - level; the best itself too). Tukey's honest significant
    difference (Tukey-Kramer where counts differ): the best is chosen from the same numbers, which a test against it
    alone would forget. It takes one deviation for all arms. Without two runs of each of two arms, or without any
    spread, nothing can be told apart: low, high and p are NaN, is_same is true.
    """
    groups = {arm: part[value].dropna().to_numpy() for arm, part in rows.groupby("arm", sort=False)}
    groups = {arm: values for arm, values in groups.items() if len(values)}
    if not groups:
        raise ValueError(f"no run has a value of {value!r}; the table has {len(rows)} rows")
    names = sorted(groups, key=lambda arm: -groups[arm].mean())
    samples = [groups[arm] for arm in names]
    table = pd.DataFrame({"arm": names, "n": [len(values) for values in samples]})
    table["mean"] = [values.mean() for values in samples]
    table["sd"] = [values.std(ddof=1) if len(values) > 1 else np.nan for values in samples]
    table["difference"] = table["mean"] - table["mean"].iloc[0]
    table[["low", "high", "p"]] = np.nan
    if len(names) > 1 and min(table["n"]) > 1 and table["sd"].max() > 1e-12:
        test = stats.tukey_hsd(*samples)
        interval = test.confidence_interval(level)
        table["low"], table["high"], table["p"] = interval.low[:, 0], interval.high[:, 0], test.pvalue[:, 0]
        table.loc[0, ["low", "high", "p"]] = np.nan  # the best beside itself
    return table.assign(is_same=~(table["p"] < 1 - level))


def activation_map(best: pd.DataFrame) -> pd.DataFrame:
    """The arms activation+optimizer of `beside_best` as cells of a matrix, rows and columns best first.

    Adds activation, optimizer, percent (the mean) and text: mean, deviation, and SAME_AS_BEST where is_same.
    """
    cells = best.copy()
    cells[["activation", "optimizer"]] = cells["arm"].str.split("+", n=1, expand=True).to_numpy()
    cells["percent"] = 100 * cells["mean"]
    spread = (100 * cells["sd"]).map("± {:.1f}".format).where(cells["sd"].notna(), "n = 1")
    sign = np.where(cells["is_same"], f"{SAME_AS_BEST} ", "")
    cells["text"] = sign + cells["percent"].map("{:.1f}".format) + "\n" + spread
    sides = ["activation", "optimizer"]
    whole = pd.MultiIndex.from_product([_best_first(cells, side) for side in sides], names=sides)
    return cells.set_index(sides).reindex(whole).reset_index()


def _best_first(cells: pd.DataFrame, side: str) -> list[str]:
    return list(cells.groupby(side)["mean"].mean().sort_values(ascending=False).index)


def size_curve(rows: pd.DataFrame, sets: Sequence[str]) -> pd.DataFrame:
    """Accuracy against the number of training images: one row per training set, test set and size.

    rows: columns dataset, num_train, seed and `<set>_accuracy` (0-1) of each of `sets`, one row a run. Returns train,
    test, num_train, n (seeds), accuracy and its 95 % t interval over seeds low, high; both NaN with a single seed.
    """
    found = []
    for test in sets:
        for (train, size), part in rows.groupby(["dataset", "num_train"]):
            values = part[f"{test}_accuracy"].dropna().to_numpy()
            if len(values):
                around = paired(values)
                row = {
                    "train": train,
                    "test": test,
                    "num_train": int(size),
                    "n": len(values),
                    "accuracy": values.mean(),
                }
                found.append({**row, "low": around["low"], "high": around["high"]})
    return pd.DataFrame(found, columns=["train", "test", "num_train", "n", "accuracy", "low", "high"])


def parents(fine_labels: np.ndarray, coarse_labels: np.ndarray) -> np.ndarray:
    """The superclass of each fine class, int (classes,), from the two labels of every image (n,).

    ValueError where a fine class has images of two superclasses, or no image.
    """
    pairs = np.unique(np.stack([fine_labels, coarse_labels]), axis=1)
    if not np.array_equal(pairs[0], np.arange(len(pairs[0]))):
        double = sorted(set(pairs[0][:-1][np.diff(pairs[0]) == 0].tolist()))
        raise ValueError(f"expected one superclass a fine class; without images or with two: {double or 'a gap'}")
    return pairs[1]


def summed(probabilities: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Probabilities of superclasses, float64 (n, superclasses): those of its fine classes (n, classes) added up."""
    if probabilities.ndim != 2 or probabilities.shape[1] != len(parent):
        raise ValueError(f"probabilities: expected (n, {len(parent)}), found {probabilities.shape}")
    return probabilities.astype(np.float64) @ np.eye(parent.max() + 1)[parent]


def coarse_beside_fine(
    fine: Mapping[int, np.ndarray], coarse: Mapping[int, np.ndarray], parent: np.ndarray, coarse_labels: np.ndarray
) -> pd.DataFrame:
    """Coarse accuracy of fine models, by summing, beside that of models trained on the coarse labels, seed by seed.

    fine, coarse: seed -> probabilities (n, classes) of one test set. Returns seed, fine_summed, fine_of_best (the
    superclass of the likeliest fine class) and coarse_own (0-1); NaN where a side lacks the seed.
    """
    rows: dict[int, dict] = {}
    for seed, shares in fine.items():
        by_sum = summed(shares, parent).argmax(axis=1)
        rows[seed] = {
            "fine_summed": (by_sum == coarse_labels).mean(),
            "fine_of_best": (parent[shares.argmax(axis=1)] == coarse_labels).mean(),
        }
    for seed, shares in coarse.items():
        rows.setdefault(seed, {})["coarse_own"] = (shares.argmax(axis=1) == coarse_labels).mean()
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed").sort_index().reset_index()
    return table.reindex(columns=["seed", "fine_summed", "fine_of_best", "coarse_own"])
