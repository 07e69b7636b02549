"""What people said of the sampled pairs, without the score in view: agreement, precision by stratum, decoys."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from cifar102.analysis.intervals import clopper_pearson
from cifar102.annotations.votes import WITHDRAWN, one_spelling
from cifar102.dedup import pair_sample, screening
from cifar102.dedup.pair_sample import IDENTICAL, PAIR, UNRELATED
from cifar102.workspace import append_log, arrays
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

BOTH = "all raters agree"
KEYS = ["tiny_index", "reference_set", "reference"]


def sample_of(workspace: Workspace) -> pd.DataFrame:
    """The pairs of a workspace that people are asked to judge (pair_sample); FileNotFoundError before notebook 03."""
    if not workspace.pairs.is_file():
        raise FileNotFoundError(f"{workspace.pairs}: no such file; run notebook 03 in this workspace first")
    indices = read_table(workspace.candidates, ("tiny_index",))["tiny_index"].to_numpy(np.int64)
    if len(arrays.open_npy(workspace.candidate_images)) != len(indices):
        raise ValueError(f"{workspace.built}: candidates.parquet and candidate_images.npy are not of one run")
    pairs = read_table(workspace.pairs, ("query", "reference_set", "reference", "shift_row", "shift_column"))
    return pair_sample.pair_sample(pairs, indices)


def blind_verdicts(path: Path) -> pd.DataFrame:
    """Read what raters said on the judging page: the last verdict of each on each pair, KEYS, rater, verdict."""
    rows = [row for _, row, reason in append_log.read(path, screening.check_pair_verdict) if not reason]
    rows = [row for row in rows if row.get("page") == screening.BLIND]
    table = one_spelling(pd.DataFrame(rows, columns=[*KEYS, "rater", "verdict"]))
    last = table.drop_duplicates([*KEYS, "rater"], keep="last")
    return last[last["verdict"] != WITHDRAWN].reset_index(drop=True)


def judged(sample: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Put verdicts beside the sampled pairs: stratum, weight, kind, rater, verdict, is_copy (exact or near)."""
    named = sample.drop(columns="reference").rename(columns={"other": "reference"})
    found = named.merge(verdicts, on=KEYS)
    return found.assign(is_copy=found["verdict"].map(screening.MEANING) == "duplicate")


def agreement_table(said: pd.DataFrame) -> pd.DataFrame:
    """Agreement of each two raters on copy or no copy: first, second, n, raw, kappa (Cohen), ac1 (Gwet); decoys out.

    Sources: Cohen 1960; Gwet 2008, Computing inter-rater reliability and its variance in the presence of high
    agreement. kappa is NaN where both raters gave one answer only.
    """
    wide = said[said["kind"] == PAIR].pivot_table(index=KEYS, columns="rater", values="is_copy", aggfunc="last")
    rows = []
    for first, second in combinations(sorted(wide.columns), 2):
        both = wide[[first, second]].dropna().astype(bool)
        if len(both):
            raw = float((both[first] == both[second]).mean())
            rows.append((first, second, len(both), raw, _kappa(both), _ac1(both, raw)))
    return pd.DataFrame(rows, columns=["first", "second", "n", "raw", "kappa", "ac1"])


def _kappa(both: pd.DataFrame) -> float:
    if len(np.unique(both.to_numpy())) == 1:
        return float("nan")
    return float(cohen_kappa_score(*both.to_numpy().T))


def _ac1(both: pd.DataFrame, raw: float) -> float:
    """Gwet's AC1 for two answers; ours because no library of the stack has it."""
    share = float(both.to_numpy().mean())
    chance = 2 * share * (1 - share)
    return (raw - chance) / (1 - chance)


def precision_table(said: pd.DataFrame) -> pd.DataFrame:
    """Share of copies by stratum of the score, for each rater and for the pairs on which all agree.

    Returns rater, stratum, copies, n, share, low, high (Clopper-Pearson, 95 %), pairs (of the stratum in the table). A
    pair on which raters differ, or that one alone judged, counts for no BOTH.
    """
    pairs = said[said["kind"] == PAIR]
    groups = pairs.groupby(KEYS)["is_copy"]
    is_one = (groups.transform("nunique") == 1) & (groups.transform("size") > 1)
    agreed = pairs[is_one].drop_duplicates(KEYS).assign(rater=BOTH)
    parts = pd.concat([pairs, agreed], ignore_index=True)
    rows = []
    for (rater, stratum), part in parts.groupby(["rater", "stratum"]):
        low, high = clopper_pearson(int(part["is_copy"].sum()), len(part))
        rows.append((rater, stratum, int(part["is_copy"].sum()), len(part), part["is_copy"].mean(), low, high))
    table = pd.DataFrame(rows, columns=["rater", "stratum", "copies", "n", "share", "low", "high"])
    order = table["stratum"].map(lambda name: float(name.split(" to ")[0])).astype(float)
    return table.assign(order=order).sort_values(["rater", "order"], ascending=[True, False]).drop(columns="order")


def decoy_table(said: pd.DataFrame) -> pd.DataFrame:
    """How often each rater failed on decoys: rater, kind, errors, n, share, low, high (Clopper-Pearson, 95 %)."""
    rows = []
    for (rater, kind), part in said[said["kind"] != PAIR].groupby(["rater", "kind"]):
        errors = int((part["is_copy"] != (kind == IDENTICAL)).sum())
        rows.append((rater, kind, errors, len(part), errors / len(part), *clopper_pearson(errors, len(part))))
    return pd.DataFrame(rows, columns=["rater", "kind", "errors", "n", "share", "low", "high"])


def report(said: pd.DataFrame, num_pairs: int) -> str:
    """Say in words what raters found: agreement, precision by stratum, decoys; num_pairs: of the whole sample."""
    if said.empty:
        return f"Nobody has judged any of the {num_pairs:,} sampled pairs yet: `review`, page Blind judging"
    lines = [f"{said['rater'].nunique()} raters, {len(said):,} verdicts on {num_pairs:,} sampled pairs and decoys"]
    lines.append("agreement on copy or no copy:")
    pairs = agreement_table(said)
    for row in pairs.itertuples():
        kappa = "undefined (one answer only)" if np.isnan(row.kappa) else f"{row.kappa:.2f}"
        who = f"{row.first} and {row.second}"
        lines.append(f"  {who}: {row.raw:.1%} of {row.n:,} pairs, kappa {kappa}, AC1 {row.ac1:.2f}")
    lines += ["  needs a second rater"] * pairs.empty
    lines.append("copies by stratum of the score, 95 % intervals (Clopper-Pearson):")
    for row in precision_table(said).itertuples():
        lines.append(f"  {row.rater}: {row.stratum}: {row.copies} of {row.n} = {_interval(row)}")
    lines.append("errors on decoys:")
    names = {IDENTICAL: "equal images called no copies", UNRELATED: "unrelated images called copies"}
    for row in decoy_table(said).itertuples():
        lines.append(f"  {row.rater}: {names[row.kind]}: {row.errors} of {row.n} = {_interval(row)}")
    return "\n".join(lines)


def _interval(row: tuple) -> str:
    return f"{row.share:.2f} [{row.low:.2f}, {row.high:.2f}]"
