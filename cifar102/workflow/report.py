"""summary.json, the numbers every notebook adds, and report.html, the one page that shows a whole run."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cifar102.workflow import report_cells, report_page
from cifar102.workspace import wording
from cifar102.workspace.files import read_json, read_table, write_text
from cifar102.workspace.folders import Workspace, read_summary

POINTS = ("published_difference", "difference")


def build(workspace: Workspace, steps: Sequence[dict]) -> Path:
    """Write report.html, one page that needs no other file: headline numbers, pool, steps, every executed notebook.

    steps: dicts with name, notebook (path of the executed .ipynb or None), parameters, seconds, inputs and outputs
    (path -> SHA-256), versions; a missing entry is shown as a dash. Raises FileNotFoundError for a missing notebook.
    """
    workspace = Workspace(workspace)
    sections = read_summary(workspace)
    pool = read_json(workspace.raw / "pool.json") if (workspace.raw / "pool.json").is_file() else {}
    headline = sections.pop("headline", {})
    for values in sections.values():
        headline |= values.pop("headline", {})
    parts = [("headline", "Headline numbers", report_page.cards(headline))] if headline else []
    images = pool.get("title", "no pool description")
    claims = workspace.results / "verdicts.csv"
    if claims.is_file():
        parts.append(("verdicts", "Published claims of the studies", _verdicts(read_table(claims), images)))
    parts += [
        ("pool", "The images of this run", _pool(pool)),
        ("steps", "Steps", _total(steps) + report_page.steps_table(steps)),
        ("numbers", "All numbers", _numbers(sections)),
    ]
    for step in steps:
        if step.get("notebook"):
            path = Path(step["notebook"])
            study = path.stem.partition("-")[2]  # 06_ablations-<study> stands there once per study
            title = report_cells.notebook_title(path) + (f": {study}" if study else "")
            parts.append((path.stem, title, report_cells.notebook_html(path)))
    lead = f"Workspace {workspace.name}. Images: {images}."
    text = report_page.page(
        "CIFAR-10.2: report of a run", lead, parts, "Made by python -m cifar102 from the files of the run."
    )
    return write_text(workspace.root / "report.html", text)


def _verdicts(claims: pd.DataFrame, images: str) -> str:
    """The verdict on each claim, differences in percentage points; those that no run spoke to come last."""
    claims = claims.sort_values("n", key=lambda n: n == 0, kind="stable")
    rows = []
    for claim in claims.to_dict("records"):
        against = "" if pd.isna(claim["reference"]) else f" against {claim['reference']}"
        points = ["" if pd.isna(claim[name]) else f"{100 * claim[name]:+.1f}" for name in POINTS]
        cells = (claim["claim"], claim["arm"] + against, *points, claim["certainty"])
        verdict = f'<span class="word">{report_page.written(claim["verdict"])}</span>'
        rows.append([*(report_page.written(cell) for cell in cells), verdict])
    lead = f"Images: {images}. Differences in percentage points at this run's sizes; p with Holm's correction over all."
    names = ("claim", "arms", "published", "here", "certainty", "verdict")
    return f"<p>{report_page.written(lead)}</p>{report_page.table(names, rows)}"


def _pool(pool: dict) -> str:
    if not pool:
        return "<p>raw/pool.json is not there; nothing is known of where the images come from.</p>"
    text = report_cells.markdown_html(str(pool.get("description", "")))
    rest = {name: value for name, value in pool.items() if name != "description"}
    return text + report_page.pairs(rest)


def _total(steps: Sequence[dict]) -> str:
    seconds = sum(step.get("seconds") or 0 for step in steps)
    return f"<p>{len(steps)} steps, {wording.duration(seconds)} of wall time in all.</p>"


def _numbers(sections: dict[str, dict]) -> str:
    parts = [report_cells.folded(name, report_page.pairs(values)) for name, values in sections.items()]
    return "\n".join(parts) or "<p>No notebook has added numbers to results/summary.json yet.</p>"
