"""What every channel takes, gives back and raises: the contract between the outbox and the providers.

A channel gets a value, never a row, and sends exactly one message to exactly one address. It decides
nothing about when to try again: it says what happened, and `policy.retry` decides. Whatever goes wrong in
`send` comes out as one of the failures below; any other exception is a bug.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from notify_app.policy.channel import shown
from notify_app.policy.retry import FailureClass

__all__ = [
    "OPTED_OUT",
    "Ambiguous",
    "BadSender",
    "Channel",
    "ChannelFailure",
    "GiveUp",
    "Invalid",
    "Message",
    "Misconfigured",
    "Receipt",
    "Sender",
    "Throttled",
    "TryLater",
    "Unsendable",
    "hinted",
    "masked",
    "redacted",
]

OPTED_OUT = "OptedOut"  # the code of a refusal because whoever has the number wants no messages
RESPONSE_LIMIT = 2048  # characters of a provider's answer that are kept with an attempt


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a message comes from, as the organisation's branding says."""

    name: str = ""  # display name of the From line
    address: str = ""  # From address of email
    reply_to: str = ""  # where answers go; empty: to the From address
    sms_id: str = (
        ""  # alphanumeric sender id of SMS where the country allows one; empty: the provider's number
    )


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address, rendered and ready: a retry sends these same values."""

    delivery_id: str  # the outbox row, for logs
    channel: str  # as it is declared: "email", "sms"
    address: str  # one address, as `clean` returned it
    attempt: int  # 1 for the first
    idempotency_key: str  # the same for every attempt of a delivery; the Message-ID is made from it
    priority: str  # urgent, high, medium or low
    subject: str = ""  # where the channel has one
    text: str = ""  # the message itself, or the plain part of an email
    html: str = ""  # email only; empty sends the plain part alone
    sender: Sender = field(default_factory=Sender)
    headers: tuple[tuple[str, str], ...] = ()  # further email headers, such as List-Unsubscribe
    thread: str | None = None  # key of the conversation (an item), so that mail programs group its messages
    link: str | None = None  # the action link, already inside the bodies
    line: str = ""  # the line of the inbox that it tells of, where it is one
    asks: str = ""  # the event that its reader is to acknowledge, for a channel that has a button for it
    recalls: tuple[str, ...] = ()  # the tags of earlier pushes, which go, or say `text` instead
    max_price: Decimal | None = None  # most that this SMS may cost in US$; None: the installation's limit
    keys: tuple[str, ...] = field(default=(), repr=False)  # with which it is signed, the newest first


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider accepted the message. That is not delivery."""

    provider: str  # as "smtp", "ses", "sns", "local"
    provider_id: str  # the provider's own id, by which its later reports name the message
    response: str = ""  # what it answered, redacted, at most RESPONSE_LIMIT characters
    segments: int = 0  # of an SMS
    cost_usd: Decimal | None = None  # estimated; None where a message has no price of its own


class Channel(Protocol):
    """One provider of one channel. Safe to use from many threads at once."""

    name: str  # the channel, as it is declared
    provider: str
    instant: bool  # `send` asks nobody and never waits: it needs no thread

    def send(self, message: Message) -> Receipt:
        """Hand the message over, or raise a ChannelFailure."""

    def clean(self, address: str) -> str:
        """The address in the one form that is stored. Raises Invalid, a sentence for who typed it."""

    def close(self) -> None:
        """Let go of connections; a later `send` opens them again."""


class Invalid(ValueError):
    """An address that cannot be used; the message says why."""


class ChannelFailure(Exception):
    """Why a message was not (surely) handed over. `code` is the provider's own word or number."""

    failure_class: FailureClass

    def __init__(self, reason: str, code: str = "", after: timedelta | None = None) -> None:
        super().__init__(redacted(reason))
        self.reason = redacted(reason)
        self.code = code
        self.after = after  # the provider asked for at least this long a wait


class TryLater(ChannelFailure):
    """Refused before acceptance, for a cause that may pass."""

    failure_class = FailureClass.TRANSIENT


class Throttled(ChannelFailure):
    """Too fast or over a quota: nothing is wrong with the message."""

    failure_class = FailureClass.THROTTLED


class Ambiguous(ChannelFailure):
    """May have been accepted: the answer was lost after everything had been handed over."""

    failure_class = FailureClass.AMBIGUOUS


class Misconfigured(ChannelFailure):
    """Our account or our settings are not right; a person has to act, and the message can wait."""

    failure_class = FailureClass.CONFIG


class BadSender(Misconfigured):
    """The sender that this office has chosen is not one, or is not taken: of the account it says nothing, which others use."""


class GiveUp(ChannelFailure):
    """Will never work for this address or this content. `suppress`: the address itself is the cause."""

    failure_class = FailureClass.PERMANENT

    def __init__(self, reason: str, code: str = "", *, suppress: bool = False) -> None:
        super().__init__(reason, code)
        self.suppress = suppress


class Unsendable(GiveUp):
    """The same, found before anybody was asked."""


_EMAIL = re.compile(r"([^\s@<>\"'(,;:])[^\s@<>\"'(,;:]*@([\w-]+(?:\.[\w-]+)+)")
_NUMBER = re.compile(r"(\+\d{2})\d{4,}(\d{2})\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def redacted(text: str) -> str:
    """A provider's words, at most RESPONSE_LIMIT characters, addresses as `j***@d.de` and `+49***23`."""
    hidden = _EMAIL.sub(r"\1***@\2", text)
    return _CONTROL.sub(" ", _NUMBER.sub(r"\1***\2", hidden))[:RESPONSE_LIMIT]


def hinted(channel: str, address: str) -> str:
    """Enough of an address of this channel to know it again."""
    known = shown(channel, address)
    return known if known != address else masked(address)


def masked(address: str) -> str:
    """Enough of an address to know it again: `d***@example.com`, `+13***71`; of a malformed one, two characters."""
    hidden = redacted(address)
    return hidden if hidden != address else f"{address[:2]}***"
