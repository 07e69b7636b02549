"""An executed notebook as HTML for the report: its text, figures and tables, its code folded away, nothing active."""

import base64
import html
import re
from pathlib import Path

import bleach
import mistune
import nbformat

TABLE_TAGS = {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption"}
TEXT_TAGS = {"a", "b", "blockquote", "br", "code", "del", "div", "em", "hr", "i", "li", "ol", "p", "pre", "span"}
TEXT_TAGS |= {"strong", "sub", "sup", "ul", "img", *(f"h{level}" for level in range(1, 7))}
ACTIVE = re.compile(r"<(script|style|template|iframe|object|svg|math)\b.*?(</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MAX_LINES = 40  # of a printed output before it is folded


def notebook_title(path: Path) -> str:
    """Return the first heading of a notebook, or its file name without the suffix."""
    for cell in _read(path).cells:
        match = re.search(r"^#+\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if match:
            return match[1].strip()
    return Path(path).stem


def notebook_html(path: Path) -> str:
    """Return an executed notebook's cells as HTML without scripts, styles or anything that is fetched.

    The first heading is left out: it is notebook_title, which the page sets above.
    Raises FileNotFoundError, or ValueError where the file is not a notebook.
    """
    markup = "\n".join(part for cell in _read(path).cells if (part := _cell(cell)))
    return re.sub(r"\A<h\d>.*?</h\d>\s*", "", markup)


def sanitize(markup: str) -> str:
    """Keep text, tables and images that are in the page itself; drop every other tag and attribute."""
    tags = TABLE_TAGS | TEXT_TAGS
    return bleach.clean(
        ACTIVE.sub("", markup), tags=tags, attributes=_is_kept, protocols={"http", "https", "data"}, strip=True
    )


def markdown_html(text: str) -> str:
    """Turn Markdown into HTML, headings one level down (the page has its own first); HTML in it is shown as text."""
    markup = mistune.create_markdown(escape=True, plugins=["table", "strikethrough", "url"])(text)
    lowered = re.sub(r"(</?h)([1-5])>", lambda match: f"{match[1]}{int(match[2]) + 1}>", markup)
    return sanitize(lowered).replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


def folded(summary: str, content: str, kind: str = "") -> str:
    """Put HTML behind a line one can open; the summary is text."""
    return f'<details class="{html.escape(kind)}"><summary>{html.escape(summary)}</summary>{content}</details>'


def preformatted(text: str) -> str:
    """Show printed text as it stood on the terminal at the end: no colours, of a progress line its last state."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in TERMINAL.sub("", text).split("\n")]
    shown = f"<pre>{html.escape(chr(10).join(lines).rstrip())}</pre>"
    return folded(f"{len(lines)} lines of output", shown) if len(lines) > MAX_LINES else shown


def _read(path: Path) -> nbformat.NotebookNode:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: the executed notebook is not there")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises several kinds for a damaged file
        raise ValueError(f"{path}: not readable as a notebook: {error}") from error


def _cell(cell: nbformat.NotebookNode) -> str:
    if cell.cell_type == "markdown":
        return markdown_html(cell.source)
    if cell.cell_type != "code" or not cell.source.strip():
        return ""
    tags = cell.get("metadata", {}).get("tags", [])
    name = {"parameters": "parameters", "injected-parameters": "parameters of this run"}
    summary = next((name[tag] for tag in tags if tag in name), "code")
    code = folded(summary, f"<pre>{html.escape(cell.source)}</pre>", "code")
    return "\n".join([code, *(part for output in cell.outputs if (part := _output(output)))])


def _output(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return preformatted(_joined(output.text)) if _joined(output.text).strip() else ""
    if output.output_type == "error":
        return f'<div class="error">{preformatted(_joined("".join(output.traceback)))}</div>'
    data = output.data
    if "image/png" in data or "image/jpeg" in data:
        return _image(output)
    if "image/svg+xml" in data:
        content = base64.b64encode(_joined(data["image/svg+xml"]).encode()).decode()
        return _image_tag("image/svg+xml;base64", content, "figure", None)
    if "text/html" in data:
        return f'<div class="wide">{sanitize(_joined(data["text/html"]))}</div>'
    if "text/markdown" in data:
        return markdown_html(_joined(data["text/markdown"]))
    return preformatted(_joined(data.get("text/plain", ""))) if data.get("text/plain") else ""


def _image(output: nbformat.NotebookNode) -> str:
    kind = "image/png" if "image/png" in output.data else "image/jpeg"
    content = re.sub(r"[^A-Za-z0-9+/=]", "", _joined(output.data[kind]))
    width = output.get("metadata", {}).get(kind, {}).get("width")
    return _image_tag(f"{kind};base64", content, _joined(output.data.get("text/plain", "figure")), width)


def _image_tag(kind: str, content: str, text: str, width: object) -> str:
    size = f' width="{int(width)}"' if isinstance(width, int | float) else ""
    return f'<figure><img alt="{html.escape(text)}"{size} src="data:{kind},{content}"></figure>'


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _is_kept(tag: str, name: str, value: str) -> bool:
    if tag == "img":
        return name in ("alt", "width") or (name == "src" and value.startswith("data:image/"))
    if tag == "a":
        return name == "href" and value.startswith(("https://", "http://", "#"))
    return tag in TABLE_TAGS and name in ("colspan", "rowspan")
