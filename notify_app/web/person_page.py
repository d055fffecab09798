"""What the page of one person shows: addresses, what they hold, where they sign in, and the forms that change it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, url_for
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import GRADES, ROLES
from notify_app.errors import NotFound
from notify_app.models import InvitationOutcome
from notify_app.pipeline.step import Step, step
from notify_app.policy.channel import shown
from notify_app.web import invitations
from notify_app.web.identity import Viewer, viewer
from notify_app.web.preferences import zone_options
from notify_app.web.reader import Reader, reader
from notify_app.web.record import recent
from notify_app.web.unverified import unverified_row
from notify_app.web.verbs import final
from notify_app.web.words import address_fields, channel_title, is_office, item_url, option, role_title
from notify_app.work import joining, verification, wishes

__all__ = ["choices", "grade_title", "one", "show"]

HOLDING = 50

ONE = """
    SELECT p.*, coalesce(p.zone, o.zone) AS lives_in, o.zone AS office_zone, s.name AS source
    FROM person p JOIN organisation o ON o.id = p.organisation_id
    LEFT JOIN source s ON s.organisation_id = p.organisation_id AND s.id = p.source_id
    WHERE p.organisation_id = :org AND p.id = :id
"""
ELSEWHERE = "SELECT id, role, left_at FROM person WHERE organisation_id = :org AND account_id = :account"
PARTS = """
    SELECT w.id, w.kind, w.number, w.title, w.status, i.role FROM item_person i
    JOIN work_item w ON w.organisation_id = i.organisation_id AND w.id = i.item_id
    WHERE i.organisation_id = :org AND i.person_id = :id AND NOT (w.kind || '/' || w.status) = ANY(:closed)
    ORDER BY w.updated_at DESC, w.id LIMIT :limit
"""
TASKS = """
    SELECT t.id, t.kind, t.name, t.due_at, w.id AS item_id, w.number FROM task t
    JOIN work_item w ON w.organisation_id = t.organisation_id AND w.id = t.item_id
    WHERE t.organisation_id = :org AND t.assignee_id = :id AND t.closed_at IS NULL ORDER BY t.due_at LIMIT :limit
"""


def show(
    id: UUID, *, errors: dict[str, str] | None = None, values: dict[str, str] | None = None, link: str = ""
) -> str:
    """The page, with what was typed and is wrong, or the link that an invitation has made. Raises NotFound."""
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        row = one(work, id)
        addresses = wishes.addresses(work, id)
        unverified = verification.of_person(work, id)
        invitation = None if row.account_id else joining.latest(work, id)
        closed = [f"{kind.name}/{status}" for kind in domains.kinds() for status in final(kind)]
        parts = work.all(PARTS, id=id, closed=closed, limit=HOLDING)
        tasks = work.all(TASKS, id=id, limit=HOLDING)
        changes = recent(work, id) if who.role == "administrator" else []
    typed = {
        "name": row.name,
        "role": row.role,
        "grade": row.grade or "",
        "zone": row.zone or "",
        "email": (invitation.email or "") if invitation else "",
        **(values or {}),
    }
    return render_template(
        "person.html",
        fields=address_fields(),
        p={
            "id": str(row.id),
            "name": row.name,
            "role": role_title(row.role),
            "grade": grade_title(row.grade) if row.grade else "",
            "zone": row.lives_in,
            "left": read.when(row.left_at),
            "since": read.when(row.created_at),
            "source": row.source or "",
            "external_id": row.external_id or "",
            "signs_in": row.account_id is not None,
            "invited": read.when(invitation.created_at) if invitation and not invitation.outcome else None,
            "declined": read.when(invitation.settled_at)
            if invitation and invitation.outcome == InvitationOutcome.declined
            else None,
            "you": row.id == who.person_id,
        },
        addresses=[_address(one) for one in addresses],
        unverified=[unverified_row(one) for one in unverified],
        organisations=_organisations(row.account_id, who),
        parts=[_part(one, who) for one in parts],
        tasks=[_task(one, who, read) for one in tasks],
        changes=changes,
        may_change=who.role == "administrator",
        values=typed,
        **choices(typed, row.office_zone),
        errors=errors or {},
        link=link,
        days=invitations.LIFE.days,
    )


def one(work: Step, id: UUID) -> Any:
    """Their row. Raises NotFound."""
    row = work.one(ONE, id=id)
    if row is None:
        raise NotFound(_("There is nobody like that here."))
    return row


def _address(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "address": shown(row.channel, row.value),
        "blocked": row.blocked or "",
        "blocked_url": url_for("suppressed.one", id=row.blocked_id) if row.blocked_id else "",
    }


def _organisations(account_id: UUID | None, who: Viewer) -> list[dict[str, Any]]:
    """Where else the account is somebody, of those organisations whose office the viewer belongs to."""
    found = []
    for one in who.memberships if account_id else ():
        if is_office(one):
            with step(one.organisation_id) as work:
                row = work.one(ELSEWHERE, account=account_id)
            if row:
                found.append(
                    {
                        "name": one.organisation_name,
                        "role": role_title(row.role),
                        "left": row.left_at is not None,
                        "current": one.organisation_id == who.organisation_id,
                    }
                )
    return found


def _part(row: Any, who: Viewer) -> dict[str, Any]:
    kind = domains.kind(row.kind)
    return {
        "number": row.number,
        "title": row.title,
        "role": row.role.replace("_", " ").capitalize(),
        "state": row.status,
        "state_title": kind.statuses.get(row.status, row.status) if kind else row.status,
        "url": item_url(who.role, row.id),
    }


def _task(row: Any, who: Viewer, read: Reader) -> dict[str, Any]:
    kind = domains.kind(row.kind)
    declared = next((one for one in kind.tasks if one.name == row.name), None) if kind else None
    return {
        "title": declared.title if declared else row.name,
        "number": row.number,
        "due": read.when(row.due_at),
        "late": row.due_at < read.now,
        "url": item_url(who.role, row.item_id),
    }


def grade_title(grade: str) -> str:
    """A grade in words."""
    return _("Grade %(grade)s", grade=grade)


def choices(values: dict[str, str], office_zone: str) -> dict[str, list[dict[str, Any]]]:
    """The lists of roles, grades and zones, as chosen."""
    role, grade, zone = (values.get(name, "") for name in ("role", "grade", "zone"))
    return {
        "roles": [option(one, role_title(one), role) for one in ROLES],
        "grades": [option("", _("None"), grade), *(option(one, grade_title(one), grade) for one in GRADES)],
        "zones": [
            option("", _("As the organisation: %(zone)s", zone=office_zone), zone),
            *zone_options(zone),
        ],
    }
