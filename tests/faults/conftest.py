"""The counts of the fault suite, kept while it runs and left in data/faults.json by `reproduce.py test --faults`."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from cifar102.workspace.files import write_json
from cifar102.workspace.folders import REPOSITORY
from tests.faults import demo_runs

COUNTED = ("kills_survived", "bad_inputs", "fuzz_examples", "votes_kept", "bytes_compared")
STARTED = time.monotonic()
counted: Counter[str] = Counter()
failed: list[str] = []
deselected: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--count-faults", action="store_true", help="leave the counts in data/faults.json")


@pytest.fixture(scope="session")
def counts() -> Counter[str]:
    """What has been counted so far; a test adds to it after it has checked."""
    return counted


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a demo run that nothing disturbed, two notebooks at a time, in a clone of the repository."""
    home = demo_runs.clone(tmp_path_factory.mktemp("faults") / "one")
    changes = {"TZ": "America/New_York", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}
    demo_runs.run_to_end(("run", "demo", "--jobs", "2"), home.parent / "one.log", home=home, changes=changes)
    return home / "data" / "demo"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        failed.append(report.nodeid)
    elif report.when == "call" and report.passed and not report.nodeid.startswith("tests/faults/"):
        counted["bad_inputs"] += 1  # an attack that is tested in the folder of what it attacks


def pytest_deselected(items: list[pytest.Item]) -> None:
    deselected.extend(item.nodeid for item in items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the counts where this is the fault suite (the ordinary one runs its quick part and leaves no file)."""
    if session.config.getoption("--count-faults", default=False) and session.testscollected:
        found = {name: counted[name] for name in COUNTED} | {"failures": len(failed), "failed": failed}
        found |= {"tests": session.testscollected, "left_out": len(deselected)}
        found |= {"seconds": round(time.monotonic() - STARTED)}
        write_json(REPOSITORY / "data" / "faults.json", found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path = REPOSITORY / "data" / "faults.json"
    if config.getoption("--count-faults", default=False) and path.is_file():
        terminalreporter.section("faults")
        for name, value in json.loads(path.read_text(encoding="utf-8")).items():
            terminalreporter.write_line(f"{name}: {value}")
