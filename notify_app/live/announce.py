"""Telling open inboxes what has changed: small messages on two Redis channels, published after the commit.

A message may be lost, doubled or late. It carries each person's counter, by which the web process sees a gap
(and reads the database) or a repetition (and drops it); `live.hub` compares counters every few seconds as well.

A `Spread` tells many people one thing: what is the same for all is written once, and each person costs their id,
their counter and the id of their line. It has a channel of its own, because a release that does not know the form
must not meet it among the others; its streams learn of it by comparing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis

__all__ = ["CHANNEL", "CROWD", "MOST_OF_A_MESSAGE", "Changed", "Frame", "News", "Spread", "publish"]

log = logging.getLogger(__name__)

CHANNEL = "hub:live"
CROWD = "hub:live:many"
MOST_OF_A_MESSAGE = 5_000  # people: 400 kB, which a web process reads in a few milliseconds


@dataclass(frozen=True)
class Frame:
    """One person's inbox changed: `seq` is their counter after it, `event` and `data` what the page is told."""

    person_id: UUID
    seq: int
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Many people got one new line each. `data` is what a `Frame` would tell but for `id`, `url` and `unread`, which
    each reader's web process adds; `people` are (person, their counter after it, the id of their notification).
    `event` is `notification`; of any other, readers are told from the database."""

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
    """Publish all of it, in one round trip: one message, and one more for each 5,000 people of a `Spread`. Never
    raises."""
    messages = list(_messages(list(news)))
    try:
        if len(messages) == 1:
            connection.publish(*messages[0])
            return
        with connection.pipeline(transaction=False) as pipeline:
            for channel, message in messages:
                pipeline.publish(channel, message)
            pipeline.execute()  # which asks nothing when there is nothing
    except redis.RedisError as error:
        log.warning("not announced (%s); open streams see it within seconds", type(error).__name__)


def _messages(news: Sequence[News]) -> Iterator[tuple[str, str]]:
    body = [_encode(one) for one in news if not isinstance(one, Spread)]
    if body:
        yield CHANNEL, json.dumps(body, separators=(",", ":"))
    for one in news:
        if isinstance(one, Spread):
            for start in range(0, len(one.people), MOST_OF_A_MESSAGE):
                yield CROWD, _encode_spread(one, one.people[start : start + MOST_OF_A_MESSAGE])


def _encode(one: Frame | Changed) -> dict[str, Any]:
    if isinstance(one, Frame):
        return {"p": str(one.person_id), "s": one.seq, "e": one.event, "d": one.data}
    return {"o": str(one.organisation_id), "w": one.what, "i": one.items}


def _encode_spread(one: Spread, people: Sequence[tuple[UUID, int, UUID]]) -> str:
    """The people as one flat list: it is the shortest, and the quickest to read."""
    flat = [value for person, seq, line in people for value in (person.hex, seq, str(line))]
    told = {"o": one.organisation_id.hex, "e": one.event, "d": one.data, "m": flat}
    return json.dumps(told, separators=(",", ":"))
