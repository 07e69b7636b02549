"""One holder at a time, and none that outlives its process."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cifar102.workspace import append_log, files

HOLD = """
import sys
from pathlib import Path
from cifar102.workspace import files
with files.locked(Path(sys.argv[1]), 1):
    print(True, flush=True)
    sys.stdin.read()
"""


def take(path: Path) -> None:
    with files.locked(path, 0):
        pass


def test_a_second_holder_waits_until_the_first_gives_back(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", []

    def wait() -> None:
        with files.locked(path, 30):
            order.append("second")

    with files.locked(path, 1):
        with pytest.raises(TimeoutError, match="lock: locked by another process for more than 0 seconds"):
            take(path)
        second = threading.Thread(target=wait)
        second.start()
        second.join(0.2)
        order.append("first")
    second.join(30)
    assert order == ["first", "second"]


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "True\n"
        with pytest.raises(TimeoutError):
            take(path)
        holder.kill()
        holder.wait()
        take(path)


def test_a_log_that_another_process_holds_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_log, "LOCK_SECONDS", 0)
    path = tmp_path / "log.jsonl"
    append_log.append(path, [{"number": 1}])
    with files.locked(tmp_path / ".log.jsonl.lock", 1), pytest.raises(TimeoutError, match="another process holds the"):
        append_log.append(path, [{"number": 2}])
    append_log.append(path, [{"number": 3}])
    assert path.read_text() == '{"number": 1}\n{"number": 3}\n'
