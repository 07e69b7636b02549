"""A set without its copies of another one: which rows go out and why, and the cleaned set on disk.

Priorities: the first set wins and stays as it is. Of the second set every image goes out that hangs together with an
image of the first by exact copies or near-duplicates, directly or through other images of the second, so that no group
stands on both sides. Within one set the first row of a group stays; exact copies with different labels all go out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.cifar import ImageSet
from cifar102.dedup import pair_table
from cifar102.dedup.pair_union import score_column
from cifar102.workspace import arrays
from cifar102.workspace.files import hash_file, read_json, refuse_link, replacing, write_array, write_json, write_table

RECORD, TABLE = "cleaning.json", "dropped.csv"
MADE_BY = "cifar102 duplicates --write-clean"
COPY, CONFLICT, NEAR, GROUP = "copy", "copy with another label", "near-duplicate", "in the group of a copy"
REASONS = (COPY, CONFLICT, NEAR, GROUP)
COLUMNS = ["set", "row", "label", "reason", "partner_set", "partner_row", "partner_label", "score"]
PRIORITY = {
    True: "the first row of each group stays; exact copies with different labels all go out",
    False: "the first set stays as it is; the second loses its copies, and groups are kept on one side",
}


@dataclass(frozen=True)
class Cleaned:
    """What was written: the file of the cleaned set, the rows that went out (COLUMNS), and how many images stayed."""

    path: Path
    dropped: pd.DataFrame
    kept: int
    priority: str

    def __str__(self) -> str:
        counts = self.dropped["reason"].value_counts()
        reasons = ", ".join(f"{counts[reason]:,} {reason}" for reason in REASONS if reason in counts) or "none"
        lines = [f"  cleaned: {len(self.dropped):,} images out ({reasons}), {self.kept:,} kept: {self.path}"]
        lines.append(f"  priority: {self.priority}; {self.path.parent / TABLE} says of each why")
        return "\n".join(lines + ["  no image is left"] * (not self.kept))


def edges(exact: pd.DataFrame, near: pd.DataFrame, starts: dict[str, int]) -> pd.DataFrame:
    """Lay exact copies and near-duplicates out as one list of links: query, reference, score, kind.

    exact: group, set, row, is_label_conflict; near: query_set, query, reference_set, reference, verdict and a score.
    starts: set -> number of its first image, so that rows of all sets are numbered together. Copies have score NaN.
    """
    members = exact.assign(number=exact["row"] + exact["set"].map(starts)).sort_values(["group", "number"])
    first = members.groupby("group")["number"].transform("first")
    kind = members["is_label_conflict"].map({True: CONFLICT, False: COPY})
    same = pd.DataFrame({"query": members["number"], "reference": first, "score": np.nan, "kind": kind})
    duplicates = near[near["verdict"] == "duplicate"]
    ends = {side: duplicates[side] + duplicates[f"{side}_set"].map(starts) for side in ("query", "reference")}
    alike = pd.DataFrame({**ends, "score": duplicates[score_column(near)], "kind": NEAR})
    links = pd.concat([part for part in (same[same["query"] != same["reference"]], alike) if len(part)] or [alike])
    return links.astype({"query": np.int64, "reference": np.int64}).reset_index(drop=True)


def dropped_rows(sets: dict[str, ImageSet], exact: pd.DataFrame, near: pd.DataFrame) -> pd.DataFrame:
    """Say which images of the last set go out, why, and which partner they have: COLUMNS, by row.

    sets: one set, or the one that stays and the one that is cleaned. exact: exact_table of the sets; near: the pair
    table with query_set and reference_set, with the pairs inside the cleaned set too.
    """
    names, is_within = list(sets), len(sets) == 1
    sizes = [len(images) for images in sets.values()]
    starts = dict(zip(names, np.cumsum([0, *sizes]).tolist(), strict=False))
    links = edges(exact, near, starts)
    group = pair_table.components(links, sum(sizes))
    numbers = np.arange(starts[names[-1]], sum(sizes))
    if is_within:
        firsts = np.unique(group, return_index=True)[1]
        conflicts = exact.loc[exact["is_label_conflict"], "row"]
        out = numbers[(firsts[group] != numbers) | np.isin(numbers, conflicts)]
    else:
        out = numbers[np.isin(group[numbers], group[: starts[names[-1]]])]
    return _reasons(out, links, sets, starts, group, is_within)


def _reasons(
    out: np.ndarray,
    links: pd.DataFrame,
    sets: dict[str, ImageSet],
    starts: dict[str, int],
    group: np.ndarray,
    is_within: bool,
) -> pd.DataFrame:
    """The table of what goes out: of each image its strongest link with a set that stays, else with its own group."""
    both = pd.concat([links, links.rename(columns={"query": "reference", "reference": "query"})], ignore_index=True)
    both = both[np.isin(both["query"], out)]
    cleaned = starts[list(sets)[-1]]
    stays = both["reference"] < cleaned if not is_within else ~np.isin(both["reference"], out)
    both = both.assign(stays=stays, rank=both["kind"].map(REASONS.index))
    order = ["query", "stays", "rank", "score", "reference"]
    best = both.sort_values(order, ascending=[True, False, True, False, True]).drop_duplicates("query")
    indirect = ~best["stays"] & (best["kind"] != CONFLICT)
    best = best.assign(reason=best["kind"].mask(indirect, GROUP))
    place = np.searchsorted(list(starts.values()), best["reference"], side="right") - 1
    partner_set = np.array(list(sets), dtype=object)[place]
    labels = np.concatenate([images.labels for images in sets.values()])
    table = {"set": list(sets)[-1], "row": best["query"] - cleaned, "label": labels[best["query"]]}
    table |= {"reason": best["reason"], "partner_set": partner_set}
    table |= {"partner_row": best["reference"] - np.array(list(starts.values()))[place]}
    table |= {"partner_label": labels[best["reference"]], "score": best["score"]}
    return pd.DataFrame(table, columns=COLUMNS).reset_index(drop=True)


def check_folder(folder: Path, sources: tuple[Path, ...] = ()) -> None:
    """ValueError where a cleaned set may not be written: a link, a file, somebody's files, inside one of the sets."""
    folder = Path(folder)
    refuse_link(folder)
    for source in sources:
        if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
            raise ValueError(f"{folder}: lies in the set {source}, into which nothing is written; name another folder")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file, expected a new folder for the cleaned set")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    record = read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    if not isinstance(record, dict) or record.get("made_by") != MADE_BY:
        raise ValueError(f"{folder}: holds files that `duplicates --write-clean` did not make; name a new folder")


def write(folder: Path, sets: dict[str, ImageSet], dropped: pd.DataFrame, source: Path | None = None) -> Cleaned:
    """Write the last set without the dropped rows, the table of these, and a record with hashes into `folder`.

    source: the file that the set was read from. An .npz keeps its own arrays, an .npy stays one; any other set becomes
    an .npz with images, labels (where there are some) and filenames (where there are some). Each file is written whole
    or not at all, and the record says `complete` when all are there. ValueError as check_folder raises it.
    """
    folder, name = Path(folder), list(sets)[-1]
    check_folder(folder)
    keep = np.setdiff1d(np.arange(len(sets[name])), dropped["row"])
    suffix = ".npy" if source is not None and source.suffix == ".npy" else ".npz"
    path = folder / f"clean{suffix}"
    record = {"made_by": MADE_BY, "complete": False, "sets": {key: len(value) for key, value in sets.items()}}
    write_json(folder / RECORD, record)
    other = folder / ("clean.npz" if suffix == ".npy" else "clean.npy")
    if other.is_file() and not other.is_symlink():
        other.unlink()  # of an earlier call on a set of another form
    if suffix == ".npy":
        write_array(path, sets[name].images[keep])
    else:
        _write_npz(path, _columns(sets[name], source), keep, len(sets[name]))
    write_table(folder / TABLE, dropped)
    priority = PRIORITY[len(sets) == 1]
    record |= {"complete": True, "cleaned": name, "kept": len(keep), "dropped": len(dropped), "priority": priority}
    record["sha256"] = {place.name: hash_file(place) for place in (path, folder / TABLE)}
    write_json(folder / RECORD, record)
    return Cleaned(path, dropped, len(keep), priority)


def _columns(images: ImageSet, source: Path | None) -> dict[str, np.ndarray]:
    """The arrays of a cleaned .npz before rows go out: those of the file it came from, else what the set holds."""
    if source is not None and source.suffix == ".npz":
        entry = arrays.read_npz(source)
        return {key: value for key, value in entry.items() if isinstance(value, np.ndarray)}
    found = {"images": images.images}
    found |= {"labels": images.labels} if len(images) and images.labels.max() >= 0 else {}
    found |= {"filenames": np.array(images.filenames)} if images.filenames else {}
    extra = {key: getattr(images, key) for key in ("fine_labels", "coarse_labels", "groups", "votes")}
    return found | {key: value for key, value in extra.items() if value is not None}


def _write_npz(path: Path, columns: dict[str, np.ndarray], keep: np.ndarray, count: int) -> None:
    """Write arrays with the rows of `keep`; one that has no row for each image (label_names) stays as it is."""
    images = next(key for key, value in columns.items() if value.ndim == 4)
    has_rows = {key: key == images or (value.ndim > 0 and len(value) == count) for key, value in columns.items()}
    kept = {key: value[keep] if has_rows[key] else value for key, value in columns.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **kept)
