"""Keys of programs: an administrator makes one for a person, sees it once, and revokes it (requirement C6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import Invalid
from notify_app.pipeline.step import step
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.words import option, role_title, uuid_or_none
from notify_app.work import keys

__all__ = ["blueprint"]

blueprint = Blueprint("keys", __name__)

PEOPLE = """
    SELECT id, name, role FROM person WHERE organisation_id = :org AND left_at IS NULL ORDER BY lower(name), id LIMIT 1000
"""


@blueprint.get("/keys")
@allow("administrator")
def show() -> ResponseReturnValue:
    """The list, and the form for a new one."""
    return _page()


@blueprint.post("/keys")
@allow("administrator")
@limiter.limit("20 per minute", key_func=lambda: f"keys:{viewer().account_id}")
def make() -> ResponseReturnValue:
    """Make one. It is shown on this answer and never again, so there is nothing to be led on to."""
    who = viewer()
    name, person = request.form.get("name", ""), request.form.get("person", "")
    try:
        with step(who.organisation_id) as work:
            made = keys.make(work, name, uuid_or_none(person), who.by)
    except Invalid as error:
        errors = {one.field: one.message for one in error.fields}
        return _page(errors=errors, values={"name": name[:200], "person": person}), 422
    return _page(made=made)


@blueprint.post("/keys/<uuid:id>/revoke")
@allow("administrator")
def revoke(id: UUID) -> ResponseReturnValue:
    """End one for good."""
    with step(viewer().organisation_id) as work:
        keys.revoke(work, id, viewer().by)
    flash(_("The key is revoked. Whatever used it is refused from now on."), "ok")
    return redirect(url_for(".show"), 303)


def _page(
    made: keys.Made | None = None,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> str:
    typed = values or {}
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        found, people = keys.known(work), work.all(PEOPLE)
    chosen = typed.get("person", "")
    return render_template(
        "keys.html",
        keys=[_key(one, read) for one in found],
        made={"token": made.token, "name": made.name, "person": made.person} if made else None,
        people=[
            option("", _("Choose a person"), chosen),
            *(option(str(one.id), f"{one.name} ({role_title(one.role)})", chosen) for one in people),
        ],
        errors=errors or {},
        values=typed,
    )


def _key(row: Any, read: Reader) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "hint": row.hint,
        "person": row.person,
        "role": role_title(row.role),
        "made": read.when(row.created_at),
        "made_by": row.made_by or "",
        "used": read.when(row.last_used_at),
        "revoked": read.when(row.revoked_at),
        "gone": row.gone,
    }
