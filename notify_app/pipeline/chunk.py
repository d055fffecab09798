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
from typing import Any
from uuid import UUID

from sqlalchemy import text

from notify_app.ids import new_id
from notify_app.live.announce import Spread
from notify_app.pipeline import inbox, links, wording, world
from notify_app.pipeline.audience import Member
from notify_app.pipeline.crowd import Audience
from notify_app.pipeline.step import Step
from notify_app.policy.classes import Standing, class_id, decide
from notify_app.policy.quiet import QuietHours
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import OUTWARD, Choice, Matter, Plan, Reach
from notify_app.queue import BULK, URGENT

__all__ = ["Written", "write"]

FIRST_ID = UUID(int=0)
SEVERAL = "for different reasons"

LAST = """
    SELECT id FROM (
        SELECT p.id FROM person p WHERE p.organisation_id = :org AND p.id > :after AND p.id <= :until AND {who}
        ORDER BY p.id LIMIT :size
    ) AS part ORDER BY id DESC LIMIT 1
"""


def _each(pattern: str, between: str = ", ") -> str:
    return between.join(pattern.format(c=channel) for channel in OUTWARD)


# the first usable address of a channel, and why the first of all is blocked; in the order of `audience.READ`
REACHED = _each(
    "(array_agg(a.value ORDER BY a.position, a.id) FILTER (WHERE a.channel = '{c}' AND s.reason IS NULL))[1] AS {c}, "
    "(array_agg(s.reason ORDER BY a.position, a.id) FILTER (WHERE a.channel = '{c}'))[1] AS {c}_blocked"
)
CAN_BE_REACHED = _each("r.{c} IS NOT NULL AS {c}, r.{c} IS NULL AND r.{c}_blocked IS NOT NULL AS {c}_blocked")
MEMBERS = _each(
    "array_agg(r.{c})::text AS {c}s, min(r.{c}_blocked) AS {c}_why, max(r.{c}_blocked) AS {c}_why_else"
)
FACTS = 9  # that do not depend on the channels
CLASSES = f"""
    WITH reach AS (
        SELECT a.person_id, {REACHED}
        FROM address a LEFT JOIN suppression s
          ON s.organisation_id = a.organisation_id AND s.channel = a.channel AND s.value = a.value
        WHERE a.organisation_id = :org AND a.person_id > :after AND a.person_id <= :last GROUP BY a.person_id
    ), switch AS (
        SELECT person_id, json_agg(json_build_array(scope, channel, enabled) ORDER BY scope, channel)::text AS switches
        FROM preference_choice WHERE organisation_id = :org AND person_id > :after AND person_id <= :last
         AND scope = ANY(CAST(:scopes AS text[])) GROUP BY person_id
    )
    SELECT p.role, coalesce(p.zone, o.zone) AS zone, coalesce(p.locale, o.locale) AS locale,
           p.account_id IS NOT NULL AS signs_in, p.left_at IS NOT NULL AS gone,
           f.quiet_from, f.quiet_until, f.quiet_days, w.switches, {CAN_BE_REACHED},
           count(*) AS people, array_agg(p.id)::text AS ids, {MEMBERS}
    FROM person p
    JOIN organisation o ON o.id = p.organisation_id
    LEFT JOIN reach r ON r.person_id = p.id
    LEFT JOIN switch w ON w.person_id = p.id
    LEFT JOIN preference f ON f.organisation_id = :org AND f.person_id = p.id AND f.person_id > :after AND f.person_id <= :last
    WHERE p.organisation_id = :org AND p.id > :after AND p.id <= :last AND {{who}}
    GROUP BY {", ".join(str(number + 1) for number in range(FACTS + 2 * len(OUTWARD)))}
"""

# How long the arrays are the planner cannot know, and on tables that were small when this connection first checked a
# foreign key, it would look through all of them for each row.
STEADY = (
    "SELECT set_config('enable_nestloop', 'off', true), set_config('enable_seqscan', 'off', true)",
    "DISCARD PLANS",
)

# Ids are a time-ordered head, a uuidv7's own, and a count: uuidv7() takes as long as all the joins here together.
# Counters are raised in the order of ids, as `inbox` does, so that nobody waits in a circle.
ID = "CAST(:head || lpad(to_hex(n + {place}), 12, '0') AS uuid)"
MESSAGE_IDS = ", ".join(
    f"CASE WHEN c.{channel}_at IS NOT NULL THEN {ID.format(place=place)} END AS {channel}_id"
    for place, channel in enumerate(OUTWARD, 1)
)
MESSAGES = _each(
    "SELECT :org, {c}_id, id, '{c}', {c}, 'notification', :group, :priority, "
    "CASE WHEN {c}_at > :now THEN 'quiet_hours' END, {c}_at, {c}_at, :now FROM person WHERE {c}_at IS NOT NULL",
    " UNION ALL ",
)
ITEMS = _each("SELECT :org, {c}_id, line_id FROM person WHERE {c}_at IS NOT NULL", " UNION ALL ")
WRITE = text(
    f"""
    WITH given AS (
        SELECT t.*, row_number() OVER (ORDER BY t.id) * {len(OUTWARD) + 1} + CAST(:count AS bigint) AS n
        FROM unnest(CAST(:ids AS uuid[]), CAST(:classes AS int[]), CAST(:words AS int[]), {_each("CAST(:{c}s AS text[])")})
          AS t(id, class, word, {_each("{c}")})
    ), person AS MATERIALIZED (
        SELECT given.id, word, c.class_id, c.signs_in, {_each("{c}, c.{c}_at")},
               {ID.format(place=0)} AS line_id, {MESSAGE_IDS}
        FROM given JOIN jsonb_to_recordset(CAST(:decided AS jsonb)) AS
            c(class int, class_id uuid, signs_in boolean, {_each("{c}_at timestamptz")}) USING (class)
    ), raised AS (
        INSERT INTO inbox_counter (organisation_id, person_id, seq) SELECT :org, id, 1 FROM person ORDER BY id
        ON CONFLICT (organisation_id, person_id) DO UPDATE SET seq = inbox_counter.seq + excluded.seq
        RETURNING person_id, seq
    ), line AS (
        INSERT INTO notification (organisation_id, id, event_id, person_id, name, category, priority, title, text,
                                  action_url, item_id, seq, changed_seq, class_id, created_at)
        SELECT :org, person.line_id, :event, person.id, :name, :category, :priority, w.title, w.text,
               w.action, :item, raised.seq, raised.seq, person.class_id, :now
        FROM person JOIN raised ON raised.person_id = person.id
        JOIN jsonb_to_recordset(CAST(:worded AS jsonb)) AS w(word int, title text, text text, action text) USING (word)
    ), message AS (
        INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, priority, reason,
                              due_at, next_attempt_at, created_at)
        {MESSAGES}
    ), item AS (
        INSERT INTO delivery_item (organisation_id, delivery_id, notification_id) {ITEMS}
    )
    SELECT person.id, raised.seq, person.line_id, person.word
    FROM person JOIN raised ON raised.person_id = person.id WHERE person.signs_in ORDER BY person.word
    """
)

# one row for each class and channel, however many chunks
RECORD = """
    INSERT INTO decision (organisation_id, event_id, channel, outcome, reason, detail, class_id, people)
    SELECT :org, :event, d.channel, d.outcome, d.reason, d.detail, d.class_id, d.people
    FROM jsonb_to_recordset(CAST(:decisions AS jsonb))
        AS d(channel text, outcome text, reason text, detail jsonb, class_id uuid, people int)
    ON CONFLICT (organisation_id, event_id, class_id, channel) WHERE class_id IS NOT NULL
    DO UPDATE SET people = decision.people + excluded.people
"""
# who has no line has a record of their own: there is nothing else by which to find it
WITHHOLD = """
    INSERT INTO decision (organisation_id, event_id, person_id, outcome, reason, detail)
    SELECT :org, :event, id, 'not_told', :reason, CAST(:detail AS jsonb) FROM unnest(CAST(:ids AS uuid[])) AS t(id)
"""


@dataclass(frozen=True)
class Written:
    """What a chunk was: the last of its people (None: there were none left), how many, and how many have a line."""

    last: UUID | None
    people: int
    told: int


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


def write(step: Step, broadcast: Any, says: wording.Wording, size: int) -> Written:
    """Tell the next `size` people of a broadcast (a row of `broadcast` with its event's id, name and item)."""
    audience = Audience.of(broadcast.audience)
    span = {"after": broadcast.cursor or FIRST_ID, "those": list(audience.those)}
    found = step.one(LAST.format(who=audience.who), until=broadcast.last_id, size=size, **span)
    if found is None:
        return Written(None, 0, 0)
    scopes = [f"event:{broadcast.name}", f"category:{says.category}"]
    classes = step.all(CLASSES.format(who=audience.who), last=found.id, scopes=scopes, **span)
    chunk = _Chunk(step, broadcast, says)
    for row in classes:
        chunk.add(_class(row))
    chunk.write()
    return Written(found.id, sum(row.people for row in classes), chunk.rows.people)


def _class(row: Any) -> _Class:
    facts = row._mapping
    reaches = [
        Reach(channel, "", _why(facts, channel) if facts[f"{channel}_blocked"] else None)
        for channel in OUTWARD
        if facts[channel] or facts[f"{channel}_blocked"]
    ]
    quiet = None
    if row.quiet_from is not None:
        quiet = QuietHours(row.quiet_from, row.quiet_until, frozenset(row.quiet_days))
    switches = {(scope, channel): on for scope, channel, on in json.loads(row.switches or "[]")}
    standing = Standing(
        row.role, row.zone, row.locale, row.signs_in, row.gone, tuple(reaches), Choice(switches, quiet)
    )
    addresses = {channel: facts[f"{channel}s"][1:-1] for channel in OUTWARD}
    return _Class(standing, row.people, row.ids[1:-1], addresses)


def _why(facts: Any, channel: str) -> str:
    """Why their addresses are blocked, if it is the same for all of them."""
    why: str = facts[f"{channel}_why"]
    return why if why == facts[f"{channel}_why_else"] else SEVERAL


class _Chunk:
    """Collects the classes of one chunk and writes their rows."""

    def __init__(self, step: Step, broadcast: Any, says: wording.Wording) -> None:
        self.rows = _Rows()
        self._step, self._broadcast, self._says = step, broadcast, says
        self._matter = Matter(broadcast.name, says.category, says.priority, says.type.channels)
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
        for channel in OUTWARD:
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
            WRITE,
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
            **{f"{channel}s": _literal(rows.addresses[channel]) for channel in OUTWARD},
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
        for number, those in groupby(told, key=lambda line: line.word):
            words = self.rows.worded[number]
            line = {
                "id": None,
                "title": words["title"],
                "text": words["text"],
                "priority": self._broadcast.priority,
                "category": self._says.category,
                "action_url": words["action"],
            }
            data = inbox.as_frame(line, self._step)
            shared = {name: value for name, value in data.items() if name not in ("id", "url")}
            people = [(one.id, one.seq, one.line_id) for one in those]
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
