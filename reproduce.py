#!/usr/bin/env python3
"""The entry point: makes .venv, installs the locked packages once, then runs `python -m cifar102` with the same words.

    python3 reproduce.py              all notebooks on the embedded demo pool
    python3 reproduce.py test         the test suite
    python3 reproduce.py --help       every command; installs nothing

Standard library only, and no syntax newer than Python 3.6, because whatever `python3` is must get as far as saying what
is missing.
"""

import ast
import contextlib
import difflib
import errno
import hashlib
import json
import operator
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections import namedtuple
from pathlib import Path

if os.name == "nt":
    import msvcrt
else:
    import fcntl

REPOSITORY = Path(__file__).resolve().parent
Stack = namedtuple("Stack", "name folder pythons words")
MAIN = Stack("main", ".venv", ((3, 11),), "3.11")  # the newest Python that TensorFlow 2.15 has wheels for
NEXT = Stack("next", ".venv-next", ((3, 13), (3, 12), (3, 11)), "3.11, 3.12 or 3.13")  # those of TensorFlow 2.21
STACKS = {stack.name: stack for stack in (MAIN, NEXT)}
STAMP = "cifar102-installed.json"
UNFINISHED = "cifar102-unfinished"
WINDOWS = os.name == "nt"
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3"}
LINK = """\
import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "cifar102.pth").write_text(sys.argv[1] + "\\n", encoding="utf-8")"""
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)[ ]*(?:;([^\\\n]*))?", re.MULTILINE)
BROUGHT = ("pip", "setuptools", "wheel")  # what an environment has when it is just made
SHOWN = 10  # packages of a kind that the sentence of --no-venv names
COMPARE = {ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le}
COMPARE.update({ast.Gt: operator.gt, ast.GtE: operator.ge})
INSTALL_PYTHON = """\
reproduce: Python {words} is needed for the {name} stack, and this machine shows none that can make environments.
  Linux:   sudo apt install python{newest} python{newest}-venv; where apt has none, install uv (docs.astral.sh/uv) and
           add --stack {name} to the command: uv then fetches Python
  macOS:   brew install python@{newest}
  Windows: winget install Python.Python.{newest}"""
WISH = """\
reproduce: {prefix} {state}.
To install what the lock says there, add --install:
  {again}
which does
  {by_hand}"""
APART = """\
To leave it alone and use an environment beside reproduce.py:
  {apart}"""
FOREIGN = """\
reproduce: {folder} was not made by reproduce.py{why}, so nothing is installed into it; move it away, or start this file
with its Python and --no-venv."""
MANAGED = """\
reproduce: the system looks after the packages of {prefix} (PEP 668), so nothing is installed there.
To use an environment beside reproduce.py:
  {apart}"""
HELP = """\
usage: python3 reproduce.py [--stack main|next] [--no-venv [--install]] [COMMAND ...]

Makes an environment beside this file, installs the locked packages into it (once, 2.5 GB), then runs the command there.
Without a command it runs all notebooks on the embedded demo pool.

commands:
  run [demo|cifar10|full]   run the notebooks of a profile that are not up to date
  list                      the steps, their inputs and outputs, what is up to date (--verify: read every file)
  test                      the test suite (--all: PyTorch and ONNX too; --faults: the long fault suite)
  lab                       JupyterLab on the notebooks
  record [PROFILE]          keep the results of a run in results/ of the repository
  report [PROFILE]          figures, tables and report.html of a recorded run, without images and without training
  review                    the labelling and duplicate-review pages in the browser
  figures                   redraw the figures from the tables of the last run, without training
  bench                     the benchmarks, as ratios against peers (--long: the trainings as well)
  fetch SET                 download a published data set, checked and resumed
  export FOLDER             candidates as class/keyword folders of PNG files
  show INDEX                records of the pool by index: their fields and pictures
  resample                  sample, look for near-duplicates, blacklist, sample again
  duplicates A B            what two sets of images share (--write-clean DIR: the second set without it)
  calibrate SET [QUERIES]   fit the duplicate score to planted copies of your images, and try it on judged pairs
  neighbours A B            the nearest images of one set in another, by Euclidean distance
  judgements                what raters said on the blind judging page of the review
  corrupt SET DIR           the 15 common corruptions of a test set, as CIFAR-10-C has them
  evaluate MODEL ...        a model of your own beside the published line; several are ranked (--json FILE)
  compare A B               two models on the same images: the paired difference on every set
  help [COMMAND]            this text, or the options of a command

options of reproduce.py, before or after the command:
  --stack main|next         main: TensorFlow 2.15 with Addons on Python 3.11, in .venv
                            next: TensorFlow 2.21 with Keras 3 on Python 3.11 to 3.13, in .venv-next
                            without it: main on 3.11, next on 3.12 and 3.13
                            with it: uv, where it is on PATH, fetches a Python that is not here
  --no-venv                 use the Python that runs this, and make no environment; where packages are missing or of
                            another version it says so and asks at a terminal, and else stops
  --install                 with --no-venv: install them without asking
  --help, --version         install nothing

examples:
  python3 reproduce.py
  python3 reproduce.py run cifar10 --only 05
  python3 reproduce.py --stack next test
  python3 reproduce.py run --help"""


class Trouble(Exception):
    """What the user can do something about; the message is what they are told."""


def main(arguments):
    """Run one command line; returns its exit code."""
    try:
        own_interpreter, install_over, stack, words = take_options(arguments)
        if words[:1] == ["--version"]:
            return tell("cifar102 " + version_of_package())
        if asks_for_help(words):
            return give_help(words, own_interpreter, stack)
        check_word(words)
        if own_interpreter:
            python = this_interpreter(stack, install_over, arguments)
        else:
            python = environment(stack or default_stack(), may_fetch=bool(stack))
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reproduce: interrupted; the same command starts the installation again", file=sys.stderr)
        return 130
    return hand_over(python, words or ["run", "demo"])


# The command line


def check_word(words):
    """Refuse a command that there is not, before anything is installed; the package itself knows the rest."""
    known = re.findall(r"^  ([a-z]+) ", HELP, re.MULTILINE)
    if words and not words[0].startswith("-") and words[0] not in known:
        near = difflib.get_close_matches(words[0], known, 3)
        meant = "did you mean {}?".format(" or ".join(near)) if near else "expected one of " + ", ".join(known)
        raise Trouble(f"reproduce: there is no command {words[0]!r}: {meant}")


def take_options(arguments):
    """Take our own options out of the words; returns (this interpreter, install over, Stack or None, other words)."""
    words, stack, flags, rest = [], None, set(), list(arguments)
    own = {"--no-venv", "--install"} if "--no-venv" in arguments else set()
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in own:
            flags.add(word)
        elif name == "--stack":
            value = value if equals else (rest.pop(0) if rest else "")
            if value not in STACKS:
                raise Trouble(f"reproduce: --stack takes main or next, found {value!r}")
            stack = STACKS[value]
        else:
            words.append(word)
    return "--no-venv" in flags, "--install" in flags, stack, words


def asks_for_help(words):
    return words[:1] == ["help"] or "-h" in words or "--help" in words


def give_help(words, own_interpreter, stack):
    """Print the commands; for the options of one, ask the package where it is installed. Changes nothing."""
    named = [word for word in words if not word.startswith("-") and word != "help"][:1]
    python = named and installed_python(own_interpreter, stack)
    if python:
        return hand_over(python, [*named, "--help"])
    tell(HELP)
    if named:
        tell(
            f"\nThe packages are not all installed here yet; once they are, `{named[0]} --help` lists its own options."
        )
    return 0


def installed_python(own_interpreter, stack):
    """Give the Python that would run a command, where nothing needs to be installed for that; else None."""
    stack = stack or default_stack()
    if own_interpreter:
        version = sys.version_info[:2]
        ready = version in stack.pythons and not any(differences(requirements(stack, version)))
        return sys.executable if ready else None
    version = fits(stack)
    return str(python_in(stack)) if version and is_installed(stack, requirements(stack, version)) else None


def version_of_package():
    return re.search(r'^version = "(.+)"', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"), re.M).group(1)


def tell(text):
    """Print what was asked for; whoever reads it may stop, as `head` does."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def say(text):
    print("reproduce: " + text, flush=True)


def hand_over(python, words):
    """Become the command, so that whoever kills this process kills the run; Windows waits for a child instead.

    -P: the current folder is not searched, as another clone may lie in it.
    """
    command = [python, "-P", "-m", "cifar102", *words]
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


# Which stack, which Python


def default_stack():
    """The stack of the Python that runs this; where it fits neither, of an environment or a Python that is here."""
    for stack in STACKS.values():
        if Path(sys.prefix).resolve() == (REPOSITORY / stack.folder).resolve():
            return stack
    fitting = [stack for stack in (MAIN, NEXT) if sys.version_info[:2] in stack.pythons]
    fitting = fitting or [stack for stack in (MAIN, NEXT) if fits(stack)]
    fitting = fitting or [stack for stack in (MAIN, NEXT) if maker(stack)]
    return (fitting or [NEXT])[0]


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


def maker(stack, may_fetch=False):
    """Give the command that makes an environment for the stack, without its folder; None where nothing here can.

    uv also makes one for a Python that lacks ensurepip, as Debian's does, and fetches one only where that is allowed.
    """
    python, uv = find_python(stack), shutil.which("uv")
    if python or not uv:
        return [*python, "-m", "venv"] if python else None
    versions = ["{}.{}".format(*version) for version in stack.pythons]
    for version in versions:
        try:
            find = [uv, "python", "find", "--system", "--no-python-downloads", version]
            path = subprocess.check_output(find, stderr=subprocess.DEVNULL, timeout=60).decode().strip()
        except (OSError, subprocess.SubprocessError):
            continue
        if path:
            return [uv, "venv", "--allow-existing", "--python", path]
    return [uv, "venv", "--allow-existing", "--python", versions[0]] if may_fetch else None


# The environments beside this file


def requirements(stack, version):
    """Name the lock: requirements.txt goes by the Python, so the next stack has one of its own for 3.11."""
    return "requirements-next.txt" if stack is NEXT and version in MAIN.pythons else "requirements.txt"


def wanted_state(name):
    """Describe what must be installed; it changes with the lock, and with the folder `-e .` points to."""
    digest = hashlib.sha256(str(REPOSITORY).encode("utf-8"))
    for part in (name, "pyproject.toml"):
        digest.update((REPOSITORY / part).read_bytes())
    return digest.hexdigest()


def is_installed(stack, name):
    try:
        text = (REPOSITORY / stack.folder / STAMP).read_text(encoding="utf-8")
        return json.loads(text) == {"state": wanted_state(name)}
    except (OSError, ValueError):
        return False


def write_stamp(stack, name):
    stamp = REPOSITORY / stack.folder / STAMP
    stamp.with_suffix(".tmp").write_text(json.dumps({"state": wanted_state(name)}), encoding="utf-8")
    stamp.with_suffix(".tmp").replace(stamp)


def python_in(stack):
    return REPOSITORY / stack.folder / ("Scripts/python.exe" if WINDOWS else "bin/python")


def fits(stack):
    """Give the (major, minor) of the stack's environment; None where there is none, or a half made or outdated one."""
    if not python_in(stack).exists() or (REPOSITORY / stack.folder / UNFINISHED).exists():
        return None
    version = version_of([str(python_in(stack))])
    return version[:2] if version and version[:2] in stack.pythons else None


def environment(stack, may_fetch=False):
    """Make the environment where it is not there or was left half made, install into it what changed; its Python."""
    if installed_python(False, stack):
        return str(python_in(stack))
    with alone():
        folder, python, version = REPOSITORY / stack.folder, str(python_in(stack)), fits(stack)
        if version and is_installed(stack, requirements(stack, version)):
            return python  # by the process that was waited for
        check_made_here(folder)
        if not version:
            make_environment(stack, may_fetch)
        (folder / UNFINISHED).touch()
        name = requirements(stack, version or version_of([python])[:2])
        install(python, name)
        write_stamp(stack, name)
        (folder / UNFINISHED).unlink()
    return python


def check_made_here(folder):
    """Refuse to install into a folder that carries neither of our two marks, and through a link."""
    if folder.is_symlink():
        raise Trouble(FOREIGN.format(folder=folder, why=f" (it is a link to {folder.resolve()})"))
    if folder.exists() and not (folder / STAMP).exists() and not (folder / UNFINISHED).exists():
        raise Trouble(FOREIGN.format(folder=folder, why=f" (there is no {STAMP} in it)"))


@contextlib.contextmanager
def alone():
    """Let one process at a time install here.

    The lock is on this file, far behind its end: it leaves no file, and ends with its process however that ends.
    """
    with (REPOSITORY / "reproduce.py").open("rb+" if WINDOWS else "rb") as file:
        if not take_lock(file, wait=False):
            say("another reproduce.py is installing here; waiting for it")
            take_lock(file, wait=True)
        yield


def take_lock(file, wait):
    """Take the lock; False where another process has it and it is not to be waited for."""
    while True:
        try:
            if WINDOWS:
                file.seek(1 << 30)
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                return True  # a file system without locks: as if alone
            if not wait:
                return False


def make_environment(stack, may_fetch):
    """Make an empty environment, over what an interrupted or outdated one of ours left."""
    folder, make = REPOSITORY / stack.folder, maker(stack, may_fetch)
    if not make:
        newest = "{}.{}".format(*stack.pythons[0])
        raise Trouble(INSTALL_PYTHON.format(newest=newest, **stack._asdict()))
    if folder.exists():
        shutil.rmtree(str(folder))
    folder.mkdir()
    (folder / UNFINISHED).touch()
    say(f"making {folder} for the {stack.name} stack: {' '.join(make)}")
    if subprocess.call([*make, str(folder)]):
        raise Trouble(f"reproduce: no environment could be made in {folder} (the lines above say why)")


def install(python, name):
    """Install a lock and then this package into the environment of `python`: by uv where it is on PATH, else by pip."""
    say(f"installing {name} into {Path(python).parent.parent} (about half a minute with uv, two with pip; 2.5 GB)")
    uv = shutil.which("uv")
    installers = [[uv, "pip", "install", "--python", python]] if uv else []
    installers.append([python, "-m", "pip", "install", "--disable-pip-version-check"])
    for installer in installers:
        steps = [[*installer, "--require-hashes", "-r", name], link_command(installer, python)]
        if all(not subprocess.call(step, cwd=str(REPOSITORY), env=build_environment()) for step in steps):
            return
    braces = " (braces in the folder's name may be why: setuptools takes them for variables)" if has_braces() else ""
    raise Trouble(f"reproduce: {name} could not be installed; the lines above say why{braces}; then try the same again")


def has_braces():
    return bool(re.search("[{}]", str(REPOSITORY)))


def build_environment():
    """Give each {name} in our path a variable that says the same, as setuptools puts variables into its paths."""
    names = re.findall("{([^{}]+)}", str(REPOSITORY))
    return {**os.environ, **{name: "{" + name + "}" for name in names}}


def link_command(installer, python):
    """Give the command after which `python` imports this folder's package; setuptools makes no link with any braces."""
    if has_braces():
        return [python, "-c", LINK, str(REPOSITORY)]
    return [*installer, "--no-deps", "--no-build-isolation", "-e", "."]


# Without an environment of our own (--no-venv)


def this_interpreter(stack, install_over, arguments):
    """Use the interpreter that runs this, where it is a fitting one and has what the lock says; returns its path.

    What is missing or of another version is installed only after a yes at a terminal, or with --install.
    """
    version, found = sys.version_info[:2], sys.version.split()[0]
    if version not in (stack or NEXT).pythons:
        needed = f"{stack.words} for the {stack.name} stack" if stack else NEXT.words
        raise Trouble(f"reproduce: --no-venv needs Python {needed}, and this is {found}")
    name = requirements(stack or default_stack(), version)
    changed, missing = differences(name)
    if not changed and not missing:
        return sys.executable
    if is_managed():
        raise Trouble(MANAGED.format(prefix=sys.prefix, apart=command_line(without(arguments))))
    if not install_over:
        ask(wish(changed, missing, name, arguments), arguments)
    install(sys.executable, name)
    if found_package() != REPOSITORY / "cifar102":
        raise Trouble(f"reproduce: this Python still finds cifar102 in {found_package()} first (is PYTHONPATH set?)")
    return sys.executable


def differences(name):
    """Compare this interpreter with a lock: (lines on what is there in another version or place, what is missing)."""
    from importlib import metadata  # Python 3.8, and only 3.11 and newer get here

    changed, missing = [], []
    for package, wanted in pins(name).items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            missing.append(package)
            continue
        if found != wanted and package not in BROUGHT:
            changed.append(f"{package} {found} instead of {wanted}")
    folder = found_package()
    if folder is None:
        missing.append("cifar102")
    elif folder != REPOSITORY / "cifar102":
        changed.insert(0, f"cifar102 of {folder.parent} instead of {REPOSITORY}")
    return changed, missing


def found_package():
    """Give the folder of the cifar102 that this interpreter imports wherever it is started; None where it has none."""
    question = "import importlib.util as u, sys; sys.path = [part for part in sys.path if part]\n"
    question += "spec = u.find_spec('cifar102'); print(spec.origin if spec and spec.origin else '')"
    answer = subprocess.check_output([sys.executable, "-c", question], cwd=str(REPOSITORY.parent))
    origin = os.fsdecode(answer).strip()
    return Path(origin).resolve().parent if origin else None


def pins(name):
    """Read a lock: package -> version, where its marker holds for this interpreter."""
    found = PIN.findall((REPOSITORY / name).read_text(encoding="utf-8"))
    return {package: version for package, version, marker in found if not marker.strip() or holds(marker)}


def holds(marker):
    """Evaluate a marker as uv writes it (name, comparison, text; and, or, brackets) for this interpreter."""
    facts = {
        "python_version": "{}.{}".format(*sys.version_info),
        "python_full_version": "{}.{}.{}".format(*sys.version_info),
        "implementation_name": sys.implementation.name,
        "platform_machine": platform.machine(),
        "sys_platform": sys.platform,
        "os_name": os.name,
    }

    def value(node):
        if isinstance(node, ast.BoolOp):
            return (all if isinstance(node.op, ast.And) else any)([value(part) for part in node.values])
        found, wanted, compare = facts[node.left.id], ast.literal_eval(node.comparators[0]), type(node.ops[0])
        if wanted.endswith(".*"):
            return (found + ".").startswith(wanted[:-1]) is (compare is ast.Eq)
        if node.left.id.startswith("python"):
            found, wanted = ([int(part) for part in f"{text}.0.0".split(".")[:3]] for text in (found, wanted))
        return COMPARE[compare](found, wanted)

    return value(ast.parse(marker.strip(), mode="eval").body)


def is_managed():
    """Whether the system's own tools look after this interpreter's packages (PEP 668)."""
    marked = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists()
    return marked and sys.prefix == sys.base_prefix and "PIP_BREAK_SYSTEM_PACKAGES" not in os.environ


def ask(text, arguments):
    """Go on after a yes at a terminal; where nobody is there to ask, or the answer is another one, Trouble says how."""
    apart = APART.format(apart=command_line(without(arguments)))
    if not (sys.stdin and sys.stdin.isatty()):
        raise Trouble(f"{text}\nNothing was changed. {apart}")
    print(f"{text}\nInstall it now? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Trouble(f"Nothing was changed. {apart}")


def wish(changed, missing, name, arguments):
    """Say in a sentence what differs from the lock, and the commands that would change it."""
    lacks = ["lacks " + listed(missing)] if missing else []
    differs = ["has " + listed(changed)] if changed else []
    pip = [sys.executable, "-m", "pip", "install"]
    steps = [[*pip, "--require-hashes", "-r", str(REPOSITORY / name)]]
    steps.append([*pip, "--no-deps", "--no-build-isolation", "-e", str(REPOSITORY)])
    return WISH.format(
        prefix=f"{sys.prefix} (Python {sys.version.split()[0]})",
        state=" and ".join(lacks + differs),
        again=command_line(["--install", *arguments]),
        by_hand="\n  ".join(quoted(step) for step in steps),
    )


def listed(names):
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join(names[:SHOWN]) + "".join(" and " + text for text in more)


def without(arguments):
    return [word for word in arguments if word not in ("--no-venv", "--install")]


def command_line(arguments):
    return quoted([sys.executable, str(REPOSITORY / "reproduce.py"), *arguments])


def quoted(words):
    return subprocess.list2cmdline(words) if WINDOWS else " ".join(shlex.quote(word) for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
