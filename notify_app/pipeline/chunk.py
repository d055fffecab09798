"""One chunk of a broadcast: the next so many people, decided once for each class of them, their rows written by one
`INSERT … SELECT` that is joined on the class.

PostgreSQL groups the people by their `Standing` and hands over each class with its members as array literals, which go
back as they came: Python reads none of them. The members were read a moment before they are written; what somebody
changes in between counts as changed after, as it does when one person is told.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from notify_app.ids import new_id
from notify_app.live.announce import Spread
from notify_app.pipeline import chunk_sql, flaws, inbox, links, wording, world
from notify_app.pipeline.audience import Member
from notify_app.pipeline.chunk_sql import LAST, RECORD, STEADY, WITHHOLD
from notify_app.pipeline.crowd import Audience
from notify_app.pipeline.step import Step
from notify_app.policy.classes import Standing, class_id, decide
from notify_app.policy.quiet import QuietHours
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import NOT_VERIFIED, Choice, Matter, Plan, Reach, every, outward
from notify_app.queue import BULK, URGENT

__all__ = ["People", "look", "write"]

FIRST_ID = UUID(int=0)
SEVERAL = "for different reasons"


@dataclass(frozen=True)
class People:
    """Who a chunk is for: the last of them, how many, and the rows of their classes."""

    last: UUID
    count: int
    classes: Sequence[Any]


@dataclass
class _Class:
    """People of one standing; `ids` and `addresses` are array literals without their braces."""

    standing: Standing
    people: int
    ids: str
    addresses: dict[str, str]


@dataclass
class _Rows:
    """What is to be written, column by column."""

    ids: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    addresses: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    decided: list[dict[str, Any]] = field(default_factory=list)
    worded: list[dict[str, Any]] = field(default_factory=list)
    people: int = 0


def look(step: Step, broadcast: Any, category: str, after: UUID | None, size: int) -> People | None:
    """The next `size` people of a broadcast (a row of `broadcast` with its event's name) after that one, by class; None
    when there are no more. Writes nothing."""
    audience = Audience.of(broadcast.audience)
    span = {"after": after or FIRST_ID, "those": list(audience.those)}
    found = step.one(LAST.format(who=audience.who), until=broadcast.last_id, size=size, **span)
    if found is None:
        return None
    scopes = [f"event:{broadcast.name}", f"category:{category}"]
    classes = step.all(
        chunk_sql.classes(outward()).format(who=audience.who), last=found.id, scopes=scopes, **span
    )
    return People(found.id, sum(row.people for row in classes), classes)


def write(step: Step, broadcast: Any, says: wording.Wording, people: People) -> int:
    """Tell these people (`broadcast` is its row, with the event's name and item). Returns how many have a line."""
    chunk = _Chunk(step, broadcast, says)
    for row in people.classes:
        chunk.add(_class(row))
    flaws.note(step, says.flaws)
    chunk.write()
    return chunk.rows.people


def _class(row: Any) -> _Class:
    facts = row._mapping
    reaches = [
        Reach(channel, "", _blocked(facts, channel))
        for channel in outward()
        if facts[channel] or facts[f"{channel}_blocked"] or facts[f"{channel}_unverified"]
    ]
    quiet = None
    if row.quiet_from is not None:
        quiet = QuietHours(row.quiet_from, row.quiet_until, frozenset(row.quiet_days))
    switches = {(scope, channel): on for scope, channel, on in json.loads(row.switches or "[]")}
    choice = Choice(switches, quiet, row.digest_due_at, tuple(row.channel_order or ()))
    standing = Standing(row.role, row.zone, row.locale, row.signs_in, row.gone, tuple(reaches), choice)
    addresses = {channel: facts[f"{channel}s"][1:-1] for channel in outward()}
    return _Class(standing, row.people, row.ids[1:-1], addresses)


def _blocked(facts: Any, channel: str) -> str | None:
    if facts[f"{channel}_unverified"]:
        return NOT_VERIFIED
    return _why(facts, channel) if facts[f"{channel}_blocked"] else None


def _why(facts: Any, channel: str) -> str:
    """Why their addresses are blocked, if it is the same for all of them."""
    why: str = facts[f"{channel}_why"]
    return why if why == facts[f"{channel}_why_else"] else SEVERAL


class _Chunk:
    """Collects the classes of one chunk and writes their rows."""

    def __init__(self, step: Step, broadcast: Any, says: wording.Wording) -> None:
        self.rows = _Rows()
        self._step, self._broadcast, self._says = step, broadcast, says
        self._matter = Matter(
            broadcast.name, says.category, says.priority, says.type.channels, says.type.in_digests
        )
        self._record: dict[UUID, tuple[Plan, int]] = {}
        self._numbers: dict[tuple[str, str, str, str], int] = {}
        self._action = broadcast.action_url or says.action_url()
        self._names_reader = says.names_reader

    # --- deciding --------------------------------------------------------------------------------------------------

    def add(self, one: _Class) -> None:
        """Decide on a class and word it."""
        if one.standing.left:
            self._withhold(one, Reason.person_left, {})
            return
        try:
            words = self._words(one)
        except wording.TemplateProblem as problem:
            why = " ".join([str(problem), *(each.message for each in problem.fields)])
            self._withhold(one, Reason.template_failed, {"error": why})
            return
        decided = decide(self._matter, one.standing, self._step.now)
        key = class_id(self._broadcast.event_id, decided)
        self._record[key] = (decided, self._record.get(key, (decided, 0))[1] + one.people)
        rows = self.rows
        rows.classes += [str(len(rows.decided))] * one.people
        rows.decided.append(self._decided(one.standing, key, decided))
        rows.words += words
        rows.ids.append(one.ids)
        for channel in outward():
            rows.addresses[channel].append(one.addresses[channel])
        rows.people += one.people

    def _decided(self, standing: Standing, key: UUID, decided: Plan) -> dict[str, Any]:
        at = {message.channel: message.not_before or self._step.now for message in decided.messages}
        if any(message.not_before is None for message in decided.messages):
            self._step.wakes.add(URGENT if self._says.urgent else BULK)
        return {
            "class": len(self.rows.decided),
            "class_id": str(key),
            "signs_in": standing.signs_in,
            **{f"{channel}_at": moment.isoformat() for channel, moment in at.items()},
        }

    def _withhold(self, one: _Class, reason: Reason, detail: dict[str, Any]) -> None:
        self._step.run(
            WITHHOLD,
            event=self._broadcast.event_id,
            reason=reason.value,
            detail=json.dumps(detail),
            ids=f"{{{one.ids}}}",
        )

    # --- words -----------------------------------------------------------------------------------------------------

    def _words(self, one: _Class) -> list[str]:
        """The number of each member's words: one for all, unless they or the link name the reader."""
        private = self._broadcast.item_id is not None and not one.standing.signs_in and not self._action
        if not private and not self._names_reader:
            return [self._number(_member(one.standing))] * one.people
        ids = one.ids.split(",")
        rows = self._step.all(
            "SELECT id, name FROM person WHERE organisation_id = :org AND id = ANY(CAST(:ids AS uuid[]))",
            ids=ids,
        )
        names = {str(row.id): row.name for row in rows}
        return [self._number(_member(one.standing, each, names[each])) for each in ids]

    def _number(self, member: Member) -> str:
        action = self._action or links.to_item(world.of(self._step), member, self._broadcast.item_id)
        key = (member.role, member.zone, member.locale, action)
        number = None if member.name else self._numbers.get(key)
        if number is None:
            number = len(self.rows.worded)
            title, text = self._says.inbox(member, action)
            self.rows.worded.append({"word": number, "title": title, "text": text, "action": action})
            if not member.name:
                self._numbers[key] = number
        return str(number)

    # --- writing ---------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Lines, deliveries and decisions; open streams hear of it after the commit."""
        rows, row = self.rows, self._broadcast
        if not rows.people:
            return
        for statement in STEADY:
            self._step.conn.exec_driver_sql(statement)
        told = self._step.all(
            chunk_sql.write(outward(), every()),
            event=row.event_id,
            name=row.name,
            category=self._says.category,
            priority=row.priority,
            item=row.item_id,
            group=str(row.event_id),
            now=self._step.now,
            ids=_literal(rows.ids),
            classes=_literal(rows.classes),
            words=_literal(rows.words),
            decided=json.dumps(rows.decided),
            worded=json.dumps(rows.worded),
            head=str(new_id())[:24],
            count=int.from_bytes(os.urandom(5), "big"),
            **{f"{channel}s": _literal(rows.addresses[channel]) for channel in outward()},
        )
        self._step.run(RECORD, event=row.event_id, decisions=json.dumps(list(self._decisions())))
        self._step.news += self._spreads(told)

    def _decisions(self) -> Iterator[dict[str, Any]]:
        for key, (decided, people) in self._record.items():
            for told in decided.record:
                yield {
                    "channel": told.channel,
                    "outcome": told.outcome,
                    "reason": told.reason.value,
                    "detail": dict(told.detail),
                    "class_id": str(key),
                    "people": people,
                }

    def _spreads(self, told: Sequence[Any]) -> Iterator[Spread]:
        """One announcement for all who read the same words."""
        for number, those in groupby(told, key=itemgetter(3)):
            words = self.rows.worded[number]
            line = {
                "id": None,
                "name": self._broadcast.name,
                "title": words["title"],
                "text": words["text"],
                "priority": self._broadcast.priority,
                "category": self._says.category,
                "action_url": words["action"],
            }
            data = inbox.as_frame(line, self._step)
            shared = {name: value for name, value in data.items() if name not in ("id", "url")}
            people = [(person, seq, line_id) for person, seq, line_id, _word in those]
            yield Spread(self._step.organisation_id, "notification", shared, people)


def _member(standing: Standing, id: str = "", name: str = "") -> Member:
    """One of a class as words see them; nobody in particular unless their text is their own."""
    return Member(
        id=UUID(id) if id else FIRST_ID,
        name=name,
        role=standing.role,
        grade="",
        zone=standing.zone,
        locale=standing.locale,
        signs_in=standing.signs_in,
        left=standing.left,
        reaches=standing.reaches,
        choice=standing.choice,
    )


def _literal(parts: Sequence[str]) -> str:
    return f"{{{','.join(parts)}}}"
