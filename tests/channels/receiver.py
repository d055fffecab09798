"""An HTTP endpoint on loopback that does as it is told: a receiver of outgoing webhooks, a push service, a Bot API.

    with Receiver() as there:
        there.answer(503, headers={"Retry-After": "60"})    # the next answer; 200 when nothing more is said
        ... post over there.url ...
        there.got[0].json

It answers many at once and keeps everything that arrives, also what it refuses. `hang` keeps an answer back until
`release()` or the end, `reset` closes the connection without one.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook

__all__ = ["Posted", "Receiver"]


@dataclass(frozen=True)
class Posted:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """As a receiver does it with the standard's own library; raises when it is not signed with this secret."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass(frozen=True)
class _Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    how: str = "answer"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = (
        128  # many come at once; the usual five are too few for them while the machine is busy
    )


class Receiver:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.got: list[Posted] = []
        self._lock = threading.Lock()
        self._script: dict[str, deque[_Answer]] = {}
        self._always: dict[str, _Answer] = {}
        self._released = threading.Event()
        self.busy = self.most_busy = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                stub._serve(self)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """As at the beginning; what hangs is let go."""
        self.release()
        with self._lock:
            self._released = threading.Event()
            self.got, self._script, self._always = [], {}, {}
            self.most_busy = self.busy

    def answer(
        self, status: int = 200, body: str = "", *, path: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """What is answered next (at this path; without one anywhere)."""
        self._script.setdefault(path, deque()).append(_Answer(status, headers or {}, body.encode()))

    def always(self, status: int, body: str = "", *, path: str = "") -> None:
        """What is answered from now on, where nothing else was said."""
        self._always[path] = _Answer(status, {}, body.encode())

    def hang(self, *, path: str = "") -> None:
        """Answer nothing there until `release()`."""
        self._always[path] = _Answer(how="hang")

    def cut(self, *, path: str = "") -> None:
        """Close the next connection without an answer."""
        self._script.setdefault(path, deque()).append(_Answer(how="cut"))

    def release(self) -> None:
        """Let go what hangs."""
        self._released.set()

    def at(self, path: str) -> list[Posted]:
        """What came to this path."""
        with self._lock:
            return [one for one in self.got if one.path == path]

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        posted = Posted(
            request.command,
            request.path,
            {name.lower(): value for name, value in request.headers.items()},
            body,
        )
        with self._lock:
            self.got.append(posted)
            answer, released = self._next(request.path), self._released
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            if answer.how == "hang":
                released.wait(30)
            if answer.how != "answer":
                request.close_connection = True
                return
            request.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(answer.body)
        except OSError:
            request.close_connection = True  # whoever asked has gone
        finally:
            with self._lock:
                self.busy -= 1

    def _next(self, path: str) -> _Answer:
        for place in (path, ""):
            if self._script.get(place):
                return self._script[place].popleft()
        return self._always.get(path) or self._always.get("") or _Answer()
