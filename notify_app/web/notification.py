"""One notification and its whole story: why it came, how it was sent, and for the office who else was told.

Opening one's own marks it read. The office may look at anybody's of its organisation, which marks nothing and
shows no private link. `?about=<person>` asks why somebody was, or was not, told of the same event. Of what was told to
many, the office sees how many, how far it is, and why others were not, in sentences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.hub import NOT_REACHED
from notify_app.errors import NotFound
from notify_app.live.announce import Changed
from notify_app.pipeline import inbox
from notify_app.pipeline.step import Step, step
from notify_app.web.guard import allow
from notify_app.web.identity import Membership, viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.rollcall import answers_of
from notify_app.web.words import (
    channel_title,
    delivery_title,
    hinted,
    hold_inbox_state,
    is_office,
    item_url,
    note,
    option,
    person,
    price,
    role_title,
    safe_action,
    uuid_or_none,
)
from notify_app.work import told, why

__all__ = ["blueprint"]

blueprint = Blueprint("notification", __name__)

ONE = """
    SELECT n.*, p.name AS person_name, p.role AS person_role, w.number, w.title AS item_title, w.kind, w.status,
           (SELECT t.id FROM escalation e JOIN task t ON t.organisation_id = e.organisation_id AND t.id = e.task_id
             WHERE e.organisation_id = n.organisation_id AND e.event_id = n.event_id
               AND t.closed_at IS NULL AND t.acknowledged_at IS NULL
               AND NOT EXISTS (SELECT FROM task_acknowledgement k WHERE k.organisation_id = t.organisation_id
                                AND k.task_id = t.id AND k.person_id = :me) LIMIT 1) AS waiting_task_id
    FROM notification n
    JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id
    LEFT JOIN work_item w ON w.organisation_id = n.organisation_id AND w.id = n.item_id
    WHERE n.organisation_id = :org AND n.id = :id
"""
OTHERS = """
    SELECT p.id, p.name, p.role, p.account_id IS NOT NULL AS signs_in, n.id AS notification_id, n.read_at,
           (SELECT coalesce(json_agg(json_build_array(d.channel, d.state) ORDER BY d.created_at), '[]')
              FROM delivery_item i
              JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
             WHERE i.organisation_id = n.organisation_id AND i.notification_id = n.id AND d.reason IS DISTINCT FROM 'collected') AS sent,
           (SELECT x.reason FROM decision x WHERE x.organisation_id = p.organisation_id AND x.event_id = :event
               AND x.person_id = p.id AND x.outcome = 'not_told' AND x.channel IS NULL LIMIT 1) AS refused
    FROM person p
    LEFT JOIN notification n ON n.organisation_id = p.organisation_id AND n.person_id = p.id AND n.event_id = :event
    WHERE p.organisation_id = :org AND p.id <> :person AND (n.id IS NOT NULL OR p.id IN (
        SELECT x.person_id FROM decision x WHERE x.organisation_id = :org AND x.event_id = :event))
    ORDER BY p.name, p.id LIMIT 200
"""
# what the office must know of somebody's deliveries, the worst first
TROUBLE = ("failed", "bounced", "unknown", "suppressed", "queued", "held")

PEOPLE = """
    SELECT id, name, role FROM person WHERE organisation_id = :org AND left_at IS NULL ORDER BY lower(name), id LIMIT :limit
"""
ONE_MORE = "SELECT id, name, role FROM person WHERE organisation_id = :org AND id = :id"
LISTED = 500


@blueprint.get("/inbox/<uuid:id>")
@allow("member")
def show(id: UUID) -> ResponseReturnValue:
    """The notification. Raises NotFound for one that is neither the viewer's nor their office's."""
    member, mine = _open(id)
    who = viewer()
    hold_inbox_state(who)
    with step(member.organisation_id) as work:
        row = work.one(ONE, id=id, me=member.person_id)
        read = reader(work.now)
        said = why.Said(who.zone, work.now, you=mine, locale=who.locale)
        story = why.explain(work, row.event_id, row.person_id, said)
        for_office = (
            _for_office(work, row, replace(said, you=False), read)
            if is_office(member)
            else {"others": None, "crowd": None}
        )
        answers = answers_of(work, row.person_id, {row.id: row.name})
    return render_template(
        "notification.html",
        n={**note(row, read, member.organisation_name if len(who.memberships) > 1 else ""), "body": ""},
        item=_item(row, member),
        action=None if answers else _action(row, member, mine),
        back=url_for("inbox.show") if mine else item_url(member.role, row.item_id) or url_for("home.show"),
        # who answers has taken notice
        acknowledge_url=None if answers and mine else _acknowledge_url(row),
        answers=answers.get(row.id, []),
        rollcall_url=url_for("rollcall.call", id=row.event_id) if answers and _office_here(member) else None,
        why=[_line(one, read) for one in story.lines],
        deliveries=[_delivery(one, read, is_office(member)) for one in story.deliveries],
        person=person(row.person_name, row.person_role, you=mine),
        mine=mine,
        **for_office,
    )


def _open(id: UUID) -> tuple[Membership, bool]:
    """As whom the viewer sees it, and whether it is their own: then it is read now."""
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            row = work.one(
                "SELECT person_id, withdrawn_at FROM notification WHERE organisation_id = :org AND id = :id",
                id=id,
            )
            if row is None:
                continue
            if row.person_id == one.person_id:
                # a page that refreshes itself is not somebody who opens it: it would undo "mark as unread" elsewhere
                if "X-Live" not in request.headers and inbox.mark_read(work, one.person_id, [id]):
                    work.news.append(Changed(work.organisation_id, "read"))
                return one, True
            if is_office(one):
                return one, False
    raise NotFound("There is no such notification, or it is not yours to see.")


def _item(row: Any, member: Membership) -> dict[str, Any] | None:
    if row.item_id is None or row.number is None:
        return None
    kind = domains.kind(row.kind)
    return {
        "number": row.number,
        "title": row.item_title,
        "state": row.status,
        "state_title": kind.statuses.get(row.status, row.status) if kind else row.status,
        "url": item_url(member.role, row.item_id),
    }


def _action(row: Any, member: Membership, mine: bool) -> dict[str, str] | None:
    """The button: one's own action, or the office's page of the item; never somebody else's private link."""
    url = safe_action(row.action_url) if mine else item_url(member.role, row.item_id)
    if not url:
        return None
    return {"title": _("Open %(number)s", number=row.number) if row.number else _("Open"), "url": url}


def _office_here(member: Membership) -> bool:
    """Whether the office's other pages show this organisation now."""
    return is_office(member) and member.organisation_id == viewer().organisation_id


def _acknowledge_url(row: Any) -> str | None:
    """Where to take notice of what is on the office's list of alerts; else where to see to the task whose ladder told it,
    while that waits for somebody to."""
    alert = row.priority == 1 or row.name == NOT_REACHED.name
    if alert and row.acknowledged_at is None:
        return url_for("alert.acknowledge", id=row.event_id)
    return url_for("tasks.acknowledge", id=row.waiting_task_id) if row.waiting_task_id else None


def _line(line: why.Line, read: Reader) -> dict[str, Any]:
    return {"text": line.text, "when": read.when(line.at), "kind": line.kind}


def _delivery(sent: why.Sent, read: Reader, for_office: bool) -> dict[str, Any]:
    return {
        "id": str(sent.id),
        "channel": sent.channel,
        "channel_title": channel_title(sent.channel),
        "address": hinted(sent.channel, sent.address),
        "state": sent.state,
        "state_title": delivery_title(sent.state),
        "reason": sent.reason,
        "provider": sent.provider,
        "attempts": sent.attempts,
        "when": read.when(sent.at),
        "next": read.when(sent.next_at),
        "cost": price(sent.cost),
        "message_url": url_for("outbox.show", message=sent.id)
        if for_office and sent.provider == "local"
        else None,
    }


# --- what only the office sees -----------------------------------------------------------------------------------------


def _for_office(work: Step, row: Any, said: why.Said, read: Reader) -> dict[str, Any]:
    """Who else was told, and the answer to "why did, or didn't, somebody hear of it?"."""
    about = uuid_or_none(request.args.get("about"))
    people = work.all(PEOPLE, limit=LISTED)
    asked = next((one for one in people if one.id == about), None) or (about and work.one(ONE_MORE, id=about))
    if asked and asked not in people:
        people.insert(0, asked)
    crowd = told.crowd(work, row.event_id, said)
    story = why.explain(work, row.event_id, asked.id, said) if asked else None
    return {
        "crowd": crowd and _crowd(crowd),
        "others": [
            _other(one, said, read) for one in work.all(OTHERS, event=row.event_id, person=row.person_id)
        ]
        if crowd is None
        else [],
        "all_listed": len(people) < LISTED,
        "people": [
            option(str(one.id), f"{one.name} ({role_title(one.role)})", str(about or "")) for one in people
        ],
        "asked": story
        and {"name": story.person, "told": story.told, "why": [_line(one, read) for one in story.lines]},
    }


def _crowd(crowd: told.Crowd) -> dict[str, Any]:
    return {
        "audience": crowd.audience,
        "people": f"{crowd.people:,}",
        "told": f"{crowd.told:,}",
        "considered": f"{crowd.considered:,}",
        "share": crowd.considered * 100 // crowd.people,
        "done": crowd.done,
        "trouble": crowd.trouble,
        "lines": [
            {"people": f"{one.people:,}", "text": one.text, "outcome": one.outcome} for one in crowd.lines
        ],
    }


def _other(row: Any, said: why.Said, read: Reader) -> dict[str, Any]:
    told = row.notification_id is not None
    sent = dict(row.sent or ())
    state = next(
        (one for one in TROUBLE if one in sent.values()),
        "unread" if row.signs_in else "sent" if sent else "failed",
    )
    channels = [*(["inapp"] if row.signs_in else []), *sent]
    return {
        "name": row.name,
        "role": role_title(row.role),
        "channels": ", ".join(channel_title(one) for one in channels),
        "read": read.when(row.read_at),
        "state": state if told else "skipped",
        "state_title": delivery_title(state) if told else _("Not told"),
        "reason": why.reason_of(row.refused, None, None, said) if row.refused else "",
        "url": url_for(".show", id=row.notification_id) if told else None,
    }
