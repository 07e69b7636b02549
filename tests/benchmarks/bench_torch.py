"""A training step of ours against the same network in PyTorch, channels_last, on the same cores in one run.

PyTorch lives in .venv-bench, made here from requirements-bench.txt; where that cannot be, there are no rows.
"""

import sys
from pathlib import Path

from cifar102.commands import bench_worker, environments
from cifar102.commands import benchmarks as common

HERE = Path(__file__).parent


def benchmarks() -> list[dict[str, object]]:
    """Rows {name, ours, peer, unit, ratio, peer_name}: images a second of a step, medians of turns."""
    python = environments.make("bench")
    if python is None:
        return []
    scripts = ((sys.executable, HERE / "bench_stacks.py"), (python, HERE / "torch_peer" / "steps.py"))
    with common.Worker(*scripts[0]) as ours, common.Worker(*scripts[1]) as peer:
        for network in bench_worker.NETWORKS:
            counts = [side.ask(f"parameters {network}") for side in (ours, peer)]
            if counts[0] != counts[1]:
                raise ValueError(f"{network} has {counts[0]} parameters here and {counts[1]} in PyTorch")
        return common.step_rows("torch", ours, peer, peer.name)
