"""Training set against test set: is the new set harder, or is it different? (the question of CIFAR-10.2)"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifar102.analysis import intervals

CrossedScores = Mapping[tuple[str, str], np.ndarray]  # (training set, test set) -> which images are right


@dataclass(frozen=True)
class HarderOrDifferent:
    """The gap of the models trained on the original set, split into a harder and a different part.

    matrix: train, test, accuracy, low, high, n, seeds, level; terms: term, value, low, high, level (gap, gap_of_new: of
    the models trained on the new set, harder, different, home_difference); shares: the same columns for the shares
    harder / gap and different / gap. verdict: one sentence that the intervals decide.
    """

    matrix: pd.DataFrame
    terms: pd.DataFrame
    shares: pd.DataFrame
    verdict: str

    @property
    def split(self) -> pd.DataFrame:
        """Terms and shares in one table, with a column unit: "accuracy" or "share of the gap"."""
        return pd.concat([self.terms.assign(unit="accuracy"), self.shares.assign(unit="share of the gap")])


def harder_or_different(
    scores: CrossedScores,
    original: str = "cifar10",
    new: str = "cifar102",
    *,
    level: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> HarderOrDifferent:
    """Split the gap of models trained on the original set: does everyone lose on the new test set, or only they?

    scores: (training set, test set) -> correctness bool or 0-1, (n,) or (seeds, n); all four pairs of `original` and
    `new` must be there, further ones appear in the matrix. The training sets must be of equal size. With A(train,
    test), gap = A(o, o) - A(o, n) and gap_of_new = A(n, o) - A(n, n): harder = (gap + gap_of_new) / 2, what both lose
    on the new test set whatever they were trained on; different = (gap - gap_of_new) / 2, what training on new data
    takes away; harder + different = gap exactly, and how good a training set is in general drops out. home_difference
    = A(o, o) - A(n, n), each at home. 95 % percentile bootstrap over images and over networks: the networks (rows) are
    one sample, trained once on each set, so a draw takes the same ones for both training sets, as it takes the same
    images. With few networks their part is a little too narrow. There are no shares where the gap's interval holds 0.
    Raises ValueError. Source: Lu et al. 2020 (CIFAR-10.2), the question; the split is this project's.
    """
    tables = {pair: _checked(values, pair) for pair, values in scores.items()}
    corners = [(train, test) for train in (original, new) for test in (original, new)]
    if missing := [pair for pair in corners if pair not in tables]:
        raise ValueError(f"scores: expected correctness for {corners} (train, test), missing {missing}")
    draws = _draws(tables, resamples, seed)
    point = {pair: float(table.mean()) for pair, table in tables.items()}
    terms, gap_draws = _terms({pair: point[pair] for pair in corners}, {pair: draws[pair] for pair in corners}, level)
    return HarderOrDifferent(
        _matrix(tables, draws, level),
        terms,
        _shares(terms, gap_draws, level),
        _verdict(terms.set_index("term"), new, level),
    )


def _checked(values: np.ndarray, pair: tuple[str, str]) -> np.ndarray:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or not table.size or not np.isfinite(table).all() or table.min() < 0 or table.max() > 1:
        raise ValueError(f"scores{pair}: expected correctness 0-1 of shape (n,) or (seeds, n), found {table.shape}")
    return table


def _draws(tables: dict[tuple[str, str], np.ndarray], resamples: int, seed: int) -> dict[tuple[str, str], np.ndarray]:
    """Accuracies (resamples,) per pair; images are drawn once a resample for each test set, networks once for all."""
    rng = np.random.default_rng(seed)
    draws = {pair: np.empty(resamples) for pair in tables}
    sizes = {test: table.shape[1] for (_, test), table in tables.items()}
    runs = {train: table.shape[0] for (train, _), table in tables.items()}
    if len(set(runs.values())) > 1:
        raise ValueError(f"scores: expected the same networks on all training sets, found {runs} of them")
    count = next(iter(runs.values()))
    for (train, test), table in tables.items():
        if table.shape != (runs[train], sizes[test]):
            raise ValueError(
                f"scores{train, test}: expected {runs[train]} seeds x {sizes[test]} images as in the other "
                f"entries of these sets, found {table.shape}"
            )
    for i in range(resamples):
        images = {test: np.bincount(rng.integers(n, size=n), minlength=n) / n for test, n in sizes.items()}
        networks = np.bincount(rng.integers(count, size=count), minlength=count) / count
        for (train, test), table in tables.items():
            draws[train, test][i] = networks @ (table @ images[test])
    return draws


def _matrix(tables: dict, draws: dict, level: float) -> pd.DataFrame:
    rows = [
        (*pair, table.mean(), *intervals.percentile_interval(draws[pair], level), table.shape[1], table.shape[0], level)
        for pair, table in tables.items()
    ]
    return pd.DataFrame(rows, columns=["train", "test", "accuracy", "low", "high", "n", "seeds", "level"])


def _terms(point: dict, draws: dict, level: float) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    rows, drawn = [], _split(list(draws.values()))
    for term, value in _split(list(point.values())).items():
        rows.append((term, value, *intervals.percentile_interval(drawn[term], level), level))
    return pd.DataFrame(rows, columns=["term", "value", "low", "high", "level"]), drawn


def _split(corners: list) -> dict:
    home, away, back, new_home = corners
    gap, gap_of_new = home - away, back - new_home
    terms = {"gap": gap, "gap_of_new": gap_of_new, "harder": (gap + gap_of_new) / 2}
    return terms | {"different": (gap - gap_of_new) / 2, "home_difference": home - new_home}


def _shares(terms: pd.DataFrame, drawn: dict[str, np.ndarray], level: float) -> pd.DataFrame:
    table = terms.set_index("term")
    gap = table.loc["gap"]
    has_gap = gap["low"] > 0 or gap["high"] < 0
    rows = []
    for term in ("harder", "different"):
        value, limits = float("nan"), (float("nan"), float("nan"))
        if has_gap:
            value = table.loc[term, "value"] / gap["value"]
            share = np.divide(drawn[term], drawn["gap"], out=np.full(len(drawn[term]), np.nan), where=drawn["gap"] != 0)
            limits = intervals.percentile_interval(share, level)
        rows.append((term, value, *limits, level))
    return pd.DataFrame(rows, columns=["term", "value", "low", "high", "level"])


def _verdict(terms: pd.DataFrame, new: str, level: float) -> str:
    shown = {
        term: "{:+.2f} points [{:+.2f}, {:+.2f}]".format(*(100 * terms.loc[term, ["value", "low", "high"]]))
        for term in ("gap", "harder", "different")
    }
    is_there = {term: terms.loc[term, "low"] > 0 or terms.loc[term, "high"] < 0 for term in shown}
    if not is_there["gap"]:
        return f"No gap to {new} is shown at {level:.0%}: {shown['gap']}; there is nothing to split."
    parts = [f"{'shown' if is_there[term] else 'not shown'}: {term} {shown[term]}" for term in ("harder", "different")]
    return f"Gap to {new} {shown['gap']} at {level:.0%}; {'; '.join(parts)}."
