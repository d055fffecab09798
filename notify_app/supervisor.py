"""Starts the whole product on one machine, watches it, restarts what dies and stops it in order.

`run()` goes through the steps (engines; roles, tables, demo office), starts the processes of the table, waits until
the web server says that it is healthy, and then only watches. It refuses to start twice on one instance directory
and on a port that is taken. It imports neither Flask nor SQLAlchemy: whatever needs them runs in a child.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from notify_app import engine_home
from notify_app.engines import EngineFailed, Engines, secret_key
from notify_app.processes import (
    Seen,
    die_with_parent,
    dies_with_parent,
    end,
    marked,
    raise_file_limit,
    rotate,
    write_private,
)

__all__ = ["TABLE", "Process", "StartFailed", "Supervisor", "run"]

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
MARK = "HUB_SUPERVISED"  # in the environment of every child and grandchild: how the next start knows what was left
FIRST_PAUSE, LONGEST_PAUSE, STEADY_AFTER = 0.5, 10.0, 60.0  # seconds
HEALTHY_WITHIN = 60.0
DEATHS_BEFORE_HEALTHY = 3  # a process that cannot start at all shall not be retried in silence
LOOK_EVERY = 1.0
ENDS = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))  # what was left by a supervisor that was killed


class StartFailed(RuntimeError):
    """The product cannot start; the message is what the person at the terminal reads."""


class StopAsked(Exception):
    """Somebody pressed Ctrl-C while the product was starting."""


@dataclass(frozen=True)
class Process:
    """One line of the table. `grace` is how many seconds it has to end by itself; together they stay under 10,
    which leaves the engines 5 of the 15 that a stop may take."""

    name: str
    command: tuple[str, ...]
    stops: int = 1  # 0 stops before 1, 1 before 2
    grace: float = 3.0


TABLE = (
    Process(
        "web",
        (PYTHON, "-m", "gunicorn", "-c", "notify_app/web/gunicorn_conf.py", "wsgi:app"),
        stops=0,
        grace=4,
    ),
    Process("route-worker", (PYTHON, "worker.py", "work", "route")),
    Process("urgent-worker", (PYTHON, "worker.py", "work", "urgent")),
    Process("bulk-worker", (PYTHON, "worker.py", "work", "bulk", "sweep")),
    Process("scheduler", (PYTHON, "worker.py", "schedule"), stops=2, grace=1),
)
NEEDS_APP = ("DATABASE_URL", "DATABASE_ENGINE_URL", "REDIS_URL")
# What serves strangers holds no key to the tables.
NOT_FOR_PROCESSES = ("DATABASE_ADMIN_URL", "DATABASE_OWNER_URL", "DATABASE_BACKUP_URL")
TOLD_TO_COMMANDS = ("HUB_SECRET_KEY", "HUB_BASE_URL", "HUB_ENV")


def run(
    env: Mapping[str, str] | None = None,
    *,
    processes: Sequence[Process] = TABLE,
    prepare: bool = True,
    say: Callable[[str], None] | None = None,
) -> int:
    """Runs until it is told to stop; returns the exit code. Must be called in the main thread.

    `processes` and `prepare=False` (no engines, roles, tables or demo office) are for tests of the watching alone.
    """
    return Supervisor(dict(os.environ if env is None else env), processes, prepare, say or _say).run()


@dataclass
class Child:
    """A line of the table as it runs now."""

    spec: Process
    popen: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    pause: float = FIRST_PAUSE
    due: float = 0.0  # when it is started again, on the monotonic clock

    def lives(self) -> bool:
        return self.popen is not None


@dataclass
class Supervisor:
    env: dict[str, str]
    processes: Sequence[Process]
    prepare: bool
    say: Callable[[str], None]
    engines: Engines | None = None
    for_the_end: str = ""
    _lock: int | None = None
    asked: int = 0  # how often somebody asked to stop; the second time it is done by force
    children: list[Child] = field(default_factory=list)

    def run(self) -> int:
        with self._signals():
            try:
                self._start()
                self._announce()
                while not self.asked:
                    self._sleep(LOOK_EVERY)
                    self._look_after()
            except StopAsked:
                return 0
            except (StartFailed, EngineFailed) as problem:
                if not self.asked:
                    self.say(f"\n{problem}")
                    return 1
            finally:
                self._stop()
        return 0

    # -- the start, step by step ---------------------------------------------------------------------

    def _start(self) -> None:
        self._open_instance()
        self._take_lock()
        self._reap()
        self._settle_environment()
        self._check_port()
        raise_file_limit()
        if self.prepare:
            self._start_engines()
            self._prepare_database()
        self._start_processes()

    def _open_instance(self) -> None:
        self.instance = Path(self.env.get("HUB_INSTANCE") or ROOT / "instance").resolve()
        # Open to walking through, when we are root: the engines' user has its own directory in it.
        engine_home.make(self.instance, 0o711 if os.geteuid() == 0 else 0o700)
        for name in ("log", "run"):
            engine_home.make(self.instance / name, 0o700)

    def _take_lock(self) -> None:
        path = self.instance / "run" / "supervisor.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.pread(lock, 300, 0).decode()
            os.close(lock)
            raise StartFailed(
                f"The hub is already running on {self.instance}{told and ', ' + told}: "
                "stop it there with Ctrl-C, or set HUB_INSTANCE to another directory."
            ) from None
        self._lock = lock
        self._tell_lock(f"as process {os.getpid()}")

    def _tell_lock(self, what: str) -> None:
        assert self._lock is not None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, what.encode(), 0)

    def _reap(self) -> None:
        """A supervisor that was killed may have left processes. The lock is ours, so all of them are left over."""
        left = marked(MARK, str(self.instance))
        for file in (self.instance / "run").glob("*.pid"):
            with contextlib.suppress(ValueError, TypeError):  # half a file from a full disk says nothing
                left.append(Seen(*json.loads(file.read_text())))
            file.unlink()
        if left := [seen for seen in left if seen.lives()]:
            self.say(f"  ending {len(set(left))} processes that an earlier run left")
            end(left, ENDS, group=True)

    def _settle_environment(self) -> None:
        given = [name for name, value in self.env.items() if name.startswith("DATABASE_") and value]
        if self.prepare and given and (missing := [n for n in NEEDS_APP[:2] if not self.env.get(n)]):
            raise StartFailed(f"{', '.join(given)} is set, so {' and '.join(missing)} must be set too.")
        port = self.env.get("PORT") or "8000"
        self.env["HUB_BIND"] = self.env.get("HUB_BIND") or f"127.0.0.1:{port}"
        self.env["HUB_BASE_URL"] = self.env.get("HUB_BASE_URL") or self._local_url()
        self.env |= {
            "HUB_INSTANCE": str(self.instance),
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.instance),
        }
        self.env["HUB_SECRET_KEY"] = self.env.get("HUB_SECRET_KEY") or secret_key(self.instance)
        told = {name: self.env[name] for name in TOLD_TO_COMMANDS if self.env.get(name)}
        write_private(self._settings_file(), json.dumps(told))

    def _local_url(self) -> str:
        address = self._address() or ("127.0.0.1", 8000)
        host = _reachable(address[0])
        return f"http://[{host}]:{address[1]}" if ":" in host else f"http://{host}:{address[1]}"

    def _address(self) -> tuple[str, int] | None:
        """Where the web server listens; None for a socket file."""
        host, _, port = self.env["HUB_BIND"].rpartition(":")
        if not port.isdigit():
            return None
        return host.strip("[]"), int(port)

    def _check_port(self) -> None:
        address = self._address()
        if address is None:
            return
        host, port = address
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen(1)
            except PermissionError:
                raise StartFailed(f"Port {port} is for root alone: try `make run PORT=8000`.") from None
            except OSError as error:
                other = 8001 if port == 8000 else port + 1
                raise StartFailed(
                    f"Port {port} is taken by another program ({error.strerror}): "
                    f"stop that one, or try `make run PORT={other}`."
                ) from None

    def _start_engines(self) -> None:
        postgres, valkey = not self.env.get("DATABASE_URL"), not self.env.get("REDIS_URL")
        if not (postgres or valkey):
            return
        names = " and ".join(
            name for name, wanted in (("PostgreSQL", postgres), ("Valkey", valkey)) if wanted
        )
        with self._step(f"starting {names}"):
            self.engines = Engines.start(
                self.instance,
                postgres=postgres,
                valkey=valkey,
                say=lambda line: self.say(f"    {line}"),
                interrupted=lambda: self.asked > 0,
            )
        if self.engines.home != self.instance:
            self.say(
                f"    the data lives in {self.engines.home}, because the user `{self.engines.user.name}` cannot reach it here"
            )
        self.env |= self.engines.env

    def _prepare_database(self) -> None:
        """One child does it all, since each start of the application costs a second."""
        begun = time.monotonic()
        path = self.instance / "run" / "prepare.out"
        with path.open("wb") as written, path.open("rb") as output:
            child = Child(Process("prepare", (PYTHON, "-m", "notify_app.prepare")))
            self.children = [child]  # so that a stop finds it
            process = self._spawn(child, self.env, written)
            while process.poll() is None:
                self._sleep(0.2)
                self._go_on()
                self._show(output)
            self._show(output)
        self.children = []
        self._pid_file("prepare").unlink(missing_ok=True)
        if process.returncode:
            log = self._log("prepare")
            raise StartFailed(f"That failed. The log, {log}, ends:\n{_tail(log)}")
        self.say(f"  the database is ready: {time.monotonic() - begun:.1f} s")

    def _show(self, output: IO[bytes]) -> None:
        """Indented lines are progress; what comes after them is shown when everything runs."""
        while line := output.readline():
            if not line.endswith(b"\n"):  # it is still being written
                output.seek(-len(line), os.SEEK_CUR)
                return
            text = line.decode(errors="replace").rstrip()
            if text.startswith(" ") and not self.for_the_end:
                self.say(text)
            else:
                self.for_the_end += f"  {text}\n"

    def _start_processes(self) -> None:
        self.children = [Child(spec) for spec in self.processes]
        with self._step(f"starting {', '.join(spec.name for spec in self.processes)}"):
            for child in self.children:
                self._launch(child)
            if not self.prepare:
                return
            until = time.monotonic() + HEALTHY_WITHIN
            while not self._healthy():
                self._look_after()
                failing = [
                    child.spec.name for child in self.children if child.deaths >= DEATHS_BEFORE_HEALTHY
                ]
                if failing or time.monotonic() > until:
                    name = failing[0] if failing else "web"
                    raise StartFailed(
                        f"{name} does not start. Its log, {self._log(name)}, ends:\n{_tail(self._log(name))}"
                    )
                self._sleep(0.1)
                self._go_on()

    def _announce(self) -> None:
        self._tell_lock(f"as process {os.getpid()} at {self.env['HUB_BASE_URL']}")
        self.say(f"\n  Open {self.env['HUB_BASE_URL']}\n")
        if self.for_the_end:
            self.say(self.for_the_end)
        self.say(f"  Logs are in {self.instance / 'log'}. Ctrl-C stops everything.")

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """One line: what is done, then how long it took."""
        begun = time.monotonic()
        self._go_on()
        yield
        self._go_on()
        self.say(f"  {what}: {time.monotonic() - begun:.1f} s")

    def _go_on(self) -> None:
        """Asked at each point where a start may be given up."""
        if self.asked:
            raise StopAsked

    # -- watching ------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        for child in self.children:
            if self.asked:
                return
            if child.popen is not None and _ended(child.popen):
                self._bury(child)
            if child.popen is None and time.monotonic() >= child.due:
                self._launch(child)
        if self.engines:
            self._look_after_engines(self.engines)
        for name in [child.spec.name for child in self.children] + list(
            self.engines.pids if self.engines else ()
        ):
            rotate(self._log(name))

    def _bury(self, child: Child) -> None:
        """What it started must not outlive it: an old gunicorn worker would keep the port from the new one."""
        assert child.popen is not None
        _kill_group(child.popen)
        code = child.popen.wait()
        now = time.monotonic()
        if now - child.started >= STEADY_AFTER:
            child.pause, child.deaths = FIRST_PAUSE, 0
        child.popen, child.due = None, now + child.pause
        child.deaths += 1
        self.say(f"  {child.spec.name} ended ({_reason(code)}); it is started again in {child.pause:g} s")
        child.pause = min(child.pause * 2, LONGEST_PAUSE)

    def _look_after_engines(self, engines: Engines) -> None:
        for name in engines.dead():
            self.say(f"  {name} ended; it is started again")
            try:
                engines.revive(name)
            except EngineFailed as problem:  # tried again at the next look; the rest goes on meanwhile
                self.say(f"  {problem}")
                self._sleep(FIRST_PAUSE)

    def _launch(self, child: Child) -> None:
        env = {name: value for name, value in self.env.items() if name not in NOT_FOR_PROCESSES}
        self._spawn(child, env)

    def _spawn(
        self, child: Child, env: Mapping[str, str], output: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        name = child.spec.name
        with self._log(name).open("ab") as log:
            process = child.popen = subprocess.Popen(
                child.spec.command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us alone, and the group can be ended as one
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
        child.started = time.monotonic()
        if seen := Seen.at(process.pid):
            write_private(self._pid_file(name), json.dumps([seen.pid, seen.started]))
        return process

    def _healthy(self) -> bool:
        """GET /health answers 200. By hand, because an HTTP client would double this process's memory."""
        address = self._address()
        try:
            if address:
                client = socket.create_connection((_reachable(address[0]), address[1]), timeout=5)
            else:
                client = socket.socket(socket.AF_UNIX)
                client.settimeout(5)
                client.connect(self.env["HUB_BIND"].removeprefix("unix:"))
            with client:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in client.recv(64)
        except OSError:
            return False

    def _log(self, name: str) -> Path:
        return self.instance / "log" / f"{name}.log"

    def _settings_file(self) -> Path:
        return self.instance / "run" / "settings.json"  # read by engines.with_engines

    def _pid_file(self, name: str) -> Path:
        return self.instance / "run" / f"{name}.pid"

    # -- the end -------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self.asked:
            self.say("\n  stopping")
        for rank in sorted({child.spec.stops for child in self.children}):
            self._stop_together([child for child in self.children if child.spec.stops == rank])
        if self.engines:
            self.engines.stop()
        if self._lock is not None:
            self._settings_file().unlink(missing_ok=True)
            os.close(self._lock)
        if self.asked:
            self.say("  everything has stopped; the data is kept")

    def _stop_together(self, children: list[Child]) -> None:
        living = [(child, child.popen) for child in children if child.popen is not None]
        for _, process in living:
            _signal(process, signal.SIGTERM)
        until = time.monotonic() + max((child.spec.grace for child, _ in living), default=0)
        while (
            any(not _ended(process) for _, process in living) and time.monotonic() < until and self.asked < 2
        ):
            self._sleep(0.05)
        for child, process in living:
            _kill_group(process)
            process.wait()
            self._pid_file(child.spec.name).unlink(missing_ok=True)

    # -- signals -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """A signal only counts and wakes the loop: an exception in the middle of a start could lose a child."""
        self._wake_from, wake = socket.socketpair()
        for end_of_pair in (self._wake_from, wake):
            end_of_pair.setblocking(False)
        wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            wanted.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._told) for number in wanted}
        old_wake = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_wake)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end_of_pair in (self._wake_from, wake):
                end_of_pair.close()

    def _told(self, number: int, _: object) -> None:
        if number != signal.SIGCHLD:
            self.asked += 1

    def _sleep(self, seconds: float) -> None:
        """Until something happens (a signal, a child's end), at most so long."""
        ready, _, _ = select.select([self._wake_from], [], [], seconds)
        if ready:
            self._wake_from.recv(4096)


# -- small parts -------------------------------------------------------------------------------------


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Looks without reaping: while the dead leader keeps its pid, nobody else's group can have the number."""
    if process.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if not _ended(process):
        process.send_signal(number)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(process.pid, signal.SIGKILL)


def _reason(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _reachable(host: str) -> str:
    """Where a client finds a server that listens on `host`."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _tail(log: Path, lines: int = 15) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone; the stop goes on
        print(line, flush=True)


if __name__ == "__main__":
    if "--with-parent" in sys.argv[1:]:
        die_with_parent()
    sys.exit(run())
