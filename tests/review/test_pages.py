"""The review pages in a headless Chromium: keys and clicks, reloads, killed servers, two tabs, and what is shut out."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jinja2
import nbformat
import psutil
import pytest

from cifar102.dedup import screening
from cifar102.review.server import PAGES
from tests.review.site import FLAGS, PATIENCE, find_chromium, serving, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("review pages") / "pool") as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    path = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE * 1000)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(server, browser):
    """Open the pages as a rater, in a browser profile of its own, where `beside` is not another tab of it."""
    contexts, hosts = [], set()

    def enter(rater: str, page_name: str = "", beside=None):
        if not beside:
            contexts.append(browser.new_context(viewport={"width": 1300, "height": 850}))
            contexts[-1].set_default_timeout(PATIENCE * 1000)
        page = (beside or contexts[-1]).new_page()
        page.on("request", lambda asked: hosts.add(urllib.parse.urlsplit(asked.url).netloc))
        page.goto(server.address)
        if not beside:
            page.fill("form.rater input", rater)
            page.keyboard.press("Enter")
        page.wait_for_selector("[data-ready]")
        if page_name:
            page.click(f"nav >> text={page_name}")
            page.wait_for_selector(".cards[data-ready]")
        return page

    yield enter
    for context in contexts:
        context.close()
    # Nobody else is asked, and the browser has not had to refuse it either (pictures of this page have no host).
    assert hosts - {""} == {urllib.parse.urlsplit(server.address).netloc}


def wait_until_saved(page) -> None:
    page.wait_for_selector(".state[data-waiting='0']")


def shown(page) -> dict[int, str]:
    """The verdicts that the labelling page shows as saved: tiny_index -> verdict."""
    marks = page.eval_on_selector_all(
        ".grid .tile[data-verdict]:not([data-verdict=''])[data-saved='true']",
        "cells => cells.map(cell => [cell.id.replace('candidate-', ''), cell.dataset.verdict])",
    )
    return {int(index): verdict for index, verdict in marks}


def selected(page) -> int:
    return int(page.get_attribute(".grid .tile[aria-selected='true']", "id").removeprefix("candidate-"))


def test_the_labelling_page_works_by_keyboard_and_by_mouse(server, open_page):
    page = open_page("kay")
    first = selected(page)
    assert not shown(page)  # no verdict is preset, though two other raters have judged everything
    for key in ("y", "n", "?", "n", "u"):  # the fourth is taken back
        page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    fifth = selected(page)
    page.keyboard.press("z")
    assert page.is_visible(".zoom")
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    assert not page.is_visible(".zoom")
    wait_until_saved(page)
    assert server.votes("kay") == shown(page)
    assert sorted(shown(page).values()) == ["no", "no", "unsure", "yes"]
    assert shown(page)[first] == "yes" and shown(page)[fifth] == "no"
    page.select_option("select[aria-label='What a click on an image does']", "unsure")
    page.click(".grid .tile >> nth=7")
    page.click(".toolbar button:has-text('Undo')")
    page.click(".grid .tile >> nth=8")
    page.keyboard.press("Shift+Y")
    wait_until_saved(page)
    assert page.get_attribute(".grid .tile >> nth=7", "data-verdict") == "yes"  # it was undone, then accepted as rest
    assert page.get_attribute(".grid .tile >> nth=8", "data-verdict") == "unsure"
    assert server.votes("kay") == shown(page) and len(shown(page)) > 10
    assert "main subject" in page.inner_text(".instruction")
    page.click(".keywords button >> nth=1")
    page.wait_for_selector(".grid[data-ready]")
    assert not shown(page)


def test_a_killed_server_and_a_reload_lose_no_vote(server, open_page):
    page = open_page("lee")
    page.keyboard.type("yny")
    wait_until_saved(page)
    server.kill()
    page.keyboard.type("ynn")
    page.wait_for_selector(".state.trouble")  # three are not saved, and the page says so
    assert set(shown(page).values()) == {"yes", "no"} and len(shown(page)) == 3 == len(server.votes("lee"))
    server.start()
    renewed = page.context.new_page()
    renewed.goto(server.address)  # a new server has a new token: its page lets the old one go on
    renewed.close()
    page.bring_to_front()  # a browser slows the clocks of pages that nobody sees
    wait_for(lambda: len(server.votes("lee")) == 6, "votes of the time without a server")
    wait_until_saved(page)
    page.wait_for_selector(".grid[data-ready]")
    assert server.votes("lee") == shown(page)
    assert sorted(shown(page).values()) == ["no"] * 3 + ["yes"] * 3
    page.keyboard.type("y")
    page.reload()  # before anything has answered, perhaps
    page.wait_for_selector(".grid[data-ready]")
    wait_until_saved(page)
    assert len(server.votes("lee")) == 7 and server.votes("lee") == shown(page)


def error_page(status: int) -> str:
    loader = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGES), autoescape=True)
    return loader.get_template("error.html").render(status_code=status, status_message="not yet")


def test_a_server_that_first_answers_with_an_error_loses_no_vote(server, open_page):
    page = open_page("ned")
    page.keyboard.type("yn")
    wait_until_saved(page)
    server.kill()
    page.keyboard.type("y")
    page.wait_for_selector(".state.trouble")
    answers = iter((500, 503))

    def refuse(route) -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, content_type="text/html", body=error_page(status))

    page.route(lambda address: urllib.parse.urlsplit(address).path == "/" or "/voila/render" in address, refuse)
    server.start()
    renewed = page.context.new_page()
    renewed.goto(server.address)
    renewed.close()
    page.bring_to_front()
    told = "the vote of the time without a server"
    wait_for(lambda: page.wait_for_timeout(200) or len(server.votes("ned")) == 3, told)  # routes need the driver's turn
    assert next(answers, None) is None  # both error pages were met


def test_two_tabs_of_one_rater_lose_no_vote(server, open_page):
    first = open_page("may")
    second = open_page("may", beside=first.context)
    first.keyboard.type("yy")
    second.keyboard.press("End")
    second.keyboard.type("n")
    for page in (first, second):
        wait_until_saved(page)
    assert sorted(server.votes("may").values()) == ["no", "yes", "yes"]
    first.bring_to_front()
    first.evaluate("window.dispatchEvent(new Event('focus'))")
    wait_for(lambda: shown(first) == server.votes("may"), "the other tab's vote")


def test_pairs_are_judged_and_found_again(server, open_page):
    page = open_page("pat", "Near-duplicates")
    assert page.locator(".strip .tile").count() == 8  # one scores too low, one pair stands there from both sides
    assert page.locator(".sides .tile").count() == 4
    assert "SSIM 0.7510" in page.inner_text(".scores") and "moved 1 down, -2 right" in page.inner_text(".scores")
    page.keyboard.type("ens")
    page.click(".verdicts button:has-text('different')")
    page.keyboard.press("n")
    page.keyboard.press("u")
    page.keyboard.press("ArrowLeft")
    wait_until_saved(page)
    log = screening.read_pair_verdicts(server.workspace.labels / "pair_verdicts.jsonl")
    assert log.loc[log["rater"] == "pat", "verdict"].tolist() == ["exact", "near", "similar", "different"]
    page.reload()
    page.wait_for_selector(".cards[data-ready]")
    assert "4 of 8 pairs judged" in page.inner_text(".telling")
    page.select_option("select[aria-label='Sorted around']", "review")
    page.wait_for_selector(".cards[data-ready]")
    page.keyboard.press("Home")
    assert "SSIM 0.5500" in page.inner_text(".scores")


def test_pairs_are_judged_without_their_score_and_the_difference_is_shown_when_asked(server, open_page):
    page = open_page("quinn", "Blind judging")
    before = page.inner_text(".cards")
    assert "SSIM" not in before and "cifar10" not in before
    assert page.locator(".card > .sides:not(.apart) .tile").count() == 2 and page.locator(".apart .tile").count() == 0
    page.keyboard.press("x")
    page.wait_for_selector(".apart .tile >> nth=1")
    page.keyboard.type("en")
    assert page.locator(".apart .tile").count() == 0
    page.click(".verdicts button:has-text('different')")
    page.keyboard.type("su")
    wait_until_saved(page)
    log = [json.loads(line) for line in (server.workspace.labels / "pair_verdicts.jsonl").read_text().splitlines()]
    mine = [row for row in log if row["rater"] == "quinn"]
    assert [row["verdict"] for row in mine] == ["exact", "near", "different", "similar", "withdrawn"]
    assert {row["page"] for row in mine} == {screening.BLIND}
    page.reload()
    page.wait_for_selector(".cards[data-ready]")
    assert page.inner_text(".telling").startswith("3 of")


def test_a_third_rater_settles_what_two_others_disagree_on(server, open_page):
    page = open_page("rae", "Disagreements")
    said = page.inner_text(".votes table")
    assert "rater-a" in said and "rater-b" in said and "rae (you)" in said
    before = page.locator(".strip .tile").count()
    page.keyboard.type("yn?")
    page.click(".verdicts button:has-text('yes')")
    wait_until_saved(page)
    assert sorted(server.votes("rae (settling)").values()) == ["no", "unsure", "yes", "yes"]
    page.reload()
    page.wait_for_selector(".cards[data-ready]")
    assert page.locator(".strip .tile").count() == before
    assert "4 of" in page.inner_text(".telling")


def answer(address: str) -> tuple[int, str]:
    """The status and body of one request, without following to another page."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as reply:
            return reply.status, reply.read().decode("utf-8", errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", errors="replace")


@pytest.mark.parametrize("token", ["", "?token=guessed"])
def test_nobody_gets_in_without_the_token(server, token):
    base = server.address.partition("?")[0]
    for path in ("", "api/kernels", "voila/render/review.ipynb", "voila/files/review.ipynb"):
        status, body = answer(base + path + token)
        assert status in (401, 403, 404) or "lacks the token" in body, (path, status)
        assert "cifar102" not in body.replace("CIFAR102", ""), path


@pytest.mark.parametrize(
    "path",
    [
        "files/",
        "tree/",
        "voila/tree/",
        "api/contents/",
        "voila/files/",
        "voila/files/review.ipynb",
        "voila/files/review.js",
        "voila/files/../votes.py",
        "voila/files/%2e%2e/votes.py",
        "voila/render/..%2f..%2fnotebooks/02_verify.ipynb",
        "voila/static/..%2f..%2f..%2f..%2fetc/passwd",
        "voila/static/",
    ],
)
def test_no_folder_is_listed_and_no_file_outside_is_served(server, path):
    base, _, token = server.address.partition("?")
    status, body = answer(f"{base}{path}?{token}")
    assert status in (400, 403, 404, 405), (status, body[:200])


def test_the_server_listens_on_this_machine_only(server):
    listening = [c for c in psutil.Process(server.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening and {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
    assert json.loads((server.workspace.root / ".review.json").read_text()).keys() == {"port"}


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab on a folder: the address of its first page."""
    log = folder / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=8988"]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.news_url=", "--IdentityProvider.token=of-a-test"]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
    try:
        port = wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/lab", log.read_text()), str(log)).group(1)
        yield f"http://127.0.0.1:{port}/lab/tree/pages.ipynb?token=of-a-test"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def test_the_labelling_page_works_in_a_cell_of_jupyterlab(server, browser, tmp_path):
    source = f"from cifar102 import review\nreview.labelling({str(server.workspace.root)!r})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "pages.ipynb")
    with jupyterlab(tmp_path) as address:
        page = browser.new_page(viewport={"width": 1300, "height": 850})
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        page.get_by_text("| Idle").wait_for()  # the indicator beside the notebook says idle before there is a kernel
        page.click(".jp-Cell .jp-InputArea-editor")
        page.keyboard.press("Shift+Enter")
        page.click("form.rater input")
        page.keyboard.type("lab")
        page.keyboard.press("Enter")
        page.wait_for_selector(".grid[data-ready]")
        cells = page.locator(".jp-Cell").count()
        page.keyboard.type("ynu?")  # in a cell that is not suppressed these would change the notebook
        page.keyboard.press("z")
        page.keyboard.press("Escape")
        page.keyboard.type("nn")
        wait_until_saved(page)
        assert server.votes("lab") == shown(page)
        assert sorted(shown(page).values()) == ["no", "no", "unsure", "yes"]
        assert page.locator(".jp-Cell").count() == cells
        page.close()
