"""A load generator with as little of its own as can be: sockets, one epoll, requests that were signed beforehand.

It runs as a process of its own (`python -m bench.load`, one JSON object on the standard input, one on the output), so
that it shares no interpreter with what it measures. Each client keeps its connection and sends its next request as
soon as the answer to the last is complete; every request is another message, signed by itself.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench import messages
from bench.harness import ROOT, percentile

__all__ = ["Answers", "Task", "drive"]

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Task:
    """What one run sends. `count` messages at most; the run ends with them or with its time."""

    port: int
    path: str
    secret: str
    clients: int
    body: str  # the name of a function of bench.messages
    count: int
    first: int = 0  # the number of the first message, so that no two runs send the same id
    warm_up: float = 0.0
    seconds: float = 3600.0


@dataclass
class Answers:
    """What came back: the rate and the latencies of the time after the warm-up, the statuses of all of it."""

    rate: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Answered with a 2xx, the warm-up included."""
        return sum(count for status, count in self.statuses.items() if status.startswith("2"))

    def all_accepted(self) -> Answers:
        """Itself; a run with errors is no measurement."""
        if set(self.statuses) - {"202"}:
            raise RuntimeError(f"not everything was accepted: {self.statuses}")
        return self


def drive(task: Task) -> Answers:
    """Run the task in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        input=json.dumps(asdict(task)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed:\n{done.stderr[-2000:]}")
    return Answers(**json.loads(done.stdout))


# --- in the other process ------------------------------------------------------------------------------------------


class _Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent = 0.0

    def send(self, request: bytes) -> None:
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> str:
        """The status of the answer once it is here whole, else ''."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server hung up")
        self.buffer += part
        head, end, rest = self.buffer.partition(HEAD_END)
        if not end or len(rest) < _length(head):
            return ""
        self.buffer = b""
        return head[9:12].decode()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    raise ValueError("an answer without a length")


def _signed(task: Task) -> list[bytes]:
    now = datetime.now(UTC)
    return [
        messages.request(
            task.path, task.secret, f"msg-{number}", now, getattr(messages, task.body)(number, now)
        )
        for number in range(task.first, task.first + task.count)
    ]


def _run(task: Task) -> dict[str, Any]:
    requests = iter(_signed(task))
    clients = [_Client(task.port) for _ in range(task.clients)]
    by_descriptor = {one.socket.fileno(): one for one in clients}
    poll = select.epoll()
    statuses: dict[str, int] = {}
    latencies: list[float] = []
    begun = time.perf_counter()
    measured, until = begun + task.warm_up, begun + task.warm_up + task.seconds
    for descriptor, client in by_descriptor.items():
        poll.register(descriptor, select.EPOLLIN)
        client.send(next(requests))
    busy, last = len(clients), begun
    while busy:
        for descriptor, _ in poll.poll():
            client = by_descriptor[descriptor]
            status = client.receive()
            if not status:
                continue
            now = time.perf_counter()
            statuses[status] = statuses.get(status, 0) + 1
            if measured <= client.sent and now <= until:
                latencies.append(now - client.sent)
                last = now
            following = next(requests, None) if now < until else None
            if following is None:
                busy -= 1
            else:
                client.send(following)
    for client in clients:
        client.socket.close()
    if not latencies:
        raise RuntimeError(f"nothing was answered in the measured time: {statuses}")
    return asdict(
        Answers(
            rate=len(latencies) / (last - measured),
            p50_ms=percentile(latencies, 0.5) * 1000,
            p99_ms=percentile(latencies, 0.99) * 1000,
            statuses=statuses,
        )
    )


if __name__ == "__main__":
    print(json.dumps(_run(Task(**json.load(sys.stdin)))))
