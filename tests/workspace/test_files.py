"""One holder at a time, and none that outlives its process."""

import subprocess
import sys
from pathlib import Path

from cifar102.workspace import files

HOLD = """
import sys
from cifar102.workspace import files
file = open(sys.argv[1], "a+b")
print(files.take_lock(file.fileno()), flush=True)
sys.stdin.read()
"""


def test_a_second_handle_waits_until_the_first_gives_back(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a+b") as first, (tmp_path / "lock").open("a+b") as second:
        assert files.take_lock(first.fileno())
        assert not files.take_lock(second.fileno())
        files.give_lock_back(first.fileno())
        assert files.take_lock(second.fileno(), wait=True)


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "True\n"
        with path.open("a+b") as file:
            assert not files.take_lock(file.fileno())
            holder.kill()
            holder.wait()
            assert files.take_lock(file.fileno())
