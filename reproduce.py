#!/usr/bin/env python3
"""The entry point: makes .venv, installs the pinned packages once, then runs `python -m cifar102` with the same words.

    python3 reproduce.py              all notebooks on the embedded demo pool
    python3 reproduce.py test         the test suite
    python3 reproduce.py --help       every command

Its own options: --no-venv (the interpreter that started it), --stack main|next (TensorFlow 2.15 in .venv or Keras 3 in
.venv-next; default: main wherever its Python is or uv can fetch it). Standard library only, and no syntax newer than
Python 3.6, because whatever `python3` is must get as far as saying what is missing.
"""

import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections import namedtuple
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent
Stack = namedtuple("Stack", "name folder pythons words")
MAIN = Stack("main", ".venv", ((3, 11), (3, 10)), "3.10 or 3.11")  # what TensorFlow 2.15 and papermill 2.7 both have
NEXT = Stack("next", ".venv-next", ((3, 13), (3, 12), (3, 11), (3, 10)), "3.10 to 3.13")  # wheels of TensorFlow 2.21
STACKS = {stack.name: stack for stack in (MAIN, NEXT)}
STAMP = "cifar102-installed.json"
UNFINISHED = "cifar102-unfinished"
WINDOWS = os.name == "nt"
INSTALL_PYTHON = """\
reproduce: Python {} is needed for the {} stack, and this machine shows none that can make environments, nor uv.
  Linux:   sudo apt install python3.11 python3.11-venv, or where that is not offered: pip install uv
  macOS:   brew install python@3.11
  Windows: winget install Python.Python.3.11"""
ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


class Trouble(Exception):
    """What the user can do something about; the message is what they are told."""


class NoPython(Trouble):
    """No fitting Python is there."""


def main(arguments):
    """Run one command line; returns its exit code."""
    try:
        own_interpreter, stack, arguments = take_options(arguments)
        python = this_interpreter(stack) if own_interpreter else environment(stack) if stack else default_environment()
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reproduce: interrupted; the same command starts the installation again", file=sys.stderr)
        return 130
    return hand_over([python, "-m", "cifar102", *(arguments or ["run", "demo"])])


def take_options(arguments):
    """Take --no-venv and --stack out of the words; returns (use this interpreter, Stack or None, the other words)."""
    words, stack, own_interpreter, rest = [], None, False, list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "--no-venv":
            own_interpreter = True
        elif name == "--stack":
            value = value if equals else (rest.pop(0) if rest else "")
            if value not in STACKS:
                raise Trouble(f"reproduce: --stack takes main or next, found {value!r}")
            stack = STACKS[value]
        else:
            words.append(word)
    return own_interpreter, stack, words


def default_environment():
    """The main stack wherever it is installed, its Python is found or uv fetches it; else the next one."""
    if not fits(MAIN) and not find_python(MAIN) and (fits(NEXT) or not shutil.which("uv")):
        return environment(NEXT)
    try:
        return environment(MAIN)
    except NoPython as trouble:
        if not find_python(NEXT):
            raise
        print(trouble, file=sys.stderr)
    return environment(NEXT)


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


def candidates(stack):
    """List the commands that may start a fitting Python: this one, those on PATH, the py launcher's, pyenv's."""
    found = [[sys.executable]] if sys.executable else []
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for major, minor in stack.pythons:
        version = f"{major}.{minor}"
        found += [[path] for path in [shutil.which(f"python{version}")] if path]
        found += [[path, f"-{version}"] for path in [shutil.which("py")] if path]
        for pattern in (f"versions/{version}*/bin/python", f"pyenv-win/versions/{version}*/python.exe"):
            found += [[str(path)] for path in sorted(pyenv.glob(pattern), reverse=True)]
    return found + [[path] for path in [shutil.which("python3"), shutil.which("python")] if path]


def find_python(stack):
    """Give the command of a Python for the stack that can make environments; None where there is none."""
    for python in candidates(stack):
        version = version_of(python)
        if version and version[:2] in stack.pythons and version[2]:
            return python
    return None


def requirements(stack, version):
    """Name the file of pins: requirements.txt goes by the Python, so the next stack has its own for 3.10 and 3.11."""
    return "requirements-next.txt" if stack is NEXT and version in MAIN.pythons else "requirements.txt"


def wanted_state(name):
    """Describe what must be installed; it changes with the requirements, and with the folder `-e .` points to."""
    digest = hashlib.sha256(str(REPOSITORY).encode("utf-8"))
    for part in (name, "pyproject.toml"):
        digest.update((REPOSITORY / part).read_bytes())
    return digest.hexdigest()


def is_installed(folder, name):
    try:
        return json.loads((folder / STAMP).read_text(encoding="utf-8")) == {"state": wanted_state(name)}
    except (OSError, ValueError):
        return False


def write_stamp(folder, name):
    (folder / f"{STAMP}.tmp").write_text(json.dumps({"state": wanted_state(name)}), encoding="utf-8")
    (folder / f"{STAMP}.tmp").replace(folder / STAMP)


def python_in(stack):
    return REPOSITORY / stack.folder / ("Scripts/python.exe" if WINDOWS else "bin/python")


def fits(stack):
    """Give the (major, minor) of the stack's environment; None where there is none, or a half made or outdated one."""
    if not python_in(stack).exists() or (REPOSITORY / stack.folder / UNFINISHED).exists():
        return None
    version = version_of([str(python_in(stack))])
    return version[:2] if version and version[:2] in stack.pythons else None


def environment(stack):
    """Make the environment where it is not there or was left half made, install into it what changed; its Python."""
    folder, python, version = REPOSITORY / stack.folder, str(python_in(stack)), fits(stack)
    if version and is_installed(folder, requirements(stack, version)):
        return python
    if not version:
        make_environment(stack)
    (folder / UNFINISHED).touch()
    name = requirements(stack, version or version_of([python])[:2])
    install(python, name)
    write_stamp(folder, name)
    (folder / UNFINISHED).unlink()
    return python


def make_environment(stack):
    """Make an empty environment, over what an interrupted or outdated one of ours left."""
    folder, command, uv = REPOSITORY / stack.folder, find_python(stack), shutil.which("uv")
    if not command and not uv:
        raise NoPython(INSTALL_PYTHON.format(stack.words, stack.name))
    if folder.exists():
        if not (folder / STAMP).exists() and not (folder / UNFINISHED).exists():
            raise Trouble(f"reproduce: {folder} is in the way (no Python {stack.words} runs there); move it away")
        shutil.rmtree(str(folder))
    folder.mkdir()
    (folder / UNFINISHED).touch()
    newest = "{}.{}".format(*stack.pythons[0])
    with_what = " ".join(command or ["Python", newest + ",", "fetched by uv"])
    say(f"making {folder} for the {stack.name} stack with {with_what}")
    make = [*command, "-m", "venv"] if command else [uv, "venv", "--allow-existing", "--python", newest]
    if subprocess.call([*make, str(folder)]):
        raise NoPython(f"reproduce: no environment could be made in {folder} (the lines above say why)")


def install(python, name):
    """Install a requirements file into the environment of `python`: by uv where it is on PATH, else by pip."""
    say(f"installing {name} (about half a minute with uv, two with pip; 2.5 GB)")
    uv = shutil.which("uv")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    for installer in [[uv, "pip", "install", "--python", python], pip] if uv else [pip]:
        if not subprocess.call([*installer, "-r", name], cwd=str(REPOSITORY)):
            return
    raise Trouble("reproduce: the requirements could not be installed (the lines above say why); try the same again")


def this_interpreter(stack):
    """Install into the interpreter that runs this, where it is a fitting one (--no-venv); its path."""
    version = sys.version_info[:2]
    stack = stack or (MAIN if version in MAIN.pythons else NEXT)
    if version not in stack.pythons:
        needed = f"Python {stack.words} for the {stack.name} stack"
        raise Trouble(f"reproduce: --no-venv needs {needed}, and this is {sys.version.split()[0]}")
    name = requirements(stack, version)
    folders = [Path(sysconfig.get_paths()["purelib"]), Path(site.getusersitepackages())]
    if any(is_installed(folder, name) for folder in folders):
        return sys.executable
    install(sys.executable, name)
    for folder in folders:  # pip falls back to the second where it may not write into the first
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_stamp(folder, name)
            break
        except OSError:
            continue
    return sys.executable


def say(text):
    print("reproduce: " + text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
