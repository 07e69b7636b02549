"""Write docs/modules.md, the map of the package, from the docstrings of its wings and rooms.

python docs/modules.py            write the page
python docs/modules.py --print    print it instead
"""

import ast
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "cifar102"
FLOORS = (
    ("workspace",),
    ("cifar", "decisions", "workflow"),
    ("tiny_images", "annotations", "analysis"),
    ("datasets", "dedup", "figures"),
    ("sampling", "models"),
    ("training", "review"),
    ("studies", "evaluation"),
    ("commands",),
    ("__main__",),
)
HEAD = """# The modules

<!-- Made by `python docs/modules.py` from the docstrings; a test holds it up to date. -->

The package is a house of wings (folders), each with rooms (modules). A room imports from its own wing and from wings
that stand before it on this page. A wing's face, its `__init__.py`, offers the names that notebooks and other programs
use: `from cifar102 import dedup`, then `dedup.near_duplicates(...)`.
"""


def docstring(path: Path) -> list[str]:
    """Return the paragraphs of a file's docstring, each on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def wing_text(wing: str) -> str:
    """Return the section of one wing: what its face says, and a table of its rooms."""
    folder = PACKAGE / wing
    if not folder.is_dir():
        return f"### `{wing}`\n\n{docstring(folder.with_suffix('.py'))[0]}\n"
    rooms = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    rows = "".join(f"| `{wing}.{path.stem}` | {docstring(path)[0]} |\n" for path in rooms)
    said = "\n\n".join(docstring(folder / "__init__.py"))
    return f"### `{wing}`\n\n{said}\n\n| room | what it is |\n|---|---|\n{rows}"


def page() -> str:
    """Return the whole page, floor by floor from the ground up."""
    parts = [HEAD]
    for number, wings in enumerate(FLOORS, start=1):
        parts += [f"## Floor {number}\n", *(wing_text(wing) for wing in wings)]
    return "\n".join(parts)


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(page())
    else:
        (DOCS / "modules.md").write_text(page(), encoding="utf-8", newline="\n")
