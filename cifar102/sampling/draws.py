"""Which accepted images are taken: keyword-matched samples, uniform ones, and the split into train and test."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifar102.cifar import CLASS_NAMES
from cifar102.decisions.tables import classes_of_keywords
from cifar102.sampling.quotas import Counts, allocate, check_keywords, largest_remainder

STRATEGIES = ("least_overlap", "first_n")


@dataclass(frozen=True)
class Draw:
    """A sample: the chosen rows, sorted by tiny_index, and what keywords could not give.

    shortfalls: columns class_name, keyword, wanted, available, for each keyword that passed seats on.
    """

    chosen: pd.DataFrame
    shortfalls: pd.DataFrame


def sample(
    candidates: pd.DataFrame, quotas: Counts, seed: int, blacklist: Iterable[int] = (), strategy: str = "least_overlap"
) -> pd.DataFrame:
    """Draw a keyword-matched sample: the rows that `draw` chooses, with the columns of `candidates`."""
    return draw(candidates, quotas, seed, blacklist, strategy).chosen


def draw(
    candidates: pd.DataFrame, quotas: Counts, seed: int, blacklist: Iterable[int] = (), strategy: str = "least_overlap"
) -> Draw:
    """Draw per class and keyword as many rows as `quotas` (class -> keyword -> wanted) say.

    candidates: columns tiny_index, keyword, class_name (or label), and optionally in_cifar10_train (bool; such rows
    are taken last). blacklist: tiny indices that must not be drawn, those of a test set drawn before among them.
    strategy "least_overlap": at random, where a keyword that runs short passes its seats on to the other keywords of
    its class in proportion to their quotas; "first_n": the class's first rows by tiny_index, which is keyword by
    keyword in ASCII order and not keyword-matched: what a published build did, for comparison.
    The result depends on neither row nor dictionary order. ValueError: a class has too few images, an image or
    keyword stands in two classes without a decision.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy is one of {STRATEGIES}, found {strategy!r}")
    check_keywords(quotas)
    pool = prepare(candidates, blacklist, None if strategy == "first_n" else seed)
    table = _availability(pool, quotas)
    _check_classes(table, pool if strategy == "first_n" else None)
    if strategy == "first_n":
        wanted = table.groupby("class_name")["wanted"].sum()
        taken = pool[pool.groupby("_class").cumcount() < pool["_class"].map(wanted).fillna(0)]
    else:
        taken = _take(pool, _pass_on(table))
    short = table[table["missing"] > 0].drop(columns="missing").reset_index(drop=True)
    return Draw(_finish(taken, candidates), short if strategy == "least_overlap" else short.iloc[:0])


def availability(candidates: pd.DataFrame, quotas: Counts, blacklist: Iterable[int] = ()) -> pd.DataFrame:
    """Tell which keywords would run out, without drawing: class_name, keyword, wanted, available, missing."""
    check_keywords(quotas)
    return _availability(prepare(candidates, blacklist), quotas)


def sample_checked(
    candidates: pd.DataFrame,
    quotas: Counts,
    seed: int,
    check: Callable[[pd.DataFrame], Iterable[int]],
    blacklist: Iterable[int] = (),
    strategy: str = "least_overlap",
) -> tuple[Draw, list[int]]:
    """Sample, check, blacklist, and sample again until the check finds nothing.

    check: takes the chosen rows, returns the tiny indices that must go (near-duplicates, say). Returns the last draw
    and the whole blacklist, sorted. Every round blacklists at least one image, so it ends, at worst with the
    ValueError of a class that has too few images.
    """
    banned = {int(index) for index in blacklist}
    while True:
        found = draw(candidates, quotas, seed, banned, strategy)
        bad = {int(index) for index in check(found.chosen)} & set(found.chosen["tiny_index"])
        if not bad:
            return found, sorted(banned)
        banned |= bad


def draw_uniform(candidates: pd.DataFrame, per_class: int, seed: int, blacklist: Iterable[int] = ()) -> pd.DataFrame:
    """Draw `per_class` rows of each class in `candidates` uniformly, whatever their keywords, by tiny_index sorted.

    Rows that are in CIFAR-10's training set are taken last. ValueError names a class that has too few.
    """
    pool = prepare(candidates, blacklist, seed)
    classes = dict.fromkeys(pool["_class"].unique(), per_class)
    for class_name, available in pool["_class"].value_counts().items():
        if available < per_class:
            raise ValueError(f"class {class_name!r}: {per_class} images wanted, {available} available")
    return _finish(_first(pool, pool["_class"], classes), candidates)


def prepare(candidates: pd.DataFrame, blacklist: Iterable[int] = (), seed: int | None = None) -> pd.DataFrame:
    """Sort candidates by tiny_index and add _class, _overlap (is in CIFAR-10 train) and _rank, less the blacklist.

    _rank is the order in which rows are taken: random by `seed`, the one use of chance, or by tiny_index. It is given
    before the blacklist is taken out, so that to blacklist an image changes nothing but its replacement. An image
    accepted for both classes of a decided keyword stays in the class that the decision gives it to.
    """
    missing = [name for name in ("tiny_index", "keyword") if name not in candidates]
    if missing or not {"class_name", "label"} & set(candidates):
        raise ValueError(f"candidates need tiny_index, keyword and class_name or label; found {list(candidates)}")
    names = (
        candidates["class_name"]
        if "class_name" in candidates
        else candidates["label"].map(dict(enumerate(CLASS_NAMES)))
    )
    overlap = candidates["in_cifar10_train"].astype(bool) if "in_cifar10_train" in candidates else False
    pool = candidates.assign(_class=names, _overlap=overlap, _row=np.arange(len(candidates)))
    pool = _one_class_each(pool).sort_values("tiny_index").reset_index(drop=True)
    ranks = np.arange(len(pool)) if seed is None else np.random.default_rng(seed).permutation(len(pool))
    pool = pool.assign(_rank=ranks)
    return pool[~pool["tiny_index"].isin({int(index) for index in blacklist})].reset_index(drop=True)


def _one_class_each(pool: pd.DataFrame) -> pd.DataFrame:
    decided = classes_of_keywords()
    is_shared = pool["tiny_index"].duplicated(keep=False)
    shared = pool[is_shared]
    for (index, class_name), count in shared.groupby(["tiny_index", "_class"]).size().items():
        keyword = shared.loc[shared["tiny_index"] == index, "keyword"].iloc[0]
        if count > 1 or class_name not in decided.get(keyword, ()):
            raise ValueError(
                f"image {index} ({keyword}, {class_name}) stands in several rows, and no decision covers it"
            )
    first = {keyword: classes[0] for keyword, classes in decided.items()}
    return pool[~is_shared | (pool["_class"] == pool["keyword"].map(first))]


def _availability(pool: pd.DataFrame, quotas: Counts) -> pd.DataFrame:
    sizes = pool.groupby(["_class", "keyword"]).size().to_dict()
    cells = sorted((class_name, keyword) for class_name, keywords in quotas.items() for keyword in keywords)
    rows = [(c, k, int(quotas[c][k]), int(sizes.get((c, k), 0))) for c, k in cells]
    table = pd.DataFrame(rows, columns=["class_name", "keyword", "wanted", "available"])
    return table.assign(missing=(table["wanted"] - table["available"]).clip(lower=0))


def _check_classes(table: pd.DataFrame, pool: pd.DataFrame | None) -> None:
    """Raise for a class whose keywords of the quotas (or, with `pool`, all its images) are fewer than wanted."""
    found = table[table["wanted"] > 0].groupby("class_name")[["wanted", "available"]].sum()
    if pool is not None:
        found["available"] = pool["_class"].value_counts().reindex(found.index, fill_value=0)
    for class_name, wanted, available in found.itertuples():
        if available < wanted:
            raise ValueError(
                f"class {class_name!r}: {wanted} images wanted, {available} available in the keywords of its quotas"
            )


def _pass_on(table: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return the images to take per class and keyword, after short keywords passed their seats on.

    The seats of a class that its short keywords cannot fill are shared among the others by largest remainder, in
    proportion to their quotas, again and again until all are placed.
    """
    taken: dict[tuple[str, str], int] = {}
    for class_name, part in table[table["wanted"] > 0].groupby("class_name"):
        wanted = dict(zip(part["keyword"], part["wanted"], strict=True))
        available = dict(zip(part["keyword"], part["available"], strict=True))
        give = {keyword: min(wanted[keyword], available[keyword]) for keyword in wanted}
        while seats := sum(wanted.values()) - sum(give.values()):
            free = {keyword: wanted[keyword] for keyword in wanted if give[keyword] < available[keyword]}
            for keyword, more in largest_remainder(free, seats).items():
                give[keyword] = min(give[keyword] + more, available[keyword])
        taken |= {(class_name, keyword): count for keyword, count in give.items()}
    return taken


def _take(pool: pd.DataFrame, taken: Mapping[tuple[str, str], int]) -> pd.DataFrame:
    cells = pd.Series(list(zip(pool["_class"], pool["keyword"], strict=True)), index=pool.index, dtype=object)
    return _first(pool, cells, taken)


def _first(pool: pd.DataFrame, cells: pd.Series, counts: Mapping[object, int]) -> pd.DataFrame:
    """Take the first rows of each cell: those new to CIFAR-10's training set first, then by rank."""
    ordered = pool.assign(_cell=cells).sort_values(["_overlap", "_rank"])
    place = ordered.groupby("_cell").cumcount()
    return ordered[place < ordered["_cell"].map(counts).fillna(0).astype(int)]


def _finish(taken: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    chosen = candidates.iloc[taken["_row"].to_numpy()]
    return chosen.sort_values("tiny_index").reset_index(drop=True)


GOAL_COLUMNS = ("goal", "keywords", "keywords_short", "images_missing", "classes_short", "reachable")


def goals_report(
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
        table = availability(candidates, quotas, blacklist)
        missing = table[table["missing"] > 0]
        reach = table.groupby("class_name")["available"].sum().clip(upper=goal // len(counts))
        is_short = reach < goal // len(counts)
        seats = int(missing["missing"].sum())
        rows.append((goal, len(table), len(missing), seats, int(is_short.sum()), int(reach.min()) * len(counts)))
        short.append(missing.assign(goal=goal))
    detail = pd.concat(short, ignore_index=True)
    return pd.DataFrame(rows, columns=list(GOAL_COLUMNS)), detail[
        ["goal", *(name for name in detail if name != "goal")]
    ]
