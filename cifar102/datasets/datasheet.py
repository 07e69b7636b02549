"""The datasheet of a release, under the headings of Gebru et al. 2018 (arXiv 1803.09010), filled from the run."""

from collections.abc import Iterator, Mapping

import pandas as pd

from cifar102.cifar import CLASS_NAMES
from cifar102.decisions.tables import datasheet_template
from cifar102.workspace.files import plain

UNKNOWN = "not recorded in this run"


def render(manifest: pd.DataFrame, facts: Mapping[str, object]) -> str:
    """Fill the datasheet: counts come from the manifest, everything else from `facts` (flat or nested).

    A fact that the run did not give reads "not recorded in this run"; every fact that was given is listed at the end.
    """
    values = {name: _text(value) for name, value in _flat(facts)}
    pieces = {
        "title": values.get("name", "CIFAR-10.2 rebuild"),
        "splits": _splits(manifest),
        "classes": _classes(manifest),
        "duplicates": _duplicates(manifest),
        "facts": _table(["fact", "value"], sorted(values.items())) if values else f"(facts: {UNKNOWN})",
    }
    return datasheet_template().format_map(_Known(values | pieces))


class _Known(dict):
    """Facts by name, with a plain statement for those that the run did not give."""

    def __missing__(self, key: str) -> str:
        return UNKNOWN


def _flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: object) -> str:
    value = plain(value)
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(value).replace("|", "\\|").replace("\n", " ")


def _table(columns: list[str], rows: list[tuple]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _splits(manifest: pd.DataFrame) -> str:
    rows = []
    for split, part in manifest.groupby("split", sort=False):
        rows.append((split, len(part), part["keyword"].nunique(), int(part["in_cifar10_train"].sum())))
    return _table(["split", "images", "keywords", "near-duplicates of CIFAR-10 train"], rows)


def _classes(manifest: pd.DataFrame) -> str:
    counts = pd.crosstab(manifest["class_name"], manifest["split"])
    counts = counts.reindex(index=list(CLASS_NAMES), columns=list(manifest["split"].unique()), fill_value=0)
    rows = [(name, *(int(count) for count in row)) for name, row in zip(counts.index, counts.to_numpy(), strict=True)]
    return _table(["class", *counts.columns], rows)


def _duplicates(manifest: pd.DataFrame) -> str:
    drawn = manifest[(manifest["group"] >= 0) & manifest["split"].isin(["train", "test"])]
    sizes = drawn["group"].value_counts()
    sizes = sizes[sizes > 1]
    if sizes.empty:
        return "No two images of train and test are known to be near-duplicates of each other."
    return f"{sizes.sum()} images of train and test form {len(sizes)} groups of near-duplicates, each on one side."
