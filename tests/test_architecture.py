"""The house: floors, no circles, who may reach TensorFlow, and the size of rooms and functions. It names wings only."""

import ast
import graphlib
import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cifar102.workflow.notebooks import imported_rooms
from cifar102.workspace.folders import REPOSITORY

PACKAGE = REPOSITORY / "cifar102"
# The floors stand once, in the maker of the map of modules. A room imports its own wing and those before it here.
UP = [wing for floor in runpy.run_path(str(REPOSITORY / "docs" / "modules.py"))["FLOORS"] for wing in floor]
READERS = {"analysis": {"workspace", "cifar"}, "figures": {"workspace", "cifar", "analysis"}}
HEAVY = {"tensorflow", "keras", "tensorflow_addons"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


ROOMS = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTS = {name: imported_rooms(tree) - {name} for name, tree in ROOMS.items()}


def wing_of(room: str) -> str:
    return room.split(".")[0]


def outside(tree: ast.AST) -> set[str]:
    """Name the packages a room imports anywhere, also inside functions."""
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {name.split(".")[0] for name in names}


def reached_from(room: str) -> set[str]:
    found, waiting = set(), {room}
    while waiting:
        found |= (now := {waiting.pop()})
        waiting |= set().union(*(IMPORTS[name] for name in now)) - found
    return found


def test_imports_go_down_the_floors_only() -> None:
    links = [(room, other) for room in ROOMS if room != "__init__" for other in IMPORTS[room]]
    assert [(a, b) for a, b in links if UP.index(wing_of(b)) > UP.index(wing_of(a))] == []


def test_there_is_no_circle_late_imports_counted() -> None:
    graphlib.TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the circle


def test_rooms_import_rooms_and_never_faces() -> None:
    faces = {f"cifar102.{wing}" for wing in UP if (PACKAGE / wing).is_dir()}
    for room, tree in ROOMS.items():
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        named = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
        named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        rooms = {f"cifar102.{name}" for name in ROOMS}
        assert named & (faces | {"cifar102"}) == set(), room
        assert {name for name in named if name.rpartition(".")[0] in faces} <= rooms, room


def test_the_reading_wings_stand_on_the_ground_and_reach_no_tensorflow() -> None:
    for wing, allowed in READERS.items():
        for room in [room for room in ROOMS if wing_of(room) == wing]:
            assert {wing_of(other) for other in IMPORTS[room]} <= allowed | {wing}, room
            assert {other for other in reached_from(room) if outside(ROOMS[other]) & HEAVY} == set(), room


def test_only_the_room_of_addons_imports_tensorflow_addons() -> None:
    assert {room for room, tree in ROOMS.items() if "tensorflow_addons" in outside(tree)} == {"models.addons"}


def test_a_function_has_at_most_40_lines_and_a_room_at_most_400() -> None:
    assert {room: last for room, tree in ROOMS.items() if (last := tree.body[-1].end_lineno) > 400} == {}
    for room, tree in ROOMS.items():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert [node.name for node in functions if node.end_lineno - node.lineno >= 40] == [], room


def test_every_room_has_a_docstring_and_every_public_function_types() -> None:
    # Functions under a decorator are numba kernels, whose types numba finds.
    assert [room for room, tree in ROOMS.items() if not ast.get_docstring(tree)] == []
    for room, tree in ROOMS.items():
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
        for node in [node for node in functions if not node.decorator_list]:
            given = [node.returns, *(argument.annotation for argument in [*node.args.args, *node.args.kwonlyargs])]
            assert None not in given, f"{room}.{node.name}"


def test_a_room_does_not_have_the_name_of_what_its_face_offers() -> None:
    for wing in [wing for wing in UP if (PACKAGE / wing).is_dir()]:
        literals = [node.value for node in ast.walk(ROOMS[f"{wing}.__init__"]) if isinstance(node, ast.keyword)]
        for rooms in [ast.literal_eval(value) for value in literals]:
            assert set(rooms) & {name for names in rooms.values() for name in names} == set(), wing


@pytest.mark.parametrize("words", [["--help"], ["list"], ["review", "--help"], ["duplicates", "--help"]], ids=" ".join)
def test_a_command_that_trains_nothing_loads_no_tensorflow(words: list[str]) -> None:
    code = f"""
        import contextlib, sys
        from cifar102.__main__ import main
        with contextlib.suppress(SystemExit):
            main({words!r})
        sys.exit("tensorflow" in sys.modules and "TensorFlow was loaded")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-300:]


def _stored_files() -> list[Path]:
    folders = [PACKAGE, REPOSITORY / "tests", REPOSITORY / "notebooks"]
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".ipynb", ".json")]
    return [*found, REPOSITORY / "reproduce.py", REPOSITORY / "dodo.py"]


def test_no_file_names_a_folder_of_one_machine() -> None:
    machine = re.compile(r"[\"'(= ](/(home/\w|Users/\w|root/|tmp/\w|work/)|[A-Z]:\\+Users\\+\w)")
    found = [path.name for path in _stored_files() if machine.search(path.read_text(encoding="utf-8"))]
    assert found == []
