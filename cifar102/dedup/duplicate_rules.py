"""Rules for calling two images near-duplicates, side by side: what each finds, and how often it cries wolf."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.fft

from cifar102.dedup import neighbours, pair_table, similarity
from cifar102.dedup.kernels import blocks

PAIR_BLOCK = 8192
LARGEST_SHARE = 0.2  # of unjudged images flagged: further to the right no rule is of use


@dataclass(frozen=True)
class Rule:
    """A score of a pair and its threshold; where `is_distance`, small scores are alike."""

    name: str
    threshold: float
    is_distance: bool = False

    def flags(self, scores: np.ndarray, threshold: float | None = None) -> np.ndarray:
        """Which scores, float (n,), count as duplicates; NaN, a partner never looked at, does not."""
        limit = self.threshold if threshold is None else threshold
        return scores <= limit if self.is_distance else scores >= limit


REGISTERED = Rule("registered", pair_table.THRESHOLDS["registered"][0])
SHIFTED = Rule("2-D SSIM, best of shifts", 0.75)
PLAIN = Rule("2-D SSIM as they lie", 0.75)
FLAT = Rule("1-D SSIM of the flattened image", 0.75)
L2 = Rule("L2, 10 nearest", 1000, is_distance=True)
HASH = Rule("perceptual hash", 10, is_distance=True)
RULES = (REGISTERED, SHIFTED, PLAIN, FLAT, L2, HASH)


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """The 64 lowest frequencies of the grey image's cosine transform against their median: bool (n, 64).

    images: uint8 (n, 32, 32, 3). Ours because the usual package would be a dependency for these three lines.
    Source: Zauner 2010, Implementation and benchmarking of perceptual image hash functions, section 3.2.1.
    """
    low = scipy.fft.dctn(similarity.grey(images).astype(np.float64), axes=(1, 2))[:, :8, :8].reshape(len(images), -1)
    return low > np.median(low, axis=1, keepdims=True)


def rule_scores(queries: np.ndarray, references: np.ndarray | None = None, k: int = 10) -> pd.DataFrame:
    """Score the k likeliest partners of each query by every rule: columns rule, query, reference, score.

    queries, references: uint8 (n, 32, 32, 3), (m, 32, 32, 3); references None: within the queries, no image with
    itself. Partners are the nearest by Euclidean distance for L2, by edges for the registered rule, else by block
    means.
    """
    others = queries if references is None else references
    pairs = pair_table.near_duplicates(queries, references, k, rule="ssim")
    first, second = pairs["query"].to_numpy(), pairs["reference"].to_numpy()
    hashes, other_hashes = perceptual_hash(queries), perceptual_hash(others)
    columns: dict[str, list[np.ndarray]] = {PLAIN.name: [], FLAT.name: [], HASH.name: []}
    for block in blocks(len(pairs), PAIR_BLOCK):
        left, right = queries[first[block]], others[second[block]]
        columns[PLAIN.name].append(similarity.ssim(left, right, max_shift=0))
        columns[FLAT.name].append(similarity.ssim_flat(left, right))
        columns[HASH.name].append(np.sum(hashes[first[block]] != other_hashes[second[block]], axis=1))
    values = {SHIFTED.name: pairs["ssim"]} | {name: np.concatenate([[], *parts]) for name, parts in columns.items()}
    ends = pairs[["query", "reference"]]
    tables = [ends.assign(rule=name, score=value) for name, value in values.items()]
    tables += [_registered(queries, references, k), _l2(queries, others, k, within=references is None)]
    return pd.concat(tables, ignore_index=True)[["rule", "query", "reference", "score"]]


def _registered(queries: np.ndarray, references: np.ndarray | None, k: int) -> pd.DataFrame:
    """The registered rule's pairs; a mirrored one, which needs a higher score, stands as much lower."""
    pairs = pair_table.near_duplicates(queries, references, k)
    lower = np.where(pairs["mirrored"], pair_table.MIRRORED - REGISTERED.threshold, 0)
    return pairs[["query", "reference"]].assign(rule=REGISTERED.name, score=pairs["score"] - lower)


def _l2(queries: np.ndarray, others: np.ndarray, k: int, within: bool) -> pd.DataFrame:
    distances, indices = neighbours.nearest(queries, others, min(k + within, len(others)))
    query = np.repeat(np.arange(len(queries)), indices.shape[1])
    table = pd.DataFrame({"query": query, "reference": indices.ravel(), "score": distances.ravel()})
    table = table.assign(rule=L2.name)
    return table[table["query"] != table["reference"]] if within else table


def recall(found: pd.DataFrame, truth: pd.DataFrame, rule: Rule, threshold: float | None = None) -> float:
    """The share of true pairs that a rule flags, seen from either side. NaN where there are none.

    found: of `scores`; truth: query, reference, within one set in either order.
    """
    of_rule = found[found["rule"] == rule.name]
    best = of_rule.groupby(["query", "reference"])["score"].agg("min" if rule.is_distance else "max")
    there = best.reindex(pd.MultiIndex.from_frame(truth[["query", "reference"]])).to_numpy()
    back = best.reindex(pd.MultiIndex.from_frame(truth[["reference", "query"]])).to_numpy()
    flagged = rule.flags(there, threshold) | rule.flags(back, threshold)
    return float(flagged.mean()) if len(truth) else float("nan")


def flagged_share(found: pd.DataFrame, known: np.ndarray, rule: Rule, threshold: float | None = None) -> float:
    """The share of the images outside `known` (row numbers) that a rule flags with any partner.

    Nobody judged them, so some are near-duplicates: it is an upper bound of false alarms, the same for all rules.
    """
    of_rule = found[(found["rule"] == rule.name) & ~found["query"].isin(known)]
    flags = pd.Series(rule.flags(of_rule["score"].to_numpy(), threshold)).groupby(of_rule["query"].to_numpy()).any()
    return float(flags.mean())


def rule_costs(
    within: pd.DataFrame, judged: pd.DataFrame | None, planted: dict[str, pd.DataFrame], rules: tuple[Rule, ...] = RULES
) -> pd.DataFrame:
    """What each rule finds at its threshold: one row a rule, columns rule, threshold, judged, a column a kind, flagged.

    within: `scores` within a set; judged: first, second, row numbers of the pairs people judged there (None: NaN);
    planted: kind -> `scores` of changed images, query i a copy of reference i. flagged: see flagged_share.
    """
    truth = pd.DataFrame({"first": [], "second": []}, dtype=np.int64) if judged is None else judged
    pairs = truth.rename(columns={"first": "query", "second": "reference"})
    rows = []
    for rule in rules:
        kinds = {kind: recall(found, _own(found), rule) for kind, found in planted.items()}
        share = flagged_share(within, np.unique(truth), rule)
        rows.append({"rule": rule.name, "threshold": rule.threshold, "judged": recall(within, pairs, rule)})
        rows[-1] |= kinds | {"flagged": share}
    return pd.DataFrame(rows)


def rule_curve(
    within: pd.DataFrame, judged: pd.DataFrame | None, planted: dict[str, pd.DataFrame], num_points: int = 41
) -> pd.DataFrame:
    """Recall against the share flagged over the thresholds of each rule: rule, threshold, flagged, recall.

    Recall is that of the judged pairs; without them the mean over the planted kinds. Thresholds are such that up to a
    fifth of the unjudged images is flagged.
    """
    known = np.unique(judged) if judged is not None else np.array([], np.int64)
    pairs = None if judged is None else judged.rename(columns={"first": "query", "second": "reference"})
    rows = []
    for rule in RULES:
        of_rule = within[(within["rule"] == rule.name) & ~within["query"].isin(known)]
        best = of_rule.groupby("query")["score"].agg("min" if rule.is_distance else "max").to_numpy()
        shares = np.linspace(0, LARGEST_SHARE, num_points)
        for limit in dict.fromkeys(np.quantile(best, shares if rule.is_distance else 1 - shares)):
            cases = [(within, pairs)] if pairs is not None else [(found, _own(found)) for found in planted.values()]
            found = float(np.mean([recall(table, truth, rule, limit) for table, truth in cases]))
            share = flagged_share(within, known, rule, limit)
            if share <= LARGEST_SHARE:  # the hash has few distances, one of them can flag a third of the images
                rows.append({"rule": rule.name, "threshold": limit, "flagged": share, "recall": found})
    return pd.DataFrame(rows)


def _own(found: pd.DataFrame) -> pd.DataFrame:
    rows = np.unique(found["query"])
    return pd.DataFrame({"query": rows, "reference": rows})
