"""What a stored notebook declares: its parameters with their types, its text, and the package modules it stands on."""

import ast
import hashlib
import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
ONE_AT_A_TIME = threading.Lock()
NOT_LITERAL = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError)  # what ast.literal_eval raises
ACCEPTED = {"float": ("float", "int"), "tuple": ("tuple", "list"), "list": ("list", "tuple"), "None": ("NoneType",)}


@dataclass(frozen=True)
class Parameter:
    """One line of the cell tagged `parameters`: its name, the type as written, its default."""

    name: str
    annotation: str
    default: object

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the outermost types allowed: of `tuple[int, ...] | None` these are tuple and None."""
        parts = [part.split("[")[0].strip() for part in self.annotation.replace("Optional[", "None|").split("|")]
        return tuple(part.rstrip("]") for part in parts)

    def accepts(self, value: object) -> bool:
        """Say whether `value` has the declared type; an int passes for a float, a list for a tuple."""
        found = type(value).__name__
        return any(found in ACCEPTED.get(kind, (kind,)) for kind in self.kinds)


def read_cells(notebook: Path) -> list[dict]:
    """Read the cells of a notebook; ValueError names the file when it is not a notebook."""
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
        found = [{**cell, "source": "".join(cell["source"])} for cell in cells]
        well_formed = all(isinstance(cell["cell_type"], str) and _has_tags(cell) for cell in found)
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise ValueError(f"{notebook}: not readable as a notebook: {error!r}") from error
    if not well_formed:
        raise ValueError(f"{notebook}: not readable as a notebook: expected a kind and a list of tags a cell")
    return found


def _has_tags(cell: dict) -> bool:
    metadata = cell.get("metadata", {})
    tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


def tags_of(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def declared_parameters(notebook: Path) -> dict[str, Parameter]:
    """Read name, type and default of each parameter from the one cell tagged `parameters`.

    A type is the annotation, or that of the default where there is none. ValueError where the cell holds anything but
    assignments of literals, because a value computed there would not follow an override.
    """
    found: dict[str, Parameter] = {}
    for cell in read_cells(notebook):
        if cell["cell_type"] != "code" or "parameters" not in tags_of(cell):
            continue
        for line in parse(cell["source"], notebook).body:
            parameter = _parameter_of(line, notebook)
            found[parameter.name] = parameter
    return found


def _parameter_of(line: ast.stmt, notebook: Path) -> Parameter:
    target = _target_of(line)
    try:
        default = ast.literal_eval(line.value) if isinstance(target, ast.Name) else None
    except NOT_LITERAL:
        target = None
    if not isinstance(target, ast.Name):
        raise ValueError(f"{notebook}: the parameters cell holds {ast.unparse(line)!r}; expected NAME: TYPE = LITERAL")
    annotation = ast.unparse(line.annotation) if isinstance(line, ast.AnnAssign) else type(default).__name__
    return Parameter(target.id, annotation, default)


def _target_of(line: ast.stmt) -> ast.expr | None:
    if isinstance(line, ast.AnnAssign):
        return line.target
    return line.targets[0] if isinstance(line, ast.Assign) else None


def hash_notebook(notebook: Path) -> str:
    """SHA-256 of what the notebook says (kind, tags and source of each cell), not of outputs or editor metadata."""
    said = [[cell["cell_type"], tags_of(cell), cell["source"].rstrip()] for cell in read_cells(notebook)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def code_of(notebook: Path) -> ast.Module:
    """Parse all code cells as one module; lines only IPython reads (`%matplotlib inline`) are left out."""
    lines = []
    for cell in read_cells(notebook):
        if cell["cell_type"] == "code":
            lines += [line for line in cell["source"].splitlines() if not line.lstrip().startswith(("%", "!"))]
    return parse("\n".join(lines), notebook)


def parse(source: str, path: Path) -> ast.Module:
    """Parse Python, one thread at a time: CPython 3.11 counts the depth of the tree per process, not per thread.

    ValueError names the file and the line that is no Python.
    """
    try:
        with ONE_AT_A_TIME:
            return ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # ValueError: a zero byte
        raise ValueError(f"{path}: expected Python code, found {error or type(error).__name__}") from error


def imported_rooms(tree: ast.AST, package: Path = PACKAGE) -> set[str]:
    """Name the rooms of the package that `tree` imports anywhere, also inside functions: `dedup.pair_table`, `cifar`.

    A name that comes from a wing's face counts as the room that the face takes it from. A face that is imported whole
    or handed on counts as all rooms it names, the package itself as all its rooms. ValueError for a relative import.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found |= _rooms_named([alias.name], package) or _rooms_behind(_face_path(alias.name, package), None)
                found |= _all_rooms(package) if alias.name == package.name else set()
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(
                f"expected imports that begin with {package.name}, found a relative one in line {node.lineno}"
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= set().union(*(_rooms_from(node.module, alias, tree, package) for alias in node.names))
    return found


def _rooms_from(module: str, alias: ast.alias, tree: ast.AST, package: Path) -> set[str]:
    """Name the rooms that one name of `from module import name` stands for."""
    if alias.name == "*":
        return _all_rooms(package) if module == package.name else _rooms_behind(_face_path(module, package), None)
    name = f"{module}.{alias.name}"
    face = _face_path(name, package)
    if face.is_file():
        return _rooms_behind(face, _uses(tree, alias.asname or alias.name))
    return _rooms_named([name, module], package) | _rooms_behind(_face_path(module, package), {alias.name})


def _face_path(name: str, package: Path) -> Path:
    """The face of a wing that is named `package.wing`; a file that is not there for any other name."""
    first, _, wing = name.partition(".")
    return package / (wing if first == package.name and wing else "no wing") / "__init__.py"


def _all_rooms(package: Path) -> set[str]:
    paths = [path for path in package.rglob("*.py") if path.stem != "__init__"]
    return {".".join(path.relative_to(package).with_suffix("").parts) for path in paths}


def _rooms_named(names: list[str], package: Path) -> set[str]:
    """Keep the names that are files of the package, less the package's own name."""
    inside = [name.removeprefix(f"{package.name}.") for name in names if name.startswith(f"{package.name}.")]
    return {name for name in inside if _path_of(name, package).is_file()}


def _path_of(room: str, package: Path) -> Path:
    return package.joinpath(*room.split(".")).with_suffix(".py")


def _uses(tree: ast.AST, face: str) -> set[str] | None:
    """Name what `tree` takes from a face by attribute; None where it hands the face itself on."""
    nodes = list(ast.walk(tree))
    taken = [node for node in nodes if isinstance(node, ast.Attribute) and _is_name(node.value, face)]
    handed_on = sum(_is_name(node, face) for node in nodes) > len(taken)
    return None if handed_on else {node.attr for node in taken}


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _rooms_behind(face: Path, names: set[str] | None) -> set[str]:
    """Name the rooms that a face takes `names` from, all of its rooms for None; none where there is no such face."""
    rooms = _face(face, face.stat().st_mtime_ns) if face.is_file() else {}
    return {f"{face.parent.name}.{room}" for room, offered in rooms.items() if names is None or names & set(offered)}


@lru_cache(maxsize=64)
def _face(path: Path, changed: int) -> dict[str, list[str]]:
    """Read the literal that a face gives `lazy_loader.attach`: room -> the names it offers."""
    for node in ast.walk(parse(path.read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            return ast.literal_eval(node.value)
    return {}


def hash_modules(tree: ast.AST, package: Path = PACKAGE) -> dict[str, str]:
    """Hash each room of the package that `tree` reaches through imports, and the decision tables where one reads them.

    What is hashed is the syntax tree without docstrings, so comments and formatting do not make a step run again.
    Returns name -> SHA-256, sorted by name.
    """
    hashes: dict[str, str] = {}
    waiting = imported_rooms(tree, package)
    while waiting:
        name = waiting.pop()
        path = _path_of(name, package)
        imports, hashes[name] = _module(path, package, path.stat().st_mtime_ns)
        waiting |= imports - hashes.keys()
        if name.startswith("decisions."):
            hashes |= _hash_tables(package / "decisions")
    return dict(sorted(hashes.items()))


def _hash_tables(folder: Path) -> dict[str, str]:
    """Hash the decision tables and templates; README describes them and decides nothing."""
    tables = [path for path in folder.iterdir() if path.suffix in (".csv", ".md") and path.stem != "README"]
    return {f"decisions/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in tables}


@lru_cache(maxsize=1024)
def _module(path: Path, package: Path, changed: int) -> tuple[frozenset[str], str]:
    """What `hash_modules` needs of one room: its imports and its hash."""
    module = parse(path.read_text(encoding="utf-8"), path)
    imports = frozenset(imported_rooms(module, package))
    return imports, hashlib.sha256(ast.dump(_without_docstrings(module)).encode()).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree
