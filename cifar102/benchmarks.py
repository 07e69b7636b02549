"""The benchmarks: each row a measure of ours beside that of a peer, taken in one run on one machine."""

import importlib.util
import os
from pathlib import Path

import pandas as pd

from cifar102.workspace import REPOSITORY, write_json

KEYS = ("name", "ours", "peer", "unit", "ratio", "peer_name")


def run(folder: Path, long: bool = False) -> list[dict]:
    """Call `benchmarks()` of each module in `folder`, and `long_benchmarks()` where asked, printing rows as they come.

    Returns rows of name, ours, peer, unit, ratio (above 1 where ours is better), peer_name. ValueError names a module
    whose row lacks one of them, or the folder where it holds no benchmark.
    """
    rows: list[dict] = []
    for path in sorted(folder.glob("*.py")):
        module = _load(path)
        for function in ("benchmarks", "long_benchmarks")[: 2 if long else 1]:
            for row in getattr(module, function, list)():
                missing = [key for key in KEYS if key not in row]
                if missing:
                    raise ValueError(f"{path}: a benchmark row lacks {missing}: {row}")
                rows.append(row)
                print(f"{row['name']:40} {row['ratio']:8.2f} x {row['peer_name']}", flush=True)
    if not rows:
        raise ValueError(f"{folder}: no module there has benchmarks() that gives a row")
    return rows


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(rows: list[dict], path: Path) -> Path:
    """Print all rows as one table and write them to `path` atomically."""
    print(pd.DataFrame(rows)[list(KEYS)].to_string(index=False))
    return write_json(path, rows)


def other_stack() -> Path | None:
    """The Python of the stack that does not run this, in its environment as reproduce.py makes it; None without one.

    CIFAR102_OTHER_PYTHON names another one.
    """
    from cifar102.keras_files import STACK

    if named := os.environ.get("CIFAR102_OTHER_PYTHON"):
        return Path(named)
    folder = REPOSITORY / {"main": ".venv-next", "next": ".venv"}[STACK]
    places = (folder / "bin" / "python", folder / "Scripts" / "python.exe")
    return next((path for path in places if path.is_file()), None)
