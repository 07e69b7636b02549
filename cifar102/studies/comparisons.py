"""Paired statistics of the studies, from the runs: what an arm gains, and with what certainty."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats import multitest

from cifar102.analysis import paired_runs
from cifar102.analysis.paired_runs import compare_runs
from cifar102.studies.scores import Scores, run_scores
from cifar102.workspace.folders import Workspace

COLUMNS = ("study", "arm", "n", "mean", "sd", "difference", "low", "high", "p_holm", "published")
MORE_COLUMNS = ("p", "p_equal", "shown", "reference", "num_pairs", "num_images", "metric")
LEVEL = 0.95
SAME_AS_BEST = "•"  # stands in a cell that cannot be told apart from the best one


def study_table(
    runs: pd.DataFrame,
    study: str,
    metric: str = "validation_accuracy",
    reference: str | Mapping[str, str] | None = None,
    published: Mapping[str, float] | None = None,
    arms: list[str] | None = None,
    workspace: Workspace | None = None,
) -> pd.DataFrame:
    """One row per arm of a study: mean, spread, and the difference to its reference arm, paired by seed and by image.

    runs: columns study, arm, seed and the metric (0-1), one row per run. reference: an arm, or arm -> arm; None for
    the first arm. published: arm -> published value. arms: their order; None for that of the runs. workspace: where the
    run folders are; without it, pairs are of seeds alone (num_images 0).
    difference: mean over seeds that both arms have, with the 95 % interval over images and seeds (low, high, p) of
    compare_runs; p_holm: Holm's correction over the arms of the study; p_equal: TOST, the difference lies within 2
    points; shown: the smallest difference that these runs show with 80 % power, one comparison alone. NaN where there
    is nothing to judge by: one run without recorded images, or equal ones.
    """
    rows = runs[runs["study"] == study]
    if rows.empty:
        raise ValueError(f"study {study!r}: no runs; the table has {sorted(set(runs['study']))}")
    try:
        scores = run_scores(rows, metric, workspace)
    except ValueError as wrong:
        raise ValueError(f"study {study!r}: {wrong}") from wrong
    order = [arm for arm in arms or list(scores) if arm in scores]
    partners = _partners(order, reference)
    found = [_arm_row(scores, arm, partners[arm]) for arm in order]
    table = pd.DataFrame(found).assign(study=study, metric=metric)
    table["published"] = [float((published or {}).get(arm, np.nan)) for arm in order]
    table["p_holm"] = holm(table["p"])
    return table[[*COLUMNS, *MORE_COLUMNS]]


def _partners(arms: list[str], reference: str | Mapping[str, str] | None) -> dict[str, str]:
    if isinstance(reference, Mapping):
        return {arm: reference.get(arm, arm) for arm in arms}
    if reference is not None and reference not in arms:
        raise ValueError(f"reference arm {reference!r} is none of {arms}")
    return dict.fromkeys(arms, reference or arms[0])


def _arm_row(scores: Scores, arm: str, reference: str) -> dict:
    own = [score.value for score in scores[arm].values()]
    if reference != arm and reference not in scores:
        raise ValueError(f"arm {arm!r}: its reference arm {reference!r} has no runs")
    row = {"arm": arm, "n": len(own), "mean": np.mean(own) if own else np.nan, "reference": reference}
    row["sd"] = np.std(own, ddof=1) if len(own) > 1 else np.nan
    if reference == arm:
        return {**row, **compare_runs({}), "reference": None}
    return {**row, **compare_runs(scores[arm], scores[reference])}


def holm(p_values: pd.Series) -> np.ndarray:
    """Holm's correction over the p values that exist; NaN stays NaN and does not count."""
    corrected = np.full(len(p_values), np.nan)
    known = p_values.notna().to_numpy()
    if known.any():
        corrected[known] = multitest.multipletests(p_values[known], method="holm")[1]
    return corrected


def describe_result(table: pd.DataFrame) -> str:
    """One sentence about a study table that its numbers alone decide: which arms differ from their reference.

    Difference is claimed where the corrected p is below .05; of the others it says which are shown to be equal within 2
    points, and how large a difference would have been seen.
    """
    study, compared = table["study"].iloc[0], table[table["reference"].notna()]
    best = table.loc[table["mean"].idxmax()] if table["mean"].notna().any() else table.iloc[0]
    top = f"({_percent(best['mean'])} %, n = {best['n']})"
    if compared.empty:
        return f"{study}: {best['arm']} {top}; it is compared with no other arm."
    start = f"{study}: {best['arm']} has the highest mean of {len(table)} arms {top}"
    if compared["p_holm"].isna().all():
        return f"{start}, but without a second seed or recorded answers its certainty is open."
    sure = compared[compared["p_holm"] < 1 - LEVEL]
    parts = [_compared(row) for row in sure.to_dict("records")]
    rest = _rest(compared.drop(sure.index))
    if not parts:
        return f"{start}, but none of {len(compared)} arms can be told apart from its reference{rest}."
    tail = f"; {len(compared) - len(sure)} of {len(compared)} arms cannot be told apart from their reference{rest}"
    return f"{start}; {'; '.join(parts)}{tail if len(sure) < len(compared) else ''}."


def _rest(unsure: pd.DataFrame) -> str:
    """Of arms that do not differ for certain: how many are shown to be equal, and what would have been shown."""
    shown, equal = unsure["shown"].dropna(), int((unsure["p_equal"] < 1 - LEVEL).sum())
    if shown.empty:
        return ""
    same = f"{equal} of them {'is' if equal == 1 else 'are'} equal within {100 * paired_runs.MARGIN:g} points; "
    return f" ({same if equal else ''}differences of {100 * shown.max():.1f} points would be shown with 80 % power)"


def _compared(row: dict) -> str:
    way = "above" if row["difference"] > 0 else "below"
    interval = f"95 % {_points(row['low'])} to {_points(row['high'])}, p = {row['p_holm']:.2g}, n = {row['num_pairs']}"
    return f"{row['arm']} is {abs(100 * row['difference']):.1f} points {way} {row['reference']} ({interval})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def beside_best_arm(runs: pd.DataFrame, metric: str, workspace: Workspace | None = None) -> pd.DataFrame:
    """Return paired_runs.beside_best_arm of the arms of one study: which may be the best (Hsu).

    runs, metric, workspace: as run_scores takes them.
    """
    return paired_runs.beside_best_arm(run_scores(runs, metric, workspace), LEVEL)


def activation_map(best: pd.DataFrame) -> pd.DataFrame:
    """The arms activation+optimizer of `beside_best_arm` as cells of a matrix, rows and columns best first.

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


def size_curve(rows: pd.DataFrame, tests: Sequence[str], workspace: Workspace | None = None) -> pd.DataFrame:
    """Accuracy against the number of training images: one row per training set, test set and size.

    rows: columns dataset, num_train, arm, seed and `<set>_accuracy` (0-1) of each of `tests`, one row a run. Returns
    train, test, num_train, n (seeds), accuracy, and its 95 % interval over seeds and images low, high (compare_runs; of
    seeds alone without a workspace).
    """
    found = []
    for test in tests:
        for (train, size), part in rows.groupby(["dataset", "num_train"]):
            scores = next(iter(run_scores(part, f"{test}_accuracy", workspace).values()))
            if scores:
                around = compare_runs(scores)
                row = {"train": train, "test": test, "num_train": int(size), "n": around["num_pairs"]}
                found.append({**row, "accuracy": around["difference"], "low": around["low"], "high": around["high"]})
    return pd.DataFrame(found, columns=["train", "test", "num_train", "n", "accuracy", "low", "high"])
