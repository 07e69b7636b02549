"""The answering side of a benchmark process: rates of training steps, asked for by name. The standard library only.

So it also runs in .venv-bench, where only PyTorch and numpy are; `benchmarks.Worker` is the asking side.
"""

import json
import sys
import time
from collections.abc import Callable

BATCH_SIZE = 128
SECONDS = 1.5  # a measurement, and two steps at least
NETWORKS = {"cnn_four_conv": "cnn_four_conv", "resnet20": "resnet20", "wide_resnet": "wrn16_4"}  # name -> in row names


def rate(call: Callable[[], object], seconds: float = SECONDS, batch_size: int = BATCH_SIZE) -> float:
    """Images a second of a call that handles one batch, over about `seconds` and two calls at least."""
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds or count < 2:
        call()
        count += 1
    return count * batch_size / (time.perf_counter() - started)


def serve(
    versions: str, num_parameters: Callable[[str], int], training_step: Callable[[str], Callable[[], object]]
) -> None:
    """Answer each line on stdin with one of JSON: `versions`, `parameters NAME`, or a name with its images a second.

    training_step: gives the step of a network; it is made, and run three times, when another name was asked before.
    """
    step, current = None, ""
    for line in sys.stdin:
        question, _, network = line.strip().partition(" ")
        if question == "versions":
            answer: object = versions
        elif question == "parameters":
            answer = num_parameters(network)
        else:
            if question != current:
                step, current = training_step(question), question
                for _ in range(3):
                    step()
            answer = rate(step)
        print(json.dumps(answer), flush=True)
