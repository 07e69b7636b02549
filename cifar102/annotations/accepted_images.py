"""What raters said: the vote log, who was accepted and how well raters agree, and folders for labelling programs."""

import pandas as pd

from cifar102.annotations.kappa import agreement
from cifar102.annotations.labelimg import read_labelimg, write_labelimg
from cifar102.annotations.votes import VERDICTS, VoteLog, current, is_settling

__all__ = ["VoteLog", "agreement", "read_labelimg", "write_labelimg"]  # the names others call (README, "Functions")

MINIMUM_RATERS = 2
RULES = ("unanimous", "settled")
ACCEPTED_COLUMNS = (
    *("candidate", "tiny_index", "keyword", "class_name", "label", "filename"),
    *("num_raters", "num_yes", "selection_frequency"),
)


def tallies(votes: pd.DataFrame) -> pd.DataFrame:
    """Count the last verdicts per image, sorted by tiny_index.

    Returns columns tiny_index, keyword, class, num_raters, num_yes, num_no, num_unsure, selection_frequency: the share
    of raters who said yes, which the statistic-matching analysis needs (Engstrom et al. 2020, arXiv 2005.09619). Votes
    that settle a disagreement are not counted but in the last column, `settled`: what they say, "" where there is none
    or they differ.
    """
    votes = current(votes)
    settled = votes[is_settling(votes)].groupby(["tiny_index", "keyword", "class"])["verdict"]
    settled = settled.agg(lambda said: said.iloc[0] if len(set(said)) == 1 else "")
    votes = votes[~is_settling(votes)]
    keys = [votes["tiny_index"], votes["keyword"], votes["class"]]
    given = pd.DataFrame({f"num_{verdict}": (votes["verdict"] == verdict).astype("int64") for verdict in VERDICTS})
    counts = given.groupby(keys, sort=True).sum()
    counts.insert(0, "num_raters", counts.sum(axis=1).astype("int64"))
    counts = counts.assign(selection_frequency=counts["num_yes"] / counts["num_raters"])
    return counts.assign(settled=settled.reindex(counts.index).fillna("").astype(object)).reset_index()


def accepted(
    votes: pd.DataFrame, candidates: pd.DataFrame, minimum_raters: int = MINIMUM_RATERS, rule: str = "unanimous"
) -> pd.DataFrame:
    """Return the candidates that every rater who judged them takes for their class, if at least `minimum_raters` did.

    rule: "settled" also takes those on which the raters differ and a settling vote says yes.
    candidates: the table built/candidates.parquet in its row order. Returns the columns ACCEPTED_COLUMNS, where
    `candidate` is the row in `candidates`. ValueError where a vote is on an image that is no candidate of that class.
    """
    found = tallies(votes).rename(columns={"class": "class_name"})
    rows = candidates.reset_index(drop=True).rename_axis("candidate").reset_index()
    keys = ["tiny_index", "class_name"]
    table = found.drop(columns="keyword").merge(rows, on=keys, how="left", validate="one_to_one")
    if table["candidate"].isna().any():
        stray = table.loc[table["candidate"].isna(), keys].iloc[0].tolist()
        raise ValueError(f"votes: image {stray[0]} as {stray[1]!r} is no candidate; the log belongs to another pool")
    table = table[_is_accepted(table, minimum_raters, rule)]
    return table.sort_values("candidate")[list(ACCEPTED_COLUMNS)].astype({"candidate": "int64"}).reset_index(drop=True)


def _is_accepted(tally: pd.DataFrame, minimum_raters: int, rule: str) -> pd.Series:
    if rule not in RULES:
        raise ValueError(f"an image is accepted by one of the rules {RULES}, found {rule!r}")
    has_all = tally["num_yes"] == tally["num_raters"]
    differ = tally[[f"num_{verdict}" for verdict in VERDICTS]].max(axis=1) < tally["num_raters"]
    is_settled = differ & (tally["settled"] == "yes") & (rule == "settled")
    return (has_all | is_settled) & (tally["num_raters"] >= minimum_raters)


def yields(
    votes: pd.DataFrame,
    minimum_raters: int = MINIMUM_RATERS,
    by: tuple[str, ...] = ("class", "keyword"),
    rule: str = "unanimous",
) -> pd.DataFrame:
    """Count judged and accepted images per class and keyword: columns *by, num_judged, num_accepted, yield (0-1).

    An image counts as judged when at least `minimum_raters` gave a verdict on it.
    """
    tally = tallies(votes)
    tally = tally[tally["num_raters"] >= minimum_raters]
    given = tally.assign(is_accepted=_is_accepted(tally, minimum_raters, rule))
    grouped = given.groupby(list(by), sort=True)["is_accepted"]
    table = grouped.agg(num_judged="size", num_accepted="sum").reset_index().rename_axis(columns=None)
    return table.assign(**{"yield": table["num_accepted"] / table["num_judged"]})


def disagreements(votes: pd.DataFrame) -> pd.DataFrame:
    """Return the images whose raters differ: columns tiny_index, keyword, class and one a rater with the verdict.

    A settling vote neither makes a disagreement nor ends it; it is not shown here.
    """
    votes = current(votes[~is_settling(votes)])
    keys = ["tiny_index", "keyword", "class"]
    differ = votes[votes.groupby(keys)["verdict"].transform("nunique") > 1]
    table = differ.pivot_table(index=keys, columns="rater", values="verdict", aggfunc="first")
    return table.rename_axis(columns=None).reset_index()


def candidate_at(candidates: pd.DataFrame, tiny_index: int) -> pd.Series:
    """Return the candidate with a tiny_index, for browsing; its name is its row. ValueError if there is none."""
    rows = candidates.reset_index(drop=True)
    found = rows[rows["tiny_index"] == tiny_index]
    if found.empty:
        raise ValueError(f"no candidate has tiny_index {tiny_index}; there are {len(rows)}")
    return found.iloc[0].rename_axis(None)
