"""Telling open inboxes what has changed: small messages on one Redis channel, published after the commit.

A message may be lost, doubled or late. It carries each person's counter, by which the web process sees a gap
(and reads the database) or a repetition (and drops it); `live.hub` compares counters every few seconds as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis

__all__ = ["CHANNEL", "Changed", "Frame", "News", "Spread", "publish"]

log = logging.getLogger(__name__)

CHANNEL = "hub:live"


@dataclass(frozen=True)
class Frame:
    """One person's inbox changed: `seq` is their counter after it, `event` and `data` what the page is told."""

    person_id: UUID
    seq: int
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Many people got one new line each. `data` is what a `Frame` would tell but for what is each reader's own;
    `people` are (person, their counter after it, the id of their notification)."""

    organisation_id: UUID
    event: str
    data: Mapping[str, Any]
    people: Sequence[tuple[UUID, int, UUID]]


@dataclass(frozen=True)
class Changed:
    """Something that the office looks at changed; its pages fetch themselves again."""

    organisation_id: UUID
    what: str
    items: tuple[str, ...] = field(default=())


News = Frame | Spread | Changed


def publish(connection: redis.Redis, news: Iterable[News]) -> None:
    """Publish all of it in one message. Never raises."""
    body = [_encode(one) for one in news]
    if not body:
        return
    try:
        connection.publish(CHANNEL, json.dumps(body, separators=(",", ":")))
    except redis.RedisError as error:
        log.warning("not announced (%s); open streams see it within seconds", type(error).__name__)


def _encode(one: News) -> dict[str, Any]:
    if isinstance(one, Frame):
        return {"p": str(one.person_id), "s": one.seq, "e": one.event, "d": one.data}
    if isinstance(one, Spread):
        people = [[str(person), seq, str(line)] for person, seq, line in one.people]
        return {"b": one.event, "o": str(one.organisation_id), "d": one.data, "l": people}
    return {"o": str(one.organisation_id), "w": one.what, "i": one.items}
