"""Every mistake of dataset.md, section 8, makes its tests fail when it is put back (tests/mistakes.py)."""

import json
import os
import subprocess
import sys

import pytest

from cifar102.workspace.folders import REPOSITORY
from tests import mistakes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    path = tmp_path_factory.mktemp("mistakes") / "outcomes.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "tests.mistakes", str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(path.read_text(encoding="utf-8"))


def test_all_18_are_there_and_their_tests_pass_without_them(outcomes: dict) -> None:
    assert [mistake.number for mistake in mistakes.MISTAKES] == list(range(1, 19))
    assert outcomes["0"]["failed"] == {}
    assert set(outcomes["0"]["passed"]) == {test for mistake in mistakes.MISTAKES for test in mistake.tests}


@pytest.mark.parametrize("mistake", mistakes.MISTAKES, ids=lambda mistake: str(mistake.number))
def test_a_mistake_put_back_is_noticed_by_each_of_its_tests(outcomes: dict, mistake: mistakes.Mistake) -> None:
    outcome = outcomes[str(mistake.number)]
    assert set(outcome["failed"]) == set(mistake.tests), mistake.words
    assert outcome["passed"] == []
