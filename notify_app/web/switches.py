"""What an administrator switches for the organisation (D6): its notifications, its escalations, and what its kinds
of work do by themselves. The installation's own switches are shown here and set by whoever runs it (`flask notifications`,
`flask escalations`)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.live.announce import Changed
from notify_app.pipeline.step import Step, step
from notify_app.pipeline.wording import Words
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.work import templates

__all__ = ["blueprint"]

blueprint = Blueprint("switches", __name__)


@blueprint.get("/switches")
@allow("administrator")
def show() -> ResponseReturnValue:
    """The page."""
    with step(viewer().organisation_id) as work:
        words = Words(work)
    return render_template(
        "switches.html",
        notifications_on=words.settings.notifications_on,
        escalations_on=words.settings.escalations_on,
        installed_on=words.installed_on,
        escalations_installed=words.escalations_installed,
        options=[{**one, "on": one["key"] in words.settings.options} for one in _options()],
    )


@blueprint.post("/switches")
@allow("administrator")
def save() -> ResponseReturnValue:
    """Keep them all as they stand in the form."""
    offered = {one["key"] for one in _options()}
    with step(viewer().organisation_id) as work:
        _keep(
            work,
            on={
                "notifications_on": request.form.get("notifications") == "1",
                "escalations_on": request.form.get("escalations") == "1",
            },
            wanted=offered & set(request.form.getlist("option")),
            offered=offered,
        )
    flash(_("The switches are set."), "ok")
    return redirect(url_for(".show"), 303)


def _keep(work: Step, *, on: dict[str, bool], wanted: set[str], offered: set[str]) -> None:
    # an option that this release does not offer stays as it was
    others = set(Words(work).settings.options) - offered
    templates.set_office(work, {**on, "options": sorted(others | wanted)}, viewer().by)
    work.news.append(Changed(work.organisation_id, "switches"))


def _options() -> list[dict[str, Any]]:
    """What kinds of work offer to do by themselves, each once."""
    found = {
        one.option: {"key": one.option, "title": one.title, "kind": kind.title}
        for kind in domains.kinds()
        for one in kind.assignments
    }
    return list(found.values())
