"""What was made to harm: pickles, arrays, archives, names, pages, models, homes. Nothing of it runs or gets out."""

import ast
import html.parser
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pandas as pd
import pytest
from papermill.parameterize import parameterize_notebook

from cifar102.__main__ import main
from cifar102.annotations import labelimg
from cifar102.datasets import downloads, pools, sources
from cifar102.evaluation import prediction_tables
from cifar102.figures import drawing
from cifar102.models import files
from cifar102.workflow import execution, report, runner
from cifar102.workflow.notebooks import Parameter
from cifar102.workflow.steps import Override
from cifar102.workspace import arrays, folders
from cifar102.workspace.files import write_json
from cifar102.workspace.folders import REPOSITORY, Workspace
from tests.faults.cases import contents
from tests.faults.test_bad_files import IMAGES, npy, npz

CALLS = {
    "os.system": b"cos\nsystem\n(S'touch CANARY'\ntR.",
    "posix.system": b"cposix\nsystem\n(S'touch CANARY'\ntR.",
    "subprocess.Popen": b"csubprocess\nPopen\n((S'touch'\nS'CANARY'\nltR.",
    "builtins.eval": b'c__builtin__\neval\n(S\'open("CANARY","w")\'\ntR.',
    "builtins.exec": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x12open('CANARY', 'w')\x85R.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cos\npath\nS'join'\ntR.",
    "importlib": b"cimportlib\nimport_module\n(S'os'\ntR.",
    "pty.spawn": b"cpty\nspawn\n(S'touch CANARY'\ntR.",
    "timeit.timeit": b'ctimeit\ntimeit\n(S\'open("CANARY","w")\'\ntR.',
    "numpy.load": b"cnumpy\nload\n(S'CANARY.npy'\nI00\nI01\ntR.",
    "numpy.f2py": b"cnumpy.f2py.diagnose\nrun_command\n(S'touch CANARY'\ntR.",
    "functools.partial": b"cfunctools\npartial\n(cos\nsystem\nS'touch CANARY'\ntR.",
    "operator.attrgetter": b"coperator\nattrgetter\n(S'system'\ntR(cos\n__dict__\ntR.",
    "copyreg": b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.",
    "types.FunctionType": b"ctypes\nFunctionType\n(ctypes\nCodeType\n(tRtR.",
    "codecs of another kind": b"c_codecs\nencode\n(S'a'\nS'idna'\ntR.",
    "an old instance": b"(S'touch CANARY'\nios\nsystem\n.",
    "an old object": b"(cos\nsystem\nS'touch CANARY'\no.",
    "a new object": b"\x80\x02cos\nsystem\n(S'touch CANARY'\nt\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent object": b"Ptouch CANARY\n.",
}


def in_dictionary(call: bytes) -> bytes:
    """The call as the value of a key of a dictionary, as a batch is one."""
    return b"(dS'data'\n" + call[:-1].removeprefix(b"\x80\x02").removeprefix(b"\x80\x04") + b"s."


@pytest.mark.parametrize("name", CALLS)
def test_a_pickle_that_calls_is_refused_and_nothing_is_called(
    name: str, tmp_path: Path, monkeypatch, counts: Counter
) -> None:
    monkeypatch.chdir(tmp_path)
    object_array = npy(np.array([{}], object))
    header = object_array[: object_array.index(b"\n") + 1]
    (tmp_path / "batch").write_bytes(CALLS[name])
    (tmp_path / "inside").write_bytes(in_dictionary(CALLS[name]))
    (tmp_path / "a.npy").write_bytes(header + CALLS[name])
    (tmp_path / "a.npz").write_bytes(npz(images=header + CALLS[name]))
    for file, read in (
        ("batch", arrays.read_batch_pickle),
        ("inside", arrays.read_batch_pickle),
        ("a.npy", arrays.read_npy),
        ("a.npz", arrays.read_npz),
        ("a.npy", arrays.open_npy),
        ("a.npy", prediction_tables.read),
        ("a.npz", prediction_tables.read),
    ):
        with pytest.raises(ValueError, match=file):
            read(tmp_path / file)
        counts["bad_inputs"] += 1
    assert not list(tmp_path.glob("CANARY*"))


def test_python_itself_would_have_run_them(tmp_path: Path, monkeypatch) -> None:
    """The canary sings where nobody refuses: the test above can fail."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(CALLS["os.system"])
    assert (tmp_path / "CANARY").exists()


NUMPY_ONLY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from pathlib import Path
from cifar102.workspace import arrays
from cifar102.workspace import arrays
try:
    (arrays.read_batch_pickle if sys.argv[1] == "batch" else arrays.read_npy)(Path(sys.argv[2]))
except ValueError as error:
    peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print("refused", int(peak[0]) // 1024, error)
"""
HEADER = npy(np.array([{}], object))[: npy(np.array([{}], object)).index(b"\n") + 1]
TUPLES = b"(tp0\n" + b"".join(b"(g%d\ng%d\ntp%d\n" % (level, level, level + 1) for level in range(60))
SWELLING = {
    "a memory number of 2**31": b"\x80\x02}r\xff\xff\xff\x7f.",
    "tuples doubled sixty times": TUPLES + b".",
    "a dictionary under such a tuple": b"}" + TUPLES + b"Ns.",
    "lists doubled sixty times": b"(lp0\n" + b"".join(b"(lp%d\ng%d\nag%d\na" % (k + 1, k, k) for k in range(60)) + b".",
    "a list that holds itself twice": b"(lp0\ng0\nag0\na.",
    "a text of 2 GB that is not there": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "a byte array of a terabyte": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a number of a gigabyte": b"\x80\x02\x8b\xff\xff\xff\x3fabc.",
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory is of Linux")
@pytest.mark.parametrize("name", SWELLING)
def test_a_pickle_that_swells_is_refused_before_it_does(name: str, tmp_path: Path, counts: Counter) -> None:
    (tmp_path / "batch").write_bytes(SWELLING[name])
    (tmp_path / "a.npy").write_bytes(HEADER + SWELLING[name])
    for kind, file in (("batch", "batch"), ("array", "a.npy")):
        words = [sys.executable, "-c", NUMPY_ONLY, kind, str(tmp_path / file)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        said, megabytes, *_ = done.stdout.split()
        assert said == "refused", done.stderr
        assert int(megabytes) < 400, f"took {megabytes} MB"
        counts["bad_inputs"] += 1


# Names


HOSTILE_NAMES = (
    "../outside",
    "/absolute",
    "a/../../b",
    "..",
    ".",
    "a\\..\\b",
    "C:\\x",
    "a\nb",
    "a\0b",
    "<script>",
    'a"b',
    "",
    "CON",
    "aux",
    "NUL.txt",
    "COM1.png",
    "dot.",
    "blank ",
    " blank",
    "a\u202egnp.exe",
    "a\x1b[2J",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_keyword_or_file_name_that_is_no_name_is_not_written(name: str, tmp_path: Path, counts: Counter) -> None:
    inside = tmp_path / "inside"
    for column in ("keyword", "filename", "class_name"):
        table = pd.DataFrame({"class_name": ["cat"], "keyword": ["tabby"], "filename": ["a.png"]}).assign(
            **{column: name}
        )
        with pytest.raises(ValueError, match=r"path|expected|not a name|written|\.png"):
            labelimg.export_images(inside, table, IMAGES[:1])
        with pytest.raises(ValueError, match=r"path|expected|not a name|written"):
            labelimg.write_labelimg(inside, table)
        counts["bad_inputs"] += 2
    assert contents(tmp_path) == {}


def test_a_lock_that_is_a_link_is_not_written_through(tmp_path: Path, counts: Counter) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / ".lock").symlink_to(victim)
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system opens links always")
    with pytest.raises(OSError, match=r"\.lock"), runner.hold_workspace(Workspace(tmp_path / "workspace")):
        pass
    assert victim.read_text() == "mine"
    counts["bad_inputs"] += 1


# Archives


def archive_with(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
        tar.addfile(info, io.BytesIO(b"x"))
        wanted = tarfile.TarInfo("set/wanted")
        wanted.size = 1
        tar.addfile(wanted, io.BytesIO(b"y"))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("/tmp-outside", tarfile.REGTYPE, ""),
        ("set/../../outside", tarfile.REGTYPE, ""),
        ("set", tarfile.SYMTYPE, ".."),
        ("set/wanted", tarfile.SYMTYPE, "/etc/passwd"),
        ("set/wanted", tarfile.LNKTYPE, "/etc/passwd"),
        ("set/wanted", tarfile.CHRTYPE, ""),
        ("set/wanted", tarfile.FIFOTYPE, ""),
        ("set/wanted", tarfile.DIRTYPE, ""),
    ],
)
def test_no_member_of_an_archive_leaves_its_folder(
    name: str, kind: bytes, link: str, tmp_path: Path, counts: Counter
) -> None:
    path = archive_with(tmp_path / "a.tar.gz", name, kind, link)
    out = tmp_path / "deep" / "out"
    if name == "set/wanted":
        with pytest.raises(ValueError, match=r"set/wanted is a link or a special file"):
            downloads.unpack_archive(path, out, {"set/wanted": ""})
    else:
        downloads.unpack_archive(path, out, {"set/wanted": ""})
        assert (out / "set" / "wanted").read_bytes() == b"y"
    found = {
        item.relative_to(tmp_path).as_posix() for item in tmp_path.rglob("*") if item.is_file() or item.is_symlink()
    }
    assert found <= {"a.tar.gz", "deep/out/set/wanted"}
    assert not Path("/tmp-outside").exists()
    counts["bad_inputs"] += 1


def test_a_file_that_only_swells_fills_neither_memory_nor_disk(tmp_path: Path, monkeypatch, counts: Counter) -> None:
    monkeypatch.setattr(arrays, "LARGEST_BYTES", 1 << 20)
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as bundle,
        bundle.open("images.npy", "w") as file,
    ):
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 200_000
    with pytest.raises(ValueError, match=r"a\.npz: .*unpack to 67108864 bytes, expected at most 1048576"):
        arrays.read_npz(tmp_path / "a.npz")
    counts["bad_inputs"] += 1


# Values of parameters


CODE = (
    "__import__('os').system('touch CANARY')",
    "'; open('CANARY', 'w'); '",
    '"; open("CANARY", "w"); "',
    "\\'; open('CANARY','w') #",
    "{open('CANARY', 'w')}",
    "a\nopen('CANARY', 'w')",
    "%cd /",
    "!touch CANARY",
    '"""\nopen("CANARY", "w")\n"""',
    "\u2028open('CANARY')",
    "\x00",
    "\\",
    "${HOME}",
)
TEXT = Parameter("name", "str", "")


@pytest.mark.parametrize("value", CODE)
@pytest.mark.parametrize("kind", ["text", "a tuple", "a list", "a dictionary"])
def test_a_value_that_looks_like_code_reaches_the_notebook_as_text(value: str, kind: str, counts: Counter) -> None:
    assert execution.LiteralTranslator, "what is imported here sets how papermill writes parameters"
    text = Override("", "name", value).value_for(TEXT, "01_x")
    assert isinstance(text, str)
    given = {"text": text, "a tuple": (text, 1), "a list": [text], "a dictionary": {text: (text,)}}[kind]
    cell = nbformat.v4.new_code_cell("name: str = ''")
    cell.metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    book = nbformat.v4.new_notebook(cells=[cell], metadata=kernel | {"papermill": {}})
    book = parameterize_notebook(book, {"name": given})
    injected = next(cell.source for cell in book.cells if "injected-parameters" in cell.metadata.get("tags", []))
    (line,) = ast.parse(injected).body
    assert ast.literal_eval(line.value) == given
    counts["bad_inputs"] += 1


# Pages and figures


class Tags(html.parser.HTMLParser):
    """Collects what a page could do: its tags, their attributes, where they point."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes)))


MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<a href='javascript:alert(1)'>a</a>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<style>body{background:url(http://home.test/)}</style>",
    "</pre></details><script>alert(1)</script>",
    "<img src='http://home.test/x.png'>",
    "<math><mi xlink:href='data:x,<script>alert(1)</script>'></mi></math>",
    "<form action='http://home.test'><input name=a></form>",
    "<meta http-equiv=refresh content='0;url=http://home.test'>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "\x1b[31mred\x1b]0;title\x07",
)


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_in_names_numbers_and_outputs_does_nothing_on_the_report(
    markup: str, tmp_path: Path, counts: Counter
) -> None:
    workspace = Workspace(tmp_path)
    write_json(workspace.raw / "pool.json", {"title": markup, "description": markup, "pool": markup, markup: markup})
    folders.update_summary(workspace, markup, {markup: markup, "list": [markup], "headline": {markup: markup}})
    output = nbformat.v4.new_output
    data = {"text/html": f"<table><tr><td>{markup}</td></tr></table>{markup}", "text/plain": markup}
    outputs = [
        output("display_data", data),
        output("display_data", {"text/markdown": markup}),
        output("display_data", {"image/svg+xml": f"<svg>{markup}</svg>"}),
        output("display_data", {"image/png": markup, "text/plain": markup}),
        output("stream", text=markup),
        output("error", ename=markup, evalue=markup, traceback=[markup]),
    ]
    cells = [
        nbformat.v4.new_markdown_cell(f"# {markup}\n\n{markup}"),
        nbformat.v4.new_code_cell(markup, outputs=outputs),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_x.ipynb")
    step = {
        "name": markup,
        "notebook": tmp_path / "01_x.ipynb",
        "parameters": {markup: markup},
        "inputs": {markup: markup},
    }
    page = report.build_report(workspace, [step | {"outputs": {markup: "0"}, "versions": {markup: markup}}]).read_text(
        "utf-8"
    )
    tags = Tags()
    tags.feed(page)
    names = {tag for tag, _ in tags.found}
    assert not names & {"script", "iframe", "object", "embed", "form", "input", "svg", "math", "link", "base"}
    assert sum(tag == "style" for tag, _ in tags.found) == 1 and sum(tag == "meta" for tag, _ in tags.found) == 3
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert attributes.get("src", "data:image/").startswith("data:image/"), (tag, attributes)
        assert (attributes.get("href") or "#").startswith(("#", "http://", "https://")), (tag, attributes)
    counts["bad_inputs"] += 1


def test_names_of_any_kind_are_drawn_and_the_svg_holds_them_as_text(tmp_path: Path, counts: Counter) -> None:
    names = [
        "<script>alert(1)</script>",
        "a&b",
        "$\\frac{1}{0}$",
        "]]>",
        "\u202egod",
        "caf\xe9 \U0001f600",
        "a\nb",
        '"',
        "%s",
        "{x}",
    ]
    table = pd.DataFrame({"keyword": names, "count": range(1, 11)})
    workspace = Workspace(tmp_path)
    drawing.draw("01-names", "horizontal_bars", table, workspace, title=names[0], y="keyword", x="count")
    root = ElementTree.parse(workspace.figures / "01-names.svg").getroot()
    assert not [item for item in root.iter() if item.tag.endswith(("script", "foreignObject", "image"))]
    assert not [name for item in root.iter() for name in item.attrib if name.lower().startswith("on")]
    counts["bad_inputs"] += len(names)


# Homes of downloads


class Home(BaseHTTPRequestHandler):
    """Sends every request elsewhere, or sends without end."""

    def do_GET(self) -> None:
        if self.server.target:
            self.send_response(302)
            self.send_header("Location", self.server.target)
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            return

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def home():
    server = HTTPServer(("127.0.0.1", 0), Home)
    server.target = ""
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "target", ["http://home.test/x", "ftp://home.test/x", "file:///etc/passwd", "data:,x", "//home.test/x"]
)
def test_a_home_that_redirects_to_anything_but_https_is_not_followed(home, target: str, counts: Counter) -> None:
    home.target = target
    opener = urllib.request.build_opener(
        downloads._HttpsOnly
    )  # as open_https builds it, on a home without a certificate
    with pytest.raises(urllib.error.URLError, match=r"not https|not allowed|unknown url type"):
        opener.open(f"http://127.0.0.1:{home.server_port}/")
    counts["bad_inputs"] += 1


@pytest.mark.parametrize("url", ["http://home.test/x", "file:///etc/passwd", "ftp://home.test/x", "data:,x"])
def test_nothing_but_https_is_asked_for(url: str, counts: Counter) -> None:
    with pytest.raises(urllib.error.URLError, match="is not https"):
        downloads.open_https(urllib.request.Request(url))
    counts["bad_inputs"] += 1


def test_a_home_that_sends_without_end_is_given_up(home, tmp_path: Path, monkeypatch, counts: Counter) -> None:
    monkeypatch.setattr(downloads, "LARGEST_BYTES", 1 << 22)
    monkeypatch.setattr(downloads, "WAIT_SECONDS", 0)
    monkeypatch.setitem(sources.SOURCES, "a.npy", sources.Source("a.npy", "https://home.test/a.npy", "md5:0"))
    here = f"http://127.0.0.1:{home.server_port}/"
    with pytest.raises(downloads.DownloadError, match=r"a\.npy .*more than the 4194304 bytes"):
        downloads.fetch(
            "a.npy", tmp_path, lambda request: urllib.request.urlopen(here, timeout=60), show_progress=False
        )
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= (1 << 22) + downloads.BLOCK_BYTES
    assert not (tmp_path / "a.npy").exists()
    counts["bad_inputs"] += 1


def test_a_home_that_signs_its_own_certificate_is_not_trusted(tmp_path: Path, counts: Counter) -> None:
    import shutil
    import ssl

    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to sign a certificate")
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key",
        "-out",
        "certificate",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    server = HTTPServer(("127.0.0.1", 0), Home)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            downloads.open_https(urllib.request.Request(f"https://localhost:{server.server_port}/"))
    finally:
        server.shutdown()
        server.server_close()
    counts["bad_inputs"] += 1


# Models


@pytest.mark.slow
def test_code_in_real_keras_files_is_refused_and_arithmetic_is_not(
    tmp_path: Path, monkeypatch, counts: Counter
) -> None:
    monkeypatch.chdir(tmp_path)
    from tensorflow import keras, math, nn, reshape, strings

    inputs = keras.Input((32, 32, 3))
    flat = keras.layers.GlobalAveragePooling2D()(inputs)
    harmless = keras.layers.Dense(10)(reshape(nn.relu(math.add(flat, flat)) * 2.0, (-1, 3)))
    layered = keras.layers.Dense(10)(keras.layers.Lambda(lambda x: x + len(str(Path("CANARY").write_text("x"))))(flat))
    function = keras.layers.Dense(10)(keras.layers.Reshape((1,))(strings.length(strings.as_string(flat[:, 0]))))
    for name, outputs, reason in (("lambda", layered, "Lambda layer"), ("function", function, "calls 'strings")):
        for suffix in (".keras", ".h5"):
            keras.Model(inputs, outputs).save(tmp_path / f"{name}{suffix}")
            (tmp_path / "CANARY").unlink(missing_ok=True)
            with pytest.raises(ValueError, match=f"{name}{suffix}: .*{reason}"):
                files.check_model_file(tmp_path / f"{name}{suffix}")
            counts["bad_inputs"] += 1
    for suffix in (".keras", ".h5"):
        keras.Model(inputs, harmless).save(tmp_path / f"harmless{suffix}")
        assert "TFOpLambda" in files.layer_names(files.check_model_file(tmp_path / f"harmless{suffix}"))
    assert not (tmp_path / "CANARY").exists()


ATTACKS = (  # the names of tests.models.published_attacks.FILES, which is imported with TensorFlow where it is needed
    *("CVE-2024-3660", "CVE-2025-1550", "CVE-2025-8747", "CVE-2025-9905", "CVE-2025-9906", "CVE-2026-1462"),
    *("CVE-2026-1669", "CVE-2026-12479", "CVE-2026-12480", "CVE-2026-12481", "CVE-2026-0897"),
)


@pytest.fixture(scope="module")
def demo_pool(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with images, on which `evaluate` would judge a model."""
    workspace = Workspace(tmp_path_factory.mktemp("evaluate") / "pool")
    pools.ensure_pool("demo", workspace)
    return workspace


def refused_by_evaluate(path: Path, pool: Workspace, capsys: pytest.CaptureFixture) -> str:
    """The one sentence that `evaluate` ends with; no file of the user's or of the workspace is another one after it."""
    before = contents(path.parent), contents(pool.root)
    assert main(["evaluate", path.name, "--workspace", str(pool.root)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and path.name in said and "Traceback" not in said, said
    assert (contents(path.parent), contents(pool.root)) == before
    return said


@pytest.mark.faults
@pytest.mark.parametrize("number", ATTACKS)
def test_a_published_attack_given_to_evaluate_is_one_sentence_and_leaves_nothing(
    number: str, demo_pool: Workspace, tmp_path: Path, monkeypatch, capsys, counts: Counter
) -> None:
    from tests.models import published_attacks

    assert {name.split()[0] for name in published_attacks.FILES} == set(ATTACKS)
    for name, (_, _, found) in published_attacks.FILES.items():
        if name.split()[0] == number:
            folder = tmp_path / name.replace(" ", "-")
            folder.mkdir()
            monkeypatch.chdir(folder)
            path = published_attacks.make(name, folder)
            assert re.search(found, refused_by_evaluate(path, demo_pool, capsys))
            assert not (folder / "CANARY").exists()
            counts["bad_inputs"] += 1


def test_a_damaged_model_given_to_evaluate_is_one_sentence(
    demo_pool: Workspace, tmp_path: Path, monkeypatch, capsys, counts: Counter
) -> None:
    whole = (REPOSITORY / "tests/models/keras_files/corpus-keras3-arithmetic.keras").read_bytes()
    monkeypatch.chdir(tmp_path)
    for name, content in (("cut.keras", whole[:-500]), ("text.h5", b"text"), ("empty.keras", b"")):
        (tmp_path / name).write_bytes(content)
        assert "expected a" in refused_by_evaluate(tmp_path / name, demo_pool, capsys)
        counts["bad_inputs"] += 1


def test_a_model_named_as_a_function_is_what_the_user_asked_for_by_name(tmp_path: Path, monkeypatch) -> None:
    from cifar102.evaluation import functions

    (tmp_path / "mine_by_name.py").write_text("def predict(images):\n    return images[:, 0, 0, 0] % 10\n")
    monkeypatch.chdir(tmp_path)
    named = "mine_by_name:predict"
    assert functions.as_code(functions.load(named), named).predict(IMAGES).shape == (20,)
    assert json.dumps(sys.path) == json.dumps([path for path in sys.path if path != str(tmp_path)])
