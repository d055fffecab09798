"""What channels over HTTP share: a call that comes back as an answer or as one of the failures of `channels.base`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

from notify_app import outgoing
from notify_app.channels.base import Ambiguous, ChannelFailure, GiveUp, Throttled, TryLater, redacted
from notify_app.outgoing import Answer

__all__ = ["call", "said", "trouble", "wait_of"]


def call(
    url: str, body: bytes, headers: Mapping[str, str], *, instead: str = "", timeout: float = 10.0
) -> Answer:
    """What was answered, whatever it is; `instead` and `timeout` as in `outgoing.post`. Raises GiveUp (the address leads
    inside, or is none), TryLater (nobody was there) and Ambiguous (it may have arrived)."""
    try:
        return outgoing.post(url, body, headers, instead=instead, timeout=timeout)
    except (outgoing.Inside, ValueError) as error:
        raise GiveUp(str(error), "inside", suppress=True) from error
    except outgoing.Unanswered as error:
        raise Ambiguous(f"No answer: {error}", "no_answer") from error
    except OSError as error:
        raise TryLater(f"Nobody was there: {error}", "unreachable") from error


def trouble(answer: Answer) -> ChannelFailure | None:
    """What is the other side's trouble and may pass: too many requests, and its own errors. None for anything else."""
    if answer.status == 429:
        return Throttled(said(answer), "429", wait_of(answer))
    if answer.status in (408, 425) or answer.status >= 500:
        return TryLater(said(answer), str(answer.status), wait_of(answer))
    return None


def wait_of(answer: Answer) -> timedelta | None:
    """Retry-After: seconds, or a moment that is compared with the answer's own clock. None where it is missing or wrong."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isdecimal() and len(given) < 10:
        return timedelta(seconds=int(given))
    try:
        wait = parsedate_to_datetime(given) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(wait, timedelta(0))


def said(answer: Answer) -> str:
    """The status and the beginning of the body, for the record."""
    return redacted(f"{answer.status} {answer.body.decode('utf-8', 'replace')}".strip())
