"""Email through an SMTP server: one kept connection per sending thread, and a class for every failure.

Knows at which phase a failure fell: until the final dot has left, nothing was accepted and the message may
go again; silence after the final dot is Ambiguous. Refuses to go on in the clear where STARTTLS was asked for.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

from notify_app.channels.addresses import clean_email
from notify_app.channels.base import (
    Ambiguous,
    BadSender,
    ChannelFailure,
    GiveUp,
    Message,
    Misconfigured,
    Receipt,
    Throttled,
    TryLater,
    redacted,
)
from notify_app.channels.email_build import build

__all__ = ["Server", "SmtpEmail", "classify"]

CONNECT_SECONDS, COMMAND_SECONDS, DATA_SECONDS = 10, 20, 60
KEPT_SECONDS = 30  # a connection idle for longer is closed: servers hang up on idle clients by themselves
DAILY_QUOTA_WAIT = timedelta(minutes=15)

_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_TOO_FAST = re.compile(r"\brates?\b|throttl|too many")
_QUEUED_AS = re.compile(r"(?:queued as|\bok:?(?! queued| id))\s+<?([\w.@-]{6,})>?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Server:
    """What `smtp://user:password@host:port?starttls=1` says; `smtps://` speaks TLS from the first byte."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    starttls: bool = False
    implicit_tls: bool = False

    @classmethod
    def from_url(cls, url: str) -> Server:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("HUB_SMTP_URL: write it as smtp://user:password@host:port?starttls=1")
        tls = parts.scheme == "smtps"
        starttls = parse_qs(parts.query).get("starttls", ["0"])[-1].lower() in ("1", "true", "yes")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, parts.port or (465 if tls else 587), user, password, starttls, tls)


class SmtpEmail:
    """The email channel over one SMTP server."""

    name = "email"
    provider = "smtp"
    instant = False

    def __init__(
        self,
        server: Server,
        *,
        allow_test_domains: bool = False,
        tls: ssl.SSLContext | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
        data_seconds: float = DATA_SECONDS,
    ) -> None:
        self._server = server
        self._allow_test_domains = allow_test_domains
        self._tls = tls
        self._timeouts = (connect_seconds, command_seconds, data_seconds)
        self._mine = threading.local()
        self._open: set[smtplib.SMTP] = set()
        self._lock = threading.Lock()

    def clean(self, address: str) -> str:
        return clean_email(address, allow_test_domains=self._allow_test_domains)

    def send(self, message: Message) -> Receipt:
        payload = build(message)
        kept = self._kept()
        if kept is not None:
            try:
                return self._hand_over(kept, message, payload)
            except _Stale:
                self._drop(kept)  # the server hung up while the connection was idle: start afresh
        fresh = self._connect()
        try:
            return self._hand_over(fresh, message, payload)
        except _Stale as stale:
            self._drop(fresh)
            raise stale.failure from stale.__cause__

    def close(self) -> None:
        """Hang up the connections of all threads; a thread that sends again connects again."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            connection.close()

    def _kept(self) -> smtplib.SMTP | None:
        connection: smtplib.SMTP | None = getattr(self._mine, "connection", None)
        if connection is None or connection.sock is None:
            return None
        if time.monotonic() - self._mine.used < KEPT_SECONDS:
            return connection
        self._drop(connection)
        return None

    def _connect(self) -> smtplib.SMTP:
        connection = self._greeted()
        phase = "ehlo"
        try:
            connection.ehlo_or_helo_if_needed()
            if self._server.starttls:
                phase = "starttls"
                connection.starttls(context=self._tls_context())
                connection.ehlo()
            if self._server.user:
                phase = "auth"
                connection.login(self._server.user, self._server.password)
        except (smtplib.SMTPException, OSError) as error:
            connection.close()
            raise _before_mail(error, phase) from error
        with self._lock:
            self._open.add(connection)
        self._mine.connection, self._mine.used = connection, time.monotonic()
        return connection

    def _greeted(self) -> smtplib.SMTP:
        server, seconds = self._server, self._timeouts[0]
        try:
            connection = (
                smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=self._tls_context())
                if server.implicit_tls
                else smtplib.SMTP(server.host, server.port, timeout=seconds)
            )
        except (smtplib.SMTPException, OSError) as error:
            raise _before_mail(error, "connect") from error
        _patience(connection, self._timeouts[1])
        return connection

    def _hand_over(self, connection: smtplib.SMTP, message: Message, payload: bytes) -> Receipt:
        phase = "mail"
        try:
            size = [f"SIZE={len(payload)}"] if connection.has_extn("size") else []
            _expect(connection.mail(message.sender.address, size), phase)
            phase = "rcpt"
            _expect(connection.rcpt(message.address), phase)
            phase = "data"
            _expect(connection.docmd("DATA"), phase, code=354)
            phase = "body"
            _patience(connection, self._timeouts[2])
            connection.send(_stuffed(payload))
            phase = "dot"
            connection.send(b".\r\n")
            code, answer = connection.getreply()
            _expect((code, answer), phase)
            _patience(connection, self._timeouts[1])
        except ChannelFailure as failure:
            if phase == "mail" and failure.code.startswith("421"):
                raise _Stale(failure) from failure
            self._reset(connection)
            raise
        except (smtplib.SMTPException, OSError) as error:
            raise self._broken(connection, error, phase) from error
        self._mine.used = time.monotonic()
        said = answer.decode("utf-8", "replace")
        found = _QUEUED_AS.search(said)
        return Receipt("smtp", found[1] if found else message.idempotency_key, redacted(f"{code} {said}"))

    def _broken(self, connection: smtplib.SMTP, error: Exception, phase: str) -> Exception:
        """The connection is gone; what that means depends on how far the message had come."""
        self._drop(connection)
        what = "did not answer in time" if _timed_out(error) else "broke the connection"
        if phase == "dot":
            return Ambiguous(f"The mail server {what} after the whole message had been sent.", "no_answer")
        failure = TryLater(f"The mail server {what} ({phase}).", f"{phase}_broken")
        return _Stale(failure) if phase == "mail" and not _timed_out(error) else failure

    def _reset(self, connection: smtplib.SMTP) -> None:
        """After a refusal the connection is good for the next message, if the server agrees."""
        _patience(connection, self._timeouts[1])
        try:
            code, _ = connection.rset()
        except (smtplib.SMTPException, OSError):
            code = 0
        if code == 250:
            self._mine.used = time.monotonic()
        else:
            self._drop(connection)

    def _drop(self, connection: smtplib.SMTP) -> None:
        self._mine.connection = None
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _tls_context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()


class _Stale(Exception):
    """A connection that was found closed before anything of this message was said on it."""

    def __init__(self, failure: ChannelFailure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def classify(code: int, answer: str, phase: str) -> ChannelFailure:
    """The failure that an SMTP reply means (reliability.md §3.2), by its code, its words and the phase."""
    enhanced = _ENHANCED.search(answer)
    status = enhanced[1] if enhanced else ""
    words, label = answer.lower(), f"{code} {status}".strip()
    reason = f"{label}: {_ENHANCED.sub('', answer).strip()}"
    if code == 454 and "quota" in words:
        return Throttled(reason, label, after=DAILY_QUOTA_WAIT)
    if code in (421, 450, 451, 452, 454) and _TOO_FAST.search(words):
        return Throttled(reason, label)
    if code in (530, 534, 535, 538):
        return Misconfigured(reason, label)
    if phase == "mail" and code >= 500 and code != 552:  # the sender was refused, and not the message's size
        return BadSender(reason, label)
    if code >= 500 and _account_is_to_blame(status, words, phase):
        return Misconfigured(reason, label)
    if 400 <= code < 500:
        return TryLater(reason, label)
    return GiveUp(reason, label, suppress=_recipient_is_the_cause(code, status, phase))


def _account_is_to_blame(status: str, words: str, phase: str) -> bool:
    if phase in ("connect", "ehlo", "starttls", "auth"):
        return True
    if phase == "mail":
        return False
    ours = ("relay", "not verified", "sending paused", "authentication required", "account")
    return status in ("5.7.0", "5.7.8", "5.7.9") or any(word in words for word in ours)


def _recipient_is_the_cause(code: int, status: str, phase: str) -> bool:
    if phase != "rcpt":
        return False
    return status.startswith("5.1.") or status == "5.2.1" or (not status and code in (550, 551, 553))


def _expect(reply: tuple[int, bytes], phase: str, code: int = 0) -> None:
    got, answer = reply
    if got == code if code else 200 <= got < 300:
        return
    if got == -1:
        raise smtplib.SMTPServerDisconnected("the server closed the connection")
    raise classify(got, answer.decode("utf-8", "replace"), phase)


def _before_mail(error: Exception, phase: str) -> ChannelFailure:
    """A failure before the first message: nothing has been sent."""
    match error:
        case smtplib.SMTPResponseException():
            said = error.smtp_error
            return classify(
                error.smtp_code,
                said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said),
                phase,
            )
        case smtplib.SMTPNotSupportedError():
            return Misconfigured(f"The mail server does not offer what the settings ask for: {error}", phase)
        case ssl.SSLCertVerificationError():
            return Misconfigured(f"The mail server's certificate is not valid: {error.verify_message}", "tls")
        case smtplib.SMTPException() if phase == "auth" and type(error) is smtplib.SMTPException:
            return Misconfigured(f"The mail server knows no way of signing in that we know: {error}", phase)
    if _timed_out(error):
        return TryLater(f"The mail server did not answer in time ({phase}).", f"{phase}_timeout")
    return TryLater(f"The mail server cannot be reached ({phase}): {error}", f"{phase}_failed")


def _timed_out(error: BaseException) -> bool:
    # smtplib reports a read that timed out as a disconnection, with the time-out as its context
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _patience(connection: smtplib.SMTP, seconds: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _stuffed(payload: bytes) -> bytes:
    """Dots at the beginning of a line doubled (RFC 5321, 4.5.2), the last line ended."""
    body = re.sub(rb"(?m)^\.", b"..", payload)
    return body if body.endswith(b"\r\n") else body + b"\r\n"
