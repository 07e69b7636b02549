"""Which pairs people are asked to judge: a random sample in strata of the score, with decoys among them.

From each stratum so many pairs are drawn at random; a pair stands for as many as its stratum has for each one drawn
(its weight). Decoys are images shown beside themselves, which everybody calls copies, and pairs at random that no
search names, which nobody does: who fails on them judged something else than what was asked.
"""

import itertools

import numpy as np
import pandas as pd

from cifar102.dedup.pair_union import score_column

CANDIDATES = "candidates"
EDGES = {  # of the strata, by the column that judges; both have the usual thresholds among them
    "ssim": (-1.0, 0.35, 0.55, 0.65, 0.75, 0.85, 0.95, 1.0),
    "score": (-15.0, -5.0, -2.5, 0.0, 1.5, 3.0, 6.0, 15.0),
}
PER_STRATUM = 40
DECOYS = 15  # of each kind
PAIR, IDENTICAL, UNRELATED = "pair", "identical", "unrelated"
KEYS = ["tiny_index", "reference_set", "other"]
COLUMNS = [*KEYS, "query", "reference", "shift_row", "shift_column", "mirrored", "probability", "value", "stratum"]
COLUMNS += ["weight", "kind"]


def named_pairs(pairs: pd.DataFrame, tiny_indices: np.ndarray) -> pd.DataFrame:
    """Name pairs as the log of verdicts does, each once.

    pairs: of built/pairs.parquet; tiny_indices: int64 (n,), of the candidates. Adds tiny_index, and other: the
    tiny_index of the partner among the candidates, where the higher-numbered side is left out, else its row in the
    reference set.
    """
    is_among = (pairs["reference_set"] == CANDIDATES).to_numpy()
    other = pairs["reference"].to_numpy().copy()
    other[is_among] = tiny_indices[other[is_among]]
    found = pairs.assign(tiny_index=tiny_indices[pairs["query"]], other=other)
    first, second = found[["tiny_index", "other"]].min(axis=1), found[["tiny_index", "other"]].max(axis=1)
    one, two = first.where(is_among, found["tiny_index"]), second.where(is_among, found["other"])
    found = found.assign(one=one, two=two).sort_values(["one", "two", "tiny_index"], kind="stable")
    found = found.drop_duplicates(["one", "reference_set", "two"])
    return found.drop(columns=["one", "two"]).reset_index(drop=True)


def pair_sample(
    pairs: pd.DataFrame, tiny_indices: np.ndarray, per_stratum: int = PER_STRATUM, decoys: int = DECOYS, seed: int = 0
) -> pd.DataFrame:
    """Draw the pairs to be judged: COLUMNS; the same for everybody who has the same table of pairs.

    pairs: built/pairs.parquet, judged by `score` where it has one, else by `ssim`; tiny_indices: int64 (n,), of the
    candidates. value: that score; stratum: its limits, as text, "" for decoys; weight: pairs it stands for, 0 for
    decoys; kind: PAIR, IDENTICAL or UNRELATED.
    """
    column = score_column(pairs)
    found = named_pairs(pairs, tiny_indices).assign(kind=PAIR)
    found = found.assign(value=found[column], stratum=strata(found[column], column))
    rng = np.random.default_rng(seed)
    order = found.iloc[rng.permutation(len(found))]
    drawn = order[order.groupby("stratum").cumcount() < per_stratum]
    counts = [table["stratum"].value_counts() for table in (found, drawn)]
    drawn = drawn.assign(weight=drawn["stratum"].map(counts[0] / counts[1]))
    parts = [drawn, _unrelated(found, decoys, rng), _identical(found, tiny_indices, decoys, rng)]
    table = pd.concat([part for part in parts if len(part)] or [drawn], ignore_index=True)
    return table.drop_duplicates(KEYS).reindex(columns=COLUMNS).reset_index(drop=True)


def strata(values: pd.Series, column: str) -> pd.Series:
    """Name the stratum of each score, such as "0.75 to 0.85"; a score on a limit belongs to the stratum above."""
    edges = EDGES[column]
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(names) - 1)
    return pd.Series(np.array(names, dtype=object)[place], index=values.index)


def _unrelated(found: pd.DataFrame, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """A candidate of one pair with the reference of another one, where no search names the two."""
    if found.empty:
        return found
    left, right = (found.iloc[rng.integers(len(found), size=20 * count)].reset_index(drop=True) for _ in range(2))
    mixed = left.assign(**{name: right[name] for name in ("reference_set", "reference", "other")})
    known = pd.MultiIndex.from_frame(found[KEYS])
    turned = pd.MultiIndex.from_frame(found[["other", "reference_set", "tiny_index"]])
    keys = pd.MultiIndex.from_frame(mixed[KEYS])
    is_same = (mixed["reference_set"] == CANDIDATES) & (mixed["tiny_index"] == mixed["other"])
    mixed = mixed[~keys.isin(known) & ~keys.isin(turned) & ~is_same].drop_duplicates(KEYS).head(count)
    return mixed.assign(
        shift_row=0, shift_column=0, probability=np.nan, value=np.nan, stratum="", weight=0.0, kind=UNRELATED
    )


def _identical(found: pd.DataFrame, tiny_indices: np.ndarray, count: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = rng.permutation(found["query"].unique())[:count]
    names = {"tiny_index": tiny_indices[rows], "other": tiny_indices[rows], "query": rows, "reference": rows}
    table = pd.DataFrame(names).assign(reference_set=CANDIDATES, shift_row=0, shift_column=0)
    return table.assign(value=np.nan, stratum="", weight=0.0, kind=IDENTICAL)
