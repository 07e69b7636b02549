"""Paired statistics of the studies, from the table of runs: what an arm gains, and with what certainty."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import multitest

from cifar102.decisions.tables import published_claims
from cifar102.workspace import files
from cifar102.workspace.files import write_table
from cifar102.workspace.folders import Workspace

COLUMNS = ("study", "arm", "n", "mean", "sd", "difference", "low", "high", "p_holm", "published")
MORE_COLUMNS = ("effect_size", "p", "reference", "num_pairs", "metric")
LEVEL = 0.95
LOCK_SECONDS = 300  # another notebook's verdicts, from a table of thousands of runs on a slow disk
SAME_AS_BEST = "•"  # stands in a cell that cannot be told apart from the best one
SAME = 0.02  # two arms count as alike where the whole interval of their difference lies within 2 points


def metric_values(runs: pd.DataFrame, metric: str) -> pd.Series:
    """A metric of each run: a column of the table; `test_accuracy`, on the test part of the run's own data set; or
    the difference of two such, as `train_accuracy-test_accuracy`. ValueError for a column that is not there.
    """
    if metric in runs.columns:
        return runs[metric].astype(float)
    if metric == "test_accuracy":
        return pd.Series([row.get(f"{row['dataset']}_accuracy") for row in runs.to_dict("records")], runs.index, float)
    first, minus, second = metric.partition("_accuracy-")
    if minus:
        return metric_values(runs, f"{first}_accuracy") - metric_values(runs, second)
    known = [name for name in runs.columns if str(name).endswith("_accuracy")]
    raise ValueError(f"metric {metric!r}: the runs have {known} and test_accuracy")


def by_seed(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The runs of one study as a table of the metric: one row per seed, one column per arm, NaN where none ran."""
    return pd.pivot_table(rows.assign(value=metric_values(rows, metric)), "value", "seed", "arm", dropna=False)


def study_table(
    runs: pd.DataFrame,
    study: str,
    metric: str = "validation_accuracy",
    reference: str | Mapping[str, str] | None = None,
    published: Mapping[str, float] | None = None,
    arms: list[str] | None = None,
) -> pd.DataFrame:
    """One row per arm of a study: mean, spread, and the difference to its reference arm, paired by seed.

    runs: columns study, arm, seed and the metric (0-1), one row per run. reference: an arm, or arm -> arm; None for
    the first arm. published: arm -> published value. arms: their order; None for that of the runs.
    difference: mean over seeds that both arms have; low, high: its 95 % t interval; p_holm: paired t test with Holm's
    correction over the arms of the study; effect_size: mean over deviation of the paired differences (Cohen's d_z).
    With fewer than 2 pairs, or differences that are all the same, there is no spread to judge by: these are NaN.
    """
    rows = runs[runs["study"] == study]
    if rows.empty:
        raise ValueError(f"study {study!r}: no runs; the table has {sorted(set(runs['study']))}")
    doubled = rows.duplicated(["arm", "seed"])
    if doubled.any():
        raise ValueError(f"study {study!r}: {int(doubled.sum())} runs have the same arm and seed as another")
    values = by_seed(rows, metric)
    order = [arm for arm in arms or list(dict.fromkeys(rows["arm"])) if arm in values.columns]
    partners = _partners(order, reference)
    found = [_arm_row(values, arm, partners[arm]) for arm in order]
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


def _arm_row(values: pd.DataFrame, arm: str, reference: str) -> dict:
    own = values[arm].dropna()
    if reference != arm and reference not in values.columns:
        raise ValueError(f"arm {arm!r}: its reference arm {reference!r} has no runs")
    row = {"arm": arm, "n": len(own), "mean": own.mean(), "sd": own.std(ddof=1), "reference": reference}
    if reference == arm:
        return {**row, **paired_test(np.array([])), "reference": None}
    return {**row, **paired_test((values[arm] - values[reference]).dropna().to_numpy())}


def paired_test(differences: np.ndarray) -> dict[str, float]:
    """Mean, 95 % t interval, two-sided p and effect size of paired differences, float (n,); NaN where undefined."""
    count, nan = len(differences), float("nan")
    row = {"num_pairs": count, "difference": float(np.mean(differences)) if count else nan}
    deviation = float(np.std(differences, ddof=1)) if count > 1 else 0.0
    if deviation < 1e-12:
        return {**row, "low": nan, "high": nan, "p": nan, "effect_size": nan}
    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(LEVEL)
    return {**row, "low": low, "high": high, "p": test.pvalue, "effect_size": row["difference"] / deviation}


def holm(p_values: pd.Series) -> np.ndarray:
    """Holm's correction over the p values that exist; NaN stays NaN and does not count."""
    corrected = np.full(len(p_values), np.nan)
    known = p_values.notna().to_numpy()
    if known.any():
        corrected[known] = multitest.multipletests(p_values[known], method="holm")[1]
    return corrected


def describe_result(table: pd.DataFrame) -> str:
    """One sentence about a study table that its numbers alone decide: which arms differ from their reference.

    Difference is claimed where the corrected p is below .05; all else "cannot be told apart".
    """
    study, compared = table["study"].iloc[0], table[table["reference"].notna()]
    best = table.loc[table["mean"].idxmax()] if table["mean"].notna().any() else table.iloc[0]
    top = f"({_percent(best['mean'])} %, n = {best['n']})"
    if compared.empty:
        return f"{study}: {best['arm']} {top}; it is compared with no other arm."
    start = f"{study}: {best['arm']} has the highest mean of {len(table)} arms {top}"
    if compared["p_holm"].isna().all():
        return f"{start}, but too few pairs of seeds, or none that differ, leave its certainty open."
    sure = compared[compared["p_holm"] < 1 - LEVEL]
    parts = [_compared(row) for row in sure.to_dict("records")]
    rest = len(compared) - len(sure)
    if not parts:
        return f"{start}, but none of {rest} arms can be told apart from its reference."
    tail = f"; {rest} of {len(compared)} arms cannot be told apart from their reference" if rest else ""
    return f"{start}; {'; '.join(parts)}{tail}."


def _compared(row: dict) -> str:
    way = "above" if row["difference"] > 0 else "below"
    interval = f"95 % {_points(row['low'])} to {_points(row['high'])}, p = {row['p_holm']:.2g}, n = {row['num_pairs']}"
    return f"{row['arm']} is {abs(100 * row['difference']):.1f} points {way} {row['reference']} ({interval})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def verdicts(runs: pd.DataFrame) -> pd.DataFrame:
    """The published claims beside ours: one row per claim whose study has runs, with what the numbers decide.

    runs: the table of runs. Columns study, claim, arm, reference, metric, published_difference, difference, low, high,
    p_holm (over all claims), n, verdict ("holds", "contradicted", "undecided", "not tested") and certainty, a sentence.
    Claims come from decisions/published_claims.csv; reference `*` is the best other arm, an empty one stands for 0.
    """
    claims = published_claims()
    claims = claims[claims["study"].isin(set(runs["study"]))]
    rows = [{**claim, **_test_claim(runs, claim)} for claim in claims.to_dict("records")]
    names = ["study", "claim", "arm", "reference", "metric", "expected", "published_difference", "difference"]
    found = pd.DataFrame(rows, columns=[*names, "low", "high", "p", "n"])
    found["p_holm"] = holm(found["p"])
    found["verdict"] = [_judge(row) for row in found.to_dict("records")]
    found["certainty"] = [_certainty(row) for row in found.to_dict("records")]
    return found[[*names, "low", "high", "p_holm", "n", "verdict", "certainty"]]


def write_verdicts(workspace: Workspace, read_runs: Callable[[Workspace], pd.DataFrame]) -> pd.DataFrame:
    """Write results/verdicts.csv, `verdicts` of all runs there are, and return them. read_runs: `runs.runs_table`.

    Notebooks that run side by side take turns, from reading the runs to the last byte, and each whose runs a claim is
    about writes it anew: so the last one has seen them all, in whatever order they ended.
    """
    with files.locked(workspace.results / "verdicts.lock", LOCK_SECONDS):
        found = verdicts(read_runs(workspace))
        write_table(workspace.results / "verdicts.csv", found)
    return found


def _test_claim(runs: pd.DataFrame, claim: dict) -> dict:
    """The paired difference that a claim is about, and the arm it was taken to."""
    values = by_seed(runs[runs["study"] == claim["study"]], claim["metric"])
    reference = "" if pd.isna(claim["reference"]) else claim["reference"]
    others = values.drop(columns=claim["arm"], errors="ignore").mean().dropna()
    if reference == "*":
        reference = others.idxmax() if len(others) else "*"
    missing = claim["arm"] not in values or (reference and reference not in values)
    differences = pd.Series(dtype=float)
    if not missing:
        differences = (values[claim["arm"]] - (values[reference] if reference else 0.0)).dropna()
    result = paired_test(differences.to_numpy())
    return {**result, "n": result["num_pairs"], "reference": reference}


def _judge(row: dict) -> str:
    if row["n"] == 0:
        return "not tested"
    if pd.isna(row["p_holm"]):
        return "undecided"
    if row["expected"] == "equal":
        if row["low"] > -SAME and row["high"] < SAME:
            return "holds"
        return "contradicted" if row["p_holm"] < 1 - LEVEL and abs(row["difference"]) > SAME else "undecided"
    if row["p_holm"] >= 1 - LEVEL:
        return "undecided"
    return "holds" if (row["difference"] > 0) == (row["expected"] == "higher") else "contradicted"


def _certainty(row: dict) -> str:
    if row["n"] == 0:
        return "its arms have no pair of runs here"
    if pd.isna(row["p_holm"]):
        return f"n = {row['n']}: no spread to judge by"
    return f"95 % {_points(row['low'])} to {_points(row['high'])} points, p = {row['p_holm']:.2g}, n = {row['n']}"


def beside_best_arm(rows: pd.DataFrame, value: str = "score", level: float = 0.95) -> pd.DataFrame:
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
                around = paired_test(values)
                row = {"train": train, "test": test, "num_train": int(size), "n": len(values)}
                row["accuracy"] = values.mean()
                found.append({**row, "low": around["low"], "high": around["high"]})
    return pd.DataFrame(found, columns=["train", "test", "num_train", "n", "accuracy", "low", "high"])


def parents_of_classes(fine_labels: np.ndarray, coarse_labels: np.ndarray) -> np.ndarray:
    """The superclass of each fine class, int (classes,), from the two labels of every image (n,).

    ValueError where a fine class has images of two superclasses, or no image.
    """
    pairs = np.unique(np.stack([fine_labels, coarse_labels]), axis=1)
    if not np.array_equal(pairs[0], np.arange(len(pairs[0]))):
        double = sorted(set(pairs[0][:-1][np.diff(pairs[0]) == 0].tolist()))
        raise ValueError(f"expected one superclass a fine class; without images or with two: {double or 'a gap'}")
    return pairs[1]


def sum_by_parent(probabilities: np.ndarray, parent: np.ndarray) -> np.ndarray:
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
        by_sum = sum_by_parent(shares, parent).argmax(axis=1)
        rows[seed] = {
            "fine_summed": (by_sum == coarse_labels).mean(),
            "fine_of_best": (parent[shares.argmax(axis=1)] == coarse_labels).mean(),
        }
    for seed, shares in coarse.items():
        rows.setdefault(seed, {})["coarse_own"] = (shares.argmax(axis=1) == coarse_labels).mean()
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed").sort_index().reset_index()
    return table.reindex(columns=["seed", "fine_summed", "fine_of_best", "coarse_own"])
