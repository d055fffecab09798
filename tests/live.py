"""The web server as it runs in production, and a client of its streams that knows Server-Sent Events.

A stream is read by a thread of its own; what a story asks for is waited for, never slept for.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from notify_app.config import Settings
from notify_app.processes import children_of, dies_with_parent
from tests.channels.stubs import free_port

READY_SECONDS = 30.0
HEARD_SECONDS = 10.0


class LiveServer:
    """gunicorn with the product's own configuration, as a child of the tests; ended by its id. `generator` says whether
    streams ask by HTTP/1.0, whose connections are not handed over."""

    def __init__(self, settings: Settings, *, cwd: Path, descriptors: int = 0) -> None:
        """With a limit of `descriptors`, if there is to be one."""
        self._settings = settings
        self._cwd = cwd
        self._descriptors = descriptors
        self.generator = False
        self._process: subprocess.Popen[bytes] | None = None
        self._streams: list[Stream] = []
        self.port = 0

    def __enter__(self) -> Self:
        self.port = self.port or free_port()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers."""
        assert self._process is None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "notify_app/web/gunicorn_conf.py", "wsgi:app"],
            cwd=self._cwd,
            env=_environment(self._settings) | {"HUB_BIND": f"127.0.0.1:{self.port}"},
            preexec_fn=self._begin(dies_with_parent()),
        )
        until = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"gunicorn ended with {self._process.returncode}"
            assert time.monotonic() < until, "gunicorn does not answer"
            threading.Event().wait(0.05)

    def _begin(self, dies: Callable[[], None]) -> Callable[[], None]:
        def begin() -> None:
            dies()
            if self._descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))

        return begin

    @property
    def worker(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return children_of(self._process.pid)[0]

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it; SIGKILL takes its workers along, as a machine that loses power would."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)

    def restart(self) -> None:
        """Stop and start on the same port: every stream breaks."""
        self.stop()
        self.start()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stream(self, cookie: str, *, after: str = "", last_event_id: str = "") -> Stream:
        """Open a stream as the owner of this cookie; with a cursor in the address, or in the header."""
        opened = Stream(self.port, cookie, after, last_event_id, generator=self.generator)
        self._streams.append(opened)
        return opened

    def hang_up(self) -> None:
        """Close all streams."""
        for stream in self._streams:
            stream.close()
        self._streams.clear()


def _environment(settings: Settings) -> dict[str, str]:
    """This process's environment with the settings as variables."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "DATABASE_", "AWS_"))
    }
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        plain = value.total_seconds() if isinstance(value, timedelta) else value
        if str(plain) != "":
            env[spec.metadata["env"]] = str(plain)
    return env


@dataclass(frozen=True)
class Frame:
    """One event of a stream."""

    event: str
    id: str
    data: Any


class Stream:
    """One open `GET /stream`. Frames are kept in order; heartbeats apart."""

    def __init__(
        self, port: int, cookie: str, after: str, last_event_id: str, *, generator: bool = False
    ) -> None:
        self.position = last_event_id or after
        self.frames: list[Frame] = []
        self.heartbeats = 0
        self.retry = ""
        self._frames: queue.Queue[Frame | None] = queue.Queue()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        if generator:
            self._connection._http_vsn, self._connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
        headers = {"Cookie": cookie, "Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self._connection.request("GET", f"/stream?after={after}" if after else "/stream", headers=headers)
        self._socket = self._connection.sock
        self.response = self._connection.getresponse()
        self.status = self.response.status
        self.handed_over = self.status == 200 and "Server" not in self.response.headers
        self._reader = threading.Thread(target=self._read, name="stream", daemon=True)
        self._reader.start()

    def next(self, event: str = "", seconds: float = HEARD_SECONDS) -> Frame:
        """The next frame; when `event` is named, the next one must be that. A late hint that a page has changed may stand
        before any line of the inbox, and is passed over there."""
        frame = self._frame(event, seconds)
        while event == "notification" and frame.event == "changed":
            frame = self._frame(event, seconds)
        assert not event or frame.event == event, f"{frame} came, not {event}"
        return frame

    def _frame(self, event: str, seconds: float) -> Frame:
        try:
            frame = self._frames.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(
                f"no {event or 'frame'} came within {seconds} s; so far {self.frames}"
            ) from None
        assert frame is not None, f"the stream ended while {event or 'a frame'} was waited for"
        return frame

    def until(self, wanted: Callable[[Frame], bool], seconds: float = HEARD_SECONDS) -> Frame:
        """The first of the coming frames that is wanted; the ones before it are passed over."""
        until = time.monotonic() + seconds
        while True:
            frame = self.next(seconds=max(0.01, until - time.monotonic()))
            if wanted(frame):
                return frame

    def quiet(self, *events: str) -> bool:
        """Whether nothing (or none of these events) has come that was not asked for yet."""
        waiting = [frame for frame in list(self._frames.queue) if frame is not None]
        return not [frame for frame in waiting if not events or frame.event in events]

    def ended(self, seconds: float = HEARD_SECONDS) -> bool:
        """Wait until the server has ended the stream."""
        self._reader.join(seconds)
        return not self._reader.is_alive()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the server was first
        self._reader.join(10)
        self.response.close()
        self._connection.close()

    def _read(self) -> None:
        kind, id_, data = "", "", []
        try:
            for raw in self.response:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                match name:
                    case "":
                        self._dispatch(kind, id_, "\n".join(data))
                        kind, id_, data = "", "", []
                    case "event":
                        kind = value
                    case "id":
                        id_ = value
                    case "data":
                        data.append(value)
                    case "retry":
                        self.retry = value
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass  # hung up, by either side
        self._frames.put(None)

    def _dispatch(self, kind: str, id_: str, data: str) -> None:
        if not data:
            return
        if kind == "heartbeat":
            self.heartbeats += 1
            return
        self.position = id_ or self.position
        frame = Frame(kind, id_, json.loads(data))
        self.frames.append(frame)
        self._frames.put(frame)
