"""Endpoints: the systems that an organisation's events are posted to. For its administrators.

The list says how each one does; its page has its settings, its newest deliveries with what was answered, a test, and how
a receiver verifies what it gets. A secret is shown on the answer to what made it and never again; the address never is.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.channels import kept_here
from notify_app.errors import Invalid
from notify_app.pipeline import endpoints as told
from notify_app.pipeline.again import TEST
from notify_app.pipeline.step import hub, step
from notify_app.policy.endpoint import FORMATS, Format
from notify_app.policy.reasons import sentence
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.words import delivery_title, option
from notify_app.work import endpoints
from notify_app.work.endpoints import Sheet

__all__ = ["blueprint"]

blueprint = Blueprint("endpoints", __name__)

Errors = dict[str, str]


@blueprint.get("/endpoints")
@allow("administrator")
def show() -> ResponseReturnValue:
    """The list."""
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        found = endpoints.known(work)
    return render_template(
        "endpoints.html", endpoints=[_shown(one, read) for one in found], off=not told.is_on(), local=_local()
    )


@blueprint.get("/endpoints/new")
@allow("administrator")
def new() -> ResponseReturnValue:
    """The form for another one."""
    every = tuple(one.name for one in domains.categories())
    return _new(Sheet("", "", Format.standard, every, 4), {})


@blueprint.post("/endpoints")
@allow("administrator")
@limiter.limit("30 per minute", key_func=lambda: f"endpoints:{viewer().account_id}")
def make() -> ResponseReturnValue:
    """Add it. Its secret is shown on this answer alone, so there is nothing to be led on to."""
    who, sheet = viewer(), _sheet()
    try:
        with step(who.organisation_id) as work:
            made, secret = endpoints.make(work, sheet, who.by)
    except Invalid as error:
        return _new(sheet, _errors(error)), 422
    if not secret:
        flash(_("The endpoint is there. Send it a test."), "ok")
        return redirect(url_for(".one", id=made), 303)
    return _one(made, secret=secret)


@blueprint.get("/endpoints/<uuid:id>")
@allow("administrator")
def one(id: UUID) -> ResponseReturnValue:
    """One of them."""
    return _one(id)


@blueprint.post("/endpoints/<uuid:id>")
@allow("administrator")
@limiter.limit("30 per minute", key_func=lambda: f"endpoints:{viewer().account_id}")
def save(id: UUID) -> ResponseReturnValue:
    """Change it."""
    who = viewer()
    with step(who.organisation_id) as work:
        sheet = _sheet(endpoints.one(work, id).format)
    try:
        with step(who.organisation_id) as work:
            endpoints.save(work, id, sheet, who.by)
    except Invalid as error:
        return _one(id, sheet=sheet, errors=_errors(error)), 422
    flash(_("Saved."), "ok")
    return redirect(url_for(".one", id=id), 303)


@blueprint.post("/endpoints/<uuid:id>/test")
@allow("administrator")
@limiter.limit("10 per minute", key_func=lambda: f"endpoints:test:{viewer().account_id}")
def test(id: UUID) -> ResponseReturnValue:
    """Post a test event there."""
    who = viewer()
    with step(who.organisation_id) as work:
        endpoints.test(work, id, who.name)
    flash(_("A test is on its way. What was answered stands below."), "ok")
    return redirect(url_for(".one", id=id, _anchor="deliveries"), 303)


@blueprint.post("/endpoints/<uuid:id>/pause")
@allow("administrator")
def pause(id: UUID) -> ResponseReturnValue:
    """Tell it nothing for a while."""
    with step(viewer().organisation_id) as work:
        endpoints.pause(work, id, viewer().by)
    flash(_("Nothing is posted there until you switch it on again."), "ok")
    return redirect(url_for(".one", id=id), 303)


@blueprint.post("/endpoints/<uuid:id>/resume")
@allow("administrator")
def resume(id: UUID) -> ResponseReturnValue:
    """Switch it on again."""
    with step(viewer().organisation_id) as work:
        endpoints.resume(work, id, viewer().by)
    flash(_("It is on again. What happens from now on is posted there."), "ok")
    return redirect(url_for(".one", id=id), 303)


@blueprint.post("/endpoints/<uuid:id>/secret")
@allow("administrator")
@limiter.limit("10 per minute", key_func=lambda: f"endpoints:secret:{viewer().account_id}")
def rotate(id: UUID) -> ResponseReturnValue:
    """Another secret, shown on this answer alone."""
    who = viewer()
    with step(who.organisation_id) as work:
        secret = endpoints.rotate(work, id, who.by)
    return _one(id, secret=secret)


@blueprint.post("/endpoints/<uuid:id>/remove")
@allow("administrator")
def remove(id: UUID) -> ResponseReturnValue:
    """Take it away."""
    with step(viewer().organisation_id) as work:
        endpoints.remove(work, id, viewer().by)
    flash(_("The endpoint is gone, and its address and secret with it."), "ok")
    return redirect(url_for(".show"), 303)


# --- pages ---------------------------------------------------------------------------------------------------------


def _new(sheet: Sheet, errors: Errors) -> str:
    return render_template("endpoint_new.html", form=_form(sheet), errors=errors, local=_local())


def _one(id: UUID, *, sheet: Sheet | None = None, errors: Errors | None = None, secret: str = "") -> str:
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        row = endpoints.one(work, id)
        sent = endpoints.deliveries(work, id)
    every = [one.name for one in domains.categories()]
    wanted = tuple(every if row.categories is None else row.categories)
    return render_template(
        "endpoint.html",
        e=_shown(row, read),
        form=_form(sheet or Sheet(row.name, "", row.format, wanted, row.least_priority)),
        deliveries=[_delivery(one, read) for one in sent],
        errors=errors or {},
        secret=secret,
        local=_local(),
        off=not told.is_on(),
    )


def _local() -> bool:
    """Whether what would be posted stays on this machine."""
    return told.CHANNEL in kept_here(hub())


def _sheet(format: str = "") -> Sheet:
    """What was typed; the format of one that is there already is not asked for."""
    form = request.form
    least = form.get("least_priority", "")
    return Sheet(
        form.get("name", "")[:500],
        form.get("url", "")[:5000],
        format or form.get("format", ""),
        tuple(form.getlist("category")),
        int(least) if least in ("1", "2", "3", "4") else 0,
    )


def _errors(error: Invalid) -> Errors:
    return {one.field: one.message for one in error.fields}


def _form(sheet: Sheet) -> dict[str, Any]:
    least = str(sheet.least_priority)
    return {
        "name": sheet.name,
        "url": sheet.url,
        "formats": [option(one, _(title), sheet.format) for one, title in FORMATS.items()],
        "categories": [
            {"name": one.name, "title": one.title, "on": one.name in sheet.categories}
            for one in domains.categories()
        ],
        "priorities": [
            option("4", _("Everything"), least),
            option("3", _("Medium and more pressing"), least),
            option("2", _("High and urgent"), least),
            option("1", _("Only what is urgent"), least),
        ],
    }


def _shown(row: Any, read: Reader) -> dict[str, Any]:
    tone, sign, state = _state(row)
    return {
        "id": str(row.id),
        "name": row.name,
        "address": f"https://{row.host}/…",
        "format": row.format,
        "format_title": _(FORMATS[Format(row.format)]),
        "tone": tone,
        "sign": sign,
        "state": state,
        "idle": row.paused_at is not None or row.disabled_at is not None,
        "why": _why(row),
        "since": read.when(row.disabled_at or row.paused_at),
        "made": read.when(row.created_at),
        "made_by": row.made_by or "",
        "good": read.when(row.good_at),
        "failed": read.when(row.failed_at),
        "failed_why": row.failed_why or "",
        "failing": read.when(row.failing_since),
        "signed": row.secret is not None,
        "both_until": read.when(row.both_until),
    }


def _state(row: Any) -> tuple[str, str, str]:
    if row.disabled_at is not None:
        return "bad", "cross-circle", _("Switched off")
    if row.paused_at is not None:
        return "plain", "pause", _("Paused")
    if row.failing_since is not None:
        return "warn", "alert", _("Does not work")
    if row.good_at is not None:
        return "good", "check-circle", _("Works")
    return "plain", "circle", _("Nothing sent yet")


def _why(row: Any) -> str:
    """Why nothing is posted there; '' where something is."""
    if row.disabled_why == "gone":
        return _("It said that it is gone for good, so nothing is posted there any more.")
    if row.disabled_why:
        return _("For five days nothing that was posted there has arrived, so the hub has stopped.")
    return _("An administrator has paused it.") if row.paused_at is not None else ""


def _delivery(row: Any, read: Reader) -> dict[str, Any]:
    answered = row.response if row.outcome == "accepted" else row.error
    waits = row.state in ("queued", "held") and row.attempts
    return {
        "id": str(row.id),
        "title": row.title or "",
        "test": row.purpose == TEST,
        "state": row.state,
        "state_title": delivery_title(row.state),
        "when": read.when(row.created_at),
        "answer": answered or "",
        "reason": sentence(row.reason) if row.reason and not answered else "",
        "attempts": row.attempts,
        "next": read.when(row.next_attempt_at) if waits else None,
    }
