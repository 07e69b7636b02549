"""The server of the review pages: Voila on 127.0.0.1, behind a token, showing one notebook and nothing else."""

import contextlib
import html
import os
import secrets
import socket
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from cifar102.workflow.kernel import OwnKernelSpecs
from cifar102.workspace.files import read_json, write_json
from cifar102.workspace.folders import Workspace

PAGES = Path(__file__).parent / "pages"
NOTEBOOK = PAGES / "review.ipynb"
ADDRESS = "127.0.0.1"
FIRST_PORT = 8866
PORTS = range(1024, 65536)
START_SECONDS = 600  # a kernel on a busy machine
# Whatever a page of Voila's may name on other machines, the browser is told not to ask for it.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
WORKSPACE = "CIFAR102_REVIEW_WORKSPACE"  # the server tells its kernels here which workspace they serve
OPENING = (
    '<!DOCTYPE html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta http-equiv="refresh" content="0;url={address}"><a href="{address}">The review pages</a>\n'
)


def serve(workspace: Workspace, port: int = 0, open_browser: bool = True) -> int:
    """Serve the pages of a workspace until the process ends; the verdicts are on disk at every moment.

    Raises FileNotFoundError where the workspace has no candidates, ValueError where the port is taken.
    """
    from traitlets.config import Config

    check(workspace)
    application = _server()
    port = free_port(workspace, port)
    token = secrets.token_urlsafe(24)
    os.environ[WORKSPACE] = str(workspace.root)
    address = f"http://{ADDRESS}:{port}/?token={token}"
    print(f"Review pages of {workspace.root}\n{address}\nStop with Ctrl-C; every saved verdict is on disk.", flush=True)
    with opening_file(address) as file:
        if open_browser:
            webbrowser.open(file.as_uri())
        application.launch_instance([str(NOTEBOOK), "--no-browser"], config=Config(settings(port, token)))
    return 0


def check(workspace: Workspace) -> None:
    """Raise FileNotFoundError where a workspace has no candidates to show."""
    for path in (workspace.candidates, workspace.candidate_images):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; run notebook 01 in this workspace first")


def free_port(workspace: Workspace, port: int = 0) -> int:
    """The port of a workspace's server, the same at every start where it is free, so that open pages find it again.

    Kept in .review.json of the workspace, which may have come with a copy: nothing but a port is taken from there.
    port: 0 for the one used last, or the first free. ValueError where it is taken.
    """
    path = workspace.root / ".review.json"
    wished = [port] if port else [_kept_port(path), *range(FIRST_PORT, FIRST_PORT + 100)]
    free = next((number for number in wished if number in PORTS and _is_free(number)), None)
    if free is None:
        raise ValueError(f"port {port or FIRST_PORT} of {ADDRESS} is taken or no port; name another with --port")
    write_json(path, {"port": free})
    return free


def _kept_port(path: Path) -> int:
    try:
        kept = read_json(path)
    except (ValueError, OSError):
        return 0
    port = kept.get("port") if isinstance(kept, dict) else None
    return port if type(port) is int and port in PORTS else 0


@contextlib.contextmanager
def opening_file(address: str) -> Iterator[Path]:
    """A page that only its owner can read and that leads to `address`; it is gone when the server has ended.

    The browser is given this page: every user of a machine reads what stands on a command line, a token too.
    """
    handle, name = tempfile.mkstemp(prefix="cifar102-review-", suffix=".html")  # made with mode 0600
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(OPENING.format(address=html.escape(address)))
        yield path
    finally:
        path.unlink(missing_ok=True)


def settings(port: int, token: str) -> dict[str, dict[str, object]]:
    """Voila's settings: this machine only, token, no files, this interpreter's kernel, forgotten kernels ended.

    No settings are read from the current folder, whose voila.py would be run, nor from the user's.
    """
    pages = {"show_tracebacks": True, "template": "lab", "kernel_spec_manager_class": OwnKernelSpecs}
    pages |= {"file_allowlist": [], "allow_template_override": "NO", "allow_theme_override": "NO"}
    return {
        "Voila": {
            "ip": ADDRESS,
            "port": port,
            "port_retries": 0,
            "token": token,
            "root_dir": str(PAGES),
            "config_file_paths": [],
            "tornado_settings": {
                "headers": HEADERS,
                "allow_remote_access": False,  # the Host of a request is that of this machine
                "xsrf_cookie_kwargs": {"samesite": "Strict"},
            },
        },
        "VoilaConfiguration": pages,
        "IdentityProvider": {"cookie_options": {"samesite": "Strict"}},
        "MappingKernelManager": {"cull_idle_timeout": 3600, "cull_interval": 300, "kernel_info_timeout": START_SECONDS},
        "VoilaExecutor": {"startup_timeout": START_SECONDS},
    }


def _server() -> type:
    """Voila with our pages in place of its own and Jupyter's; a class made here, because its import takes seconds."""
    import jinja2
    from voila.app import Voila

    class ReviewServer(Voila):
        def setup_template_dirs(self) -> None:
            super().setup_template_dirs()
            self.template_paths = [str(PAGES), *self.template_paths]

        def init_settings(self) -> dict[str, object]:
            ours = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGES), autoescape=True)
            return super().init_settings() | {"jinja2_env": ours}  # Jupyter's own pages name other machines

    return ReviewServer


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name != "nt":  # a port that a killed server has just left counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
