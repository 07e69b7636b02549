"""The loop of CIFAR-10.1's authors: sample, look for near-duplicates, blacklist, sample again, until none is found."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.datasets import pools
from cifar102.dedup import pair_table, screening
from cifar102.sampling import cifar101, draws, quotas
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table, write_table
from cifar102.workspace.folders import Workspace

BLACKLIST = "blacklist.json"  # in built/: what notebook 04 leaves out
FOUND_COLUMNS = ("tiny_index", "class_name", "keyword", "round", "reference_set", "reference", "ssim", "score")


@dataclass(frozen=True)
class Check:
    """How a sample is checked: by which rule, from which of its scores on a pair is a duplicate, pairs per image.

    rule, threshold, mirrored, max_shift: of dedup.near_duplicates; threshold None: the rule's own. use_cifar10_train:
    whether a near-duplicate of a CIFAR-10 training image may stay.
    """

    rule: str = "registered"
    threshold: float | None = None
    mirrored: float = pair_table.MIRRORED
    shortlist: int = 50
    max_shift: int = 2
    use_cifar10_train: bool = False


@dataclass(frozen=True)
class Resampling:
    """The last sample, which the check found nothing in, and how it came about.

    blacklist: sorted tiny indices, those given before among them; found: FOUND_COLUMNS, what the check took out and
    the pair that was the reason; rounds: round, drawn, checked, found; short: class_name, keyword, wanted, available.
    """

    draw: draws.Draw
    blacklist: list[int]
    found: pd.DataFrame
    rounds: pd.DataFrame
    short: pd.DataFrame


def resample(
    eligible: pd.DataFrame,
    images: np.ndarray,
    references: Mapping[str, np.ndarray],
    wanted: quotas.Counts,
    seed: int,
    check: Check | None = None,
    strategy: str = "least_overlap",
    judge: Callable[[pd.DataFrame], pd.DataFrame] = lambda pairs: pairs,
    blacklist: Iterable[int] = (),
) -> Resampling:
    """Sample by quota, compare the sample with every reference set and with itself, blacklist, until it is clean.

    eligible: the rows that may be drawn, with candidate (row of `images`), tiny_index, keyword, class_name and
    perhaps group: near-duplicates known to be one group may stay together; of others the later one goes. references:
    set name -> uint8 (n, 32, 32, 3). judge: lets what people said of pairs count more than their score. Only images
    that no earlier round has seen are compared with the references. ValueError: a class has too few images left; the
    message lists the keywords that ran out.
    """
    check, given, seen, found, rounds = check or Check(), {int(index) for index in blacklist}, set(), [], []

    def look(chosen: pd.DataFrame) -> Iterable[int]:
        new = chosen[~chosen["tiny_index"].isin(seen)]
        tables = [*_against(new, images, references, check), _among(chosen, images, check)]
        pairs = judge(pd.concat(tables, ignore_index=True))
        bad = _reasons(pairs[pairs["verdict"] == "duplicate"], chosen).assign(round=len(rounds) + 1)
        seen.update(chosen["tiny_index"])
        found.append(bad)
        rounds.append({"round": len(rounds) + 1, "drawn": len(chosen), "checked": len(new), "found": len(bad)})
        print("round {round}: {drawn:,} drawn, {checked:,} new, {found:,} blacklisted".format(**rounds[-1]), flush=True)
        return bad["tiny_index"]

    try:
        draw, banned = draws.sample_checked(eligible, wanted, seed, look, given, strategy)
    except ValueError as error:
        banned = given.union(*(part["tiny_index"] for part in found))
        raise ValueError(f"{error}; {_listed(short_keywords(eligible, wanted, banned))}") from error
    table = pd.concat(found, ignore_index=True)[list(FOUND_COLUMNS)]
    return Resampling(draw, banned, table, pd.DataFrame(rounds), short_keywords(eligible, wanted, banned))


def short_keywords(eligible: pd.DataFrame, wanted: quotas.Counts, blacklist: Iterable[int]) -> pd.DataFrame:
    """List the keywords that have fewer images left than their quota, to look for more candidates under them."""
    table = draws.availability(eligible, wanted, blacklist)
    return table[table["missing"] > 0].drop(columns="missing").reset_index(drop=True)


def run_resampling(
    workspace: Workspace, parameters: Mapping[str, object], check: Check, blacklist: Iterable[int] = ()
) -> str:
    """Resample the screened candidates of a workspace as its notebook 04 draws them; return what came out as text.

    parameters: those of notebook 04. Leaves built/blacklist.json (10.1's form), which notebook 04 leaves out,
    results/blacklist.csv, resampling.csv and short_keywords.csv. Raises what `resample` and the readers raise.
    """
    images = arrays.open_npy(workspace.candidate_images)
    eligible = screening.drawable(screening.screen_workspace(workspace, len(images)), check.use_cifar10_train)
    sets = {name: part.images for name, part in pools.reference_sets(workspace).items()}
    verdicts = screening.read_pair_verdicts(workspace.pair_verdicts)
    indices = read_table(workspace.candidates, ("tiny_index",))["tiny_index"].to_numpy()
    names = [*screening.TEST_SETS, *([] if check.use_cifar10_train else [screening.TRAIN_SET])]
    per_class = parameters["train_per_class"] + parameters["test_per_class"]
    counts = quotas.counts_from_table(read_table(workspace.results / "keyword_counts.csv"))
    wanted = quotas.allocate(counts, per_class, parameters["top_keywords"])
    result = resample(
        eligible,
        images,
        {name: sets[name] for name in names if name in sets},
        wanted,
        parameters["seed"],
        check,
        parameters["strategy"],
        lambda pairs: screening.apply_pair_verdicts(pairs, verdicts, indices),
        blacklist,
    )
    write(workspace, result)
    return describe(result)


def write(workspace: Workspace, result: Resampling) -> Path:
    """Leave the blacklist and the three tables in the workspace; return the blacklist's path, which is written last."""
    write_table(workspace.results / "blacklist.csv", result.found)
    write_table(workspace.results / "resampling.csv", result.rounds)
    write_table(workspace.results / "short_keywords.csv", result.short)
    return cifar101.write_blacklist(workspace.built / BLACKLIST, result.blacklist)


def blacklist_of(workspace: Workspace) -> list[int]:
    """The indices that a workspace's resampling took out; none where there was no resampling."""
    path = workspace.built / BLACKLIST
    return cifar101.read_blacklist(path) if path.is_file() else []


def describe(result: Resampling) -> str:
    """Say how many rounds there were, what was blacklisted for which set, and which keywords ran out."""
    reasons = ", ".join(f"{count} for {name}" for name, count in result.found["reference_set"].value_counts().items())
    first = f"{len(result.draw.chosen):,} images; rounds: {len(result.rounds)}"
    return f"{first}; blacklisted: {len(result.blacklist)} ({reasons or 'none found'})\n{_listed(result.short)}"


def _listed(short: pd.DataFrame) -> str:
    lines = [f"  {row.class_name} {row.keyword}: {row.available} of {row.wanted}" for row in short.itertuples()]
    return "\n".join([f"{len(lines)} keywords ran out{', look for more candidates:' if lines else ''}", *lines])


def _scored(queries: np.ndarray, references: np.ndarray | None, check: Check) -> pd.DataFrame:
    limits = {"duplicate": check.threshold, "mirrored": check.mirrored, "max_shift": check.max_shift}
    return pair_table.near_duplicates(queries, references, check.shortlist, check.rule, **limits)


def _against(
    chosen: pd.DataFrame, images: np.ndarray, references: Mapping[str, np.ndarray], check: Check
) -> list[pd.DataFrame]:
    rows, tables = chosen["candidate"].to_numpy(), []
    for name, pixels in references.items() if len(rows) else ():
        pairs = _scored(images[rows], pixels, check)
        tables.append(pairs.assign(query=rows[pairs["query"]], reference_set=name))
    return tables


def _among(chosen: pd.DataFrame, images: np.ndarray, check: Check) -> pd.DataFrame:
    """Pairs inside the sample, the later image as the query, without those known to be of one group."""
    rows = chosen["candidate"].to_numpy()
    pairs = _scored(images[rows], None, check)
    ends = np.sort(pairs[["query", "reference"]].to_numpy(), axis=1)
    groups = chosen["group"].to_numpy() if "group" in chosen else np.arange(len(rows))
    is_known = (groups[ends[:, 0]] == groups[ends[:, 1]]) & (groups[ends[:, 0]] >= 0)
    pairs = pairs.assign(query=rows[ends[:, 1]], reference=rows[ends[:, 0]], reference_set="candidates")[~is_known]
    return pairs.drop_duplicates(["query", "reference"])


def _reasons(duplicates: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """One row an image that must go, with its most similar partner: the columns FOUND_COLUMNS but round."""
    names = chosen[["candidate", "tiny_index", "class_name", "keyword"]]
    table = duplicates.sort_values("score", ascending=False, kind="stable").drop_duplicates("query")
    table = table.astype({"query": np.int64}).merge(names, left_on="query", right_on="candidate")
    return table.sort_values("tiny_index")[[name for name in FOUND_COLUMNS if name != "round"]]
