"""Addresses that are not written to: which, why, since when, whose; one of them with all that came back from it, and the way to
write to it again. The office looks and opens; what a person wants nobody else changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import Invalid, NotFound, Refused
from notify_app.pipeline.step import Step, step
from notify_app.policy.feedback import Block
from notify_app.policy.routing import outward
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.paging import page
from notify_app.web.reader import Reader, reader
from notify_app.web.words import channel_title, contains, option
from notify_app.work import blocked

__all__ = ["advice", "blueprint"]

blueprint = Blueprint("suppressed", __name__)

PAGE, HEARD_SHOWN = 50, 20

LIST = """
    SELECT s.*, (SELECT json_agg(json_build_object('id', p.id, 'name', p.name) ORDER BY p.name, p.id) FROM address a
        JOIN person p ON p.organisation_id = a.organisation_id AND p.id = a.person_id AND p.left_at IS NULL
        WHERE a.organisation_id = s.organisation_id AND a.channel = s.channel AND a.value = s.value) AS people
    FROM suppression s WHERE s.organisation_id = :org
"""
OF_CHANNEL = "AND s.channel = :channel"
OF_KIND = "AND s.kind = :kind"
LIKE = """
    AND (s.value ILIKE :like OR EXISTS (
        SELECT FROM address a JOIN person p ON p.organisation_id = a.organisation_id AND p.id = a.person_id
        WHERE a.organisation_id = s.organisation_id AND a.channel = s.channel AND a.value = s.value AND p.name ILIKE :like))
"""
ONE = f"{LIST} AND s.id = :id"
HEARD = """
    SELECT f.heard, f.detail, f.created_at, (
        SELECT i.notification_id FROM delivery_item i
        WHERE i.organisation_id = f.organisation_id AND i.delivery_id = f.delivery_id ORDER BY i.notification_id LIMIT 1
    ) AS notification_id
    FROM feedback f WHERE f.organisation_id = :org AND f.channel = :channel AND f.address = :value
    ORDER BY f.created_at DESC, f.id DESC LIMIT :limit
"""


@blueprint.get("/suppressed")
@allow("office")
def show() -> ResponseReturnValue:
    """The list, newest first; found by address or name, channel, why."""
    asked = request.args
    channel = asked.get("channel", "") if asked.get("channel") in outward() else ""
    kind = asked.get("kind", "") if asked.get("kind") in list(Block) else ""
    q = asked.get("q", "").strip()[:100]
    clauses = ((OF_CHANNEL, channel), (OF_KIND, kind), (LIKE, q))
    where = " ".join(clause for clause, wanted in clauses if wanted)
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        found = page(
            work,
            f"{LIST} {where}",
            "s",
            "created_at",
            before=asked.get("before", ""),
            after=asked.get("after", ""),
            size=PAGE,
            values={"channel": channel, "kind": kind, "like": contains(q)},
        )
    kept: dict[str, Any] = {"channel": channel, "kind": kind, "q": q}
    kept = {name: value for name, value in kept.items() if value}
    return render_template(
        "suppressed.html",
        addresses=[_line(row, read) for row in found.rows],
        channels=[
            option("", _("All channels"), channel),
            *(option(one, channel_title(one), channel) for one in outward()),
        ],
        kinds=[
            option("", _("All reasons"), kind),
            *(option(one.value, _kind_title(one.value), kind) for one in Block),
        ],
        q=q,
        filtered=bool(kept),
        newer=url_for(".show", **kept, after=found.newer) if found.newer else None,
        older=url_for(".show", **kept, before=found.older) if found.older else None,
    )


@blueprint.get("/suppressed/<uuid:id>")
@allow("office")
def one(id: UUID) -> ResponseReturnValue:
    """One of them. Raises NotFound."""
    return _page(id, {}, {})


@blueprint.post("/suppressed/<uuid:id>")
@allow("office")
def release(id: UUID) -> ResponseReturnValue:
    """Write to it again, for the reason given. Raises NotFound."""
    reason, asked = request.form.get("reason", ""), request.form.get("asked") == "yes"
    try:
        with step(viewer().organisation_id) as work:
            row = blocked.release(work, id, reason, viewer().by, asked=asked)
    except Invalid as error:
        errors = {field.field: field.message for field in error.fields}
        return _page(id, errors, {"reason": reason[:1000], "asked": asked}), 422
    except Refused as error:
        return _page(id, {"form": str(error)}, {}), 409
    flash(_("%(address)s is written to again.", address=row.value), "ok")
    return redirect(url_for(".show"), 303)


def advice(reason: str, kind: str) -> str:
    """Why one's own address is not written to, and what one can do about it."""
    if kind == Block.opt_out:
        todo = _("Send START from this phone to get messages again.")
    elif kind == blocked.COMPLAINT:
        todo = _("If you want them again, tell the office.")
    else:
        todo = _("Add another address, or tell the office when this one works again.")
    return f"{reason}. {todo}"


def _page(id: UUID, errors: Mapping[str, str], values: Mapping[str, Any]) -> str:
    with step(viewer().organisation_id) as work:
        row = work.one(ONE, id=id)
        if row is None:
            raise NotFound(_("This address is not blocked here."))
        read = reader(work.now)
        heard = _heard(work, row, read)
    return render_template(
        "suppressed_one.html",
        a=_line(row, read),
        heard=heard,
        theirs=row.kind == Block.opt_out,
        complained=row.kind == blocked.COMPLAINT,
        errors=errors,
        values=values,
    )


def _line(row: Any, read: Reader) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "address": row.value,
        "why": f"{row.reason[:1].upper()}{row.reason[1:]}",
        "kind_title": _kind_title(row.kind),
        "theirs": row.kind == Block.opt_out,
        "since": read.when(row.created_at),
        "url": url_for(".one", id=row.id),
        "people": [
            {"name": one["name"], "url": url_for("people.person", id=one["id"])} for one in row.people or ()
        ],
    }


def _heard(work: Step, row: Any, read: Reader) -> list[dict[str, Any]]:
    """What came back from the address, the newest first."""
    return [
        {
            "title": _heard_title(one.heard),
            "detail": one.detail,
            "when": read.when(one.created_at),
            "url": url_for("notification.show", id=one.notification_id) if one.notification_id else None,
        }
        for one in work.all(HEARD, channel=row.channel, value=row.value, limit=HEARD_SHOWN)
    ]


def _kind_title(kind: str) -> str:
    titles = {
        "refused": _("Refused"),
        "soft_bounces": _("Came back often"),
        "bounce": _("Came back"),
        "complaint": _("Complained"),
        "opt_out": _("Wants none"),
    }
    return titles.get(kind, kind.replace("_", " ").capitalize())


def _heard_title(heard: str) -> str:
    titles = {
        "delayed": _("Not taken yet"),
        "soft_bounce": _("Came back, for a cause that may pass"),
        "rejected": _("Not sent by the provider"),
        "hard_bounce": _("Came back for good"),
        "opted_out": _("The number wants no messages"),
        "complaint": _("Reported as spam"),
    }
    return titles.get(heard, heard.replace("_", " ").capitalize())
