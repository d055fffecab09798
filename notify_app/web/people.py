"""People: who belongs to the organisation, one of them with their addresses and what they hold, and what an administrator
changes: role and grade, who has left, who signs in and how. The office looks; administrators change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.domains.base import GRADES, ROLES
from notify_app.errors import Invalid, NotFound, Refused
from notify_app.pipeline.step import hub, step
from notify_app.web import invitations, person_page
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.words import address_fields, contains, option, role_title, uuid_or_none
from notify_app.work import roster, verification, wishes

__all__ = ["blueprint"]

blueprint = Blueprint("people", __name__)

PAGE = 50

LIST = """
    SELECT p.id, p.name, p.role, p.grade, p.left_at, p.account_id IS NOT NULL AS signs_in,
           EXISTS (SELECT FROM invitation i WHERE i.organisation_id = p.organisation_id AND i.person_id = p.id
               AND i.settled_at IS NULL) AS invited,
           (SELECT count(*) FROM task t WHERE t.organisation_id = p.organisation_id AND t.assignee_id = p.id
               AND t.closed_at IS NULL) AS tasks,
           EXISTS (SELECT FROM address a WHERE a.organisation_id = p.organisation_id AND a.person_id = p.id) AS reachable,
           EXISTS (SELECT FROM unverified_address u WHERE u.organisation_id = p.organisation_id AND u.person_id = p.id) AS unverified
    FROM person p WHERE p.organisation_id = :org
    AND (CAST(:role AS text) = '' OR p.role = :role) AND (CAST(:grade AS text) = '' OR p.grade = :grade)
    AND (CAST(:like AS text) = '' OR p.name ILIKE :like OR EXISTS (
        SELECT FROM address a WHERE a.organisation_id = p.organisation_id AND a.person_id = p.id AND a.value ILIKE :like))
    AND (p.left_at IS NOT NULL) = :gone
    AND (CAST(:after AS uuid) IS NULL OR (lower(p.name), p.id) > (
        SELECT lower(b.name), b.id FROM person b WHERE b.organisation_id = :org AND b.id = :after))
    ORDER BY lower(p.name), p.id LIMIT :limit
"""


# --- the list ------------------------------------------------------------------------------------------------------


@blueprint.get("/people")
@allow("office")
def show() -> ResponseReturnValue:
    """Who belongs here, by name; found by name or address, role, grade, or as having left."""
    asked, who = request.args, viewer()
    role = asked.get("role", "") if asked.get("role") in ROLES else ""
    grade = asked.get("grade", "") if asked.get("grade") in GRADES else ""
    q, gone = asked.get("q", "").strip()[:100], asked.get("left") == "1"
    like = contains(q) if q else ""
    after = uuid_or_none(asked.get("after"))
    with step(who.organisation_id) as work:
        rows = work.all(LIST, role=role, grade=grade, like=like, gone=gone, after=after, limit=PAGE + 1)
        read = reader(work.now)
    kept: dict[str, Any] = {"role": role, "grade": grade, "q": q, "left": "1" if gone else ""}
    kept = {name: value for name, value in kept.items() if value}
    return render_template(
        "people.html",
        people=[_line(row, read) for row in rows[:PAGE]],
        roles=[option("", _("All roles"), role), *(option(one, role_title(one), role) for one in ROLES)],
        grades=[
            option("", _("All grades"), grade),
            *(option(one, person_page.grade_title(one), grade) for one in GRADES),
        ],
        q=q,
        gone=gone,
        filtered=bool(kept),
        first=url_for(".show", **kept) if after else None,
        more=url_for(".show", **kept, after=rows[PAGE - 1].id) if len(rows) > PAGE else None,
        may_change=who.role == "administrator",
    )


def _line(row: Any, read: Reader) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "role": role_title(row.role),
        "grade": person_page.grade_title(row.grade) if row.grade else "",
        "sign_in": _("signs in") if row.signs_in else _("invited") if row.invited else _("does not sign in"),
        "reachable": row.reachable or row.signs_in,
        "unverified": row.unverified,
        "tasks": row.tasks,
        "left": read.when(row.left_at),
        "url": url_for("people.person", id=row.id),
    }


# --- one of them ---------------------------------------------------------------------------------------------------


@blueprint.get("/people/<uuid:id>")
@allow("office")
def person(id: UUID) -> ResponseReturnValue:
    """One person. Raises NotFound."""
    return person_page.show(id)


# --- changes -------------------------------------------------------------------------------------------------------


@blueprint.get("/people/new")
@allow("administrator")
def new() -> ResponseReturnValue:
    """The form for somebody new."""
    return _new({}, {"role": "technician"})


@blueprint.post("/people/new")
@allow("administrator")
def add() -> ResponseReturnValue:
    """Add somebody; a contact needs no sign-in."""
    values = _form("name", "role", "grade", "zone", "vouched", *(one["name"] for one in address_fields()))
    try:
        with step(viewer().organisation_id) as work:
            person_id = roster.add(work, values, viewer().by)
    except Invalid as error:
        return _new(_errors(error), values), 422
    flash(_("%(name)s is added.", name=values["name"].strip()), "ok")
    return redirect(url_for(".person", id=person_id), 303)


def _new(errors: dict[str, str], values: dict[str, str]) -> str:
    with step(viewer().organisation_id) as work:
        zone = work.one("SELECT zone FROM organisation WHERE id = :org").zone
    return render_template(
        "person_new.html",
        fields=address_fields(),
        errors=errors,
        values=values,
        **person_page.choices(values, zone),
    )


@blueprint.post("/people/<uuid:id>")
@allow("administrator")
def change(id: UUID) -> ResponseReturnValue:
    """Name, role, grade and zone. Raises NotFound."""
    values = _form("name", "role", "grade", "zone")
    try:
        with step(viewer().organisation_id) as work:
            roster.change(work, id, values, viewer().by)
    except (Invalid, Refused) as error:
        return person_page.show(id, errors=_errors(error), values=values), 422
    flash(_("The changes are saved."), "ok")
    return redirect(url_for(".person", id=id), 303)


@blueprint.post("/people/<uuid:id>/left")
@allow("administrator")
def left(id: UUID) -> ResponseReturnValue:
    """Mark as having left, or bring back (`back=1`). Raises NotFound."""
    back, by = request.form.get("back") == "1", viewer().by
    try:
        with step(viewer().organisation_id) as work:
            name = roster.come_back(work, id, by) if back else roster.leave(work, id, by)
    except Refused as refusal:
        flash(str(refusal), "error")
    else:
        said = (
            _("%(name)s belongs here again.", name=name)
            if back
            else _("%(name)s has left: nothing is sent to them any more.", name=name)
        )
        flash(said, "ok")
    return redirect(url_for(".person", id=id), 303)


@blueprint.post("/people/<uuid:id>/sign-in")
@allow("administrator")
def invite(id: UUID) -> ResponseReturnValue:
    """Invite them to sign in with an address, whoever has it: shows the link; or take the sign-in or the invitation away
    (`do=part`). Raises NotFound."""
    who, email = viewer(), request.form.get("email", "").strip()[:320]
    try:
        if request.form.get("do") == "part":
            with step(who.organisation_id) as work:
                name = roster.part(work, id, who.by)
            flash(_("%(name)s does not sign in here any more.", name=name), "ok")
            return redirect(url_for(".person", id=id), 303)
        token = invitations.invite(who.organisation_id, id, email, who.by)
    except (Invalid, Refused) as error:
        return person_page.show(id, errors=_errors(error, "email"), values={"email": email}), 422
    # shown once, in the answer to the form: it is kept nowhere in words
    return person_page.show(id, link=f"{hub().base_url}{url_for('welcome.show', token=token)}")


@blueprint.post("/people/<uuid:id>/addresses")
@allow("administrator")
def add_address(id: UUID) -> ResponseReturnValue:
    """An address for somebody who does not keep their own; it is verified first, unless the administrator knows that it is
    theirs (`vouched`). Raises NotFound."""
    channel, given = request.form.get("channel", ""), request.form.get("address", "")[:320]
    try:
        with step(viewer().organisation_id) as work:
            person_page.one(work, id)
            vouched = request.form.get("vouched") == "yes"
            not_sent = ""
            if vouched:
                wishes.add_address(work, id, channel, given, viewer().by, vouched=True)
            else:
                _address, not_sent = verification.begin(work, id, channel, given, viewer().by)
    except Invalid as error:
        kept = {channel: given, f"{channel}_vouched": request.form.get("vouched", "")}
        return person_page.show(id, errors=_errors(error), values=kept), 422
    if not_sent:
        flash(_("The address is added, and not verified yet. %(why)s", why=not_sent), "error")
    elif vouched:
        flash(_("The address is added."), "ok")
    else:
        flash(_("The address is added. It is used as soon as it is verified: a code was sent to it."), "ok")
    return redirect(url_for(".person", id=id), 303)


@blueprint.post("/people/<uuid:id>/addresses/remove")
@allow("administrator")
def remove_address(id: UUID) -> ResponseReturnValue:
    """Take an address away. Raises NotFound."""
    with step(viewer().organisation_id) as work:
        person_page.one(work, id)
        address = uuid_or_none(request.form.get("address"))
        if address is None:
            raise NotFound(_("There is no such address."))
        wishes.remove_address(work, id, address, viewer().by)
    flash(_("The address is taken away."), "ok")
    return redirect(url_for(".person", id=id), 303)


def _form(*names: str) -> dict[str, str]:
    return {name: request.form.get(name, "")[:320] for name in names}


def _errors(error: Invalid | Refused, field: str = "form") -> dict[str, str]:
    if isinstance(error, Refused) or not error.fields:
        return {field: str(error)}
    return {one.field: one.message for one in error.fields}
