"""The review pages as one widget: an anywidget whose front end asks, and whose Python side answers from the disk."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets

from cifar102 import cifar
from cifar102.review import server
from cifar102.review.labelling_desk import PER_CLASS, LabellingDesk
from cifar102.review.sheets import Reply
from cifar102.workflow import kernel
from cifar102.workspace.folders import Workspace

FOLDER = Path(__file__).parent / "pages"
PAGES = ("labelling", "pairs", "judging", "disagreements")
# One module for the browser: the parts are plain declarations, the last one exports.
SCRIPTS = (
    "elements.js",
    "outbox.js",
    "judging.js",
    "labelling.js",
    "pairs.js",
    "blind.js",
    "disagreements.js",
    "review.js",
)
ALLOWED = {
    "labelling": ("keywords", "sheet", "verdicts", "record"),
    "pairs": ("sheet", "record"),
    "judging": ("sheet", "difference", "record"),
    "disagreements": ("sheet", "record"),
}


def labelling(workspace: Workspace | Path | str, per_class: int = PER_CLASS) -> "ReviewPages":
    """Show the labelling page in a notebook cell."""
    return _shown(workspace, ("labelling",), per_class=per_class)


def pairs(workspace: Workspace | Path | str) -> "ReviewPages":
    """Show the page of near-duplicate pairs in a notebook cell."""
    return _shown(workspace, ("pairs",))


def judging(workspace: Workspace | Path | str) -> "ReviewPages":
    """Show the page on which sampled pairs are judged without their score in a notebook cell."""
    return _shown(workspace, ("judging",))


def disagreements(workspace: Workspace | Path | str) -> "ReviewPages":
    """Show the page of images on which raters differ in a notebook cell."""
    return _shown(workspace, ("disagreements",))


def pages(workspace: Workspace | Path | str | None = None) -> "ReviewPages":
    """Show all pages; without a workspace that of the review server this kernel belongs to."""
    if workspace is not None:
        return _shown(workspace)
    kernel.end_with_parent()
    return _shown(os.environ[server.WORKSPACE], standalone=True)


def _shown(workspace: Workspace | Path | str, names: tuple[str, ...] = PAGES, **options) -> "ReviewPages":
    workspace = Workspace(workspace)
    server.check(workspace)
    return ReviewPages(workspace, names, **options)


class ReviewPages(anywidget.AnyWidget):
    """Some or all of the review pages of one workspace; a notebook cell shows it, and so does Voila.

    The front end sends {id, request, data}; the reply bears the same id, with `error` where it could not be met. A
    reply to a `record` request is sent when the verdicts are on disk, not before.
    """

    _esm = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    _css = (FOLDER / "review.css").read_text(encoding="utf-8")
    pages = traitlets.List(traitlets.Enum(PAGES)).tag(sync=True)
    standalone = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        workspace: Workspace,
        pages: tuple[str, ...] = PAGES,
        per_class: int = PER_CLASS,
        standalone: bool = False,
    ) -> None:
        super().__init__(pages=list(pages), standalone=standalone)
        self._workspace = workspace
        self._per_class = per_class
        self._desks: dict[str, object] = {}
        self.on_msg(lambda _, message, buffers: self._receive(message))

    def answer(self, request: str, data: dict[str, object]) -> Reply:
        """Meet one request, `desk.method`, and return the reply with its pictures; ValueError where it cannot."""
        if request == "hello":
            return self._hello(), []
        return self._method(request)(**data)

    def _method(self, request: str) -> Callable[..., Reply]:
        desk, _, name = request.partition(".")
        if desk not in self.pages or name not in ALLOWED[desk]:
            raise ValueError(f"there is no request {request!r}")
        if desk not in self._desks:  # a page that nobody opens reads nothing
            self._desks[desk] = self._open(desk)
        return getattr(self._desks[desk], name)

    def _open(self, desk: str) -> object:
        """Open one desk; what only the others need is not imported before, numba alone takes seconds."""
        if desk == "labelling":
            return LabellingDesk(self._workspace, self._per_class)
        if desk == "pairs":
            from cifar102.review.pairs_desk import PairsDesk

            return PairsDesk(self._workspace)
        if desk == "judging":
            from cifar102.review.judging_desk import JudgingDesk

            return JudgingDesk(self._workspace)
        from cifar102.review.disagreements_desk import DisagreementsDesk

        return DisagreementsDesk(self._workspace)

    def _hello(self) -> dict[str, object]:
        """Who answers: the classes, and a name for this workspace under which the browser keeps unsaved verdicts."""
        identity = hashlib.blake2b(str(self._workspace.root).encode("utf-8"), digest_size=8).hexdigest()
        return {"workspace": self._workspace.name, "identity": identity, "classes": list(cifar.CLASS_NAMES)}

    def _receive(self, message: dict[str, object]) -> None:
        try:
            reply, pictures = self.answer(str(message.get("request")), dict(message.get("data") or {}))
        except Exception as error:  # whatever a request or a damaged workspace raises: a page that waits is answered
            reply, pictures = {"error": str(error) or type(error).__name__}, []
        self.send({"id": message.get("id"), **reply}, buffers=pictures)
