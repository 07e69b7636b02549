"""Environments beside .venv: made from a lock, and never where somebody else's stands."""

from pathlib import Path

import pytest

from cifar102.commands import environments


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """A clone with a lock; what would install is noted and installs nothing."""
    monkeypatch.setattr(environments, "REPOSITORY", tmp_path)
    (tmp_path / "requirements-clients.txt").write_text("onnx==1\n")
    monkeypatch.setattr(environments.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(environments.subprocess, "run", lambda words, check: (tmp_path / "INSTALLED").touch())
    return tmp_path / ".venv-clients"


@pytest.mark.parametrize("is_link", [False, True])
def test_an_environment_of_somebody_else_is_neither_cleared_nor_installed_into(place: Path, is_link: bool) -> None:
    theirs = place.parent / "theirs" if is_link else place
    theirs.mkdir()
    (theirs / "mine.py").write_text("mine")
    if is_link:
        (theirs / environments.MARK).write_text("")  # a mark behind a link is none
        place.symlink_to(theirs)
    with pytest.raises(ValueError, match=r"\.venv-clients: (is a link|has no made-from).* left alone; move it"):
        environments.make("clients")
    assert (theirs / "mine.py").read_text() == "mine" and not (place.parent / "INSTALLED").exists()


def test_one_of_ours_is_made_and_made_anew_where_its_lock_changed_or_it_was_not_finished(place: Path) -> None:
    lock = place.parent / "requirements-clients.txt"
    for content in ("onnx==1\n", "onnx==2\n"):
        lock.write_text(content)
        assert environments.find("clients") is None
        assert environments.make("clients") == environments.find("clients") == environments.python_in(place)
        assert (place / environments.MARK).read_text() == content
    (place / environments.MARK).write_text("")
    (place / "half").touch()
    assert environments.make("clients") and not (place / "half").exists()
