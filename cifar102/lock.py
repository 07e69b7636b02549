"""The lock of a workspace: one run at a time, given back by the system when its process ends, however it ends."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from cifar102 import file_lock
from cifar102.workspace import Workspace


@contextlib.contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of a workspace; BlockingIOError names the process, the host and since when it is held."""
    workspace.root.mkdir(parents=True, exist_ok=True)
    path = workspace.root / ".lock"
    with path.open("a+", encoding="utf-8") as file:
        if not file_lock.take(file.fileno()):
            raise BlockingIOError(f"another run works in {workspace.root}: {_holder(path)}")
        file.truncate(0)
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "host": platform.node(), "since": since}, file)
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            file_lock.give_back(file.fileno())


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not write down its name"
