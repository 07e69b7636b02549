"""The lock of a workspace: one run at a time, given back by the system when its process ends, however it ends."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from cifar102.workspace import Workspace

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

FAR = 1 << 30  # where Windows locks its one byte, so that the holder's name in front of it stays readable


@contextlib.contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of a workspace; BlockingIOError names the process, the host and since when it is held."""
    workspace.root.mkdir(parents=True, exist_ok=True)
    path = workspace.root / ".lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            _lock(file)
        except OSError as error:
            raise BlockingIOError(f"another run works in {workspace.root}: {_holder(path)}") from error
        file.truncate(0)
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "host": platform.node(), "since": since}, file)
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            _unlock(file)


def _lock(file: IO) -> None:
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    file.seek(FAR)
    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def _unlock(file: IO) -> None:
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_UN)
        return
    file.seek(FAR)
    msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not write down its name"
