"""Tables as charts draw them: rows with labels, in percent or points; the fit and its band, ranks, estimates."""

from collections.abc import Collection, Mapping

import pandas as pd

from cifar102.analysis import lines
from cifar102.analysis.gaps import POOLED

GAP_ROW = ["label", "gap", "low", "high", "source"]
OF_REFERENCE = "-cifar10-10k"  # ends the arm of a network that was trained on the reference
FAMILIES = (
    ("random_features", "random features"),
    ("alexnet", "early networks"),
    ("cudaconvnet", "early networks"),
    ("vgg", "VGG"),
    ("resnext", "ResNeXt"),
    ("resnet", "ResNet"),
    ("wide_resnet", "wide ResNet"),
    ("wrn", "wide ResNet"),
    ("densenet", "DenseNet"),
    ("pyramidnet", "PyramidNet"),
    ("shake", "shake-shake, shake-drop"),
)


def stack_tables(parts: Mapping[str, pd.DataFrame], column: str) -> pd.DataFrame:
    """Return tables of one form below each other, with the name of each in `column`, which comes last."""
    return pd.concat([part.assign(**{column: name}) for name, part in parts.items()], ignore_index=True)


def in_points(table: pd.DataFrame, columns: Collection[str] = ("gap", "low", "high")) -> pd.DataFrame:
    """Return the table with these columns, differences of accuracies (0-1), in percentage points."""
    return table.assign(**{name: 100 * table[name] for name in columns})


def line_chart(
    original: pd.DataFrame,
    new: pd.DataFrame,
    axis: str = "probit",
    *,
    families: Mapping[str, str] | None = None,
    not_fitted: Collection[str] = (),
    fitted: bool = True,
    line_name: str = "",
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what accuracy_charts.original_against_new draws: a row a model, then the rows of the fit and its band.

    original, new: of accuracy_table, models in both are taken. families: model -> family, else by published_family.
    not_fitted: models shown beside the line of the others; fitted=False: no line at all. The band is a 95 % bootstrap
    over models. Columns: kind, family, model, original, original_low, original_high, new, new_low, new_high;
    accuracies 0-1. Fewer than 3 fitted models: no line rows.
    """
    both = original.merge(new, on="model", suffixes=("", "_new"), validate="one_to_one")
    models = pd.DataFrame(
        {
            "kind": "model",
            "family": [(families or {}).get(model, published_family(model)) for model in both["model"]],
            "model": both["model"],
            "original": both["accuracy"],
            "original_low": both["low"],
            "original_high": both["high"],
            "new": both["accuracy_new"],
            "new_low": both["low_new"],
            "new_high": both["high_new"],
        }
    ).sort_values("family", kind="stable", ignore_index=True)
    standard = models[~models["model"].isin(list(not_fitted))]
    if not fitted or len(standard) < 3 or standard["original"].nunique() < 2:
        return models
    band = lines.band(standard["original"], standard["new"], axis, level=level, seed=seed)
    band = band.rename(columns={"low": "new_low", "high": "new_high"})[["original", "new", "new_low", "new_high"]]
    name = line_name or f"fit on {axis} axes, {len(standard)} models, {100 * level:g}% band"
    return pd.concat([models, band.assign(kind="line", family=name)], ignore_index=True)


def beside_published(
    published: pd.DataFrame, own: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], name: str = "published models"
) -> pd.DataFrame:
    """Return line_chart's rows of the published models in one family called `name`, with other models beside them.

    published: of line_chart; own: family -> accuracy tables on the original and on the new set. The own models are
    shown and not fitted.
    """
    parts = [published.assign(family=published["family"].where(published["kind"] == "line", name))]
    for family, (original, new) in own.items():
        parts.append(line_chart(original, new, families=dict.fromkeys(original["model"], family), fitted=False))
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values("kind", key=lambda kind: kind == "line", kind="stable", ignore_index=True)


def published_family(model: str) -> str:
    """Return the family of one of CIFAR-10.1's published models, by the start of its name ("others" for the rest)."""
    return next((family for start, family in FAMILIES if model.startswith(start)), "others")


def rank_rows(certain: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return a row a model for interval_rows: label, value (its rank), low and high (the ranks it can have).

    certain: of model_pairs.certain_ranks; accuracy: of accuracy_table on the same set. Best first.
    """
    ranks = accuracy.set_index("model")["accuracy"].rank(ascending=False, method="min")
    rows = certain.assign(value=certain["model"].map(ranks))
    rows = rows.rename(columns={"model": "label", "best_rank": "low", "worst_rank": "high"})
    return rows.sort_values("value", kind="stable", ignore_index=True)[["label", "value", "low", "high"]]


def estimate_points(models: pd.DataFrame) -> pd.DataFrame:
    """Return the models of an AgreementLine as points: model, estimate ("ALine-S", "ALine-D"), predicted, new."""
    parts = [
        pd.DataFrame({"model": models["model"], "estimate": name, "predicted": models[column], "new": models["new"]})
        for name, column in (("ALine-S", "aline_s"), ("ALine-D", "aline_d"))
    ]
    parts.append(parts[0].assign(estimate="no change: accuracy on the original set", predicted=models["original"]))
    return pd.concat(parts, ignore_index=True)


def slope_rows(slopes: pd.DataFrame) -> pd.DataFrame:
    """Return rows of gaps.placebo_slope, with a column source, as interval_rows takes them: label, slope ...

    An interval over so few models that placebo_slope warns of it is left out.
    """
    slopes = slopes[~slopes["warning"].str.contains("too narrow")]
    labels = slopes["axis"] + " axes, interval over " + slopes["over"]
    return slopes.assign(label=labels)[["label", "slope", "low", "high", "source"]]


def own_gap_rows(gaps: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return a row a gap of a run's own models for interval_rows: label, gap, low, high (points), source.

    gaps: of placebo_gap to several new sets. Shown are the mean over the models on every new set, and each model on
    the images left over.
    """
    drawn = gaps[(gaps["model"] == POOLED) | (gaps["new_set"] == "cifar102-leftover")]
    label = drawn["model"].str.removesuffix(OF_REFERENCE) + ": CIFAR-10 to " + drawn["new_set"]
    return in_points(drawn.assign(label=label, source=source))[GAP_ROW].reset_index(drop=True)


def published_gap_rows(
    models: pd.DataFrame, mean: pd.DataFrame, version: str, source: str, joint: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the smallest, the middle and the largest gap of the published models and their mean, as own_gap_rows.

    models: of accuracies.gap_table; mean: of placebo_gap over the same models, its last row is drawn; joint: of
    joint_bootstrap, whose interval over models and images at once the mean then has.
    """
    some = models.sort_values("gap", ignore_index=True).iloc[[0, len(models) // 2, -1]]
    last = mean.iloc[[-1]].assign(model=f"mean of {len(models)} models")
    if joint is not None:
        last = last.assign(**joint[joint["statistic"] == "mean gap"].iloc[0][["low", "high"]])
    rows = pd.concat([some, last], ignore_index=True)
    return in_points(rows.assign(label=rows["model"] + f": to {version}", source=source))[GAP_ROW]


def class_gap_rows(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return gaps.class_gaps as gap_bars takes them: label (the class), gap, low, high in points."""
    return in_points(gaps.rename(columns={"class_name": "label"}))[["label", "gap", "low", "high"]]


def keyword_points(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return keyword_mixture.keyword_pairs with the area of each point, by the keyword's images in the new set."""
    return pairs.assign(area=4 + 0.6 * pairs["n_new"].clip(upper=200))


def copy_gap_rows(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row a gap with or without copies for interval_rows: label, gap, low, high (points), source.

    parts: source -> rows of single_images.gap_without_copies_table.
    """
    rows = stack_tables(parts, "source")
    return in_points(rows.assign(label=rows["model"] + ", " + rows["subset"]))[GAP_ROW]


def set_matrix_cells(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return a set matrix with what stands in its cells: text (accuracy and interval, in percent), percent."""
    limits = matrix[["accuracy", "low", "high"]].to_numpy()
    text = [f"{100 * accuracy:.1f}\n[{100 * low:.1f}, {100 * high:.1f}]" for accuracy, low, high in limits]
    return matrix.assign(text=text, percent=100 * matrix["accuracy"])


def split_rows(terms: pd.DataFrame) -> pd.DataFrame:
    """Return the terms of a HarderOrDifferent for interval_rows: label, value, low, high in points."""
    rows = terms.assign(label=terms["term"].str.replace("_", " "))
    return in_points(rows, ("value", "low", "high"))[["label", "value", "low", "high"]]


def robustness_rows(robustness: pd.DataFrame) -> pd.DataFrame:
    """Return lines.effective_robustness for interval_rows, best first: label, value, low, high in points."""
    rows = robustness.sort_values("effective_robustness", ascending=False).rename(columns={"model": "label"})
    rows = in_points(rows.assign(value=rows["effective_robustness"]), ("value", "low", "high"))
    return rows[["label", "value", "low", "high"]]


def drop_rows(terms: pd.DataFrame) -> pd.DataFrame:
    """Return the terms of gaps.decompose for interval_rows: label, value, low, high (points), whose.

    terms: with a column whose. Of the models of a run ("<model>, seed <k>") those of seed 0 are shown.
    """
    first = [not name.rpartition("seed ")[1] or name.endswith("seed 0") for name in terms["model"]]
    rows = terms[first].assign(label=terms["model"] + ": " + terms["term"])
    return in_points(rows, ("value", "low", "high"))[["label", "value", "low", "high", "whose"]]


def confusion_cells(confusion: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies.confusion_difference with the difference in percentage points as column points."""
    return confusion.assign(points=100 * confusion["difference"])


def power_curves(curve: pd.DataFrame) -> pd.DataFrame:
    """Return intervals.power_curve as it is drawn: the gap in points, a label for the accuracy of each curve."""
    return curve.assign(gap=100 * curve["gap"], label="accuracy " + curve["accuracy"].map("{:.0%}".format))
