"""The report: numbers of many writers in one file, one page that fetches nothing and runs nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from cifar102.workflow import report
from cifar102.workspace import files, folders, wording
from cifar102.workspace.files import write_json, write_table
from cifar102.workspace.folders import Workspace

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br", "hr", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def write_notebook(workspace: Workspace, *cells: nbformat.NotebookNode, name: str = "05_baseline_cnn") -> Path:
    path = workspace.executed / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def code(source: str, *outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def shown(**data: str) -> nbformat.NotebookNode:
    kinds = {"png": "image/png", "html": "text/html", "plain": "text/plain"}
    return nbformat.v4.new_output("display_data", data={kinds[key]: value for key, value in data.items()})


def printed(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def build(workspace: Workspace, notebook: Path | None = None) -> str:
    steps = [
        {"name": "01", "notebook": None},
        {
            "name": f"05 {EVIL}",
            "notebook": notebook,
            "parameters": {"seed": 1, "note": EVIL},
            "seconds": 200.0,
            "inputs": {"raw/a.bin": "ab" * 32},
            "outputs": {EVIL: "cd" * 32},
            "versions": {"numpy": "1.26.4"},
        },
    ]
    return report.build_report(workspace, steps).read_text(encoding="utf-8")


def test_sections_are_kept_beside_each_other_and_sorted(workspace):
    folders.update_summary(workspace, "05_baseline_cnn", {"accuracy": 0.5})
    folders.update_summary(workspace, "01_build_subset", {"candidates": 3})
    folders.update_summary(workspace, "05_baseline_cnn", {"n": 2})
    assert folders.read_summary(workspace) == {"01_build_subset": {"candidates": 3}, "05_baseline_cnn": {"n": 2}}
    assert list(folders.read_summary(workspace)) == ["01_build_subset", "05_baseline_cnn"]


def test_summary_of_a_fresh_workspace_is_empty(workspace):
    assert folders.read_summary(workspace) == {}


def test_a_summary_that_is_no_object_is_named(workspace):
    write_json(workspace.summary, [1])
    with pytest.raises(ValueError, match=r"summary\.json"):
        folders.read_summary(workspace)


def test_no_section_is_lost_when_writers_meet(workspace):
    names = [f"section_{k}" for k in range(24)]
    with ThreadPoolExecutor(4) as pool:  # the lock belongs to an open file, so threads meet it as processes do
        list(pool.map(lambda name: folders.update_summary(workspace, name, {"name": name}), names))
    assert folders.read_summary(workspace) == {name: {"name": name} for name in sorted(names)}


def test_a_lock_file_left_behind_by_a_killed_run_stops_nobody(workspace):
    workspace.results.mkdir(parents=True)
    (workspace.results / "summary.lock").write_bytes(b"left")
    folders.update_summary(workspace, "after", {"n": 1})
    assert folders.read_summary(workspace) == {"after": {"n": 1}}


def test_a_lock_that_stays_taken_ends_in_an_error_that_names_it(workspace, monkeypatch):
    monkeypatch.setattr(folders, "SUMMARY_LOCK_SECONDS", 0.1)
    lock = workspace.results / "summary.lock"
    with files.locked(lock, 1), pytest.raises(TimeoutError, match=r"summary\.lock"):
        folders.update_summary(workspace, "x", {"n": 1})


def test_the_report_is_the_same_again(workspace):
    path = write_notebook(workspace, nbformat.v4.new_markdown_cell("# 5. Baseline"), code("1 + 1", shown(plain="2")))
    assert build(workspace, path) == build(workspace, path)


def test_the_page_is_whole_and_fetches_and_runs_nothing(workspace):
    path = write_notebook(
        workspace,
        nbformat.v4.new_markdown_cell(f"# 5. Baseline {EVIL}\n\n![remote](https://example.com/x.png)"),
        nbformat.v4.new_markdown_cell(f"[bad](javascript:alert(1)) [data](data:text/html,x) {EVIL}"),
        code("x = '</pre><script>'", printed(EVIL), shown(png=PIXEL, plain=f"figure {EVIL}")),
        code(
            "t",
            shown(html=f"<style>b {{}}</style><table onclick='x()'><tr><td>{EVIL}keyword &lt;b&gt;</td></tr></table>"),
        ),
        code("i", shown(html="<img src=x onerror=alert(1)><a href='javascript:x()' onclick='x()'>a</a>")),
        code("e", nbformat.v4.new_output("error", ename="E", evalue="v", traceback=[f"\x1b[31m{EVIL}\x1b[0m"])),
    )
    workspace.raw.mkdir(parents=True)
    write_json(workspace.raw / "pool.json", {"pool": "demo", "title": EVIL, "description": EVIL})
    folders.update_summary(workspace, EVIL, {EVIL: [EVIL], "headline": {EVIL: EVIL}})
    page = build(workspace, path)
    tags = Tags(page)
    assert tags.open == []
    assert not {"script", "iframe", "object", "link", "form"} & {tag for tag, _ in tags.found}
    for tag, attributes in tags.found:
        assert attributes.get("src", "data:").startswith("data:"), (tag, attributes)
        assert attributes.get("href", "#").startswith(("#", "https://")), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    assert [tag for tag, _ in tags.found].count("style") == 1
    assert PIXEL in page and "keyword &lt;b&gt;" in page


def test_every_part_of_a_run_is_on_the_page(workspace):
    path = write_notebook(
        workspace,
        nbformat.v4.new_markdown_cell("# 5. Baseline CNN\n\nWe train *four* convolutions."),
        code("seed: int = 1", tags=("parameters",)),
        code("draw()", shown(png=PIXEL, plain="figure 05-x")),
        code("show()", shown(html="<table><tr><td>cell</td></tr></table>")),
    )
    workspace.raw.mkdir(parents=True)
    write_json(workspace.raw / "pool.json", {"pool": "demo", "title": "synthetic demo pool", "description": "Drawn."})
    folders.update_summary(workspace, "05", {"accuracy": 0.8123456, "headline": {"images in the release": 12000}})
    page = build(workspace, path)
    numbers = ["12,000", "images in the release", "0.8123", "3 min 20 s", "ab" * 32, "1.26.4", "seed: int = 1"]
    texts = ["synthetic demo pool", "Drawn.", "<em>four</em>", "<td>cell</td>", 'alt="figure 05-x"']
    for part in [*numbers, *texts, 'href="#05_baseline_cnn"']:
        assert part in page, part
    assert page.count("5. Baseline CNN") == 2  # in the contents and as heading


def test_the_published_claims_are_on_the_page_those_without_runs_last(workspace):
    claims = pd.DataFrame(
        {
            "study": ["pooling", "leak"],
            "claim": [EVIL, "validation stands above test"],
            "arm": ["average", "with_replacement"],
            "reference": ["max", None],
            "published_difference": [np.nan, 0.104],
            "difference": [np.nan, 0.0312],
            "n": [0, 3],
            "verdict": ["not tested at a comparable scale", "same sign, smaller (2,000 images)"],
            "certainty": ["its arms have no pair of runs here", "95 % +1.0 to +5.2 points, p = 0.01, n = 3"],
        }
    )
    write_table(workspace.results / "verdicts.csv", claims)
    write_json(workspace.raw / "pool.json", {"title": "the synthetic demo pool"})
    page = build(workspace)
    assert "<p>Images: the synthetic demo pool. Differences" in page
    assert page.index("with_replacement") < page.index("its arms have no pair of runs here")
    assert "+10.4" in page
    assert "+3.1" in page
    assert EVIL not in page
    assert "nan" not in page.partition("Published claims")[2].partition("</table>")[0]


def test_the_notebook_of_a_study_is_listed_by_its_study(workspace):
    page = build(workspace, write_notebook(workspace, nbformat.v4.new_markdown_cell("# 06 A"), name="06_ablations-l2"))
    assert '<a href="#06_ablations-l2">06 A: l2</a>' in page


def test_only_the_last_state_of_a_progress_line_is_shown():
    assert report.preformatted("10 %\r50 %\r100 %\r\ndone\n") == "<pre>100 %\ndone</pre>"


def test_long_outputs_are_folded():
    assert report.preformatted("line\n" * 100).startswith("<details")
    assert report.preformatted("line\n" * 10).startswith("<pre>")


def test_a_missing_or_broken_notebook_is_named(workspace):
    with pytest.raises(FileNotFoundError, match=r"nothing\.ipynb"):
        build(workspace, workspace.executed / "nothing.ipynb")
    workspace.executed.mkdir(parents=True)
    broken = workspace.executed / "broken.ipynb"
    broken.write_text("{")
    with pytest.raises(ValueError, match=r"broken\.ipynb"):
        build(workspace, broken)


def test_a_run_without_numbers_pool_or_notebooks_still_has_a_page(workspace):
    assert "No notebook has added numbers" in build(workspace)


def test_numbers_are_written_for_readers():
    assert report.written(1234567) == "1,234,567"
    assert report.written(0.123456) == "0.1235"
    assert report.written([1, 0.5]) == "[1, 0.5]"
    assert report.written(True) == "yes"
    assert report.written("<b>") == "&lt;b&gt;"
    assert wording.duration(3725) == "1 h 02 min"
    assert wording.duration(7.44) == "7.4 s"


def test_summary_numbers_survive_json(workspace):
    import numpy as np

    folders.update_summary(workspace, "x", {"n": np.int64(3), "a": np.array([0.5]), "bad": float("nan")})
    assert json.loads(workspace.summary.read_text()) == {"x": {"n": 3, "a": [0.5], "bad": None}}


OUTPUTS = {
    "a width without end": '{"output_type": "display_data", "data": {"image/png": "AAAA"}, '
    '"metadata": {"image/png": {"width": Infinity}}}',
    "no data": '{"output_type": "display_data"}',
    "text that is none": '{"output_type": "stream", "name": "stdout", "text": {"a": 1}}',
    "data that is none": '{"output_type": "display_data", "metadata": {}, "data": 5}',
    "no type": "{}",
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_notebook_that_somebody_made_is_shown_or_named(workspace, name):
    path = write_notebook(workspace, code("1"))
    text = path.read_text().replace('"outputs": []', f'"outputs": [{OUTPUTS[name]}]')
    assert OUTPUTS[name] in text
    path.write_text(text)
    try:
        assert "<details" in report.notebook_html(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: not readable as a notebook")


@pytest.mark.parametrize(
    "content",
    ['{"x": [1]}', '{"x": "y"}', '{"headline": 5}', '{"x": {"headline": [1]}}', '{"headline": {"headline": 1}}'],
)
def test_a_summary_whose_sections_are_none_is_named(workspace, content):
    files.write_text(workspace.summary, content)
    with pytest.raises(ValueError, match=r"summary\.json: (x|headline): expected names and values"):
        build(workspace)


def test_a_number_nested_without_end_is_cut_off_and_a_pool_that_is_no_object_is_named(workspace):
    files.write_text(workspace.summary, '{"a": {"b": ' + "[" * 700 + "]" * 700 + "}}")
    assert "&hellip;" in build(workspace)
    files.write_text(workspace.raw / "pool.json", "[1]")
    with pytest.raises(ValueError, match=r"pool\.json: expected a JSON object, found list"):
        build(workspace)
