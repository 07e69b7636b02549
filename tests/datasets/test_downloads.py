"""Downloads against a local server that may break off, lie or wait; archives with members that must be refused."""

import hashlib
import http.server
import io
import re
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import zipfile

import pytest

from cifar102.datasets import downloads, sources
from cifar102.datasets.sources import Source

CONTENT = bytes(range(256)) * 800
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class _Home(http.server.BaseHTTPRequestHandler):
    """A home that knows ranges, and can break off after some bytes, send other bytes or wait half-way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if server.knows_ranges else 0
        content = server.content
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        length = server.breaks.pop(0) if server.breaks else len(content)
        self.wfile.write(content[start : start + length])
        self.wfile.flush()
        time.sleep(server.wait_seconds)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def home():
    """A server on this machine, given away as an opener that sends every https request to it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Home)
    server.daemon_threads = True
    server.content, server.ranges, server.breaks, server.knows_ranges, server.wait_seconds = CONTENT, [], [], True, 0
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def opener(home):
    def open_here(request):
        assert request.full_url.startswith("https://")
        url = f"http://127.0.0.1:{home.server_port}/"
        return urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers)), timeout=60)

    return open_here


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(downloads, "WAIT_SECONDS", 0)
    monkeypatch.setitem(sources.SOURCES, "small.bin", Source("small.bin", "https://home.test/small.bin", SHA, 204_800))


def test_a_file_is_fetched_and_has_its_name_only_when_complete(home, opener, tmp_path):
    path = downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == ["small.bin"]


def test_a_file_that_is_there_is_not_fetched_again(home, opener, tmp_path):
    (tmp_path / "small.bin").write_bytes(CONTENT)
    downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert home.ranges == []


def test_a_users_file_of_other_content_is_named_and_kept(opener, tmp_path):
    (tmp_path / "small.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"small\.bin .*expected sha256"):
        downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert (tmp_path / "small.bin").read_bytes() == b"mine"


def test_a_broken_connection_is_taken_up_where_it_broke(home, opener, tmp_path):
    home.breaks = [70_000, 50_000]
    assert downloads.fetch("small.bin", tmp_path, opener, show_progress=False).read_bytes() == CONTENT
    assert home.ranges == [None, "bytes=70000-", "bytes=120000-"]


def test_a_partial_file_of_an_earlier_run_is_resumed(home, opener, tmp_path):
    (tmp_path / "small.bin.part").write_bytes(CONTENT[:1000])
    assert downloads.fetch("small.bin", tmp_path, opener, show_progress=False).read_bytes() == CONTENT
    assert home.ranges == ["bytes=1000-"]


def test_a_complete_partial_file_needs_no_network(home, opener, tmp_path):
    (tmp_path / "small.bin.part").write_bytes(CONTENT)
    downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert home.ranges == []


def test_a_home_without_ranges_sends_the_whole_file_again(home, opener, tmp_path):
    home.knows_ranges = False
    (tmp_path / "small.bin.part").write_bytes(CONTENT[:1000])
    assert downloads.fetch("small.bin", tmp_path, opener, show_progress=False).read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [b"x" * 1000, b"x" * 204_800, b"x" * 300_000])
def test_a_partial_file_of_other_content_is_begun_anew(opener, tmp_path, kept):
    (tmp_path / "small.bin.part").write_bytes(kept)
    assert downloads.fetch("small.bin", tmp_path, opener, show_progress=False).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(home, opener, tmp_path):
    home.content = CONTENT[:-1] + b"!"
    with pytest.raises(ValueError, match=r"home\.test/small\.bin: has sha256:.* expected sha256:"):
        downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == []


def test_a_home_that_breaks_off_each_time_is_given_up_and_what_came_is_kept(home, opener, tmp_path):
    home.breaks = [5000] + [0] * 9
    with pytest.raises(downloads.DownloadError, match="5000 bytes are kept"):
        downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert (tmp_path / "small.bin.part").read_bytes() == CONTENT[:5000]


def test_without_a_network_one_sentence_says_what_where_and_where_to_put_it(tmp_path):
    def offline(request):
        raise urllib.error.URLError("Name or service not known")

    with pytest.raises(FileNotFoundError) as caught:
        downloads.fetch("cifar-10-python.tar.gz", tmp_path, offline)
    message = str(caught.value)
    for part in ("cifar-10-python.tar.gz", "https://www.cs.toronto.edu/~kriz/", str(tmp_path), "not known"):
        assert part in message
    assert "\n" not in message


def test_a_home_that_has_moved_is_told(tmp_path):
    def moved(request):
        raise urllib.error.HTTPError(request.full_url, 404, "Not Found", {}, None)

    with pytest.raises(downloads.DownloadError, match="404"):
        downloads.fetch("small.bin", tmp_path, moved)


def test_an_unknown_name_brings_the_known_ones():
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz"):
        downloads.fetch("cifar.zip", "nowhere")
    with pytest.raises(ValueError, match="cifar10h"):
        downloads.fetch_dataset("cifar11", "nowhere")


def test_only_https_is_opened():
    for url in ("http://www.cs.toronto.edu/x", "file:///etc/passwd"):
        with pytest.raises(urllib.error.URLError, match="not https"):
            downloads.open_https(urllib.request.Request(url))
    with pytest.raises(urllib.error.URLError, match="not https"):
        request = urllib.request.Request("https://home.test/")
        downloads._HttpsOnly().redirect_request(request, None, 302, "Found", {}, "http://home.test/")


def test_every_home_is_https_and_every_file_has_a_checksum():
    for source in sources.SOURCES.values():
        assert source.url.startswith("https://")
        assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|git:[0-9a-f]{40}", source.checksum)
    assert {name for names in sources.DATASET_FILES.values() for name in names} <= set(sources.SOURCES)
    assert len(sources.CORRUPTIONS) == 19


def test_two_callers_fetch_once(home, opener, tmp_path):
    home.wait_seconds = 0.3
    fetch = [lambda: downloads.fetch("small.bin", tmp_path, opener, show_progress=False)] * 3
    threads = [threading.Thread(target=call) for call in fetch]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert home.ranges == [None]
    assert (tmp_path / "small.bin").read_bytes() == CONTENT


CHILD = """
import sys, urllib.request
from cifar102.datasets import downloads
from cifar102.datasets import sources
name, url, folder, checksum = "small.bin", *sys.argv[1:]
sources.SOURCES[name] = sources.Source(name, "https://home.test/small.bin", checksum)
downloads.BLOCK_BYTES = 1000
downloads.fetch(name, folder, lambda request: urllib.request.urlopen(url), show_progress=False)
"""


def test_a_killed_download_is_resumed_and_its_lock_is_free(home, opener, tmp_path):
    home.breaks, home.wait_seconds = [150_000], 30
    url = f"http://127.0.0.1:{home.server_port}/"
    child = subprocess.Popen([sys.executable, "-c", CHILD, url, str(tmp_path), SHA])
    part, deadline = tmp_path / "small.bin.part", time.monotonic() + 600
    while time.monotonic() < deadline and not (part.is_file() and part.stat().st_size > 100_000):
        time.sleep(0.05)
    child.kill()
    child.wait()
    kept = part.stat().st_size
    assert 100_000 < kept < 204_800
    home.wait_seconds = 0
    assert downloads.fetch("small.bin", tmp_path, opener, show_progress=False).read_bytes() == CONTENT
    assert home.ranges[-1] == f"bytes={kept}-"


def test_a_git_checksum_is_that_of_the_blob(tmp_path):
    (tmp_path / "file").write_bytes(b"hello\n")
    assert downloads.checksum_of(tmp_path / "file", "git") == "git:ce013625030ba8dba906f756967f9e9ca394464a"
    assert downloads.checksum_of(tmp_path / "file", "md5") == "md5:b1946ac92492d2347c6235b4d2611184"


def _tar(path, *members, content=b"pixels", kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as tar:
        for name in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = (len(content) if kind == tarfile.REGTYPE else 0), kind, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return path


def _md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


def test_only_expected_members_are_unpacked(tmp_path):
    archive = _tar(tmp_path / "a.tar.gz", "../outside", "/absolute", "a/extra", "a/wanted")
    assert downloads.unpack_archive(archive, tmp_path / "raw", {"a/wanted": _md5(b"pixels")}) == [
        tmp_path / "raw/a/wanted"
    ]
    assert [file.name for file in (tmp_path / "raw" / "a").iterdir()] == ["wanted"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tar.gz", "raw"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_the_place_of_a_member_is_refused(tmp_path, kind):
    archive = _tar(tmp_path / "a.tar.gz", "a/wanted", kind=kind)
    with pytest.raises(ValueError, match="a/wanted is a link"):
        downloads.unpack_archive(archive, tmp_path / "raw", {"a/wanted": ""})
    assert not (tmp_path / "raw").exists()


def test_a_missing_a_changed_and_a_too_large_member_are_named(tmp_path, monkeypatch):
    archive = _tar(tmp_path / "a.tar.gz", "a/wanted")
    with pytest.raises(ValueError, match=r"\['a/other'\] are not in it"):
        downloads.unpack_archive(archive, tmp_path / "raw", {"a/wanted": "", "a/other": ""})
    with pytest.raises(ValueError, match=r"a/wanted: has md5:.* expected md5:0"):
        downloads.unpack_archive(archive, tmp_path / "new", {"a/wanted": "md5:0"})
    monkeypatch.setattr(downloads, "MEMBER_BYTES", 5)
    with pytest.raises(ValueError, match="a/wanted is larger than 5 bytes"):
        downloads.unpack_archive(archive, tmp_path / "new", {"a/wanted": ""})
    assert not any((tmp_path / "new").rglob("*wanted*"))


def test_a_file_of_other_content_in_the_place_of_a_member_is_not_replaced(tmp_path):
    archive, theirs = _tar(tmp_path / "a.tar.gz", "a/wanted"), tmp_path / "raw" / "a" / "wanted"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"years of work")
    with pytest.raises(ValueError, match="a/wanted: is there already and holds something else"):
        downloads.unpack_archive(archive, tmp_path / "raw", {"a/wanted": _md5(b"pixels")})
    assert theirs.read_bytes() == b"years of work" and list(theirs.parent.iterdir()) == [theirs]
    theirs.write_bytes(b"pixels")
    assert downloads.unpack_archive(archive, tmp_path / "raw", {"a/wanted": ""}) == [theirs]


def test_a_link_in_the_place_of_a_partial_download_is_not_written_through(opener, tmp_path):
    (tmp_path / "theirs").write_bytes(b"years of work")
    (tmp_path / "small.bin.part").symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match=r"small\.bin\.part: is a link"):
        downloads.fetch("small.bin", tmp_path, opener, show_progress=False)
    assert (tmp_path / "theirs").read_bytes() == b"years of work"


@pytest.mark.parametrize("kept", [0, 10, 80])
def test_a_damaged_archive_is_named(tmp_path, kept):
    archive = _tar(tmp_path / "a.tar.gz", "a/wanted")
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"a\.tar\.gz: "):
        downloads.unpack_archive(archive, tmp_path / "raw", {"a/wanted": _md5(b"pixels")})


def test_a_zip_is_unpacked_by_the_same_rules(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr("ciFAIR-10/test_batch", b"pixels")
        bundle.writestr("../outside", b"x")
        link = zipfile.ZipInfo("ciFAIR-10/link")
        link.external_attr = 0o120777 << 16
        bundle.writestr(link, "/etc/passwd")
    paths = downloads.unpack_archive(tmp_path / "a.zip", tmp_path / "raw", {"ciFAIR-10/test_batch": _md5(b"pixels")})
    assert [path.read_bytes() for path in paths] == [b"pixels"]
    with pytest.raises(ValueError, match="is a link"):
        downloads.unpack_archive(tmp_path / "a.zip", tmp_path / "raw", {"ciFAIR-10/link": ""})


def test_a_data_set_is_fetched_unpacked_and_then_left_alone(home, opener, tmp_path, monkeypatch):
    home.content = _tar(tmp_path / "a.tar.gz", "small/one", "small/two").read_bytes()
    digest = f"md5:{hashlib.md5(home.content).hexdigest()}"
    members = {"small/one": _md5(b"pixels"), "small/two": ""}
    source = Source("small.tar.gz", "https://home.test/small.tar.gz", digest, members=members)
    monkeypatch.setitem(sources.SOURCES, "small.tar.gz", source)
    monkeypatch.setitem(sources.DATASET_FILES, "small", ("small.tar.gz",))
    for _ in range(2):
        paths = downloads.fetch_dataset("small", tmp_path / "raw", opener, show_progress=False)
        assert [path.read_bytes() for path in paths] == [b"pixels"] * 2
    assert len(home.ranges) == 1
