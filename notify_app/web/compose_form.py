"""The form in which a message is written: what was typed, what it means, and the seal that a preview carries.

Nothing is kept here. What cannot be used is raised as Invalid, which names each field; what was typed stays typed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app import domains
from notify_app.domains.base import Happening, Priority
from notify_app.domains.fields import Field, FieldKind
from notify_app.errors import FieldError, Invalid, NotFound
from notify_app.ids import new_id
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, hub
from notify_app.policy.formats import pack, unpack
from notify_app.policy.wall import NoSuchTime, instant_of
from notify_app.secrets import Secrets
from notify_app.web.words import uuid_or_none
from notify_app.work import addressees, messages
from notify_app.work.messages import Letter

__all__ = ["OWN_WORDS", "Sheet", "happening_of", "letter_of", "mark_of", "open_preview", "seal_preview"]

OWN_WORDS = "message"
LONGEST = 2000
MOST_CHOSEN = 500
LONGEST_ADDRESS = 3500  # of a preview: what the web server takes in one request line, with room to spare


def happening_of(kind: str) -> Happening | None:
    """What the address asks for; None for a message in one's own words. Raises NotFound."""
    if kind == OWN_WORDS:
        return None
    found = domains.happening(kind)
    if found is None or not found.by:
        raise NotFound("Nothing like that can be sent from here.")
    return found


@dataclass
class Sheet:
    """A form as it was filled in; every value is text."""

    happening: Happening | None
    values: dict[str, str] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    chosen: list[UUID] = field(default_factory=list)
    priority: str = Priority.medium.value
    item: str = ""
    later: bool = False
    at: str = ""
    q: str = ""
    key: str = ""
    seen: str = ""
    confirmed: bool = False

    @classmethod
    def blank(cls, happening: Happening | None) -> Sheet:
        """Before anything is typed. Whom a happening is for unless others are chosen is ticked."""
        groups = [word for word in happening.event.audience if word in addressees.GROUPS] if happening else []
        return cls(happening, groups=groups, key=new_id().hex)

    @classmethod
    def of(cls, happening: Happening | None, form: MultiDict[str, str]) -> Sheet:
        """From a form that was sent."""
        chosen = [found for value in form.getlist("person")[:MOST_CHOSEN] if (found := uuid_or_none(value))]
        return cls(
            happening,
            {one.name: form.get(one.name, "")[: LONGEST + 1] for one in messages.fields(happening)},
            [word for word in addressees.GROUPS if word in form.getlist("to")],
            list(dict.fromkeys(chosen)),
            form.get("priority", Priority.medium.value),
            form.get("item", "").strip()[:200],
            form.get("when") == "later",
            form.get("at", "")[:40],
            form.get("q", "").strip()[:100],
            form.get("key", "")[:64] or new_id().hex,
            form.get("seen", "")[:64],
            form.get("confirm") == "1",
        )

    @classmethod
    def again(cls, letter: Letter) -> Sheet:
        """A message that was written before, to be changed or sent once more. Secrets are typed anew."""
        kept = [one.name for one in messages.fields(letter.happening) if not one.secret]
        values = {name: _typed(letter.facts[name]) for name in kept if name in letter.facts}
        groups = [word for word in letter.audience if word in addressees.GROUPS]
        priority = (letter.priority or Priority.medium).value
        return cls(
            letter.happening, values, groups, addressees.named(letter.audience), priority, key=new_id().hex
        )

    @property
    def kind(self) -> str:
        return self.happening.name if self.happening else OWN_WORDS

    @property
    def fixed(self) -> bool:
        """Whether its event says by itself whom it is for."""
        return self.happening is not None and not self.happening.people

    @property
    def schedulable(self) -> bool:
        """What is urgent by its nature is not put off."""
        return self.happening is None or self.happening.event.priority is not Priority.urgent

    @property
    def words(self) -> tuple[str, ...]:
        if self.fixed and self.happening:
            return self.happening.event.audience
        return (*self.groups, *(f"{addressees.PERSON}{one}" for one in self.chosen))


def _typed(value: Any) -> str:
    if isinstance(value, datetime) or value is None:
        return ""  # a time that was right then is typed anew
    amount = getattr(value, "amount", value)
    return str(amount)


def letter_of(work: Step, sheet: Sheet, zone: str) -> Letter:
    """What it says, typed. Raises Invalid, which names every field that cannot be used."""
    problems: list[FieldError] = []
    known = world.of(work)
    facts: dict[str, Any] = {}
    item = due_at = None
    try:
        facts = messages.read(known, sheet.happening, _given(sheet, zone, problems))
    except Invalid as error:
        problems += [one for one in error.fields if one.field not in {known.field for known in problems}]
    try:
        addressees.check(known, sheet.words)
    except Invalid as error:
        problems += error.fields
    if sheet.happening is None:
        try:
            item = messages.about(work, sheet.item)
        except Invalid as error:
            problems += error.fields
    if sheet.later and sheet.schedulable:
        due_at = _due(sheet.at, zone, work.now, problems)
    if problems:
        raise Invalid(_("Something cannot be used yet. What is wrong is said beside it."), *problems)
    priority = _priority(sheet.priority) if sheet.happening is None else None
    return Letter(sheet.happening, facts, sheet.words, priority, item.id if item else None, due_at)


def _given(sheet: Sheet, zone: str, problems: list[FieldError]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for one in messages.fields(sheet.happening):
        value: Any = sheet.values.get(one.name, "").replace("\r\n", "\n").strip()
        if value and one.kind is FieldKind.moment:
            value = _moment(one, value, zone, problems)
        given[one.name] = value
    return given


def _moment(one: Field, value: str, zone: str, problems: list[FieldError]) -> str:
    try:
        return instant_of(value, zone).isoformat()
    except NoSuchTime:
        problems.append(FieldError(one.name, _("The clocks are put forward over this time. Choose another.")))
    except ValueError:
        problems.append(FieldError(one.name, _("Give a day and a time.")))
    return ""


def _due(typed: str, zone: str, now: datetime, problems: list[FieldError]) -> datetime | None:
    try:
        at = instant_of(typed, zone)
    except NoSuchTime:
        problems.append(FieldError("at", _("The clocks are put forward over this time. Choose another.")))
        return None
    except ValueError:
        problems.append(FieldError("at", _("Give the day and the time at which it is to leave.")))
        return None
    if at <= now:
        problems.append(FieldError("at", _("This time has passed. Choose a later one, or send it now.")))
    elif at.year > now.year + 2:
        problems.append(FieldError("at", _("Choose a time within the next two years.")))
    return at


def _priority(word: str) -> Priority:
    try:
        return Priority.of(word)
    except ValueError:
        return Priority.medium


# --- what a preview carries ----------------------------------------------------------------------------------------


def mark_of(letter: Letter) -> str:
    """Tells whether what is sent is what was looked at."""
    said = {
        "kind": letter.happening.name if letter.happening else OWN_WORDS,
        "facts": pack(dict(letter.facts)),
        "audience": sorted(letter.audience),  # the page lists people by name
        "priority": letter.priority,
        "item": str(letter.item_id),
        "due": str(letter.due_at),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def seal_preview(letter: Letter, reader: UUID, viewer: UUID) -> str:
    """What the address of a mail's preview carries, sealed for its viewer: nothing of it is readable in a log, nobody
    else can open it or make one. '' where it would be too long for an address."""
    said = {
        "kind": letter.happening.name if letter.happening else OWN_WORDS,
        "facts": pack(dict(letter.facts)),
        "priority": letter.priority,
        "item": str(letter.item_id) if letter.item_id else None,
        "reader": str(reader),
    }
    packed = base64.b64encode(zlib.compress(json.dumps(said).encode(), 9)).decode()
    sealed = base64.urlsafe_b64encode(_secrets().seal(packed, f"preview/{viewer}")).decode()
    return sealed if len(sealed) <= LONGEST_ADDRESS else ""


def open_preview(sealed: str, viewer: UUID) -> tuple[Letter, UUID]:
    """The letter, and who reads it. Raises NotFound for what was not sealed here for this viewer."""
    try:
        packed = _secrets().open(base64.urlsafe_b64decode(sealed.encode()), f"preview/{viewer}")
    except (ValueError, UnicodeEncodeError):
        raise NotFound("There is no such preview.") from None
    said = json.loads(zlib.decompress(base64.b64decode(packed)))
    item = UUID(said["item"]) if said["item"] else None
    priority = Priority(said["priority"]) if said["priority"] else None
    letter = Letter(happening_of(said["kind"]), unpack(said["facts"]), (), priority, item)
    return letter, UUID(said["reader"])


def _secrets() -> Secrets:
    return Secrets(hub().secret_key)
