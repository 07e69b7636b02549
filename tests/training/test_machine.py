"""What is told of the machine: which precision trains fastest on it, and which kernels TensorFlow takes."""

import os
import subprocess
import sys

import pytest

from cifar102.training import machine
from cifar102.workspace.folders import REPOSITORY

BF16 = "flags : fpu avx512f avx512_bf16"


@pytest.mark.parametrize(
    ("gpus", "flags", "expected"),
    [
        ([], BF16, "mixed_bfloat16"),
        ([], "flags : fpu avx512f", "float32"),
        ([], None, "float32"),
        ([(8, 0)], "flags : fpu", "mixed_bfloat16"),
        ([(7, 5)], BF16, "float32"),
        ([(9, 0), (7, 0)], BF16, "float32"),
        ([None], BF16, "float32"),
    ],
)
def test_the_fast_precision_is_that_of_the_gpus_else_of_the_processor(gpus, flags, expected, monkeypatch, tmp_path):
    details = {f"GPU:{k}": {"compute_capability": found} if found else {} for k, found in enumerate(gpus)}
    monkeypatch.setattr(machine.tf.config, "list_physical_devices", lambda kind: list(details))
    monkeypatch.setattr(machine.tf.config.experimental, "get_device_details", details.get)
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags, encoding="utf-8")
    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / "cpuinfo")
    assert machine.fast_precision() == expected


@pytest.mark.parametrize(("own", "expected"), [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_onednn_is_on_before_tensorflow_can_be_imported_unless_the_user_says_no(own, expected):
    kept = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    code = "import cifar102, os, sys; print(os.environ['TF_ENABLE_ONEDNN_OPTS'], 'tensorflow' in sys.modules)"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env={**kept, **own}, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected, "False"]
