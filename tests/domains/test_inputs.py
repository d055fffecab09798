"""What a source may report and a person may fill in: strict, and every error names the field."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from notify_app import domains
from notify_app.domains import inputs
from notify_app.domains.base import Field, FieldKind, WorkKind
from notify_app.domains.fields import facts, fits, plain
from notify_app.errors import Invalid
from notify_app.pipeline import envelope
from notify_app.policy.formats import Money, pack, unpack
from tests.domains.people import MARCO, item, verb

KINDS = list(domains.kinds())


def report(kind: str, **data: Any) -> Any:
    return envelope.read_data(f"{kind}.upsert", {"id": "X-1", **data})


def wrong(call: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        call()
    return {one.field: one.message for one in caught.value.fields}


# --- reports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_status_is_understood_in_any_case_and_an_unknown_one_is_answered_with_the_known(
    kind: WorkKind,
) -> None:
    for status in kind.statuses:
        assert report(kind.name, status=status.upper()).status == status
    assert wrong(lambda: report(kind.name, status="lost")) == {
        "data.status": f"Use one of {', '.join(kind.statuses)}"
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_left_out_is_not_given_and_what_is_misspelt_is_named(kind: WorkKind) -> None:
    assert report(kind.name).model_fields_set == {"id"}
    assert wrong(lambda: report(kind.name, colour="red")) == {
        "data.colour": "This field is not known here; check its spelling."
    }


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("booking", {"start": "2026-11-24T14:00:00"}, "data.start"),
        ("booking", {"guest": {"name": "Mei"}}, "data.guest.id"),
        ("work_order", {"urgency": "very"}, "data.urgency"),
        ("work_order", {"alert_office": "yes"}, "data.alert_office"),
        ("work_order", {"acknowledged_by": {"id": "1", "name": "x"}}, "data.acknowledged_by"),
        ("permit", {"isolation_points": [{"verified_by": "Vera"}]}, "data.isolation_points[0].name"),
        ("permit", {"isolation_points": [{"name": "Q4", "colour": 1}]}, "data.isolation_points[0].colour"),
        ("permit", {"isolation_points": [{"name": "Q"}] * 51}, "data.isolation_points"),
        ("maintenance", {"urgent": 1}, "data.urgent"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_place(kind: str, data: dict[str, Any], field: str) -> None:
    assert list(wrong(lambda: report(kind, **data))) == [field]


def test_records_are_plain_values_that_can_be_kept() -> None:
    given = report("permit", isolation_points=[{"name": "Q4", "verified_at": "2026-11-24T15:20:00Z"}])
    points = [{"name": "Q4", "verified_by": None, "verified_at": datetime(2026, 11, 24, 15, 20, tzinfo=UTC)}]
    assert given.isolation_points == points
    assert unpack(json.loads(json.dumps(pack({"points": given.isolation_points})))) == {"points": points}


@pytest.mark.proves("C2")
@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("visitor.arrived", "residents"),
        ("payment.due", "amount"),
        ("payment.due", "due_date"),
        ("emergency.raised", "location"),
        ("equipment.alerted", "problem"),
        ("reward.redeemed", "technician"),
    ],
)
def test_a_happening_without_what_it_needs_is_refused_by_name(type_: str, field: str) -> None:
    assert f"data.{field}" in wrong(lambda: envelope.read_data(type_, {}))


# --- forms ---------------------------------------------------------------------------------------------------------


def filled(name: str, **given: Any) -> dict[str, Any]:
    kind = domains.kind("work_order")
    assert kind is not None
    one = verb(kind, name)
    return inputs.read(one.form, one.inputs, given)


def test_a_form_is_typed_and_what_was_left_empty_is_not_there() -> None:
    assert filled(
        "create",
        work=" Paint the hall ",
        location="",
        urgency="HIGH",
        due_at="2026-11-24T15:00:00+01:00",
        technician=str(MARCO.id),
    ) == {
        "work": "Paint the hall",
        "urgency": "high",
        "due_at": datetime(2026, 11, 24, 14, 0, tzinfo=UTC),
        "technician": UUID(str(MARCO.id)),
    }
    assert filled("report_issue", issues="It leaks.", alert_office="true") == {
        "issues": "It leaks.",
        "alert_office": True,
    }


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("create", {}, {"work": "Work: this is needed."}),
        (
            "create",
            {"work": "x", "colour": "red"},
            {"colour": "This field is not known here; check its spelling."},
        ),
        (
            "create",
            {"work": "x", "urgency": "very"},
            {"urgency": "Urgency: use one of urgent, high, normal, low."},
        ),
        ("create", {"work": "one\ntwo"}, {"work": "Work: write it on one line."}),
        ("report_issue", {"issues": "   "}, {"issues": "Issue: write something, not only spaces."}),
    ],
)
def test_what_is_wrong_in_a_form_is_said_beside_its_field(
    name: str, given: Any, said: dict[str, str]
) -> None:
    assert wrong(lambda: filled(name, **given)) == said


def test_people_of_a_form_are_chosen_and_a_moment_needs_its_offset() -> None:
    problems = wrong(lambda: filled("create", work="x", technician="Marco", due_at="2026-11-24T15:00:00"))
    assert set(problems) == {"technician", "due_at"}


# --- what a message may say ----------------------------------------------------------------------------------------


@pytest.mark.proves("C4")
def test_facts_that_come_as_text_are_typed_and_their_money_is_in_the_organisations_currency() -> None:
    event = domains.event("payment_due")
    assert event is not None
    given = {"amount": "150.00", "due_date": "2024-02-15", "bill_number": "BILL-001", "more": 1}
    assert inputs.typed(event.facts, given, "EUR") == {
        "amount": Money(Decimal("150.00"), "EUR"),
        "due_date": date(2024, 2, 15),
        "bill_number": "BILL-001",
        "more": 1,
    }
    known = {"amount": Money(Decimal(1), "USD"), "due_date": None}
    assert inputs.typed(event.facts, known, "EUR") == known
    assert inputs.typed(event.facts, {"amount": Decimal(2)}, "EUR") == {"amount": Money(Decimal(2), "EUR")}


def test_facts_that_cannot_be_read_are_named() -> None:
    event = domains.event("payment_due")
    assert event is not None
    assert set(wrong(lambda: inputs.typed(event.facts, {"amount": "much", "due_date": "soon"}, "USD"))) == {
        "amount",
        "due_date",
    }


# --- kinds of fields -----------------------------------------------------------------------------------------------

POINT = Field(
    "points",
    "Points",
    FieldKind.records,
    of=(Field("name", "Name"), Field("at", "At", FieldKind.moment)),
    says=lambda point: f"<{point['name']}>",
)
CHOICE = Field("size", "Size", FieldKind.choice, choices={"s": "Small"})


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        (Field("a", "A"), "text", "text"),
        (Field("a", "A", FieldKind.number), 3, 3),
        (CHOICE, "s", "Small"),
        (Field("a", "A", FieldKind.yes_no), False, "No"),
        (Field("a", "A", FieldKind.yes_no), True, "Yes"),
        (Field("a", "A", FieldKind.person), {"id": "1", "name": "Ana"}, "Ana"),
        (POINT, [{"name": "Q4", "at": None}], ["<Q4>"]),
        (Field("p", "P", FieldKind.records, of=POINT.of), [{"name": "Q4", "at": None}], ["Q4"]),
        (Field("a", "A", FieldKind.day), date(2026, 1, 1), date(2026, 1, 1)),
        (CHOICE, None, None),
    ],
)
def test_a_fact_fits_its_kind_and_is_shown_in_words(field: Field, value: Any, shown: Any) -> None:
    assert fits(field, value)
    assert plain(field, value) == shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Field("a", "A"), 3),
        (Field("a", "A", FieldKind.number), True),
        (Field("a", "A", FieldKind.day), datetime(2026, 1, 1, tzinfo=UTC)),
        (Field("a", "A", FieldKind.money), "150"),
        (CHOICE, "xl"),
        (POINT, [{"name": 3}]),
        (POINT, "Q4"),
    ],
)
def test_what_is_of_another_kind_does_not_fit(field: Field, value: Any) -> None:
    assert not fits(field, value)


def test_what_a_message_says_of_an_item_leaves_out_secrets_and_what_one_change_has_said() -> None:
    kind = domains.kind("work_order")
    assert kind is not None
    known = facts(
        item(kind, work="Paint", urgency="high", notes="Soon"),
        (*kind.fields, Field("code", "Code", secret=True)),
    )
    assert (known["work"], known["urgency"]) == ("Paint", "High")
    assert {"notes", "issues", "alert_office", "code"}.isdisjoint(known)
