"""Published claims beside our runs: one list of claims, whether or not their studies have run, and a verdict on each.

A claim gets two answers: whether the difference has the published sign, and whether the published size lies inside our
interval. Both hold at the scale of the runs, which each verdict states; a claim is contradicted only at its own scale.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from cifar102.analysis.paired_runs import MARGIN, beside_best_arm, compare_runs
from cifar102.decisions.tables import published_claims, published_study
from cifar102.studies.arms import STUDY_METRIC
from cifar102.studies.comparisons import LEVEL, holm
from cifar102.studies.scores import metric_values, run_scores
from cifar102.workspace import files
from cifar102.workspace.files import write_table
from cifar102.workspace.folders import Workspace

LOCK_SECONDS = 300  # another notebook's verdicts, from a table of thousands of runs on a slow disk
LEARNED = (
    0.5  # of the best accuracy published for a study: below it its networks have not learned what a claim is about
)
UNTESTED = "not tested at a comparable scale"
COLUMNS = (
    "study", "claim", "arm", "reference", "metric", "expected", "published_difference", "difference", "low", "high",
    "p_holm", "p_equal", "shown", "n", "num_images", "scale", "is_comparable", "is_published_scale", "sign",
    "published_size", "verdict", "certainty",
)  # fmt: skip


def verdicts(runs: pd.DataFrame, workspace: Workspace | None = None) -> pd.DataFrame:
    """Return a row a claim of decisions/published_claims.csv, in its order, with what the runs say of it.

    runs: the table of runs; workspace: where their folders are, so that images are paired (run_scores). Columns:
    COLUMNS. difference, low, high, shown (the smallest difference shown with 80 % power): 0-1, of compare_runs; against
    the best of the other arms (reference `*`) of beside_best_arm. p_holm: over the whole list, where claims without
    runs count as not shown. p_equal: TOST at 2 points; a claim of equality enters Holm with twice the smaller of both
    p. sign: "as published", "opposite", "not shown" or "not tested"; published_size: "inside", "ours is smaller", "ours
    is larger", "none published" or "not tested". verdict: the words of both, with the scale; certainty: the interval in
    words.
    """
    rows = [{**claim, **_test_claim(runs, claim, workspace)} for claim in published_claims().to_dict("records")]
    found = pd.DataFrame(rows)
    found["p"] = [_p_of_claim(row) for row in rows]
    found["p_holm"] = holm(found["p"].fillna(1.0)).clip(max=1.0)
    found.loc[found["p"].isna(), "p_holm"] = np.nan
    found["sign"] = [_sign(row) for row in found.to_dict("records")]
    found["published_size"] = [_published_size(row) for row in found.to_dict("records")]
    found["verdict"] = [f"{_words(row)} ({row['scale']})".replace(" ()", "") for row in found.to_dict("records")]
    found["certainty"] = [_certainty(row) for row in found.to_dict("records")]
    return found.reindex(columns=list(COLUMNS))


def write_verdicts(workspace: Workspace, read_runs: Callable[[Workspace], pd.DataFrame]) -> pd.DataFrame:
    """Write results/verdicts.csv, `verdicts` of all runs there are, and return them. read_runs: `runs.runs_table`.

    Notebooks that run side by side take turns, from reading the runs to the last byte, and each whose runs a claim is
    about writes it anew: so the last one has seen them all, in whatever order they ended.
    """
    with files.locked(workspace.results / "verdicts.lock", LOCK_SECONDS):
        found = verdicts(read_runs(workspace), workspace)
        write_table(workspace.results / "verdicts.csv", found)
    return found


def _test_claim(runs: pd.DataFrame, claim: dict, workspace: Workspace | None) -> dict:
    """The difference that a claim is about, the arm it was taken to, and the scale it was measured at."""
    rows = runs[runs["study"] == claim["study"]]
    reference = "" if pd.isna(claim["reference"]) else claim["reference"]
    arms = {claim["arm"]} | ({reference} - {"", "*"})
    if not arms <= set(rows["arm"]):
        return {**_row(compare_runs({}), reference), "scale": "", "is_comparable": False, "is_published_scale": False}
    chosen = rows if reference == "*" else rows[rows["arm"].isin(arms)]
    scores = run_scores(chosen, claim["metric"], workspace)
    if reference == "*":
        found = _beside_the_best(scores, claim["arm"])
    else:
        found = _row(compare_runs(scores[claim["arm"]], scores[reference] if reference else None), reference)
    own = rows[rows["arm"].isin(arms)]
    comparable = _has_learned(rows, claim["study"])
    return {**found, **_scale(own, claim), "is_comparable": comparable and found["n"] > 0}


def _row(found: dict, reference: str) -> dict:
    return {**found, "n": found["num_pairs"], "reference": reference}


def _beside_the_best(scores: dict, arm: str) -> dict:
    """The claim that an arm is the best, by comparison with the best of the others, whichever it turns out to be."""
    table = beside_best_arm(scores, LEVEL).set_index("arm")
    others = table.drop(index=arm)
    reference = others["mean"].idxmax() if len(others) else "*"
    pair = compare_runs(scores[arm], scores.get(reference, {}))
    allowed = table.loc[arm, ["difference", "low", "high", "p", "shown"]].to_dict()  # for the choice of the reference
    return {**_row(pair, reference), **allowed, "p_equal": np.nan}


def _p_of_claim(row: dict) -> float:
    """Of the test of a difference; a claim of equality is tested twice, for equality and for a difference."""
    return row["p"] if row["expected"] != "equal" else np.minimum(1.0, 2 * np.fmin(row["p_equal"], row["p"]))


def _has_learned(rows: pd.DataFrame, study: str) -> bool:
    """Whether the study's best arm comes to half of the best accuracy that was published for it."""
    published = max(published_study(study).values(), default=0.0)
    reached = rows.assign(value=metric_values(rows, STUDY_METRIC[study])).groupby("arm")["value"].mean().max()
    return bool(reached >= LEARNED * published)


def _scale(rows: pd.DataFrame, claim: dict) -> dict:
    """The scale of runs in words, and whether it is at least the published one: images, and the network's size."""
    smallest = {name: rows[name].min() for name in ("num_train", "epochs") if name in rows}
    options = [
        dict(part.split("=") for part in str(text).split(";") if "=" in part) for text in rows.get("options", [])
    ]
    nouns = {"num_train": "image", "epochs": "epoch"}
    parts = [f"{size:,.0f} {nouns[name]}{'s' * (size != 1)}" for name, size in smallest.items()]
    wanted = dict(part.split("=") for part in claim["published_scale"].split(";"))
    enough = float(smallest.get("num_train", 0)) >= float(wanted.pop("images"))
    for name, least in wanted.items():
        size = min((float(own.get(name, 1)) for own in options), default=1.0)
        enough &= size >= float(least)
        parts.append(f"{name} {size:g}")
    return {"scale": ", ".join(parts), "is_published_scale": bool(enough)}


def _sign(row: dict) -> str:
    if not row["is_comparable"]:
        return "not tested"
    if not row["p_holm"] < 1 - LEVEL:
        return "not shown"
    if row["expected"] != "equal":
        return "as published" if (row["difference"] > 0) == (row["expected"] == "higher") else "opposite"
    if row["p_equal"] < 1 - LEVEL:
        return "as published"
    is_apart = row["low"] > MARGIN or row["high"] < -MARGIN
    if not is_apart or pd.isna(row["published_difference"]):
        return "opposite" if is_apart and row["is_published_scale"] else "not shown"
    return "as published" if row["published_difference"] * row["difference"] > 0 else "opposite"


def _published_size(row: dict) -> str:
    if not row["is_comparable"] or pd.isna(row["low"]):
        return "not tested"
    if pd.isna(row["published_difference"]):
        return "none published"
    if row["low"] <= row["published_difference"] <= row["high"]:
        return "inside"
    is_smaller = (row["difference"] < row["published_difference"]) == (row["published_difference"] > 0)
    return "ours is smaller" if is_smaller else "ours is larger"


def _words(row: dict) -> str:
    if row["sign"] == "not tested":
        return UNTESTED
    if row["p_equal"] < 1 - LEVEL and (row["expected"] == "equal" or row["sign"] == "not shown"):
        return f"equivalent within {100 * MARGIN:g} points"
    if row["sign"] == "not shown":
        return f"not shown (could show {100 * row['shown']:.1f} points)"
    if row["is_published_scale"] and (row["sign"] == "opposite" or row["expected"] == "equal"):
        return "contradicted"
    if row["sign"] == "opposite":
        return "opposite sign"
    if row["published_size"] in ("inside", "none published"):
        return "confirmed"
    return "same sign, smaller" if row["published_size"] == "ours is smaller" else "same sign, larger"


def _certainty(row: dict) -> str:
    if row["n"] == 0:
        return "its arms have no pair of runs here"
    over = f"{row['n']} seeds, {row['num_images']:,} images each" if row["num_images"] else f"{row['n']} seeds"
    if pd.isna(row["low"]):
        return f"{over}: no spread to judge by"
    return f"95 % {100 * row['low']:+.1f} to {100 * row['high']:+.1f} points, p = {row['p_holm']:.2g}, {over}"
