"""How times and facts are said to one reader: their zone, their language, the hub's time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from babel.dates import format_date, format_datetime, format_timedelta
from flask_babel import gettext as _

from notify_app.policy import formats
from notify_app.web.identity import viewer

__all__ = ["Reader", "reader"]

MINUTE, HOUR, DAY, WEEK = (timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days", "weeks"))
UNITS: tuple[tuple[Literal["day", "hour", "minute"], timedelta], ...] = (
    ("day", DAY),
    ("hour", HOUR),
    ("minute", MINUTE),
)


@dataclass(frozen=True)
class Reader:
    """Who reads, and when: the hub's time, their zone, their language."""

    now: datetime
    zone: str
    locale: str

    def when(self, value: datetime | None) -> dict[str, str] | None:
        """A time as templates want it; None stays None."""
        if value is None:
            return None
        return {"iso": value.isoformat(), "exact": self.exact(value), "ago": self.ago(value)}

    def exact(self, value: datetime) -> str:
        """ "22 November 2026, 14:05" in the reader's zone."""
        local = formats.local(value, self.zone)
        return format_datetime(local, "d MMMM y, HH:mm", locale=formats.locale_of(self.locale))

    def ago(self, value: datetime) -> str:
        """ "5 minutes ago"; after a week the date. The page's script keeps the same words fresh."""
        since = value - self.now
        if abs(since) < MINUTE:
            return _("just now")
        if abs(since) > WEEK:
            return self._date(value, "d MMM")
        return self._rounded(since, add_direction=True).replace(".", "")

    def age(self, value: datetime) -> str:
        """ "3 days", of something that began then."""
        since = self.now - value
        return _("just now") if since < MINUTE else self._rounded(since, add_direction=False)

    def due(self, value: datetime) -> dict[str, Any]:
        """A time by which something has to be done: "due in 2 hr 10 min", "overdue by 3 days 4 hr"; the page's script
        keeps counting."""
        left = value - self.now
        words = {"in": _("due in %(span)s", span="{span}"), "over": _("overdue by %(span)s", span="{span}")}
        overdue = left <= timedelta(0)
        text = words["over" if overdue else "in"].format(span=self.span(abs(left)))
        return {
            "iso": value.isoformat(),
            "exact": self.exact(value),
            "text": text,
            "overdue": overdue,
            "words": words,
        }

    def span(self, length: timedelta) -> str:
        """ "2 hr 10 min", "3 days 4 hr": the two largest units; less than a minute is one."""
        rest = max(length, MINUTE)
        parts: list[str] = []
        for unit, size in UNITS:
            count, rest = divmod(rest, size)
            if count and len(parts) < 2:
                parts.append(self._unit(unit, count * size))
            elif parts:
                break
        return " ".join(parts)

    def _unit(self, unit: Literal["day", "hour", "minute"], span: timedelta) -> str:
        return format_timedelta(
            span, granularity=unit, threshold=1_000_000, format="short", locale=formats.locale_of(self.locale)
        ).replace(".", "")

    def _rounded(self, span: timedelta, *, add_direction: bool) -> str:
        unit, length = next((one for one in UNITS if abs(span) >= one[1]), UNITS[-1])
        whole = length * int(span / length)
        return format_timedelta(
            whole,
            granularity=unit,
            threshold=1,
            add_direction=add_direction,
            format="short" if add_direction else "long",
            locale=formats.locale_of(self.locale),
        )

    def _date(self, value: datetime | date, pattern: str) -> str:
        on = formats.local(value, self.zone).date() if isinstance(value, datetime) else value
        return format_date(on, pattern, locale=formats.locale_of(self.locale))

    def on(self, value: datetime) -> date:
        """The day of a time in the reader's zone."""
        return formats.local(value, self.zone).date()

    def day_title(self, day: date) -> str:
        """ "Today", "Yesterday", "Thursday, 19 November", with the year when it is another one."""
        today = self.on(self.now)
        if day == today:
            return _("Today")
        if day == today - DAY:
            return _("Yesterday")
        return self._date(day, "EEEE, d MMMM" if day.year == today.year else "EEEE, d MMMM y")

    def shaped(self, value: Any) -> str:
        """A fact of a work item: money, a time, words, a person, or several of them."""
        match value:
            case bool():
                return _("Yes") if value else _("No")
            case formats.Money():
                return formats.money(value, "long", self.locale)
            case datetime():
                return self.exact(value)
            case date():
                return formats.day(value, "long", self.locale)
            case list() | tuple():
                return ", ".join(self.shaped(one) for one in value)
            case Mapping():
                return self.shaped(value.get("name"))
        return "" if value is None else str(value)


def reader(now: datetime) -> Reader:
    """The signed-in reader of this request."""
    me = viewer()
    return Reader(now, me.zone, me.locale)
