"""The vote log of the raters, and who was accepted: tallies, yields and disagreements."""

from collections.abc import Container, Hashable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from cifar102.cifar import CLASS_NAMES
from cifar102.decisions.tables import classes_of_keywords
from cifar102.workspace import append_log, names
from cifar102.workspace.files import write_table

VERDICTS = ("yes", "no", "unsure")
WITHDRAWN = "withdrawn"  # takes the rater's verdict back, as if the image had not been judged
SETTLING = " (settling)"  # ends the rater's name of a verdict that was given with the differing ones in view
FIELDS = ("tiny_index", "keyword", "class", "rater", "verdict", "time")


class VoteLog:
    """The verdicts in one .jsonl file (docs/raters.md), an open-ended log several processes may append to.

    The current state is the last verdict per rater and image. Nothing is ever rewritten: a line that was torn by a
    kill stays in the file, is listed by `refused`, and the next vote begins on a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, *values: object, **fields: object) -> dict[str, object]:
        """Append one vote and return it as written; when this returns, the vote is on disk.

        Given as a mapping, by position (tiny_index, keyword, class, rater, verdict, time) or by name, where
        `class_name` stands for `class`. time: ISO 8601 UTC, now if left out. ValueError names a field that is wrong.
        """
        if len(values) > len(FIELDS):
            raise ValueError(f"a vote has the fields {list(FIELDS)}, found {len(values)} values")
        given = values[0] if values and isinstance(values[0], Mapping) else dict(zip(FIELDS, values, strict=False))
        return self.append_many([{**given, **fields}])[0]

    def append_many(self, votes: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
        """Append several votes with one write and one fsync; all are checked before the first is written."""
        checked = [check_vote(vote) for vote in votes]
        if checked:
            append_log.append(self.path, checked)
        return checked

    def table(self, all: bool = False) -> pd.DataFrame:
        """Return the last verdict per rater and image, sorted by tiny_index, class and rater.

        all: every vote instead, in the order of the file. Columns tiny_index (int64), keyword, class, rater, verdict,
        time. A file that does not exist is an empty log.
        """
        votes = vote_table([vote for _, vote, reason in append_log.read(self.path, check_vote) if not reason])
        return votes if all else current(votes)

    def refused(self) -> pd.DataFrame:
        """Return the lines that hold no vote: columns line (from 1), text, reason."""
        rows = [(number, text, reason) for number, text, reason in append_log.read(self.path, check_vote) if reason]
        return pd.DataFrame(rows, columns=["line", "text", "reason"])

    def ledger(self) -> append_log.Ledger:
        """Open the log for a page that stays open: the current votes, kept up, and writing that may be repeated."""
        return append_log.Ledger(self.path, check_vote, _question)


def check_vote(vote: Mapping[str, object]) -> dict[str, object]:
    """Return a vote with its six fields in order; ValueError says which field is missing, unknown or wrong."""
    if not isinstance(vote, Mapping):
        raise ValueError(f"a vote is an object with the fields {list(FIELDS)}, found {vote!r}")
    vote = {"class" if key == "class_name" else key: value for key, value in vote.items()}
    vote["time"] = vote.get("time") or append_log.now()
    if set(vote) != set(FIELDS):
        raise ValueError(f"a vote has the fields {list(FIELDS)}, found {sorted(map(str, vote))}")
    index = vote["tiny_index"]
    if isinstance(index, bool) or not hasattr(index, "__index__") or not 0 <= int(index) < 2**63:
        raise ValueError(f"vote: tiny_index is a whole number from 0 on, found {index!r}")
    for field in FIELDS[1:]:
        if not isinstance(vote[field], str) or not vote[field].strip():
            raise ValueError(f"vote on {index}: {field} is text, found {vote[field]!r}")
    for field, allowed in (("class", CLASS_NAMES), ("verdict", (*VERDICTS, WITHDRAWN))):
        if vote[field] not in allowed:
            raise ValueError(f"vote on {index}: {field} is one of {list(allowed)}, found {vote[field]!r}")
    for field in ("keyword", "rater"):
        names.check_seen(vote[field], f"vote on {index}: {field}")
    append_log.moment(vote["time"])
    return {field: int(index) if field == "tiny_index" else str(vote[field]) for field in FIELDS}


def check_candidate(vote: Mapping[str, object], candidates: Container[tuple[int, str, str]]) -> dict[str, object]:
    """Check a vote as check_vote does, and that its tiny_index, keyword and class name one of the candidates."""
    checked = check_vote(vote)
    if (checked["tiny_index"], checked["keyword"], checked["class"]) not in candidates:
        raise ValueError(f"image {checked['tiny_index']} is no candidate of {checked['class']}/{checked['keyword']}")
    return checked


def _question(vote: Mapping[str, object]) -> Hashable:
    """What a vote answers: one rater, one image, and the class where the keyword stands in two (see current)."""
    asked_as = vote["class"] if vote["keyword"] in classes_of_keywords() else ""
    return names.identity(vote["rater"]), vote["tiny_index"], asked_as


def vote_table(votes: list[Mapping[str, object]]) -> pd.DataFrame:
    """Make the vote table of checked votes, in the order given."""
    return pd.DataFrame(votes, columns=list(FIELDS)).astype({"tiny_index": "int64"} | dict.fromkeys(FIELDS[1:], object))


def current(votes: pd.DataFrame) -> pd.DataFrame:
    """Keep the last verdict per rater and image unless it takes the vote back, by tiny_index, class and rater.

    An image of a keyword that stands in two classes is asked about once per class, and both answers count. One person
    is one rater, however the name was typed: names that differ in case and blanks are one, written as it was first.
    """
    votes = one_spelling(votes)
    in_two = votes["keyword"].isin(classes_of_keywords())
    asked = votes.assign(question=votes["class"].where(in_two, ""))
    last = asked.drop_duplicates(["tiny_index", "question", "rater"], keep="last")
    last = last[last["verdict"] != WITHDRAWN]
    return last.sort_values(["tiny_index", "question", "rater"]).drop(columns="question").reset_index(drop=True)


def one_spelling(votes: pd.DataFrame) -> pd.DataFrame:
    """Give each rater the spelling of the name that comes first in the table."""
    spellings: dict[str, str] = {}
    for rater in votes["rater"].unique():
        spellings.setdefault(names.identity(rater), rater)
    return votes.assign(rater=votes["rater"].map(lambda rater: spellings[names.identity(rater)]).astype(object))


def is_one_rater(rater: str, other: str) -> bool:
    """Whether two names are one person's: case, blanks and Unicode's composed forms do not count."""
    return names.identity(rater) == names.identity(other)


def is_settling(votes: pd.DataFrame) -> pd.Series:
    """Which votes settle a disagreement: given with the others' in view, they say nothing about agreement."""
    return votes["rater"].map(settles).astype(bool)


def settles(rater: str) -> bool:
    """Whether this is the name under which somebody settles disagreements."""
    return names.identity(rater).endswith(SETTLING)


def write_votes_csv(path: Path, votes: pd.DataFrame) -> Path:
    """Write votes as plain CSV with the six columns, atomically."""
    return write_table(Path(path), votes[list(FIELDS)])


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


def accepted_images(
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


def yield_table(
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
