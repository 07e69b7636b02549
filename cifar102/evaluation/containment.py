"""What a process that opens a stranger's model may still do: compute, read the installed packages, use its own folder.

Limits of memory, processor time, files and their size come from `resource` (not on Windows). On Linux, Landlock forbids
writing outside the scratch folder, reading outside the installed packages, and connections; a seccomp filter forbids
sockets, other programs and signals to others. Both are for the calling thread and those it starts later, so they are
switched on before numpy and TensorFlow start theirs. Sources: landlock(7), seccomp(2), bpf(4).
"""

import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

GIB = 1 << 30
LIMITS = {"RLIMIT_CPU": 4 * 3600, "RLIMIT_FSIZE": 1 << 20, "RLIMIT_NOFILE": 256, "RLIMIT_CORE": 0}
LEAST_MEMORY, LARGEST_MEMORY = 8 * GIB, 16 * GIB  # of addresses, of which TensorFlow takes about 3 GiB unused
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TF_ENABLE_ONEDNN_OPTS", "CIFAR102_NO_TFA", "OMP_NUM_THREADS")
READ = 1 << 0 | 1 << 2 | 1 << 3  # of Landlock: execute (libraries), read a file, read a folder
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor
# By processor: audit architecture, then the numbers of socket, socketpair, execve, execveat, ptrace, process_vm_writev,
# kill, pidfd_send_signal, io_uring_setup.
FORBIDDEN = {
    "x86_64": (0xC000003E, (41, 53, 59, 322, 101, 311, 62, 424, 425)),
    "aarch64": (0xC00000B7, (198, 199, 221, 281, 117, 271, 129, 424, 425)),
}
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2


def clean_environment(scratch: Path) -> dict[str, str]:
    """The variables of a contained process: none of the user's but what programs need to start; home is the scratch."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {"HOME": str(scratch), "TMPDIR": str(scratch), "KERAS_HOME": str(scratch), "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    return kept | own | code


def contain(scratch: Path) -> list[str]:
    """Take from this process what it does not need; returns what this system could not take, in words."""
    missing = [] if _set_limits() else ["no limits of memory, time and files"]
    if sys.platform != "linux":
        return [*missing, "no Landlock and no seccomp: it may write files and open connections"]
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if not _restrict_files(library, scratch):
        missing.append("no Landlock: it may write files")
    if not _forbid_calls(library):
        missing.append("no seccomp: it may open connections")
    return missing


def _set_limits() -> bool:
    if resource is None:
        return False
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    memory = min(LARGEST_MEMORY, max(LEAST_MEMORY, physical * 3 // 4))
    for name, limit in {**LIMITS, "RLIMIT_AS": memory}.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    return True


def _restrict_files(library: ctypes.CDLL, scratch: Path) -> bool:
    """Landlock: everything in the scratch folder, reading in what is installed, nothing else."""
    version = library.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    wanted = struct.pack("=QQ", files, 3) if version >= 4 else struct.pack("=Q", files)  # 3: bind and connect of TCP
    rules = library.syscall(CREATE_RULESET, wanted, ctypes.c_size_t(len(wanted)), 0)
    if rules < 0:
        return False
    places = [*sys.path, sys.prefix, sys.base_prefix, *("/usr", "/lib", "/lib64", "/sys", "/etc/ld.so.cache")]
    places += [f"/proc/{name}" for name in ("self", "cpuinfo", "meminfo", "stat")]  # not the variables of others
    allowed = {place: READ for place in places if place and Path(place).exists()}
    allowed |= {str(scratch): files, "/dev/null": 1 << 1 | 1 << 2, "/dev/urandom": 1 << 2}
    try:
        return all(_allow(library, rules, place, rights) for place, rights in allowed.items()) and not (
            library.syscall(RESTRICT_SELF, rules, 0)
        )
    finally:
        os.close(rules)


def _allow(library: ctypes.CDLL, rules: int, place: str, rights: int) -> bool:
    handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        if not Path(place).is_dir():
            rights &= 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
        return library.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", rights, handle), 0) == 0
    finally:
        os.close(handle)


def _forbid_calls(library: ctypes.CDLL) -> bool:
    """seccomp: a short program of the kernel's filter, which answers EACCES to what is forbidden."""
    if platform.machine() not in FORBIDDEN:
        return False
    architecture, calls = FORBIDDEN[platform.machine()]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 13
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, refuse), (load, 0, 0, 0)]
    steps += [(at_least, 0, 1, 0x40000000), (give, 0, 0, refuse)]  # the second table of x86-64
    for call in calls:
        steps += [(equal, 0, 1, call), (give, 0, 0, refuse)]
    steps.append((give, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("=H6xQ", len(steps), ctypes.addressof(code))
    return library.prctl(SET_SECCOMP, FILTER, ctypes.c_char_p(program), 0, 0) == 0
