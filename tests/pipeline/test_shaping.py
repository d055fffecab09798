"""A context as each channel says it (C4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from jinja2 import Environment
from markupsafe import Markup

from notify_app.pipeline.shaping import sendable, shape
from notify_app.policy.formats import Money

AT = datetime(2024, 2, 15, 19, 5, tzinfo=UTC)
NEW_YORK = "America/New_York"


class Colour(StrEnum):
    red = "red"


CONTEXT = {
    "price": Money(Decimal("150"), "USD"),
    "odd": Money(Decimal("150.50"), "USD"),
    "at": AT,
    "day": date(2024, 2, 15),
    "opens": time(8, 30),
    "ratio": Decimal("1234.5"),
    "items": [{"price": Money(Decimal("1"), "USD")}],
    "id": UUID(int=7),
    "colour": Colour.red,
    "count": 3,
    "nothing": None,
}


def said(channel: str, path: str) -> str:
    return (
        Environment(autoescape=True)
        .from_string("{{ " + path + " }}")
        .render(shape(CONTEXT, channel, NEW_YORK, "en_US"))
    )


@pytest.mark.parametrize(
    ("path", "email", "sms"),
    [
        ("price", "$150.00", "$150"),
        ("odd", "$150.50", "$150.50"),
        ("at", "14:05 on February 15, 2024", "Feb 15 14:05"),
        ("day", "February 15, 2024", "Feb 15"),
        ("opens", "08:30", "08:30"),
        ("ratio", "1,234.5", "1,234.5"),
        ("items[0].price", "$1.00", "$1"),
        ("colour", "red", "red"),
        ("count", "3", "3"),
        ("id", str(UUID(int=7)), str(UUID(int=7))),
        ("'' ~ price ~ '!'", "$150.00!", "$150!"),
        ("price|upper", "$150.00", "$150"),
    ],
)
def test_the_same_name_says_what_its_channel_says(path: str, email: str, sms: str) -> None:
    assert said("email", path) == email
    assert said("inapp", path) == email
    assert said("sms", path) == sms


def test_an_explicit_form_can_be_asked_for() -> None:
    shaped = shape(CONTEXT, "sms", NEW_YORK, "en_US")
    assert shaped["at"].form("date") == "Feb 15"
    assert shaped["at"].form("time") == "14:05"
    assert shaped["at"].form("long") == "14:05 on February 15, 2024"
    assert shaped["price"].form("long") == "$150.00"


def test_what_goes_to_the_sandbox_is_json_with_every_form() -> None:
    sent = sendable(shape(CONTEXT, "sms", NEW_YORK, "en_US"))
    assert sent["at"]["$"] == {
        "": "Feb 15 14:05",
        "long": "14:05 on February 15, 2024",
        "short": "Feb 15 14:05",
        "date": "Feb 15",
        "time": "14:05",
        "datetime": "Feb 15 14:05",
    }
    assert sent["count"] == 3
    assert sent["nothing"] is None


def test_only_plain_values_are_taken() -> None:
    with pytest.raises(TypeError, match="object cannot be part"):
        shape({"row": object()}, "email", "UTC", "en_US")
    with pytest.raises(ValueError, match="no zone"):
        shape({"at": datetime(2024, 2, 15)}, "email", "UTC", "en_US")  # noqa: DTZ001


def test_markup_does_not_pass_as_safe() -> None:
    assert type(shape({"name": Markup("<b>")}, "email", "UTC", "en_US")["name"]) is str
