"""The words in which a domain says all about itself: events, kinds of work, what a change means.

A pack is one file of these declarations and pure functions. It never sees the database, sends nothing and reads no
clock; what it needs is handed in as values, what it wants is returned as `Draft`s. What the machinery does with each
declaration is said here, beside it; what it can ask of them without the database stands in `moves`.

**One change of an item**, whoever makes it (a source's report, a person's verb, the clock), in one transaction:

1. lock the item; `before` is the item as stored, without its `passing` facts (`moves.settled`);
2. a verb: `inputs.read`, then `moves.refusal` (who may, state, guard), then `after = moves.applied(...)`;
   a report: the given facts, people and state over `before`; `source_moves` must allow the state; `moves.follows`;
3. `assignments` whose option is on and whose state `after` is in fill a role that is empty;
4. `kind.check(after)` may refuse it with a sentence; `after` equal to `before` ends here, and nothing is told;
5. write item, people and history; withdraw what `holds_while` makes moot;
6. `tasks`: of `moves.pending(kind, after)` open what has no open task in this round, close the open ones that are not
   in it; an open one follows its assignee without starting its time anew;
7. `reminders`: `moves.replanned(kind, after, ...)` says which are kept, made, and given up;
8. `drafts = kind.on_change(before, after, reason, in_batch)`, then route them.

**When a reminder is due**: lock the item, ask `kind.reminders` again; if its key is not among them any more, it is
skipped with that reason. Else it is marked as gone, its `verb` is done as `clock` (the steps above), and its `event` is
told as `Draft(event, kind.told(item), item=item, step=reminder.step)`, in the same transaction.

**When a task is past its time**: `TaskType`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from notify_app.domains.fields import REASON, Field, FieldKind
from notify_app.domains.inputs import StrictInput, model_of
from notify_app.domains.values import (
    Batch,
    Doing,
    Draft,
    Item,
    People,
    PersonRef,
    Priority,
    Values,
)

__all__ = [
    "OFFICE",
    "REASON",
    "Answer",
    "Assignment",
    "Batch",
    "Category",
    "Dedupe",
    "Doing",
    "DomainPack",
    "Draft",
    "EventType",
    "Field",
    "FieldKind",
    "Happening",
    "Item",
    "PackError",
    "People",
    "PersonRef",
    "PlannedReminder",
    "Priority",
    "TaskType",
    "Transition",
    "Values",
    "Verb",
    "WorkKind",
]

# roles in the organisation (F4); the first two are the office
OFFICE = ("manager", "administrator")
ROLES = (*OFFICE, "technician", "contact")
GRADES = ("A", "B", "C")


class PackError(ValueError):
    """A declaration that does not hold together; the message names it. Stops the start."""


@dataclass(frozen=True)
class Category:
    """What a person switches on and off."""

    name: str
    title: str
    text: str


# --- events --------------------------------------------------------------------------------------------------------


class Dedupe(StrEnum):
    """When an event is the same real-world matter again (D3). The key is `moves.dedupe_key(...)`; the machinery adds
    the person and writes it to the notification, where it is unique: who has had it is not told again.

    never: each time is another matter. round: once for each item, round and step. daily: the same, and once for each
    of the organisation's local dates.
    """

    never = "never"
    round = "round"
    daily = "daily"


@dataclass(frozen=True)
class Answer:
    """What the reader of an event may answer, in the inbox or behind the message's own link; the last answer counts.

    The machinery makes the link (such an event has no item), keeps the answer with the notification, shows who answered
    what, and can tell the silent again. An answer with an `event` tells that, with the alert's payload and `who` and
    `phone` of the person.
    """

    name: str
    title: str
    event: str = ""
    danger: bool = False


@dataclass(frozen=True)
class EventType:
    """One event: who hears of it, how pressing it is, what its messages may say.

    `audience` holds words, each a way to find people; who is found twice is told once:

    - a role on the item (`customer`, `verifier`), or nothing at all where each draft names its people;
    - `office`: managers and administrators; `everyone`: all people of the organisation who have not left;
    - `role:technician`: all of a role in the organisation; `grade:A`: all of a grade;
    - `role:administrator+grade:A`: who is both.

    `except_actor` leaves out the person whose act it is. `channels` replaces the priority's table of channels.
    `requires` are the payload's fields without which no message can be written. `facts` type the payload's own values
    (beside `item`), whether a happening brings them or `notification.send` gives them as text: before an event is
    written, its payload goes through `inputs.typed`. `admin_only`: among people, only an administrator may trigger it
    (C6); sources may. `in_bursts`: whether it may wait for the rest of its burst (A14); left out, all may but what is URGENT.
    `sms_whole`: its SMS is not cut to what the organisation allows, but takes as many segments as it needs, up to the most
    that any may allow: half of an alarm or of an access code helps nobody.
    `in_digests`: whether its email may be kept for a digest (A12); what says that something stands still may not.
    `sample` is one believable payload, used by the demo, the previews, the documentation and the test that renders
    every event on every channel.
    """

    name: str
    title: str
    category: str
    priority: Priority
    audience: tuple[str, ...]
    requires: tuple[str, ...]
    sample: Mapping[str, Any]
    kind: str | None = None
    channels: tuple[str, ...] | None = None
    # the states of its item in which the message still makes sense; outside of them unread lines are withdrawn
    holds_while: tuple[str, ...] | None = None
    facts: tuple[Field, ...] = ()
    dedupe: Dedupe = Dedupe.never
    except_actor: bool = False
    admin_only: bool = False
    in_bursts: bool | None = None
    in_digests: bool = True
    sms_whole: bool = False
    answers: tuple[Answer, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names in the payload that are shown to the reader and to nobody else: no log, decision, export or digest."""
        return tuple(one.name for one in self.facts if one.secret)


@dataclass(frozen=True)
class Happening:
    """An event that is reported without an item: a source's webhook of the type `name`, and a form for those in `by`.

    Its data are the event's `facts`, and the people that it names: those are told, each by themselves, or the event's
    audience where none are named. Names that one person bears stand in the payload (`technician.name`).
    """

    name: str
    event: EventType
    text: str
    people: tuple[Field, ...] = ()
    by: tuple[str, ...] = ()

    @cached_property
    def model(self) -> type[StrictInput]:
        """The model of its webhook's data; people are made on first sight with the role that their field `makes`."""
        return model_of(self.name, self.text, (*self.people, *self.event.facts))

    def drafts(self, data: Any, people: People) -> list[Draft]:
        """Its event. `data` is the model, or anything with the facts as attributes; `people` are those that were
        resolved, by field."""
        told: list[UUID] = []
        payload: dict[str, Any] = {one.name: getattr(data, one.name, None) for one in self.event.facts}
        for one in self.people:
            named = people.get(one.name, ())
            told += [person.id for person in named] if isinstance(named, tuple) else [named.id]
            if isinstance(named, PersonRef):
                payload[one.name] = {"name": named.name}
        return [Draft(self.event.name, payload, to=tuple(dict.fromkeys(told)) or None)]


# --- verbs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """Something that can be done to an item without moving it (a note, an issue, a new time), or that makes one.

    `origins` are the states in which it can be done; with none, it makes a new item in the kind's first state.
    `by` holds words, one of which must be true of whoever does it: a role on the item (`verifier`); `manager`,
    `administrator`; `role:technician`, `grade:A`, as in an audience; another role in the organisation (`contact`),
    which then needs a part in the item; `source`; `clock` (time itself).

    `inputs` are what it asks for. Without more, an input that is named like a fact of the kind becomes that fact, and a
    person named like a role takes that role (`moves.applied`); `apply(item, values, doing)` changes the item beyond
    that, purely. `guard(item, values, doing)` answers with the sentence that refuses it, or nothing.
    """

    verb: str
    title: str
    done: str
    origins: tuple[str, ...]
    by: tuple[str, ...]
    inputs: tuple[Field, ...] = ()
    apply: Callable[[Item, Values, Doing], Item] | None = None
    guard: Callable[[Item, Values, Doing], str] | None = None
    primary: bool = False
    danger: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """The inputs without which it is refused."""
        return tuple(one.name for one in self.inputs if one.required)

    @cached_property
    def form(self) -> type[StrictInput]:
        """The model of its inputs, for `inputs.read`; people by the hub's ids."""
        return model_of(self.verb, self.title, self.inputs, UUID)


@dataclass(frozen=True)
class Transition(Verb):
    """A verb that moves an item to the state `target`."""

    target: str = ""


# --- what waits ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaskType:
    """Something that a person has to do by a time: a step of the work.

    It is pending while the item is in one of the states `while_in` and `needed(item)` is true: nothing else opens or
    closes it, so neither a batch, a missed step nor a state without a message can leave it behind. Its clock starts
    when it becomes pending, once for each round. `assignee` is a role on the item, or an audience word. `event` is what
    asks for it (shown with the task, its message is about it); `verbs` are what its assignee does to be done with it.

    The ladder, where the organisation has escalations on (D4, D6). The limit is `hours`, or those of the most specific
    active rule for (kind, the item's `sort`, step). Past the limit `overdue` is told to the assignee, of a step without
    one to `unassigned`; past twice the limit `escalated` to the rule's role, and where there is no rule, role or holder,
    to `escalate_to`. Each once for each level, then daily while it is pending unless the rule says otherwise. The draft
    is `Draft(event, {**kind.told(item), "task": {"title", "since", "hours", "assignee"}}, to=..., item=item, step=step)`:
    `since` an aware datetime, `hours` an int, `assignee` a name or None. An empty name leaves that level out.
    """

    name: str
    title: str
    step: str
    while_in: tuple[str, ...]
    assignee: str
    event: str
    verbs: tuple[str, ...]
    hours: int = 4
    needed: Callable[[Item], bool] | None = None
    overdue: str = "task_overdue"
    escalated: str = "task_escalated"
    unassigned: tuple[str, ...] = ("grade:A", "grade:B")
    escalate_to: tuple[str, ...] = ("role:administrator+grade:A", "role:administrator+grade:B")


@dataclass(frozen=True)
class PlannedReminder:
    """What is to happen to an item at a time: an event is told, a verb is done by the `clock`, or first the verb and
    then the event.

    An event whose time has passed when it is planned is not told (E3), unless `late`: then it is due at once. A verb is
    done whenever it is planned and its time has come: what time has made true stays true. It is the same reminder while
    what happens and when is the same (`key`), whatever version of the item plans it.
    """

    due_at: datetime
    event: str = ""
    verb: str = ""
    late: bool = False

    @property
    def key(self) -> str:
        """Tells the reminders of an item apart, over all its versions."""
        return f"{self.verb or self.event}@{self.step}"

    @property
    def step(self) -> str:
        """The step of its event: another time is another matter, the same time in another zone is not."""
        return self.due_at.astimezone(UTC).isoformat()


@dataclass(frozen=True)
class Assignment:
    """Somebody is given a role that is empty when an item comes into one of the states `while_in`, if the organisation
    has switched `option` on: of those whom `among` finds, and who do not hold a role of `never` on the item, whoever has
    the fewest open tasks; of equals, whoever was given one the longest ago."""

    role: str
    while_in: tuple[str, ...]
    among: tuple[str, ...]
    never: tuple[str, ...]
    option: str
    title: str


# --- kinds of work -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WorkKind:
    """One kind of item: its states, the roles of people on it, the moves, and what a change means.

    `roles` are those on the item, each with the role in the organisation that a source's person gets on first sight.
    `upsert` is the model of a webhook's data (`inputs.report_of`), `source_moves` the states that a source may report
    after each. `describe(data)` makes its title of its facts (as attributes, None where unknown).

    `on_change(before, after, reason, in_batch)` returns drafts; `before` is None for a new item, and equals the true
    previous value otherwise. `told(item)` is the payload of its events, `check(item)` a sentence when facts contradict
    each other (an end before its start), `new_round(before, after)` whether the work begins anew. An item in a `closed`
    state needs nobody any more; in a `removed` one it is gone from lists too, and what was planned is deleted, not
    cancelled. `sort` names the fact by which rules tell sorts of the kind apart. Numbers of items that are made here
    begin with `prefix`. Who is `assignable` is changed by the verb `assign`.
    """

    name: str
    title: str
    statuses: Mapping[str, str]
    first: str
    roles: Mapping[str, str]
    fields: tuple[Field, ...]
    transitions: tuple[Transition, ...]
    source_moves: Mapping[str, tuple[str, ...]]
    upsert: type[BaseModel]
    describe: Callable[[Any], str]
    on_change: Callable[[Item | None, Item, str, bool], Sequence[Draft]]
    told: Callable[[Item], Mapping[str, Any]]
    prefix: str
    on_batch: Callable[[Batch], Sequence[Draft]] | None = None
    closed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    assignable: str | None = None
    verbs: tuple[Verb, ...] = ()
    tasks: tuple[TaskType, ...] = ()
    reminders: Callable[[Item], Sequence[PlannedReminder]] | None = None
    assignments: tuple[Assignment, ...] = ()
    check: Callable[[Item], str] | None = None
    new_round: Callable[[Item, Item], bool] | None = None
    sort: str = ""

    def transition(self, verb: str) -> Transition | None:
        """The move called `verb`, or None."""
        return next((move for move in self.transitions if move.verb == verb), None)

    def verb(self, name: str) -> Verb | None:
        """The verb of that name, whether it moves the item or not, or None."""
        return next((one for one in (*self.transitions, *self.verbs) if one.verb == name), None)


@dataclass(frozen=True)
class DomainPack:
    """All about one domain. `reports` are the happenings that need no item."""

    name: str
    title: str
    categories: tuple[Category, ...]
    events: tuple[EventType, ...]
    kinds: tuple[WorkKind, ...] = ()
    reports: tuple[Happening, ...] = field(default_factory=tuple)

    @cached_property
    def happenings(self) -> Mapping[str, tuple[type[BaseModel], Callable[[Any, Any], Sequence[Draft]]]]:
        """By webhook type: the model of its data, and what makes its drafts of the data and the people it resolved."""
        return {one.name: (one.model, one.drafts) for one in self.reports}
