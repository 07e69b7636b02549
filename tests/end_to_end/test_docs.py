"""README and docs: short, with links that lead somewhere, names that exist and numbers that the tables hold."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from cifar102.analysis import protocol

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "cifar102"
DOCS = REPOSITORY / "docs"
README = REPOSITORY / "README.md"
PAGES = [README, REPOSITORY / "SECURITY.md", REPOSITORY / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROOM = re.compile(r"`([a-z_]+)\.([A-Za-z_]\w*)(?:\([^`]*\))?`")
PATH = re.compile(r"`((?:cifar102|tests)/[\w./-]+)`")
WING = re.compile(r"^\| `(\w+)/` \|", re.MULTILINE)
INTERVAL = re.compile(r"[-+]?[\d.]+ \[[-+]?[\d.]+, [-+]?[\d.]+\]")
PUBLISHED = "published predictions"
GAPS = {  # a row of the README's table -> label in figures/08-gap.csv
    "one draw: gap to the new test set (2,000 images), points": "all models: CIFAR-10 to cifar102",
    "gap of 30 published models to CIFAR-10.1 v4 (2,021 images), points": "mean of 30 models: to cifar10.1-v4",
}
SLOPES = {  # -> label and source in the same file
    "slope of new on old accuracy, 30 published models": ("linear axes, interval over models and images", PUBLISHED),
}
ACCURACIES = {  # -> train and test in figures/08-set-matrix.csv
    "one draw: trained on old images, tested on old images, %": ("cifar10", "cifar10"),
    "one draw: trained on old images, tested on new images, %": ("cifar10", "cifar102"),
    "one draw: trained on new images, tested on old images, %": ("cifar102", "cifar10"),
}
PARTS = {  # -> classifier and arm in results/cifar10/placebo_protocol.csv
    "protocol part, drawn by keyword, random features, points": ("random_features", "matched"),
    "protocol part, drawn by keyword, nearest neighbour, points": ("nearest_neighbour", "matched"),
    "protocol part, everything left over, random features, points": ("random_features", "leftover"),
    "protocol part, both sides screened, random features, points": ("random_features", "twin"),
}
PROTOCOL = pd.read_csv(REPOSITORY / "results" / "cifar10" / "placebo_protocol.csv")
IN_FORCE = PROTOCOL[PROTOCOL["rule"] == "registered"]


def prose(text: str) -> str:
    """The text without its code blocks."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The relative links of a page whose file or heading is not there."""
    broken = []
    for link in LINK.findall(prose(page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


def offered(face: Path) -> set[str]:
    """The names a face defines, or names in a string, as lazy_loader takes them."""
    tree = ast.parse(face.read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return strings | {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def resolves(package: Path, wing: str, name: str) -> bool:
    """Whether `wing.name` is a room of the package or a name that the wing's face offers."""
    if any((package / wing / path).exists() for path in (f"{name}.py", f"{name}/__init__.py")):
        return True
    face = package / wing / "__init__.py"
    return face.is_file() and name in offered(face)


def table_row(text: str, first: str, columns: int = 0) -> list[str]:
    """The cells after the first one of the table row that begins with `first`, of a table of so many columns."""
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in text.splitlines() if line[:1] == "|"]
    found = [cells[1:] for cells in rows if cells[0] == first and columns in (0, len(cells))]
    assert len(found) == 1, f"{first!r}: expected one row, found {len(found)}"
    return found[0]


def interval(row: pd.Series, value: str, digits: str, factor: float = 1) -> str:
    """A value and its limits as the pages print them."""
    numbers = (format(factor * row[name], digits) for name in (value, "low", "high"))
    return "{} [{}, {}]".format(*numbers)


def gap_row(label: str, source: str = "") -> pd.Series:
    table = pd.read_csv(REPOSITORY / "figures" / "08-gap.csv")
    found = table[(table["label"] == label) & table["source"].str.startswith(source)]
    assert len(found) == 1, f"08-gap.csv: {label!r} {source!r}"
    return found.iloc[0]


def matrix_interval(train: str, test: str) -> str:
    table = pd.read_csv(REPOSITORY / "figures" / "08-set-matrix.csv")
    found = table[(table["train"] == train) & (table["test"] == test)]
    assert len(found) == 1, f"08-set-matrix.csv: {train} {test}"
    return interval(found.iloc[0], "accuracy", ".1f", 100)


def readme() -> str:
    return README.read_text(encoding="utf-8")


def references() -> Iterator[tuple[str, str, str]]:
    """(page, wing, name) of each `wing.name` on the pages."""
    wings = set(WING.findall(readme()))
    for page in PAGES:
        for wing, name in ROOM.findall(prose(page.read_text(encoding="utf-8"))):
            if wing in wings:
                yield page.name, wing, name


def test_readme_has_at_most_150_lines_and_none_is_a_page_long():
    lines = readme().splitlines()
    assert len(lines) <= 150
    assert max(len(line) for line in lines) <= 140


def test_readme_shows_the_two_commands():
    lines = [line.split("#")[0].strip() for line in readme().splitlines()]
    assert "python3 reproduce.py" in lines
    assert "python3 reproduce.py test" in lines


def test_readme_shows_one_figure_and_at_most_ten_results():
    assert readme().count("![") == 1
    assert 1 <= len(INTERVAL.findall("\n".join(re.findall(r"^\|.*$", readme(), re.MULTILINE)))) <= 10


def test_readme_names_every_wing_and_no_other():
    assert sorted(WING.findall(readme())) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_readme_names_every_notebook():
    named = re.findall(r"^\| `(\d\d_\w+)` \|", readme(), re.MULTILINE)
    assert named == sorted(path.stem for path in (REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    assert broken_links(page) == []


def test_every_page_of_docs_stands_in_its_index():
    linked = set(LINK.findall((DOCS / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= linked


def test_every_room_that_a_page_names_is_in_the_package():
    assert [reference for reference in references() if not resolves(PACKAGE, *reference[1:])] == []


def test_every_path_that_a_page_names_is_in_the_repository():
    paths = {path for page in PAGES for path in PATH.findall(prose(page.read_text(encoding="utf-8")))}
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []


def test_every_interval_of_the_readme_is_compared_with_a_table():
    rows = [line for line in readme().splitlines() if line[:1] == "|" and INTERVAL.search(line)]
    assert {row.strip("| ").rpartition(" | ")[0] for row in rows} == {*GAPS, *SLOPES, *ACCURACIES, *PARTS}


@pytest.mark.parametrize(("first", "label"), GAPS.items())
def test_gaps_of_the_readme_are_those_of_the_figure(first, label):
    assert table_row(readme(), first) == [interval(gap_row(label), "gap", "+.2f")]


@pytest.mark.parametrize(("first", "key"), SLOPES.items())
def test_slopes_of_the_readme_are_those_of_the_figure(first, key):
    assert table_row(readme(), first) == [interval(gap_row(*key), "slope", ".3f")]


@pytest.mark.parametrize(("first", "sets"), ACCURACIES.items())
def test_accuracies_of_the_readme_are_those_of_the_figure(first, sets):
    assert table_row(readme(), first) == [matrix_interval(*sets)]


@pytest.mark.parametrize(("first", "key"), PARTS.items())
def test_protocol_parts_of_the_readme_are_those_of_the_recorded_table(first, key):
    (row,) = IN_FORCE[(IN_FORCE["classifier"] == key[0]) & (IN_FORCE["arm"] == key[1])].to_dict("records")
    assert table_row(readme(), first) == [interval(row, "protocol_part", "+.2f")]


def test_the_range_of_the_readme_is_that_of_the_matched_arm():
    matched = IN_FORCE[IN_FORCE["arm"] == "matched"]
    low, high = matched["protocol_part"].min(), matched["protocol_part"].max()
    share = [f"{100 * value / protocol.PUBLISHED_GAP:.0f}" for value in (low, high)]
    text = " ".join(readme().split())
    assert (
        f"lies {low:.2f} to {high:.2f} points lower" in text and f"{share[0]} to {share[1]} % of the published" in text
    )
    assert PROTOCOL[PROTOCOL["arm"] == "twin"]["equivalent"].all() and (PROTOCOL["splits"] == 200).all()


def test_every_row_of_the_recorded_table_is_on_the_page_of_statistics():
    page = (DOCS / "statistics.md").read_text(encoding="utf-8")
    for row in PROTOCOL.to_dict("records"):
        cells = [row["classifier"], f"{100 * row['accuracy']:.1f}", row["arm"], interval(row, "protocol_part", "+.2f")]
        cells += [f"{row['se']:.3f}", "yes" if row["equivalent"] else "no", f"{row['shown']:.2f}"]
        assert f"| {' | '.join(cells)} | {100 * row['share_of_published']:.1f} |" in page


def test_sentences_of_the_page_of_statistics_are_those_of_the_recorded_table():
    page = " ".join((DOCS / "statistics.md").read_text(encoding="utf-8").split())
    for rule in ("registered", "ssim"):
        for sentence in protocol.protocol_sentences(PROTOCOL, "random_features", rule):
            assert sentence in page
    gap = gap_row("mean of 30 models: to cifar10.1-v4")
    corrected = []
    for name in ("random_features", "nearest_neighbour"):
        row = IN_FORCE[(IN_FORCE["classifier"] == name) & (IN_FORCE["arm"] == "matched")].iloc[0]
        left, low, high = protocol.corrected_gap(gap["gap"], gap["low"], gap["high"], row)
        corrected.append(f"{left:.2f} [{low:.2f}, {high:.2f}]")
    assert f"it gives {corrected[0]} by random features and {corrected[1]} by the nearest neighbour" in page


def test_gaps_of_the_results_page_are_those_of_the_figure():
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    labels = pd.read_csv(REPOSITORY / "figures" / "08-gap.csv")["label"]
    networks = [label.split(":")[0] for label in labels if label.endswith("CIFAR-10 to cifar102-leftover")]
    for name in networks:
        wanted = interval(gap_row(f"{name}: CIFAR-10 to cifar102-leftover"), "gap", "+.2f")
        assert table_row(page, name, columns=4)[2] == wanted
    for column, name in enumerate(("cifar102", "cifar102-uniform")):
        wanted = interval(gap_row(f"all models: CIFAR-10 to {name}"), "gap", "+.2f")
        assert table_row(page, "all models")[column] == wanted


def test_accuracies_of_the_results_page_are_those_of_the_figure():
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    tests = ("cifar10", "cifar102", "cifar102-leftover", "cifar102-uniform")
    assert table_row(page, "the reference") == [matrix_interval("cifar10", name) for name in tests]
    assert table_row(page, "the new set")[:3] == [matrix_interval("cifar102", name) for name in tests[:3]]


SECURITY = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
HELD = dict(re.findall(r"^(\d+)\. (`tests/.*)$", SECURITY, re.MULTILINE))


def test_every_number_of_the_security_page_leads_to_a_test_and_every_test_is_named_by_one():
    text = SECURITY.partition("## The test of each sentence")[0]
    cited = list(dict.fromkeys(re.findall(r"\[(\d+)\]", text)))
    assert cited == list(HELD) == [str(number) for number in range(1, len(HELD) + 1)]


@pytest.mark.parametrize("number", HELD)
def test_every_test_that_the_security_page_names_is_there(number):
    for path, name in re.findall(r"`(tests/[^`:]+)::(\w+)`", HELD[number]):
        tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_every_sentence_of_what_the_security_page_promises_has_a_test():
    promised = [told for _, told in re.findall(r"^\| (?!what comes)(.*) \| (.*) \|$", SECURITY, re.MULTILINE)]
    promised += re.search(r"## What is yours is kept\n\n(.*?)\n\n##", SECURITY, re.DOTALL)[1].split("\n\n")
    sentences = [part for text in promised for part in re.split(r"(?<=\.)\s+(?=[A-Z`])", text)]
    assert len(sentences) >= 30 and [text for text in sentences if not re.search(r"\[\d+\]", text)] == []


def test_a_link_to_no_file_or_no_heading_is_found(tmp_path):
    (tmp_path / "other.md").write_text("# Two words, `code`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    links = "[a](other.md) [b](other.md#two-words-code) [c](other.md#three) [d](gone.md) [e](#here) [f](https://x.y)"
    page.write_text(f"# Here\n\n{links}\n\n```\n[g](in-code.md)\n```\n", encoding="utf-8")
    assert broken_links(page) == ["other.md#three", "gone.md"]


def test_a_room_or_an_offered_name_resolves_and_others_do_not(tmp_path):
    face = tmp_path / "dedup" / "__init__.py"
    face.parent.mkdir()
    face.write_text('lazy_loader.attach(__name__, submod_attrs={"neighbours": ["nearest"]})\n', encoding="utf-8")
    (tmp_path / "dedup" / "similarity.py").touch()
    assert resolves(tmp_path, "dedup", "similarity")
    assert resolves(tmp_path, "dedup", "nearest")
    assert not resolves(tmp_path, "dedup", "farthest")
    assert not resolves(tmp_path, "gone", "nearest")


def test_the_page_of_modules_is_that_of_today():
    done = subprocess.run([sys.executable, DOCS / "modules.py", "--print"], capture_output=True, text=True, check=True)
    assert done.stdout == (DOCS / "modules.md").read_text(encoding="utf-8"), "python docs/modules.py writes it anew"


FILES = {
    "bin",
    "csv",
    "css",
    "html",
    "js",
    "json",
    "jsonl",
    "keras",
    "log",
    "md",
    "meta",
    "npy",
    "npz",
    "parquet",
    "png",
    "py",
}
MENTION = re.compile(r"(?<![\w./`'\"{])`?([a-z][a-z_0-9]+)\.([A-Za-z_]\w*)\b(?![\w/=])")


def top_names(path: Path) -> set[str]:
    """The names a room defines or imports, and those that a face offers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = offered(path) if path.stem == "__init__" else set()
    for node in tree.body:
        found |= {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)}
        found |= {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
    return found


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""


def test_every_room_that_a_docstring_names_is_there():
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.parent.name if path.stem == "__init__" else path.stem
        rooms[name] = rooms.get(name, set()) | top_names(path)
        if path.stem != "__init__":
            rooms.setdefault(path.parent.name, set()).add(path.stem)
    lost = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in docstrings(path):
            named = [(room, name) for room, name in MENTION.findall(text) if room in rooms and name not in FILES]
            lost += [f"{path.relative_to(PACKAGE)}: {room}.{name}" for room, name in named if name not in rooms[room]]
    assert lost == []


def test_every_page_that_the_code_names_is_there():
    for path in [*PACKAGE.rglob("*.py"), REPOSITORY / "reproduce.py"]:
        text = path.read_text(encoding="utf-8")
        assert "README, " not in text, f"{path.name}: README has no sections to name; a page of docs/ has them"
        for name in re.findall(r"\b(docs/[\w-]+\.md)", text):
            assert (REPOSITORY / name).is_file(), f"{path.name}: {name}"
