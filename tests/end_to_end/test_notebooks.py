"""The form of the stored notebooks: names, order, parameters, lengths, no outputs, whole sentences."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

from cifar102.workflow import notebooks, steps
from cifar102.workflow.plans import plan
from cifar102.workspace.folders import REPOSITORY, Workspace

PATHS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells_of(path: Path, kind: str) -> list[dict]:
    return [cell for cell in notebooks.read_cells(path) if cell["cell_type"] == kind]


def test_it_is_one_of_the_eight(path: Path) -> None:
    assert path.stem in steps.TABLE
    assert len(PATHS) == len(steps.TABLE)


def test_it_is_stored_without_outputs_for_the_kernel_python3(path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    for cell in cells_of(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_it_opens_with_title_parameters_and_imports_and_ends_with_what_we_see(path: Path) -> None:
    cells = notebooks.read_cells(path)
    assert cells[0]["cell_type"] == "markdown" and cells[0]["source"].startswith(f"# {path.stem[:2]} ")
    for word in ("takes", "leaves", "figures"):
        assert re.search(rf"\*{word}\*", cells[0]["source"], re.IGNORECASE), (
            f"the title cell does not say what it {word}"
        )
    assert "parameters" in notebooks.tags_of(cells[1])
    assert cells[2]["cell_type"] == "code" and re.match(r"(import|from) ", cells[2]["source"])
    assert cells[-1]["cell_type"] == "markdown" and cells[-1]["source"].startswith("## What we see")
    assert any(cell["source"].startswith("## Closing checks") for cell in cells_of(path, "markdown"))


def test_its_parameters_are_literals_with_type_and_comment(path: Path) -> None:
    tagged = [cell for cell in notebooks.read_cells(path) if "parameters" in notebooks.tags_of(cell)]
    assert len(tagged) == 1
    declared = notebooks.declared_parameters(path)
    assert "workspace" in declared
    for line in ast.parse(tagged[0]["source"]).body:
        assert isinstance(line, ast.AnnAssign), f"{ast.unparse(line)} has no type"
        text = tagged[0]["source"].splitlines()[line.end_lineno - 1]
        assert re.search(r"\S  # \S", text), f"{text} has no comment"
    for parameter in declared.values():
        assert parameter.accepts(parameter.default), f"{parameter} is not of its type"


def test_it_has_at_most_30_code_cells_of_at_most_30_lines(path: Path) -> None:
    code = cells_of(path, "code")
    assert len(code) <= 30
    assert max(len(cell["source"].splitlines()) for cell in code) <= 30


def test_it_has_at_most_250_lines_of_code(path: Path) -> None:
    assert sum(len(cell["source"].splitlines()) for cell in cells_of(path, "code")) <= 250


def test_it_imports_faces_and_gives_nothing_another_name(path: Path) -> None:
    nodes = list(ast.walk(notebooks.code_of(path)))
    assert not [ast.unparse(node) for node in nodes if isinstance(node, ast.Import) and "cifar102" in ast.unparse(node)]
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module.startswith("cifar102")]
    for node in imports:
        face = REPOSITORY.joinpath(*node.module.split("."), "__init__.py")
        assert face.is_file(), f"{node.module} is a room"
        assert not [alias.asname for alias in node.names if alias.asname], ast.unparse(node)
    assert imports


def test_it_takes_only_what_faces_offer(path: Path) -> None:
    tree = notebooks.code_of(path)
    named = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "cifar102"]
    for wing in {alias.name for node in named for alias in node.names} - {"cifar"}:
        offered = set(importlib.import_module(f"cifar102.{wing}").__all__)
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        taken = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == wing}
        assert taken and taken <= offered, f"{wing}: {sorted(taken - offered)}"


def test_its_code_defines_no_class_installs_and_asks_nothing(path: Path) -> None:
    for cell in cells_of(path, "code"):
        assert not re.search(r"^\s*(!|%pip|%conda)|\binput\(", cell["source"], re.MULTILINE)
        names = [type(node).__name__ for node in ast.walk(ast.parse(cell["source"]))]
        assert "ClassDef" not in names


def test_its_text_stands_in_sentences_and_before_the_code(path: Path) -> None:
    for cell in cells_of(path, "markdown"):
        assert "```" not in cell["source"], "code in markdown is code switched off"
    kinds = [cell["cell_type"] for cell in notebooks.read_cells(path)]
    assert kinds.count("markdown") >= 5


def test_every_profile_gives_it_only_parameters_it_declares(path: Path, tmp_path: Path) -> None:
    for name in steps.profile_names():
        laid_out = plan(steps.load_profile(name), Workspace(tmp_path))
        assert [step for step in laid_out.steps if step.notebook == path]
