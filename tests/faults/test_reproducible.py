"""The same inputs give the same bytes: wherever the repository lies, whatever the settings, side by side or not."""

from collections import Counter
from pathlib import Path

import pytest

from cifar102.workspace.files import hash_file
from tests.faults import demo_runs

pytestmark = pytest.mark.faults
ELSEWHERE = {
    "TZ": "Asia/Kolkata",
    "LC_ALL": "C",  # with the two below: text is ASCII wherever nobody says otherwise
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "77",
    "USER": "somebody",
    "COLUMNS": "40",
}


def test_a_clone_elsewhere_one_notebook_at_a_time_gives_the_same_bytes(
    unbroken: Path, tmp_path: Path, counts: Counter
) -> None:
    home = demo_runs.clone(tmp_path / "an other clone")
    demo_runs.run_to_end(("run", "demo", "--jobs", "1"), tmp_path / "log", home=home, changes=ELSEWHERE)
    other = home / "data" / "demo"
    wrong, compared = demo_runs.differences(unbroken, other)
    assert wrong == []
    sums = "built/release/SHA256SUMS"
    assert hash_file(unbroken / sums) == hash_file(other / sums)
    assert compared > 10_000_000
    counts["bytes_compared"] += compared


def test_the_comparison_sees_one_changed_byte(unbroken: Path, tmp_path: Path) -> None:
    """The tests that compare two workspaces can fail."""
    for number, name in enumerate(["results/quotas.csv", "built/release/manifest.parquet", "runs.parquet"]):
        ours, theirs = tmp_path / f"ours{number}", tmp_path / f"theirs{number}"
        for root in (ours, theirs):
            (root / name).parent.mkdir(parents=True)
            (root / name).write_bytes((unbroken / name).read_bytes())
        assert demo_runs.differences(ours, theirs) == ([], (unbroken / name).stat().st_size)
        content = bytearray((unbroken / name).read_bytes())
        content[len(content) // 2] ^= 1
        (theirs / name).write_bytes(content)
        try:
            wrong, _ = demo_runs.differences(ours, theirs)
        except Exception:  # a parquet file that cannot be read any more
            wrong = [name]
        assert wrong == [name]
