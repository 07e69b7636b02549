"""How many images of each keyword are wanted: keyword counts, and the two rules of CIFAR-10.1."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.cifar import CLASS_NAMES, check_labels, keyword_of
from cifar102.decisions.tables import classes_of_keywords, v4_exceptions
from cifar102.workspace.files import read_json

Counts = Mapping[str, Mapping[str, int]]
V4_IMAGES_PER_SEAT = 30


def check_keywords(counts: Counts) -> None:
    """Raise ValueError for a keyword in two classes that no decision covers, or an unknown class or bad count."""
    classes: dict[str, list[str]] = {}
    for class_name, keywords in counts.items():
        for keyword, count in keywords.items():
            classes.setdefault(keyword, []).append(class_name)
            if isinstance(count, bool) or not hasattr(count, "__index__") or count < 0:
                raise ValueError(f"{class_name}/{keyword}: expected a count of 0 or more, found {count!r}")
    decided = classes_of_keywords()
    for keyword, names in classes.items():
        if len(names) > 1 and not set(names) <= set(decided.get(keyword, ())):
            raise ValueError(
                f"keyword {keyword!r} stands in the classes {names}, and decisions/keywords_in_two_classes.csv does "
                "not allow it"
            )


def keyword_counts(filenames: Sequence[str], labels: np.ndarray) -> dict[str, dict[str, int]]:
    """Count keywords per class from CIFAR-10's own file names: class -> keyword -> count, most frequent first.

    filenames: n names `{keyword}_s_{number:06d}.png`; labels: integers 0-9 (n,).
    """
    labels = check_labels(labels, len(filenames), len(CLASS_NAMES))
    table = pd.DataFrame({"label": labels, "keyword": [keyword_of(name) for name in filenames]})
    counts: dict[str, dict[str, int]] = {}
    for label, keywords in table.groupby("label")["keyword"]:
        counts[CLASS_NAMES[label]] = dict(_by_count(keywords.value_counts().to_dict()))
    return counts


def counts_from_table(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Turn the table of notebook 01 (class_name, keyword, count) into class -> keyword -> count."""
    return {
        class_name: dict(zip(part["keyword"], part["count"].astype(int).tolist(), strict=True))
        for class_name, part in table.groupby("class_name")
    }


def counts_from_rows(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the images of each class and keyword of a table: class -> keyword -> count."""
    return counts_from_table(rows.groupby(["class_name", "keyword"]).size().rename("count").reset_index())


def allocate(
    counts: Counts, per_class: int = 200, top_k: int | None = 50, rule: str = "largest_remainder"
) -> dict[str, dict[str, int]]:
    """Turn class -> keyword -> count into class -> keyword -> images wanted, most wanted first, without zeros.

    rule "largest_remainder" (10.1's v6 and v7): the `top_k` keywords of a class share `per_class` seats in proportion;
    "v4": count / 30 rounded up, nothing below 15, with the exceptions of decisions/v4_exceptions.csv (per_class and
    top_k do not matter). A flat keyword -> count, as 10.1's v4 files have it, gives a flat result.
    Raises ValueError for a keyword in two classes without a decision, or a class without counts.
    Source: Recht et al. 2018, arXiv 1806.00451, and the files of https://github.com/modestyachts/CIFAR-10.1.
    """
    if counts and not any(isinstance(keywords, Mapping) for keywords in counts.values()):
        return allocate({"all": counts}, per_class, top_k, rule)["all"]
    check_keywords(counts)
    if rule == "v4":
        return {class_name: _v4(keywords) for class_name, keywords in counts.items()}
    if rule != "largest_remainder":
        raise ValueError(f"rule is 'largest_remainder' or 'v4', found {rule!r}")
    if per_class < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"per_class is 0 or more and top_k 1 or more, found {per_class} and {top_k}")
    quotas = {}
    for class_name, keywords in counts.items():
        top = dict(_by_count(keywords)[:top_k])
        if not sum(top.values()):
            raise ValueError(f"class {class_name!r} has no images to count: {dict(keywords)}")
        quotas[class_name] = {keyword: seats for keyword, seats in largest_remainder(top, per_class).items() if seats}
    return quotas


def largest_remainder(weights: Mapping[str, int], seats: int) -> dict[str, int]:
    """Share `seats` among keywords in proportion to their weights, which are not all 0.

    Ties go to the heavier weight, then to ASCII order, whatever the order of the mapping. The float64 order of
    operations is that of 10.1's files, where rounding decides some exact ties: seats * (weight / sum), floor, the
    largest rest first.
    """
    items = _by_count(weights)
    values = np.array([weight for _, weight in items], dtype=np.float64)
    shares = seats * (values / values.sum())
    quotas = np.floor(shares).astype(np.int64)
    order = np.argsort(-(shares - quotas), kind="stable")
    quotas[order[: seats - quotas.sum()]] += 1
    return {keyword: int(quota) for (keyword, _), quota in zip(items, quotas, strict=True)}


def compare(ours: Counts, theirs: Counts) -> pd.DataFrame:
    """Set two class -> keyword -> number tables side by side: columns class_name, keyword, ours, theirs, difference."""
    cells = {(c, k): None for table in (ours, theirs) for c, keywords in table.items() for k in keywords}
    rows = [(c, k, ours.get(c, {}).get(k, 0), theirs.get(c, {}).get(k, 0)) for c, k in cells]
    table = pd.DataFrame(rows, columns=["class_name", "keyword", "ours", "theirs"])
    return table.assign(difference=table["ours"] - table["theirs"])


def quotas_against_published(counts: Counts, folder: Path, version: str = "v7") -> pd.DataFrame:
    """Set counts and the quotas that follow from them (200 a class, 50 keywords) beside those of CIFAR-10.1.

    counts: class -> keyword -> count; folder: that of CIFAR-10.1, with other_data/. Returns class_name, keyword, count,
    count_published, seats, seats_published, seats_difference, by class, then by published seats.
    """
    other = Path(folder) / "other_data"
    names = {"ours": "count", "theirs": "count_published"}
    table = compare(counts, read_json(other / "cifar10_keyword_counts.json")).rename(columns=names)
    names = {"ours": "seats", "theirs": "seats_published", "difference": "seats_difference"}
    seats = compare(allocate(counts), read_json(other / f"keyword_counts_{version}.json")).rename(columns=names)
    keys = ["class_name", "keyword"]
    table = table.drop(columns="difference").merge(seats, on=keys, how="outer").fillna(0)
    table = table.astype({name: np.int64 for name in table.columns if name not in keys})
    order = ["class_name", "seats_published", "count", "keyword"]
    return table.sort_values(order, ascending=[True, False, False, True], ignore_index=True)


def seats_moved_per_class(table: pd.DataFrame) -> pd.DataFrame:
    """Sum the table of `against_published` up per class: keywords with a seat, images and seats that moved."""
    rows = []
    for class_name, part in table.groupby("class_name"):
        keywords = [int((part[name] > 0).sum()) for name in ("seats", "seats_published")]
        images = int((part["count"] - part["count_published"]).abs().sum() + 1) // 2
        rows.append((class_name, *keywords, images, int(part["seats_difference"].clip(lower=0).sum())))
    names = ["class_name", "keywords", "keywords_published", "images_moved", "seats_moved"]
    return pd.DataFrame(rows, columns=names)


def share_distance(ours: Counts, theirs: Counts) -> float:
    """Total variation distance of the keyword shares within a class, mean over the classes of `theirs`: 0 to 1."""
    distances = []
    for class_name, keywords in theirs.items():
        parts = [pd.Series(dict(side.get(class_name, {})), dtype=float) for side in (ours, {class_name: keywords})]
        shares = pd.concat([part / part.sum() for part in parts], axis=1).fillna(0.0)
        distances.append(float((shares[0] - shares[1]).abs().sum() / 2))
    return float(np.mean(distances))


def _v4(keywords: Mapping[str, int]) -> dict[str, int]:
    exceptions = v4_exceptions()
    wanted = {}
    for keyword, count in _by_count(keywords):
        rounded = 0 if count / V4_IMAGES_PER_SEAT < 0.5 else math.ceil(count / V4_IMAGES_PER_SEAT)
        wanted[keyword] = exceptions.get((keyword, int(count)), rounded)
    return {keyword: seats for keyword, seats in wanted.items() if seats}


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
