"""Unpacking the published archives: only the files that are expected, no links, each checked before it has its name."""

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cifar102.workspace.files import replacing

MEMBER_BYTES = 1 << 28  # 256 MiB: the largest expected member, CIFAR-100's train, has 155 MB
BLOCK_BYTES = 1 << 20


def checksum_of(path: Path, kind: str) -> str:
    """Return a file's checksum as `kind:digits`; kind is `md5`, `sha256` or `git` (the blob's sha1)."""
    digest = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        digest.update(f"blob {Path(path).stat().st_size}\0".encode("ascii"))
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return f"{kind}:{digest.hexdigest()}"


def check(path: Path, checksum: str, name: str) -> None:
    """Raise ValueError where a file has another checksum than `checksum`; an empty one is not compared."""
    found = checksum_of(path, checksum.partition(":")[0]) if checksum else ""
    if found != checksum:
        raise ValueError(f"{name}: has {found}, expected {checksum}")


def unpack(archive: Path, folder: Path, members: dict[str, str]) -> list[Path]:
    """Unpack the expected members of a .tar, .tar.gz or .zip into `folder`; other members are not touched.

    members: name -> checksum (or empty). Each file is written atomically, after its checksum was compared. Raises
    ValueError naming archive and member for a link, a missing or too large member, a wrong checksum, a damaged archive.
    """
    archive, folder = Path(archive), Path(folder)
    opened = _zip_files if archive.suffix == ".zip" else _tar_files
    paths = {}
    try:
        for name, file in opened(archive, members):
            where = f"{archive}: {name}"
            with replacing(folder / name) as temporary:
                _copy(file, temporary, where)
                check(temporary, members[name], where)
            paths[name] = folder / name
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{archive}: cannot be unpacked: {error}") from error
    missing = [name for name in members if name not in paths]
    if missing:
        raise ValueError(f"{archive}: {missing} are not in it")
    return [paths[name] for name in members]


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
        while block := source.read(BLOCK_BYTES):
            done += len(block)
            if done > MEMBER_BYTES:
                raise ValueError(f"{where} is larger than {MEMBER_BYTES} bytes")
            target.write(block)
