"""What the repository keeps of a run, and the report that is made from it alone."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from cifar102.commands import recordings
from cifar102.figures import drawing
from cifar102.workflow.steps import Files, Step
from cifar102.workspace import ownership
from cifar102.workspace.files import read_object, write_json, write_table
from cifar102.workspace.folders import Workspace, update_summary
from tests.training.test_run_records import files_of

STEP = Step("05_baseline_cnn", Path("05_baseline_cnn.ipynb"), Files())
CHART = pd.DataFrame({"epoch": [0, 1, 2], "accuracy": [0.25, 0.5, 0.75]})


def png_output(name: str, workspace: Workspace) -> nbformat.NotebookNode:
    """A figure as a notebook shows it."""
    shown = nbformat.v4.new_output("display_data", {"text/plain": f"figure {name}", "image/png": "iVBORw0KGgo="})
    assert (workspace.figures / f"{name}.png").is_file()
    return shown


def finish_step(workspace: Workspace) -> None:
    """An executed notebook with a chart, a sheet of pictures and a line of text, with its stamp."""
    drawing.draw("05-curves", "curves", CHART, workspace, title="Curves", x="epoch", y="accuracy")
    pixels = np.full((2, 32, 32, 3), 200, np.uint8)
    sheet = pd.DataFrame({"set": "pixels", "row": [0, 1], "pixels": drawing.sheets.encode_pixels(pixels)})
    drawing.draw_sheet("05-pictures", sheet, workspace, title="Pictures")
    cell = nbformat.v4.new_code_cell("run()", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", text=f"left in {workspace.root}/results\n")]
    cell.outputs += [png_output(name, workspace) for name in ("05-curves", "05-pictures")]
    given = nbformat.v4.new_code_cell(f'workspace = "{workspace.root}"', metadata={"tags": ["injected-parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Networks"), given, cell])
    workspace.executed.mkdir()
    nbformat.write(notebook, workspace.executed / f"{STEP.name}.ipynb")
    tables = {"modules": {}, "inputs": {}, "outputs": {}, "versions": {"numpy": "1"}}
    stamp = {"step": STEP.name, "source": "", "parameters": {"workspace": str(workspace.root), "epochs": 3}, **tables}
    write_json(workspace.executed / f"{STEP.name}.json", stamp | {"seconds": 12.5})


@pytest.fixture
def finished(workspace: Workspace) -> Workspace:
    write_json(workspace.raw / "pool.json", {"pool": "demo", "title": "a drawn pool"})
    write_table(workspace.results / "study_pooling.csv", CHART)
    update_summary(workspace, "05", {"headline": {"accuracy": 0.75}})
    ownership.sign(workspace, profile="demo")
    finish_step(workspace)
    return workspace


def test_a_recording_holds_tables_charts_sheets_and_notebooks_and_no_path_of_the_machine(finished, tmp_path):
    said = recordings.record(finished, [STEP], "demo", tmp_path / "kept")
    kept = files_of(tmp_path / "kept")
    assert set(kept) == {
        *("recording.json", "study_pooling.csv", "summary.json", "notebooks/05_baseline_cnn.ipynb"),
        *("figures/05-curves.csv", "figures/05-curves.json", "sheets/05-pictures.png"),
    }
    assert "1 steps, 0 runs and 1 sheets" in said
    assert [name for name, content in kept.items() if str(finished.root).encode() in content] == []
    assert "data/" in kept["notebooks/05_baseline_cnn.ipynb"].decode() and b"iVBOR" not in kept["recording.json"]
    (step,) = read_object(tmp_path / "kept" / "recording.json")["steps"]
    assert step["parameters"] == {"epochs": 3} and step["seconds"] == 12.5


def test_the_report_of_a_recording_is_the_same_bytes_each_time_and_has_every_picture(finished, tmp_path):
    recordings.record(finished, [STEP], "demo", tmp_path / "kept")
    before = files_of(tmp_path / "kept")
    first = recordings.rebuild(tmp_path / "kept", Workspace(tmp_path / "one" / "report")).read_text(encoding="utf-8")
    again = recordings.rebuild(tmp_path / "kept", Workspace(tmp_path / "two" / "report")).read_text(encoding="utf-8")
    assert first == again and files_of(tmp_path / "kept") == before
    assert first.count("data:image/png;base64,") == 2 and "a drawn pool" in first
    report = Workspace(tmp_path / "one" / "report")
    for name in ("05-curves.png", "05-curves.svg", "05-pictures.png"):
        assert (report.figures / name).read_bytes() == (finished.figures / name).read_bytes()
    assert recordings.rebuild(tmp_path / "kept", report).read_text(encoding="utf-8") == first


def test_what_was_recorded_before_stays(finished, tmp_path):
    write_json(tmp_path / "kept" / "recording.json", {"profile": "demo", "pool": {}, "steps": [{"name": "01"}]})
    write_table(tmp_path / "kept" / "study_leak.csv", CHART)
    recordings.record(finished, [STEP], "demo", tmp_path / "kept")
    steps = read_object(tmp_path / "kept" / "recording.json")["steps"]
    assert [step["name"] for step in steps] == ["01", "05_baseline_cnn"]
    assert (tmp_path / "kept" / "study_leak.csv").is_file()


def test_nothing_to_record_nothing_recorded_and_a_run_of_ones_own_are_refused(workspace, finished, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"recording\.json.*nothing is recorded"):
        recordings.rebuild(tmp_path / "none", Workspace(tmp_path / "report"))
    recordings.record(finished, [STEP], "demo", tmp_path / "kept")
    with pytest.raises(ValueError, match="run of its own"):
        recordings.rebuild(tmp_path / "kept", finished)
    (finished.executed / f"{STEP.name}.json").unlink()
    with pytest.raises(FileNotFoundError, match="no step of the profile demo"):
        recordings.record(finished, [STEP], "demo", tmp_path / "kept")
