"""The door of the review server: whose kernel, who learns the token, what a copied workspace can say."""

import http.client
import json
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from cifar102.commands import dispatch
from cifar102.review import server
from cifar102.workflow.kernel import OwnKernelSpecs
from cifar102.workspace.folders import REPOSITORY, Workspace
from tests.review.site import Server, make_workspace, wait_for

FOREIGN = {"argv": ["/bin/false", "{connection_file}"], "display_name": "theirs", "language": "python"}


def plant(folder: Path) -> Path:
    """A kernel of another environment, in the folder of a user's kernels."""
    path = folder / "kernels" / "python3" / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(FOREIGN))
    return path


@pytest.mark.parametrize(
    "kept",
    [
        '{"port": 8999, "token": ""}',
        '{"port": 8999, "token": "known"}',
        '{"port": 22}',
        '{"port": "x"}',
        "[",
        "[1]",
        "",
    ],
)
def test_nothing_but_a_port_is_taken_from_a_copied_workspace(kept, tmp_path):
    (tmp_path / ".review.json").write_text(kept)
    port = server.free_port(Workspace(tmp_path))
    assert port in range(server.FIRST_PORT, server.FIRST_PORT + 200)
    assert json.loads((tmp_path / ".review.json").read_text()) == {"port": port}


@pytest.mark.parametrize("port", [22, -1, 70000])
def test_a_number_that_is_no_port_of_a_user_is_refused(port, tmp_path):
    with pytest.raises(ValueError, match="is taken or no port"):
        server.free_port(Workspace(tmp_path), port)


def test_the_browser_is_given_a_page_of_mode_0600_and_not_the_token(tmp_path, monkeypatch):
    opened, made = [], []

    class Launched:
        @staticmethod
        def launch_instance(words, config):
            path = Path(urllib.parse.unquote(urllib.parse.urlsplit(opened[-1]).path))
            made.append((words, config["Voila"]["token"], stat.S_IMODE(path.stat().st_mode), path.read_text(), path))

    monkeypatch.setattr(server, "check", lambda workspace: None)
    monkeypatch.setattr(server, "_server", lambda: Launched)
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    for _ in range(2):
        server.serve(Workspace(tmp_path))
    tokens = [token for _, token, *_ in made]
    assert len(set(tokens)) == 2 and min(map(len, tokens)) >= 32
    for words, token, mode, page, path in made:
        assert token not in "".join([*opened, *words]) and mode == 0o600 and f"token={token}" in page
        assert not path.exists()


def test_only_this_interpreters_kernel_is_known(tmp_path, monkeypatch):
    plant(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    specs = OwnKernelSpecs()
    assert list(specs.find_kernel_specs()) == ["python3"]
    assert specs.get_kernel_spec("python3").argv[:2] == [sys.executable, "-P"]  # not of the current folder


def test_lab_changes_no_kernel_of_the_users(tmp_path, monkeypatch):
    theirs = plant(tmp_path / ".local" / "share" / "jupyter")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    called = []
    monkeypatch.setattr(dispatch.subprocess, "call", lambda words: called.append(words) or 0)
    assert dispatch.lab(type("Options", (), {"extra": []})) == 0
    assert json.loads(theirs.read_text()) == FOREIGN and not (tmp_path / "environment").exists()
    assert any("OwnKernelSpecs" in word for word in called[0])
    assert called[0][1:4] == ["-P", "-m", "jupyterlab"]  # another jupyterlab.py may lie in the current folder


def test_a_running_jupyterlab_knows_this_interpreters_kernel_alone(tmp_path):
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed here")
    plant(tmp_path / "jupyter")
    log, token = tmp_path / "log", secrets.token_hex(8)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "cifar102", "lab", "--no-browser", f"--ServerApp.port={port}"]
    words += ["--ServerApp.port_retries=0", "--ServerApp.allow_root=True", f"--IdentityProvider.token={token}"]
    places = {"HOME": tmp_path / "home", "JUPYTER_PATH": tmp_path / "jupyter", "JUPYTER_RUNTIME_DIR": tmp_path / "run"}
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **{name: str(path) for name, path in places.items()}}
    with log.open("w") as file:
        lab = subprocess.Popen(words, stdout=file, stderr=file, env=environment, start_new_session=True)
    try:
        specs = wait_for(lambda: kernel_specs(port, token, lab), str(log))
    finally:
        os.killpg(lab.pid, signal.SIGKILL)
        lab.wait()
    assert list(specs["kernelspecs"]) == ["python3"] and specs["default"] == "python3"
    assert specs["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable
    assert json.loads((tmp_path / "jupyter/kernels/python3/kernel.json").read_text()) == FOREIGN


def kernel_specs(port: int, token: str, lab: subprocess.Popen) -> dict | None:
    """What a server says it could start; None while it does not answer yet."""
    assert lab.poll() is None, "JupyterLab has ended"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("GET", "/api/kernelspecs", headers={"Authorization": f"token {token}"})
        reply = connection.getresponse()
        return json.loads(reply.read()) if reply.status == 200 else None
    except ConnectionError:
        return None


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server whose user has a foreign kernel, and whose current folder and workspace say other things."""
    root = tmp_path_factory.mktemp("server")
    make_workspace(root / "pool")
    (root / "pool" / ".review.json").write_text('{"port": 8997, "token": ""}')
    plant(root / "jupyter")
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = str(root / "jupyter")
    found = Server(Workspace(root / "pool"))
    try:
        yield found
    finally:
        found.kill()
        os.environ.pop("JUPYTER_PATH")
        if before is not None:
            os.environ["JUPYTER_PATH"] = before


def ask(running: Server, path: str, **headers: str) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(running.address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=600)
    connection.request("GET", path, headers={"Host": parts.netloc, **headers})
    return connection.getresponse()


def test_the_page_is_made_by_this_interpreter_and_names_no_other_machine(running):
    parts = urllib.parse.urlsplit(running.address)
    reply = ask(running, f"/?{parts.query}")
    page = reply.read().decode()
    assert (reply.status == 200 and "ReviewPages" in page) or "widget-view" in page
    assert FOREIGN_ADDRESS.findall(page) == []
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    cookies = [value for name, value in reply.headers.items() if name == "Set-Cookie"]
    assert cookies and all("samesite=strict" in cookie.lower() for cookie in cookies)
    log = (running.workspace.root / "server.log").read_text()
    assert "KernelSpecManager" not in log and "/bin/false" not in log


FOREIGN_ADDRESS = re.compile(r"""(?:src|href|url|import)\s*[=(]?\s*["']?\s*(?:https?:)?//[^"'\s>]*""", re.IGNORECASE)


@pytest.mark.parametrize(
    ("path", "host", "status", "sign"),
    [
        ("/", "evil.example", 403, 'data-page="error"'),
        ("/<script>alert(1)</script>", "evil.example", 403, 'data-page="error"'),
        ("/login", "", 200, 'data-page="login"'),
        ("/login?token=wrong&next=//evil.example", "", 200, 'data-page="login"'),
        ("/voila/files/<script>alert(1)</script>", "", 403, "Forbidden"),
        ("/voila/static/none.js", "", 403, "Forbidden"),
    ],
)
def test_no_page_of_the_server_names_another_machine(running, path, host, status, sign):
    reply = ask(running, path, **({"Host": host} if host else {}))
    page = reply.read().decode()
    assert (reply.status, sign in page) == (status, True)
    assert FOREIGN_ADDRESS.findall(page) == [] and "<script>alert" not in page


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8866", "127.0.0.1.evil.example"])
def test_a_request_to_another_host_is_refused(running, host):
    query = urllib.parse.urlsplit(running.address).query
    assert ask(running, f"/?{query}", Host=host).status == 403


def test_an_empty_token_in_a_copied_workspace_opens_nothing(running):
    assert len(urllib.parse.urlsplit(running.address).query) > 32
    assert ask(running, "/api/kernels/00000000-0000-0000-0000-000000000000").status == 403
    assert ask(running, "/").status == 302
