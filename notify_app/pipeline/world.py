"""What one step knows of its organisation and what it will write: read in bulk, changed in memory, written in bulk.

A step that takes two hundred webhooks asks PostgreSQL as often as one that takes a single click: `foresee` reads the
items and people that are going to be touched (items under lock, in the order of their ids), the verbs change them
here, and `flush` writes everything by one statement a table (`pipeline.writes`). `undo` takes back what was done since a
`mark`: a message that is refused leaves nothing, and its neighbours do not notice.

First sights of one item or person wait for each other (an advisory lock each): two steps never make it twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from notify_app.domains.base import OFFICE, Item
from notify_app.domains.inputs import PersonIn
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import Words
from notify_app.pipeline.writes import Writes, write
from notify_app.policy import cover
from notify_app.policy.formats import pack, unpack
from notify_app.policy.worktime import WorkingTime
from notify_app.work import ladders, people
from notify_app.work.people import Member

__all__ = ["Held", "World", "of"]

ItemName = tuple[str, UUID, str]  # kind, source, the source's id
PersonName = tuple[UUID, str]  # source, the source's id
UNKNOWN = object()


@dataclass(frozen=True)
class Held:
    """An item's row under this step; who has which part in it is named by id, since people change too."""

    item: Item
    known_at: datetime
    people: Mapping[str, UUID]


@dataclass(frozen=True)
class OpenTask:
    """A step that waits: whose it is, and the round of the work that it belongs to."""

    id: UUID
    name: str
    round: int
    assignee_id: UUID | None
    due_at: datetime


@dataclass(frozen=True)
class Mark:
    """A point to go back to."""

    done: int
    lengths: list[int]
    wakes: set[str]
    news: int


def of(step: Step) -> World:
    """The step's world; made on first need, and written at the latest before the step commits."""
    if step.world is None:
        step.world = World(step)
        step.before_commit.append(step.world.flush)
    world: World = step.world
    return world


class World:
    """One organisation as one step sees and changes it."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.writes = Writes()
        self._members: dict[UUID, Member | None] = {}
        self._named: dict[PersonName, UUID | None] = {}
        self._held: dict[UUID, Held | None] = {}
        self._refs: dict[ItemName, UUID | None] = {}
        self._blocked: dict[tuple[str, str], str | None] = {}
        self._matching: dict[str, tuple[UUID, ...]] = {}
        self._tasks: dict[UUID, dict[str, OpenTask]] = {}
        self._plans: dict[UUID, dict[str, str]] = {}
        self._done: list[tuple[dict[Any, Any], Any, Any]] = []  # what `undo` puts back: mapping, key, value

    # --- what is read once -----------------------------------------------------------------------------------------

    @cached_property
    def words(self) -> Words:
        """Templates, branding and settings."""
        return Words(self.step)

    @cached_property
    def rules(self) -> list[ladders.Rule]:
        """The organisation's escalation rules."""
        return ladders.read_rules(self.step)

    @cached_property
    def working_time(self) -> WorkingTime:
        """When the organisation works."""
        return ladders.working_time(self.words.settings, self.words.zone)

    @property
    def office(self) -> tuple[UUID, ...]:
        """Managers and administrators."""
        return self.matching("office")

    def matching(self, word: str) -> tuple[UUID, ...]:
        """Who is meant by an audience word that needs no item: `office`, `everyone`, `role:…`, `grade:…`, joined by +."""
        if word not in self._matching:
            roles, grades = _asked(word)
            rows = self.step.all(MATCHING, roles=roles, grades=grades)
            self._matching[word] = tuple(row.id for row in rows)
        return self._matching[word]

    def foresee(
        self,
        items: Iterable[ItemName] = (),
        named: Iterable[PersonName] = (),
        addresses: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Read what is going to be touched: items under lock, people, and which of new addresses are blocked."""
        self._read_items(items)
        self._read_named(named)
        self.members(person for held in self._held.values() if held for person in held.people.values())
        self._read_blocked(addresses)

    # --- people ----------------------------------------------------------------------------------------------------

    def members(self, ids: Iterable[UUID]) -> dict[UUID, Member]:
        """Those of `ids` that are people here, by id."""
        wanted = list(dict.fromkeys(ids))
        missing = [one for one in wanted if one not in self._members]
        if missing:
            self._remember(people.read(self.step, missing))
            for one in missing:
                self._members.setdefault(one, None)
        return {one: member for one in wanted if (member := self._members[one])}

    def member(self, person_id: UUID) -> Member | None:
        """One of them."""
        if person_id not in self._members:
            self.members([person_id])
        return self._members[person_id]

    def stand_in(self, person_id: UUID) -> UUID | None:
        """Who stands in for somebody who is away now, of those who are there and have not left."""
        away: dict[UUID, UUID | None] = {}
        at: UUID | None = person_id
        while at is not None and at not in away:
            member = self.member(at)
            if member is None or member.left:
                return None
            if member.away_until is None:
                break
            away[at] = member.substitute_id
            at = member.substitute_id
        return cover.stand_in(person_id, away)

    def named(self, source_id: UUID, external_id: str) -> Member | None:
        """The person that a source calls so."""
        if (source_id, external_id) not in self._named:
            self._read_named([(source_id, external_id)])
        found = self._named[source_id, external_id]
        return self.member(found) if found else None

    def blocked(self, channel: str, address: str) -> str | None:
        """Why nothing may be sent to an address, or None."""
        self._read_blocked([(channel, address)])
        return self._blocked[channel, address]

    def keep_person(
        self,
        member: Member,
        before: Member | None,
        source_id: UUID,
        given: PersonIn,
        moved: Mapping[str, str],
    ) -> None:
        """A person is new, or not what they were; `moved` holds the addresses that became the first of a channel."""
        self._set(self._members, member.id, member)
        if before is None:
            self._set(self._named, (source_id, given.id), member.id)
        if before is None or _of_person(member) != _of_person(before):
            self.writes.people.append(
                {
                    "id": member.id,
                    "source_id": source_id,
                    "external_id": given.id,
                    "name": member.name,
                    "role": member.role,
                    "zone": given.zone,
                    "locale": given.locale,
                }
            )
        if before is not None and member.zone != before.zone:
            self.writes.rezoned.append(member.id)
        self.writes.addresses += [
            {"person_id": member.id, "channel": channel, "value": value} for channel, value in moved.items()
        ]

    def _remember(self, rows: Iterable[Any]) -> None:
        for row in rows:
            # what this step has changed already stands above what the database still says
            self._members.setdefault(row.id, people.member_of(row))
            if row.source_id:
                self._named.setdefault((row.source_id, row.external_id), row.id)

    def _read_named(self, named: Iterable[PersonName]) -> None:
        missing = [one for one in dict.fromkeys(named) if one not in self._named]
        self._remember(people.read_named(self.step, missing))
        unknown = [one for one in missing if one not in self._named]
        if unknown:
            self._wait_for_first_sights(f"person/{source}/{external}" for source, external in unknown)
            self._remember(people.read_named(self.step, unknown))
        for one in unknown:
            self._named.setdefault(one, None)

    def _read_blocked(self, addresses: Iterable[tuple[str, str]]) -> None:
        missing = [one for one in dict.fromkeys(addresses) if one not in self._blocked]
        if not missing:
            return
        rows = self.step.all(
            "SELECT channel, value, reason FROM suppression WHERE organisation_id = :org AND (channel, value) IN "
            "(SELECT * FROM unnest(CAST(:channels AS text[]), CAST(:values AS text[])))",
            channels=[channel for channel, _ in missing],
            values=[value for _, value in missing],
        )
        found = {(row.channel, row.value): row.reason for row in rows}
        self._blocked |= {one: found.get(one) for one in missing}

    # --- items -----------------------------------------------------------------------------------------------------

    def item(self, item_id: UUID, *, lock: bool = False) -> Held | None:
        """An item with its people, as this step has made it."""
        return self.items([item_id], lock=lock).get(item_id)

    def items(self, ids: Iterable[UUID], *, lock: bool = False) -> dict[UUID, Held]:
        """The same for many; locks are taken in the order of ids."""
        wanted = sorted(set(ids))
        missing = wanted if lock else [one for one in wanted if one not in self._held]
        if missing:
            self._hold("id = ANY(:ids)", lock=lock, ids=missing)
            for one in missing:
                self._held.setdefault(one, None)
        return {one: self._with_people(held) for one in wanted if (held := self._held[one])}

    def glance(self, item_id: UUID) -> Item | None:
        """An item for what it is, not for its people, which may be older: cheap enough to be asked for each person."""
        held = self._held.get(item_id)
        if held is None:
            held = self.item(item_id)
        return held.item if held else None

    def item_of(self, kind: str, source_id: UUID, external_id: str) -> Held | None:
        """The item that a source calls so, under lock; where there is none yet, the right to make it is held."""
        name = (kind, source_id, external_id)
        self._read_items([name])
        found = self._refs[name]
        return self.item(found) if found else None

    def keep_item(self, item: Item, known_at: datetime | None, name: ItemName | None = None) -> None:
        """An item is new (under the `name` that its source gave it) or changed. `known_at`: when it was so, by its
        source; None for a change that is made here and now."""
        before = self._held.get(item.id)
        at = known_at or max(self.step.now, before.known_at if before else self.step.now)
        parts = {role: person.id for role, person in item.people.items()}
        self._set(self._held, item.id, Held(item, at, parts))
        if name:
            self._set(self._refs, name, item.id)
        self.writes.items.append(
            {
                "id": item.id,
                "kind": item.kind,
                "source_id": name[1] if name else None,
                "external_id": name[2] if name else None,
                "number": item.number,
                "title": item.title,
                "status": item.status,
                "version": item.version,
                "round": item.round,
                "data": pack(item.data),
                "batch_ref": item.batch_ref,
                "known_at": at,
            }
        )
        old = before.people if before else {}
        self.writes.parts += [
            {"item_id": item.id, "role": role, "person_id": parts.get(role)}
            for role in {*old, *parts}
            if old.get(role) != parts.get(role)
        ]

    def still_known(self, held: Held, at: datetime) -> None:
        """An item's source says that nothing has changed until `at`."""
        self.keep_item(held.item, at)

    def tasks(self, item_id: UUID) -> Mapping[str, OpenTask]:
        """The steps of an item that wait, by name."""
        self._read_waiting([item_id])
        return self._tasks[item_id]

    def keep_tasks(self, item: Item, tasks: Mapping[str, OpenTask], rows: Iterable[dict[str, Any]]) -> None:
        """What waits for somebody now, and the rows that say how it came to that."""
        self._set(self._tasks, item.id, dict(tasks))
        self.writes.tasks += rows

    def plan(self, item_id: UUID) -> Mapping[str, str]:
        """What is or was planned for an item: key → state."""
        self._read_waiting([item_id])
        return self._plans[item_id]

    def keep_plan(self, item: Item, plan: Mapping[str, str], rows: Iterable[dict[str, Any]]) -> None:
        """What is planned now, and its rows."""
        self._set(self._plans, item.id, dict(plan))
        self.writes.reminders += rows

    def _read_waiting(self, ids: Iterable[UUID]) -> None:
        missing = [one for one in dict.fromkeys(ids) if one not in self._tasks]
        if not missing:
            return
        self._tasks |= {one: {} for one in missing}
        self._plans |= {one: {} for one in missing}
        for row in self.step.all(
            "SELECT item_id, id, name, round, assignee_id, due_at FROM task WHERE organisation_id = :org "
            "AND item_id = ANY(:ids) AND closed_at IS NULL",
            ids=missing,
        ):
            found = OpenTask(row.id, row.name, row.round, row.assignee_id, row.due_at)
            self._tasks[row.item_id][row.name] = found
        for row in self.step.all(
            "SELECT item_id, key, state FROM reminder WHERE organisation_id = :org AND item_id = ANY(:ids)",
            ids=missing,
        ):
            self._plans[row.item_id][row.key] = row.state

    def _read_items(self, names: Iterable[ItemName]) -> None:
        missing = [one for one in dict.fromkeys(names) if one not in self._refs]
        if not missing:
            return
        self._hold_named(missing)
        unknown = [one for one in missing if one not in self._refs]
        if unknown:
            self._wait_for_first_sights(f"{source}/{kind}/{external}" for kind, source, external in unknown)
            self._hold_named(unknown)
        for one in unknown:
            self._refs.setdefault(one, None)

    def _hold_named(self, names: list[ItemName]) -> None:
        kinds, sources, externals = zip(*names, strict=True)
        self._hold(
            "(kind, source_id, external_id) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:sources AS uuid[]), "
            "CAST(:externals AS text[])))",
            lock=True,
            kinds=list(kinds),
            sources=list(sources),
            externals=list(externals),
        )

    def _hold(self, which: str, *, lock: bool, **values: Any) -> None:
        rows = self.step.all(
            f"SELECT * FROM work_item WHERE organisation_id = :org AND {which} ORDER BY id "
            f"{'FOR UPDATE' if lock else ''}",
            **values,
        )
        # what this step has changed is under its lock already
        rows = [row for row in rows if row.id not in self._held or not self._changed(row.id)]
        if not rows:
            return
        parts: dict[UUID, dict[str, UUID]] = {row.id: {} for row in rows}
        for part in self.step.all(
            "SELECT item_id, role, person_id FROM item_person WHERE organisation_id = :org AND item_id = ANY(:ids)",
            ids=list(parts),
        ):
            parts[part.item_id][part.role] = part.person_id
        for row in rows:
            self._held[row.id] = Held(_item(row), row.known_at, parts[row.id])
            if row.source_id:
                self._refs[row.kind, row.source_id, row.external_id] = row.id

    def _changed(self, item_id: UUID) -> bool:
        return any(row["id"] == item_id for row in self.writes.items)

    def _with_people(self, held: Held) -> Held:
        known = self.members(held.people.values())
        refs = {role: known[person].ref for role, person in held.people.items() if person in known}
        return Held(_peopled(held.item, refs), held.known_at, held.people)

    def _wait_for_first_sights(self, names: Iterable[str]) -> None:
        self.step.one(
            "SELECT count(pg_advisory_xact_lock(key)) FROM (SELECT DISTINCT hashtextextended(name, 0) AS key "
            "FROM unnest(CAST(:names AS text[])) AS t(name) ORDER BY 1) AS k",
            names=list(names),
        )

    # --- going back ------------------------------------------------------------------------------------------------

    def _set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        self._done.append((mapping, key, mapping.get(key, UNKNOWN)))
        mapping[key] = value

    def mark(self) -> Mark:
        """The state of now."""
        return Mark(len(self._done), self.writes.lengths(), set(self.step.wakes), len(self.step.news))

    def undo(self, mark: Mark) -> None:
        """Back to a mark, as if nothing had been asked since."""
        while len(self._done) > mark.done:
            mapping, key, value = self._done.pop()
            if value is UNKNOWN:
                del mapping[key]
            else:
                mapping[key] = value
        self.writes.cut(mark.lengths)
        self.step.wakes = set(mark.wakes)
        del self.step.news[mark.news :]

    # --- writing ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits. Raises what PostgreSQL raises; the step is then to be given up."""
        writes, self.writes = self.writes, Writes()
        write(self.step, writes)


def _item(row: Any) -> Item:
    return Item(
        row.id,
        row.kind,
        row.number,
        row.title,
        row.status,
        row.version,
        unpack(row.data),
        {},
        row.batch_ref,
        row.round,
    )


def _peopled(item: Item, refs: Mapping[str, Any]) -> Item:
    return replace(item, people=refs)


def _of_person(member: Member) -> tuple[Any, ...]:
    return member.name, member.zone, member.locale, member.left


MATCHING = """
    SELECT id FROM person WHERE organisation_id = :org AND left_at IS NULL
    AND (CAST(:roles AS text[]) IS NULL OR role = ANY(:roles))
    AND (CAST(:grades AS text[]) IS NULL OR grade = ANY(:grades)) ORDER BY id
"""


def _asked(word: str) -> tuple[list[str] | None, list[str] | None]:
    """The roles and grades of which a word wants one each; None where any will do."""
    if word == "everyone":
        return None, None
    if word == "office":
        return list(OFFICE), None
    parts = dict(part.split(":", 1) for part in word.split("+"))
    return ([parts["role"]] if "role" in parts else None), ([parts["grade"]] if "grade" in parts else None)
