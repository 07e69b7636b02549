"""Whose a folder is: what shows that a workspace is ours, so that nothing of somebody else's is written over.

A workspace carries `.workspace.json`, which says that this project works in it, with which profile and on which pool.
Older ones are known by the pool that was made in them or by the record of a finished step.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from cifar102.workspace.files import read_json, refuse_link, write_json
from cifar102.workspace.folders import LAYOUT, Workspace

SIGN = ".workspace.json"
MAKING = ".making-pool.json"  # in raw/ while a pool is being made there, so that a killed run can go on
MADE_POOLS = ("demo", "cifar10")  # pools that this project makes; every other one is its user's
WRITTEN = (*(name for name in LAYOUT if name != "raw"), ".running", "report.html", "runs.parquet", SIGN)
# What may be in the folder of a pool of one's own before the first run, and what a system leaves in any folder.
SOURCES = ("raw", "labels")
IGNORED = (".lock", ".run.lock", ".DS_Store", "desktop.ini", "Thumbs.db", SIGN, ".running")


def check_workspace(workspace: Workspace) -> None:
    """Refuse a folder that is neither empty, nor a workspace of ours, nor the beginning of one (raw/ and labels/ only).

    Refuse one as well where what a run writes is a link. ValueError names the file that was found.
    """
    check_links(workspace)
    root = workspace.root
    if not root.is_dir() or is_ours(workspace):
        return
    found = sorted(path.name for path in root.iterdir() if path.name not in IGNORED)
    if any(name in found for name in SOURCES):
        found = [name for name in found if name in WRITTEN and name not in SOURCES and _holds_something(root / name)]
    if found:
        raise ValueError(
            f"{root}: holds {found[0]} and is no workspace of this project; expected a workspace, a new or empty "
            "folder, or one in which of all that a run writes only raw/ and labels/ are there"
        )


def _holds_something(path: Path) -> bool:
    return not path.is_dir() or any(path.iterdir())


def check_links(workspace: Workspace) -> None:
    """Refuse a workspace in which a file or folder that is written is a link; raw/ may be one, it is only read."""
    for name in WRITTEN:
        refuse_link(workspace.root / name)
        for path in _below(workspace.root / name):
            refuse_link(path)


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *names))


def is_ours(workspace: Workspace) -> bool:
    """Say whether this project has worked in a folder: by its sign, its made pool, or the record of a step."""
    if _content(workspace.root / SIGN).get("made_by") == "cifar102":
        return True
    if not workspace.raw.is_symlink() and (pool_of(workspace) or (workspace.raw / MAKING).is_file()):
        return True
    stamps = workspace.executed.glob("*.json")
    return any({"step", "source", "outputs"} <= _content(path).keys() for path in stamps)


def sign(workspace: Workspace, **facts: str) -> None:
    """Note in a workspace that it is ours, and what is known of it: profile, pool."""
    path = workspace.root / SIGN
    before = _content(path)
    content = {"made_by": "cifar102", **{name: before[name] for name in ("profile", "pool") if name in before}, **facts}
    if content != before:
        write_json(path, dict(sorted(content.items())))


def profile_of(workspace: Workspace) -> str:
    """Name the profile that a workspace was last run with; "" where that is not known."""
    return str(_content(workspace.root / SIGN).get("profile", ""))


def pool_of(workspace: Workspace) -> str:
    """Name the pool that raw/pool.json describes; "" where there is none."""
    return str(_content(workspace.raw / "pool.json").get("pool", ""))


def check_pool(workspace: Workspace, wanted: str) -> None:
    """Refuse to work with the pool `wanted` in a workspace of another one, or to make it where files of a user are."""
    raw, found = workspace.raw, pool_of(workspace)
    half_made = str(_content(raw / MAKING).get("pool", ""))
    if found:
        if found != wanted and {found, wanted} & {*MADE_POOLS}:
            raise ValueError(f"{raw}: holds the pool {found!r}, not {wanted!r}; take another workspace")
        return
    if wanted in MADE_POOLS:
        refuse_link(raw)
    entries = sorted(path for path in _below(raw) if path.is_symlink() or not path.is_dir())
    entries = [path for path in entries if path.name not in (MAKING, *IGNORED)]
    if half_made and half_made != wanted and entries:
        raise ValueError(f"{raw}: holds the pool {half_made!r}, half made, not {wanted!r}; take another workspace")
    if wanted not in MADE_POOLS:
        return
    if entries and not half_made:
        raise ValueError(
            f"{raw}: holds {entries[0].relative_to(raw).as_posix()} and no pool.json; the pool {wanted!r} is made only "
            "in an empty raw/, so take another workspace, or the profile full for a pool of your own"
        )
    for path in entries:
        refuse_link(path)


def begin_pool(workspace: Workspace, pool: str) -> None:
    """Note in raw/ that a pool is being made there."""
    write_json(workspace.raw / MAKING, {"pool": pool})


def end_pool(workspace: Workspace) -> None:
    """Take that note away again; nothing is removed behind a link."""
    if not workspace.raw.is_symlink():
        (workspace.raw / MAKING).unlink(missing_ok=True)


def _content(path: Path) -> dict:
    """The object in a small JSON file of ours; empty where the file is not there or holds anything else."""
    try:
        content = read_json(path) if path.is_file() and not path.is_symlink() else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
