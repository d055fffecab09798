"""Bare connections to a server, and what the server's process holds."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from notify_app.processes import children_of, dies_with_parent
from tests.channels.stubs import free_port
from tests.conftest import ROOT

SECONDS = 15.0
LISTENS = "0A"  # a state, in /proc/net/tcp
_PAUSE = threading.Event()


def eventually(true: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until it is true; fail with `what` when it never is."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"in {seconds:g} s it never came to this: {what}"
        _PAUSE.wait(0.02)


def descriptors(pid: int, port: int) -> int:
    """How many descriptors of connections to this port a process holds, duplicates counted as what they are."""
    table = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{row[9]}]" for row in table if row[1].endswith(f":{port:04X}") and row[3] != LISTENS}
    held = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            held += os.readlink(f"/proc/{pid}/fd/{name}") in ours
    return held


class Connection:
    """A client's socket."""

    def __init__(self, port: int, *, receive_buffer: int = 0, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(SECONDS)
        plain.connect(("127.0.0.1", port))
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self.text = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(
        self,
        path: str = "/stream",
        *headers: str,
        method: str = "GET",
        version: str = "1.1",
        body: bytes = b"",
    ) -> Self:
        lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)
        return self

    def until(self, text: bytes) -> bytes:
        """Read until this has come; all that has come since the beginning."""
        while text not in self.text:
            part = self.socket.recv(65536)
            assert part, f"the server hung up after {self.text!r}"
            self.text += part
        return self.text

    def ended(self) -> bool:
        """Read until the server ends; whether it did in time."""
        try:
            while part := self.socket.recv(65536):
                self.text += part
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True


class Gunicorn:
    """gunicorn with the product's configuration and one worker, serving this application."""

    def __init__(self, application: str, *arguments: str, log: Path) -> None:
        self.port = free_port()
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "-c",
                    "notify_app/web/gunicorn_conf.py",
                    *arguments,
                    application,
                ],
                cwd=ROOT,
                env=os.environ | {"HUB_BIND": f"127.0.0.1:{self.port}"},
                stdout=output,
                stderr=output,
                preexec_fn=dies_with_parent(),
            )

    def __enter__(self) -> Self:
        eventually(self._answers, f"gunicorn answers; it said {self._log.read_text()}", 40)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0 and bool(children_of(self.process.pid))

    @property
    def worker(self) -> int:
        return children_of(self.process.pid)[0]

    def said(self) -> str:
        return self._log.read_text()
