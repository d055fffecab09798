"""What the hub itself has to say, whatever the domain: somebody could not be reached, somebody of the office writes, a
task is late, there is news for many, something does not run; and a message without words of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from notify_app.domains.base import (
    Category,
    Dedupe,
    DomainPack,
    Draft,
    EventType,
    Field,
    FieldKind,
    Priority,
    TaskType,
)
from notify_app.policy.formats import Money

__all__ = [
    "ADDRESS_BLOCKED",
    "ADDRESS_CODE",
    "ANNOUNCEMENT",
    "COLLECTED",
    "COVER_GAP",
    "DIGEST",
    "ENDPOINT_OFF",
    "GENERAL",
    "HUB_UNWELL",
    "HUB_WELL",
    "MANUAL_MESSAGE",
    "NOT_REACHED",
    "PACK",
    "SMS_BUDGET",
    "TASK_ESCALATED",
    "TASK_OVERDUE",
    "TEMPLATE_BROKEN",
    "TEST_MESSAGE",
    "announcement",
    "late_event",
]

NOT_REACHED = EventType(
    "not_reached",
    "Somebody was not reached",
    "system",
    Priority.high,
    ("office",),
    ("who", "about", "why"),
    {
        "who": "Dana Whitfield",
        "about": "Repair R-1042 needs your approval",
        "why": "no phone number and no email address",
    },
    channels=("email",),
    in_digests=False,
)

GENERAL = EventType(
    "general",
    "Message",
    "system",
    Priority.medium,
    (),
    ("headline", "known"),
    {
        "headline": "Message from Evergreen Auto Glass",
        "known": [{"name": "Message", "value": "The shop closes at noon on Friday."}],
    },
)

TEST_MESSAGE = EventType(
    "test_message", "Test message", "system", Priority.low, (), ("asked_by",), {"asked_by": "Marco Reyes"}
)

# B3: written by hand, to whom one chooses, with the priority that one chooses; `item` where it is about one
MANUAL_MESSAGE = EventType(
    "manual_message",
    "Message from the office",
    "message",
    Priority.medium,
    (),
    ("message", "sender"),
    {
        "headline": None,
        "message": "The keys for Harbor House are at the front desk, ask for Ruth.",
        "sender": "Alice Moreno",
        "item": {
            "id": "0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
            "number": "WO-2118",
            "title": "Replace the pump of boiler 2",
        },
    },
    facts=(
        Field("headline", "Title"),
        Field("message", "Message", FieldKind.paragraph, required=True),
        Field("sender", "From", required=True),
    ),
)

# for every kind of work whose tasks name no events of their own
LATE: dict[str, Any] = {
    "item": {
        "id": "0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
        "number": "WO-2118",
        "title": "Replace the pump of boiler 2",
    },
    "task": {
        "title": "Say that you have the urgent order",
        "since": datetime(2026, 11, 24, 22, 5, tzinfo=UTC),
        "hours": 1,
        "assignee": "Ines Calder",
    },
}
TASK_OVERDUE = EventType(
    "task_overdue",
    "Something waits too long",
    "task",
    Priority.high,
    (),
    ("item.number", "task.title"),
    LATE,
    dedupe=Dedupe.daily,
)
TASK_ESCALATED = EventType(
    "task_escalated",
    "Somebody else must see to it",
    "task",
    Priority.urgent,
    (),
    ("item.number", "task.title"),
    LATE,
    dedupe=Dedupe.daily,
)

# said in advance, so that somebody can still see to it
COVER_GAP = EventType(
    "cover_gap",
    "Nobody is there",
    "task",
    Priority.high,
    ("role:administrator",),
    ("group", "starts", "ends"),
    {
        "group": "Administrators, grade A",
        "starts": datetime(2026, 11, 28, 2, 0, tzinfo=UTC),
        "ends": datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
    },
    facts=(
        Field("group", "Who", required=True),
        Field("starts", "From", FieldKind.moment, required=True),
        Field("ends", "Until", FieldKind.moment, required=True),
    ),
    channels=("email",),
)

# what the auditor has found and what stays so; its words come from `audit.checks`. For the administrators; where there
# is none, for the office
MATTERS: dict[str, Any] = {
    "first": "14 incoming messages wait for more than a minute",
    "more": 1,
    "since": datetime(2026, 11, 24, 22, 5, tzinfo=UTC),
    "matters": [
        {
            "title": "14 incoming messages wait for more than a minute",
            "means": "What your systems have reported is kept, but has not been taken in, so nobody hears of it yet.",
            "todo": "See that the workers run, and read their logs.",
        },
        {
            "title": "Nobody works on the queue “route”",
            "means": "What this queue is for stands still.",
            "todo": "Start the workers again.",
        },
    ],
}
HUB_UNWELL = EventType(
    "hub_unwell",
    "Something does not run as it should",
    "system",
    Priority.high,
    ("office",),
    ("first", "matters"),
    MATTERS,
    channels=("email",),
    in_digests=False,
)
HUB_WELL = EventType(
    "hub_well",
    "Everything runs again",
    "system",
    Priority.medium,
    ("office",),
    ("first", "matters"),
    MATTERS,
    channels=("email",),
    in_digests=False,
)

# an office's own template could not be used, and the built-in words went out: once for each version of it. For the
# administrators; where there is none, for the office
TEMPLATE_BROKEN = EventType(
    "template_broken",
    "A template cannot be used",
    "system",
    Priority.high,
    ("office",),
    ("message", "why"),
    {"message": "Repair completed", "why": "subject: item.prize is missing"},
    channels=("email",),
    in_digests=False,
)

# an endpoint is not posted to any more: once for each time that the hub switches it off. For the administrators; where there
# is none, for the office
ENDPOINT_OFF = EventType(
    "endpoint_off",
    "An endpoint was switched off",
    "system",
    Priority.high,
    ("office",),
    ("name", "host", "why"),
    {
        "name": "Night desk",
        "host": "hooks.example.com",
        "gone": False,
        "since": datetime(2026, 11, 19, 22, 5, tzinfo=UTC),
        "why": "It could not take the message (502 Bad Gateway).",
    },
    channels=("email",),
    in_digests=False,
)

# how far the budget for SMS is used; `level` is near, used or gone, `period` month or day. For the administrators; where
# there is none, for the office. By email alone: it is told of money for SMS
SMS_BUDGET = EventType(
    "sms_budget",
    "The budget for SMS",
    "system",
    Priority.high,
    ("office",),
    ("level", "period", "spent", "limit"),
    {
        "level": "near",
        "period": "month",
        "spent": Money(Decimal("68.40"), "USD"),
        "limit": Money(Decimal("100.00"), "USD"),
        "ordinary": Money(Decimal("85.00"), "USD"),
        "reserve": Money(Decimal("15.00"), "USD"),
    },
    channels=("email",),
    in_digests=False,
)

# an address is not written to any more: once for each time that it is closed. In the inbox alone: a broadcast may close many
ADDRESS_BLOCKED = EventType(
    "address_blocked",
    "An address has to be put right",
    "system",
    Priority.medium,
    ("office",),
    ("who", "channel", "address", "why"),
    {
        "who": "Dana Whitfield",
        "channel": "email",
        "address": "d***@example.com",
        "why": "mail to it comes back",
    },
    channels=(),
)

# its audience is asked for, not declared (`pipeline.crowd`). Its words name no reader, so that all emails of one language
# share one body; how it is signed below says so too (`_layout.mjml`)
ANNOUNCEMENT = EventType(
    "announcement",
    "Announcement",
    "announcement",
    Priority.medium,
    (),
    ("title", "message"),
    {"title": "The shop closes at noon on Friday", "message": "We open again on Monday at 08:00."},
)


# no event of the pack: nothing happens and nobody is told of it. What stands in it was told already (`digest_words`)
DIGEST = EventType(
    "digest",
    "Digest",
    "system",
    Priority.low,
    (),
    ("count", "groups"),
    {
        "count": 14,
        "shown": 3,
        "more": 11,
        "since": datetime(2026, 11, 23, 17, 0, tzinfo=UTC),
        "settings": "https://hub.evergreen.example/preferences#digest",
        "groups": [
            {
                "title": "Assignments",
                "count": 2,
                "lines": [
                    {
                        "title": "New job: R-1042",
                        "text": "2021 Subaru Outback, crack, passenger side.",
                        "at": datetime(2026, 11, 24, 15, 40, tzinfo=UTC),
                        "link": "https://hub.evergreen.example/inbox/0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
                        "priority": "high",
                    },
                    {
                        "title": "R-1039 is not yours any more",
                        "text": "",
                        "at": datetime(2026, 11, 24, 1, 5, tzinfo=UTC),
                        "link": "https://hub.evergreen.example/inbox/0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a22",
                        "priority": "",
                    },
                ],
            },
            {
                "title": "Announcements",
                "count": 11,
                "lines": [
                    {
                        "title": "The shop closes at noon on Friday",
                        "text": "We open again on Monday at 08:00.",
                        "at": datetime(2026, 11, 23, 22, 30, tzinfo=UTC),
                        "link": "https://hub.evergreen.example/inbox/0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a23",
                        "priority": "",
                    }
                ],
            },
            {"title": "Rewards", "count": 1, "lines": []},
        ],
    },
)

# no event of the pack, and in no inbox: the code and the link by which somebody shows that they read what comes to an address
# (`pipeline.verification_words`). Until when it is of use is said in the reader's own zone; an SMS has no link
ADDRESS_CODE = EventType(
    "address_code",
    "A code to verify an address",
    "system",
    Priority.high,
    (),
    ("code", "until"),
    {"code": "048213", "until": datetime(2026, 11, 25, 22, 5, tzinfo=UTC)},
)

# what was held for one address and leaves together (`pipeline.collected`): nobody tells it, it only has words. Most pressing
# first; `more` have no room in it; `quiet`: quiet hours have held all of them
COLLECTED = EventType(
    "collected",
    "Messages that waited",
    "system",
    Priority.medium,
    (),
    ("count", "messages"),
    {
        "count": 3,
        "more": 0,
        "quiet": True,
        "messages": [
            {
                "title": "New job: R-1042",
                "text": "2021 Subaru Outback, chip, driver's side.",
                "at": datetime(2026, 11, 24, 7, 5, tzinfo=UTC),
                "link": "https://hub.evergreen.example/inbox/0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a22",
            },
            {
                "title": "New job: R-1043",
                "text": "2019 Ford Transit, crack, 30 cm.",
                "at": datetime(2026, 11, 24, 7, 40, tzinfo=UTC),
                "link": "https://hub.evergreen.example/inbox/0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a23",
            },
            {
                "title": "Message from Alice Moreno",
                "text": "The keys are at the front desk.",
                "at": datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
                "link": None,
            },
        ],
    },
)


def late_event(task: TaskType, says: str) -> str:
    """The event by which a level of this step's ladder says that it is `overdue`, or `escalated`: its own, or the hub's."""
    if says == "overdue":
        return task.overdue or TASK_OVERDUE.name
    return task.escalated or TASK_ESCALATED.name


def announcement(title: str, message: str) -> Draft:
    """What somebody has to say to many."""
    return Draft(ANNOUNCEMENT.name, {"title": title, "message": message})


PACK = DomainPack(
    name="hub",
    title="The hub",
    categories=(
        Category("message", "Messages", "What the office writes to you."),
        Category("task", "Tasks", "What waits for somebody too long."),
        Category("announcement", "Announcements", "News from the office to many at once."),
        Category("system", "System", "Tests, and messages about messages."),
    ),
    events=(
        NOT_REACHED,
        MANUAL_MESSAGE,
        TASK_OVERDUE,
        TASK_ESCALATED,
        COVER_GAP,
        GENERAL,
        TEST_MESSAGE,
        ANNOUNCEMENT,
        HUB_UNWELL,
        HUB_WELL,
        TEMPLATE_BROKEN,
        ENDPOINT_OFF,
        SMS_BUDGET,
        ADDRESS_BLOCKED,
        COLLECTED,
    ),
)
