"""A message's context as one channel says it (requirement C4): `{{ item.price }}` is "$149.50" or "$150".

Money, dates, times and numbers become values that write themselves in the channel's form, and in an explicit
one where a template asks (`{{ item.scheduled_at|date }}`). Copies plain values only: an object of any other
kind is refused, so that no template ever holds a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from notify_app.pipeline.sandbox_child import FORMS
from notify_app.policy import formats
from notify_app.policy.formats import Money, Style, style_of

__all__ = ["Shaped", "sendable", "shape"]


@dataclass(frozen=True, slots=True)
class Shaped:
    """A value that knows how its channel says it; formatted only when it is written."""

    value: Money | datetime | date | Decimal | float
    style: Style
    zone: str
    locale: str

    def __str__(self) -> str:
        return self.form("")

    def form(self, name: str) -> str:
        """The value in the form "long", "short", "date", "time", "datetime", or "" for the channel's own."""
        style: Style = "long" if name == "long" else "short" if name == "short" else self.style
        match self.value:
            case Money():
                return formats.money(self.value, style, self.locale)
            case datetime() if name == "date":
                return formats.date_of(self.value, self.zone, style, self.locale)
            case datetime() if name == "time":
                return formats.time_of(self.value, self.zone)
            case datetime():
                return formats.moment(self.value, self.zone, style, self.locale)
            case date():
                return formats.day(self.value, style, self.locale)
        return formats.number(self.value, self.locale)


def shape(context: Mapping[str, Any], channel: str, zone: str, locale: str) -> dict[str, Any]:
    """A copy of the context for one channel ("inapp", "email", "sms") and one reader's zone and locale.

    Raises TypeError for a value that is not plain, ValueError for a datetime without a zone.
    """
    style = style_of(channel)
    return {str(key): _shaped(value, style, zone, locale) for key, value in context.items()}


def _shaped(value: Any, style: Style, zone: str, locale: str) -> Any:
    match value:
        case None | bool() | int():
            return value.value if isinstance(value, Enum) else value
        case str():
            return str(value.value) if isinstance(value, Enum) else str(value)
        case datetime() if value.utcoffset() is None:
            raise ValueError(f"{value!r} has no zone: only aware datetimes are said")
        case Money() | datetime() | date() | Decimal() | float():
            return Shaped(value, style, zone, locale)
        case time():
            return f"{value:%H:%M}"
        case UUID():
            return str(value)
        case Enum():
            return _shaped(value.value, style, zone, locale)
        case Mapping():
            return {str(key): _shaped(one, style, zone, locale) for key, one in value.items()}
        case Sequence() | AbstractSet():
            return [_shaped(one, style, zone, locale) for one in value]
    raise TypeError(f"a {type(value).__name__} cannot be part of a message's context")


def sendable(shaped: Any) -> Any:
    """A shaped context as JSON values for the sandbox's child, each value with all its forms."""
    match shaped:
        case Shaped():
            return {"$": {name: shaped.form(name) for name in ("", *FORMS)}}
        case dict():
            return {key: sendable(value) for key, value in shaped.items()}
        case list():
            return [sendable(value) for value in shaped]
    return shaped
