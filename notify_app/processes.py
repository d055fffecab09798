"""What the operating system knows about processes: whether one still lives, is ours, and how it is ended; how many
descriptors one may have; and the two kinds of file that a running process leaves (private notes, logs).

A pid alone proves nothing, because pids are used again; so a process is remembered as its pid *and* the
moment it started, and only the pair is ever signalled. Standard library only: the supervisor and the
embedded engines are built on this and must stay small in memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LINUX = sys.platform == "linux"


@dataclass(frozen=True)
class Seen:
    """A process as it was met: `started` is an opaque mark that no later owner of the pid shares."""

    pid: int
    started: str

    @classmethod
    def at(cls, pid: int) -> Seen | None:
        started = started_at(pid)
        return cls(pid, started) if started else None

    def lives(self) -> bool:
        return started_at(self.pid) == self.started

    def signal(self, number: int, *, group: bool = False) -> None:
        """Signals it (or its whole process group), provided that it still is the one that was met."""
        if not self.lives():
            return
        try:
            if group and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return  # it ended between the look and the signal: what was wanted


def started_at(pid: int) -> str | None:
    """When the process started, as a mark to compare; None when there is none or it is a zombie."""
    if not LINUX:
        return _started_by_ps(pid)
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


def children_of(pid: int) -> list[int]:
    """The direct children, zombies left out."""
    if not LINUX:
        out = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
        pairs = [line.split() for line in out.splitlines()]
        return [int(child) for child, parent in pairs if int(parent) == pid]
    return [child for child in _all_pids() if _parent(child) == pid]


def descendants_of(pid: int) -> list[int]:
    """Children, their children, and so on: parents before children."""
    found = children_of(pid)
    for child in list(found):
        found += descendants_of(child)
    return found


def working_in(directory: Path) -> list[Seen]:
    """Processes whose working directory is `directory`: an engine stands in its data directory, and so do
    PostgreSQL's back-ends, whose command lines name nothing. Empty where the system has no /proc."""
    if not LINUX or not directory.is_dir():
        return []
    wanted = os.path.realpath(directory)
    return [seen for pid in _all_pids() if _cwd(pid) == wanted and (seen := Seen.at(pid))]


def marked(variable: str, value: str) -> list[Seen]:
    """Processes whose environment holds `variable=value`: what was started with it, and all that came of that.
    Empty where the system has no /proc."""
    if not LINUX:
        return []
    wanted = f"{variable}={value}".encode()
    return [
        seen
        for pid in _all_pids()
        if pid != os.getpid() and wanted in _environment(pid) and (seen := Seen.at(pid))
    ]


def wait_until_gone(those: Iterable[Seen], seconds: float) -> list[Seen]:
    """Waits until none lives, or the time is over; returns who still does."""
    until = time.monotonic() + seconds
    left = [seen for seen in those if seen.lives()]
    while left and time.monotonic() < until:
        time.sleep(0.02)
        left = [seen for seen in left if seen.lives()]
    return left


def end(those: Iterable[Seen], steps: Iterable[tuple[int, float]], *, group: bool = False) -> list[Seen]:
    """Signals all, waits, and goes on with the next, harder signal for those that still live."""
    left = list(those)
    for number, seconds in steps:
        for seen in left:
            seen.signal(number, group=group)
        left = wait_until_gone(left, seconds)
    return left


def dies_with_parent(number: int = signal.SIGTERM) -> Callable[[], None]:
    """For Popen(preexec_fn=...): the kernel sends `number` when the *thread* that started the child ends.

    Popen changes the user before it calls this, which matters, because setuid clears the setting.
    Where the system has no such signal (macOS), the next start reaps what was left.
    """
    prctl = _prctl()
    parent = os.getpid()

    def child() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a mask is inherited, and a server must hear us
        if prctl is None:
            return
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return child


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """The same for this process itself."""
    parent = os.getppid()
    if prctl := _prctl():
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


@cache
def _prctl() -> Callable[..., int] | None:
    return ctypes.CDLL(None, use_errno=True).prctl if LINUX else None


@cache
def _boot() -> str:
    """Start times count from boot, so a mark names the boot too."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "boot"


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; the name before them may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _parent(pid: int) -> int | None:
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[1])


def _cwd(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:  # gone, or another user's
        return None


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def _started_by_ps(pid: int) -> str | None:
    out = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(out) < 2 or out[0].startswith("Z") else out[1].strip()


def raise_file_limit() -> None:
    """Each open inbox is a descriptor, and many systems begin at 1,024. Children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS may allow less than it names
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)


def rotate(log: Path, largest: int = 5_000_000) -> None:
    """Keeps one older part of a log that has grown. The file itself stays, since its writers append to it."""
    if log.exists() and log.stat().st_size > largest:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)
