"""Renders an office's own templates in child processes that can be killed (reliability.md §4.4).

A child is reused between renders, and replaced when a template exhausts its memory or its time. A template
that cost a child is refused for a while, so that a thousand recipients do not cost a thousand children.
Whatever goes wrong is a TemplateFailed; the caller falls back to the built-in text.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import select
import struct
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from notify_app.pipeline.sandbox_child import LONGEST_SOURCE

__all__ = ["SandboxedRenderer", "TemplateFailed"]

CHILD = Path(__file__).with_name("sandbox_child.py")
WALL_SECONDS, START_SECONDS = 2.0, 10.0
REFUSED_SECONDS, MOST_REFUSED = 300.0, 256
LONGEST_ANSWER = 1024 * 1024
HELLO = json.dumps({"source": "", "html": False, "context": {}}).encode()
SPENT = "it took too much memory or time"


class TemplateFailed(Exception):
    """A template that could not be rendered: `field` names which, `reason` is for the office. `ours`: it was not tried,
    for a reason that is no template's fault."""

    def __init__(self, field: str, reason: str, *, ours: bool = False) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.ours = ours


class SandboxedRenderer:
    """A few children behind one method. Safe to use from many threads; starts nothing until it is needed."""

    def __init__(self, *, children: int = 2, wall_seconds: float = WALL_SECONDS) -> None:
        self._wall_seconds = wall_seconds
        self._children = [_Child() for _ in range(children)]
        self._free: queue.LifoQueue[_Child] = queue.LifoQueue()
        for child in self._children:
            self._free.put(child)
        self._refused: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def render(self, field: str, source: str, context: dict[str, Any], *, html: bool = False) -> str:
        """The text of one field. `context` is JSON values (`shaping.sendable`). Raises TemplateFailed."""
        if len(source) > LONGEST_SOURCE:
            raise TemplateFailed(field, f"it is longer than {LONGEST_SOURCE} characters")
        key = hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest()
        self._refuse_what_killed(key, field)
        request = json.dumps({"source": source, "html": html, "context": context}).encode()
        child = self._free.get()
        try:
            answer = child.ask(request, self._wall_seconds)
        except _NotStarted as trouble:
            raise TemplateFailed(field, str(trouble), ours=True) from None
        except _Died as death:
            self._remember(key, str(death))
            raise TemplateFailed(field, str(death)) from None
        finally:
            self._free.put(child)
        if "error" in answer:
            raise TemplateFailed(field, answer["error"])
        return answer["text"]

    @property
    def pids(self) -> list[int]:
        """The children that are running."""
        return [child.process.pid for child in self._children if child.process is not None]

    def close(self) -> None:
        for child in self._children:
            child.end()

    def _refuse_what_killed(self, key: bytes, field: str) -> None:
        with self._lock:
            until, reason = self._refused.get(key, (0.0, ""))
        if time.monotonic() < until:
            raise TemplateFailed(field, reason)

    def _remember(self, key: bytes, reason: str) -> None:
        with self._lock:
            self._refused[key] = (time.monotonic() + REFUSED_SECONDS, reason)
            while len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)


class _Died(Exception):
    """The child did not survive the template."""


class _NotStarted(_Died):
    """There is no child to ask: no template's fault."""


class _Child:
    """One child process and its two pipes."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, request: bytes, seconds: float) -> dict[str, str]:
        """The child's answer. Raises _Died, and the next question gets a new child."""
        process = self._running()
        try:
            return _exchange(process, request, seconds)
        except (_Died, OSError) as error:
            self.end()
            raise _Died(str(error) if isinstance(error, _Died) else SPENT) from None

    def end(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if self._owner == os.getpid():
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is not None and (self._owner != os.getpid() or self.process.poll() is not None):
            self.end()  # after a fork the child is the other process's; or it has been killed
        return self.process or self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd="/",
                env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            )
        except OSError as error:
            raise _NotStarted(f"the renderer could not be started: {error.strerror}") from None
        self.process, self._owner = process, os.getpid()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        try:  # the first answer takes an interpreter's start, which is no template's fault
            _exchange(process, HELLO, START_SECONDS)
        except (_Died, OSError):
            self.end()
            raise _NotStarted("the renderer could not be started") from None
        return process


def _exchange(process: subprocess.Popen[bytes], request: bytes, seconds: float) -> dict[str, str]:
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    _write(process.stdin.fileno(), struct.pack(">I", len(request)) + request, deadline)
    (size,) = struct.unpack(">I", _read(process.stdout.fileno(), 4, deadline))
    if size > LONGEST_ANSWER:
        raise _Died("it wrote too much")
    answer: dict[str, str] = json.loads(_read(process.stdout.fileno(), size, deadline))
    return answer


def _write(descriptor: int, data: bytes, deadline: float) -> None:
    view = memoryview(data)
    while view:
        _, ready, _ = select.select([], [descriptor], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise _Died("it took too long")
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int, size: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise _Died("it took too long")
        part = os.read(descriptor, size - len(parts))
        if not part:
            raise _Died(SPENT)
        parts += part
    return bytes(parts)
