"""Which steps run, and why: profiles, overrides, plans and stamps, on notebooks made up for the purpose."""

import ast
import gc
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cifar102.workflow import notebooks, plans, runner, stamps, steps
from cifar102.workflow.steps import Files, Profile, Step, parse_override
from cifar102.workspace.files import read_json, write_json, write_text
from cifar102.workspace.folders import REPOSITORY, Workspace
from tests.workflow.test_execution import write_notebook

PARAMETERS = """
    workspace: str = "data/demo"  # where
    epochs: int = 2  # passes
    rate: float = 0.1  # of learning
    sizes: tuple[int, ...] = (1, 2)  # of subsets
    limit: int | None = None  # of images
    study: str = ""  # which
"""


@pytest.fixture
def notebook_folder(tmp_path: Path) -> Path:
    """All eight notebooks under their names, each with the same few parameters."""
    for name in steps.TABLE:
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", parameters=PARAMETERS)
    return tmp_path / "notebooks"


def lay_out(folder: Path, *overrides: str, parameters: dict | None = None, **options) -> plans.Plan:
    profile = Profile("small", "Small", "", "data/small", 1, parameters or {}, ("augmentation", "pooling"))
    workspace = Workspace(folder.parent / "workspace")
    return plans.plan(profile, workspace, [parse_override(text) for text in overrides], folder=folder, **options)


def parameters_of(plan: plans.Plan, name: str) -> dict[str, object]:
    return next(step.parameters for step in plan.steps if step.name == name)


def test_every_profile_file_can_be_read_and_names_itself() -> None:
    assert steps.profile_names() == ["cifar10", "demo", "full"]
    for name in steps.profile_names():
        profile = steps.load_profile(name)
        assert profile.name == name
        assert profile.workspace == f"data/{name}"
        assert set(profile.studies) <= set(steps.STUDIES)


def test_a_run_has_the_notebooks_in_order_and_06_once_per_study(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder)
    names = [step.name for step in plan.steps]
    assert names[4:8] == ["05_baseline_cnn", "06_ablations-augmentation", "06_ablations-pooling", "07_wrn_cutmix"]
    assert names == [*sorted(names[:-1]), "report"]
    assert plan.needed == set(names)
    assert parameters_of(plan, "06_ablations-pooling")["study"] == "pooling"


def test_each_step_waits_for_those_whose_files_it_takes(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder)
    waits = {step.name: plan.waits_for(step) for step in plan.steps}
    assert waits["01_build_subset"] == []
    assert waits["04_sample"] == ["01_build_subset", "02_verify", "03_deduplicate"]
    assert waits["06_ablations-pooling"] == waits["05_baseline_cnn"], "the training notebooks run side by side"
    assert waits["08_generalization"][-2:] == ["06_ablations-pooling", "07_wrn_cutmix"]
    assert len(waits["report"]) == len(plan.steps) - 1


def test_the_files_that_a_workspace_names_are_those_that_steps_take_and_leave() -> None:
    workspace = Workspace(Path("anywhere"))
    named = [value for name in dir(Workspace) if isinstance(value := getattr(workspace, name), Path) and value.suffix]
    known = [pattern for files in steps.TABLE.values() for pattern in (*files.takes, *files.may_take, *files.leaves)]
    paths = [path.relative_to(workspace.root).as_posix() for path in named if path != workspace.cifar101]
    assert [path for path in paths if path not in known] == []
    assert len(paths) >= 9


def test_only_takes_a_step_and_what_it_needs(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder, only=["08"])
    assert plan.chosen == {"08_generalization", "report"}
    assert not any(name.startswith(("06", "07")) for name in plan.needed), "08 can do without the ablations"
    assert {"01_build_subset", "04_sample", "05_baseline_cnn"} < plan.needed


def test_from_forces_a_step_and_what_follows_and_nothing_else(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder, start="05")
    assert plan.forced == {"05_baseline_cnn", "08_generalization"}
    assert "04_sample" in plan.needed
    assert "06_ablations-pooling" not in plan.needed


def test_a_study_runs_alone(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder, "study=pooling")
    assert plan.chosen == {"06_ablations-pooling", "report"}
    assert "05_baseline_cnn" not in plan.needed
    assert lay_out(notebook_folder, "study=wrn").chosen == {"07_wrn_cutmix", "report"}
    restricted = lay_out(notebook_folder, "study=leak", only=["06", "07"])
    assert restricted.chosen == {"06_ablations-leak", "07_wrn_cutmix", "report"}


def test_the_placebo_needs_the_images_alone(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder, "study=placebo")
    assert plan.chosen == {"06_ablations-placebo", "report"}
    assert {name for name in plan.needed if name < "06"} == {"01_build_subset"}
    step = next(step for step in plan.steps if step.study == "placebo")
    assert "results/placebo_protocol.csv" in step.files.leaves and not any(
        "study_" in path for path in step.files.leaves
    )


def test_an_override_reaches_every_chosen_step_in_the_declared_type(notebook_folder: Path) -> None:
    plan = lay_out(notebook_folder, "epochs=3", "05.rate=1", "sizes=[4, 5]", "limit=None", only=["05", "07"])
    assert parameters_of(plan, "05_baseline_cnn")["epochs"] == 3
    assert parameters_of(plan, "05_baseline_cnn")["sizes"] == (4, 5)
    rate = parameters_of(plan, "05_baseline_cnn")["rate"]
    assert (rate, type(rate)) == (1.0, float)
    assert "rate" not in parameters_of(plan, "07_wrn_cutmix")
    assert "epochs" not in parameters_of(plan, "01_build_subset"), "a step it needs is left as it was"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "no notebook declares a parameter 'epoch': did you mean epochs?"),
        ("epochs=many", "declares epochs: int = 2, but got 'many'"),
        ("epochs=2.5", "declares epochs: int = 2, but got 2.5"),
        ("epochs=True", "declares epochs: int = 2, but got True"),
        ("5.epochs=3", "there is no step '5'"),
        ("study=poolin", "there is no study 'poolin': did you mean pooling?"),
        ("workspace=x", "give it as --workspace x"),
        ("epochs", "expected NAME=VALUE"),
    ],
)
def test_a_wrong_override_is_an_error_with_the_near_names(notebook_folder: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        lay_out(notebook_folder, override)


def test_a_parameter_declared_elsewhere_only_is_an_error_that_says_where(notebook_folder: Path) -> None:
    write_notebook(notebook_folder / "05_baseline_cnn.ipynb", parameters="patience: int = 3")
    with pytest.raises(ValueError, match="declared by 05_baseline_cnn, but not by 07_wrn_cutmix"):
        lay_out(notebook_folder, "patience=4", only=["07"])


def test_a_misspelt_profile_step_or_profile_parameter_is_an_error_with_the_near_names(notebook_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no profile 'dem': did you mean demo\?"):
        steps.load_profile("dem")
    with pytest.raises(ValueError, match=r"no step '05_basline': did you mean 05_baseline_cnn\?"):
        lay_out(notebook_folder, only=["05_basline"])
    with pytest.raises(ValueError, match=r"05_baseline_cnn has no parameter 'epoch': did you mean epochs\?"):
        lay_out(notebook_folder, parameters={"05_baseline_cnn": {"epoch": 1}})


# Stamps


SQUARE = """
    from numberbox import numbers
    from pathlib import Path
    root = Path(workspace)
    number = int((root / "raw" / "number.txt").read_text())
    (root / "built").mkdir(exist_ok=True)
    (root / "built" / "double.txt").write_text(str(numbers.double(number) + epochs))
"""


FACE = """
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"doubled": ["double"], "unused": ["ONE"]}
)
"""
DOUBLED = """
def double(x):
    from numberbox.numbers import factors

    return factors.TWO * x
"""


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """A step that reads a number, doubles it with a package of its own and adds its parameter."""
    package = tmp_path / "numberbox"
    write_text(package / "__init__.py", "")
    write_text(package / "numbers" / "__init__.py", FACE)
    write_text(package / "numbers" / "doubled.py", DOUBLED)
    write_text(package / "numbers" / "factors.py", '"""Factors."""\nTWO = 2\n')
    write_text(package / "numbers" / "unused.py", "ONE = 1\n")
    write_text(tmp_path / "workspace" / "raw" / "number.txt", "20")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(stamps, "PACKAGE", package)
    declared = "workspace: str = ''\nepochs: int = 2"
    notebook = write_notebook(tmp_path / "09_double.ipynb", SQUARE, parameters=declared)
    files = Files(takes=("raw/number.txt",), may_take=("raw/extra/*",), leaves=("built/double.txt",))
    return Step("09_double", notebook, files, {"workspace": str(tmp_path / "workspace"), "epochs": 2})


def plan_of(step: Step, forced: bool = False) -> plans.Plan:
    profile = Profile("small", "Small", "", "data/small", 1, {}, ())
    names = frozenset({step.name})
    workspace = Workspace(Path(step.parameters["workspace"]))
    return plans.Plan(profile, workspace, (step,), names, names, names if forced else frozenset())


def reasons(step: Step) -> list[str]:
    return stamps.stale_reasons(step, plan_of(step).workspace)


@pytest.fixture
def finished(step: Step) -> Step:
    """The step after a run, without the kernel: what it leaves is written by hand."""
    workspace = plan_of(step).workspace
    stamp = stamps.begin(step, workspace)
    write_text(workspace.built / "double.txt", "42")
    write_text(workspace.executed / f"{step.name}.ipynb", "{}")
    stamps.end(step, workspace, stamp, 1.0)
    return step


def test_a_run_leaves_what_the_step_says_and_a_second_run_does_nothing(
    step: Step, capfd: pytest.CaptureFixture
) -> None:
    workspace = plan_of(step).workspace
    assert runner.run(plan_of(step), jobs=1) == 0
    assert (workspace.built / "double.txt").read_text() == "42"
    assert reasons(step) == []
    before = (workspace.executed / "09_double.ipynb").stat().st_mtime_ns
    capfd.readouterr()
    assert runner.run(plan_of(step), jobs=2) == 0
    assert "09_double is up to date" in capfd.readouterr().out
    assert (workspace.executed / "09_double.ipynb").stat().st_mtime_ns == before
    assert runner.run(plan_of(step, forced=True), jobs=2) == 0
    assert (workspace.executed / "09_double.ipynb").stat().st_mtime_ns > before


def test_an_unchanged_step_is_up_to_date_even_when_files_are_touched(finished: Step) -> None:
    assert reasons(finished) == []
    os.utime(plan_of(finished).workspace.root / "raw" / "number.txt")
    os.utime(finished.notebook)
    assert reasons(finished) == []


def test_a_changed_parameter_is_named(finished: Step) -> None:
    finished.parameters["epochs"] = 3
    assert reasons(finished) == ["parameter epochs changed from 2 to 3"]


def test_another_place_of_the_data_or_the_scheduler_is_no_reason(finished: Step) -> None:
    finished.parameters.update({"data": "elsewhere", "scheduler": "tcp://host:1"})
    assert reasons(finished) == []


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("raw/number.txt", "21", "input raw/number.txt changed"),
        ("raw/extra/more.txt", "1", "input raw/extra/more.txt is new"),
        ("built/double.txt", "43", "output built/double.txt changed"),
        ("built/double.txt", None, "output built/double.txt is gone"),
        ("raw/number.txt", None, "input raw/number.txt is gone"),
        ("executed/09_double.ipynb", None, "output executed/09_double.ipynb is gone"),
        ("executed/09_double.json", None, "it has not finished in this workspace"),
        ("executed/09_double.json", "[", "it has not finished in this workspace"),
    ],
)
def test_a_changed_or_missing_file_is_named(finished: Step, path: str, text: str | None, reason: str) -> None:
    target = plan_of(finished).workspace.root / path
    target.unlink() if text is None else write_text(target, text)
    assert reasons(finished) == [reason]


def test_changed_code_behind_an_import_is_named_and_a_comment_is_no_change(finished: Step) -> None:
    package = finished.notebook.parent / "numberbox"
    write_text(package / "numbers" / "factors.py", '"""Other words."""\n\nTWO = 2  # the even prime\n')
    write_text(package / "numbers" / "unused.py", "ONE = 11\n")
    assert reasons(finished) == []
    write_text(package / "numbers" / "factors.py", "TWO = 3\n")
    assert reasons(finished) == ["module numbers.factors changed"]


@pytest.mark.parametrize(
    ("code", "rooms"),
    [
        ("import numberbox.numbers.unused", {"numbers.unused"}),
        ("from numberbox.numbers import doubled as d", {"numbers.doubled"}),
        ("from numberbox.numbers.doubled import double", {"numbers.doubled"}),
        ("from numberbox import numbers\nnumbers.double(1)", {"numbers.doubled"}),
        ("from numberbox import numbers as n\nn.double(n.ONE)", {"numbers.doubled", "numbers.unused"}),
        ("from numberbox import numbers\nvars(numbers)", {"numbers.doubled", "numbers.unused"}),
        ("from numberbox.numbers import double", {"numbers.doubled"}),
        ("import numberbox.numbers", {"numbers.doubled", "numbers.unused"}),
        ("import numberbox.numbers as n\nn.double(1)", {"numbers.doubled", "numbers.unused"}),
        ("from numberbox.numbers import *", {"numbers.doubled", "numbers.unused"}),
        ("import numberbox\nnumberbox.numbers.ONE", {"numbers.doubled", "numbers.unused", "numbers.factors"}),
        ("from numberbox import *", {"numbers.doubled", "numbers.unused", "numbers.factors"}),
        ("import numpy\nfrom numpy import numbers", set()),
    ],
)
def test_the_rooms_behind_every_form_of_import_are_found(step: Step, code: str, rooms: set[str]) -> None:
    assert notebooks.imported_rooms(ast.parse(code), step.notebook.parent / "numberbox") == rooms


def test_the_report_is_made_again_where_its_code_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, step, workspace = tmp_path / "numberbox", steps.report_step(), Workspace(tmp_path / "workspace")
    write_text(package / "workflow" / "__init__.py", "")
    write_text(package / "workflow" / "report.py", "WIDTH = 1\n")
    monkeypatch.setattr(stamps, "PACKAGE", package)
    stamp = stamps.begin(step, workspace)
    write_text(workspace.root / "report.html", "<p>1</p>")
    stamps.end(step, workspace, stamp, 1.0)
    assert stamps.stale_reasons(step, workspace) == []
    write_text(package / "workflow" / "report.py", "WIDTH = 22\n")
    assert stamps.stale_reasons(step, workspace) == ["module workflow.report changed"]


def test_the_report_stands_on_the_room_that_builds_it(tmp_path: Path) -> None:
    stamp = stamps.begin(steps.report_step(), Workspace(tmp_path))
    assert "workflow.report" in stamp["modules"]


def test_every_room_that_a_stored_notebook_names_is_a_room_it_stands_on() -> None:
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        assert len(notebooks.hash_modules(notebooks.code_of(path))) > 10, path.name


def test_a_changed_notebook_is_a_reason_and_its_outputs_are_none(finished: Step) -> None:
    notebook = finished.notebook.read_text()
    finished.notebook.write_text(notebook.replace('"outputs": []', '"outputs": [{"output_type": "stream"}]'))
    assert reasons(finished) == []
    finished.notebook.write_text(notebook.replace("+ epochs", "- epochs"))
    assert reasons(finished) == ["the notebook changed"]


def test_a_step_whose_input_is_missing_says_so_before_it_runs(step: Step) -> None:
    workspace = plan_of(step).workspace
    (workspace.root / "raw" / "number.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"09_double takes raw/number.txt, but there is none"):
        stamps.begin(step, workspace)


def test_a_step_that_does_not_leave_its_file_has_not_finished(step: Step) -> None:
    workspace = plan_of(step).workspace
    stamp = stamps.begin(step, workspace)
    with pytest.raises(ValueError, match=r"ended without leaving built/double.txt"):
        stamps.end(step, workspace, stamp, 1.0)
    assert not stamps.path_of(step, workspace).exists()


def test_a_started_step_is_not_up_to_date_until_it_ends(finished: Step) -> None:
    stamps.begin(finished, plan_of(finished).workspace)
    assert reasons(finished) == ["it has not finished in this workspace"]


def test_votes_that_people_add_do_not_make_the_step_stale_that_made_the_log(tmp_path: Path, step: Step) -> None:
    workspace = plan_of(step).workspace
    files = Files(leaves=("labels/votes.jsonl", "built/double.txt"))
    step = Step("09_double", step.notebook, files, step.parameters)
    stamp = stamps.begin(step, workspace)
    for path in ("labels/votes.jsonl", "built/double.txt", "executed/09_double.ipynb"):
        write_text(workspace.root / path, "{}")
    stamps.end(step, workspace, stamp, 1.0)
    write_text(workspace.root / "labels" / "votes.jsonl", "{}\n{}")
    assert reasons(step) == []


def test_another_version_of_a_package_or_of_python_is_a_reason_in_words(
    finished: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = stamps.versions()
    others = {**now, "numpy": "9.9", "python": "4.0.1", "newcomer": "1.0"}
    del others["pandas"]
    monkeypatch.setattr(stamps, "versions", lambda: others)
    assert reasons(finished) == [
        "package newcomer 1.0 is new",
        f"package numpy changed from {now['numpy']} to 9.9",
        f"package pandas {now['pandas']} is gone",
        f"python changed from {now['python']} to 4.0.1",
    ]


def test_a_stamp_without_versions_is_none(finished: Step) -> None:
    path = stamps.path_of(finished, plan_of(finished).workspace)
    for versions in (None, [], "numpy 1"):
        write_json(path, {**read_json(path), "versions": versions})
        assert reasons(finished) == ["it has not finished in this workspace"]


def test_the_packages_that_compute_are_in_the_stamp() -> None:
    assert {"numpy", "scipy", "scikit-learn", "numba", "matplotlib", "pillow", "pyarrow"} <= set(stamps.versions())


def change_unseen(path: Path) -> None:
    """Change the content of a file, its size and its time not."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(("path", "kind"), [("raw/number.txt", "input"), ("built/double.txt", "output")])
def test_content_that_changed_unseen_is_found_where_everything_is_hashed(finished: Step, path: str, kind: str) -> None:
    workspace = plan_of(finished).workspace
    change_unseen(workspace.root / path)
    assert reasons(finished) == []
    expected = [f"{kind} {path} changed, though its size and time did not"]
    assert stamps.stale_reasons(finished, workspace, verify=True) == expected
    stamps.end(finished, workspace, stamps.begin(finished, workspace), 1.0)
    assert stamps.stale_reasons(finished, workspace, verify=True) == []


def test_verifying_finds_nothing_where_nothing_changed_and_says_of_the_rest_what_it_always_says(finished: Step) -> None:
    workspace = plan_of(finished).workspace
    assert stamps.stale_reasons(finished, workspace, verify=True) == []
    write_text(workspace.root / "raw" / "number.txt", "210")
    assert stamps.stale_reasons(finished, workspace, verify=True) == ["input raw/number.txt changed"]


def test_a_file_that_changed_unseen_since_a_step_left_it_is_refused_by_name(finished: Step) -> None:
    workspace = plan_of(finished).workspace
    stamps.check_content(workspace, ["built/*", "raw/*"])
    change_unseen(workspace.built / "double.txt")
    stamps.check_content(workspace, ["raw/*"])
    with pytest.raises(ValueError, match=r"double\.txt: .* since 09_double left it.*run --from 09_double") as caught:
        stamps.check_content(workspace, ["built/*"])
    assert "\n" not in str(caught.value)


def test_a_file_too_large_to_read_is_known_by_its_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "LARGE", 1 << 20)
    path = tmp_path / "tiny_images.bin"
    path.write_bytes(bytes(8 << 20))
    before = stamps.fingerprint(path)
    assert before.startswith("sampled-")
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert stamps.fingerprint(path) != before


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_a_killed_run_is_gone_on_with_by_the_same_command(tmp_path: Path) -> None:
    first = "from pathlib import Path\nPath(workspace, 'first.txt').write_text('1')"
    waiting = "import time\nfrom pathlib import Path\nPath(workspace, 'begun').touch()\n"
    waiting += "while Path(workspace, 'hold').exists():\n    time.sleep(0.05)\n"
    waiting += "Path(workspace, 'second.txt').write_text('2')"
    parameters = "workspace: str = ''"
    write_notebook(tmp_path / "01_first.ipynb", first, parameters=parameters)
    write_notebook(tmp_path / "02_second.ipynb", waiting, parameters=parameters)
    script = f"""
        import sys
        from pathlib import Path
        from cifar102.workflow import plans, runner
        from cifar102.workflow.steps import Profile
        from cifar102.workflow.steps import Files, Step
        from cifar102.workspace.folders import Workspace
        folder = Path({str(tmp_path)!r})
        values = {{"workspace": str(folder / "workspace")}}
        first = Step("01_first", folder / "01_first.ipynb", Files(leaves=("first.txt",)), values)
        files = Files(takes=("first.txt",), leaves=("second.txt",))
        second = Step("02_second", folder / "02_second.ipynb", files, values)
        names = frozenset({{"01_first", "02_second"}})
        profile = Profile("p", "P", "", "", 1, {{}}, ())
        plan = plans.Plan(profile, Workspace(folder / "workspace"), (first, second), names, names, frozenset())
        sys.exit(runner.run(plan, 1))
    """
    workspace = tmp_path / "workspace"
    write_text(workspace / "hold", "")
    command = [sys.executable, "-c", textwrap.dedent(script)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 600
    while not (workspace / "begun").exists():
        assert time.monotonic() < end and run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert [path.name for path in (workspace / "executed").glob("*.ipynb")] == ["01_first.ipynb"]
    (workspace / "hold").unlink()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "01_first is up to date" in again.stdout
    assert "02_second starts (it has not finished in this workspace)" in again.stdout
    assert (workspace / "second.txt").read_text() == "2"


def test_threads_may_parse_side_by_side() -> None:
    # CPython 3.11 raises SystemError when a garbage collection hands over to another thread inside the parser.
    sources = [path.read_text(encoding="utf-8") for path in sorted(notebooks.PACKAGE.rglob("*.py"))[:12]]
    threshold = gc.get_threshold()
    gc.callbacks.append(hand_over)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(8) as threads:
            trees = list(threads.map(lambda source: notebooks.parse(source, notebooks.PACKAGE), sources))
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(hand_over)
    assert [len(tree.body) for tree in trees] == [len(ast.parse(source).body) for source in sources]


def hand_over(phase: str, info: dict) -> None:
    time.sleep(1e-5)


@pytest.mark.parametrize("name", ["05_baseline_cnn", "06_ablations", "07_wrn_cutmix"])
def test_a_training_does_not_depend_on_how_a_release_is_described_or_a_run_reported(name: str) -> None:
    rooms = notebooks.hash_modules(notebooks.code_of(REPOSITORY / "notebooks" / f"{name}.ipynb"))
    assert {"datasets.release", "datasets.release_cards", "workflow.report", "workflow.stamps"} & rooms.keys() == set()
    assert "decisions/README.md" not in rooms
