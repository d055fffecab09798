"""Whether the declarations of the packs hold together: every name resolves, every sample is what it says it is.

Run once at the start. Raises PackError with a sentence that names what is wrong; passes over nothing that could be
known before the first event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from notify_app.domains.base import (
    GRADES,
    OFFICE,
    ROLES,
    Category,
    EventType,
    Field,
    FieldKind,
    Happening,
    PackError,
    TaskType,
    Verb,
    WorkKind,
)
from notify_app.domains.fields import PERSONS, fits
from notify_app.policy import formats
from notify_app.policy.channel import INBOX, channels

__all__ = ["check", "present"]

NOBODY_IN_PARTICULAR = ("office", "everyone")
# what a webhook's data has beside the facts and the people, and what an item has of its own
RESERVED = ("id", "number", "title", "status", "version", "round", "reason", "batch_id")


def check(
    events: Mapping[str, EventType],
    kinds: Mapping[str, WorkKind],
    categories: Mapping[str, Category],
    reports: Iterable[Happening],
) -> None:
    """Check every declaration; raises PackError."""
    for one in events.values():
        _check_event(one, events, kinds, categories)
    for work in kinds.values():
        _Kind(work, events).check()
    types = {f"{name}.{what}" for name in kinds for what in ("upsert", "batch")} | {"notification.send"}
    for happening in reports:
        if happening.name in types:
            raise PackError(f"the webhook type {happening.name!r} is declared twice")
        types.add(happening.name)
        _check_happening(happening, events)


def present(payload: Mapping[str, Any], path: str) -> bool:
    """Whether `item.number` (dots go inward) has a value in `payload`; None and '' count as missing."""
    value: Any = payload
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return value is not None and value != ""


# --- events --------------------------------------------------------------------------------------------------------


def _check_event(
    one: EventType,
    events: Mapping[str, EventType],
    kinds: Mapping[str, WorkKind],
    categories: Mapping[str, Category],
) -> None:
    at = f"event {one.name!r}"
    if one.category not in categories:
        raise PackError(f"{at}: no category is called {one.category!r}")
    if one.kind is not None and one.kind not in kinds:
        raise PackError(f"{at}: no kind of work is called {one.kind!r}")
    for word in one.audience:
        if not _finds_people(word, kinds[one.kind].roles if one.kind else ()):
            raise PackError(f"{at}: nobody is called {word!r} in its audience")
    for status in one.holds_while or ():
        if status not in (kinds[one.kind].statuses if one.kind else {}):
            raise PackError(f"{at}: no state is called {status!r}")
    for channel in one.channels or ():
        if channel not in (INBOX, *(known.name for known in channels())):
            raise PackError(f"{at}: no channel is called {channel!r}")
    for answer in one.answers:
        if answer.event and answer.event not in events:
            raise PackError(f"{at}: its answer {answer.name!r} tells the unknown event {answer.event!r}")
    _check_sample(at, one)


def _check_sample(at: str, one: EventType) -> None:
    for path in one.requires:
        if not present(one.sample, path):
            raise PackError(f"{at}: its sample has no {path!r}")
    for fact in one.facts:
        _check_field(at, fact)
        if fact.name not in one.sample:
            raise PackError(f"{at}: its sample has no {fact.name!r}")
        if not fits(fact, one.sample[fact.name]):
            raise PackError(f"{at}: in its sample {fact.name!r} is no {fact.kind.value}")
    formats.pack(one.sample)


def _check_happening(one: Happening, events: Mapping[str, EventType]) -> None:
    at = f"happening {one.name!r}"
    if events.get(one.event.name) is not one.event:
        raise PackError(f"{at}: no event is called {one.event.name!r}")
    if not one.event.facts:
        raise PackError(f"{at}: the event {one.event.name!r} says no facts")
    if not one.event.audience and not any(field.required for field in one.people):
        raise PackError(f"{at}: it names nobody, and {one.event.name!r} is for nobody")
    if one.event.admin_only and any(word != "administrator" for word in one.by):
        raise PackError(f"{at}: {one.event.name!r} is for administrators only, not for {', '.join(one.by)}")
    _once(at, "field", ["item", *(field.name for field in (*one.people, *one.event.facts))])
    for field in one.people:
        if field.kind not in PERSONS:
            raise PackError(f"{at}: {field.name!r} is no person")
        if field.makes not in ROLES:
            raise PackError(f"{at}: {field.name!r} makes people of the unknown role {field.makes!r}")
    for word in one.by:
        if word not in OFFICE and not _finds_people(word, ()):
            raise PackError(f"{at}: nobody is called {word!r} in its `by`")


def _finds_people(word: str, roles: Collection[str]) -> bool:
    """Whether an audience word means anybody."""
    if word in roles or word in NOBODY_IN_PARTICULAR:
        return True
    known = {"role": ROLES, "grade": GRADES}
    parts = [part.partition(":") for part in word.split("+")]
    return all(what in known and value in known[what] for what, _colon, value in parts)


# --- kinds ---------------------------------------------------------------------------------------------------------


class _Kind:
    """The checks of one kind of work, which all name it."""

    def __init__(self, work: WorkKind, events: Mapping[str, EventType]) -> None:
        self.work, self.events = work, events

    def check(self) -> None:
        work = self.work
        self._states("its first state", (work.first,))
        self._states("its closed states", work.closed)
        self._states("its removed states", work.removed)
        self._people()
        self._facts()
        self._source_moves()
        verbs: Collection[Verb] = (*work.transitions, *work.verbs)
        _once(self._at(), "verb", [*(one.verb for one in verbs), *(["assign"] if work.assignable else [])])
        for move in work.transitions:
            self._states(f"the move {move.verb!r}", (move.target,))
            if not move.origins:
                raise PackError(f"{self._at()}: the move {move.verb!r} leads out of no state")
        for verb in verbs:
            self._verb(verb)
        _once(self._at(), "task", [task.name for task in work.tasks])
        for task in work.tasks:
            self._task(task)
        for one in work.assignments:
            self._states(f"the assignment of {one.role!r}", one.while_in)
            self._roles(f"the assignment of {one.role!r}", (one.role, *one.never))
            self._words(f"the assignment of {one.role!r}", one.among)

    def _at(self) -> str:
        return f"kind {self.work.name!r}"

    def _states(self, what: str, statuses: Iterable[str]) -> None:
        for status in statuses:
            if status not in self.work.statuses:
                raise PackError(f"{self._at()}: {what} names the unknown state {status!r}")

    def _roles(self, what: str, roles: Iterable[str]) -> None:
        for role in roles:
            if role not in self.work.roles:
                raise PackError(f"{self._at()}: {what} names the unknown role {role!r}")

    def _words(self, what: str, words: Iterable[str]) -> None:
        for word in words:
            if not _finds_people(word, ()):
                raise PackError(f"{self._at()}: nobody is called {word!r} in {what}")

    def _people(self) -> None:
        for role, makes in self.work.roles.items():
            if makes not in ROLES:
                raise PackError(f"{self._at()}: its {role!r} makes people of the unknown role {makes!r}")
        if self.work.assignable:
            self._roles("who is assignable", (self.work.assignable,))

    def _facts(self) -> None:
        work = self.work
        _once(self._at(), "fact", [*RESERVED, *work.roles, *(one.name for one in work.fields)])
        for one in work.fields:
            _check_field(self._at(), one)
        if work.sort and work.sort not in [one.name for one in work.fields]:
            raise PackError(f"{self._at()}: no fact is called {work.sort!r}, which tells its sorts apart")
        known = work.upsert.model_fields
        for name in ("id", "number", "status", *work.roles, *(one.name for one in work.fields if one.given)):
            if name not in known:
                raise PackError(f"{self._at()}: its webhook's model has no {name!r}")

    def _source_moves(self) -> None:
        moves = self.work.source_moves
        self._states(
            "what a source may report", {*moves, *(one for after in moves.values() for one in after)}
        )
        for status in self.work.statuses:
            if status not in moves:
                raise PackError(f"{self._at()}: what may a source report after {status!r}?")

    def _verb(self, verb: Verb) -> None:
        what = f"the verb {verb.verb!r}"
        self._states(what, verb.origins)
        if not verb.by:
            raise PackError(f"{self._at()}: nobody may do {what}")
        for word in verb.by:
            known = word in (*ROLES, *self.work.roles, "source", "clock") or (
                word not in NOBODY_IN_PARTICULAR and _finds_people(word, ())
            )
            if not known:
                raise PackError(f"{self._at()}: nobody is called {word!r} in the `by` of {what}")
        _once(self._at(), f"input of {what}", [one.name for one in verb.inputs])
        for one in verb.inputs:
            _check_field(f"{self._at()}, {what}", one)
            self._words(f"those to choose as {one.name!r}", one.among)
            if one.kind is FieldKind.people:
                raise PackError(
                    f"{self._at()}: {what} asks for several people as {one.name!r}; a role has one"
                )
            if one.kind is FieldKind.person and not one.among:
                self._roles(what, (one.name,))

    def _task(self, task: TaskType) -> None:
        what = f"the task {task.name!r}"
        self._states(what, task.while_in)
        if not _finds_people(task.assignee, self.work.roles):
            raise PackError(f"{self._at()}: nobody is called {task.assignee!r}, who has {what}")
        for event in (task.event, task.overdue, task.escalated):
            if event and event not in self.events:
                raise PackError(f"{self._at()}: {what} names the unknown event {event!r}")
        for verb in task.verbs:
            if self.work.verb(verb) is None:
                raise PackError(f"{self._at()}: {what} names the unknown verb {verb!r}")
        self._words(what, (*task.unassigned, *task.escalate_to))
        if task.hours < 1:
            raise PackError(f"{self._at()}: {what} needs a limit of at least an hour")


def _check_field(at: str, one: Field) -> None:
    if one.kind is FieldKind.choice and not (one.choices or one.offers):
        raise PackError(f"{at}: the field {one.name!r} leaves nothing to choose")
    if (one.kind is FieldKind.records) != bool(one.of):
        raise PackError(f"{at}: the field {one.name!r} must say of what its records are, and only records do")
    for inner in one.of:
        _check_field(at, inner)


def _once(at: str, what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise PackError(f"{at}: the {what} {name!r} is declared twice")
