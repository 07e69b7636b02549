"""Goals: what data sets of other sizes would take from the images there are, and which keywords would run out."""

from collections.abc import Iterable

import pandas as pd

from cifar102.sampling import draws
from cifar102.sampling.quotas import Counts, allocate

COLUMNS = ("goal", "keywords", "keywords_short", "images_missing", "classes_short", "reachable")


def report(
    candidates: pd.DataFrame, counts: Counts, goals: Iterable[int], top_k: int = 50, blacklist: Iterable[int] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say for each goal (images in all, the same number a class) whether the candidates are enough.

    candidates: as for sampling.draw; counts: class -> keyword -> images in CIFAR-10. Returns one row a goal: the
    keywords with a quota, how many of them run out, the seats these pass on, the classes that cannot be filled, and the
    images that could be drawn with every class as large as the smallest; and one row a keyword that runs out: goal,
    class_name, keyword, wanted, available, missing. ValueError for a goal that the classes do not divide.
    """
    blacklist, rows, short = list(blacklist), [], []
    for goal in goals:
        if goal < 1 or goal % len(counts):
            raise ValueError(f"goal {goal}: expected a multiple of the {len(counts)} classes")
        quotas = allocate(counts, goal // len(counts), top_k)
        table = draws.availability(candidates, quotas, blacklist)
        missing = table[table["missing"] > 0]
        reach = table.groupby("class_name")["available"].sum().clip(upper=goal // len(counts))
        is_short = reach < goal // len(counts)
        seats = int(missing["missing"].sum())
        rows.append((goal, len(table), len(missing), seats, int(is_short.sum()), int(reach.min()) * len(counts)))
        short.append(missing.assign(goal=goal))
    detail = pd.concat(short, ignore_index=True)
    return pd.DataFrame(rows, columns=list(COLUMNS)), detail[["goal", *(name for name in detail if name != "goal")]]
