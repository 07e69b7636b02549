"""Downloads: fetched over https with resume, checked against known sums, unpacked without trusting names in them.

Ours and not pooch's, which begins a broken download again (CIFAR-10-C has 2.9 GB), follows a redirect to plain http,
knows no sums of git blobs, and sets no limit to what a server sends or an archive unpacks to.
"""

import contextlib
import filecmp
import hashlib
import http.client
import math
import os
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from cifar102.datasets.sources import DATASET_FILES, SOURCES, Source, find
from cifar102.workspace import files
from cifar102.workspace.files import replacing

MEMBER_BYTES = 1 << 28  # 256 MiB: the largest expected member, CIFAR-100's train, has 155 MB
MEMBER_BLOCK_BYTES = 1 << 20


def checksum_of(path: Path, kind: str) -> str:
    """Return a file's checksum as `kind:digits`; kind is `md5`, `sha256` or `git` (the blob's sha1)."""
    digest = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        digest.update(f"blob {Path(path).stat().st_size}\0".encode("ascii"))
    with Path(path).open("rb") as file:
        while block := file.read(MEMBER_BLOCK_BYTES):
            digest.update(block)
    return f"{kind}:{digest.hexdigest()}"


def check_archive(path: Path, checksum: str, name: str) -> None:
    """Raise ValueError where a file has another checksum than `checksum`; an empty one is not compared."""
    found = checksum_of(path, checksum.partition(":")[0]) if checksum else ""
    if found != checksum:
        raise ValueError(f"{name}: has {found}, expected {checksum}")


def unpack_archive(archive: Path, folder: Path, members: dict[str, str]) -> list[Path]:
    """Unpack the expected members of a .tar, .tar.gz or .zip into `folder`; other members are not touched.

    members: name -> checksum (or empty). Each file is written atomically, after its checksum was compared. Raises
    ValueError naming archive and member for a link, a missing or too large member, a wrong checksum, a damaged archive,
    a file of other content that is there already.
    """
    archive, folder = Path(archive), Path(folder)
    opened = _zip_files if archive.suffix == ".zip" else _tar_files
    paths = {}
    try:
        for name, file in opened(archive, members):
            where = f"{archive}: {name}"
            with replacing(folder / name) as temporary:
                _copy(file, temporary, where)
                check_archive(temporary, members[name], where)
                _check_free(folder / name, temporary)
            paths[name] = folder / name
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{archive}: cannot be unpacked: {error}") from error
    missing = [name for name in members if name not in paths]
    if missing:
        raise ValueError(f"{archive}: {missing} are not in it")
    return [paths[name] for name in members]


def _check_free(path: Path, new: Path) -> None:
    """ValueError where something else than the new file has its name: it may be the user's, and is not replaced."""
    if path.exists() and not (path.is_file() and filecmp.cmp(path, new, shallow=False)):
        raise ValueError(f"{path}: is there already and holds something else; move it away to unpack the archive")


def _tar_files(archive: Path, members: dict[str, str]) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name not in members:
                continue
            if not member.isreg():
                raise ValueError(f"{archive}: {name} is a link or a special file, expected a plain file")
            with tar.extractfile(member) as file:
                yield name, file


def _zip_files(archive: Path, members: dict[str, str]) -> Iterator[tuple[str, BinaryIO]]:
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            if member.filename not in members:
                continue
            if (member.external_attr >> 16) & 0o170000 == 0o120000:
                raise ValueError(f"{archive}: {member.filename} is a link, expected a plain file")
            with bundle.open(member) as file:
                yield member.filename, file


def _copy(source: BinaryIO, path: Path, where: str) -> None:
    done = 0
    with path.open("wb") as target:
        while block := source.read(MEMBER_BLOCK_BYTES):
            done += len(block)
            if done > MEMBER_BYTES:
                raise ValueError(f"{where} is larger than {MEMBER_BYTES} bytes")
            target.write(block)


TIMEOUT_SECONDS = 30
TRIES = 4  # in a row without a byte; a broken connection is taken up again where it broke
WAIT_SECONDS = 1.0  # after the first vain try, twice as long after the second
BLOCK_BYTES = 1 << 18
LARGEST_BYTES = 1 << 32  # of a file whose size nobody has published; the largest published one has 2.9 GB
Opener = Callable[[urllib.request.Request], http.client.HTTPResponse]


class DownloadError(FileNotFoundError):
    """A file that is not here and could not be fetched; the message says where to get it and where to put it."""


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, file, code, message, headers, url):
        if not url.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {url}, which is not https")
        return super().redirect_request(request, file, code, message, headers, url)


def open_https(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Open a request over https only, redirects included."""
    if request.type != "https":
        raise urllib.error.URLError(f"{request.full_url} is not https")
    return urllib.request.build_opener(_HttpsOnly).open(request, timeout=TIMEOUT_SECONDS)


def fetch(name: str, folder: Path, opener: Opener = open_https, show_progress: bool = True) -> Path:
    """Return `folder/name`, downloaded unless it is there; see sources.SOURCES for the names.

    A partial download stays as `.part` and is resumed; the file gets its name only when its size and checksum are the
    pinned ones; a second process waits for the first. Raises DownloadError (a FileNotFoundError) with the file's home
    and where to put it when the network or the disk fails, ValueError for a file of other content or an unknown name.
    """
    source = _source(name)
    path = Path(folder) / name
    with files.locked(path.with_name(f".{name}.lock"), math.inf):
        if path.is_file():
            check_archive(path, source.checksum, f"{path} (not replaced: move it away to download it)")
            return path
        part = path.with_name(f"{name}.part")
        files.refuse_link(part)
        try:
            _download(source, part, opener, show_progress)
        except (OSError, http.client.HTTPException) as error:
            raise DownloadError(_advice(source, path, part, error)) from error
        part.replace(path)
    return path


def fetch_dataset(dataset: str, raw: Path, opener: Opener = open_https, show_progress: bool = True) -> list[Path]:
    """Fetch the files of a data set (keys of sources.DATASET_FILES) below `raw`, archives unpacked; return them.

    What is there already is not fetched again. Raises as `fetch` and `unpack_archive` do.
    """
    if dataset not in DATASET_FILES:
        raise ValueError(f"unknown data set {dataset!r}; these can be downloaded: {sorted(DATASET_FILES)}")
    paths = []
    for name in DATASET_FILES[dataset]:
        source = SOURCES[name]
        wanted = [Path(raw) / member for member in source.members or ()]
        if wanted and all(path.is_file() for path in wanted):
            paths += wanted
        elif wanted:
            paths += unpack_archive(fetch(name, raw, opener, show_progress), raw, source.members)
        else:
            with contextlib.suppress(FileNotFoundError):
                paths.append(find(name, raw))
                continue
            paths.append(fetch(name, Path(raw) / source.folders[0], opener, show_progress))
    return paths


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise ValueError(f"unknown file {name!r}; these can be downloaded: {sorted(SOURCES)}")
    return SOURCES[name]


def _download(source: Source, part: Path, opener: Opener, show_progress: bool) -> None:
    """Bring `part` to the pinned content; where what was kept from before is of another file, begin again once."""
    was_resumed = part.is_file()
    _fill(source, part, opener, show_progress)
    try:
        _verify(source, part)
    except ValueError:
        if not was_resumed:
            raise
        _fill(source, part, opener, show_progress)
        _verify(source, part)


def _fill(source: Source, part: Path, opener: Opener, show_progress: bool) -> None:
    """Bring `part` to its full length, taking up a broken connection where it broke."""
    num_failures, reason = 0, "the connection ended too early"
    while num_failures < TRIES:
        before = _size(part)
        try:
            if _receive(source, part, opener, show_progress):
                return
        except (ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLError) as error:
            reason = str(error) or type(error).__name__
        num_failures = 0 if _size(part) > before else num_failures + 1
        time.sleep(num_failures * WAIT_SECONDS)
    raise ConnectionError(f"{reason}, {TRIES} times")


def _receive(source: Source, part: Path, opener: Opener, show_progress: bool) -> bool:
    """Ask for the rest of the file and append it; True when the file is complete."""
    start = _size(part)
    if source.size is not None and start == source.size:
        return True
    headers = {"User-Agent": "cifar102"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = opener(urllib.request.Request(source.url, headers=headers))
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        part.unlink()  # longer than the file at its home: begin again
        return False
    with response:
        if response.status != 206 or not (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
            start = 0  # the server sends the whole file
        length = response.headers.get("Content-Length")
        total = source.size if source.size is not None else (start + int(length) if length else None)
        _append(
            response,
            part,
            start,
            total,
            tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=source.name, disable=not show_progress),
        )
    return total is None or part.stat().st_size >= total


def _append(response: BinaryIO, part: Path, start: int, total: int | None, progress: tqdm) -> None:
    most = LARGEST_BYTES if total is None else total
    with progress, part.open("ab" if start else "wb") as file:
        done = start
        while block := response.read(BLOCK_BYTES):
            file.write(block)
            done += len(block)
            progress.update(len(block))
            if done > most:
                raise ConnectionError(f"the home sends more than the {most} bytes expected")
        os.fsync(file.fileno())


def _verify(source: Source, part: Path) -> None:
    """Compare size and checksum with the pinned ones; a wrong file is removed, so that the next call begins anew."""
    try:
        if source.size is not None and _size(part) != source.size:
            raise ValueError(f"{source.name}: has {_size(part)} bytes, expected {source.size}")
        check_archive(part, source.checksum, f"{source.name} as sent by {source.url}")
    except ValueError:
        part.unlink()
        raise


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _advice(source: Source, path: Path, part: Path, error: Exception) -> str:
    reason = error.reason if type(error) is urllib.error.URLError else str(error) or type(error).__name__
    kept = f"; {_size(part)} bytes are kept and the same command goes on from there" if part.is_file() else ""
    return (
        f"{source.name} is not here and could not be downloaded ({reason}): get it from {source.url} "
        f"and put it into {path.parent}{kept}"
    )
