"""Every statistical procedure is right as often as it says, and docs/statistics.md has what its simulation gave."""

import pytest

from cifar102.workspace.folders import REPOSITORY
from docs import simulations

PAGE = (REPOSITORY / "docs" / "statistics.md").read_text(encoding="utf-8")
ALL = (*simulations.SIMULATIONS, simulations.STUDENT)


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.procedure}: {one.situation}")
def test_the_page_has_the_row_of_each_simulation(one: simulations.Simulation) -> None:
    assert f"| {one.procedure} | {one.situation} | " in PAGE
    assert one.repetitions >= 200


@pytest.mark.slow
@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.procedure}: {one.situation}")
def test_each_procedure_is_right_as_often_as_it_says(one: simulations.Simulation) -> None:
    share = one.run()
    assert one.holds(share) == (one is not simulations.STUDENT), share
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {one.procedure} | {one.situation} | "))
    printed = float(line.split("|")[4].strip(" %")) / 100
    assert share == pytest.approx(printed, abs=0.01), "python docs/simulations.py prints the table anew"
