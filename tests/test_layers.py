"""The shape of the package: who may import whom, who alone may import TensorFlow, how long things may be."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

from cifar102.notebooks import imported_modules
from cifar102.workspace import REPOSITORY

PACKAGE = REPOSITORY / "cifar102"
MODULES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.glob("*.py"))}
ON_TOP = (
    "__main__ commands benchmarks steps plans profiles notebooks stamps runner execution jupyter_kernel lock review"
)
TOP = set(ON_TOP.split())
GROUND = {"workspace", "cifar", "batch_pickle"}
READING = {"analysis", "figures", "report"}
LEARNING = {"models", "pipeline", "training", "addons", "studies"}
TOO_GENERAL = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
HEAVY = {"tensorflow", "keras", "tensorflow_addons"}


def outside_imports(tree: ast.AST) -> set[str]:
    """Name the packages a module imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


IMPORTS = {name: imported_modules(tree) - {name} for name, tree in MODULES.items()}
OUTSIDE = {name: outside_imports(tree) for name, tree in MODULES.items()}


def reached_from(name: str) -> set[str]:
    found, waiting = set(), {name}
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= IMPORTS[module] - found
    return found


def test_the_package_itself_imports_nothing() -> None:
    assert not [node for node in ast.walk(MODULES["__init__"]) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_ground_stands_on_nothing_above_it() -> None:
    for name in GROUND & MODULES.keys():
        assert IMPORTS[name] <= GROUND


def test_nothing_imports_what_stands_on_top() -> None:
    assert {name: IMPORTS[name] & TOP for name in MODULES if name not in TOP and IMPORTS[name] & TOP} == {}


@pytest.mark.parametrize("name", sorted(READING & MODULES.keys()))
def test_reading_reaches_no_tensorflow(name: str) -> None:
    assert {module for module in reached_from(name) if OUTSIDE[module] & HEAVY} == set()


def test_only_what_learns_reaches_tensorflow() -> None:
    learns = {name for name in MODULES if OUTSIDE[name] & HEAVY}
    data = {"tiny_images", "annotations", "dedup", "sampling", "datasets", "downloads", "release", "demo", "placebo"}
    for name in (data | GROUND) & MODULES.keys():
        assert reached_from(name) & learns == set(), f"{name} is a module of data or ground"


def test_only_addons_imports_tensorflow_addons() -> None:
    assert {name for name in MODULES if "tensorflow_addons" in OUTSIDE[name]} <= {"addons"}


def test_the_commands_start_without_tensorflow() -> None:
    at_start = {name: imported_modules(_top_level(tree)) for name, tree in MODULES.items()}
    found, waiting = set(), {"__main__"}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= at_start[name] - found
    assert {name for name in found if outside_imports(_top_level(MODULES[name])) & HEAVY} == set()


def _top_level(tree: ast.Module) -> ast.Module:
    return ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])


def test_no_ring_of_imports() -> None:
    above = {name: imported_modules(_top_level(tree)) - {name} for name, tree in MODULES.items()}
    order = graphlib.TopologicalSorter(above)
    order.prepare()  # raises CycleError, which names the ring


def test_a_module_is_a_noun_and_at_most_250_lines() -> None:
    assert TOO_GENERAL & MODULES.keys() == set()
    lengths = {name: len((PACKAGE / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in MODULES}
    assert {name: length for name, length in lengths.items() if length > 250} == {}


def test_a_function_is_at_most_40_lines() -> None:
    long = {}
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 40:
                long[f"{name}.{node.name}"] = node.end_lineno - node.lineno + 1
    assert long == {}


def test_every_public_function_has_types_and_every_module_a_docstring() -> None:
    # Functions under a decorator are numba kernels, whose types numba finds.
    assert [name for name, tree in MODULES.items() if not ast.get_docstring(tree)] == []
    untyped = []
    for name, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not node.decorator_list:
                arguments = [*node.args.args, *node.args.kwonlyargs]
                if node.returns is None or any(argument.annotation is None for argument in arguments):
                    untyped.append(f"{name}.{node.name}")
    assert untyped == []


def _stored_files() -> list[Path]:
    folders = [PACKAGE, REPOSITORY / "tests", REPOSITORY / "notebooks"]
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".ipynb", ".json")]
    return [*found, REPOSITORY / "reproduce.py", REPOSITORY / "dodo.py"]


def test_no_file_names_a_folder_of_one_machine() -> None:
    machine = re.compile(
        r"[\"'(= ](/home/(?!me/)\w|/Users/\w|/root/|/tmp/\w|/work/|[A-Z]:\\+Users\\+(?!\\|me\b))"
    )  # "me" is nobody
    found = [path.name for path in _stored_files() if machine.search(path.read_text(encoding="utf-8"))]
    assert found == []
