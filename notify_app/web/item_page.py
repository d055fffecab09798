"""What the page of an item shows: the item, its people and where they are reached, its facts, and the next actions.

Reads and shapes; what is done to an item stands in `web.item`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, PersonRef, Transition, WorkKind
from notify_app.errors import NotFound
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.web.identity import Membership
from notify_app.web.reader import Reader, reader
from notify_app.web.timeline import timeline
from notify_app.web.words import is_office, item_url, option
from notify_app.work import apply

__all__ = ["final", "values"]

# facts that are a place to drive to
PLACES = ("location",)
DIRECTIONS = "https://www.openstreetmap.org/search?query={}"

ROW = "SELECT kind, created_at, updated_at FROM work_item WHERE organisation_id = :org AND id = :id"
ADDRESSES = """
    SELECT DISTINCT ON (person_id, channel) person_id, channel, value FROM address
    WHERE organisation_id = :org AND person_id = ANY(:people) ORDER BY person_id, channel, position, id
"""
TECHNICIANS = """
    SELECT id, name FROM person WHERE organisation_id = :org AND role = :role AND left_at IS NULL ORDER BY lower(name), id
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
    def assignable(self) -> str:
        """The role in the organisation of those who can be assigned to it."""
        return self.kind.roles[self.kind.assignable] if self.kind.assignable else ""

    @property
    def concerned(self) -> bool:
        """Whether the viewer has a part in the item now."""
        return any(one.id == self.member.person_id for one in self.item.people.values())

    @property
    def actor(self) -> apply.Actor:
        return apply.Actor(self.member.role, self.member.person_id)


def values(work: Step, id: UUID, member: Membership) -> dict[str, Any]:
    """The page's context but for what went wrong. Raises NotFound."""
    found = _find(work, id, member)
    read = reader(work.now)
    addresses = _addresses(work, found)
    able = work.all(TECHNICIANS, role=found.assignable) if _assigns(found) else []
    return {
        "item": _head(found, read),
        "people": _people(found, addresses),
        "facts": _facts(found, read),
        "actions": _actions(work, found, able),
        "timeline": timeline(
            work, found.item, found.kind, read, me=member.person_id, everything=found.office
        ),
    }


def _find(work: Step, id: UUID, member: Membership) -> Found:
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
        "kind_title": kind.title,
        "title": item.title,
        "state": item.status,
        "state_title": kind.statuses[item.status],
        "version": item.version,
        "created": read.when(found.created_at),
        "updated": read.when(found.updated_at),
        "url": item_url(found.member.role, item.id),
    }


def _addresses(work: Step, found: Found) -> dict[tuple[UUID, str], str]:
    """Where the item's people are reached: for the office, and for the technician who has the job now."""
    if not (found.office or (found.member.role == "technician" and found.concerned)):
        return {}
    rows = work.all(ADDRESSES, people=[one.id for one in found.item.people.values()])
    return {(row.person_id, row.channel): row.value for row in rows}


def _people(found: Found, addresses: dict[tuple[UUID, str], str]) -> list[dict[str, Any]]:
    people = found.item.people
    return [_person(role, people[role], addresses) for role in found.kind.roles if role in people]


def _person(role: str, one: PersonRef, addresses: dict[tuple[UUID, str], str]) -> dict[str, Any]:
    phone, mail = addresses.get((one.id, "sms"), ""), addresses.get((one.id, "email"), "")
    return {
        "role": role.capitalize(),
        "name": one.name,
        "detail": phone or mail,
        "tel": phone if phone.startswith("+") else "",
        "mail": mail if "@" in mail else "",
        "url": None,
    }


def _facts(found: Found, read: Reader) -> list[dict[str, Any]]:
    facts = []
    for field in found.kind.fields:
        value = found.item.data.get(field.name)
        if value is None or value == "":
            continue
        text = read.shaped(value)
        facts.append(
            {
                "title": field.title,
                "value": text,
                "when": read.when(value) if isinstance(value, datetime) else None,
                "map_url": DIRECTIONS.format(quote(text)) if field.name in PLACES else "",
            }
        )
    if found.item.batch_ref and found.office:
        facts.append({"title": _("Batch"), "value": found.item.batch_ref, "when": None, "map_url": ""})
    return facts


def _assigns(found: Found) -> bool:
    return found.office and bool(found.kind.assignable) and found.item.status not in final(found.kind)


def final(kind: WorkKind) -> set[str]:
    """The states that no action leads out of."""
    return set(kind.statuses) - {origin for move in kind.transitions for origin in move.origins}


def _actions(work: Step, found: Found, technicians: list[Any]) -> list[dict[str, Any]]:
    verbs = apply.allowed(world.of(work), found.kind, found.item, found.actor)
    moves = [_move(found, move) for move in verbs if isinstance(move, Transition)]
    return moves + ([_assign(found, technicians)] if _assigns(found) else [])


def _move(found: Found, move: Transition) -> dict[str, Any]:
    last = move.target in final(found.kind)
    return {
        "name": move.verb,
        "title": move.title,
        "url": f"{item_url(found.member.role, found.item.id)}/{move.verb}",
        "primary": move.primary,
        "danger": move.danger,
        "reason": "reason" in move.needs,
        "reason_title": _("Reason, told to those concerned"),
        "confirm": _("Those concerned are told at once, and this cannot be taken back.") if last else "",
        "choices": [],
        "choices_title": "",
        "done_title": move.title,
    }


def _assign(found: Found, technicians: list[Any]) -> dict[str, Any]:
    role = found.kind.assignable or ""
    now = found.item.people.get(role)
    nobody = option("", _("Nobody"), str(now.id) if now else "")
    return {
        "name": "assign",
        "title": _("Assign somebody else") if now else _("Assign"),
        "url": f"{item_url(found.member.role, found.item.id)}/assign",
        "primary": False,
        "danger": False,
        "reason": False,
        "reason_title": "",
        "confirm": "",
        "choices": [
            nobody,
            *(option(str(one.id), one.name, str(now.id) if now else "") for one in technicians),
        ],
        "choices_title": role.capitalize(),
        "done_title": _("Assign"),
    }
