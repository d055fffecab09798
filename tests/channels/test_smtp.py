"""The SMTP channel against a server that does as it is told (A9, A10, A11; reliability.md §3.2)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notify_app.channels.base import (
    Ambiguous,
    BadSender,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Misconfigured,
    Sender,
    Throttled,
    TryLater,
)
from notify_app.channels.email_smtp import Server, SmtpEmail, classify
from tests.channels.stubs import SmtpSink, free_port

ANA = "ana@example.com"


def mail(to: str = ANA, key: str = "d1", **changes: Any) -> Message:
    plain = Message(
        delivery_id=key,
        channel="email",
        address=to,
        attempt=1,
        idempotency_key=key,
        priority="high",
        subject="Your repair is done",
        text="Hello\n.dot\n..two dots\nBye",
        html="<p>Hello</p>",
        sender=Sender("Clear View", "repairs@clearview.example"),
    )
    return replace(plain, **changes)


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running


@pytest.fixture
def channel(sink: SmtpSink) -> Iterator[SmtpEmail]:
    made = to(sink.url)
    yield made
    made.close()


def to(url: str, **options: Any) -> SmtpEmail:
    return SmtpEmail(Server.from_url(url), **options)


def failure(channel: SmtpEmail, message: Message) -> ChannelFailure:
    with pytest.raises(ChannelFailure) as caught:
        channel.send(message)
    return caught.value


def test_a_message_arrives_with_its_dots_and_the_servers_id_is_kept(
    channel: SmtpEmail, sink: SmtpSink
) -> None:
    receipt = channel.send(mail())
    assert receipt.provider == "smtp"
    assert len(receipt.provider_id) == 12
    assert receipt.response.startswith("250 ")
    [arrived] = sink.messages
    assert arrived.to == (ANA,)
    assert arrived.sender == "repairs@clearview.example"
    assert arrived.text == "Hello\n.dot\n..two dots\nBye"
    assert arrived.message_id == "<d1@clearview.example>"


def test_one_connection_carries_many_messages_also_after_a_refusal(
    channel: SmtpEmail, sink: SmtpSink
) -> None:
    sink.fail("nobody@example.com", "550 5.1.1 no such user")
    channel.send(mail(key="a"))
    failure(channel, mail("nobody@example.com", key="b"))
    channel.send(mail(key="c"))
    assert [one.message_id for one in sink.messages] == ["<a@clearview.example>", "<c@clearview.example>"]
    assert sink.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_without_a_failure(
    channel: SmtpEmail, sink: SmtpSink
) -> None:
    channel.send(mail(key="a"))
    sink.fail("*", "421 4.4.2 idle for too long:mail", times=1)
    channel.send(mail(key="b"))
    sink.fail("*", "drop:mail", times=1)
    channel.send(mail(key="c"))
    assert len(sink.messages) == 3
    assert sink.connections == 3


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("greeting", TryLater),
        ("ehlo", TryLater),
        ("mail", TryLater),
        ("rcpt", TryLater),
        ("data", TryLater),
        ("dot", Ambiguous),
    ],
)
@pytest.mark.parametrize("how", ["hang", "drop"])
def test_silence_or_a_cut_is_in_doubt_only_after_the_final_dot(
    sink: SmtpSink, how: str, phase: str, expected: type[ChannelFailure]
) -> None:
    patience = {"greeting": "connect_seconds", "dot": "data_seconds"}.get(phase, "command_seconds")
    channel = to(sink.url, **{patience: 0.4})
    sink.fail("*" if phase in ("greeting", "ehlo", "mail") else ANA, f"{how}:{phase}")
    assert type(failure(channel, mail())) is expected
    assert len(sink.messages) == (1 if phase == "dot" else 0)
    sink.release()
    channel.send(mail(key="next"))
    assert sink.messages[-1].message_id == "<next@clearview.example>"
    channel.close()


def test_a_twin_after_doubt_has_the_same_message_id(channel: SmtpEmail, sink: SmtpSink) -> None:
    sink.fail(ANA, "drop:dot", times=1)
    assert isinstance(failure(channel, mail()), Ambiguous)
    channel.send(mail(attempt=2))
    assert sink.accepted["<d1@clearview.example>"] == 2


@pytest.mark.parametrize(
    ("what", "expected", "suppress"),
    [
        ("421 4.3.2 shutting down:rcpt", TryLater, None),
        ("450 4.2.1 greylisted", TryLater, None),
        ("451 4.3.0 try again", TryLater, None),
        ("452 4.2.2 mailbox full", TryLater, None),
        ("450 4.7.1 rate limit exceeded", Throttled, None),
        ("421 4.7.0 too many messages", Throttled, None),
        ("454 Throttling failure: Maximum sending rate exceeded.", Throttled, None),
        ("454 Throttling failure: Daily message quota exceeded.", Throttled, None),
        ("454 4.7.0 temporary authentication failure", TryLater, None),
        ("530 5.7.0 authentication required", Misconfigured, None),
        ("535 5.7.8 bad credentials", Misconfigured, None),
        ("554 5.7.1 relay access denied", Misconfigured, None),
        ("554 Message rejected: Email address is not verified.:dot", Misconfigured, None),
        ("550 5.1.1 no such user", GiveUp, True),
        ("550 no such user", GiveUp, True),
        ("551 user not local", GiveUp, True),
        ("553 5.1.3 bad address", GiveUp, True),
        ("550 5.2.1 mailbox disabled", GiveUp, True),
        ("552 5.2.2 mailbox full", GiveUp, False),
        ("550 5.7.1 blocked by policy", GiveUp, False),
        ("552 5.3.4 too big:dot", GiveUp, False),
        ("554 5.6.0 content refused:dot", GiveUp, False),
        ("550 spam:dot", GiveUp, False),
        ("451 4.3.0 try again:data", TryLater, None),
        ("552 5.3.4 message too big:mail", GiveUp, False),
        ("553 5.7.1 sender not allowed:mail", BadSender, None),
        ("554 5.7.1 go away:greeting", Misconfigured, None),
        ("421 4.3.2 busy:greeting", TryLater, None),
    ],
)
def test_every_reply_has_its_class(
    channel: SmtpEmail, sink: SmtpSink, what: str, expected: type[ChannelFailure], suppress: bool | None
) -> None:
    sink.fail("*" if what.endswith((":mail", ":greeting")) else ANA, what)
    failed = failure(channel, mail())
    assert type(failed) is expected
    assert failed.code.startswith(what[:3])
    if isinstance(failed, GiveUp):
        assert failed.suppress is suppress
    assert sink.messages == []


def test_the_daily_quota_asks_for_a_quarter_of_an_hour() -> None:
    failed = classify(454, "Throttling failure: Daily message quota exceeded.", "dot")
    assert failed.after == timedelta(minutes=15)


def test_a_server_that_is_not_there_is_tried_later() -> None:
    channel = to(f"smtp://127.0.0.1:{free_port()}")
    assert isinstance(failure(channel, mail()), TryLater)


def test_a_name_that_does_not_resolve_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert isinstance(failure(to("smtp://mail.example.com:25"), mail()), TryLater)


def test_a_wrong_password_is_a_matter_for_the_administrator() -> None:
    with SmtpSink(users={"hub": "right p@ss"}) as sink:
        wrong = to(sink.url.replace("//", "//hub:wrong@"))
        assert isinstance(failure(wrong, mail()), Misconfigured)
        right = to(sink.url.replace("//", "//hub:right%20p%40ss@"))
        right.send(mail())
        right.close()
        assert len(sink.messages) == 1


def test_starttls_is_used_or_nothing_is_sent(tmp_path: Path) -> None:
    server_side, client_side = _certificate(tmp_path)
    with SmtpSink(tls=server_side) as sink:
        channel = to(f"{sink.url.replace('127.0.0.1', 'localhost')}?starttls=1", tls=client_side)
        channel.send(mail())
        channel.close()
        assert len(sink.messages) == 1
        assert isinstance(failure(to(f"{sink.url}?starttls=1"), mail()), Misconfigured)
    with SmtpSink() as plain:
        assert isinstance(failure(to(f"{plain.url}?starttls=1"), mail()), Misconfigured)
        assert plain.messages == []


def test_sixteen_threads_keep_sixteen_connections_and_nothing_is_lost(sink: SmtpSink) -> None:
    channel = SmtpEmail(Server.from_url(sink.url))
    barrier = threading.Barrier(16)

    def work(worker: int) -> None:
        barrier.wait()
        for turn in range(5):
            channel.send(mail(key=f"{worker}-{turn}"))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    channel.close()
    assert len(sink.accepted) == 80
    assert set(sink.accepted.values()) == {1}
    assert sink.connections == 16


def test_addresses_are_cleaned_to_one_form(channel: SmtpEmail) -> None:
    assert channel.clean(" Ana@EXAMPLE.com ") == "Ana@example.com"
    assert channel.clean("a@bücher.example") == "a@xn--bcher-kva.example"
    for wrong in ("ana", "a@b, c@d", "Ana <ana@example.com>", "a@shop.test", "jörg@example.com"):
        with pytest.raises(Invalid):
            channel.clean(wrong)
    assert to("smtp://localhost", allow_test_domains=True).clean("ana@shop.test") == "ana@shop.test"


@pytest.mark.parametrize("url", ["http://x", "smtp://", "", "mail.example.com:25"])
def test_a_bad_url_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="HUB_SMTP_URL"):
        Server.from_url(url)


def test_a_url_says_everything() -> None:
    assert Server.from_url("smtp://me:p%40ss@mail.example.com?starttls=1") == Server(
        "mail.example.com", 587, "me", "p@ss", starttls=True
    )
    assert Server.from_url("smtps://mail.example.com") == Server("mail.example.com", 465, implicit_tls=True)


def _certificate(where: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server side and a client side that trust each other and nobody else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    both = where / "both.pem"
    both.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(both)
    return server_side, ssl.create_default_context(cafile=str(both))
