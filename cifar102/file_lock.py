"""Locks on open files: one process at a time, given back by the system when the holder ends, however it ends."""

import errno
import os

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
