"""What was written: the history with how many were told, have read, and could not be reached; and one message, with who
has read it when and who is silent (B3). The office sees all of it, everybody else what they wrote themselves.

What is scheduled is taken back here until it has left; to change it is to take it back and write it anew.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.errors import NotFound, Refused
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, step
from notify_app.policy.formats import unpack
from notify_app.web import audiences
from notify_app.web.compose import kinds_for
from notify_app.web.compose_form import OWN_WORDS
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.paging import page
from notify_app.web.reader import Reader, reader
from notify_app.web.words import PRIORITIES, channel_title, delivery_title, event_title, item_url, role_title
from notify_app.work import addressees, messages

__all__ = ["blueprint"]

blueprint = Blueprint("sent", __name__)

PAGE = 30
MOST_PEOPLE = 500
SHOWN = ("all", "read", "silent", "unreached")

COLUMNS = """
    m.*, p.name AS author, e.priority AS told_priority, e.created_at AS told_at,
    (SELECT count(*) FROM notification n WHERE n.organisation_id = m.organisation_id AND n.event_id = m.event_id) AS told,
    (SELECT count(*) FROM notification n WHERE n.organisation_id = m.organisation_id AND n.event_id = m.event_id
        AND n.read_at IS NOT NULL) AS read,
    (SELECT count(DISTINCT x.person_id) FROM decision x WHERE x.organisation_id = m.organisation_id AND x.event_id = m.event_id
        AND x.reason IN ('not_reached', 'template_failed')) AS unreached
    FROM written_message m
    JOIN person p ON p.organisation_id = m.organisation_id AND p.id = m.author_id
    LEFT JOIN event e ON e.organisation_id = m.organisation_id AND e.id = m.event_id
    WHERE m.organisation_id = :org AND (:office OR m.author_id = :me)
"""
LIST = f"SELECT {COLUMNS}"
WAITING = f"SELECT {COLUMNS} AND m.state = 'scheduled' ORDER BY m.due_at, m.id LIMIT 100"
ONE = f"SELECT {COLUMNS} AND m.id = :id"
PEOPLE = """
    SELECT p.id, p.name, p.role, p.account_id IS NOT NULL AS signs_in, n.id AS notification_id, n.read_at, n.created_at,
           (SELECT coalesce(json_agg(json_build_array(d.channel, d.state) ORDER BY d.created_at), '[]')
              FROM delivery_item i
              JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
             WHERE i.organisation_id = n.organisation_id AND i.notification_id = n.id
               AND d.reason IS DISTINCT FROM 'collected') AS sent,
           EXISTS (SELECT FROM decision x WHERE x.organisation_id = n.organisation_id AND x.event_id = n.event_id
                     AND x.person_id = p.id AND x.reason = 'not_reached') AS unreached
    FROM notification n JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id
    WHERE n.organisation_id = :org AND n.event_id = :event
"""
WHICH = {
    "all": "",
    "read": "AND n.read_at IS NOT NULL",
    "silent": "AND n.read_at IS NULL",
    "unreached": (
        "AND EXISTS (SELECT FROM decision x WHERE x.organisation_id = n.organisation_id AND x.event_id = n.event_id "
        "AND x.person_id = p.id AND x.reason = 'not_reached')"
    ),
}
NAMES = "SELECT id, name FROM person WHERE organisation_id = :org AND id = ANY(:ids)"


@blueprint.get("/sent")
@allow("member")
def show() -> ResponseReturnValue:
    """What waits for its time, and what has left, newest first."""
    who = viewer()
    values = {"office": who.office, "me": who.person_id}
    with step(who.organisation_id) as work:
        read = reader(work.now)
        waiting = work.all(WAITING, **values)
        found = page(
            work,
            f"{LIST} AND m.state <> 'scheduled'",
            "m",
            "created_at",
            before=request.args.get("before", ""),
            after=request.args.get("after", ""),
            size=PAGE,
            values=values,
        )
        names = _names(work, [*waiting, *found.rows])
        me = world.of(work).member(who.person_id)
    return render_template(
        "sent.html",
        kinds=kinds_for(me.ref) if me else [],
        waiting=[_line(row, names, read) for row in waiting],
        messages=[_line(row, names, read) for row in found.rows],
        newer=url_for(".show", after=found.newer) if found.newer else None,
        older=url_for(".show", before=found.older) if found.older else None,
    )


@blueprint.get("/sent/<uuid:id>")
@allow("member")
def message(id: UUID) -> ResponseReturnValue:
    """One message: what it says, for whom, who has read it and who has not."""
    who = viewer()
    shown = request.args.get("show", "all")
    shown = shown if shown in SHOWN else "all"
    with step(who.organisation_id) as work:
        read = reader(work.now)
        row = _one(work, id, who)
        told = (
            work.all(
                f"{PEOPLE} {WHICH[shown]} ORDER BY lower(p.name), p.id LIMIT {MOST_PEOPLE}",
                event=row.event_id,
            )
            if row.event_id
            else []
        )
        type_ = domains.event(row.event)
        return render_template(
            "sent_message.html",
            m=_line(row, _names(work, [row]), read),
            facts=_facts(row, read),
            item=_item(work, row, who),
            people=[_person(one, read, office=who.office) for one in told],
            shown=shown,
            more=max(_many(row, shown) - len(told), 0),
            rollcall_url=url_for("rollcall.call", id=row.again_of or row.event_id)
            if who.office and row.event_id and type_ and type_.answers
            else None,
        )


@blueprint.post("/sent/<uuid:id>/cancel")
@allow("member")
def cancel(id: UUID) -> ResponseReturnValue:
    """Take back what has not left; `edit` leads to the form with its words. Raises NotFound."""
    who = viewer()
    with step(who.organisation_id) as work:
        row = _one(work, id, who)
        try:
            messages.cancel(work, id, who.person_id)
        except Refused as refusal:
            flash(str(refusal), "error")
            return redirect(url_for(".message", id=id), 303)
    if request.form.get("do") == "edit":
        flash(_("It is taken back. Change it here, then send it again."), "ok")
        return redirect(_form_url(row), 303)
    flash(_("It is taken back and will not be sent."), "ok")
    return redirect(url_for(".show"), 303)


def _one(work: Step, id: UUID, who: Viewer) -> Any:
    row = work.one(ONE, id=id, office=who.office, me=who.person_id)
    if row is None:
        raise NotFound(_("There is no such message."))
    return row


# --- what the pages show -------------------------------------------------------------------------------------------


def _names(work: Step, rows: list[Any]) -> dict[Any, str]:
    """Of those who were chosen by name."""
    ids = list({one for row in rows for one in addressees.named(row.audience)})
    return {row.id: row.name for row in work.all(NAMES, ids=ids)} if ids else {}


def _line(row: Any, names: dict[Any, str], read: Reader) -> dict[str, Any]:
    facts = unpack(row.facts)
    said = facts.get("headline") or facts.get("alert_message") or facts.get("message") or ""
    priority = row.told_priority or row.priority
    return {
        "id": str(row.id),
        "title": said or event_title(row.event),
        "kind": event_title(row.event) if row.happening else "",
        "again": row.again_of is not None,
        "author": row.author,
        "audience": audiences.said(row.audience, names),
        "priority": PRIORITIES[priority] if priority else "",
        "state": row.state,
        "error": row.error or "",
        "told": row.told,
        "read": row.read,
        "silent": row.told - row.read,
        "unreached": row.unreached,
        "when": read.when(row.told_at or row.settled_at or row.created_at),
        "due": read.when(row.due_at),
        "written": read.when(row.created_at),
        "url": url_for("sent.message", id=row.id),
        "again_url": _form_url(row) if not row.again_of else None,
    }


def _form_url(row: Any) -> str:
    kind = row.happening or OWN_WORDS
    return (
        url_for("compose.show", **{"from": row.id})
        if kind == OWN_WORDS
        else url_for("compose.show", kind=kind, **{"from": row.id})
    )


def _facts(row: Any, read: Reader) -> list[dict[str, str]]:
    """What it says; a secret is its reader's alone."""
    happening = domains.happening(row.happening) if row.happening else None
    if row.happening and happening is None:
        return []
    values = unpack(row.facts)
    return [
        {
            "title": one.title,
            "value": _("Known to those it was sent to.")
            if one.secret
            else read.shaped(_plain(one, values[one.name])),
            "kind": one.kind.value,
        }
        for one in messages.fields(happening)
        if values.get(one.name) not in (None, "")
    ]


def _plain(one: Any, value: Any) -> Any:
    return one.choices.get(value, value) if one.choices else value


def _item(work: Step, row: Any, who: Viewer) -> dict[str, str] | None:
    held = world.of(work).item(row.item_id) if row.item_id else None
    if held is None:
        return None
    return {
        "number": held.item.number,
        "title": held.item.title,
        "url": item_url(who.role, row.item_id),
    }


def _person(row: Any, read: Reader, *, office: bool) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "role": role_title(row.role),
        "read": read.when(row.read_at),
        "signs_in": row.signs_in,
        "unreached": row.unreached,
        "channels": [
            {
                "channel": channel,
                "channel_title": channel_title(channel),
                "state": state,
                "state_title": delivery_title(state),
            }
            for channel, state in row.sent
        ],
        "url": url_for("notification.show", id=row.notification_id) if office else None,
    }


def _many(row: Any, shown: str) -> int:
    counted: dict[str, int] = {
        "all": row.told,
        "read": row.read,
        "silent": row.told - row.read,
        "unreached": row.unreached,
    }
    return counted[shown]
