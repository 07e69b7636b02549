"""report.html: one page that shows a whole run, made of the executed notebooks; all values are escaped.

First the page and what it is put together of, then the cells of a notebook as HTML, then the report of a run.
"""

import base64
import html
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import mistune
import nbformat
import nh3
import pandas as pd

from cifar102.workspace.files import read_object, read_table, write_text
from cifar102.workspace.folders import Workspace, read_summary
from cifar102.workspace.wording import duration

STYLE = """
:root { color-scheme: light; --line: #d9dde3; --soft: #f5f6f8; --quiet: #5a6472; --accent: #0b62a8; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1c2128; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", "Helvetica Neue", Arial, sans-serif; }
main, header, nav, footer { max-width: 56rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.2rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 1.8em 0 0.5em; }
h1 { font-size: 1.9rem; margin: 0 0 0.2em; }
h2 { font-size: 1.45rem; border-top: 1px solid var(--line); padding-top: 1.1em; }
h3 { font-size: 1.15rem; }
h4 { font-size: 1rem; }
p, ul, ol { margin: 0.6em 0; max-width: 46rem; }
a { color: var(--accent); }
.quiet { color: var(--quiet); }
nav ul { columns: 2; column-gap: 2.5rem; padding: 0; max-width: none; list-style: none; }
nav li { break-inside: avoid; padding: 0.12em 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 0.8rem; margin: 1.2rem 0; }
.card { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 0.9rem; }
.card b { display: block; font-size: 1.35rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card.long b { font-size: 1rem; line-height: 1.35; }
.card span { color: var(--quiet); font-size: 0.85rem; line-height: 1.35; display: block; margin-top: 0.2rem; }
.wide { overflow-x: auto; max-height: 36rem; overflow-y: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.28rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 3.5rem; }
.word { white-space: nowrap; }
thead th { background: var(--soft); position: sticky; top: 0; white-space: nowrap; }
pre { background: var(--soft); border-radius: 6px; padding: 0.7rem 0.9rem; overflow-x: auto; font-size: 0.8rem;
  line-height: 1.4; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-size: 0.88em; }
pre code { font-size: inherit; }
figure { margin: 1.1rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
details { margin: 0.35rem 0; }
td details { margin: 0; }
summary { cursor: pointer; color: var(--quiet); font-size: 0.82rem; }
details.code > summary { opacity: 0.75; }
.error pre { background: #fdf0ef; }
.hash { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 0.75rem; }
footer { color: var(--quiet); font-size: 0.85rem; padding-top: 2rem; padding-bottom: 3rem; }
@media (max-width: 40rem) { nav ul { columns: 1; } }
@media print {
  body { font-size: 10.5pt; } main, header, nav { max-width: none; padding: 0; }
  details.code { display: none; } figure, tr, .card { break-inside: avoid; } h2 { break-before: page; }
  .wide { overflow: visible; max-height: none; }
}
"""
ABSENT = "&ndash;"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
TABLE_TAGS = {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption"}
TEXT_TAGS = {"a", "b", "blockquote", "br", "code", "del", "div", "em", "hr", "i", "li", "ol", "p", "pre", "span"}
TEXT_TAGS |= {"strong", "sub", "sup", "ul", "img", *(f"h{level}" for level in range(1, 7))}
ATTRIBUTES = {"img": {"alt", "width", "src"}, "a": {"href"}, **{tag: {"colspan", "rowspan"} for tag in TABLE_TAGS}}
ADDRESSES = {"img": ("data:image/",), "a": ("https://", "http://", "#")}
ACTIVE_TAGS = {"script", "style", "template", "iframe", "object", "svg", "math"}  # go with all that is in them
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DEEPEST = 20  # levels of a value that are shown
MAX_LINES = 40  # of a printed output before it is folded
POINTS = ("published_difference", "difference")


def page(title: str, lead: str, parts: Sequence[tuple[str, str, str]], footer: str) -> str:
    """Put the page together. parts: (anchor, heading, HTML) each; title, lead, headings and footer are text."""
    items = "\n".join(f'<li><a href="#{html.escape(a)}">{html.escape(heading)}</a></li>' for a, heading, _ in parts)
    sections = "\n".join(
        f'<section id="{html.escape(anchor)}"><h2>{html.escape(heading)}</h2>\n{content}</section>'
        for anchor, heading, content in parts
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{html.escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{html.escape(title)}</h1><p class="quiet">{html.escape(lead)}</p></header>
<nav aria-label="contents"><ul>
{items}
</ul></nav>
<main>
{sections}
</main>
<footer>{html.escape(footer)}</footer>
</body>
</html>
"""


def cards(values: dict[str, object]) -> str:
    """Show headline numbers as cards: the value large (a sentence smaller), its name below."""
    items = []
    for name, value in values.items():
        kind = "card long" if len(written(value)) > 22 else "card"
        items.append(f'<div class="{kind}"><b>{written(value)}</b><span>{html.escape(name)}</span></div>')
    return f'<div class="cards">{"".join(items)}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Show rows of HTML cells under a header of text, in a box of its own that scrolls."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def pairs(values: dict[str, object]) -> str:
    """Show named values as a table of two columns."""
    return table(("name", "value"), ((html.escape(str(name)), written(value)) for name, value in values.items()))


def written(value: object, depth: int = 0) -> str:
    """Write a value as escaped text: four digits of a float, thousands with commas, a list with commas.

    depth: how deep it lies in others; below DEEPEST levels stands a mark that something was left out.
    """
    if depth > DEEPEST:
        return "&hellip;"
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(written(item, depth + 1) for item in value)}]"
    if isinstance(value, dict):
        return "; ".join(f"{html.escape(str(name))}: {written(item, depth + 1)}" for name, item in value.items())
    return html.escape(str(value))


def folded(summary: str, content: str, kind: str = "") -> str:
    """Put HTML behind a line one can open; the summary is text."""
    return f'<details class="{html.escape(kind)}"><summary>{html.escape(summary)}</summary>{content}</details>'


def preformatted(text: str) -> str:
    """Show printed text as it stood on the terminal at the end: no colours, of a progress line its last state."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in TERMINAL.sub("", text).split("\n")]
    shown = f"<pre>{html.escape(chr(10).join(lines).rstrip())}</pre>"
    return folded(f"{len(lines)} lines of output", shown) if len(lines) > MAX_LINES else shown


def notebook_title(path: Path) -> str:
    """Return the first heading of a notebook, or its file name without the suffix."""
    for cell in _read(path).cells:
        match = re.search(r"^#+\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if match:
            return match[1].strip()
    return Path(path).stem


def notebook_html(path: Path) -> str:
    """Return an executed notebook's cells as HTML without scripts, styles or anything that is fetched.

    The first heading is left out: it is notebook_title, which the page sets above.
    Raises FileNotFoundError, or ValueError where the file is not a notebook.
    """
    cells = _read(path).cells
    try:
        markup = "\n".join(part for cell in cells if (part := _cell(cell)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # an output without its data, of another kind
        raise ValueError(f"{path}: not readable as a notebook that has run: {error!r}") from error
    return re.sub(r"\A<h\d>.*?</h\d>\s*", "", markup)


def _read(path: Path) -> nbformat.NotebookNode:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: the executed notebook is not there")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises several kinds for a damaged file
        raise ValueError(f"{path}: not readable as a notebook: {error}") from error


def _cell(cell: nbformat.NotebookNode) -> str:
    if cell.cell_type == "markdown":
        return markdown_html(cell.source)
    if cell.cell_type != "code" or not cell.source.strip():
        return ""
    tags = cell.get("metadata", {}).get("tags", [])
    name = {"parameters": "parameters", "injected-parameters": "parameters of this run"}
    summary = next((name[tag] for tag in tags if tag in name), "code")
    code = folded(summary, f"<pre>{html.escape(cell.source)}</pre>", "code")
    return "\n".join([code, *(part for output in cell.outputs if (part := _output(output)))])


def _output(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return preformatted(_joined(output.text)) if _joined(output.text).strip() else ""
    if output.output_type == "error":
        return f'<div class="error">{preformatted(_joined("".join(output.traceback)))}</div>'
    data = output.data
    if "image/png" in data or "image/jpeg" in data:
        return _image(output)
    if "image/svg+xml" in data:
        content = base64.b64encode(_joined(data["image/svg+xml"]).encode()).decode()
        return _image_tag("image/svg+xml;base64", content, "figure", None)
    if "text/html" in data:
        return f'<div class="wide">{sanitize(_joined(data["text/html"]))}</div>'
    if "text/markdown" in data:
        return markdown_html(_joined(data["text/markdown"]))
    return preformatted(_joined(data.get("text/plain", ""))) if data.get("text/plain") else ""


def _image(output: nbformat.NotebookNode) -> str:
    kind = "image/png" if "image/png" in output.data else "image/jpeg"
    content = re.sub(r"[^A-Za-z0-9+/=]", "", _joined(output.data[kind]))
    width = output.get("metadata", {}).get(kind, {}).get("width")
    return _image_tag(f"{kind};base64", content, _joined(output.data.get("text/plain", "figure")), width)


def _image_tag(kind: str, content: str, text: str, width: object) -> str:
    size = f' width="{int(width)}"' if isinstance(width, int | float) and math.isfinite(width) else ""
    return f'<figure><img alt="{html.escape(text)}"{size} src="data:{kind},{content}"></figure>'


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def markdown_html(text: str) -> str:
    """Turn Markdown into HTML, headings one level down (the page has its own first); HTML in it is shown as text."""
    markup = mistune.create_markdown(escape=True, plugins=["table", "strikethrough", "url"])(text)
    lowered = re.sub(r"(</?h)([1-5])>", lambda match: f"{match[1]}{int(match[2]) + 1}>", markup)
    return sanitize(lowered).replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


def sanitize(markup: str) -> str:
    """Keep text, tables and images that are in the page itself; drop every other tag and attribute."""
    return nh3.clean(
        markup,
        tags=TABLE_TAGS | TEXT_TAGS,
        clean_content_tags=ACTIVE_TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_kept_value,
        url_schemes={"http", "https", "data"},
        link_rel=None,
    )


def _kept_value(tag: str, name: str, value: str) -> str | None:
    """The value of an allowed attribute; None where it is an address that a page without a network does not need."""
    is_address = name in ("src", "href")
    return None if is_address and not value.startswith(ADDRESSES.get(tag, ())) else value


def build_report(workspace: Workspace, steps: Sequence[dict]) -> Path:
    """Write report.html, one page that needs no other file: headline numbers, pool, steps, every executed notebook.

    steps: dicts with name, notebook (path of the executed .ipynb or None), parameters, seconds, inputs and outputs
    (path -> SHA-256), versions; a missing entry is shown as a dash. Raises FileNotFoundError for a missing notebook.
    """
    workspace = Workspace(workspace)
    sections = read_summary(workspace)
    pool = read_object(workspace.raw / "pool.json") if (workspace.raw / "pool.json").is_file() else {}
    headline = sections.pop("headline", {})
    for values in sections.values():
        headline |= values.pop("headline", {})
    parts = [("headline", "Headline numbers", cards(headline))] if headline else []
    images = pool.get("title", "no pool description")
    claims = workspace.results / "verdicts.csv"
    if claims.is_file():
        parts.append(("verdicts", "Published claims of the studies", _verdicts(read_table(claims), images)))
    parts += [
        ("pool", "The images of this run", _pool(pool)),
        ("steps", "Steps", _steps(steps)),
        ("numbers", "All numbers", _numbers(sections)),
    ]
    for step in steps:
        if step.get("notebook"):
            path = Path(step["notebook"])
            study = path.stem.partition("-")[2]  # 06_ablations-<study> stands there once per study
            title = notebook_title(path) + (f": {study}" if study else "")
            parts.append((path.stem, title, notebook_html(path)))
    lead = f"Workspace {workspace.name}. Images: {images}."
    text = page("CIFAR-10.2: report of a run", lead, parts, "Made by python -m cifar102 from the files of the run.")
    return write_text(workspace.root / "report.html", text)


def _verdicts(claims: pd.DataFrame, images: str) -> str:
    """The verdict on each claim, differences in percentage points; those that no run spoke to come last."""
    claims = claims.sort_values("n", key=lambda n: n == 0, kind="stable")
    rows = []
    for claim in claims.to_dict("records"):
        against = "" if pd.isna(claim["reference"]) else f" against {claim['reference']}"
        points = ["" if pd.isna(claim[name]) else f"{100 * claim[name]:+.1f}" for name in POINTS]
        cells = (claim["claim"], claim["arm"] + against, *points, claim["certainty"])
        verdict = f'<span class="word">{written(claim["verdict"])}</span>'
        rows.append([*(written(cell) for cell in cells), verdict])
    lead = (
        f"Images: {images}. Differences in percentage points at this run's sizes, intervals over images and seeds; p "
    )
    lead += "with Holm's correction over all claims, whether or not their studies have run."
    names = ("claim", "arms", "published", "here", "certainty", "verdict")
    return f"<p>{written(lead)}</p>{table(names, rows)}"


def _pool(pool: dict) -> str:
    if not pool:
        return "<p>raw/pool.json is not there; nothing is known of where the images come from.</p>"
    text = markdown_html(str(pool.get("description", "")))
    rest = {name: value for name, value in pool.items() if name != "description"}
    return text + pairs(rest)


def _steps(steps: Sequence[dict]) -> str:
    """Show the steps: wall time, and folded away their parameters, versions, hashes of inputs and outputs."""
    seconds = sum(step.get("seconds") or 0 for step in steps)
    lead = f"<p>{len(steps)} steps, {duration(seconds)} of wall time in all.</p>"
    return lead + table(("step", "wall time", "parameters", "inputs", "outputs", "versions"), map(_step_row, steps))


def _step_row(step: dict) -> list[str]:
    cells = [html.escape(str(step.get("name", ""))), _seconds(step)]
    nouns = {"parameters": "parameters", "inputs": "files", "outputs": "files", "versions": "versions"}
    for key, noun in nouns.items():
        values = step.get(key) or {}
        rows = "".join(f"{html.escape(str(name))}: {written(value)}<br>" for name, value in values.items())
        cells.append(folded(f"{len(values)} {noun}", f'<div class="hash">{rows}</div>') if values else ABSENT)
    return cells


def _seconds(step: dict) -> str:
    return ABSENT if step.get("seconds") is None else duration(step["seconds"])


def _numbers(sections: dict[str, dict]) -> str:
    parts = [folded(name, pairs(values)) for name, values in sections.items()]
    return "\n".join(parts) or "<p>No notebook has added numbers to results/summary.json yet.</p>"
