"""Money, dates and times as each channel says them (requirement C4).

Email and the in-app row have room: "$150.00", "February 15, 2024", "14:05 on February 15, 2024".
An SMS has none: "$150", "Feb 15", "Feb 15 14:05". Cents that are not zero are never dropped.
Refuses a datetime without a zone, and money that is not a finite amount in a three-letter currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal, get_currency_precision

__all__ = [
    "DEFAULT_LOCALE",
    "Money",
    "Style",
    "date_of",
    "day",
    "local",
    "locale_of",
    "moment",
    "money",
    "number",
    "pack",
    "style_of",
    "time_of",
    "unpack",
]

Style = Literal["long", "short"]
DEFAULT_LOCALE = "en_US"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency; what is finer than a cent is kept (a litre at $1.459)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal) or not self.amount.is_finite():
            raise ValueError(f"an amount of money is a finite Decimal, not {self.amount!r}")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise ValueError(f"a currency is three capital letters such as USD, not {self.currency!r}")


def style_of(channel: str) -> Style:
    """Only an SMS is short; whatever else there is has room."""
    return "short" if channel == "sms" else "long"


@lru_cache(maxsize=4096)
def money(value: Money, style: Style = "long", locale: str = DEFAULT_LOCALE) -> str:
    """ "$1,250.50", and "$150" for an SMS when the cents are zero."""
    known = locale_of(locale)
    digits = _fraction_digits(value, style)
    usual = str(known.currency_formats["standard"].pattern)
    pattern = usual.replace(".00", f".{'0' * digits}" if digits else "")
    return format_currency(value.amount, value.currency, pattern, locale=known, currency_digits=False)


@lru_cache(maxsize=4096)
def day(value: date, style: Style = "long", locale: str = DEFAULT_LOCALE) -> str:
    """A calendar day; a datetime is refused, since its day depends on a zone (use `date_of`)."""
    if isinstance(value, datetime):
        raise TypeError("a datetime has no day of its own: give its zone to date_of()")
    if style == "long":
        return format_date(value, "long", locale=locale_of(locale))
    return str(format_skeleton("MMMd", value, locale=locale_of(locale)))


def date_of(value: datetime, zone: str, style: Style = "long", locale: str = DEFAULT_LOCALE) -> str:
    return day(local(value, zone).date(), style, locale)


def time_of(value: datetime, zone: str) -> str:
    """ "14:05", on every channel and in every language."""
    return f"{local(value, zone):%H:%M}"


def moment(value: datetime, zone: str, style: Style = "long", locale: str = DEFAULT_LOCALE) -> str:
    """ "14:05 on February 15, 2024", or "Feb 15 14:05"."""
    on, at = date_of(value, zone, style, locale), time_of(value, zone)
    if style == "short":
        return f"{on} {at}"
    return f"{at} on {on}" if locale_of(locale).language == "en" else f"{on}, {at}"


def number(value: Decimal | float, locale: str = DEFAULT_LOCALE) -> str:
    return format_decimal(value, locale=locale_of(locale), decimal_quantization=False)


def local(value: datetime, zone: str) -> datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{value!r} has no zone: only aware datetimes are formatted")
    return value.astimezone(ZoneInfo(zone))


@lru_cache(maxsize=256)
def locale_of(name: str) -> Locale:
    """Accepts "en_GB" and "en-GB"; falls back to the language, then to American English."""
    tag = name.replace("-", "_")
    for candidate in (tag, tag.split("_")[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(DEFAULT_LOCALE)


def pack(value: Any) -> Any:
    """A message's context as JSON values, from which `unpack` makes the same context again."""
    match value:
        case Money():
            return {"$money": [str(value.amount), value.currency]}
        case datetime():
            return {"$at": value.isoformat()}
        case date():
            return {"$on": value.isoformat()}
        case Decimal():
            return {"$decimal": str(value)}
        case UUID():
            return str(value)
        case Enum():
            return pack(value.value)
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {_escape(str(key)): pack(one) for key, one in value.items()}
        case Sequence():
            return [pack(one) for one in value]
    raise TypeError(f"a {type(value).__name__} cannot be part of a message's context")


def unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [unpack(one) for one in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$money": [str(amount), str(currency)]} if len(value) == 1:
            return Money(Decimal(amount), currency)
        case {"$at": str(text)} if len(value) == 1:
            return datetime.fromisoformat(text)
        case {"$on": str(text)} if len(value) == 1:
            return date.fromisoformat(text)
        case {"$decimal": str(text)} if len(value) == 1:
            return Decimal(text)
    return {key.removeprefix("$"): unpack(one) for key, one in value.items()}


def _escape(key: str) -> str:
    """A key of somebody's own that begins with "$" must not read as one of ours."""
    return f"${key}" if key.startswith("$") else key


def _fraction_digits(value: Money, style: Style) -> int:
    exponent = value.amount.normalize().as_tuple().exponent
    needed = max(0, -exponent) if isinstance(exponent, int) else 0
    usual = get_currency_precision(value.currency)
    return 0 if style == "short" and needed == 0 else max(usual, needed)
