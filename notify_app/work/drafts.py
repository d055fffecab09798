"""An office's template while it is being written: how every channel would say it, with the event's sample facts.

Written by the same words and in the same sandbox as what is sent, so that what is seen is what leaves; a field that fails
shows the built-in text and says why. Nothing is written down. `look` asks the database, `try_out` may take its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import EventType, Priority
from notify_app.domains.hub import GENERAL
from notify_app.errors import NotFound
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.render import FIELDS, source_of
from notify_app.pipeline.sandbox_child import check_source
from notify_app.pipeline.shaping import shape
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import TemplateProblem, Wording, Words
from notify_app.work import templates
from notify_app.work.forecast import PRIVATE

__all__ = ["Desk", "TriedOut", "built_in", "facts", "look", "try_out"]

NOBODY = UUID(int=0)
MOST_PARTS = 40
COMMON = ("person.name", "person.first_name", "organisation.name", "branding.company_name", "link")


@dataclass(frozen=True)
class Desk:
    """What is known of an event whose template is being written: its own row or None, the words of its office, who
    writes it."""

    type: EventType
    row: Any
    office: Words
    reader: Member


@dataclass(frozen=True)
class TriedOut:
    """What each channel would say; `problems` names the fields that cannot be used, and why. `whole` is the SMS before it
    is cut to what the office allows."""

    inbox: tuple[str, str] = ("", "")
    mail: Mapping[str, str] = field(default_factory=dict)
    sms: str = ""
    whole: str = ""
    priority: Priority = Priority.medium
    problems: Mapping[str, str] = field(default_factory=dict)


def look(step: Step, event: str, reader: UUID) -> Desk:
    """Raises NotFound for what is neither an event nor a template of the office's own."""
    row, office = templates.find(step, event), Words(step)
    if row is None and domains.event(event) is None:
        raise NotFound("There is no such message.")
    return Desk(office.event(event), row, office, members(step, [reader])[reader])


def built_in(event: str) -> dict[str, str]:
    """The built-in source of every field; nothing for a template of the office's own, which has none."""
    home = domains.pack_of(event)
    return {name: source_of(home.name, event, name).strip() for name in FIELDS} if home else {}


def try_out(desk: Desk, values: Mapping[str, str]) -> TriedOut:
    """The values of a form, as they would be sent."""
    says = _words(desk, values)
    action = says.action_url() or PRIVATE
    problems = _unreadable(desk, values)
    try:
        inbox = says.inbox(desk.reader, action)
        mail, sms = says.bodies("email", desk.reader, action), says.bodies("sms", desk.reader, action)
    except TemplateProblem as problem:  # of a template of one's own, whose facts nobody knows
        return TriedOut(problems=problems | {one.field: one.message for one in problem.fields})
    failed = {name: _sentence(reason) for name, reason in says.failures.items()}
    whole = _roomy(desk, values).bodies("sms", desk.reader, action)["text"]
    return TriedOut(inbox, mail, sms["text"], whole, says.priority, failed | problems)


def facts(desk: Desk, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the event's messages may speak of: the name, and the sample's value as an email says it."""
    says = _words(desk, values)
    context = {**says.payload, **desk.office.context(says, desk.reader, PRIVATE)}
    shaped = shape(context, "email", desk.reader.zone, desk.reader.locale)
    own = [one for name in says.payload for one in _flat(name, shaped[name])]
    return own + [(path, str(_at(shaped, path))) for path in COMMON]


def _words(desk: Desk, values: Mapping[str, str]) -> Wording:
    own = {name: values.get(name) or None for name in (*templates.SOURCES, "action_url")}
    # a draft has no flaws to be told of: it is as if that had been done
    row = SimpleNamespace(id=NOBODY, version=0, broken_at=True, **own)
    chosen = values.get("priority", "")
    priority = Priority.of(chosen) if chosen in list(Priority) else desk.type.priority
    payload = dict(desk.type.sample)
    if domains.event(desk.type.name) is None and not payload:
        payload = {name: value for name, value in GENERAL.sample.items() if name == "headline"}
    for path in _required(values):
        _stand_in(payload, path.split("."))
    return Wording(desk.office, desk.type, row, priority, desk.type.category, payload)


def _roomy(desk: Desk, values: Mapping[str, str]) -> Wording:
    """The same words where an SMS may be as long as it likes."""
    office = copy(desk.office)
    office.settings = office.settings.model_copy(update={"sms_segments": MOST_PARTS})
    return _words(replace(desk, office=office), values)


def _required(values: Mapping[str, str]) -> list[str]:
    return [one.strip() for one in values.get("requires", "").split(",") if one.strip()]


def _stand_in(payload: dict[str, Any], path: Sequence[str]) -> None:
    """A fact that a program is to give, and the sample does not have, is called by its own name."""
    first, *rest = path
    if not rest:
        payload.setdefault(first, first.replace("_", " "))
    elif isinstance(payload.setdefault(first, {}), Mapping):
        inner = dict(payload[first])
        _stand_in(inner, rest)
        payload[first] = inner


def _unreadable(desk: Desk, values: Mapping[str, str]) -> dict[str, str]:
    """What may not be saved, by field: how it is written, and names that no message of this event knows."""
    known = None
    if domains.event(desk.type.name):
        says = _words(desk, values)
        known = {*says.payload, *desk.office.context(says, desk.reader, "")}
    checked = {name: check_source(values[name], known) for name in templates.SOURCES if values.get(name)}
    return {name: " ".join(_sentence(one) for one in found) for name, found in checked.items() if found}


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:].rstrip(".") + "."


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _flat(f"{name}.{inner}", one)
    elif isinstance(value, list | tuple):
        first = value[0] if value else None
        parts = ", ".join(first) if isinstance(first, Mapping) else ""
        yield name, f"[{parts}] × {len(value)}" if parts else ", ".join(str(one) for one in value)
    else:
        yield name, "" if value is None else str(value)


def _at(context: Mapping[str, Any], path: str) -> Any:
    value: Any = context
    for part in path.split("."):
        value = value[part]
    return value
