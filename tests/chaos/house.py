"""The whole product, run to be broken: engines of its own, the real supervisor, web server, workers and scheduler,
and providers that do as they are told. Everything is started here and ended here, by its id.

A test kills a role only when it has seen work of that role in flight: `caught` freezes the process and looks; a
frozen process cannot finish what the look has found before it is killed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg
import redis
from rq_scheduler import Scheduler

from notify_app.engines import Engines, temporary
from notify_app.jobs import SCHEDULE
from notify_app.processes import Seen, children_of, dies_with_parent, wait_until_gone
from notify_app.supervisor import NOT_FOR_PROCESSES, ROOT, TABLE
from tests.channels.stubs import AwsStub, free_port
from tests.chaos.database import Database
from tests.chaos.load import Load
from tests.chaos.office import Chain, Office
from tests.chaos.sink import HoldingSink

SECRET_KEY = "a-key-of-the-kill-tests-that-is-long-enough-for-anything"
LEASE, POLL = 6, 1  # seconds; a crash is taken over when the lease is gone, so a test waits for that
START_SECONDS = 90.0
QUIET_SECONDS = 60.0
ENVIRONMENT = (
    "HUB_",
    "DATABASE_",
    "AWS_",
    "REDIS_",
    "PORT",
    "PG",
)  # nothing of the caller's points elsewhere

_PAUSE = threading.Event()  # never set: waiting on it is how a look is repeated
Found = TypeVar("Found")


def eventually(true: Callable[[], Found], what: str, seconds: float = 20.0, every: float = 0.02) -> Found:
    """The first true answer. Fails with `what` when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < until, f"in {seconds:g} s it never came to this: {what}"
        _PAUSE.wait(every)
    return answer


class House:
    """The running product. `with House() as house:` starts it; leaving ends all of it."""

    def __init__(self) -> None:
        self._exits = contextlib.ExitStack()
        self._loads: list[Load] = []

    def __enter__(self) -> Self:
        with self._exits:
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exits.close()

    def _start(self) -> None:
        enter = self._exits.enter_context
        self.engines: Engines = enter(temporary())
        self.smtp: HoldingSink = enter(HoldingSink(latency=0.02))
        self.aws: AwsStub = enter(AwsStub(latency=0.02))
        self.instance = Path(
            enter(tempfile.TemporaryDirectory(prefix="hub-chaos-", ignore_cleanup_errors=True))
        )
        self.port = free_port()
        self.database = Database(self.engines.env["DATABASE_ADMIN_URL"])
        self._exits.callback(self.database.close)
        self.env = self._environment()
        self._keeper = enter(self._supervised())
        eventually(self._announced, f"the product runs\n{self.said()}", START_SECONDS, 0.05)

    def _environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT)}
        return {
            **mine,
            **self.engines.env,
            "HUB_SECRET_KEY": SECRET_KEY,
            "HUB_ENV": "test",
            "HUB_INSTANCE": str(self.instance),
            "PORT": str(self.port),
            "HUB_BASE_URL": f"http://127.0.0.1:{self.port}",
            "HUB_EMAIL_PROVIDER": "smtp",
            "HUB_SMTP_URL": self.smtp.url,
            "HUB_SMS_ACCOUNTS": "sns://us-east-1?rate=10000/s",
            "HUB_AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "HUB_LEASE_SECONDS": str(LEASE),
            "HUB_POLL_SECONDS": str(POLL),
            "HUB_SEND_THREADS": "8",
        }

    @contextmanager
    def _supervised(self) -> Iterator[subprocess.Popen[bytes]]:
        with self._said.open("wb") as said:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.keeper"],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=dies_with_parent(),
            )
        try:
            yield keeper
        finally:
            self._end(keeper, 30)

    @property
    def _said(self) -> Path:
        return self.instance / "keeper.out"

    def said(self) -> str:
        """What the supervisor has told so far."""
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    def _announced(self) -> bool:
        assert self._keeper.poll() is None, f"the supervisor ended:\n{self.said()}"
        return "Ctrl-C stops everything" in self.said()

    def _end(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    # --- processes -------------------------------------------------------------------------------------------------

    def process(self, role: str) -> Seen:
        """The process of this line of the supervisor's table, as it runs now."""

        def look() -> Seen | None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                seen = Seen(*json.loads((self.instance / "run" / f"{role}.pid").read_text()))
                return seen if seen.lives() else None
            return None

        assert role in {line.name for line in TABLE}, f"the supervisor knows no {role}"
        return eventually(look, f"{role} runs")  # type: ignore[return-value]

    def web_worker(self) -> Seen:
        """The process that answers requests (the other one only keeps it alive)."""

        def look() -> Seen | None:
            children = children_of(self.process("web").pid)
            return Seen.at(children[0]) if children else None

        return eventually(look, "the web server has a worker")  # type: ignore[return-value]

    def kill_pid(self, pid: int) -> None:
        """The same for a process that was found by its parent."""
        if seen := Seen.at(pid):
            self.kill(seen)

    def kill(self, seen: Seen) -> None:
        """kill -9, and wait until it is gone."""
        seen.signal(signal.SIGKILL)
        assert not wait_until_gone([seen], 10), f"{seen} survived SIGKILL"

    def caught(
        self, who: Callable[[], Seen], look: Callable[[], Found], what: str, seconds: float = 20.0
    ) -> tuple[Seen, Found]:
        """Freeze the process, again and again, until `look` finds it in the act. It stays frozen."""
        until = time.monotonic() + seconds
        while True:
            seen = who()
            freeze(seen)
            found = look()
            if found:
                return seen, found
            thaw(seen)
            assert time.monotonic() < until, f"in {seconds:g} s never caught: {what}"
            _PAUSE.wait(0.001)

    @contextmanager
    def beside(self, name: str, *command: str, **env: str) -> Iterator[Seen]:
        """One more process of the product beside those that the supervisor keeps; its log is `<name>.log`."""
        known = {key: value for key, value in self.env.items() if key not in NOT_FOR_PROCESSES}
        with (self.instance / "log" / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**known, "TZ": "UTC", "PYTHONUNBUFFERED": "1", "PGAPPNAME": name, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(),
            )
        try:
            seen = Seen.at(process.pid)
            assert seen, f"{name} ended at once: {self.log(name)}"
            yield seen
        finally:
            self._end(process, 20)

    def names(self) -> list[str]:
        """The roles that the supervisor keeps."""
        return [line.name for line in TABLE]

    def log(self, name: str) -> str:
        """What the process has written."""
        path = self.instance / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def last_words(self, lines: int = 25) -> str:
        """The ends of all logs."""
        logs = sorted((self.instance / "log").glob("*.log"))
        told = {"supervisor": self.said(), **{log.stem: self.log(log.stem) for log in logs}}
        return "\n".join(
            f"== {name}\n" + "\n".join(text.splitlines()[-lines:]) for name, text in told.items() if text
        )

    # --- what is open in the database -------------------------------------------------------------------------------

    def transactions(self, role: str, holding: str = "") -> list[Any]:
        """Transactions of a *frozen* process that are open between two statements (the last one holds this text),
        so that they cannot end any more but with their process. A connection that is just being made has no state
        yet; it has no transaction either."""

        def settled() -> list[Any] | None:
            rows = self.database.all(
                "SELECT pid, state, query FROM pg_stat_activity "
                "WHERE application_name = %(role)s AND datname IS NOT NULL AND state IS NOT NULL",
                role=role,
            )
            return None if any(row.state == "active" for row in rows) else rows

        for _ in range(50):
            rows = settled()
            if rows is not None:
                return [
                    row
                    for row in rows
                    if row.state.startswith("idle in transaction") and holding in row.query
                ]
            _PAUSE.wait(0.002)
        return []

    @contextmanager
    def held(self, office: Office, choose: Callable[[], str]) -> Iterator[None]:
        """While the block runs, whoever writes a webhook with the id that was chosen waits: another transaction has it,
        and will undo it. The group that the webhook belongs to is then in flight, partly inserted and not committed.
        One that was quicker than we were is no good; then another is chosen."""
        with self.database.connect() as other:
            eventually(lambda: self._hold(other, office, choose()), "a message is held before it arrives")
            try:
                yield
            finally:
                with contextlib.suppress(psycopg.OperationalError):  # the server may have crashed meanwhile
                    other.rollback()

    def _hold(self, other: psycopg.Connection[Any], office: Office, message_id: str) -> bool:
        try:
            other.execute(
                "INSERT INTO inbound (organisation_id, source_id, external_id, body_hash, type, body, item_refs, "
                "occurred_at) SELECT organisation_id, id, %(id)s, '', '', '{}', '{}', now() FROM source "
                "WHERE organisation_id = %(org)s",
                {"org": office.id, "id": message_id},
            )
        except psycopg.errors.UniqueViolation:
            other.rollback()
            return False
        return True

    def group_in_flight(self) -> int:
        """The server process that writes a group of webhooks and waits for a lock; 0 when there is none."""
        rows = self.database.all(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'web' AND state = 'active' "
            "AND wait_event_type = 'Lock' AND query LIKE '%%INSERT INTO inbound%%'"
        )
        return rows[0].pid if rows else 0

    # --- work ------------------------------------------------------------------------------------------------------

    def office(self) -> Office:
        """A new organisation."""
        return Office.open(self.database, SECRET_KEY)

    def load(self, office: Office, chains: int | list[Chain], *, port: int = 0, **more: Any) -> Load:
        """So many events of this office for the web server, to be started."""
        chosen = office.chains(chains) if isinstance(chains, int) else chains
        self._loads.append(Load(port or self.port, office, chosen, **more))
        return self._loads[-1]

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.engines.env["REDIS_URL"])

    def let_go(self) -> None:
        """Nobody reports any more, and providers behave."""
        loads, self._loads = self._loads, []
        for load in loads:
            load.abandon()
        self.behave()

    def behave(self) -> None:
        """Providers answer again."""
        self.smtp.let_go()
        self.smtp.release()
        self.aws.release()

    def until_quiet(self, office: Office, seconds: float = QUIET_SECONDS) -> None:
        """Until nothing of this office waits. When all that is left waits for a later time (a retry), the hub's
        clock is moved to that time; leases are real time and are waited for."""
        try:
            eventually(lambda: self.pass_time(office), f"{office.slug} is quiet", seconds, 0.05)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self._waits(office)}") from None

    def pass_time(self, office: Office) -> bool:
        """Whether nothing waits. If all that waits waits for a later time, that time is made to be now."""
        try:
            row = self.left(office)
            if row.now_due or row.sending:
                return False
            if row.next is None:
                return True
            self.database.run(
                "UPDATE hub_clock SET ahead = ahead + greatest(%(at)s - hub_now(), interval '0') + interval '1 ms'",
                at=row.next,
            )
        except psycopg.OperationalError:
            pass  # the server is just coming back
        return False

    def left(self, office: Office) -> Any:
        """What of this office waits: how much is due, when the next is, how much is being sent."""
        return self.database.one(
            "SELECT count(*) FILTER (WHERE at <= hub_now()) AS now_due, min(at) AS next, "
            "(SELECT count(*) FROM delivery WHERE organisation_id = %(org)s AND state = 'sending') AS sending FROM ("
            "SELECT next_attempt_at AS at FROM delivery WHERE organisation_id = %(org)s AND state IN ('queued', 'held') "
            "UNION ALL SELECT next_attempt_at FROM inbound WHERE organisation_id = %(org)s AND state = 'accepted' "
            "UNION ALL SELECT next_chunk_at FROM broadcast WHERE organisation_id = %(org)s AND done_at IS NULL) AS due",
            org=office.id,
        )

    def _waits(self, office: Office) -> str:
        try:
            return str(self.left(office))
        except psycopg.OperationalError:
            return "the database is away"

    # --- whole again -----------------------------------------------------------------------------------------------

    def until_whole(self) -> None:
        """Until engines and processes run, the web server answers, and the schedule is complete."""
        assert not self.engines.dead(), f"dead: {self.engines.dead()}"
        for line in TABLE:
            thaw(self.process(line.name))
        eventually(self.answers, "the web server answers")
        eventually(lambda: not self.unscheduled(), f"the schedule is complete; missing {self.unscheduled()}")

    def answers(self, port: int = 0) -> bool:
        """Whether the web server is there."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def unscheduled(self) -> set[str]:
        """Entries of the schedule that are not in Valkey now."""
        with self.valkey() as valkey:
            entries = {entry.decode() for entry in valkey.zrange(Scheduler.scheduled_jobs_key, 0, -1)}
        return {one.id for one in SCHEDULE} - entries

    def entries_in_hand(self) -> set[str]:
        """Entries that the frozen scheduler has taken out and not put back. While there are none, all are made due,
        so that it has something to take."""
        if missing := self.unscheduled():
            return missing
        with self.valkey() as valkey:
            valkey.zadd(Scheduler.scheduled_jobs_key, {one.id: time.time() - 1 for one in SCHEDULE}, xx=True)
        return set()

    def revive(self) -> None:
        """Start the engines that a test has left dead."""
        for name in self.engines.dead():
            self.engines.revive(name)

    # --- breaking the engines --------------------------------------------------------------------------------------

    def empty_valkey(self) -> None:
        """Throw away what a dead Valkey had kept."""
        shutil.rmtree(self.engines.valkey_data)


def freeze(seen: Seen) -> None:
    """SIGSTOP, and wait until every thread of it stands."""
    seen.signal(signal.SIGSTOP)
    eventually(lambda: not seen.lives() or _stands(seen.pid), f"{seen} stands still", 5, 0.0002)


def thaw(seen: Seen) -> None:
    """SIGCONT."""
    seen.signal(signal.SIGCONT)


def _stands(pid: int) -> bool:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return all((one / "stat").read_text().rpartition(")")[2].split()[0] in "tTZX" for one in threads)
    except (FileNotFoundError, ProcessLookupError):
        return True
