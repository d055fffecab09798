"""What a claimed delivery settles with: sent, tried again later, or ended for a reason, each with its attempt row.

The first functions are pure and say what came of one delivery; `write` settles many in one statement, which leaves
alone whatever is under another token by now. The drain and the rescue sweep settle by these and nothing else.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import TextClause

from notify_app.channels.base import Ambiguous, ChannelFailure, Receipt, Unsendable
from notify_app.domains.base import Priority
from notify_app.pipeline import sql
from notify_app.pipeline.line import AWAY
from notify_app.policy import sms
from notify_app.policy.reasons import Reason
from notify_app.policy.retry import COUNTED, FailureClass, Retry, StopReason, next_attempt
from notify_app.policy.sms import Prices

__all__ = [
    "BadAddress",
    "Result",
    "Settled",
    "after_failure",
    "came_of",
    "given_back",
    "not_tried",
    "priced",
    "write",
    "write_each",
]

log = logging.getLogger(__name__)

Result = dict[str, Any]  # a row for `sql.SETTLE`; what is not in it is null
Ask = Callable[[TextClause, dict[str, Any]], Sequence[Any]]  # how a statement is run as hub_engine

PRIORITIES = {number: one.value for number, one in enumerate(Priority, 1)}
STOPPED = {
    StopReason.PERMANENT: Reason.provider_refused,
    StopReason.ATTEMPTS: Reason.attempts_used_up,
    StopReason.TOO_OLD: Reason.too_old,
    StopReason.UNCONFIRMED: Reason.sent_unconfirmed,
}
AFTER = {
    FailureClass.AMBIGUOUS: Reason.in_doubt,
    FailureClass.CONFIG: Reason.provider_config,
}


PAID = ("accepted", FailureClass.AMBIGUOUS.value)


class BadAddress(Unsendable):
    """The address is not one: it fails before any provider is asked."""


def accepted(row: Any, receipt: Receipt) -> Result:
    """The provider has taken it."""
    return _of(row) | {
        "state": "sent",
        "outcome": "accepted",
        "provider": receipt.provider,
        "provider_id": storable(receipt.provider_id),
        "response": storable(receipt.response),
        "segments": receipt.segments or None,
        "cost_usd": str(receipt.cost_usd) if receipt.cost_usd is not None else None,
    }


def came_of(row: Any, answer: Receipt | Exception | None, rng: random.Random, *, doubts: int) -> Result:
    """What a channel's answer means for its delivery. `doubts`: how many attempts before ended ambiguous."""
    if isinstance(answer, Receipt):
        return accepted(row, answer)
    if not isinstance(answer, ChannelFailure):
        log.error("delivery %s: the channel raised what it must not", row.id, exc_info=answer)
        answer = Ambiguous(f"{type(answer).__name__}: {answer}", "bug")
    return after_failure(row, answer, rng, doubts=doubts)


def after_failure(row: Any, failure: ChannelFailure, rng: random.Random, *, doubts: int) -> Result:
    """A later try, or an end with its reason. `doubts`: how many attempts before ended ambiguous."""
    kind = failure.failure_class
    counted = kind in COUNTED
    outcome = next_attempt(
        row.channel,
        kind,
        row.failures + 1 if counted else row.failures,
        row.now - row.due_at,
        PRIORITIES[row.priority],
        rng,
        after=failure.after,
        ambiguous_before=doubts,
    )
    words = storable(failure.reason)
    common = _of(row) | {
        "outcome": kind.value,
        "failed": counted,
        "detail": words,
        "error": words,
        "error_code": storable(failure.code),
    }
    if isinstance(outcome, Retry):
        reason = AFTER.get(kind, Reason.provider_trouble)
        return common | {"state": "queued", "reason": reason, "wait": outcome.at.total_seconds()}
    reason = Reason.bad_address if isinstance(failure, BadAddress) else STOPPED[outcome.reason]
    return common | {"state": outcome.state, "reason": reason}


def not_tried(
    row: Any, state: str, reason: str | None, *, wait: float | None = None, detail: str | None = None
) -> Result:
    """No provider was asked: there is no attempt. `wait` in seconds where it is put off."""
    return _of(row) | {"state": state, "reason": reason, "wait": wait, "detail": storable(detail)}


def priced(result: Result, address: str, text: str, event: str, prices: Prices) -> Result:
    """With what an SMS has cost and under what that stands. What may have arrived is paid for like what has."""
    if result.get("outcome") not in PAID:
        return result
    costs: Result = {"country": sms.country(address), "event": event}
    if result.get("segments") is None:
        cost = prices.cost(text, address)
        costs |= {"segments": sms.segments(text).count, "cost_usd": str(cost)}
    return result | costs


def given_back(held: Decimal | None) -> Result:
    """What was held of the budget for this message is free again, or is spent now."""
    return {} if held is None else {"held": str(held)}


def _of(row: Any) -> Result:
    return {
        "organisation_id": row.organisation_id,
        "id": row.id,
        "token": row.token,
        "number": row.attempts,
    }


def storable(text: str | None) -> str | None:
    """The words as PostgreSQL takes them: a provider's may hold anything."""
    if text is None or (text.isascii() and "\x00" not in text):
        return text
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


@dataclass(frozen=True)
class Settled:
    """How many results found their delivery under their own token, and whose they were."""

    count: int
    organisations: frozenset[UUID]


def write(ask: Ask, results: Sequence[Result]) -> Settled:
    """Settle them in one statement. What the database raises comes out."""
    rows = ask(sql.SETTLE, {"results": json.dumps(results)})
    return Settled(sum(row.settled for row in rows), frozenset(row.organisation_id for row in rows))


def write_each(ask: Ask, results: Iterable[Result]) -> Settled:
    """Settle them one by one, because together they could not be. What the database does not take, or what somebody
    else holds, is logged and left to its lease; it takes no other with it."""
    count, organisations = 0, frozenset[UUID]()
    for result in results:
        try:
            one = write(ask, [result])
        except psycopg.Error as error:
            if isinstance(error, AWAY) and not isinstance(error, psycopg.errors.LockNotAvailable):
                raise
            log.exception("delivery %s cannot be settled", result["id"])
        else:
            count, organisations = count + one.count, organisations | one.organisations
    return Settled(count, organisations)
