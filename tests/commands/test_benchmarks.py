"""The harness of the benchmarks: rows kept and checked, two processes asked in turn, a broken one told."""

import json
import sys

import pytest

from cifar102.commands import bench_worker, benchmarks

ROW = {"name": "a_vs_b", "ours": 1.0, "peer": 2.0, "unit": "s", "ratio": 2.0, "peer_name": "b"}
STUB = """
import json, sys
rates = iter({rates})
for line in sys.stdin:
    question = line.strip()
    if question == "die":
        sys.exit("Traceback\\nno such network")
    with open({log!r}, "a") as log:
        log.write({letter!r})
    print(json.dumps("stub" if question == "versions" else next(rates)), flush=True)
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A function that writes modules whose benchmarks() give these rows, and runs them."""
    monkeypatch.setattr(benchmarks, "measure_machine_apart", lambda: {"sgemm_gflops": 9.0, "memory_gb_per_s": 3.0})

    def run(**rows: list[dict]) -> list[dict]:
        folder = tmp_path / "benchmarks"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.py"):
            old.unlink()
        for name, values in rows.items():
            (folder / f"{name}.py").write_text(f"def benchmarks():\n    return {values!r}\n")
        return benchmarks.run(folder, tmp_path / "bench.json")

    return run


def test_rows_are_kept_after_each_module_and_those_of_earlier_runs_stay(modules, tmp_path, capsys):
    modules(first=[ROW, {**ROW, "name": "long"}])
    with pytest.raises(ValueError, match=r"second\.py: a benchmark row lacks \['unit'\]"):
        modules(first=[{**ROW, "ratio": 3.0}], second=[{key: ROW[key] for key in ROW if key != "unit"}])
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert [(row["name"], row["ratio"], row["sgemm_gflops"]) for row in kept] == [
        ("a_vs_b", 3.0, 9.0),
        ("long", 2.0, 9.0),
    ]
    assert all(row["measured"] for row in kept)
    assert "second.py (2 of 2)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no module there"):
        modules()


def stub(folder, letter: str, rates: list[float]):
    script = folder / f"{letter}.py"
    script.write_text(STUB.format(rates=rates, log=str(folder / "log"), letter=letter))
    return benchmarks.Worker(sys.executable, script)


def test_a_step_is_measured_in_turn_and_its_ratio_is_that_of_the_pairs(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_worker, "NETWORKS", {"resnet20": "short"})
    slowing = [100.0, 90.0, 80.0, 10.0, 60.0]
    with stub(tmp_path, "a", slowing) as ours, stub(tmp_path, "b", [rate / 4 for rate in slowing]) as peer:
        (row,) = benchmarks.step_rows("torch", ours, peer, peer.name)
    assert (row["name"], row["ours"], row["peer"], row["ratio"]) == ("step_short_vs_torch", 80.0, 20.0, 4.0)
    assert row["peer_name"].startswith("stub")
    assert (tmp_path / "log").read_text() == "ab" + "ab" + "ba" + "ab" + "ba" + "ab"  # versions, then five pairs


def test_a_worker_that_ends_is_told_with_its_last_words(tmp_path):
    with stub(tmp_path, "a", []) as worker:
        for _ in range(2):  # the second time its pipe is broken
            with pytest.raises(RuntimeError, match=r"a\.py ended with code 1 at 'die'; its last line: no such network"):
                worker.ask("die")


def test_a_worker_serves_the_rate_of_a_step_that_it_makes_once(tmp_path):
    script = tmp_path / "steps.py"
    script.write_text(
        "import time\nfrom cifar102.commands import bench_worker\n"
        "bench_worker.serve('it', lambda name: 7, lambda name: lambda: time.sleep(0.05))\n"
    )
    with benchmarks.Worker(sys.executable, script) as worker:
        assert (worker.name, worker.ask("parameters resnet20")) == ("it", 7)
        assert 0.3 * bench_worker.BATCH_SIZE / 0.05 < worker.ask("resnet20") <= bench_worker.BATCH_SIZE / 0.05
