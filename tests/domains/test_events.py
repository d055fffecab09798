"""Every event of the requirements is declared as they say: priority, recipients, channels. The tables are theirs."""

from __future__ import annotations

import pytest

from notify_app import domains
from notify_app.domains.base import Priority
from notify_app.policy.routing import by_priority

URGENT, HIGH, MEDIUM, LOW = Priority.urgent, Priority.high, Priority.medium, Priority.low
NAMED: tuple[str, ...] = ()  # each time whom it names

# A4
REPAIRS = {
    "repair_pending_approval": (HIGH, ("customer",), "approval"),
    "repair_approved": (URGENT, ("technician",), "approval"),
    "repair_denied": (URGENT, ("technician",), "approval"),
    "repair_assigned": (HIGH, ("technician",), "assignment"),
    "repair_reassigned_away": (MEDIUM, ("technician",), "assignment"),
    "repair_in_progress": (MEDIUM, ("customer",), "repair_status"),
    "repair_completed": (HIGH, ("customer",), "repair_status"),
    "repair_batch_approved": (URGENT, NAMED, "approval"),
    "repair_batch_denied": (URGENT, NAMED, "approval"),
    "reward": (MEDIUM, NAMED, "reward"),
}
# B1, B2; the priorities of the update and of the two alerts without an order are ours
WORK_ORDERS = {
    "issue_detected": (MEDIUM, ("office",)),
    "office_alert": (HIGH, ("office",)),
    "status_update": (LOW, ("office", "technician")),
    "equipment_alert": (HIGH, ("office",)),
    "inventory_alert": (MEDIUM, ("office",)),
    "work_order_update": (MEDIUM, ("technician",)),
    "manual_message": (MEDIUM, NAMED),
}
# C2: CRITICAL is urgent here; "live" and "in-app" are the inbox, which is always written
ESTATES = {
    "emergency_alert": (URGENT, ("everyone",), {"email", "sms"}, True),
    "security_breach": (URGENT, ("everyone",), {"email", "sms"}, True),
    "visitor_arrival": (HIGH, NAMED, {"email"}, False),
    "maintenance_urgent": (HIGH, ("technician", "office"), {"email"}, False),
    "maintenance_complete": (MEDIUM, ("resident",), {"email"}, False),
    "payment_due": (MEDIUM, NAMED, {"email"}, False),
    "announcement_posted": (MEDIUM, ("everyone",), {"email"}, True),
    "comment_reply": (LOW, NAMED, {"email"}, False),
    "newsletter": (LOW, ("everyone",), {"email"}, True),
}
# D1, D2; overdue and escalated are for whom the ladder names (D4)
PERMITS = {
    "permit_created": (LOW, ("creator",)),
    "permit_submitted": (LOW, ("creator",)),
    "permit_verification": (HIGH, ("verifier",)),
    "permit_approval": (HIGH, ("approver",)),
    "permit_approved": (MEDIUM, ("creator", "verifier")),
    "permit_rejected": (HIGH, ("creator",)),
    "permit_activated": (MEDIUM, ("creator", "verifier")),
    "permit_completed": (MEDIUM, ("creator", "verifier")),
    "permit_expired": (HIGH, ("creator",)),
    "permit_expiring": (HIGH, ("creator", "approver")),
    "permit_closeout_required": (HIGH, ("creator", "approver")),
    "permit_isolation_pending": (HIGH, ("verifier",)),
    "permit_escalated": (URGENT, NAMED),
    "permit_overdue": (HIGH, NAMED),
}
# E1
BOOKINGS = {
    "booking_24h": (MEDIUM, ("guest",)),
    "booking_1h": (HIGH, ("guest",)),
    "booking_start": (HIGH, ("guest",)),
    "booking_end": (MEDIUM, ("guest",)),
    "booking_cancelled": (HIGH, ("guest",)),
}
BY_THE_TABLE = {**WORK_ORDERS, **PERMITS, **BOOKINGS}


@pytest.mark.proves("A4")
@pytest.mark.parametrize("name", REPAIRS)
def test_repairs_tell_whom_the_table_says(name: str) -> None:
    event = domains.event(name)
    assert event is not None
    assert (event.priority, event.audience, event.category) == REPAIRS[name]
    assert event.channels is None


@pytest.mark.proves("B1", "B2", "B3", "D1", "D2", "E1")
@pytest.mark.parametrize("name", BY_THE_TABLE)
def test_orders_permits_and_bookings_tell_whom_their_lines_say(name: str) -> None:
    event = domains.event(name)
    assert event is not None
    assert (event.priority, event.audience) == BY_THE_TABLE[name]
    assert event.channels is None, "its priority decides"


@pytest.mark.proves("C1", "C2", "C6")
@pytest.mark.parametrize("name", ESTATES)
def test_estates_tell_by_the_channels_that_their_events_name(name: str) -> None:
    event = domains.event(name)
    assert event is not None
    assert event.channels is not None
    outward = set(event.channels) - {"inapp"}
    assert (event.priority, event.audience, outward, event.admin_only) == ESTATES[name]


@pytest.mark.proves("C2")
@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("visitor_arrival", {"visitor_name", "unit", "arrival_time", "access_code"}),
        ("emergency_alert", {"alert_message", "location", "severity"}),
        ("security_breach", {"alert_message", "location", "severity"}),
        ("payment_due", {"amount", "due_date", "bill_number"}),
        ("maintenance_complete", {"work_order", "completion_date", "technician"}),
    ],
)
def test_an_estate_event_says_the_fields_that_are_asked_of_it(name: str, facts: set[str]) -> None:
    event = domains.event(name)
    assert event is not None
    assert facts <= {one.name for one in event.facts}
    assert facts <= set(event.sample)


@pytest.mark.proves("C2")
def test_only_the_access_code_is_a_secret() -> None:
    assert {(event.name, name) for event in domains.events() for name in event.secrets} == {
        ("visitor_arrival", "access_code")
    }


@pytest.mark.proves("D8")
@pytest.mark.parametrize("name", PERMITS)
def test_every_message_of_a_permit_carries_its_id_number_and_type(name: str) -> None:
    event = domains.event(name)
    assert event is not None
    assert {"item.id", "item.number", "item.type"} <= set(event.requires)


def test_no_event_is_declared_beside_those_but_the_few_that_the_hub_needs() -> None:
    """What is in no line of the requirements has its reason here."""
    asked = {*REPAIRS, *BY_THE_TABLE, *ESTATES}
    assert {event.name for event in domains.events()} - asked == {
        "work_order_urgent",  # an urgent order, whose technician acknowledges it (D4's tasks, for orders)
        "help_needed",  # what the office hears when somebody answers an emergency with "I need help"
        "task_overdue",  # D4 for kinds whose tasks have no words of their own
        "task_escalated",
        "not_reached",  # A16
        "general",  # A1: what is urgent and has no words of its own
        "test_message",  # A15
        "cover_gap",  # said in advance: nobody of those whom ladders call will be there
        "hub_unwell",  # what the auditor has found, and that it is over
        "hub_well",
        "template_broken",  # A2: an office's own words could not be used
        "sms_budget",  # A9: how far the budget for SMS is used
        "endpoint_off",  # an endpoint is posted to no more
        "address_blocked",  # A16: an address that has to be put right
        "announcement",  # C8: what a system or the office has to say to many
        "collected",  # A8, A14: the words of what has waited
    }


@pytest.mark.proves("A5")
def test_what_declares_no_channels_goes_by_its_priority() -> None:
    assert set(by_priority(URGENT)) == {"email", "sms"}
    declared = {event.name for event in domains.events() if event.channels is not None}
    of_the_hub = {
        "not_reached",
        "cover_gap",
        "hub_unwell",
        "hub_well",
        "template_broken",
        "sms_budget",
        "endpoint_off",
        "address_blocked",
    }
    assert declared == {*ESTATES, "help_needed", *of_the_hub}
