"""What SMS cost: a month against its budget, with the forecast to its end, by day, event, country and person; the budget itself,
and who changed it. The office looks, an administrator sets. All of it is in US dollars and an estimate by the price list.

A month is read from a small table that settlement keeps (`sms_spent`). Whose messages cost most is looked up only when asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from babel.dates import format_date
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.pipeline import budget
from notify_app.pipeline.budget import Standing
from notify_app.pipeline.step import Step, step
from notify_app.policy import sms
from notify_app.policy.budget import (
    MOST_RESERVE,
    USUAL_RESERVE,
    Budget,
    Period,
    amount,
    days_of_month,
    first_of_month,
    level,
    projected,
)
from notify_app.policy.formats import local, locale_of
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.record_words import line
from notify_app.web.spreadsheet import sheet
from notify_app.web.words import category_title, event_title
from notify_app.work import spending

__all__ = ["blueprint", "dollars", "stands"]

blueprint = Blueprint("spend", __name__)

NOTHING: Mapping[str, str] = MappingProxyType({})
YEAR = timedelta(days=365)
PEOPLE, CHANGES = 15, 5
FULL = 100  # the bar is drawn in percent


@blueprint.get("/spend")
@allow("office")
def show() -> ResponseReturnValue:
    """The page; `?month=2026-10` an earlier month, `?people=1` with those whose messages cost most."""
    return _page()


@blueprint.get("/spend.csv")
@allow("office")
def export() -> ResponseReturnValue:
    """A month as it is kept: a row for each day, country and event."""
    with step(viewer().organisation_id) as work:
        month = _month(budget.standing(work).today)
        kept = spending.rows(work, month)
    head = ("day", "country", "event", "messages", "segments", "estimated_usd")
    rows = [(one.day, one.country, one.event, one.messages, one.segments, one.cost_usd) for one in kept]
    response = Response(sheet(head, rows), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="sms-{month:%Y-%m}.csv"'
    return response


@blueprint.post("/spend/budget")
@allow("administrator")
def save() -> ResponseReturnValue:
    """Set the budget, or take it away."""
    typed = {name: request.form.get(name, "").strip() for name in ("month", "day", "reserve")}
    taking_away = request.form.get("do") == "remove"
    wanted, errors = (None, {}) if taking_away else _read(typed)
    if errors:
        return _page(typed, errors), 422
    with step(viewer().organisation_id) as work:
        if wanted is None:
            spending.remove(work, viewer().by)
        else:
            spending.set_budget(work, wanted, viewer().by)
    flash(_("There is no budget any more.") if wanted is None else _("The budget is set."), "ok")
    return redirect(url_for(".show"), 303)


def _read(typed: Mapping[str, str]) -> tuple[Budget | None, dict[str, str]]:
    """The budget as it was typed, or what is wrong by field."""
    errors: dict[str, str] = {}
    amounts: dict[str, Decimal | None] = {"month": None, "day": None}
    for name in amounts:
        try:
            amounts[name] = amount(typed[name]) if typed[name] or name == "month" else None
        except ValueError as error:
            errors[name] = str(error)
    month, day = amounts["month"], amounts["day"]
    if month is not None and day is not None and day > month:
        errors["day"] = _("This is more than the whole month may cost.")
    share = typed["reserve"]
    if not (share.isascii() and share.isdigit() and int(share[:9]) <= MOST_RESERVE):
        errors["reserve"] = _("Use a whole number from 0 to %(most)s.", most=MOST_RESERVE)
    if errors or month is None:
        return None, errors
    return Budget(month, day, int(share)), {}


# --- the page --------------------------------------------------------------------------------------------------------


def _page(typed: Mapping[str, str] = NOTHING, errors: Mapping[str, str] = NOTHING) -> str:
    with step(viewer().organisation_id) as work:
        read, now = reader(work.now), budget.standing(work)
        month = _month(now.today)
        days = spending.by_day(work, month)
        page = {
            "month": _month_title(month, read),
            "this_month": month == first_of_month(now.today),
            "months": _months(work, now.today, month, read),
            "spent": dollars(sum((one.cost for one in days), Decimal(0))),
            "messages": f"{sum(one.messages for one in days):,}",
            "segments": f"{sum(one.segments for one in days):,}",
            "bars": stands(now),
            "forecast": _forecast(now, local(work.now, now.zone)),
            "days": _days(days, month, read),
            "events": _events(spending.by_event(work, month)),
            "countries": _countries(spending.by_country(work, month), read),
            "people": _people(work, month, now.zone) if request.args.get("people") else None,
            "changes": [line(one, read, viewer().person_id) for one in spending.changes(work, CHANGES)],
        }
    return render_template(
        "spend.html",
        **page,
        people_url=url_for(".show", month=f"{month:%Y-%m}", people=1, _anchor="people"),
        csv_url=url_for(".export", month=f"{month:%Y-%m}"),
        has_budget=now.budget is not None,
        may_set=viewer().role == "administrator",
        form=_form(now.budget) | dict(typed),
        errors=errors,
        most_reserve=MOST_RESERVE,
        zone=now.zone,
    )


def _month(today: date) -> date:
    """The month that the address asks for; this one where it says none that can be."""
    try:
        asked = datetime.strptime(request.args.get("month", "")[:7], "%Y-%m").date()  # noqa: DTZ007 - a month
    except ValueError:
        return first_of_month(today)
    return min(asked, first_of_month(today))


def _month_title(month: date, read: Reader) -> str:
    return format_date(month, "MMMM y", locale=locale_of(read.locale))


def _months(work: Step, today: date, chosen: date, read: Reader) -> list[dict[str, Any]]:
    """This month, and those of the last year in which something was spent; older ones by their address."""
    known = dict(spending.months(work, first_of_month(today - YEAR)))
    known.setdefault(first_of_month(today), Decimal(0))
    return [
        {
            "title": _month_title(one, read),
            "cost": dollars(known[one]),
            "url": url_for(".show", month=f"{one:%Y-%m}"),
            "current": one == chosen,
        }
        for one in sorted(known, reverse=True)
    ]


def stands(now: Standing) -> list[dict[str, Any]]:
    """How the budget of this month, and of this day, stands: a bar each."""
    if now.budget is None:
        return []
    return [_bar(now, now.budget, one) for one in Period if now.budget.limit(one) is not None]


def _bar(now: Standing, limits: Budget, period: Period) -> dict[str, Any]:
    whole, ordinary = limits.limit(period) or Decimal(0), limits.ordinary(period) or Decimal(0)
    spent = now.spent(period)
    reached = level(limits, period, spent, refused=now.refused(period))
    says = {
        None: (_("within the budget"), "good"),
        "near": (_("80 % of what is not urgent may cost is spent"), "warn"),
        "used": (_("used up: only urgent SMS leave"), "bad"),
        "gone": (_("used up, and the reserve too: urgent SMS leave all the same"), "bad"),
    }
    text, tone = says[reached.value if reached else None]
    return {
        "title": _("This month") if period is Period.month else _("Today"),
        "spent": dollars(spent),
        "whole": dollars(whole),
        "reserve": dollars(whole - ordinary) if limits.reserve else "",
        "held": dollars(now.held) if now.held else "",
        "share": f"{_percent(spent, whole)}",
        "width": min(FULL, _percent(spent, whole)),
        "ordinary": FULL - limits.reserve,
        "text": text,
        "tone": tone,
    }


def _percent(part: Decimal, whole: Decimal) -> int:
    return int(part * FULL / whole) if whole else FULL if part else 0


def _forecast(now: Standing, clock: datetime) -> dict[str, Any] | None:
    """What the month will have cost at its end; None on its first day."""
    found = projected(now.month, clock)
    if found is None or not now.month:
        return None
    limits = now.budget
    over = limits is not None and found > (limits.ordinary(Period.month) or Decimal(0))
    return {"amount": dollars(found), "over": over}


def _days(rows: Sequence[Any], month: date, read: Reader) -> dict[str, Any] | None:
    """A bar for each day of the month, in percent of the dearest; None where nothing was spent."""
    known = {row.what: row for row in rows}
    top = max((row.cost for row in rows), default=Decimal(0))
    if not rows:
        return None
    every = [month.replace(day=number + 1) for number in range(days_of_month(month))]
    return {
        "top": dollars(top),
        "days": [
            {
                "label": f"{one.day}",
                "title": format_date(one, "d MMMM", locale=locale_of(read.locale)),
                "cost": dollars(known[one].cost) if one in known else "",
                "messages": known[one].messages if one in known else 0,
                "segments": known[one].segments if one in known else 0,
                "height": _percent(known[one].cost, top) if one in known else 0,
            }
            for one in every
        ],
    }


def _numbers(row: Any, title: str, note: str = "") -> dict[str, Any]:
    return {
        "title": title,
        "note": note,
        "messages": f"{row.messages:,}",
        "segments": f"{row.segments:,}",
        "cost": dollars(row.cost),
    }


def _events(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [_numbers(row, event_title(row.what), _category(row.what)) for row in rows]


def _category(event: str) -> str:
    known = domains.event(event)
    return category_title(known.category) if known else ""


def _countries(rows: Sequence[Any], read: Reader) -> list[dict[str, Any]]:
    return [_numbers(row, country_title(row.what, read.locale)) for row in rows]


def country_title(code: str, locale: str) -> str:
    """A country by its calling code, which some share: "United States (+1)"."""
    calling = sms.calling_code(code)
    name = locale_of(locale).territories.get(code, code) if calling else _("No country")
    return f"{name} (+{calling})" if calling else name


def _people(work: Step, month: date, zone: str) -> list[dict[str, Any]]:
    return [
        _numbers(row, row.name) | {"url": url_for("people.person", id=row.id)}
        for row in spending.by_person(work, month, zone, PEOPLE)
    ]


def _form(limits: Budget | None) -> dict[str, str]:
    if limits is None:
        return {"month": "", "day": "", "reserve": str(USUAL_RESERVE)}
    day = "" if limits.day is None else f"{limits.day:.2f}"
    return {"month": f"{limits.month:.2f}", "day": day, "reserve": str(limits.reserve)}


def dollars(value: Decimal) -> str:
    """Two decimals; what is less than a cent says so."""
    if 0 < value < Decimal("0.01"):
        return "<$0.01"
    return f"${value:,.2f}"
