"""Stamps: what a finished step was made from, written as its very last act, and why a step is not up to date.

doit's own records are not used for this: they are lost when the process is killed, and they look at modification times
of sources, not at what the sources say.
"""

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cifar102.workflow import notebooks
from cifar102.workflow.notebooks import PACKAGE
from cifar102.workflow.steps import PLACES, SHARED, Step, expand, feeds
from cifar102.workspace.files import hash_file, plain, read_json, write_json
from cifar102.workspace.folders import Workspace

VERSIONS_OF = (
    *("tensorflow", "tensorflow-addons", "keras", "numpy", "pandas", "scikit-image", "papermill"),
    *("scipy", "scikit-learn", "statsmodels", "numba", "pillow", "pyarrow", "matplotlib", "seaborn"),
)
TABLES = ("modules", "parameters", "inputs", "outputs", "versions")
LARGE = 2 << 30  # bytes; a user's own tiny_images.bin has 227 GiB, which no check reads through
SAMPLES = 64


def path_of(step: Step, workspace: Workspace) -> Path:
    return workspace.executed / f"{step.name}.json"


def read(step: Step, workspace: Workspace) -> dict | None:
    """Read the stamp of a step; None where it has not finished here, or where the file is not a stamp."""
    return _stamp_in(path_of(step, workspace))


def _stamp_in(path: Path) -> dict | None:
    try:
        stamp = read_json(path) if path.is_file() else None
    except ValueError:
        return None
    if not isinstance(stamp, dict) or "source" not in stamp:
        return None
    if not all(isinstance(stamp.get(key), dict) for key in TABLES):
        return None
    files = (*stamp["inputs"].values(), *stamp["outputs"].values())
    return stamp if all(isinstance(file, dict) and isinstance(file.get("sha256"), str) for file in files) else None


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; above 2 GiB of its size and of 64 blocks of 64 KiB, evenly spread from first to last."""
    size = path.stat().st_size
    if size <= LARGE:
        return hash_file(path)
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for index in range(SAMPLES):
            file.seek((size - (1 << 16)) * index // (SAMPLES - 1))
            digest.update(file.read(1 << 16))
    return f"sampled-{digest.hexdigest()}"


def hash_files(workspace: Workspace, paths: Iterable[str], known: dict[str, dict]) -> dict[str, dict]:
    """Describe files: path -> {sha256, size, mtime_ns}; one of the size and time in `known` is not read again."""
    described = {}
    for path in paths:
        status = (workspace.root / path).stat()
        before = known.get(path, {})
        same = (before.get("size"), before.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)
        digest = before["sha256"] if same else fingerprint(workspace.root / path)
        described[path] = {"sha256": digest, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    return described


def known_files(workspace: Workspace) -> dict[str, dict]:
    """Gather the file descriptions of all stamps in a workspace, the newest stamp's last."""
    known: dict[str, dict] = {}
    for path in sorted(workspace.executed.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        if stamp := _stamp_in(path):
            known |= {**stamp["inputs"], **stamp["outputs"]}
    return known


def begin(step: Step, workspace: Workspace) -> dict:
    """Describe what a step is about to be made from, and take its old stamp away, because it is true no longer.

    FileNotFoundError names the first file the step takes that is not there.
    """
    for pattern in step.files.takes:
        if not expand(workspace, [pattern]):
            raise FileNotFoundError(f"{step.name} takes {pattern}, but there is none in {workspace.root}")
    path_of(step, workspace).unlink(missing_ok=True)
    return {
        "step": step.name,
        **_made_from(step),
        "inputs": hash_files(workspace, _inputs(step, workspace), {}),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def end(step: Step, workspace: Workspace, stamp: dict, seconds: float) -> dict:
    """Write the stamp of a step that has just finished; ValueError names a file it should have left and did not."""
    for pattern in step.files.leaves:
        if not expand(workspace, [pattern]):
            raise ValueError(f"{step.name} ended without leaving {pattern} in {workspace.root}")
    stamp = {
        **stamp,
        "outputs": hash_files(workspace, _outputs(step, workspace), {}),
        "seconds": round(seconds, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "cpus": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    write_json(path_of(step, workspace), stamp)
    return stamp


@cache
def versions() -> dict[str, str]:
    """Name the versions of Python and of the packages that decide the results."""
    found = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def stack() -> str:
    """Name the stack that is installed here: "main" with Keras 2, "next" with Keras 3."""
    return "main" if versions()["keras"].startswith("2.") else "next"


def _made_from(step: Step) -> dict:
    parameters = {key: plain(value) for key, value in sorted(step.parameters.items()) if key not in PLACES}
    if step.notebook is None:
        tree, source = notebooks.parse(f"from {PACKAGE.name}.workflow import report", PACKAGE), ""
    else:
        tree, source = notebooks.code_of(step.notebook), notebooks.hash_notebook(step.notebook)
    return {"source": source, "modules": notebooks.hash_modules(tree, PACKAGE), "parameters": parameters}


def _inputs(step: Step, workspace: Workspace) -> list[str]:
    return expand(workspace, (*step.files.takes, *step.files.may_take))


def _outputs(step: Step, workspace: Workspace) -> list[str]:
    return [path for path in expand(workspace, step.files.leaves) if not feeds([path], SHARED)]


def stale_reasons(step: Step, workspace: Workspace, verify: bool = False) -> list[str]:
    """Say why a step must run: empty where notebook, code, parameters, packages, inputs and outputs are as they were.

    verify: also read the files whose size and time are as they were.
    """
    stamp = read(step, workspace)
    if stamp is None:
        return ["it has not finished in this workspace"]
    now, known = _made_from(step), known_files(workspace)
    reasons = [] if now["source"] == stamp["source"] else ["the notebook changed"]
    reasons += _differences("module", stamp["modules"], now["modules"])
    for name in sorted({*stamp["parameters"], *now["parameters"]}):
        before, after = stamp["parameters"].get(name, "its default"), now["parameters"].get(name, "its default")
        reasons += [] if before == after else [f"parameter {name} changed from {before} to {after}"]
    reasons += _changed_versions(stamp["versions"], versions())
    known |= {**stamp["inputs"], **stamp["outputs"]}
    for kind, paths in (("input", _inputs(step, workspace)), ("output", _outputs(step, workspace))):
        after = hash_files(workspace, paths, {} if verify else known)
        found = _differences(kind, _digests(stamp[f"{kind}s"]), _digests(after))
        unseen = {f"{kind} {path} changed" for path in _unseen(stamp[f"{kind}s"], after)}
        reasons += [f"{text}, though its size and time did not" if text in unseen else text for text in found]
    return reasons + _missing(step, workspace)


def _digests(described: dict[str, dict]) -> dict[str, str]:
    return {path: entry["sha256"] for path, entry in described.items()}


def _unseen(before: dict[str, dict], after: dict[str, dict]) -> list[str]:
    """Name the files of which the content changed and size and time did not."""
    both = [(path, before[path], after[path]) for path in sorted(before.keys() & after.keys())]
    return [path for path, old, new in both if old["sha256"] != new["sha256"] and _looks(old) == _looks(new)]


def _looks(entry: dict) -> tuple[object, object]:
    return entry.get("size"), entry.get("mtime_ns")


def _changed_versions(before: dict[str, str], after: dict[str, str]) -> list[str]:
    reasons = []
    for name in sorted(before.keys() | after.keys()):
        what = name if name == "python" else f"package {name}"
        if name not in before:
            reasons.append(f"{what} {after[name]} is new")
        elif name not in after:
            reasons.append(f"{what} {before[name]} is gone")
        elif before[name] != after[name]:
            reasons.append(f"{what} changed from {before[name]} to {after[name]}")
    return reasons


def check_content(workspace: Workspace, patterns: Iterable[str]) -> None:
    """Read the files that match and that finished steps left.

    ValueError names the first one whose content has changed since then while its size and time did not. A file with
    another size or time is none of these: whatever was made from it is stale, and every run sees it.
    """
    paths = set(expand(workspace, patterns))
    for stamp_path in sorted(workspace.executed.glob("*.json")):
        stamp = _stamp_in(stamp_path) or {"outputs": {}}
        left = {path: entry for path, entry in stamp["outputs"].items() if path in paths}
        for path in _unseen(left, hash_files(workspace, left, {})):
            raise ValueError(
                f"{workspace.root / path}: its content changed since {stamp_path.stem} left it, though its size and "
                f"time did not; expected SHA-256 {left[path]['sha256']}; `run --from {stamp_path.stem}` makes it again"
            )


def _missing(step: Step, workspace: Workspace) -> list[str]:
    """Name what must be there but is not described in the stamp: shared outputs and the executed notebook."""
    wanted = [pattern for pattern in step.files.leaves if feeds([pattern], SHARED)]
    wanted += [] if step.notebook is None else [f"executed/{step.name}.ipynb"]
    return [f"output {path} is gone" for path in wanted if not expand(workspace, [path])]


def _differences(kind: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    gone = [f"{kind} {name} is gone" for name in sorted(before.keys() - after.keys())]
    new = [f"{kind} {name} is new" for name in sorted(after.keys() - before.keys())]
    changed = [name for name in sorted(before.keys() & after.keys()) if after[name] != before[name]]
    return gone + new + [f"{kind} {name} changed" for name in changed]


def finished(steps: Iterable[Step], workspace: Workspace) -> list[dict]:
    """List what the report needs of each notebook that has finished: name, notebook, parameters, seconds, files."""
    listed = []
    for step in steps:
        stamp = read(step, workspace)
        notebook = workspace.executed / f"{step.name}.ipynb"
        if stamp is None or step.notebook is None or not notebook.is_file():
            continue
        files = {kind: {path: entry["sha256"] for path, entry in stamp[kind].items()} for kind in ("inputs", "outputs")}
        kept = {key: stamp.get(key) for key in ("parameters", "seconds", "finished", "versions", "cpus", "machine")}
        listed.append({"name": step.name, "notebook": notebook, **kept, **files})
    return listed
