"""An HTTP endpoint that does as it is told, on loopback: what it was asked, and scripted answers.

with WebStub() as stub:
    stub.answers(429, headers={"Retry-After": "7"})     # the next; then the ones after it, then the last one for ever
    ... call stub.url ...
    stub.asked[0].body
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

__all__ = ["Asked", "WebStub"]


@dataclass(frozen=True)
class Asked:
    """One request, as it came; names of headers in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]


class WebStub:
    """Answers 200 to everything unless it was told otherwise."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._script: deque[_Answer | None] = deque()
        self._last: _Answer | None = _Answer(200, b"", {})
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                stub._serve(self, Asked(self.command, self.path, headers, self.rfile.read(size)))

            do_GET = do_POST = handle_one  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing on the console."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, status: int, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> None:
        """What the next request is answered with that has no answer yet."""
        self._script.append(_Answer(status, body, headers or {}))

    def hangs_up(self) -> None:
        """The next request has its connection closed instead of an answer."""
        self._script.append(None)

    def reset(self) -> None:
        """As at the beginning."""
        self.asked.clear()
        self._script.clear()
        self._last = _Answer(200, b"", {})

    def wait(self, count: int, seconds: float = 20.0) -> list[Asked]:
        """All requests, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, seconds), self.asked
        return self.asked

    def _serve(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        with self._changed:
            self.asked.append(asked)
            self._last = answer = self._script.popleft() if self._script else self._last
            self._changed.notify_all()
        if answer is None:
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
