"""Locks on open files: one process at a time, given back by the system when the holder ends, however it ends."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

# Windows locks a range of bytes and hinders its readers: one byte, far behind what such a file holds. Its call takes a
# 32-bit position, so it cannot be farther.
FAR = 1 << 30
HELD_BY_ANOTHER = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


def take(handle: int, wait: bool = False) -> bool:
    """Take the lock of an open file (its descriptor); False where another holds it and `wait` is not set.

    With `wait` it blocks (on Windows for 10 seconds, then False). Raises OSError where the file system has no locks.
    """
    try:
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        raise
    return True


def give_back(handle: int) -> None:
    """Give the lock back before the file is closed, which would do it as well."""
    if fcntl:
        fcntl.flock(handle, fcntl.LOCK_UN)
    else:
        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)


@contextlib.contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made for it; TimeoutError names it where another keeps it longer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with path.open("a+b") as file:
        while not take(file.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: locked by another process for more than {seconds} seconds")
            time.sleep(0.02)
        yield  # closing the file gives the lock back
