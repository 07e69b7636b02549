"""The tables behind the charts of notebook 08: models with intervals, the fit and its band, ranks, estimates."""

from collections.abc import Collection, Mapping

import pandas as pd

from cifar102.analysis import lines

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


def published_family(model: str) -> str:
    """Return the family of one of CIFAR-10.1's published models, by the start of its name ("others" for the rest)."""
    return next((family for start, family in FAMILIES if model.startswith(start)), "others")


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
    name = line_name or f"fit on {axis} axes, {len(standard)} models, {level:.0%} band"
    return pd.concat([models, band.assign(kind="line", family=name)], ignore_index=True)


def beside(
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
    names = {"models": "interval over models", "images": "interval over images"}
    labels = slopes["axis"] + " axes, " + slopes["over"].map(names)
    return slopes.assign(label=labels)[["label", "slope", "low", "high", "source"]]
