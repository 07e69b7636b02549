"""A hundred thousand votes over the pages' own protocol, their servers killed meanwhile: none acknowledged is lost."""

import http.client
import itertools
import json
import random
import re
import sys
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import websocket

from cifar102.annotations import votes
from cifar102.annotations.votes import VoteLog
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace
from tests.review.site import PATIENCE, Server, make_workspace

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of Unix"),
]
WANTED, SERVERS, RATERS, LEAST_ROUNDS, MOST_ROUNDS = 100_000, 2, 2, 8, 100
BATCH = 500  # as the outbox of the pages sends them
BROKEN = (OSError, http.client.HTTPException, websocket.WebSocketException, ValueError)
Identity = tuple[str, int, str, str]


class Page:
    """The page of a server as a program: its kernel, its widget, and the socket to them."""

    def __init__(self, address: str) -> None:
        parts = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=PATIENCE)
        connection.request("GET", f"/?{parts.query}", headers={"Host": parts.netloc})
        reply = connection.getresponse()
        text = reply.read().decode()
        cookies = "; ".join(value.split(";")[0] for name, value in reply.headers.items() if name == "Set-Cookie")
        kernel, self.widget = (self._named(name, text) for name in ("kernelId", "model_id"))
        url = f"ws://{parts.netloc}/api/kernels/{kernel}/channels"
        self.socket = websocket.create_connection(url, timeout=PATIENCE, cookie=cookies)

    @staticmethod
    def _named(name: str, text: str) -> str:
        found = re.search(rf'"{name}": "([\w-]+)"', text)
        if not found:
            raise ValueError(f"the page names no {name}")
        return found[1]

    def ask(self, request: str, data: dict) -> dict:
        """The reply to one request; ValueError with what the server says, or one of BROKEN where it is gone."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "comm_msg", "session": number, "username": "", "version": "5.3"}
        asked = {"method": "custom", "content": {"id": number, "request": request, "data": data}}
        message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "buffers": []}
        self.socket.send(json.dumps({**message, "content": {"comm_id": self.widget, "data": asked}}))
        while True:
            content = self._reply().get("content", {}).get("data", {}).get("content", {})
            if content.get("id") == number:
                if "error" in content:
                    raise AssertionError(content["error"])
                return content

    def _reply(self) -> dict:
        """The next message; one with pictures is bytes, whose first part is the JSON."""
        received = self.socket.recv()
        if isinstance(received, str):
            return json.loads(received) if received else {}
        starts = [int.from_bytes(received[4 * n : 4 * n + 4], "big") for n in range(1, 3)]
        return json.loads(received[starts[0] : starts[1]])


class Rater:
    """A person who votes without a pause; what was not acknowledged before a kill is sent again, as the pages do."""

    def __init__(self, name: str, candidates: list[tuple[int, str, str]], seed: int) -> None:
        self.name, self.acknowledged, self.trouble = name, [], ""
        self._candidates, self._rng = candidates, random.Random(seed)
        self._moment, self._waiting = itertools.count(1_700_000_000_000), []

    def vote_until_killed(self, server: Server, has_begun: threading.Event) -> None:
        try:
            page = Page(server.address)
            while True:
                self._waiting = self._waiting or [self._vote() for _ in range(BATCH)]
                reply = page.ask("labelling.record", {"rows": self._waiting})
                assert reply["refused"] == []
                self.acknowledged += [identity(row) for row in self._waiting]
                self._waiting = []
                has_begun.set()
        except BROKEN:
            return
        except AssertionError as error:
            self.trouble = str(error)
        finally:
            has_begun.set()

    def _vote(self) -> dict:
        index, keyword, class_name = self._rng.choice(self._candidates)
        when = next(self._moment)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when // 1000)) + f".{when % 1000:03d}Z"
        verdict = self._rng.choice(votes.VERDICTS)
        return dict(zip(votes.FIELDS, (index, keyword, class_name, self.name, verdict, moment), strict=True))


def identity(row: dict) -> Identity:
    return row["rater"], int(row["tiny_index"]), row["verdict"], row["time"]


def kill(server: Server, with_kernels: bool) -> None:
    """SIGKILL to the server; with_kernels: to the processes that write, too, which end with it a moment later else."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    for process in family if with_kernels else []:
        process.kill()
    server.kill()
    psutil.wait_procs(family, PATIENCE)


def one_life(server: Server, raters: list[Rater], rng: random.Random) -> None:
    """Serve the raters until a random moment; returns when the server and their pages are gone."""
    begun = [threading.Event() for _ in raters]
    threads = [
        threading.Thread(target=rater.vote_until_killed, args=(server, event), daemon=True)
        for rater, event in zip(raters, begun, strict=True)
    ]
    for thread in threads:
        thread.start()
    assert all(event.wait(PATIENCE) for event in begun), (server.workspace.root / f"{server.name}.log").read_text()
    time.sleep(rng.uniform(0, 3))
    kill(server, rng.random() < 0.7)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a page that nobody answers"


def test_none_of_a_hundred_thousand_votes_is_lost_when_their_servers_are_killed(
    tmp_path: Path, counts: Counter
) -> None:
    workspace, rng = make_workspace(tmp_path / "pool"), random.Random(102)
    table = read_table(workspace.candidates, ("tiny_index", "keyword", "class_name"))
    candidates = [tuple(row) for row in table[["tiny_index", "keyword", "class_name"]].to_numpy().tolist()]
    raters = [[Rater(f"rater {s} {r}", candidates, 10 * s + r) for r in range(RATERS)] for s in range(SERVERS)]
    before, kills = set(identities(workspace)), 0
    servers = [Server(workspace, f"server {number}") for number in range(SERVERS)]
    try:
        for turn in range(MOST_ROUNDS):
            with ThreadPoolExecutor(SERVERS) as pool:
                list(pool.map(one_life, servers, raters, [random.Random(rng.random()) for _ in servers]))
            kills += SERVERS
            acknowledged = {vote for group in raters for rater in group for vote in rater.acknowledged}
            assert [rater.trouble for group in raters for rater in group if rater.trouble] == []
            if len(acknowledged) >= WANTED and turn + 1 >= LEAST_ROUNDS:
                break
            for server in servers:
                server.start()
    finally:
        for server in servers:
            server.kill()
    found = identities(workspace)
    assert len(acknowledged) >= WANTED
    assert acknowledged - set(found) == set(), "an acknowledged vote is gone"
    assert before - set(found) == set()
    assert len(found) == len(set(found)), "a vote that was sent twice is there twice"
    assert len(VoteLog(workspace.votes).refused()) <= kills * RATERS, "at most one torn line a writer and kill"
    counts["kills_survived"] += kills
    counts["votes_kept"] += len(acknowledged)
    print(f"{len(acknowledged):,} votes, {kills} kills, {len(found):,} lines")


def identities(workspace: Workspace) -> list[Identity]:
    table = VoteLog(workspace.votes).table(all=True)
    return [identity(row) for row in table.to_dict("records")]
