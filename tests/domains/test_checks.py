"""A declaration that does not hold together stops the start with a sentence that names it (C3)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from notify_app import domains
from notify_app.domains import base, estates, permits, work_orders
from notify_app.domains.base import Answer, DomainPack, Field, FieldKind, PackError, Verb
from notify_app.models.organisation import Grade, Role
from tests.domains.people import NOW, hours, item, person

pytestmark = pytest.mark.proves("C3")

PERMIT, SUBMIT, TASK = permits.PERMIT, permits.TRANSITIONS[0], permits.TASKS[0]
AUTOMATIC = permits.AUTOMATIC_VERIFIER
VERIFIER = PERMIT.verb("assign_verifier")


def load(pack: DomainPack, **change: Any) -> None:
    """All packs, with one of them changed."""
    domains.load(tuple(replace(one, **change) if one is pack else one for one in domains.PACKS))


def test_the_packs_hold_together() -> None:
    domains.load()


@pytest.mark.proves("F4")
def test_roles_and_grades_are_those_that_people_can_have() -> None:
    assert set(base.ROLES) == {role.value for role in Role}
    assert set(base.GRADES) == {grade.value for grade in Grade}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"first": "new"}, "'new'"),
        ({"closed": ("gone",)}, "'gone'"),
        ({"removed": ("gone",)}, "'gone'"),
        ({"sort": "colour"}, "'colour'"),
        ({"assignable": "helper"}, "'helper'"),
        ({"roles": {**PERMIT.roles, "creator": "boss"}}, "'boss'"),
        ({"source_moves": {**PERMIT.source_moves, "draft": ("sent",)}}, "'sent'"),
        ({"source_moves": {}}, "'draft'"),
        ({"fields": (*PERMIT.fields, Field("colour", "Colour"))}, "'colour'"),
        ({"fields": (*PERMIT.fields, Field("status", "Status"))}, "'status'"),
        ({"fields": (Field("type", "Type", FieldKind.choice), *PERMIT.fields[1:])}, "'type'"),
        (
            {"fields": (*PERMIT.fields[:-1], Field("isolation_points", "P", FieldKind.records))},
            "'isolation_points'",
        ),
        ({"transitions": (replace(SUBMIT, target="sent"),)}, "'sent'"),
        ({"transitions": (replace(SUBMIT, origins=("drafted",)),)}, "'drafted'"),
        ({"transitions": (replace(SUBMIT, origins=()),)}, "'submit'"),
        ({"transitions": (replace(SUBMIT, by=("maker",)),)}, "'maker'"),
        ({"transitions": (replace(SUBMIT, by=("everyone",)),)}, "'everyone'"),
        ({"transitions": (replace(SUBMIT, by=()),)}, "'submit'"),
        ({"transitions": (SUBMIT, SUBMIT)}, "'submit'"),
        ({"verbs": (Verb("submit", "S", "S", ("draft",), ("creator",)),)}, "'submit'"),
        ({"verbs": (replace(VERIFIER, inputs=(Field("boss", "B", FieldKind.person),)),)}, "'boss'"),
        (
            {"verbs": (replace(VERIFIER, inputs=(Field("x", "X", FieldKind.person, among=("grade:Z",)),)),)},
            "'grade:Z'",
        ),
        ({"verbs": (replace(VERIFIER, inputs=(Field("x", "X"), Field("x", "X"))),)}, "'x'"),
        ({"verbs": (replace(VERIFIER, inputs=(Field("x", "X", FieldKind.people),)),)}, "'x'"),
        ({"tasks": (replace(TASK, while_in=("sent",)),)}, "'sent'"),
        ({"tasks": (replace(TASK, assignee="checker"),)}, "'checker'"),
        ({"tasks": (replace(TASK, event="permit_verifcation"),)}, "'permit_verifcation'"),
        ({"tasks": (replace(TASK, overdue="permit_late"),)}, "'permit_late'"),
        ({"tasks": (replace(TASK, verbs=("check",)),)}, "'check'"),
        ({"tasks": (replace(TASK, escalate_to=("role:chief",)),)}, "'role:chief'"),
        ({"tasks": (replace(TASK, hours=0),)}, "'permit_verification'"),
        ({"tasks": (TASK, TASK)}, "'permit_verification'"),
        ({"assignments": (replace(AUTOMATIC, role="checker"),)}, "'checker'"),
        ({"assignments": (replace(AUTOMATIC, never=("maker",)),)}, "'maker'"),
        ({"assignments": (replace(AUTOMATIC, among=("grade:D",)),)}, "'grade:D'"),
        ({"assignments": (replace(AUTOMATIC, while_in=("sent",)),)}, "'sent'"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else next(iter(value)),
)
def test_what_is_wrong_with_a_kind_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(PackError, match=f"permit.*{re.escape(named)}"):
        load(permits.PACK, kinds=(replace(PERMIT, **change),))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"audience": ("role:chief",)}, "'role:chief'"),
        ({"audience": ("grade:A+office",)}, "'grade:A+office'"),
        ({"audience": ("resident",)}, "'resident'"),
        ({"facts": (*estates.EMERGENCY.facts, Field("unit", "Unit"))}, "'unit'"),
        ({"facts": (replace(estates.EMERGENCY.facts[0], kind=FieldKind.money),)}, "'alert_message'"),
        ({"answers": (Answer("help", "Help", event="help"),)}, "'help'"),
    ],
)
def test_what_is_wrong_with_an_event_is_named(change: dict[str, Any], named: str) -> None:
    wrong = replace(estates.EMERGENCY, **change)
    reports = estates.PACK.reports[1:]
    with pytest.raises(PackError, match=f"emergency_alert.*{re.escape(named)}"):
        load(estates.PACK, events=(wrong, *estates.EVENTS[1:]), reports=reports)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "permit.upsert"}, "'permit.upsert'"),
        ({"name": "security.breached"}, "'security.breached'"),
        ({"event": replace(estates.EMERGENCY, name="emergency")}, "'emergency'"),
        ({"event": estates.VISITOR}, "visitor_arrival"),
        ({"by": ("manager",)}, "manager"),
        ({"people": (Field("who", "Who", makes="contact"),)}, "'who'"),
        ({"people": (Field("who", "Who", FieldKind.people, makes="resident"),)}, "'resident'"),
        ({"people": (Field("location", "Where", FieldKind.people, makes="contact"),)}, "'location'"),
    ],
)
def test_what_is_wrong_with_a_happening_is_named(change: dict[str, Any], named: str) -> None:
    first, *others = estates.PACK.reports
    with pytest.raises(PackError, match=re.escape(named)):
        load(estates.PACK, reports=(replace(first, **change), *others))


def test_who_may_report_a_happening_is_somebody() -> None:
    first, *others = work_orders.PACK.reports
    with pytest.raises(PackError, match="'role:chief'"):
        load(work_orders.PACK, reports=(replace(first, by=("role:chief",)), *others))


def test_a_happening_of_an_event_without_facts_says_nothing() -> None:
    """The message's facts are what a source gives: without them there is nothing to send."""
    first, *others = estates.PACK.reports
    empty = replace(estates.EMERGENCY, facts=())
    with pytest.raises(PackError, match="'emergency_alert' says no facts"):
        load(
            estates.PACK,
            events=(empty, *estates.EVENTS[1:]),
            reports=(replace(first, event=empty), *others),
        )


@pytest.mark.parametrize("kind", list(domains.kinds()), ids=lambda kind: kind.name)
def test_what_functions_of_a_kind_name_exists(kind: Any) -> None:
    """What only a function says cannot be checked at the start: every state is tried here."""
    data = {
        **{one.name: NOW + hours(4) for one in kind.fields if one.kind is FieldKind.moment},
        "end": NOW + hours(9),
        "planned_end": NOW + hours(9),
        "urgent": True,
        "urgency": "urgent",
        "isolation_points": [{"name": "Q4", "verified_by": None, "verified_at": None}],
    }
    people = {role: person(role) for role in kind.roles}
    for status in kind.statuses:
        one = item(kind, status, people, **data)
        for draft in kind.on_change(None, one, "Because.", False):
            event = domains.event(draft.event)
            assert event is not None, draft.event
            assert [path for path in event.requires if not domains.present(draft.payload, path)] == []
            assert draft.to is not None or event.audience, f"{draft.event} is for nobody"
        for reminder in kind.reminders(one) if kind.reminders else ():
            assert not reminder.event or domains.event(reminder.event), reminder.event
            assert not reminder.verb or kind.verb(reminder.verb), reminder.verb
        assert set(kind.told(one)) >= {"item"}
