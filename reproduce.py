#!/usr/bin/env python3
"""The entry point: makes .venv, installs requirements.txt once, then runs `python -m cifar102` with the same words.

    python3 reproduce.py              all notebooks on the embedded demo pool
    python3 reproduce.py test         the test suite
    python3 reproduce.py run cifar10 --data DIR
    python3 reproduce.py --help       every command

Options of its own: --no-venv (use the interpreter that started it), --stack main|next. Standard library only, and no
syntax newer than Python 3.6, because whatever `python3` is must get as far as saying what is missing.
"""

import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent
WANTED = ((3, 11), (3, 10))  # TensorFlow 2.15 with Addons has wheels for these, papermill 2.7 needs 3.10
STAMP = "cifar102-installed.json"
UNFINISHED = "cifar102-unfinished"
WINDOWS = os.name == "nt"
INSTALL_PYTHON = """\
reproduce: Python 3.11 or 3.10 is needed (TensorFlow 2.15 has none newer), and this machine shows neither one nor uv.
  Linux:   sudo apt install python3.11 python3.11-venv, or where that is not offered: pip install uv
  macOS:   brew install python@3.11
  Windows: winget install Python.Python.3.11"""
ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


class Trouble(Exception):
    """What the user can do something about; the message is what they are told."""


def main(arguments):
    """Run one command line; returns its exit code."""
    try:
        own_interpreter, arguments = take_options(arguments)
        python = this_interpreter() if own_interpreter else environment(REPOSITORY / ".venv")
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reproduce: interrupted; the same command starts the installation again", file=sys.stderr)
        return 130
    return hand_over([python, "-m", "cifar102", *(arguments or ["run", "demo"])])


def take_options(arguments):
    """Take --no-venv and --stack out of the words; returns (use this interpreter, the other words)."""
    words = [word for word in arguments if word != "--no-venv"]
    stack = words[words.index("--stack") + 1 :][:1] if "--stack" in words else []
    if "next" in stack or "--stack=next" in words:
        raise Trouble("reproduce: only the main stack (TensorFlow 2.15) is there so far; leave --stack next out")
    return len(words) < len(arguments), words


def hand_over(command):
    """Become the command, so that whoever kills this process kills the run; Windows waits for a child instead."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    sys.stdout.flush()
    if not WINDOWS:
        os.execv(command[0], command)
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child hears it as well and says what is to be said


def version_of(python):
    """Ask an interpreter for (major, minor, can make environments); None where it does not run."""
    question = "import sys, importlib.util as u; print(*sys.version_info[:2], bool(u.find_spec('ensurepip')))"
    try:
        answer = subprocess.check_output([*python, "-c", question], stderr=subprocess.DEVNULL, timeout=60)
        major, minor, complete = answer.decode().split()
        return int(major), int(minor), complete == "True"
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def candidates():
    """List the commands that may start a fitting Python: this one, those on PATH, the py launcher's, pyenv's."""
    found = [[sys.executable]] if sys.executable else []
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for major, minor in WANTED:
        version = f"{major}.{minor}"
        found += [[path] for path in [shutil.which(f"python{version}")] if path]
        found += [[path, f"-{version}"] for path in [shutil.which("py")] if path]
        for pattern in (f"versions/{version}*/bin/python", f"pyenv-win/versions/{version}*/python.exe"):
            found += [[str(path)] for path in sorted(pyenv.glob(pattern), reverse=True)]
    return found + [[path] for path in [shutil.which("python3"), shutil.which("python")] if path]


def find_python():
    """Give the command of a Python 3.11 or 3.10 that can make environments; None where there is none."""
    for python in candidates():
        version = version_of(python)
        if version and version[:2] in WANTED and version[2]:
            return python
    return None


def wanted_state():
    """Describe what must be installed; it changes with the requirements, and with the folder `-e .` points to."""
    digest = hashlib.sha256(str(REPOSITORY).encode("utf-8"))
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((REPOSITORY / name).read_bytes())
    return digest.hexdigest()


def is_installed(folder):
    try:
        return json.loads((folder / STAMP).read_text(encoding="utf-8")) == {"state": wanted_state()}
    except (OSError, ValueError):
        return False


def write_stamp(folder):
    temporary = folder / f"{STAMP}.tmp"
    temporary.write_text(json.dumps({"state": wanted_state()}), encoding="utf-8")
    temporary.replace(folder / STAMP)


def environment(folder):
    """Make the environment where it is not there or was left half made, install into it what changed; its Python."""
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    version = version_of([str(python)]) if python.exists() else None
    fits = version is not None and version[:2] in WANTED and not (folder / UNFINISHED).exists()
    if fits and is_installed(folder):
        return str(python)
    if not fits:
        make_environment(folder)
    (folder / UNFINISHED).touch()
    install(str(python))
    write_stamp(folder)
    (folder / UNFINISHED).unlink()
    return str(python)


def make_environment(folder):
    """Make an empty environment, over what an interrupted or outdated one of ours left."""
    command, uv = find_python(), shutil.which("uv")
    if not command and not uv:
        raise Trouble(INSTALL_PYTHON)
    if folder.exists():
        if not (folder / STAMP).exists() and not (folder / UNFINISHED).exists():
            raise Trouble(f"reproduce: {folder} is in the way (no Python 3.10 or 3.11 runs there); move it away")
        shutil.rmtree(str(folder))
    folder.mkdir()
    (folder / UNFINISHED).touch()
    say(f"making {folder} with {' '.join(command) if command else 'Python 3.11, fetched by uv'}")
    make = [*command, "-m", "venv"] if command else [uv, "venv", "--allow-existing", "--python", "3.11"]
    if subprocess.call([*make, str(folder)]) != 0:
        raise Trouble(f"reproduce: no environment could be made in {folder} (the lines above say why)")


def install(python):
    """Install requirements.txt into the environment of `python`: by uv where it is on PATH, else by pip."""
    say("installing requirements.txt (about half a minute with uv, two with pip; 2.5 GB)")
    uv = shutil.which("uv")
    installers = [[uv, "pip", "install", "--python", python]] if uv else []
    installers.append([python, "-m", "pip", "install", "--disable-pip-version-check"])
    for installer in installers:
        if subprocess.call([*installer, "-r", "requirements.txt"], cwd=str(REPOSITORY)) == 0:
            return
    raise Trouble("reproduce: the requirements could not be installed (the lines above say why); try the same again")


def this_interpreter():
    """Install into the interpreter that runs this, where it is a fitting one (--no-venv); its path."""
    if sys.version_info[:2] not in WANTED:
        raise Trouble(f"reproduce: --no-venv needs Python 3.10 or 3.11, and this is {sys.version.split()[0]}")
    folders = [Path(sysconfig.get_paths()["purelib"]), Path(site.getusersitepackages())]
    if any(is_installed(folder) for folder in folders):
        return sys.executable
    install(sys.executable)
    for folder in folders:  # pip falls back to the second where it may not write into the first
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_stamp(folder)
            break
        except OSError:
            continue
    return sys.executable


def say(text):
    print("reproduce: " + text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
