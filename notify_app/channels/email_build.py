"""One email as bytes: multipart text and HTML, one recipient, a Message-ID that every attempt shares.

Nothing that a person typed can add a header or a recipient: control characters and line breaks become a
space, and an address that is not exactly one addr-spec is refused.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import unicodedata
from email.header import Header
from email.utils import formataddr, formatdate

from notify_app.channels.base import BadSender, Message, Unsendable

__all__ = ["build", "message_id", "one_line"]

# `@` once, no white space, no comma: what a header parser could take for a second address is not one.
ADDR_SPEC = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])")
LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3
LONGEST_TEXT = 250  # characters of a subject or a display name
LONGEST_HEADER = 900  # RFC 5322 allows 998 in a line
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
RESERVED = frozenset(
    ("from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "reply-to", "mime-version")
)


def build(message: Message) -> bytes:
    """The whole message, lines ended by CRLF. Raises Unsendable for a bad recipient, BadSender for a bad sender.

    Written by hand, since the bytes are simple and this runs for every email: the standard library's
    EmailMessage takes some milliseconds for the same.
    """
    lines = [f"{name}: {value}" for name, value in _headers(message)]
    body = _alternatives(message) if message.html else _part("plain", message.text)
    return "\r\n".join([*lines, "MIME-Version: 1.0", ""]).encode("ascii") + body


def _headers(message: Message) -> list[tuple[str, str]]:
    sender = _sender_address(message.sender.address)
    headers = [
        ("From", formataddr((one_line(message.sender.name)[:LONGEST_TEXT], sender))),
        ("To", recipient(message.address)),
        ("Subject", _encoded("Subject", one_line(message.subject)[:LONGEST_TEXT])),
        ("Date", formatdate()),
        ("Message-ID", message_id(message.idempotency_key, sender)),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: no out-of-office answers to a notification
    ]
    if message.sender.reply_to:
        headers.append(("Reply-To", _sender_address(message.sender.reply_to)))
    if message.priority == "urgent":
        headers.append(("Importance", "high"))
    if message.thread:
        # All messages of an item hang from one root that was never sent: mail programs group them by it.
        root = message_id(f"thread-{message.thread}", sender)
        headers += [("In-Reply-To", root), ("References", root)]
    return headers + [_further(name, value) for name, value in message.headers]


def _alternatives(message: Message) -> bytes:
    # "=_" cannot occur in quoted-printable, so no text can hold the boundary
    boundary = f"=_{hashlib.sha256(message.idempotency_key.encode()).hexdigest()[:32]}"
    opening = f"--{boundary}\r\n".encode("ascii")
    return b"".join(
        (
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode("ascii"),
            opening,
            _part("plain", message.text),
            opening,
            _part("html", message.html),
            f"--{boundary}--\r\n".encode("ascii"),
        )
    )


def _part(kind: str, text: str) -> bytes:
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    lines = "\r\n".join([*text.splitlines(), ""]) or "\r\n"
    return head.encode("ascii") + binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True)


def message_id(key: str, sender: str) -> str:
    """`<key@domain of the sender>`: the same for every attempt, so that the far end can fold a twin."""
    domain = sender.rpartition("@")[2] or "localhost.invalid"
    return f"<{re.sub(r'[^A-Za-z0-9._-]', '-', key)}@{domain}>"


def recipient(address: str) -> str:
    if len(address) > LONGEST_ADDRESS or not ADDR_SPEC.fullmatch(address):
        raise Unsendable("The address is not exactly one email address.", "bad_address", suppress=True)
    return address


def one_line(text: str) -> str:
    """Header-safe: every control character, line break and separator becomes one space."""
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    return " ".join(spaced.split())


def _sender_address(address: str) -> str:
    if len(address) > LONGEST_ADDRESS or not ADDR_SPEC.fullmatch(address):
        raise BadSender("The organisation's sender address is not an email address.", "bad_sender")
    return address


def _further(name: str, value: str) -> tuple[str, str]:
    if not HEADER_NAME.fullmatch(name) or name.lower() in RESERVED or name.lower().startswith("content-"):
        raise Unsendable(f"The header {name!r} cannot be set.", "bad_header")
    return name, _encoded(name, one_line(value)[:LONGEST_HEADER])


def _encoded(name: str, text: str) -> str:
    if text.isascii() and "=?" not in text:
        return text  # one line below the limit of 998 need not be folded
    # what only looks like an encoded word is encoded too, so that it reads as it was typed
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")
