"""The labelling server killed while two people vote, one in the browser and one by a program: no vote is lost."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from cifar102.annotations.votes import VoteLog
from tests.faults.test_kills import VOTE
from tests.review.site import FLAGS, PATIENCE, Server, find_chromium, serving

pytestmark = [pytest.mark.faults, pytest.mark.browser]
ROUNDS, KEYS = 6, 7


def shown(page) -> dict[int, str]:
    """The verdicts that the page shows as saved: tiny_index -> verdict."""
    marks = page.eval_on_selector_all(
        ".grid .tile[data-verdict]:not([data-verdict=''])[data-saved='true']",
        "cells => cells.map(cell => [cell.id.replace('candidate-', ''), cell.dataset.verdict])",
    )
    return {int(index): verdict for index, verdict in marks}


def kill_soon(server: Server, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, server.kill)
    timer.start()
    return timer


def test_a_labelling_server_killed_under_votes_loses_none(tmp_path_factory, counts: Counter) -> None:
    path, rng, acknowledged = find_chromium(), random.Random(102), set()
    from playwright.sync_api import sync_playwright

    with serving(tmp_path_factory.mktemp("server kills") / "pool") as server, sync_playwright() as driver:
        log = server.workspace.labels / "votes.jsonl"
        before = len(VoteLog(log).table(all=True))
        browser = driver.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE * 1000)
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(server.address)
        page.fill("form.rater input", "kim")
        page.keyboard.press("Enter")
        page.wait_for_selector(".grid[data-ready]")
        for turn in range(ROUNDS):
            words = [sys.executable, "-c", VOTE, str(log), "program", str(10**6 * (turn + 1))]
            writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            timer = kill_soon(server, rng.uniform(0, 0.1 * KEYS))
            for _ in range(KEYS):
                page.keyboard.press(rng.choice("yn"))
                time.sleep(0.1)
            timer.join()
            writer.kill()
            acknowledged |= {int(line) for line in writer.communicate()[0].split("\n")[:-1]}
            said = shown(page)
            assert said.items() <= server.votes("kim").items(), "what the page calls saved is on disk"
            server.start()
            renewed = page.context.new_page()
            renewed.goto(server.address)  # a new server has a new token: its page lets the old one go on
            renewed.close()
            page.bring_to_front()
            page.wait_for_selector(".state[data-waiting='0']")
            page.wait_for_selector(".grid[data-ready]")
            assert server.votes("kim") == shown(page)
            assert said.items() <= shown(page).items(), "no verdict is taken back by a kill"
        table = VoteLog(log).table(all=True)
        kept = len(server.votes("kim"))
        assert kept >= ROUNDS, "the keys were heard"
        assert acknowledged <= set(table.loc[table["rater"] == "program", "tiny_index"])
        assert len(table) >= before + kept + len(acknowledged)
        assert len(VoteLog(log).refused()) <= 2 * ROUNDS
    counts["kills_survived"] += ROUNDS
    counts["votes_kept"] += kept + len(acknowledged)
