"""The table behind the chart of new against original accuracy: models with intervals, the fit and its band."""

from collections.abc import Collection, Mapping

import pandas as pd

from cifar102 import lines

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
    line_name: str = "",
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what accuracy_charts.original_against_new draws: a row a model, then the rows of the fit and its band.

    original, new: of accuracy_table, models in both are taken. families: model -> family, else by published_family.
    not_fitted: models shown beside the line of the others. The band is a 95 % bootstrap over models. Columns: kind,
    family, model, original, original_low, original_high, new, new_low, new_high; accuracies 0-1. Fewer than 3 fitted
    models: no line rows.
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
    fitted = models[~models["model"].isin(list(not_fitted))]
    if len(fitted) < 3 or fitted["original"].nunique() < 2:
        return models
    band = lines.band(fitted["original"], fitted["new"], axis, level=level, seed=seed)
    band = band.rename(columns={"low": "new_low", "high": "new_high"})[["original", "new", "new_low", "new_high"]]
    name = line_name or f"fit on {axis} axes, {len(fitted)} models, {level:.0%} band"
    return pd.concat([models, band.assign(kind="line", family=name)], ignore_index=True)
