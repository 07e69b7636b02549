"""The decision tables that ship with the package, and their one reader; README.md in this folder describes each."""

from functools import cache
from pathlib import Path

import pandas as pd

from cifar102.workspace.files import read_table

FOLDER = Path(__file__).resolve().parent


@cache
def classes_of_keywords(path: Path = FOLDER / "keywords_in_two_classes.csv") -> dict[str, tuple[str, ...]]:
    """Return the keywords that may stand in several classes, the class that keeps a shared image first.

    path: a table with the columns keyword, classes (with semicolons between) and image_goes_to.
    """
    decided = {}
    for row in read_table(path, ("keyword", "classes", "image_goes_to")).itertuples():
        others = (name for name in row.classes.split(";") if name != row.image_goes_to)
        decided[row.keyword] = (row.image_goes_to, *others)
    return decided


@cache
def v4_exceptions() -> dict[tuple[str, int], int]:
    """Return the seats in CIFAR-10.1 v4 that its rule does not give: (keyword, count in CIFAR-10) -> seats."""
    table = read_table(FOLDER / "v4_exceptions.csv", ("keyword", "count", "wanted"))
    rows = zip(table["keyword"], table["count"], table["wanted"], strict=True)
    return {(keyword, int(count)): int(wanted) for keyword, count, wanted in rows}


def published_study(study: str) -> dict[str, float]:
    """Return arm -> published accuracy (0-1) of a study, from published_studies.csv; {} where none is stated."""
    table = read_table(FOLDER / "published_studies.csv", ("study", "arm", "published"))
    rows = table[table["study"] == study]
    return dict(zip(rows["arm"], rows["published"].astype(float), strict=True))


def published_baselines() -> pd.DataFrame:
    """What others report for the same or the nearest network: model, published (0-1), training_images, what, source."""
    return read_table(FOLDER / "published_baselines.csv", ("model", "published", "training_images", "what", "source"))


def published_claims() -> pd.DataFrame:
    """Return the claims of the published studies: study, claim, arm, reference, metric, expected, size and scale."""
    columns = ("study", "claim", "arm", "reference", "metric", "expected", "published_difference", "published_scale")
    return read_table(FOLDER / "published_claims.csv", columns)


def datasheet_template() -> str:
    """Return the datasheet of a release with its places to fill in, as `str.format_map` takes it."""
    return (FOLDER / "datasheet_template.md").read_text(encoding="utf-8")
