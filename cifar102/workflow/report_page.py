"""The parts of report.html: the page with its style, number cards, tables, the steps. All values are escaped."""

import html
from collections.abc import Iterable, Sequence

from cifar102.workflow.report_cells import folded
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


def written(value: object) -> str:
    """Write a value as escaped text: four digits of a float, thousands with commas, a list with commas."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    if isinstance(value, dict):
        return "; ".join(f"{html.escape(str(name))}: {written(item)}" for name, item in value.items())
    return html.escape(str(value))


def pairs(values: dict[str, object]) -> str:
    """Show named values as a table of two columns."""
    return table(("name", "value"), ((html.escape(str(name)), written(value)) for name, value in values.items()))


def steps_table(steps: Sequence[dict]) -> str:
    """Show the steps: wall time, and folded away their parameters, versions, hashes of inputs and outputs."""
    return table(("step", "wall time", "parameters", "inputs", "outputs", "versions"), map(_step_row, steps))


def _step_row(step: dict) -> list[str]:
    cells = [html.escape(str(step.get("name", ""))), _seconds(step)]
    for key, noun in (
        ("parameters", "parameters"),
        ("inputs", "files"),
        ("outputs", "files"),
        ("versions", "versions"),
    ):
        values = step.get(key) or {}
        rows = "".join(f"{html.escape(str(name))}: {written(value)}<br>" for name, value in values.items())
        cells.append(folded(f"{len(values)} {noun}", f'<div class="hash">{rows}</div>') if values else ABSENT)
    return cells


def _seconds(step: dict) -> str:
    return ABSENT if step.get("seconds") is None else duration(step["seconds"])
