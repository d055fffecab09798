"""docs/events.md says what the packs say, and docs/channels.md what the channels do."""

from __future__ import annotations

from pathlib import Path

import pytest

from notify_app import domains
from notify_app.domains.base import EventType
from notify_app.pipeline import catalogue, channel_catalogue

EVENTS = Path(__file__).resolve().parents[2] / "docs" / "events.md"
CHANNELS = EVENTS.with_name("channels.md")


def test_the_catalogue_of_events_is_current() -> None:
    """Else: `flask --app wsgi events > docs/events.md`."""
    assert EVENTS.read_text(encoding="utf-8") == catalogue.document()


@pytest.mark.parametrize("event", list(domains.events()), ids=lambda event: event.name)
def test_every_event_stands_in_it_with_its_needs(event: EventType) -> None:
    rows = [
        line
        for line in EVENTS.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{event.name}` |")
    ]
    assert len(rows) == 2, "what it is, and what it says"
    assert event.priority.value in rows[0]
    for path in event.requires:
        assert f"`{path}`" in rows[0]


def test_the_catalogue_of_channels_is_current() -> None:
    """Else: `flask --app wsgi channels > docs/channels.md`."""
    assert CHANNELS.read_text(encoding="utf-8") == channel_catalogue.document()
