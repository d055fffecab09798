"""The catalogue of events as a document: docs/events.md, written from the packs, so that it cannot differ from them.

Each event's sample is rendered by the same `render` that writes its messages. Decides nothing; `flask events` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator

from notify_app import domains
from notify_app.domains.base import Dedupe, DomainPack, EventType, Transition, WorkKind
from notify_app.pipeline.render import render
from notify_app.policy.channel import INBOX, spoken
from notify_app.policy.routing import by_priority

__all__ = ["document"]

HEAD = """\
# Events

Written by `flask events` from the packs in `notify_app/domains/`: do not edit it by hand. What is in an event's message
stands in `templates/messages/<pack>/<event>/`; an office may put its own words over it.

*To whom*: a role on the item, the office (managers and administrators), everyone, or those whom the event names. The inbox
always has a line; *by* are the channels beside it. *Needs* are the fields without which no message can be written.
"""
PERSON = {"name": "Sam Rivera", "first_name": "Sam", "role": "manager"}
LINK = "https://hub.example/l/4fTq0ZcVb8mWn3XyP7Kd2A"


def document() -> str:
    """The whole of docs/events.md."""
    return "\n".join([HEAD, *(line for pack in domains.packs() for line in _pack(pack))]) + "\n"


def _pack(pack: DomainPack) -> Iterator[str]:
    yield f"## {pack.title}"
    yield ""
    for one in pack.categories:
        yield f"- **{one.title}** (`{one.name}`): {one.text}"
    yield ""
    yield "| event | what has happened | to whom | priority | by | category | needs |"
    yield "|---|---|---|---|---|---|---|"
    for event in pack.events:
        yield _row(event)
    yield ""
    yield "| event | title | SMS |"
    yield "|---|---|---|"
    for event in pack.events:
        said = _said(pack, event)
        yield f"| `{event.name}` | {_cell(said['title'])} | {_cell(said['sms'])} |"
    yield ""
    for kind in pack.kinds:
        yield from _kind(kind)
    yield from _happenings(pack)


def _row(event: EventType) -> str:
    cells = (
        f"`{event.name}`",
        event.title + _notes(event),
        _audience(event),
        event.priority.value,
        _channels(event),
        f"`{event.category}`",
        ", ".join(f"`{path}`" for path in event.requires),
    )
    return f"| {' | '.join(_cell(one) for one in cells)} |"


def _notes(event: EventType) -> str:
    told = {Dedupe.never: "", Dedupe.round: "once a round", Dedupe.daily: "once a day"}[event.dedupe]
    asked = " or ".join(f"“{answer.title}”" for answer in event.answers)
    only = "only administrators trigger it" if event.admin_only else ""
    notes = [one for one in (told, only, f"answered with {asked}" if asked else "") if one]
    return f" ({'; '.join(notes)})" if notes else ""


def _audience(event: EventType) -> str:
    who = ", ".join(_spoken(word) for word in event.audience) or _by_the_ladder(event) or "whom it names"
    return f"{who}, but not whoever did it" if event.except_actor else who


def _by_the_ladder(event: EventType) -> str:
    """Whom a task's time limit brings in."""
    tasks = [task for kind in domains.kinds() for task in kind.tasks]
    if any(task.overdue == event.name for task in tasks):
        return "whose task it is"
    if any(task.escalated == event.name for task in tasks):
        return "whom the rule, or else the task, names"
    return ""


def _spoken(word: str) -> str:
    """An audience word as it is read: `role:administrator+grade:A` is "administrator of grade A"."""
    return " of ".join(part.removeprefix("role:").replace(":", " ") for part in word.split("+"))


def _channels(event: EventType) -> str:
    chosen = event.channels if event.channels is not None else by_priority(event.priority)
    return ", ".join(spoken(one) for one in chosen if one != INBOX) or "the inbox only"


def _said(pack: DomainPack, event: EventType) -> dict[str, str]:
    context = {
        **event.sample,
        "event": {"name": event.name, "title": event.title, "priority": event.priority.value},
        "person": PERSON,
        "organisation": {"name": "Example & Sons"},
        "branding": {},
        "link": LINK,
    }
    asked = dict.fromkeys(("title", "sms"))
    return render(asked, context, domain=pack.name, event=event.name, zone="America/Los_Angeles").values


def _kind(kind: WorkKind) -> Iterator[str]:
    yield f"### {kind.title} (`{kind.name}.upsert`)"
    yield ""
    yield f"States: {', '.join(f'{title} (`{name}`)' for name, title in kind.statuses.items())}."
    yield ""
    yield "| what can be done | in | by | leads to | asks for |"
    yield "|---|---|---|---|---|"
    for verb in (*kind.transitions, *kind.verbs):
        origins = ", ".join(f"`{one}`" for one in verb.origins) or "(makes one)"
        target = f"`{verb.target}`" if isinstance(verb, Transition) else ""
        asks = ", ".join(f"{one.title}{'' if one.required else '?'}" for one in verb.inputs)
        who = ", ".join(_spoken(word) for word in verb.by)
        yield f"| {verb.title} (`{verb.verb}`) | {origins} | {who} | {target} | {asks} |"
    yield ""
    for task in kind.tasks:
        states = ", ".join(kind.statuses[one].lower() for one in task.while_in)
        later = " then ".join(f"`{one}`" for one in (task.overdue, task.escalated) if one)
        yield (
            f"- **Task** {task.step}: {task.title}, by {_spoken(task.assignee)}, while {states}; "
            f"{task.hours} {'hour' if task.hours == 1 else 'hours'}{f', then {later}' if later else ''}."
        )
    for one in kind.assignments:
        yield f"- **By itself** (`{one.option}`): {one.title}."
    if kind.tasks or kind.assignments:
        yield ""


def _happenings(pack: DomainPack) -> Iterator[str]:
    if not pack.reports:
        return
    yield "### Without an item"
    yield ""
    yield "| webhook | event | people | by hand |"
    yield "|---|---|---|---|"
    for one in pack.reports:
        people = ", ".join(f"`{field.name}`{'' if field.required else '?'}" for field in one.people)
        who = ", ".join(_spoken(word) for word in one.by)
        yield f"| `{one.name}` | `{one.event.name}` | {people} | {who} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
