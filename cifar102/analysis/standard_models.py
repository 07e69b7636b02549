"""The standard models of a line: who they are, with the judged model left out, and one model beside their line.

The line says which accuracy on a new set an accuracy on the original one leads one to expect. A model that is judged by
it is not among those it is fitted to, whether it is there by its name or by its predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.analysis import accuracies, chart_tables, intervals, lines, model_pairs
from cifar102.analysis.published import read_published

AXIS = "logit"  # Taori et al. 2020 fit on logit axes
LEAST = 3  # models that make a line
PUBLISHED = "published models"
OWN = "this model"
LOWEST = 0.5  # the weakest published model has .82 on CIFAR-10: below this the images are others


@dataclass(frozen=True)
class StandardModels:
    """The models of a line, on the original and on one new set.

    name: what they are called in texts; accuracies: model, original, new (0-1), n_original, n_new (NaN where unknown);
    predictions: model -> class ids (n,) on the original and on the new set, labels: of the two sets; both empty where
    only accuracies are known. left_out: names of models that a judged one was found to be.
    """

    name: str
    accuracies: pd.DataFrame
    predictions: tuple[dict[str, np.ndarray], ...] = ()
    labels: tuple[np.ndarray, ...] = ()
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.accuracies)

    def __str__(self) -> str:
        return f"{len(self)} {self.name}"


@dataclass(frozen=True)
class BesideLine:
    """Where one model stands beside the line of the standard models on one new set.

    row: one row of lines.effective_robustness, with joint_low and joint_high (the line estimated too, on the same
    images; NaN without predictions), predicted_low, predicted_high (the line's band there, bootstrap over models),
    slope, r2, num_models, left_out, best_rank, worst_rank (of num_models + 1; NaN where no test can be made).
    chart: of chart_tables.line_chart, on AXIS. warning: of the fit.
    """

    row: pd.Series
    standard: StandardModels
    chart: pd.DataFrame = field(repr=False)
    warning: str = ""


def from_published(folder: Path, labels: Mapping[str, np.ndarray]) -> StandardModels:
    """Take CIFAR-10.1's published models as the standard.

    folder: CIFAR-10.1 with model_predictions/; labels: of "cifar10" and of one version, in this order. Raises
    FileNotFoundError where there are no predictions, ValueError where they are not of these images.
    """
    found = [read_published(folder, name) for name in labels]
    shared = [model for model in found[0] if model in found[1]]
    for (name, truth), ids in zip(labels.items(), found, strict=True):
        count = len(next(iter(ids.values())))
        if count != len(truth):
            raise ValueError(f"{name} here holds {len(truth)} images, and the published predictions are of {count}")
    said = tuple({model: ids[model] for model in shared} for ids in found)
    truths = tuple(labels.values())
    tables = [accuracies.accuracy_table(ids, truth) for ids, truth in zip(said, truths, strict=True)]
    if tables[0]["accuracy"].min() < LOWEST:
        raise ValueError("cifar10 here is not the published test set, by what the published models say of it")
    both = pd.DataFrame({"model": shared, "original": tables[0]["accuracy"], "new": tables[1]["accuracy"]})
    both = both.assign(n_original=len(truths[0]), n_new=len(truths[1]))
    return StandardModels(PUBLISHED, both, said, truths)


def from_table(table: pd.DataFrame, name: str) -> StandardModels:
    """Take models of which only accuracies are known: model, original, new (0-1), n_original, n_new (may be NaN)."""
    return StandardModels(name, table[["model", "original", "new", "n_original", "n_new"]].reset_index(drop=True))


def without(standard: StandardModels, model: str, said: tuple[np.ndarray, ...] = ()) -> StandardModels:
    """Return the standard models without the judged one: without its name, and without its predictions.

    said: its class ids on the original and on the new set. A model of the standard is the judged one where its name is
    the same or every prediction on both sets is.
    """
    names = {name for name in standard.accuracies["model"] if name.casefold() == model.casefold()}
    if said and standard.predictions:
        names |= {
            name
            for name in standard.predictions[0]
            if all(np.array_equal(ids[name], mine) for ids, mine in zip(standard.predictions, said, strict=True))
        }
    kept = standard.accuracies[~standard.accuracies["model"].isin(names)].reset_index(drop=True)
    said_by_others = tuple({name: ids[name] for name in kept["model"]} for ids in standard.predictions)
    return replace(standard, accuracies=kept, predictions=said_by_others, left_out=tuple(sorted(names)))


def beside_line(
    model: str, own: pd.DataFrame, standard: StandardModels, said: tuple[np.ndarray, ...] = (), level: float = 0.95
) -> BesideLine:
    """Put one model beside the line of the standard models, from which it is left out.

    own: two rows, the original and the new set, of accuracies.accuracy_table (correct, n, accuracy, low, high); said:
    its class ids on both sets, needed for paired ranks and for joint_low, joint_high. Raises ValueError where fewer
    than 3 standard models are left. Source: Taori et al. 2020 (arXiv 2007.00644).
    """
    standard = without(standard, model, said)
    shares = [standard.accuracies.set_index("model")[side] for side in ("original", "new")]
    if len(standard) < LEAST or shares[0].nunique() < 2:
        raise ValueError(f"a line needs {LEAST} standard models of different accuracy, found {standard}")
    fit = lines.fit_line(*shares, AXIS, level=level, resamples=0)
    mine = [pd.Series({model: own["accuracy"].iloc[side]}) for side in (0, 1)]
    sizes = {"n_original": int(own["n"].iloc[0]), "n_new": int(own["n"].iloc[1])}
    row = lines.effective_robustness(*mine, fit, level=level, **sizes).iloc[0]
    band = lines.band(*shares, AXIS, at=mine[0].to_numpy(), level=level).iloc[0]
    joint = (np.nan, np.nan)
    if said and standard.predictions:
        right = [ids == truth for ids, truth in zip(said, standard.labels, strict=True)]
        others = [
            accuracies.correctness(ids, truth).to_numpy()
            for ids, truth in zip(standard.predictions, standard.labels, strict=True)
        ]
        joint = lines.robustness_interval(right, others, AXIS, level=level)
    row["joint_low"], row["joint_high"] = joint
    row["predicted_low"], row["predicted_high"] = band["low"], band["high"]
    row["slope"], row["r2"], row["num_models"] = fit.slope, fit.r2, len(standard)
    row["left_out"] = " ".join(standard.left_out)
    row["best_rank"], row["worst_rank"] = _ranks(model, own, standard, said, level)
    return BesideLine(row, standard, _chart(own, standard, level), fit.warning)


def _ranks(
    model: str, own: pd.DataFrame, standard: StandardModels, said: tuple[np.ndarray, ...], level: float
) -> tuple[float, float]:
    """The ranks that the model can have on the new set among the standard models and itself."""
    if said and standard.predictions:
        pairs = model_pairs.against_others(OWN, {OWN: said[1], **standard.predictions[1]}, standard.labels[1], level)
    elif standard.accuracies["n_new"].notna().all():
        table = standard.accuracies[["model", "new", "n_new"]].set_axis(["model", "accuracy", "n"], axis=1)
        mine = pd.DataFrame({"model": [OWN], "accuracy": [own["accuracy"].iloc[1]], "n": [own["n"].iloc[1]]})
        pairs = model_pairs.unpaired_table(pd.concat([mine, table]), level, OWN)
    else:
        return np.nan, np.nan
    ranks = model_pairs.certain_ranks(pairs).set_index("model").loc[OWN]
    return float(ranks["best_rank"]), float(ranks["worst_rank"])


def _chart(own: pd.DataFrame, standard: StandardModels, level: float) -> pd.DataFrame:
    """The standard models with their line, and the judged one, which is drawn large."""
    tables = []
    for side, mine in (("original", own.iloc[[0]]), ("new", own.iloc[[1]])):
        table = standard.accuracies[["model", side, f"n_{side}"]].set_axis(["model", "accuracy", "n"], axis=1)
        low, high = share_limits(table["accuracy"], table["n"], level)
        table = table.assign(low=low, high=high)
        tables.append(pd.concat([table, mine.assign(model=OWN)[table.columns]], ignore_index=True))
    families = dict.fromkeys(standard.accuracies["model"], standard.name) | {OWN: OWN}
    return chart_tables.line_chart(*tables, AXIS, families=families, not_fitted=[OWN], level=level)


def share_limits(share: pd.Series, n: pd.Series, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return exact limits of accuracies (0-1) that were counted on n images each; NaN where n is."""
    low, high = np.full((2, len(share)), np.nan)
    known = n.notna().to_numpy()
    if known.any():
        counts = n[known].to_numpy().astype(int)
        right = np.rint(share[known].to_numpy() * counts).astype(int)
        low[known], high[known] = intervals.clopper_pearson(right, counts, level)
    return low, high
