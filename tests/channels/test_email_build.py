"""One email as bytes (A9, S8): multipart, one recipient, nothing that can be injected."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.channels.base import BadSender, GiveUp, Message, Sender, Unsendable
from notify_app.channels.email_build import build

PLAIN = Message(
    delivery_id="d1",
    channel="email",
    address="ana@example.com",
    attempt=1,
    idempotency_key="0199-d1-0",
    priority="high",
    subject="Your repair is done",
    text="Hello Ana\n.a line with a dot\nBye – now",
    html="<p>Hello Ana, Grüße &amp; more</p>",
    sender=Sender("Clear View, Inc.", "repairs@clearview.example", "office@clearview.example"),
    thread="item-7",
)


def parsed(message: Message) -> EmailMessage:
    found = message_from_bytes(build(message), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return "\n".join(str(part.get_content()).splitlines())


def test_it_is_multipart_with_text_and_html_that_arrive_as_written() -> None:
    mail = parsed(PLAIN)
    assert mail.get_content_type() == "multipart/alternative"
    assert body(mail, "plain") == PLAIN.text
    assert body(mail, "html") == PLAIN.html
    assert mail["From"] == '"Clear View, Inc." <repairs@clearview.example>'
    assert mail["To"] == "ana@example.com"
    assert mail["Reply-To"] == "office@clearview.example"
    assert mail["Subject"] == "Your repair is done"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] is None
    assert not mail.defects


def test_every_attempt_has_the_same_message_id_and_every_message_of_an_item_the_same_thread() -> None:
    first, again = parsed(PLAIN), parsed(replace(PLAIN, attempt=2))
    other = parsed(replace(PLAIN, idempotency_key="0199-d2-0"))
    assert first["Message-ID"] == again["Message-ID"] == "<0199-d1-0@clearview.example>"
    assert other["Message-ID"] != first["Message-ID"]
    assert first["References"] == other["References"] == "<thread-item-7@clearview.example>"


def test_an_urgent_one_says_so_and_further_headers_are_kept() -> None:
    headers = (("List-Unsubscribe", f"<https://hub.example.com/{'u' * 300}>"), ("X-Note", "Grüße"))
    mail = parsed(replace(PLAIN, priority="urgent", headers=headers))
    assert mail["Importance"] == "high"
    assert mail["List-Unsubscribe"] == headers[0][1]
    assert mail["X-Note"] == "Grüße"


def test_without_html_the_text_goes_alone() -> None:
    mail = parsed(replace(PLAIN, html=""))
    assert mail.get_content_type() == "text/plain"
    assert body(mail, "plain") == PLAIN.text


def test_long_and_foreign_subjects_survive() -> None:
    for subject in ("Ремонт завершён " * 12, "a long one " * 20, "x" * 240, "=?utf-8?q?Bcc=3A?= twice"):
        assert parsed(replace(PLAIN, subject=subject))["Subject"] == " ".join(subject.split())


def test_no_line_is_longer_than_mail_allows() -> None:
    html = "<p>" + "word " * 2000 + "</p>"
    data = build(replace(PLAIN, html=html, subject="é" * 240, text="y" * 5000))
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")


BREAKS = ["\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x00", "\ud800"]


@pytest.mark.parametrize("line_break", BREAKS)
def test_a_line_break_in_a_name_or_subject_becomes_a_space(line_break: str) -> None:
    evil = f"Hello{line_break}Bcc: eve@evil.example"
    mail = parsed(
        replace(PLAIN, subject=evil, sender=replace(PLAIN.sender, name=evil), headers=(("X-Note", evil),))
    )
    assert mail["Subject"] == mail["X-Note"] == "Hello Bcc: eve@evil.example"
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["From"].addresses] == ["repairs@clearview.example"]
    assert mail["From"].addresses[0].display_name == "Hello Bcc: eve@evil.example"


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example, c@d.example",
        "a@b.example,c@d.example",
        "a@b.example;c@d.example",
        "Ana <a@b.example>",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\x00",
        "a b@c.example",
        "group:a@b.example;",
        '"a@b"@c.example',
        "a@b@c.example",
        "ana",
        "",
        "a" * 250 + "@b.example",
        "a@b.example\n",
    ],
)
def test_what_is_not_exactly_one_address_is_given_up(address: str) -> None:
    with pytest.raises(GiveUp, match="exactly one") as caught:
        build(replace(PLAIN, address=address))
    assert caught.value.suppress


def test_a_bad_sender_or_header_is_our_own_fault() -> None:
    for wrong in (
        replace(PLAIN, sender=Sender("X", "a@b.example, c@d.example")),
        replace(PLAIN, sender=replace(PLAIN.sender, reply_to="x\r\nBcc: y@z.example")),
        replace(PLAIN, headers=(("Bcc", "eve@evil.example"),)),
        replace(PLAIN, headers=(("X-A: b\r\nBcc", "eve@evil.example"),)),
        replace(PLAIN, headers=(("Content-Type", "text/html"),)),
    ):
        with pytest.raises((BadSender, Unsendable)):
            build(wrong)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=200), st.text(max_size=200))
def test_no_text_adds_a_header_or_a_part(subject: str, name: str, text: str, html: str) -> None:
    mail = parsed(
        replace(PLAIN, subject=subject, sender=replace(PLAIN.sender, name=name), text=text, html="<p>" + html)
    )
    assert set(mail.keys()) == set(parsed(PLAIN).keys())
    assert len(list(mail.iter_parts())) == 2
    assert len(mail["To"].addresses) == 1
    assert len(mail["From"].addresses) == 1
