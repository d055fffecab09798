"""Outgoing webhook endpoints: systems that are posted what an organisation tells.

Each endpoint is an address of its own, found by an administrator and not by a person, and fails for itself. What is signed is
signed by Standard Webhooks: `webhook-id` is the same for every attempt, so that a receiver knows what it has already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook

from notify_app.channels.base import (
    Channel,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Receipt,
    Throttled,
    TryLater,
)
from notify_app.channels.http import call, wait_of
from notify_app.channels.local import Local
from notify_app.outgoing import Answer
from notify_app.policy.channel import ChannelType, Provider, Schedule, declare, gaps

__all__ = ["ENDPOINT", "GONE", "HttpEndpoint", "clean_url", "headers"]

TIMEOUT = 15.0
LONGEST_URL = 2048
SHOWN = 200  # characters of an answer that are kept
REFUSALS = 3  # what is no good is tried so often: a deployment of the receiver may be under way
LATER = frozenset({408, 425})
GONE = "gone"  # the code of a failure after which nothing more is sent there
LONGEST_WAIT = timedelta(hours=24)


def clean_url(given: str) -> str:
    """The address in the form that is stored. Raises Invalid, a sentence for who typed it."""
    url = given.strip()
    if len(url.encode()) > LONGEST_URL:
        raise Invalid(f"The address is longer than {LONGEST_URL} characters.")
    if not url.isascii() or any(one <= " " or one == "\x7f" for one in url):
        raise Invalid(
            "Write the address without spaces, and with no other letters than those of a browser's."
        )
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise Invalid("That is no address; begin it with https://.") from None
    if parts.scheme != "https" or not host:
        raise Invalid("Begin the address with https://; what we send is not for everybody's eyes.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("Write the address without a user name or password; the signature says who we are.")
    return url.partition("#")[0]


def headers(message: Message, at: int) -> dict[str, str]:
    """What is sent beside the body; signed with each key where there is one, the newest first. `at` is in seconds."""
    plain = {
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": message.idempotency_key,
        "webhook-timestamp": str(at),
    }
    moment = datetime.fromtimestamp(at, UTC)
    signatures = [Webhook(key).sign(message.idempotency_key, moment, message.text) for key in message.keys]
    return plain | ({"webhook-signature": " ".join(signatures)} if signatures else {})


class HttpEndpoint:
    """Posts. `instead` is where whoever runs the hub wants all of it posted."""

    name = "endpoint"
    provider = "http"
    instant = False

    def __init__(
        self, *, instead: str = "", timeout: float = TIMEOUT, clock: Callable[[], float] = time.time
    ) -> None:
        self._instead = instead
        self._timeout = timeout
        self._clock = clock  # real time, as a receiver's is

    def clean(self, address: str) -> str:
        return clean_url(address)

    def send(self, message: Message) -> Receipt:
        url = message.address
        signed = headers(message, int(self._clock()))
        answer = call(url, message.text.encode(), signed, instead=self._instead, timeout=self._timeout)
        if 200 <= answer.status < 300:
            return Receipt(self.provider, message.idempotency_key, _shown(answer, url))
        raise _failure(answer, url, message)

    def close(self) -> None:
        """Nothing is open."""


def _failure(answer: Answer, url: str, message: Message) -> ChannelFailure:
    status, says, code = answer.status, _shown(answer, url), str(answer.status)
    wait = _wait(answer)
    if status == 410:
        return GiveUp(f"It says that it is gone ({says}).", GONE)
    if 300 <= status < 400:
        return TryLater(f"It answered that it has moved ({says}); that is not followed.", code)
    if status == 429:
        return Throttled(f"It wants to be asked less often ({says}).", code, wait)
    if 400 <= status < 500 and status not in LATER and (not message.keys or message.attempt >= REFUSALS):
        return GiveUp(f"It refused the message ({says}).", code)
    return TryLater(f"It could not take the message ({says}).", code, wait)


def _shown(answer: Answer, url: str) -> str:
    """The status and the beginning of what was answered, without the address: that of Slack is a secret."""
    said = " ".join(answer.body.decode("utf-8", "replace").split())
    parts = urlsplit(url)
    for part in (url, parts.path, parts.query):
        said = said.replace(part, "…") if len(part) > 1 else said
    return f"{answer.status} {said[:SHOWN]}".strip()


def _wait(answer: Answer) -> timedelta | None:
    """How long it wants to be left alone, at most a day."""
    asked = wait_of(answer)
    return min(asked, LONGEST_WAIT) if asked is not None else None


def _local(settings: Any, url: str) -> Channel:  # noqa: ARG001
    return Local("endpoint", clean_url)


def _http(settings: Any, url: str) -> Channel:  # noqa: ARG001
    return HttpEndpoint(instead=settings.outgoing_url)


ENDPOINT = ChannelType(
    name="endpoint",
    title="Endpoint",
    spoken="endpoint",
    text="Another system, to which the office's events are posted.",
    sign="server",
    place=90,
    by_wish=True,
    personal=False,
    usual="http",
    parts={"subject": "title", "text": "text"},
    # At 0, 5 s, 5 and 30 min, 2, 5, 10 and 10 h. A second copy has the same webhook-id, by which receivers know it.
    schedule=Schedule(
        attempts=8,
        gaps=gaps(5, 300, 1800, 7200, 18000, 36000, 36000),
        max_age={"": timedelta(hours=30)},
        ambiguous_retries={"": 8},
    ),
    providers={
        "local": Provider("Kept on this machine and shown on the outbox page.", _local),
        "http": Provider("Posted to the endpoint's address.", _http),
    },
)
declare(ENDPOINT)
