"""Dead letters: what ended badly in the last 30 days, by its cause, and sent again when the cause is gone.

Sending again is for administrators, after a look at what it would do, with a reason that the record keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app.errors import Invalid
from notify_app.pipeline.step import step
from notify_app.policy.reasons import Reason, titled
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.words import channel_title
from notify_app.work import replay
from notify_app.work.replay import Replayed

__all__ = ["blueprint", "cause_title", "flash_sent", "refusals"]

blueprint = Blueprint("dead_letters", __name__)


@dataclass(frozen=True)
class Cause:
    """What messages have in common that ended badly."""

    channel: str
    reason: str
    provider: str

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Cause:
        """From the query of an address, or a form. One that there is not is the cause of nothing."""
        return cls(*(given.get(name, "")[:60] for name in ("channel", "reason", "provider")))


@blueprint.get("/deliveries/failed")
@allow("office")
def show() -> ResponseReturnValue:
    """The causes."""
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        causes, under_way = replay.causes(work), replay.under_way(work)
    return render_template(
        "dead_letters.html",
        causes=[_cause(row, read) for row in causes],
        under_way=under_way,
        may_send=viewer().role == "administrator",
    )


def _cause(row: Any, read: Reader) -> dict[str, Any]:
    kept = {"channel": row.channel, "reason": row.reason, "provider": row.provider}
    return {
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "title": cause_title(row.reason),
        "detail": row.detail or "",
        "provider": row.provider,
        "count": f"{row.n:,}",
        "people": ngettext("to %(num)d", "to %(num)d", row.people),
        "urgent": row.urgent,
        "first": read.when(row.first),
        "last": read.when(row.last),
        "list_url": url_for("deliveries.show", state="failed", days="30", **kept),
        "again_url": url_for(".again", **kept),
    }


def cause_title(reason: str) -> str:
    """A cause as a short sentence; the particulars stand beside it."""
    if not reason:
        return _("No cause is known.")
    if reason == Reason.suppressed:
        return _("The address is blocked.")
    return titled(reason)


@blueprint.get("/deliveries/again")
@allow("administrator")
def again() -> ResponseReturnValue:
    """What sending one cause's messages again would do."""
    return _again(Cause.of(request.args), {}, "")


def _again(cause: Cause, errors: Mapping[str, str], typed: str) -> str:
    with step(viewer().organisation_id) as work:
        ids = replay.of_cause(work, **vars(cause))
        would = replay.look(work, ids)
    return render_template(
        "dead_letters_again.html",
        count=len(would.ids),
        seconds=int(len(would.ids) * replay.PACE.total_seconds()) + 1,
        refused=refusals(would.refused),
        # those of no use come last: where one is among them, all others are
        full=len(ids) == replay.MOST
        and not would.refused.keys() & {Reason.too_old, replay.Refused.no_message},
        most=replay.MOST,
        cause={
            "channel_title": channel_title(cause.channel),
            "title": cause_title(cause.reason),
            "provider": cause.provider,
        },
        kept=vars(cause),
        errors=errors,
        typed=typed,
    )


@blueprint.post("/deliveries/again")
@allow("administrator")
def send_again() -> ResponseReturnValue:
    """Send one cause's messages again, for the reason given (`why`)."""
    cause, reason = Cause.of(request.form), request.form.get("why", "")
    try:
        with step(viewer().organisation_id) as work:
            done = replay.replay(work, replay.of_cause(work, **vars(cause)), reason, viewer().by)
    except Invalid as error:
        errors = {field.field: field.message for field in error.fields}
        return _again(cause, errors, reason[:1000]), 422
    flash_sent(done)
    return redirect(url_for(".show"), 303)


def flash_sent(done: Replayed) -> None:
    """Say how many are sent again, or why none."""
    if done.ids:
        said = ngettext("%(num)d message is sent again.", "%(num)d messages are sent again.", len(done.ids))
        flash(said, "ok")
        return
    why = " ".join(one["text"] for one in refusals(done.refused))
    flash(_("Nothing was sent again: %(why)s", why=why), "error")


def refusals(refused: Mapping[str, int]) -> list[dict[str, Any]]:
    """Why some are not sent again, the most first."""
    own = {
        replay.Refused.gone: _("They are not there any more."),
        replay.Refused.not_ended: _("They have not come to an end."),
        replay.Refused.no_message: _("They carry nothing that could be sent again."),
        replay.Refused.again_already: _("They were sent again already."),
        replay.Refused.other_way: _("Their readers were reached by another way."),
        Reason.suppressed: _("Their addresses are blocked. Release them first, then send again."),
        Reason.template_failed: _("They could not be written."),
    }
    ordered = sorted(refused.items(), key=lambda one: (-one[1], one[0]))
    return [
        {"count": f"{count:,}", "text": own.get(why) or cause_title(why)}  # type: ignore[call-overload]
        for why, count in ordered
    ]
