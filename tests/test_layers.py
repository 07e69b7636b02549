"""The shape of the package: who may import whom, who alone may import TensorFlow, how long things may be."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

from cifar102.notebooks import imported_rooms
from cifar102.workspace import REPOSITORY

PACKAGE = REPOSITORY / "cifar102"
MODULES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.glob("*.py"))}
LAYERS = {
    "ground": "workspace file_lock cifar batch_pickle pickle_opcodes array_files",
    "data": (
        "tiny_images tiny_keywords tiny_metadata candidates annotations append_log votes labelimg agreement "
        "good_indices dedup exact_copies l2_search l2_kernels kernels principal pair_bound shortlist similarity "
        "ssim_kernels pair_verdicts block_search planted_copies duplicate_rules "
        "screening quotas sampling resampling goals records group_split replay release croissant datasheet datasets "
        "release_sets companions sources downloads archives pools demo demo_drawing placebo whole_cifar10"
    ),
    "learning": (
        "models plain_networks ablation_networks residual_networks fast_networks layers fast_layers random_features "
        "patch_filters ridge addons addons_fallback pipeline augmentation autoaugment geometry pixel_operations "
        "previews splits training train_config training_data evaluation checkpoints initial_weights keras_files "
        "machine cluster progress optimizers "
        "schedules snapshots rate_range runs studies study_arms baselines network_tables search "
        "validation_leak training_cost lookahead image_views fast_recipe muon"
    ),
    "reading": (
        "analysis accuracies intervals predictions prediction_files lines robustness agreement_line model_pairs "
        "drop_terms keyword_mixture set_matrix seed_scores image_difficulty calibration placebo_gap power methods_text "
        "published_files published_models train_copies study_tables "
        "scorecard comparisons exploration figures figure_files charts accuracy_charts accuracy_chart_tables bar_marks "
        "chart_marks image_sheets picture_panels dashboards report report_cells report_page"
    ),
    "on top": (
        "__main__ commands runner plans profiles steps stamps notebooks execution jupyter_kernel lock "
        "benchmarks bench_worker machine_speed "
        "evaluate evaluation_sets model_files leakage image_sources "
        "review review_server review_widget review_sheets review_labelling review_pairs review_disagreements"
    ),
}
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules.split()}
MAY_IMPORT = {
    "ground": {"ground"},
    "data": {"data", "ground"},
    "learning": {"learning", "data", "ground"},
    "reading": {"reading", "ground"},
    "on top": {"on top", "reading", "learning", "data", "ground"},
}
GROUND = {name for name, layer in LAYER_OF.items() if layer == "ground"}
READING = {name for name, layer in LAYER_OF.items() if layer == "reading"}
TOP = {name for name, layer in LAYER_OF.items() if layer == "on top"}
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


IMPORTS = {name: imported_rooms(tree) - {name} for name, tree in MODULES.items()}
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


def test_every_module_has_its_layer_and_its_row_in_the_readme() -> None:
    assert MODULES.keys() - {"__init__"} == LAYER_OF.keys()
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    rows = {name: f"| `{name}` | {layer} | {first_line(MODULES[name])} |" for name, layer in LAYER_OF.items()}
    assert [row for row in rows.values() if row not in readme] == []


def first_line(tree: ast.Module) -> str:
    return ast.get_docstring(tree).splitlines()[0]


def test_imports_go_one_way() -> None:
    wrong = {
        (name, other)
        for name, layer in LAYER_OF.items()
        for other in IMPORTS[name]
        if LAYER_OF[other] not in MAY_IMPORT[layer]
    }
    assert wrong == set()


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
    at_start = {name: imported_rooms(_top_level(tree)) for name, tree in MODULES.items()}
    found, waiting = set(), {"__main__"}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= at_start[name] - found
    assert {name for name in found if outside_imports(_top_level(MODULES[name])) & HEAVY} == set()


def _top_level(tree: ast.Module) -> ast.Module:
    return ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])


def test_no_ring_of_imports() -> None:
    above = {name: imported_rooms(_top_level(tree)) - {name} for name, tree in MODULES.items()}
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
    machine = re.compile(r"[\"'(= ](/(home/\w|Users/\w|root/|tmp/\w|work/)|[A-Z]:\\+Users\\+\w)")
    found = [path.name for path in _stored_files() if machine.search(path.read_text(encoding="utf-8"))]
    assert found == []
