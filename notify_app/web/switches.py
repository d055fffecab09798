"""What an administrator switches for the organisation (D6): its notifications, its escalations, what its kinds of work do
by themselves, and how often one person is written to (A14). The installation's own switches are shown here and set by
whoever runs it (`flask notifications`, `flask escalations`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.live.announce import Changed
from notify_app.pipeline.step import Step, step
from notify_app.pipeline.wording import Words
from notify_app.policy.channel import Limit, limits
from notify_app.policy.office import MOST as MOST_OF_A_LIMIT
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.work import templates

__all__ = ["blueprint"]

blueprint = Blueprint("switches", __name__)

NOTHING: Mapping[str, str] = MappingProxyType({})


def _most() -> dict[str, int]:
    """The largest number of each field, as `OfficeSettings` takes them."""
    return {"burst_seconds": 600, **{limit.name: MOST_OF_A_LIMIT for limit in limits()}}


@blueprint.get("/switches")
@allow("administrator")
def show() -> ResponseReturnValue:
    """The page."""
    return _page()


def _page(typed: Mapping[str, str] = NOTHING, errors: Mapping[str, str] = NOTHING) -> str:
    with step(viewer().organisation_id) as work:
        words = Words(work)
    return render_template(
        "switches.html",
        notifications_on=words.settings.notifications_on,
        escalations_on=words.settings.escalations_on,
        installed_on=words.installed_on,
        escalations_installed=words.escalations_installed,
        options=[{**one, "on": one["key"] in words.settings.options} for one in _options()],
        limits=[
            {
                "name": limit.name,
                "title": _limit_title(limit),
                "value": typed.get(limit.name, str(words.settings.most(limit))),
            }
            for limit in limits()
        ],
        burst=typed.get("burst_seconds", str(words.settings.burst_seconds)),
        errors=errors,
    )


def _limit_title(limit: Limit) -> str:
    return _(limit.title) if limit.title else limit.name


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


@blueprint.post("/switches/limits")
@allow("administrator")
def save_limits() -> ResponseReturnValue:
    """Keep how often one person is written to."""
    typed = {name: request.form.get(name, "").strip() for name in _most()}
    errors = {
        name: _("Use a whole number from 0 to %(most)s.", most=f"{most:,}")
        for name, most in _most().items()
        if not (typed[name].isascii() and typed[name].isdigit() and int(typed[name][:9]) <= most)
    }
    if errors:
        return _page(typed, errors), 422
    with step(viewer().organisation_id) as work:
        templates.set_office(work, {name: int(value) for name, value in typed.items()}, viewer().by)
        work.news.append(Changed(work.organisation_id, "switches"))
    flash(_("The limits are set."), "ok")
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
