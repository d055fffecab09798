"""What the hub itself has to say: somebody could not be reached; a message without a domain of its own."""

from __future__ import annotations

from notify_app.domains.base import Category, DomainPack, EventType, Priority

__all__ = ["GENERAL", "NOT_REACHED", "PACK", "TEST_MESSAGE"]

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

PACK = DomainPack(
    name="hub",
    title="The hub",
    categories=(Category("system", "System", "Tests, and messages about messages."),),
    events=(NOT_REACHED, GENERAL, TEST_MESSAGE),
)
