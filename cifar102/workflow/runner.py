"""Drive a plan with doit: each step a task, up to date by its stamp, one run at a time in a workspace."""

import contextlib
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from doit.reporter import ZeroReporter

from cifar102.workflow import stamps
from cifar102.workflow.plans import Plan
from cifar102.workflow.steps import Step
from cifar102.workspace import files, names, ownership
from cifar102.workspace.files import remove_leftovers
from cifar102.workspace.folders import LAYOUT, Workspace, read_summary

NAME_SECONDS = 1.0  # a holder writes down its name at once after it has the lock


@contextlib.contextmanager
def hold_workspace(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of a workspace; BlockingIOError names the process, the host and since when it is held.

    The lock is that of `.run.lock`; who holds it stands in `.lock`, because Windows lets nobody read a locked file.
    What killed writers left half-written under temporary names is removed first. OSError names the file where it cannot
    be written (a full disk, a read-only one), or is a link: writing through it would leave the workspace.
    """
    path = workspace.root / ".lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(workspace.root / ".run.lock", seconds=0))
        except TimeoutError:
            raise BlockingIOError(f"another run works in {workspace.root}: {_holder(path)}") from None
        _write_name(path, {"pid": os.getpid(), "host": platform.node(), "since": _now()})
        remove_leftovers(workspace.root, LAYOUT)
        try:
            yield
        finally:
            _write_name(path, None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_name(path: Path, name: dict[str, object] | None) -> None:
    """Write the holder's name over the last one's (None: nobody holds it); a link is not followed."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(name).encode("ascii") if name else b"")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    """Say who holds the lock; between taking it and writing down a name there is a moment, which is waited for."""
    deadline = time.monotonic() + NAME_SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            holder = json.loads(path.read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
        if time.monotonic() > deadline:
            return "a process that did not write down its name"
        time.sleep(0.05)


@dataclass
class Progress:
    """What a run has done so far: why each step runs, the seconds of those that ran, and what failed."""

    reasons: dict[str, list[str]] = field(default_factory=dict)
    ran: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def tasks(plan: Plan, progress: Progress) -> Iterator[dict]:
    """Yield doit's task for each needed step of a plan, in order."""
    for step in plan.steps:
        if step.name in plan.needed:
            yield {
                "basename": step.name,
                "actions": [(_act, [plan, step, progress])],
                "task_dep": plan.waits_for(step),
                "uptodate": [(_is_up_to_date, [plan, step, progress])],
                "io": {"capture": False},  # doit's capture changes sys.stdout for all threads
                "verbosity": 2,
            }


def _is_up_to_date(plan: Plan, step: Step, progress: Progress) -> bool:
    progress.reasons[step.name] = reasons_to_run(plan, step)
    if not progress.reasons[step.name]:
        print(f"{step.name} is up to date", flush=True)
    return not progress.reasons[step.name]


def reasons_to_run(plan: Plan, step: Step) -> list[str]:
    """Say why a step runs now; empty where it is up to date."""
    if step.name in plan.forced:
        return ["asked for by --from"]
    return stamps.stale_reasons(step, plan.workspace)


def _act(plan: Plan, step: Step, progress: Progress) -> bool:
    """Run one step from its first to its last act, the stamp; False where it failed, with the reason in `progress`."""
    from cifar102.workflow import execution

    execution.say(f"{step.name} starts ({'; '.join(progress.reasons[step.name][:3])})")
    try:
        stamp, start = stamps.begin(step, plan.workspace), time.perf_counter()
        if step.notebook is None:
            _report(plan)
        else:
            execution.execute(step.name, step.notebook, step.parameters, plan.workspace)
        seconds = time.perf_counter() - start
        stamps.end(step, plan.workspace, stamp, seconds)
    except Exception as error:  # whatever it is, it must be said: doit would keep it to itself
        if not isinstance(error, execution.NotebookError | OSError | ValueError):
            traceback.print_exc()
        progress.failures.append(str(error) or repr(error))
        execution.say(f"{step.name} failed")
        return False
    progress.ran[step.name] = seconds
    execution.say(f"{step.name} done in {seconds:.1f} s")
    return True


def _report(plan: Plan) -> None:
    from cifar102.workflow import report

    report.build_report(plan.workspace, stamps.finished(plan.steps, plan.workspace))


def run(plan: Plan, jobs: int) -> int:
    """Run what a plan needs, at most `jobs` notebooks at a time; returns 0, or 1 where a step failed.

    The last line printed names what failed, or else come the paths of what there is to look at. BlockingIOError where
    another run works in the same workspace.
    """
    progress = Progress()
    with hold_workspace(plan.workspace), tempfile.TemporaryDirectory() as folder:
        ownership.sign(plan.workspace, profile=plan.profile.name)
        config = {"GLOBAL": {"dep_file": str(Path(folder, "doit")), "backend": "json", "reporter": ZeroReporter}}
        namespace = {"DOIT_CONFIG": config["GLOBAL"], "task_steps": lambda: tasks(plan, progress)}
        words = ["-n", str(jobs), "-P", "thread"] if jobs > 1 else []
        code = DoitMain(ModuleTaskLoader(namespace), config_filenames=()).run(["run", *words])
    if code or progress.failures:
        for failure in progress.failures or ["the run stopped before its steps were done"]:
            print(names.visible(failure), file=sys.stderr, flush=True)
        return 1
    print(closing_lines(plan, progress))
    return 0


def closing_lines(plan: Plan, progress: Progress) -> str:
    """List where the results of a run are, and the headline numbers that its notebooks left in summary.json."""
    workspace = plan.workspace
    done = f"{len(progress.ran)} steps ran in {sum(progress.ran.values()):.0f} s of notebook time"
    lines = ["", done if progress.ran else "everything was up to date: nothing ran"]
    lines += [f"report   {workspace.root / 'report.html'}", f"release  {workspace.release}"]
    for values in read_summary(workspace).values():
        lines += [f"{label}: {text}" for label, text in values.get("headline", {}).items()]
    return "\n".join(lines)


def preview(plan: Plan) -> list[str]:
    """Say for each needed step whether it would run and why, without running anything."""
    lines, running = [], set()
    for step in plan.steps:
        if step.name not in plan.needed:
            continue
        reasons = reasons_to_run(plan, step)
        after = [name for name in plan.waits_for(step) if name in running]
        if reasons:
            running.add(step.name)
            lines.append(f"{step.name}: would run ({'; '.join(reasons)})")
        elif after:
            lines.append(f"{step.name}: would run if {', '.join(after)} changes what it reads")
        else:
            lines.append(f"{step.name}: up to date")
    return lines
