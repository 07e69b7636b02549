"""The server of the review pages: Voila on 127.0.0.1, behind a token, showing one notebook and nothing else."""

import os
import secrets
import socket
import webbrowser
from pathlib import Path

from cifar102.workspace.files import read_json, write_json
from cifar102.workspace.folders import Workspace

NOTEBOOK = Path(__file__).parent / "pages" / "review.ipynb"
ADDRESS = "127.0.0.1"
FIRST_PORT = 8866
# Voila's page names style sheets and a formula renderer on other machines; the browser is told not to ask for them.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
WORKSPACE = "CIFAR102_REVIEW_WORKSPACE"  # the server tells its kernels here which workspace they serve


def serve(workspace: Workspace, port: int = 0, open_browser: bool = True) -> int:
    """Serve the pages of a workspace until the process ends; the verdicts are on disk at every moment.

    Raises FileNotFoundError where the workspace has no candidates, ValueError where the port is taken.
    """
    from traitlets.config import Config
    from voila.app import Voila

    check(workspace)
    entry = door(workspace, port)
    os.environ[WORKSPACE] = str(workspace.root)
    address = f"http://{ADDRESS}:{entry['port']}/?token={entry['token']}"
    print(f"Review pages of {workspace.root}\n{address}\nStop with Ctrl-C; every saved verdict is on disk.", flush=True)
    if open_browser:
        webbrowser.open(address)
    Voila.launch_instance([str(NOTEBOOK), "--no-browser"], config=Config(settings(entry)))
    return 0


def check(workspace: Workspace) -> None:
    """Raise FileNotFoundError where a workspace has no candidates to show."""
    for path in (workspace.candidates, workspace.candidate_images):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; run notebook 01 in this workspace first")


def door(workspace: Workspace, port: int = 0) -> dict[str, object]:
    """The port and token of a workspace's server, the same at every start, so that open pages find it again.

    Kept in .review.json of the workspace, readable by its owner only. port: 0 for the one used last, or the first free.
    """
    path = workspace.root / ".review.json"
    kept = read_json(path) if path.is_file() else {"port": 0, "token": secrets.token_urlsafe(24)}
    wished = [port] if port else [kept["port"], *range(FIRST_PORT, FIRST_PORT + 100)]
    free = next((number for number in wished if number and _is_free(number)), None)
    if free is None:
        raise ValueError(f"port {port or FIRST_PORT} of {ADDRESS} is taken; name another with --port")
    kept["port"] = free
    umask = os.umask(0o077)  # nobody else may read the token, not even for the moment before a chmod
    try:
        write_json(path, kept)
    finally:
        os.umask(umask)
    return kept


def settings(entry: dict[str, object]) -> dict[str, dict[str, object]]:
    """Voila's settings: this machine only, token, no files, this interpreter's kernel, forgotten kernels ended."""
    return {
        "Voila": {
            "ip": ADDRESS,
            "port": entry["port"],
            "port_retries": 0,
            "token": entry["token"],
            "root_dir": str(NOTEBOOK.parent),
            "tornado_settings": {"headers": {"Content-Security-Policy": POLICY}},
        },
        "VoilaConfiguration": {"file_allowlist": [], "show_tracebacks": True, "template": "lab"},
        "KernelSpecManager": {"kernel_dirs": []},
        "MappingKernelManager": {"cull_idle_timeout": 3600, "cull_interval": 300},
    }


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name != "nt":  # a port that a killed server has just left counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
