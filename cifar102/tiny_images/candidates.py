"""Candidates: which keyword belongs to which class, and the Tiny Images records of these keywords."""

import numpy as np
import pandas as pd

from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.decisions.tables import classes_of_keywords
from cifar102.tiny_images.pair import TinyImages


def keyword_table(sets: list[ImageSet]) -> pd.DataFrame:
    """Count the keywords of each class in the file names of CIFAR-10's own images.

    Returns keyword, class_name, label, count, by class, then by descending count, then by keyword (ASCII). A keyword
    with images in two classes stands there twice; `decide` leaves one.
    """
    table = pd.DataFrame(
        {
            "keyword": np.concatenate([images.keywords for images in sets]),
            "label": np.concatenate([images.labels for images in sets]),
        }
    )
    counts = table.value_counts(["keyword", "label"]).rename("count").reset_index()
    counts["class_name"] = np.array(CLASS_NAMES)[counts["label"]]
    counts = counts.sort_values(["label", "count", "keyword"], ascending=[True, False, True], ignore_index=True)
    return counts[["keyword", "class_name", "label", "count"]]


def decide_keywords(keywords: pd.DataFrame) -> pd.DataFrame:
    """Keep one class for each keyword that stands in two: the one that the decision table gives its images to.

    Raises ValueError naming the keywords that stand in two classes and are not decided.
    """
    decided = {keyword: classes[0] for keyword, classes in classes_of_keywords().items()}
    twice = keywords["keyword"].duplicated(keep=False)
    undecided = sorted(set(keywords.loc[twice, "keyword"]) - decided.keys())
    if undecided:
        raise ValueError(
            f"keywords {undecided} stand in two classes; decisions/keywords_in_two_classes.csv decides none of them"
        )
    keep = ~twice | (keywords["keyword"].map(decided) == keywords["class_name"])
    return keywords[keep].reset_index(drop=True)


def extract_candidates(tiny: TinyImages, keywords: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find every Tiny Images record of the given keywords.

    keywords: one row a keyword with keyword, class_name, label. Returns candidates (tiny_index, keyword, class_name,
    label, filename) by tiny_index, and the keywords that no record has.
    """
    ranges, missing = [], []
    for row in keywords.itertuples():
        try:
            ranges.append((row, tiny.keyword_range(row.keyword)))
        except KeyError:
            missing.append(row.keyword)
    tables = [
        pd.DataFrame({"tiny_index": list(r), "keyword": row.keyword, "class_name": row.class_name, "label": row.label})
        for row, r in sorted(ranges, key=lambda pair: pair[1].start)
    ]
    if not tables:
        raise ValueError(f"none of the {len(keywords)} keywords has a record in this Tiny Images pair")
    candidates = pd.concat(tables, ignore_index=True).astype({"tiny_index": np.int64, "label": np.int64})
    names = tiny.metadata(candidates["tiny_index"].to_numpy(), columns=("filename",))
    candidates["filename"] = names["filename"].to_numpy()
    return candidates, keywords[keywords["keyword"].isin(missing)].reset_index(drop=True)


def unreached_images(truth: pd.DataFrame, keywords: pd.DataFrame) -> pd.DataFrame:
    """Count, per class, the images whose own keyword is not one of their class: no candidate search can find them.

    truth: images of known class with keyword and true_label (-1 outside the ten classes). Returns class_name, images,
    unreached.
    """
    known = truth[truth["true_label"] >= 0]
    listed = set(zip(keywords["keyword"], keywords["label"], strict=True))
    is_lost = [pair not in listed for pair in zip(known["keyword"], known["true_label"], strict=True)]
    counts = [np.bincount(known["true_label"][rows], minlength=10) for rows in (slice(None), np.array(is_lost))]
    return pd.DataFrame({"class_name": CLASS_NAMES, "images": counts[0], "unreached": counts[1]})
