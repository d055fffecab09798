"""The servers whose streams are measured: ours, nginx with nchan, django-eventstream on uvicorn.

Each is real and has nothing else to do. Ours authenticates every stream by a session in PostgreSQL and hears by
Valkey; the peers ask nobody, and are told by an HTTP request to the same process.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from bench import peers
from bench.crowd import request
from bench.harness import ROOT, family
from bench.stand import Running, Stand
from notify_app.ids import new_id
from notify_app.live.announce import Frame, Spread, publish
from notify_app.processes import dies_with_parent
from notify_app.secrets import Secrets
from tests.channels.stubs import free_port

__all__ = [
    "EVENTSTREAM",
    "NCHAN_ONE",
    "NCHAN_TWO",
    "OURS",
    "Ours",
    "Server",
    "eventstream",
    "nchan",
    "people",
]

OURS = "OURS"
NCHAN_TWO = "nginx + nchan, two channels each"
NCHAN_ONE = "nginx + nchan, one channel each"
EVENTSTREAM = "django-eventstream on uvicorn"
NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
TEXT = "A windshield is to be replaced tomorrow at ten; the customer waits at the office. "  # messages of about 250 bytes


class Server(Protocol):
    """One that runs. `ready` is what a stream says once it is open."""

    name: str
    port: int
    ready: bytes

    def pids(self) -> list[int]: ...
    def requests(self, count: int) -> list[bytes]: ...
    def prepare_all(self, mark: str) -> None: ...
    def tell_all(self, mark: str, /) -> None: ...
    def tell_one(self, number: int, mark: str) -> None: ...


# --- ours --------------------------------------------------------------------------------------------------------------


class Ours:
    """The product's web server. `those` are the people who sign in, with the cookie of each."""

    name = OURS
    ready = b"event: snapshot"

    def __init__(self, here: Stand, those: Sequence[tuple[UUID, str]]) -> None:
        self._here, self._those = here, those
        self._running = here.serve("web")
        self.port = self._running.port
        self._redis = here.redis()
        self._seqs = dict.fromkeys((person for person, _ in those), 0)
        self._spread: Spread | None = None
        with here.admin() as connection:
            for person, seq in connection.execute("SELECT person_id, seq FROM inbox_counter"):
                self._seqs[person] = seq

    def pids(self) -> list[int]:
        return family(self._running.pid)

    def requests(self, count: int) -> list[bytes]:
        return [request("/stream", f"Cookie: {cookie}") for _, cookie in self._those[:count]]

    def stop(self) -> None:
        self._here.stop(self._running)

    def prepare_all(self, mark: str) -> None:
        """Write the lines, as a broadcast would; what is timed is the telling."""
        with self._here.admin() as connection:
            rows = connection.execute(ANNOUNCE, _event(self._here, mark)).fetchall()
        told = [row for row in rows if row[0] in self._seqs]
        self._seqs |= {person: seq for person, seq, _ in told}
        self._spread = Spread(self._here.organisation.id, "notification", _data(mark), told)

    def tell_all(self, _: str) -> None:
        assert self._spread is not None
        publish(self._redis, [self._spread])

    def tell_one(self, number: int, mark: str) -> None:
        person, line = self._those[number][0], new_id()
        self._seqs[person] += 1
        data = {**_data(mark), "id": str(line), "url": f"/inbox/{line}", "unread": 1}
        publish(self._redis, [Frame(person, self._seqs[person], "notification", data)])


def _data(mark: str) -> dict[str, Any]:
    return {
        "title": mark,
        "text": TEXT,
        "priority": "low",
        "category": "general",
        "action_url": "",
        "created_at": "2027-02-10T12:00:00+00:00",
        "read": False,
    }


def _event(here: Stand, mark: str) -> dict[str, Any]:
    return {"org": here.organisation.id, "event": new_id(), "title": mark, "text": TEXT}


ANNOUNCE = """
    WITH event AS (
        INSERT INTO event (organisation_id, id, name, priority, category, payload, occurred_at)
        VALUES (%(org)s, %(event)s, 'general', 4, 'general', '{}', now()) RETURNING id
    ), counted AS (
        INSERT INTO inbox_counter (organisation_id, person_id, seq)
        SELECT %(org)s, id, 1 FROM person WHERE account_id IS NOT NULL
        ON CONFLICT (organisation_id, person_id) DO UPDATE SET seq = inbox_counter.seq + 1 RETURNING person_id, seq
    )
    INSERT INTO notification (organisation_id, id, event_id, person_id, name, category, priority, title, text,
                              seq, changed_seq)
    SELECT %(org)s, uuidv7(), event.id, person_id, 'general', 'general', 4, %(title)s, %(text)s, seq, seq
    FROM counted, event RETURNING person_id, seq, id
"""


def people(here: Stand, count: int) -> list[tuple[UUID, str]]:
    """So many technicians who are signed in: (person, the cookie of their browser). A sign-in with a password takes
    100 ms, so the sessions are written as a sign-in would write them."""
    made = [(new_id(), new_id(), f"token-{number}-{random.getrandbits(128):x}") for number in range(count)]
    with here.admin() as connection, connection.transaction(), connection.cursor() as cursor:
        with cursor.copy("COPY account (id, email, name, password_hash) FROM STDIN") as copy:
            for number, (account, _, _) in enumerate(made):
                copy.write_row((account, f"tech{number}@evergreen.example", f"Tech {number}", "no password"))
        with cursor.copy("COPY person (organisation_id, id, account_id, name, role) FROM STDIN") as copy:
            for number, (account, person, _) in enumerate(made):
                copy.write_row((here.organisation.id, person, account, f"Tech {number}", "technician"))
        cursor.executemany(
            "INSERT INTO account_session (account_id, token_hash, expires_at) VALUES (%s, %s, now() + interval '1 day')",
            [(account, Secrets.hash_token(token)) for account, _, token in made],
        )
        cursor.execute("ANALYZE")
    signer = here.app.session_interface.get_signing_serializer(here.app)  # type: ignore[attr-defined]
    name = here.app.config["SESSION_COOKIE_NAME"]
    return [
        (person, f"{name}={signer.dumps({'_user_id': token, '_fresh': True})}") for _, person, token in made
    ]


# --- the peers ---------------------------------------------------------------------------------------------------------


class _Peer:
    """A server that is told by HTTP; the answer is read when the next thing is told."""

    def __init__(self, name: str, running: Running, ready: bytes, stream: str, tell: str) -> None:
        self.name, self.port, self.ready = name, running.port, ready
        self._pid, self._stream, self._tell = running.pid, stream, tell
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = False

    def pids(self) -> list[int]:
        return family(self._pid)

    def requests(self, count: int) -> list[bytes]:
        return [request(self._stream.format(number=number)) for number in range(count)]

    def prepare_all(self, mark: str) -> None:
        """There is nothing to prepare."""

    def tell_all(self, mark: str) -> None:
        self._post("all", mark)

    def tell_one(self, number: int, mark: str) -> None:
        self._post(f"u{number}", mark)

    def _post(self, channel: str, mark: str) -> None:
        if self._unread:
            self._socket.recv(65536)
        body = json.dumps(_data(mark)).encode()
        head = f"POST {self._tell.format(channel=channel)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        self._unread = True

    def close(self) -> None:
        self._socket.close()


@contextmanager
def nchan(name: str) -> Iterator[_Peer | None]:
    """nginx with one worker process and our own configuration; None where it is not installed."""
    program = peers.program("nginx", "nginx libnginx-mod-nchan")
    if program is None or not Path(NCHAN_MODULE).exists():
        yield None
        return
    channels = "all u$arg_id" if name == NCHAN_TWO else "u$arg_id"
    with _directory() as directory:
        port = free_port()
        configuration = directory / "nginx.conf"
        configuration.write_text(
            NGINX.format(directory=directory, port=port, channels=channels, user=_user())
        )
        command = [program, "-p", str(directory), "-c", str(configuration)]
        with _started(name, command, directory, port, "/none") as running:
            yield from _given(_Peer(name, running, b": hi", "/stream?id={number}", "/tell?id={channel}"))


@contextmanager
def eventstream() -> Iterator[_Peer]:
    """django-eventstream, without Redis: it is told in its own process."""
    with _directory() as directory:
        port = free_port()
        command = [
            *(str(peers.python()), "-m", "uvicorn", "--app-dir", str(ROOT / "bench"), "--port", str(port)),
            *("--no-access-log", "--log-level", "warning", "eventstream_app:application"),
        ]
        with _started(EVENTSTREAM, command, directory, port, "/none") as running:
            stream = "/events/?channel=all&channel=u{number}"
            yield from _given(_Peer(EVENTSTREAM, running, b"stream-open", stream, "/send/?channel={channel}"))


def _given(peer: _Peer) -> Iterator[_Peer]:
    try:
        yield peer
    finally:
        peer.close()


@contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hub-peer-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _started(name: str, command: Sequence[str], directory: Path, port: int, path: str) -> Iterator[Running]:
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=dies_with_parent(),
        )
    running = Running(name, process, log, port)
    try:
        yield running.until_healthy(path)
    finally:
        running.stop()


def _user() -> str:
    """Its worker would otherwise be somebody who cannot write where it is told to."""
    return "user root;" if os.geteuid() == 0 else ""


NGINX = """
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /stream {{
            nchan_subscriber eventsource;
            nchan_channel_id {channels};
            nchan_subscriber_first_message newest;
        }}
        location = /tell {{
            nchan_publisher;
            nchan_channel_id $arg_id;
            nchan_message_buffer_length 1;
        }}
    }}
}}
"""
