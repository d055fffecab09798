"""Providers that do as they are told: an SMTP server and the two AWS services, on loopback.

    with SmtpSink() as sink:              with AwsStub() as aws:
        sink.fail("ana@x.org", 550)           aws.fail("+12025550101", "Throttling", times=1)
        ... send over sink.url ...            ... boto3 with endpoint_url=aws.url ...
        sink.messages[0].subject              aws.sms[0].text

Both run in a thread of their own, answer many clients at once, and keep what they *accepted* (a message
that was refused is not in `messages`; one that was accepted and whose answer was withheld is). `accepted` counts
by Message-ID (email) or by number and text (SMS), so that a twin shows as 2. `wait(n)` blocks until n messages
are there. Nothing sleeps: a hang lasts until `release()` or the end.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast
from urllib.parse import parse_qs
from uuid import uuid4

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

EVERYONE = "*"
PHASES = frozenset(("greeting", "ehlo", "mail", "rcpt", "data", "dot"))


@dataclass(frozen=True)
class Mail:
    """An email that was accepted."""

    to: tuple[str, ...]
    sender: str
    data: bytes

    @property
    def parsed(self) -> EmailMessage:
        found = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def message_id(self) -> str:
        return str(self.parsed["Message-ID"])

    @property
    def subject(self) -> str:
        return str(self.parsed["Subject"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.parsed.get_body((kind,))
        return "\n".join(str(part.get_content()).splitlines()) if part is not None else ""


@dataclass(frozen=True)
class Sms:
    """An SMS that was accepted."""

    number: str
    text: str
    attributes: dict[str, str]
    provider_id: str


@dataclass
class Script:
    """What to do wrong, and for whom. `times` None is for ever."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rules: list[tuple[str, str, list[int] | None]] = field(default_factory=list)

    def add(self, address: str, what: str, times: int | None) -> None:
        with self._lock:
            self._rules.append((address, what, None if times is None else [times]))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, address: str, phases: tuple[str, ...] = ()) -> str:
        """The fault for this address, used up once; only of these phases when they are given."""
        with self._lock:
            for who, what, left in self._rules:
                if who not in (address, EVERYONE) or (phases and _phase(what) not in phases):
                    continue
                if left is None:
                    return what
                if left[0] > 0:
                    left[0] -= 1
                    return what
        return ""


class Kept:
    """A list that several threads fill and one waits for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Any] = []

    def add(self, item: Any) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def all(self) -> list[Any]:
        with self._changed:
            return list(self._items)

    def clear(self) -> None:
        with self._changed:
            self._items.clear()

    def wait(self, count: int, seconds: float) -> list[Any]:
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._items) >= count, seconds):
                raise AssertionError(f"{len(self._items)} of {count} messages came within {seconds} s")
            return list(self._items)


# --------------------------------------------------------------------------------------------------- SMTP


class SmtpSink:
    """An SMTP server. Faults of `fail(address, what)`:

    550                 refuse the recipient with this code (also "451 4.3.0 words")
    "550:data"          refuse with this code at a phase: greeting, ehlo, mail, rcpt, data, dot
    "hang:rcpt"         say nothing more at this phase; at "dot" the message has been accepted
    "drop:data"         close the connection at this phase; at "dot" after accepting

    Phases before the recipient is known (greeting, ehlo, mail) need address "*".
    """

    def __init__(
        self,
        *,
        users: dict[str, str] | None = None,
        tls: Any = None,
        latency: float = 0.0,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.latency = latency  # seconds before the final answer, for benchmarks
        self.connections = 0
        self._users, self._tls = users, tls
        self._script, self._kept = Script(), Kept()
        self._controller: _Controller | None = None

    def start(self) -> Self:
        self._controller = _Controller(self)
        self._controller.start()
        self.connections = 0  # aiosmtpd itself tries the port once
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._script.clear()
            self._controller.hang_up()
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def messages(self) -> list[Mail]:
        return self._kept.all()

    @property
    def accepted(self) -> Counter[str]:
        return Counter(mail.message_id for mail in self.messages)

    def to(self, address: str) -> list[Mail]:
        return [mail for mail in self.messages if address in mail.to]

    def wait(self, count: int, seconds: float = 10.0) -> list[Mail]:
        return self._kept.wait(count, seconds)

    def fail(self, address: str, what: int | str, *, times: int | None = None) -> None:
        self._script.add(address, str(what), times)

    def release(self) -> None:
        """Forget all faults and let go of what hangs (its connection is closed)."""
        self._script.clear()
        if self._controller is not None:
            self._controller.release()

    def reset(self) -> None:
        """As new, for the next test."""
        self.release()
        self._kept.clear()
        self.connections = 0


class _Controller(Controller):
    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        self.gate: asyncio.Event | None = None
        self.servers: weakref.WeakSet[SMTP] = weakref.WeakSet()
        super().__init__(_Handler(self), hostname="127.0.0.1", port=sink.port)

    def factory(self) -> SMTP:
        auth: dict[str, Any] = {}
        if self.sink._users is not None:
            auth = {"authenticator": self._authenticate, "auth_require_tls": False, "auth_required": True}
        if self.sink._tls is not None:
            auth |= {"tls_context": self.sink._tls}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
            server = _Server(self, hostname="stub.test", enable_SMTPUTF8=True, **auth)
        self.servers.add(server)
        return server

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        known = self.sink._users or {}
        good = known.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=good, handled=False)

    def opened_gate(self) -> asyncio.Event:
        if self.gate is None:
            self.gate = asyncio.Event()
        return self.gate

    def hang_up(self) -> None:
        """End every conversation before the loop ends, so that nothing is left to the garbage collector."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(10)

    async def _hang_up(self) -> None:
        self._open_and_renew()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        for server in self.servers:
            if server.transport is not None:
                cast(asyncio.Transport, server.transport).abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self._open_and_renew)

    def _open_and_renew(self) -> None:
        if self.gate is not None:
            self.gate.set()
            self.gate = None


class _Server(SMTP):
    def __init__(self, controller: _Controller, **options: Any) -> None:
        self._controller = controller
        super().__init__(controller.handler, **options)

    async def _handle_client(self) -> None:
        self._controller.sink.connections += 1
        what = self._controller.sink._script.take(EVERYONE, ("greeting",))
        if what.startswith(("hang", "drop")):
            if what.startswith("hang"):
                await self._controller.opened_gate().wait()
            cast(asyncio.Transport, self.transport).close()
            return
        if what:
            await self.push(_reply(what))
            cast(asyncio.Transport, self.transport).close()
            return
        await super()._handle_client()

    async def smtp_DATA(self, arg: str) -> None:
        handler: _Handler = self._controller.handler
        for address in self.envelope.rcpt_tos if self.envelope else ():
            answer = await handler._fault(self, address, "data")
            if answer:
                await self.push(answer)
                return
        await super().smtp_DATA(arg)


class _Handler:
    def __init__(self, controller: _Controller) -> None:
        self._controller = controller

    async def handle_EHLO(
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        answer = await self._fault(server, EVERYONE, "ehlo")
        session.host_name = hostname
        return [answer] if answer else responses

    async def handle_MAIL(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._fault(server, EVERYONE, "mail")
        if answer:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._fault(server, address, "rcpt")
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        sink = self._controller.sink
        what = next((w for w in (sink._script.take(to, ("dot",)) for to in envelope.rcpt_tos) if w), "")
        if what and not what.startswith(("hang", "drop")):
            return _reply(what)
        if sink.latency:
            await asyncio.sleep(sink.latency)
        content = envelope.original_content or b""
        sink._kept.add(Mail(tuple(envelope.rcpt_tos), str(envelope.mail_from), content))
        return await self._do(server, what) if what else f"250 2.0.0 OK: queued as {uuid4().hex[:12]}"

    async def _fault(self, server: SMTP, address: str, phase: str) -> str:
        what = self._controller.sink._script.take(address, (phase,))
        return await self._do(server, what) if what else ""

    async def _do(self, server: SMTP, what: str) -> str:
        if what.startswith("hang"):
            await self._controller.opened_gate().wait()
        if what.startswith(("hang", "drop")):
            cast(asyncio.Transport, server.transport).close()
            return "421 gone"
        return _reply(what)


def _reply(what: str) -> str:
    words, _, phase = what.rpartition(":")
    said = words if phase in PHASES else what
    return said if " " in said else f"{said} scripted"


def _phase(what: str) -> str:
    phase = what.rpartition(":")[2]
    return phase if phase in PHASES else "rcpt"


# ---------------------------------------------------------------------------------------------------- AWS

STATUS = {"MessageRejected": 400, "TooManyRequestsException": 429, "AccountSuspendedException": 400}


class AwsStub:
    """SESv2 SendEmail and SNS Publish. Faults of `fail(address or number, what)`:

    "ThrottlingException"              this AWS error code ("code: message" sets its words)
    500                                this HTTP status, as an internal error
    "reset" / "reset:accepted"         break the connection, before or after accepting
    "hang" / "hang:accepted"           never answer, before or after accepting
    """

    def __init__(self, *, latency: float = 0.0, port: int | None = None) -> None:
        self.latency = latency
        self.port = port or 0
        self.requests = 0
        self._script, self._emails, self._sms = Script(), Kept(), Kept()
        self._gate = threading.Event()
        self._server: _AwsServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        self._server = _AwsServer(("127.0.0.1", self.port), _AwsHandler)
        self._server.stub = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._gate.set()
        self._server.shutdown()
        self._server.close_all()
        self._thread.join()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def emails(self) -> list[Mail]:
        return self._emails.all()

    @property
    def sms(self) -> list[Sms]:
        return self._sms.all()

    @property
    def accepted(self) -> Counter[str]:
        """Emails by Message-ID and SMS by "number text"."""
        return Counter(
            [mail.message_id for mail in self.emails] + [f"{one.number} {one.text}" for one in self.sms]
        )

    def to(self, address: str) -> list[Mail | Sms]:
        mails = [mail for mail in self.emails if address in mail.to]
        return [*mails, *(one for one in self.sms if one.number == address)]

    def wait_emails(self, count: int, seconds: float = 10.0) -> list[Mail]:
        return self._emails.wait(count, seconds)

    def wait_sms(self, count: int, seconds: float = 10.0) -> list[Sms]:
        return self._sms.wait(count, seconds)

    def fail(self, address: str, what: int | str, *, times: int | None = None) -> None:
        self._script.add(address, str(what), times)

    def release(self) -> None:
        """Forget all faults and let go of what hangs (its connection is closed)."""
        self._script.clear()
        gate, self._gate = self._gate, threading.Event()
        gate.set()

    def reset(self) -> None:
        self.release()
        self._emails.clear()
        self._sms.clear()
        self.requests = 0


class _AwsServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    stub: AwsStub

    def __init__(self, *arguments: Any) -> None:
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._sockets.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        with self._lock:
            still_open = list(self._sockets)
        for one in still_open:
            with _ignoring_a_closed_socket():
                one.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed or cut off is part of the play."""


class _AwsHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _AwsServer

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the client died in the middle: it has sent nothing
            return
        self.server.stub.requests += 1
        if self.path.startswith("/v2/email/outbound-emails"):
            self._send_email(json.loads(body))
        else:
            self._publish({key: values[-1] for key, values in parse_qs(body.decode(), True).items()})

    def _send_email(self, asked: dict[str, Any]) -> None:
        to = tuple(asked["Destination"]["ToAddresses"])
        data = base64.b64decode(asked["Content"]["Raw"]["Data"])
        mail, provider_id = Mail(to, asked.get("FromEmailAddress", ""), data), f"ses-{uuid4()}"
        self._play(
            to[0],
            accept=lambda: self.server.stub._emails.add(mail),
            success=json.dumps({"MessageId": provider_id}),
            error=lambda _code, words: json.dumps({"message": words}),
            kind="application/json",
        )

    def _publish(self, asked: dict[str, str]) -> None:
        sms = Sms(asked["PhoneNumber"], asked["Message"], _sms_attributes(asked), f"sns-{uuid4()}")
        self._play(
            sms.number,
            accept=lambda: self.server.stub._sms.add(sms),
            success=f'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
            f"<MessageId>{sms.provider_id}</MessageId></PublishResult><ResponseMetadata><RequestId>r</RequestId>"
            "</ResponseMetadata></PublishResponse>",
            error=lambda code, words: (
                '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error>'
                f"<Type>Sender</Type><Code>{code}</Code><Message>{words}</Message></Error>"
                "<RequestId>r</RequestId></ErrorResponse>"
            ),
            kind="text/xml",
        )

    def _play(self, address: str, *, accept: Any, success: str, error: Any, kind: str) -> None:
        stub = self.server.stub
        what = stub._script.take(address)
        if what in ("", "reset:accepted", "hang:accepted"):
            accept()
        if what.startswith("hang"):
            stub._gate.wait()
        if what.startswith(("hang", "reset")):
            self._cut(hard=what.startswith("reset"))
        elif what:
            code, _, words = what.partition(":")
            status = int(code) if code.isdigit() else STATUS.get(code, 400)
            name = "InternalFailure" if code.isdigit() else code
            self._answer(status, error(name, words.strip() or "scripted"), kind, name)
        else:
            if stub.latency:
                threading.Event().wait(stub.latency)
            self._answer(200, success, kind)

    def _answer(self, status: int, body: str, kind: str, error: str = "") -> None:
        payload = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload)))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(payload)

    def _cut(self, *, hard: bool) -> None:
        if hard:  # a reset instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _sms_attributes(asked: dict[str, str]) -> dict[str, str]:
    prefix, names = "MessageAttributes.entry.", [key for key in asked if key.endswith(".Name")]
    return {
        asked[name]: asked[f"{prefix}{name.removeprefix(prefix).split('.')[0]}.Value.StringValue"]
        for name in names
    }


def free_port() -> int:
    """A port that is free now; aiosmtpd cannot be given port 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _ignoring_a_closed_socket() -> Iterator[None]:
    try:
        yield
    except OSError:
        return
