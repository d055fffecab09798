"""P8: how long from a webhook until its bytes are at an open inbox stream, and until a provider is called for it.

Everything runs as `make run` would run it and is idle otherwise; one webhook at a time, at irregular moments. Each
reports a repair as approved (urgent), so that its technician hears of it in the inbox, by SMS and by email. The
stream and the webhook's answer are read by one loop over two sockets; the providers are the tests' stubs.
"""

from __future__ import annotations

import json
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench import messages
from bench.harness import Effort, Report, percentile
from bench.stand import COMMANDS, Stand, stand
from tests.builders import PASSWORD, Person
from tests.channels.stubs import AwsStub, SmtpSink
from tests.pages import Browser

__all__ = ["run"]

WARM_UP = 5
FIRST = 10_001  # all numbers are of one length, so that none is the beginning of another
GIVE_UP = 20.0  # seconds
PAUSE = (0.15, 0.45)  # seconds between the end of one message and the next


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report(
        "p8", "Webhook sent, otherwise idle: until the stream has it, until a provider is called", effort
    )
    with SmtpSink() as smtp, AwsStub() as aws:
        providers = {
            "HUB_EMAIL_PROVIDER": "smtp",
            "HUB_SMTP_URL": smtp.url,
            "HUB_SMS_ACCOUNTS": "sns://us-east-1?rate=10000/s",
            "HUB_AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        with stand(**providers) as here:
            times = _measure(here, smtp, aws, effort.messages)
    _lines(report, times)
    return report


@dataclass
class Times:
    """Milliseconds from the moment before the webhook's first byte was sent."""

    answered: list[float] = field(default_factory=list)
    streamed: list[float] = field(default_factory=list)
    sms: list[float] = field(default_factory=list)
    email: list[float] = field(default_factory=list)


def _lines(report: Report, times: Times) -> None:
    first = [min(pair) for pair in zip(times.sms, times.email, strict=True)]
    for what, values, limits in (
        ("202 received", times.answered, {}),
        ("bytes at the open stream", times.streamed, {0.5: 15, 0.99: 60}),
        ("first provider call", first, {0.95: 150}),
        ("  SMS at the provider", times.sms, {}),
        ("  email at the provider", times.email, {}),
    ):
        for share in (0.5, 0.95, 0.99):
            name = f"{what}, p{share * 100:.0f}"
            report.add(name, percentile(values, share), "ms", at_most=limits.get(share))
    report.facts["messages"] = len(times.streamed)


def _measure(here: Stand, smtp: SmtpSink, aws: AwsStub, count: int) -> Times:
    technician = here.build.person(
        here.organisation,
        here.source,
        "T-1",
        name="Marco Reyes",
        email="marco@evergreen.example",
        sms="+12065552671",
        login="marco@evergreen.example",
    )
    here.build.person(here.organisation, here.source, "C-1", role="contact", sms="+12065552672")
    web = here.serve("web")
    for name in COMMANDS:
        if name != "web":
            here.start(name)
    _until_all_work(here, smtp, aws, web.port)
    times = Times()
    with _open_stream(here, web.port, technician) as stream, _connect(web.port) as hook:
        rng = random.Random(1)
        for turn in range(count + WARM_UP):
            time.sleep(rng.uniform(*PAUSE))
            one = _one(here, smtp, aws, stream, hook, turn)
            if turn >= WARM_UP:
                for name, value in one.items():
                    getattr(times, name).append(value)
    return times


def _until_all_work(here: Stand, smtp: SmtpSink, aws: AwsStub, port: int) -> None:
    """One message through everything, so that every process has started and has its connections."""
    with _connect(port) as hook:
        hook.sendall(_request(here, FIRST - 1))
        smtp.wait(1, 60)
        aws.wait_sms(1, 60)
    until = time.monotonic() + GIVE_UP
    while here.count("SELECT count(*) FROM delivery WHERE state <> 'sent'") and time.monotonic() < until:
        time.sleep(0.1)


def _request(here: Stand, number: int) -> bytes:
    now = datetime.now(UTC)
    path = f"/hooks/{here.source.slug}"
    return messages.request(path, here.source.secret, f"msg-{number}", now, _approved(number, now))


def _approved(number: int, at: datetime) -> bytes:
    data = {
        "id": f"R-{number}",
        "status": "approved",
        "vehicle": "2021 Subaru Outback",
        "damage": "chip, driver's side",
        "customer": {"id": "C-1"},
        "technician": {"id": "T-1"},
    }
    return json.dumps({"type": "repair.upsert", "timestamp": at.isoformat(), "data": data}).encode()


def _one(
    here: Stand, smtp: SmtpSink, aws: AwsStub, stream: socket.socket, hook: socket.socket, turn: int
) -> dict[str, float]:
    """Send one webhook and wait for all that follows; the times of the first of each kind."""
    number = FIRST + turn
    request = _request(here, number)
    watchers = [
        _Watcher(aws.wait_sms, len(aws.sms) + 1),
        _Watcher(smtp.wait, len(smtp.messages) + 1),
    ]
    sent = time.perf_counter()
    hook.sendall(request)
    seen = _read_both(stream, hook, f"R-{number}".encode(), sent + GIVE_UP)
    sms, email = (watcher.at() for watcher in watchers)
    # an approved repair is told as approved (SMS and email) and as assigned (SMS)
    aws.wait_sms((turn + 2) * 2, GIVE_UP)
    moments = {"answered": seen["hook"], "streamed": seen["stream"], "sms": sms, "email": email}
    return {name: (moment - sent) * 1000 for name, moment in moments.items()}


class _Watcher:
    """A thread that notes when a stub has accepted so many messages."""

    def __init__(self, wait: Callable[[int, float], Sequence[Any]], count: int) -> None:
        self._wait, self._count, self._moment = wait, count, 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        self._wait(self._count, GIVE_UP)
        self._moment = time.perf_counter()

    def at(self) -> float:
        self._thread.join(GIVE_UP)
        if not self._moment:
            raise RuntimeError("no provider was called")
        return self._moment


def _read_both(stream: socket.socket, hook: socket.socket, item: bytes, until: float) -> dict[str, float]:
    """When the answer came, and when the stream had the whole of the first frame that names this repair (what was
    told of the one before may still be on its way)."""
    seen: dict[str, float] = {}
    ends = {stream: ("stream", item, b"\n\n"), hook: ("hook", b"HTTP/1.1 202", b"}")}
    text = dict.fromkeys(ends, b"")
    while len(seen) < len(ends):
        ready, _, _ = select.select([stream, hook], [], [], max(0.0, until - time.perf_counter()))
        if not ready:
            raise RuntimeError(f"nothing came: {text}")
        for one in ready:
            name, wanted, end = ends[one]
            text[one] += one.recv(65536)
            if name not in seen and end in text[one].partition(wanted)[2]:
                seen[name] = time.perf_counter()
    return seen


def _connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _open_stream(here: Stand, port: int, technician: Person) -> socket.socket:
    """The technician's stream, opened with the cookie of a sign-in; read up to its snapshot."""
    with here.app.app_context():
        browser = Browser(here.app.test_client(), here.env["HUB_BASE_URL"])
    browser.sign_in(technician.login, PASSWORD)
    stream = _connect(port)
    stream.sendall(
        f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nCookie: {browser.cookie()}\r\n\r\n".encode()
    )
    text = b""
    while b"event: heartbeat" not in text:
        part = stream.recv(65536)
        if not part:
            raise RuntimeError(f"no stream: {text[:500]!r}")
        text += part
    return stream
