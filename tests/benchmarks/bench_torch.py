"""A training step of ours against the same network in PyTorch, channels_last, on the same cores in one run.

PyTorch lives in .venv-bench, made here from requirements-bench.txt; where that cannot be, there are no rows.
"""

import sys
from pathlib import Path

from cifar102 import benchmarks as common

STEPS = ("cnn_four_conv", "resnet20", "wide_resnet")
ROW_NAMES = {"wide_resnet": "wrn16_4"}
HERE = Path(__file__).parent


def benchmarks() -> list[dict[str, object]]:
    """Rows {name, ours, peer, unit, ratio, peer_name}: images a second of a step, medians of turns."""
    python = common.bench_python()
    if python is None:
        return []
    scripts = ((sys.executable, HERE / "bench_stacks.py"), (python, HERE / "torch_peer" / "steps.py"))
    rows = []
    with common.Worker(*scripts[0]) as ours, common.Worker(*scripts[1]) as peer:
        for network in STEPS:
            counts = [side.ask(f"parameters {network}") for side in (ours, peer)]
            if counts[0] != counts[1]:
                raise ValueError(f"{network} has {counts[0]} parameters here and {counts[1]} in PyTorch")
            name = f"step_{ROW_NAMES.get(network, network)}_vs_torch"
            rows.append(common.in_turn(name, ours, peer, network, "images/s", f"{peer.name}, batches of 128"))
    return rows
