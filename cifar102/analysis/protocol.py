"""What the protocol of a new test set does to accuracy by itself: the table of the placebo and what follows from it.

The protocol part is in points of accuracy: how far a new test set lies below the old one although nothing has changed.
Its interval is over random splits of one set of images, CIFAR-10's 60,000: it says what the protocol makes of these, on
average over the roles they may have. Verdicts in the placebo come from true labels, so it cannot bound what raters do.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from cifar102.analysis import intervals

# Mean gap of the 30 published models from test_batch to CIFAR-10.1 v4, in points (figures/08-gap.csv, a test compares).
PUBLISHED_GAP = 8.1112
MARGIN = 0.1  # points; smaller protocol parts do not matter beside a gap with one decimal
ARMS = ("matched", "uniform", "leftover", "eligible", "twin")
ARM_WORDS = {
    "matched": "drawn by keyword",
    "uniform": "drawn uniformly",
    "leftover": "everything left over",
    "eligible": "all eligible",
    "twin": "both sides screened",
}
COLUMNS = (
    "classifier", "arm", "splits", "protocol_part", "se", "low", "high", "equivalent", "margin", "rule",
    "p_equivalent", "shown", "share_of_published", "images", "accuracy",
)  # fmt: skip


def protocol_table(parts: pd.DataFrame, margin: float = MARGIN, level: float = 0.95) -> pd.DataFrame:
    """Sum the splits of the placebo up: a row a rule, classifier and arm.

    parts: split, rule, classifier, arm, part (points), images, accuracy (0-1), as studies.run_placebo leaves them.
    Returns COLUMNS: protocol_part, its standard error se and t interval low, high over splits, points; equivalent:
    whether TOST at 5 % says that it is within `margin` (points) of zero, p_equivalent its p value; shown: the smallest
    part that as many splits show with 80 % power; share_of_published: the part as a share of the published mean gap;
    images: mean number in the arm; accuracy: on the old test set. With one split se, low and high are NaN.
    """
    rows = []
    for (rule, classifier, arm), part in parts.groupby(["rule", "classifier", "arm"], sort=False):
        values = part["part"].to_numpy(np.float64)
        mean, low, high = intervals.mean_interval(values, level)
        error = float(stats.sem(values)) if len(values) > 1 else float("nan")
        p_value = intervals.mean_equivalence(values, margin)
        row = {"classifier": classifier, "arm": arm, "splits": len(values), "protocol_part": mean, "se": error}
        row |= {"low": low, "high": high, "equivalent": bool(p_value < 0.05), "margin": margin, "rule": rule}
        row |= {"p_equivalent": p_value, "shown": intervals.shown_difference(error, len(values) - 1, level=level)}
        row |= {"share_of_published": mean / PUBLISHED_GAP, "images": part["images"].mean()}
        rows.append(row | {"accuracy": part["accuracy"].mean()})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def corrected_gap(gap: float, low: float, high: float, part: Mapping[str, float]) -> tuple[float, float, float]:
    """Take the protocol's part off a gap: (gap, low, high) in points, of what is left.

    gap, low, high: a gap in points with its interval. part: a row of protocol_table, of the arm the new test set was
    drawn as. Interval: method of variance estimates recovery, of two independent estimates. ValueError where the limits
    do not enclose the gap. It corrects for the protocol alone, as one classifier has it: a network may lose more or
    less to it, and what raters add is not in it. Source: Zou & Donner 2008, Statistics in Medicine 27, 1693-1702.
    """
    if not low <= gap <= high:
        raise ValueError(f"gap: expected low <= gap <= high, found {low}, {gap}, {high}")
    value, part_low, part_high = (float(part[name]) for name in ("protocol_part", "low", "high"))
    left = gap - value
    return left, left - np.hypot(gap - low, part_high - value), left + np.hypot(high - gap, value - part_low)


def arm_to_publish(table: pd.DataFrame) -> str:
    """Name the arm whose protocol part is surely smallest: the least of the largest limits over classifiers and rules.

    table: of protocol_table. The twin is no arm to publish: it screens the old test set too.
    """
    shown = table[table["arm"] != "twin"]
    if shown.empty or shown[["low", "high"]].isna().any(axis=None):
        raise ValueError("table: expected intervals of at least one arm beside the twin, found none")
    return str(shown[["low", "high"]].abs().max(axis=1).groupby(shown["arm"]).max().idxmin())


def batch_difference(
    scores: np.ndarray, is_test: np.ndarray, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> dict[str, float]:
    """Ask whether CIFAR-10's test batch differs from the other images: difference, low, high (points), p_value, n_test.

    scores: float (n,), share of right answers for each image over splits in which it was not trained on (0-1, NaN:
    never). is_test: bool (n,). p_value: of a permutation of the images, two-sided.
    """
    known = ~np.isnan(scores)
    values, is_test = scores[known], is_test[known]
    limits = intervals.mean_difference(values[is_test], values[~is_test], level)
    rng, total, count = np.random.default_rng(seed), values.sum(), int(is_test.sum())
    sums = np.array([rng.permutation(values)[:count].sum() for _ in range(resamples)])
    drawn = sums / count - (total - sums) / (len(values) - count)
    p_value = (1 + np.count_nonzero(np.abs(drawn) >= abs(limits[0]))) / (1 + resamples)
    difference, low, high = (100 * value for value in limits)
    return {"difference": difference, "low": low, "high": high, "p_value": float(p_value), "n_test": count}


def protocol_sentences(table: pd.DataFrame, classifier: str, rule: str) -> list[str]:
    """Say what came out for one classifier and rule: the part of each arm, the twin, what to publish.

    table: of protocol_table, with every arm. ValueError where a row is missing.
    """
    rows = {arm: _row(table, classifier, rule, arm) for arm in ARMS}
    eligible = rows["eligible"]
    first = (
        f"Screening the new side alone {_makes(eligible)} for {classifier} ({100 * eligible['accuracy']:.0f} % on the "
        f"old test images; {eligible['splits']} splits, rule {rule})."
    )
    others = "; ".join(f"{ARM_WORDS[arm]} {_points(rows[arm])}" for arm in ("leftover", "uniform", "matched"))
    second = f"The other arms, in points: {others}."
    return [first, second, twin_sentence(rows["twin"]), publish_sentence(table)]


def twin_sentence(row: Mapping[str, object]) -> str:
    """Say whether the same screening on both sides leaves a gap. row: of protocol_table, of the arm twin."""
    said = f"With the same screening on both sides the part is {_points(row)} points"
    if row["equivalent"]:
        return f"{said}: equivalent to zero within {row['margin']:g} points."
    if row["low"] > 0 or row["high"] < 0:
        return f"{said}: not zero, and not shown to be within {row['margin']:g} points of it."
    return f"{said}: not shown to be within {row['margin']:g} points of zero."


def publish_sentence(table: pd.DataFrame) -> str:
    """Say which arm to publish and how much gap the protocol makes in it, over the classifiers and rules of a table."""
    arm = arm_to_publish(table)
    of_arm = table[table["arm"] == arm]
    low, high = of_arm["low"].min(), of_arm["high"].max()
    share = max(abs(low), abs(high)) / PUBLISHED_GAP
    return (
        f"The arm to publish is the one {ARM_WORDS[arm]}: over these classifiers the protocol makes {low:+.2f} to "
        f"{high:+.2f} points of gap in it, at most {100 * share:.0f} % of the published {PUBLISHED_GAP:.1f}."
    )


def batch_sentence(found: Mapping[str, float], classifier: str) -> str:
    """Say whether the test batch is like the rest of CIFAR-10. found: of batch_difference."""
    verdict = "shows no" if found["p_value"] >= 0.05 else "shows a"
    return (
        f"CIFAR-10's own test batch {verdict} difference to its other images: accuracy {found['difference']:+.2f} "
        f"points [{found['low']:+.2f}, {found['high']:+.2f}], permutation p = {found['p_value']:.2g} ({classifier})."
    )


def protocol_rows(table: pd.DataFrame, classifiers: Sequence[str] = ()) -> pd.DataFrame:
    """Return protocol_table as interval_rows draws it: label, protocol_part, low, high, source; an arm below the other.

    classifiers: which, in their order; () for all.
    """
    names = list(classifiers or dict.fromkeys(table["classifier"]))
    shown = table[table["classifier"].isin(names)]
    source = shown["classifier"].str.replace("_", " ")
    if len(set(shown["rule"])) > 1:
        source += ", rule " + shown["rule"]
    shown = shown.assign(source=source, label=shown["arm"] + ": " + shown["arm"].map(ARM_WORDS))
    places = [shown["arm"].map(ARMS.index), shown["classifier"].map(names.index)]
    order = np.lexsort((shown["rule"], *places[::-1]))
    return shown.iloc[order][["label", "protocol_part", "low", "high", "source"]].reset_index(drop=True)


def _row(table: pd.DataFrame, classifier: str, rule: str, arm: str) -> dict:
    found = table[(table["classifier"] == classifier) & (table["rule"] == rule) & (table["arm"] == arm)]
    if len(found) != 1:
        raise ValueError(f"table: expected one row of {classifier}, rule {rule}, arm {arm}, found {len(found)}")
    return found.iloc[0].to_dict()


def _makes(row: Mapping[str, float]) -> str:
    if row["low"] <= 0 <= row["high"]:
        return f"makes no gap that {row['splits']} splits show ({_points(row)} points)"
    kind = "a gap" if row["protocol_part"] > 0 else "a gain"
    share = f"{100 * abs(row['share_of_published']):.1f} % of the published {PUBLISHED_GAP:.1f}"
    return f"makes {kind} of {_points(row)} points, {share},"


def _points(row: Mapping[str, float]) -> str:
    return f"{row['protocol_part']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
