"""One notebook at a time: complete or not there, its failure named, its kernel our own, its workspace locked."""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from cifar102.workflow import execution, runner
from cifar102.workspace.folders import Workspace


def write_notebook(path: Path, *cells: str, parameters: str = 'workspace: str = "data/demo"') -> Path:
    """Store a notebook whose first cell is tagged `parameters`."""
    code = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in (parameters, *cells)]
    code[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": kernel}), path)
    return path


def test_a_notebook_is_in_the_workspace_only_when_it_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    workspace = Workspace(tmp_path / "work space")
    look = """
        from pathlib import Path
        seen = Path(workspace, "executed", "05_x.ipynb").exists()
        print("epoch 1/1\\nseen", seen)
    """
    own = "import sys\nprint('kernel', sys.executable)"
    notebook = write_notebook(tmp_path / "note books" / "05_x.ipynb", look, own)
    execution.execute("05_x", notebook, {"workspace": str(workspace.root)}, workspace)
    printed = capsys.readouterr().out
    assert "05_x | epoch 1/1\n05_x | seen False\n" in printed, "its lines come as it prints them, with its name"
    assert f"05_x | kernel {sys.executable}" in printed, "the kernel is that of this interpreter"
    assert [path.name for path in workspace.executed.iterdir()] == ["05_x.ipynb"]
    assert not (workspace.root / ".running").exists()


def test_a_notebook_runs_in_a_folder_with_braces(tmp_path: Path) -> None:
    folder = tmp_path / "a {b} {0} }{"
    folder.mkdir()
    notebook = write_notebook(folder / "01_a.ipynb", "print('done')")
    workspace = Workspace(folder / "workspace {x}")
    execution.execute("01_a", notebook, {"workspace": str(workspace.root)}, workspace)
    assert [path.name for path in workspace.executed.iterdir()] == ["01_a.ipynb"]


def test_a_failed_notebook_is_kept_and_its_cell_and_error_named(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    notebook = write_notebook(tmp_path / "02_y.ipynb", "votes = 3", "\nvotes / 0  # no votes\nprint(votes)")
    with pytest.raises(execution.NotebookError) as failure:
        execution.execute("02_y", notebook, {"workspace": "x"}, workspace)
    message = str(failure.value)
    assert "\n" not in message
    assert "02_y failed in code cell 4 (votes / 0  # no votes): ZeroDivisionError: division by zero" in message
    kept = nbformat.read(workspace.executed / "02_y.failed.ipynb", as_version=4)
    assert not (workspace.executed / "02_y.ipynb").exists()
    numbers = [cell.execution_count for cell in kept.cells if cell.cell_type == "code" and "no votes" in cell.source]
    assert numbers == [4], "the number in the message is the one the kept notebook shows"


def test_a_kernel_that_dies_is_a_failure_with_the_cell_named(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    notebook = write_notebook(tmp_path / "03_z.ipynb", "import os", "os._exit(9)")
    with pytest.raises(execution.NotebookError, match=r"code cell 3 \(os._exit\(9\)\): the kernel ended"):
        execution.execute("03_z", notebook, {}, workspace)
    assert (workspace.executed / "03_z.failed.ipynb").is_file()


@pytest.fixture
def session_manager() -> Iterator[None]:
    """Take in the orphans of this process's children, as systemd --user does: their parent is then not process 1."""
    if not sys.platform.startswith("linux"):
        yield
        return
    set_child_subreaper = 36
    prctl = ctypes.CDLL(None).prctl
    assert prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    yield
    prctl(set_child_subreaper, 0, 0, 0, 0)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.usefixtures("session_manager")
def test_the_kernel_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    beat = """
        import os, time
        from pathlib import Path
        Path(workspace).mkdir(exist_ok=True)
        while True:
            Path(workspace, "beat.tmp").write_text(str(os.getpid()))
            Path(workspace, "beat.tmp").replace(Path(workspace, "beat"))
            time.sleep(0.05)
    """
    notebook = write_notebook(tmp_path / "01_b.ipynb", beat)
    script = f"""
        from pathlib import Path
        from cifar102.workflow import execution
        from cifar102.workspace.folders import Workspace
        root = {str(workspace.root)!r}
        execution.execute("01_b", Path({str(notebook)!r}), {{"workspace": root}}, Workspace(Path(root)))
    """
    run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.DEVNULL)
    pulse = workspace.root / "beat"
    _wait(lambda: pulse.exists(), 600)
    run.kill()
    run.wait()
    _wait(lambda: time.time() - pulse.stat().st_mtime > 1.5, 600)
    assert list(workspace.executed.iterdir()) == []


def _wait(is_over, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_over():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.1)


def test_a_bar_drawn_over_itself_is_one_line(capsys: pytest.CaptureFixture) -> None:
    lines = execution.StepLines("07")
    for part in ("step 1\rstep 2", "\rstep 3\nhal", "f\n\n"):
        lines.write(part)
    assert capsys.readouterr().out == "07 | step 3\n07 | half\n"


def test_a_workspace_takes_one_run_and_names_its_holder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    holder = rf"process {os.getpid()} on .*, since \d"
    with (
        runner.hold_workspace(workspace),
        pytest.raises(BlockingIOError, match=holder),
        runner.hold_workspace(workspace),
    ):
        pass
    with runner.hold_workspace(workspace):
        assert json.loads((workspace.root / ".lock").read_text())["pid"] == os.getpid()


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    hold = f"""
        import time
        from pathlib import Path
        from cifar102.workflow import runner
        from cifar102.workspace.folders import Workspace
        with runner.hold_workspace(Workspace(Path({str(tmp_path)!r}))):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = subprocess.Popen([sys.executable, "-c", textwrap.dedent(hold)], stdout=subprocess.PIPE)
    assert holder.stdout.readline().strip() == b"held"
    with pytest.raises(BlockingIOError, match=f"process {holder.pid} on"), runner.hold_workspace(Workspace(tmp_path)):
        pass
    holder.kill()
    holder.wait()
    with runner.hold_workspace(Workspace(tmp_path)):
        pass


def test_no_module_of_the_folder_one_stands_in_is_run_by_a_kernel(tmp_path: Path, monkeypatch) -> None:
    for name in ("ipykernel_launcher", "IPython", "seaborn"):
        (tmp_path / f"{name}.py").write_text("from pathlib import Path\nPath(__file__).with_name('CANARY').touch()\n")
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path / "workspace")
    notebook = write_notebook(tmp_path / "01_a.ipynb", "import seaborn\nseaborn.color_palette")
    execution.execute("01_a", notebook, {"workspace": str(workspace.root)}, workspace)
    assert not (tmp_path / "CANARY").exists()
