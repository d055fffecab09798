"""What happens without an item, reported by a program: an emergency, a visitor, a part that runs low (C6).

The same as on the page *Write*, by the same functions: whoever a happening's `by` names may report it, for people an
administrator where the event is theirs alone. It is for those whom its event names, or those whom `to` names in words.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response
from flask.typing import ResponseReturnValue
from pydantic import Field

from notify_app import domains
from notify_app.domains.base import Happening
from notify_app.domains.inputs import StrictInput
from notify_app.errors import FieldError, Forbidden, Invalid, NotFound
from notify_app.ids import new_id
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import World
from notify_app.web.api import call
from notify_app.web.api.access import Caller, caller, room
from notify_app.web.guard import allow
from notify_app.work import addressees, messages
from notify_app.work.messages import Letter

__all__ = ["MOST_NAMED", "HappeningIn", "blueprint"]

blueprint = room("api_happenings")

MOST_NAMED = 500


class HappeningIn(StrictInput):
    """What has happened, and whom it is for: words of an audience (`everyone`, `office`, `role:technician`, `grade:A`,
    `person:<id>`). Without `to` it is for those whom its event names."""

    values: dict[str, Any] = Field(default_factory=dict)
    to: list[Annotated[str, Field(max_length=100)]] | None = Field(None, max_length=MOST_NAMED)


@blueprint.post("/happenings/<name>")
@allow("key")
def report(name: str) -> ResponseReturnValue:
    """Tell of it, now. Raises NotFound, Forbidden, Invalid."""
    who, asked = caller(), call.body_of(HappeningIn)
    if isinstance(asked, Response):
        return asked
    happening = domains.happening(name)
    if happening is None:
        raise NotFound("There is no happening of that name.")

    def change(work: Step) -> call.Answer:
        known = world.of(work)
        _check_right(known, who, happening)
        letter = _letter(known, happening, asked)
        people = len(addressees.people(known, letter.audience))
        written = messages.write(work, who.person_id, letter, new_id().hex)
        event = work.one(
            "SELECT event_id FROM written_message WHERE organisation_id = :org AND id = :id", id=written.id
        )
        return 201, {
            "id": str(written.id),
            "happening": happening.name,
            "event": happening.event.name,
            "event_id": str(event.event_id),
            "people": people,
        }

    return call.once(who, change)


def _check_right(known: World, who: Caller, happening: Happening) -> None:
    member = known.member(who.person_id)
    if member is None or not messages.may(member.ref, happening):
        raise Forbidden(f"{who.name} may not report this: {happening.event.title.lower()}.")


def _letter(known: World, happening: Happening, asked: HappeningIn) -> Letter:
    """What it says and for whom. Raises Invalid, which names each field by its place in the body."""
    problems: list[FieldError] = []
    facts: dict[str, Any] = {}
    audience = tuple(dict.fromkeys(asked.to)) if asked.to is not None else happening.event.audience
    try:
        facts = messages.read(known, happening, asked.values)
    except Invalid as error:
        problems += [FieldError(f"values.{one.field}", one.message) for one in error.fields]
    if asked.to is not None and not happening.people:
        problems.append(FieldError("to", "This is for the same people each time: leave it out."))
    else:
        try:
            addressees.check(known, audience)
        except Invalid as error:
            problems += error.fields
    if problems:
        raise Invalid("Some fields cannot be used.", *problems)
    return Letter(happening, facts, audience)
