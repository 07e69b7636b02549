"""The lock of a workspace: one run at a time, given back by the system when its process ends, however it ends."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from cifar102.workspace import file_lock
from cifar102.workspace.files import remove_leftovers
from cifar102.workspace.folders import Workspace

NAME_SECONDS = 1.0  # a holder writes down its name at once after it has the lock


@contextlib.contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of a workspace; BlockingIOError names the process, the host and since when it is held.

    What killed writers left half-written under temporary names is removed first. OSError names the lock file where it
    cannot be written (a full disk, a read-only one), or is a link: writing through it would leave the workspace.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    path = workspace.root / ".lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        if not file_lock.take(handle):
            raise BlockingIOError(f"another run works in {workspace.root}: {_holder(path)}")
        _write_name(handle, path)
        remove_leftovers(workspace.root)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
            file_lock.give_back(handle)
    finally:
        os.close(handle)


def _write_name(handle: int, path: Path) -> None:
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    name = json.dumps({"pid": os.getpid(), "host": platform.node(), "since": since}).encode("ascii")
    try:
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, name)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _holder(path: Path) -> str:
    """Say who holds the lock; between taking it and writing down a name there is a moment, which is waited for."""
    deadline = time.monotonic() + NAME_SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            holder = json.loads(path.read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
        if time.monotonic() > deadline:
            return "a process that did not write down its name"
        time.sleep(0.05)
