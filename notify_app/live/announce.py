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
MOST_OF_A_MESSAGE = 1_000  # people: 80 kB, which a web process reads in a millisecond
ENOUGH = 64 * 1024  # characters that are sent at once

_json = json.JSONEncoder(separators=(",", ":")).encode


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
    """Publish all of it: one message, and one more for each thousand people of a `Spread`; the first are told while
    the rest is being written. Never raises."""
    try:
        with connection.pipeline(transaction=False) as pipeline:
            length = 0
            for channel, message in _messages(list(news)):
                pipeline.publish(channel, message)
                length += len(message)
                if length > ENOUGH:
                    pipeline.execute()
                    length = 0
            pipeline.execute()  # which asks nothing when there is nothing
    except redis.RedisError as error:
        log.warning("not announced (%s); open streams see it within seconds", type(error).__name__)


def _messages(news: Sequence[News]) -> Iterator[tuple[str, str]]:
    """(channel, message) of all that is told."""
    body = [_encode(one) for one in news if not isinstance(one, Spread)]
    if body:
        yield CHANNEL, _json(body)
    for one in news:
        if isinstance(one, Spread):
            told = _json({"o": one.organisation_id.hex, "e": one.event, "d": one.data})[:-1]
            for start in range(0, len(one.people), MOST_OF_A_MESSAGE):
                yield CROWD, f'{told},"m":[{_flat(one.people[start : start + MOST_OF_A_MESSAGE])}]}}'


def _encode(one: Frame | Changed) -> dict[str, Any]:
    if isinstance(one, Frame):
        return {"p": str(one.person_id), "s": one.seq, "e": one.event, "d": one.data}
    return {"o": str(one.organisation_id), "w": one.what, "i": one.items}


def _flat(people: Iterable[tuple[UUID, int, UUID]]) -> str:
    """Person, counter, line, person, counter, line …: the shortest form, and the quickest to write and to read."""
    return ",".join(f'"{person.hex}",{seq},"{line}"' for person, seq, line in people)
