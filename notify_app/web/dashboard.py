"""The office at a glance: what needs a person now, what left by the hour, what happened, whether the hub is well.

Eight statements; each figure leads to the list behind it. Counts look at the last day, alerts at the last week.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app import domains
from notify_app.domains.base import WorkKind
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, step
from notify_app.policy import formats
from notify_app.policy.channel import channels
from notify_app.web import health, running
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.outbox_message import local_channels
from notify_app.web.reader import Reader, reader
from notify_app.web.verbs import final
from notify_app.web.words import PRIORITIES, channel_title, event_title, item_url, names
from notify_app.web.work_list import APPROVAL, NOBODY, TROUBLE, UNHELD, WAITS, removed, unheld

__all__ = ["blueprint"]

blueprint = Blueprint("dashboard", __name__)

HOURS = 24
ALERTS, EVENTS, WORK = 100, 8, 8
COUNT_UP_TO = 1000  # of what was told to many: beyond it nobody reads the number, and counting costs

FIGURES = f"""
    SELECT t.*,
      (SELECT count(*) FROM work_item w WHERE w.organisation_id = :org AND {UNHELD}) AS unheld,
      (SELECT count(*) FROM (
        SELECT FROM notification n JOIN event e ON e.organisation_id = n.organisation_id AND e.id = n.event_id
        WHERE n.organisation_id = :org AND e.created_at > :week AND e.priority = 1 AND n.read_at IS NULL
          AND n.withdrawn_at IS NULL LIMIT :most) AS counted) AS unread_urgent,
      (SELECT count(*) FROM delivery WHERE organisation_id = :org AND created_at > :day
          AND state IN ('failed', 'bounced', 'unknown')) AS failed,
      (SELECT coalesce(sum(coalesce(x.people, 1)), 0) FROM event e JOIN decision x ON x.organisation_id = e.organisation_id AND x.event_id = e.id
        WHERE e.organisation_id = :org AND e.created_at > :day AND x.reason IN ('not_reached', 'nobody')) AS not_reached,
      (SELECT count(*) FROM delivery WHERE organisation_id = :org AND created_at > :week AND state IN ('queued', 'held', 'sending')
          AND next_attempt_at < :late) AS late
    FROM (
        SELECT count(DISTINCT item_id) AS waiting, count(DISTINCT item_id) FILTER (WHERE due_at < :now) AS overdue,
               count(DISTINCT item_id) FILTER (WHERE step = 'approval') AS approval, min(opened_at) AS since,
               count(DISTINCT item_id) FILTER (WHERE level > 1) AS escalated
        FROM task WHERE organisation_id = :org AND closed_at IS NULL
    ) t
"""  # noqa: S608  (constants of this program)
CHART = """
    SELECT channel, CAST(floor(extract(epoch FROM created_at - :start) / 3600) AS int) AS hour, state, count(*) AS n
    FROM delivery WHERE organisation_id = :org AND created_at >= :start GROUP BY 1, 2, 3
"""
# an alert ends when everybody told has acknowledged it, or the office for them, or when its item is closed; of what was
# told to many, the office's own lines count
ALERT = """
    SELECT e.id, e.name, e.priority, e.created_at, n.id AS notification_id, n.title, n.text, n.people, n.read
    FROM event e
    LEFT JOIN work_item w ON w.organisation_id = e.organisation_id AND w.id = e.item_id
    LEFT JOIN broadcast b ON b.organisation_id = e.organisation_id AND b.event_id = e.id
    JOIN LATERAL (
        SELECT (array_agg(n.id ORDER BY n.person_id <> :me, n.id))[1] AS id,
               (array_agg(n.title ORDER BY n.person_id <> :me, n.id))[1] AS title,
               (array_agg(n.text ORDER BY n.person_id <> :me, n.id))[1] AS text,
               array_agg((SELECT p.name FROM person p WHERE p.organisation_id = :org AND p.id = n.person_id)
                         ORDER BY n.person_id) AS people,
               bool_and(n.read_at IS NOT NULL) AS read
        FROM (
            SELECT * FROM notification WHERE b.event_id IS NULL AND organisation_id = :org AND event_id = e.id
            UNION ALL
            SELECT * FROM notification WHERE b.event_id IS NOT NULL AND organisation_id = :org AND event_id = e.id
             AND person_id = ANY(:office)
        ) n WHERE n.acknowledged_at IS NULL AND n.withdrawn_at IS NULL
    ) n ON n.id IS NOT NULL
    WHERE e.organisation_id = :org AND (e.priority = 1 OR e.name = 'not_reached')
      AND (w.id IS NULL OR NOT (w.kind || '/' || w.status) = ANY(:closed))
    ORDER BY e.priority, e.created_at DESC LIMIT :limit
"""
# of what was told to many, one line is looked at, and the count is the broadcast's own
RECENT_EVENTS = """
    SELECT e.id, e.name, e.created_at, e.item_id, w.number, w.title AS item_title, coalesce(m.id, n.id) AS notification_id,
           coalesce(m.title, n.title) AS title, coalesce(b.told, n.told) AS told,
           (SELECT sum(coalesce(x.people, 1)) FROM decision x WHERE x.organisation_id = e.organisation_id AND x.event_id = e.id
               AND x.reason IN ('not_reached', 'nobody', 'person_left')) AS missed
    FROM event e
    LEFT JOIN work_item w ON w.organisation_id = e.organisation_id AND w.id = e.item_id
    LEFT JOIN broadcast b ON b.organisation_id = e.organisation_id AND b.event_id = e.id
    LEFT JOIN LATERAL (
        SELECT (array_agg(n.id ORDER BY n.person_id <> :me, n.id))[1] AS id,
               (array_agg(n.title ORDER BY n.person_id <> :me, n.id))[1] AS title, count(*) AS told
        FROM notification n WHERE b.event_id IS NULL AND n.organisation_id = :org AND n.event_id = e.id
    ) n ON true
    LEFT JOIN LATERAL (
        (SELECT id, title FROM notification
          WHERE b.event_id IS NOT NULL AND organisation_id = :org AND event_id = e.id AND person_id = :me)
        UNION ALL
        (SELECT id, title FROM notification
          WHERE b.event_id IS NOT NULL AND organisation_id = :org AND event_id = e.id ORDER BY person_id LIMIT 1)
        LIMIT 1
    ) m ON true
    WHERE e.organisation_id = :org ORDER BY e.created_at DESC LIMIT :limit
"""
RECENT_WORK = """
    SELECT w.id, w.kind, w.number, w.title, w.status, w.updated_at,
           (SELECT coalesce(json_object_agg(i.role, p.name), '{}') FROM item_person i
              JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
             WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id) AS people
    FROM work_item w WHERE w.organisation_id = :org AND NOT (w.kind || '/' || w.status) = ANY(:removed)
    ORDER BY w.updated_at DESC, w.id DESC LIMIT :limit
"""


@blueprint.get("/dashboard")
@allow("office")
def show() -> ResponseReturnValue:
    """The page."""
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        page = {
            "figures": _figures(work, read),
            "charts": _charts(work, read),
            "alerts": _alerts(work, who, read),
            "events": _events(work, who, read),
            "work": _recent_work(work, who, read),
            "health": health.lines(work, read),
            "wrong": running.in_short(work),
            "now": read.when(work.now),
        }
    return render_template("dashboard.html", **page, chart_hours=HOURS)


# --- figures -------------------------------------------------------------------------------------------------------


def _overdue_note(row: Any) -> str:
    if row.escalated:
        return ngettext("%(num)d has been escalated", "%(num)d have been escalated", row.escalated)
    return _("past the time of its step") if row.overdue else _("every step is in time")


def _figures(work: Step, read: Reader) -> list[dict[str, Any]]:
    now = work.now
    spans = {
        "day": now - timedelta(days=1),
        "week": now - timedelta(days=7),
        "late": now - timedelta(minutes=1),
    }
    row = work.one(FIGURES, now=now, most=COUNT_UP_TO + 1, **spans, **unheld())
    failed_url, late_url = _delivery_lists()
    oldest = (
        _("the oldest came %(when)s", when=read.ago(row.since))
        if row.since
        else _("nothing waits for anybody")
    )
    return [
        _figure("overdue", _("Overdue"), row.overdue, "bad" if row.overdue else "calm",
                _overdue_note(row),
                url_for("work.show", overdue=1)),
        _figure("waiting", _("Waiting for somebody"), row.waiting, "calm", oldest, url_for("work.show", state=WAITS)),
        _figure("approval", _("Waiting for approval"), row.approval, "calm",
                _("by a customer, an approver or the office"), url_for("work.show", state=APPROVAL)),
        _figure("unheld", _("Nobody has it"), row.unheld, "warn" if row.unheld else "calm",
                _("assign somebody") if row.unheld else _("all open work has somebody"),
                url_for("work.show", person=NOBODY)),
        _figure("unread_urgent", _("Urgent and unread"), _at_most(row.unread_urgent), "bad" if row.unread_urgent else "calm",
                _("in the last 7 days"), f"{url_for('.show')}#alerts"),
        _figure("not_reached", _("Not reached"), row.not_reached, "bad" if row.not_reached else "calm",
                _("in the last 24 hours"), url_for("work.show", state=TROUBLE)),
        _figure("failed", _("Failed messages"), row.failed, "bad" if row.failed else "calm",
                _("in the last 24 hours"), failed_url),
        _figure("late", _("Late messages"), row.late, "bad" if row.late else "calm",
                _("due for more than a minute"), late_url),
    ]  # fmt: skip


def _at_most(count: int) -> str:
    return f"{count}" if count <= COUNT_UP_TO else f"{COUNT_UP_TO:,}+"


def _figure(key: str, title: str, value: int | str, tone: str, text: str, url: str) -> dict[str, Any]:
    return {"key": key, "title": title, "value": value, "note": text, "url": url, "tone": tone}


def _delivery_lists() -> tuple[str, str]:
    """The lists behind failed and late messages: the outbox page where messages stay on this machine."""
    if local_channels():
        return url_for("outbox.show", state="failed"), url_for("outbox.show", state="waiting")
    return url_for("work.show", state=TROUBLE), f"{url_for('.show')}#health"


# --- deliveries by the hour ----------------------------------------------------------------------------------------


def _charts(work: Step, read: Reader) -> list[dict[str, Any]]:
    this_hour = formats.local(work.now, read.zone).replace(minute=0, second=0, microsecond=0)
    start = this_hour.astimezone(work.now.tzinfo) - timedelta(hours=HOURS - 1)
    counts = {(row.channel, row.hour, row.state): row.n for row in work.all(CHART, start=start)}
    # what people connect for themselves has a chart once it has been used
    shown = [one.name for one in channels() if not one.by_wish or any(key[0] == one.name for key in counts)]
    return [_chart(channel, counts, start, read) for channel in shown]


def _chart(
    channel: str, counts: dict[tuple[str, int, str], int], start: datetime, read: Reader
) -> dict[str, Any]:
    def count(hour: int, *states: str) -> int:
        return sum(counts.get((channel, hour, state), 0) for state in states)

    hours: list[dict[str, Any]] = []
    for hour in range(HOURS):
        begin = formats.local(start + timedelta(hours=hour), read.zone)
        end = formats.time_of(start + timedelta(hours=hour + 1), read.zone)

        hours.append(
            {
                "label": f"{begin:%H}",
                "exact": f"{read.exact(begin)}–{end}",
                "ok": count(hour, "sent", "delivered"),
                "waiting": count(hour, "queued", "held", "sending"),
                "failed": count(hour, "failed", "bounced", "suppressed", "unknown"),
            }
        )
    sums = {key: sum(hour[key] for hour in hours) for key in ("ok", "waiting", "failed")}
    return {"channel": channel, "title": channel_title(channel), "hours": hours, **sums}


# --- lists ---------------------------------------------------------------------------------------------------------


def _alerts(work: Step, who: Viewer, read: Reader) -> list[dict[str, Any]]:
    closed = [f"{kind.name}/{status}" for kind in domains.kinds() for status in final(kind) or kind.closed]
    rows = work.all(ALERT, me=who.person_id, office=list(world.of(work).office), closed=closed, limit=ALERTS)
    return [
        {
            "title": row.title,
            "text": row.text,
            "priority": PRIORITIES[row.priority],
            "url": url_for("notification.show", id=row.notification_id),
            "when": read.when(row.created_at),
            "people": _("%(who)s: read", who=names(sorted(row.people)))
            if row.read
            else _("%(who)s: not read yet", who=names(sorted(row.people))),
            "acknowledge_url": url_for("alert.acknowledge", id=row.id),
        }
        for row in rows
    ]


def _events(work: Step, who: Viewer, read: Reader) -> list[dict[str, Any]]:
    return [
        {
            "title": event_title(row.name),
            "text": f"{row.number} {row.item_title}" if row.number else row.title or "",
            "url": _event_url(row, who),
            "when": read.when(row.created_at),
            "told": _told(row.told or 0, row.missed),
        }
        for row in work.all(RECENT_EVENTS, me=who.person_id, limit=EVENTS)
    ]


def _event_url(row: Any, who: Viewer) -> str:
    if row.notification_id:
        return url_for("notification.show", id=row.notification_id)
    return item_url(who.role, row.item_id) or url_for("work.show")


def _told(told: int, missed: int | None) -> str:
    said = (
        ngettext("%(count)s person told", "%(count)s people told", told, count=f"{told:,}")
        if told
        else _("nobody told")
    )
    return f"{said}, {_('%(count)s not reached', count=f'{missed:,}')}" if missed and told else said


def _recent_work(work: Step, who: Viewer, read: Reader) -> list[dict[str, Any]]:
    rows = work.all(RECENT_WORK, removed=removed(), limit=WORK)
    kinds = {kind.name: kind for kind in domains.kinds()}
    return [
        {
            "number": row.number,
            "title": row.title,
            "people": names([row.people[role] for role in _roles(kinds.get(row.kind)) if role in row.people])
            if row.people
            else _("nobody named"),
            "state": row.status,
            "state_title": kinds[row.kind].statuses.get(row.status, row.status)
            if row.kind in kinds
            else row.status,
            "kind_title": kinds[row.kind].title if row.kind in kinds else row.kind,
            "url": item_url(who.role, row.id),
            "updated": read.when(row.updated_at),
        }
        for row in rows
    ]


def _roles(kind: WorkKind | None) -> list[str]:
    return list(kind.roles) if kind else []
