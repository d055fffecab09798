"""What the hub itself has to say: somebody could not be reached; a message without a domain of its own; an
announcement to many."""

from __future__ import annotations

from notify_app.domains.base import Category, DomainPack, Draft, EventType, Priority

__all__ = ["ANNOUNCEMENT", "GENERAL", "NOT_REACHED", "PACK", "TEST_MESSAGE", "announcement"]

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


def announcement(title: str, message: str) -> Draft:
    """What somebody has to say to many."""
    return Draft(ANNOUNCEMENT.name, {"title": title, "message": message})


PACK = DomainPack(
    name="hub",
    title="The hub",
    categories=(
        Category("system", "System", "Tests, and messages about messages."),
        Category("announcement", "Announcements", "News from the office to many at once."),
    ),
    events=(NOT_REACHED, GENERAL, TEST_MESSAGE, ANNOUNCEMENT),
)
