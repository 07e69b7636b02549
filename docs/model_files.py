"""Make docs/model_files.md: which model files open on which stack. Needs both: `python docs/model_files.py`.

Each stack writes every model of tests/models/corpus.py in both forms, and each opens all files of both.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cifar102.commands.benchmarks import other_stack
from cifar102.workflow import stamps
from cifar102.workspace.folders import REPOSITORY

PAGE = REPOSITORY / "docs" / "model_files.md"
STACKS = {"main": "Keras 2", "next": "Keras 3"}
EXACT = 1e-5  # of float32 outputs
HEAD = """\
# Model files that open

<!-- Made by `python docs/model_files.py` from the models of tests/models/corpus.py. -->

Whose `.keras` and `.h5` files open, and on which stack. Each of these models was written by Keras 2 (main) and by
Keras 3 (next) in both forms, and every file was opened by both stacks and compared with the outputs that the model had
where it was written. *Both* means that the outputs are the same within 1e-5 on both stacks. What is in no table of
layers and operations is refused by name ([security](../SECURITY.md)).

| model | Keras 2 `.keras` | Keras 2 `.h5` | Keras 3 `.keras` | Keras 3 `.h5` | its layers, as Keras 3 writes them |
|---|---|---|---|---|---|
"""


def asked(python: str | Path, *words: str | Path) -> str:
    """Run tests.models.corpus in one stack; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [str(python), "-W", "ignore", "-m", "tests.models.corpus", *map(str, words)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def measured() -> dict[tuple[str, str], dict[str, dict]]:
    """What each stack (second) found in the files of each (first)."""
    other = other_stack()
    if other is None:
        raise SystemExit("the other stack is not installed: python3 reproduce.py --stack next list (or main)")
    own = stamps.stack()
    pythons = {own: sys.executable, next(name for name in STACKS if name != own): other}
    with tempfile.TemporaryDirectory() as folder:
        for writer, python in pythons.items():
            Path(folder, writer).mkdir()
            asked(python, "write", Path(folder, writer))
        return {
            (writer, reader): json.loads(asked(python, "read", Path(folder, writer)).splitlines()[-1])
            for writer in STACKS
            for reader, python in pythons.items()
        }


def page(found: dict[tuple[str, str], dict[str, dict]]) -> str:
    """The whole page."""
    names = sorted({Path(name).stem for files in found.values() for name in files})
    lines = []
    for name in names:
        cells = [cell(found, writer, f"{name}{suffix}") for writer in STACKS for suffix in (".keras", ".h5")]
        layers = found["next", "next"][f"{name}.keras"]["layers"]
        lines.append(f"| {name} | {' | '.join(cells)} | {', '.join(layers)} |")
    return HEAD + "\n".join(lines) + "\n"


def cell(found: dict[tuple[str, str], dict[str, dict]], writer: str, name: str) -> str:
    """Where one file opens, and how near its outputs are where they are not the same."""
    said = []
    for reader in STACKS:
        distance = found[writer, reader].get(name, {}).get("distance")
        if distance is not None:
            said.append(reader if distance <= EXACT else f"{reader} (to {float(f'{distance:.0e}'):g})")
    return "both" if said == list(STACKS) else ", ".join(said) or "none"


if __name__ == "__main__":
    PAGE.write_text(page(measured()), encoding="utf-8")
    print(f"{PAGE} is written")
