"""Tables of trainings as charts draw them: points per seed, curves by epoch, accuracies side by side."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from cifar102.analysis import intervals
from cifar102.analysis.chart_tables import in_points

TRAINED_ON = "-(cifar10(?:2|-10k))$"  # ends the arm of a baseline: the training set it saw


def seed_points(runs: pd.DataFrame, value: str, arms: Sequence[str]) -> pd.DataFrame:
    """Return a point a run and the mean of its arm: arm, seed, accuracy, order, mean; arms in the order of `arms`.

    runs: of runs_table; value: its column that is drawn.
    """
    points = runs[["arm", "seed", value]].rename(columns={value: "accuracy"})
    points = points.assign(order=points["arm"].map(list(arms).index))
    points = points.sort_values(["order", "seed"], ignore_index=True)
    return points.assign(mean=points.groupby("arm")["accuracy"].transform("mean"))


def seed_points_by_test(runs: pd.DataFrame, tests: Sequence[str]) -> pd.DataFrame:
    """Return a point a run and test set, with the mean of its arm: arm, seed, test, accuracy, mean.

    runs: of runs_table, with a column "<test>_accuracy" a test set; sets a run was not evaluated on are left out.
    """
    columns = {f"{test}_accuracy": test for test in tests}
    points = runs.rename(columns=columns).melt(["arm", "seed"], list(tests), var_name="test", value_name="accuracy")
    points = points.dropna()
    return points.assign(mean=points.groupby(["arm", "test"])["accuracy"].transform("mean"))


def with_intervals(runs: pd.DataFrame, counts: Mapping[str, int], keep: Sequence[str] = ()) -> pd.DataFrame:
    """Return accuracies of runs with their exact 95 % intervals: `keep`, the columns, "<column>_low", "<column>_high".

    counts: column of accuracies (0-1) -> the images it was measured on.
    """
    points = runs[[*keep, *counts]].copy()
    for column, count in counts.items():
        right = (points[column] * count).round().astype(int)
        points[f"{column}_low"], points[f"{column}_high"] = intervals.clopper_pearson(right, count)
    return points


def learning_curves(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return accuracy by epoch of several runs: run, epoch (from 1), images ("training" or "validation"), accuracy 0-1.

    histories: name -> history.csv of a run.
    """
    tables = []
    for name, history in histories.items():
        epoch = history["epoch"] + 1 - history["epoch"].min()
        for images, column in (("training", "accuracy"), ("validation", "val_accuracy")):
            if column in history:
                part = {"run": name, "epoch": epoch, "images": images, "accuracy": history[column]}
                tables.append(pd.DataFrame(part))
    return pd.concat(tables, ignore_index=True)


def curves_by_training_set(histories: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return learning_curves of the baselines by the set they are trained on, with columns model and trained on.

    histories: arm ("<model>-<training set>") -> history.csv.
    """
    curves = learning_curves(histories)
    curves["model"] = curves["run"].str.replace(TRAINED_ON, "", regex=True)
    curves["trained on"] = curves["run"].str.extract(TRAINED_ON)[0]
    return dict(list(curves.groupby("trained on")))


def mean_curves(histories: Iterable[tuple[str, pd.DataFrame]], value: str) -> pd.DataFrame:
    """Return a column of the histories by epoch, mean over the runs of an arm: arm, epoch (from 1), `value`.

    histories: (arm, history.csv) of each run.
    """
    history = pd.concat([table.assign(arm=arm) for arm, table in histories])
    history["epoch"] += 1 - history["epoch"].min()
    return history.groupby(["arm", "epoch"], sort=False)[value].mean().reset_index()


def continued_curves(first: pd.DataFrame, after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the history of one phase and of those that go on from its end, with a column run; epochs from 1.

    first: history.csv of the phase; after: name -> history.csv. Each curve starts at the last point of the phase.
    """
    begun = first.assign(run="cyclical phase")
    logs = [begun]
    for name, history in after.items():
        moved = history.assign(epoch=history["epoch"] + len(begun))
        logs.append(pd.concat([begun.tail(1), moved]).assign(run=name))
    return pd.concat(logs).assign(epoch=lambda rows: rows["epoch"] + 1)


def rate_curves(tested: pd.DataFrame) -> pd.DataFrame:
    """Return a learning-rate range test as curves: learning_rate, which ("loss", "smoothed_loss"), value.

    tested: of rate_range_test. Losses are cut at twice the first one, behind which nothing is to be seen.
    """
    rates = tested.melt(["learning_rate"], ["loss", "smoothed_loss"], var_name="which", value_name="value")
    return rates.assign(value=rates["value"].clip(upper=2 * tested["loss"].iloc[0]))


def mean_accuracies(
    runs: pd.DataFrame,
    by: Sequence[str],
    columns: Sequence[str] | Mapping[str, str],
    called: str = "images",
    order: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return means of columns of accuracies over the runs of a group, a row a group and column: `by`, called, accuracy.

    columns: as they are called in the chart too, or column -> how it is called there. Groups keep their order, or
    stand in `order`.
    """
    means = runs.groupby(list(by), sort=False)[list(columns)].mean()
    means = means if order is None else means.reindex(order)
    means = means.rename(columns=columns if isinstance(columns, Mapping) else {}).reset_index()
    return means.melt(list(by), var_name=called, value_name="accuracy")


def cost_rows(cost: pd.DataFrame, gpu: str) -> pd.DataFrame:
    """Return the hours of a training as bars: network, where, hours.

    cost: of models.training_cost_table; gpu: its GPU, in words.
    """
    names = {"hours_here": "this machine, from measured steps", "gpu_hours_estimated": gpu}
    return cost.rename(columns=names).melt("network", list(names.values()), var_name="where", value_name="hours")


def difference_rows(study: pd.DataFrame) -> pd.DataFrame:
    """Return the arms of a study's table whose difference has an interval, differences in percentage points."""
    columns = ["difference", "low", "high"]
    return in_points(study.dropna(subset=columns), columns)


def augmentation_bars(augmented: pd.DataFrame) -> pd.DataFrame:
    """Return the baselines with and without augmentation as bars: model, augmentation, images, accuracy, measured.

    augmented: of studies.augmentation_table. measured says which augmentation and on which images.
    """
    columns = {"train_accuracy": "training images", "cifar10_accuracy": "test images"}
    bars = mean_accuracies(augmented, ["model", "augmentation"], columns)
    return bars.assign(measured=bars["augmentation"] + ", " + bars["images"])


def mean_learning_curves(histories: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return learning_curves of runs of one arm, mean over the runs: images, epoch, accuracy."""
    curves = pd.concat([learning_curves({"run": history}) for history in histories])
    return curves.groupby(["images", "epoch"])["accuracy"].mean().reset_index()


def size_curve_rows(curve: pd.DataFrame) -> pd.DataFrame:
    """Return studies.size_curve with its sets in words: "trained on cifar10", "tested on cifar102"."""
    return curve.assign(train="trained on " + curve["train"], test="tested on " + curve["test"])
