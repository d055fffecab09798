"""What the page of an item shows, for every kind from its declarations: people and where they are reached, facts, what
waits for whom, what is planned, the next actions, and all that happened.

Reads and shapes; what is done to an item stands in `web.item`. It costs the same number of statements however much
there is to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app import domains
from notify_app.domains.base import Field, FieldKind, Item, PersonRef, Verb, WorkKind
from notify_app.domains.fields import plain
from notify_app.errors import NotFound
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.web import verb_form, verbs, waiting
from notify_app.web.identity import Membership
from notify_app.web.reader import Reader, reader
from notify_app.web.timeline import timeline
from notify_app.web.words import is_office, item_url
from notify_app.work import apply

__all__ = ["Found", "Tried", "facts_of", "find", "values", "verbs_of"]

# facts that are a place to drive to
PLACES = ("location",)
DIRECTIONS = "https://www.openstreetmap.org/search?query={}"

ROW = "SELECT kind, created_at, updated_at FROM work_item WHERE organisation_id = :org AND id = :id"
ADDRESSES = """
    SELECT DISTINCT ON (person_id, channel) person_id, channel, value FROM address
    WHERE organisation_id = :org AND person_id = ANY(:people) ORDER BY person_id, channel, position, id
"""


@dataclass(frozen=True)
class Found:
    """An item, and as whom the viewer sees it."""

    member: Membership
    item: Item
    kind: WorkKind
    created_at: datetime
    updated_at: datetime

    @property
    def office(self) -> bool:
        return is_office(self.member)

    @property
    def concerned(self) -> bool:
        """Whether the viewer has a part in the item now."""
        return any(one.id == self.member.person_id for one in self.item.people.values())

    @property
    def actor(self) -> apply.Actor:
        return apply.Actor(self.member.role, self.member.person_id)

    @property
    def url(self) -> str:
        return item_url(self.member.role, self.item.id, self.kind.name)


@dataclass(frozen=True)
class Tried:
    """An action that was not possible: what was typed, and what is wrong, by field."""

    verb: str
    typed: MultiDict[str, str]
    problems: dict[str, str]


def values(work: Step, id: UUID, member: Membership, tried: Tried | None = None) -> dict[str, Any]:
    """The page's context but for what went wrong. Raises NotFound."""
    found = find(work, id, member)
    read = reader(work.now)
    addresses = _addresses(work, found)
    people = _people(found, addresses)
    facts = _facts(found, read)
    return {
        "item": _head(found, read),
        "people": people,
        "facts": facts,
        "quick": _quick(found, people, facts),
        "actions": _actions(work, found, read, tried),
        "tasks": waiting.tasks(work, found.item, found.kind, read, member.person_id, office=found.office),
        "planned": waiting.planned(work, found.item, found.kind, read),
        "timeline": timeline(
            work, found.item, found.kind, read, me=member.person_id, role=member.role, everything=found.office
        ),
    }


def find(work: Step, id: UUID, member: Membership) -> Found:
    """The item for this viewer. Raises NotFound."""
    item = apply.load(work, id)
    row = work.one(ROW, id=id)
    kind = domains.kind(item.kind)
    if kind is None:
        raise NotFound(f"Items of the kind {item.kind} are not known to this release.")
    return Found(member, item, kind, row.created_at, row.updated_at)


def _head(found: Found, read: Reader) -> dict[str, Any]:
    item, kind = found.item, found.kind
    return {
        "id": str(item.id),
        "number": item.number,
        "kind": kind.name,
        "kind_title": kind.title,
        "title": item.title,
        "state": item.status,
        "state_title": kind.statuses[item.status],
        "version": item.version,
        "created": read.when(found.created_at),
        "updated": read.when(found.updated_at),
        "url": found.url,
    }


# --- people --------------------------------------------------------------------------------------------------------


def _addresses(work: Step, found: Found) -> dict[tuple[UUID, str], str]:
    """Where the item's people are reached: for the office, and for the technician who has a part in it now."""
    if not (found.office or (found.member.role == "technician" and found.concerned)):
        return {}
    rows = work.all(ADDRESSES, people=[one.id for one in found.item.people.values()])
    return {(row.person_id, row.channel): row.value for row in rows}


def _people(found: Found, addresses: dict[tuple[UUID, str], str]) -> list[dict[str, Any]]:
    people, me = found.item.people, found.member.person_id
    return [_person(role, people[role], addresses, me) for role in found.kind.roles if role in people]


def _person(role: str, one: PersonRef, addresses: dict[tuple[UUID, str], str], me: UUID) -> dict[str, Any]:
    phone, mail = addresses.get((one.id, "sms"), ""), addresses.get((one.id, "email"), "")
    mine = one.id == me
    return {
        "role": role.capitalize(),
        "name": _("%(name)s (you)", name=one.name) if mine else one.name,
        "detail": "" if mine else phone or mail,
        "tel": phone if phone.startswith("+") and not mine else "",
        "mail": mail if "@" in mail and not mine else "",
        "url": None,
    }


def _quick(found: Found, people: list[dict[str, Any]], facts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What somebody on the road presses first: whom the work is for, and the way there."""
    if found.member.role != "technician":
        return None
    call = next((one for one in people if one["tel"]), None)
    place = next((one["map_url"] for one in facts if one["map_url"]), "")
    return {"call": call, "map_url": place} if call or place else None


# --- facts ---------------------------------------------------------------------------------------------------------


def _facts(found: Found, read: Reader) -> list[dict[str, Any]]:
    facts = facts_of(found.kind, found.item, read)
    if found.item.batch_ref and found.office:
        facts.append({"title": _("Batch"), "lines": [found.item.batch_ref], "when": None, "map_url": ""})
    return facts


def facts_of(kind: WorkKind, item: Item, read: Reader) -> list[dict[str, Any]]:
    """The facts that last, as words: several lines for records. What belongs to one change is on the timeline."""
    return [
        _fact(one, item.data[one.name], read)
        for one in kind.fields
        if not (one.passing or one.secret) and item.data.get(one.name) not in (None, "", [])
    ]


def _fact(one: Field, value: Any, read: Reader) -> dict[str, Any]:
    words = plain(one, value)
    lines = [str(line) for line in words] if one.kind is FieldKind.records else [read.shaped(words)]
    return {
        "title": one.title,
        "lines": lines,
        "when": read.when(value) if isinstance(value, datetime) else None,
        "map_url": DIRECTIONS.format(quote(lines[0])) if one.name in PLACES else "",
    }


# --- what next -----------------------------------------------------------------------------------------------------


def verbs_of(work: Step, found: Found) -> list[Verb]:
    """What the viewer may do to it now, as declared."""
    able = apply.allowed(world.of(work), found.kind, found.item, found.actor)
    over = {*found.kind.closed, *found.kind.removed}
    if found.office and found.kind.assignable and found.item.status not in over:
        able.append(verb_form.assigning(found.kind))
    return able


def _actions(work: Step, found: Found, read: Reader, tried: Tried | None) -> list[dict[str, Any]]:
    able = verbs_of(work, found)
    people = verb_form.people_for(work, able, found.kind)
    doing = found.actor.doing(world.of(work))
    actions = [
        verbs.shaped(
            found.kind,
            verb,
            found.item,
            people,
            read.zone,
            found.url,
            against=against,
            typed=tried.typed if tried and tried.verb == verb.verb else None,
            problems=tried.problems if tried and tried.verb == verb.verb else None,
        )
        for verb, against in verbs.offered(found.kind, able, found.item, doing)
    ]
    # one way leads forward; a second one is as good as any other
    first = next((one for one in actions if one["primary"] and not one["against"]), None)
    return [one | {"primary": one is first} for one in actions]
