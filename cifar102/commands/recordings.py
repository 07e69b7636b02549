"""`record` and `report`: what the repository keeps of a run, and the report that is made from it without images.

A recording is a folder `results/<profile>/`: the tables and summary.json of the run; `figures/`, of each chart its
table and its drawing instructions; `sheets/`, the sheets of photographs as they were drawn; `notebooks/`, the executed
notebooks without their pictures; the runs (training.run_records); and `recording.json`, which says what was recorded.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat

from cifar102.figures import drawing
from cifar102.training import run_records
from cifar102.workflow import report, stamps
from cifar102.workflow.steps import PLACES, Step
from cifar102.workspace import ownership
from cifar102.workspace.files import read_object, write_bytes, write_json, write_text
from cifar102.workspace.folders import REPOSITORY, Workspace

NOTE = "recording.json"
TABLES = ("*.csv", "*.parquet", "summary.json")
FIGURE = re.compile(r"figure (\d\d-[a-z0-9-]+)")
PICTURE = "image/png"


def record(workspace: Workspace, steps: Sequence[Step], profile: str, folder: Path) -> str:
    """Write what a workspace has finished into a recording, beside what is recorded already; return what it holds.

    Steps, tables and runs take the place of earlier ones of their names; others stay, so that a run of many hours can
    be recorded part by part. Paths of this machine are left out. FileNotFoundError where no step has finished.
    """
    done = stamps.finished(steps, workspace)
    if not done:
        raise FileNotFoundError(f"{workspace.root}: no step of the profile {profile} has finished here; run it first")
    places = _places(workspace, done)
    for step in done:
        _record_notebook(step["notebook"], places, folder)
    for path in _found(workspace.results, TABLES):
        _copy_text(path, folder / path.name, places)
    sheets = _record_figures(workspace, folder)
    runs = run_records.write(workspace, folder)
    note = _note(workspace, profile, done, folder)
    write_json(folder / NOTE, note)
    return f"{folder} holds {len(note['steps'])} steps, {runs:,} runs and {sheets} sheets of photographs"


def rebuild(folder: Path, target: Workspace) -> Path:
    """Make figures, tables and report.html of a recording in a folder of their own; return the report.

    Nothing is trained and no image set is read. The same recording gives the same bytes. FileNotFoundError where
    nothing is recorded, ValueError where the target is a run of its own.
    """
    if not (folder / NOTE).is_file():
        raise FileNotFoundError(f"{folder / NOTE}: nothing is recorded there; `record PROFILE` records a run")
    note = read_object(folder / NOTE)
    ownership.check_workspace(target)
    if any(target.executed.glob("*.json")):
        raise ValueError(f"{target.root}: holds a run of its own; a report from recorded results needs another folder")
    ownership.sign(target, profile=str(note["profile"]))
    write_json(target.raw / "pool.json", note["pool"])
    for source, patterns, place in (
        (folder, TABLES, target.results),
        (folder / "figures", ("*.csv", "*.json"), target.figures),
        (folder / "sheets", ("*.png",), target.figures),
    ):
        for path in _found(source, patterns):
            write_bytes(place / path.name, path.read_bytes())
    drawing.redraw(target)
    steps = [_laid_out(step, folder, target) for step in note["steps"]]
    return report.build_report(target, steps)


def _found(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def _places(workspace: Workspace, steps: Sequence[dict]) -> dict[str, str]:
    """What stands for paths of this machine in what is recorded, the longest first."""
    found = {str(workspace.root): f"data/{workspace.name}", str(REPOSITORY): "."}
    found |= {step["parameters"]["data"]: "DIR" for step in steps if step["parameters"].get("data")}
    return {path: found[path] for path in sorted(found, key=len, reverse=True)}


def _without(text: str, places: dict[str, str]) -> str:
    for path, word in places.items():
        text = text.replace(path, word)
    return text


def _copy_text(path: Path, target: Path, places: dict[str, str]) -> None:
    content = path.read_bytes()
    if path.suffix != ".parquet":
        content = _without(content.decode("utf-8"), places).encode("utf-8")
    write_bytes(target, content)


def _record_notebook(path: Path, places: dict[str, str], folder: Path) -> None:
    """An executed notebook without figures and without what differs from run to run."""
    content = nbformat.read(path, as_version=4)
    content.metadata = nbformat.NotebookNode()
    for cell in content.cells:
        cell.metadata = nbformat.NotebookNode(tags=cell.metadata.get("tags", []))
        for output in cell.get("outputs", []):
            if FIGURE.fullmatch(_text(output)):
                output.data.pop(PICTURE, None)
    write_text(folder / "notebooks" / path.name, _without(nbformat.writes(content), places) + "\n")


def _text(output: nbformat.NotebookNode) -> str:
    text = output.get("data", {}).get("text/plain", "")
    return text if isinstance(text, str) else "".join(text)


def _record_figures(workspace: Workspace, folder: Path) -> int:
    """Record the instructions of all charts, and the sheets of photographs as pictures; return how many sheets."""
    sheets = 0
    for path in sorted(workspace.figures.glob("*.json")):
        if not drawing.NAME.fullmatch(path.stem):
            continue
        if drawing.shows_photographs(drawing.read_record(path)):
            write_bytes(folder / "sheets" / f"{path.stem}.png", path.with_suffix(".png").read_bytes())
            sheets += 1
            continue
        for source in (path, path.with_suffix(".csv")):
            write_bytes(folder / "figures" / source.name, source.read_bytes())
    return sheets


def _note(workspace: Workspace, profile: str, done: Sequence[dict], folder: Path) -> dict:
    before = read_object(folder / NOTE) if (folder / NOTE).is_file() else {"steps": []}
    pool = read_object(workspace.raw / "pool.json") if (workspace.raw / "pool.json").is_file() else {}
    steps = {step["name"]: step for step in before["steps"]} | {step["name"]: _noted(step) for step in done}
    return {"profile": profile, "pool": pool, "steps": [steps[name] for name in sorted(steps)]}


def _noted(step: dict) -> dict:
    parameters = {name: value for name, value in step["parameters"].items() if name not in PLACES}
    return {**step, "notebook": Path(step["notebook"]).name, "parameters": parameters}


def _laid_out(step: dict, folder: Path, target: Workspace) -> dict:
    """A step as build_report takes it: its notebook with the figures as they were drawn now."""
    name = Path(step["notebook"]).name
    content = nbformat.read(folder / "notebooks" / name, as_version=4)
    for output in (output for cell in content.cells for output in cell.get("outputs", [])):
        named = FIGURE.fullmatch(_text(output))
        picture = target.figures / f"{named[1]}.png" if named else None
        if picture and picture.is_file():
            output.data[PICTURE] = base64.b64encode(picture.read_bytes()).decode()
    path = target.executed / name
    write_text(path, nbformat.writes(content) + "\n")
    return {**step, "notebook": path}
