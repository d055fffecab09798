"""The office's own templates (A2, F2): all messages, the editor with a preview of every channel, versions, a test to
oneself. The office looks, administrators change.

A preview is written by the same path as what is sent. The HTML of its email is kept for a few minutes for whoever looks at
it (`_frame_of`), because a sandboxed frame needs an address of its own.
"""

from __future__ import annotations

import hashlib
from typing import Any

import redis
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.errors import Conflict, Invalid, NotFound
from notify_app.pipeline.step import hub, step
from notify_app.policy import sms
from notify_app.queue import connect
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.outbox import FRAME_POLICY
from notify_app.web.reader import Reader, reader
from notify_app.web.template_form import TITLES, Sheet, parts_of
from notify_app.web.template_versions import difference, shown
from notify_app.web.words import category_title, channel_title, option, price
from notify_app.work import drafts, templates, trial
from notify_app.work.drafts import Desk, TriedOut

__all__ = ["blueprint", "frame_of"]

blueprint = Blueprint("templates", __name__)

FRAME_SECONDS = 600
TEST_NUMBER = "+12025550100"  # for the price of an SMS, where the writer has no phone of their own
STATES = ("own", "off", "broken")


# --- the list ------------------------------------------------------------------------------------------------------


@blueprint.get("/templates")
@allow("office")
def show() -> ResponseReturnValue:
    """All messages by category, and whose words each has."""
    q, state = request.args.get("q", "").strip()[:100], request.args.get("state", "")
    state = state if state in STATES else ""
    with step(viewer().organisation_id) as work:
        read, rows = reader(work.now), templates.every(work)
    known = {one.name: one for one in domains.events()}
    lines = [_line(one.name, one.title, one.category, rows.get(one.name), read) for one in known.values()]
    lines += [_line(name, name, "system", row, read) for name, row in rows.items() if name not in known]
    found = [one for one in lines if _fits(one, q, state)]
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        groups.setdefault(one["category"], []).append(one)
    return render_template(
        "templates.html",
        groups=[{"title": category_title(name), "lines": some} for name, some in groups.items()],
        q=q,
        states=_states(state),
        filtered=bool(q or state),
        may_change=viewer().role == "administrator",
    )


def _line(name: str, title: str, category: str, row: Any, read: Reader) -> dict[str, Any]:
    written = row is not None and any(getattr(row, one) for one in templates.FIELDS)
    return {
        "name": name,
        "title": title,
        "category": row.category if row and row.category else category,
        "own": written,
        "off": row is not None and not row.active,
        "broken": row is not None and row.broken_at is not None,
        "changed": read.when(row.updated_at) if row is not None else None,
        "url": url_for(".edit", event=name),
    }


def _fits(line: dict[str, Any], q: str, state: str) -> bool:
    said = f"{line['title']} {line['name']} {category_title(line['category'])}".casefold()
    return all(word in said for word in q.casefold().split()) and (not state or line[state])


def _states(chosen: str) -> list[dict[str, Any]]:
    return [
        option("", _("All"), chosen),
        option("own", _("With words of our own"), chosen),
        option("off", _("Switched off"), chosen),
        option("broken", _("Cannot be used"), chosen),
    ]


# --- the editor ----------------------------------------------------------------------------------------------------


@blueprint.get("/templates/<event>")
@allow("office")
def edit(event: str) -> ResponseReturnValue:
    """The editor of one."""
    desk = _desk(event)
    return _editor(desk, Sheet.of_row(desk.row))


@blueprint.post("/templates/<event>")
@allow("administrator")
def save(event: str) -> ResponseReturnValue:
    """Save it; or another button: look at it, or back to the built-in text."""
    desk, sheet, who = _desk(event), Sheet.of_form(request.form), viewer()
    if request.form.get("do", "save") != "save":
        return _editor(desk, sheet)
    tried = drafts.try_out(desk, sheet.values)
    # of a template of the office's own nobody knows what programs will give it
    problems = dict(tried.problems) if domains.event(event) else {}
    if not problems:
        try:
            with step(who.organisation_id) as work:
                templates.put(work, event, sheet.values, who.by, not sheet.on, seen=sheet.seen)
        except Invalid as error:
            problems = {one.field: one.message for one in error.fields}
        except Conflict as error:
            return _editor(desk, sheet, tried, said=str(error)), 409
    if problems:
        said = _("The template was not saved. What is wrong is said beside it.")
        return _editor(desk, sheet, tried, problems, said), 422
    flash(_("Saved. The next message has these words."), "ok")
    return redirect(url_for(".edit", event=event), 303)


@blueprint.post("/templates/<event>/preview")
@allow("administrator")
@limiter.limit("120 per minute", key_func=lambda: f"template:{viewer().account_id}")
def preview(event: str) -> ResponseReturnValue:
    """What is being written, as each channel would say it: the part of the page, for a script that exchanges it."""
    desk, sheet = _desk(event), Sheet.of_form(request.form)
    return render_template(
        "_parts/template_preview.html", preview=_preview(desk, drafts.try_out(desk, sheet.values))
    )


# a frame of its own cannot be told whether it is night
IF_DARK = "(prefers-color-scheme: dark)"
SCHEMES = {"dark": "all", "light": "not all"}


@blueprint.get("/templates/<event>/frame")
@allow("office")
def frame(event: str) -> ResponseReturnValue:
    """The HTML of a preview's email, alone; only who wrote it can open it."""
    try:
        html = connect(hub().redis_url).get(_frame_key(event, request.args.get("d", "")[:64]))
    except redis.RedisError:
        html = None
    if html is None:
        raise NotFound("There is no such preview.")
    dark = SCHEMES.get(request.args.get("scheme", ""), IF_DARK)
    shown = html.decode() if isinstance(html, bytes) else html
    response = Response(shown.replace(IF_DARK, dark), mimetype="text/html")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    return response


@blueprint.post("/templates/<event>/test")
@allow("administrator")
@limiter.limit("6 per minute", key_func=lambda: f"test:{viewer().account_id}")
def test(event: str) -> ResponseReturnValue:
    """Send what is being written to oneself, saved or not."""
    desk, sheet, who = _desk(event), Sheet.of_form(request.form), viewer()
    channel = "sms" if request.form.get("channel") == "sms" else "email"
    tried = drafts.try_out(desk, sheet.values)
    if tried.problems:
        said = _("It was not sent. What is wrong is said beside it.")
        return _editor(desk, sheet, tried, dict(tried.problems), said), 422
    with step(who.organisation_id) as work:
        sent = trial.send(work, who.person_id, channel, _marked(desk, tried, channel))
    way = channel_title(channel)
    if sent:
        flash(_("The test is on its way by %(channel)s. It has the sample's facts.", channel=way), "ok")
    else:
        flash(_("You have no address for %(channel)s that could be used.", channel=way), "error")
    return _editor(desk, sheet, tried)


def _marked(desk: Desk, tried: TriedOut, channel: str) -> dict[str, str]:
    """The body, so that nobody takes it for true."""
    if channel == "sms":
        return {"text": sms.fit(_("Test: %(text)s", text=tried.sms), desk.office.settings.sms_segments)}
    text = _("This is a test with made-up facts.") + "\n\n" + tried.mail["text"]
    return {**tried.mail, "subject": _("Test: %(text)s", text=tried.mail["subject"]), "text": text}


def _desk(event: str) -> Desk:
    with step(viewer().organisation_id) as work:
        return drafts.look(work, event, viewer().person_id)


def _editor(
    desk: Desk,
    sheet: Sheet,
    tried: TriedOut | None = None,
    problems: dict[str, str] | None = None,
    said: str = "",
) -> str:
    tried = tried or drafts.try_out(desk, sheet.values)
    row, name = desk.row, desk.type.name
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        saved = templates.versions(work, name, limit=1)
    return render_template(
        "template.html",
        template={
            "name": name,
            "title": desk.type.title,
            "version": row.version if row else 0,
            "changed": read.when(row.updated_at) if row else None,
            "by": saved[0].author if saved else "",
            "broken": {"when": read.when(row.broken_at), "why": row.broken_why}
            if row and row.broken_at
            else None,
        },
        fields=sheet.fields(drafts.built_in(name)),
        values=sheet.values,
        on=sheet.on,
        seen=sheet.seen,
        priorities=sheet.priorities(desk.type.priority),
        categories=sheet.categories(desk.type.category),
        facts=drafts.facts(desk, sheet.values),
        errors=dict(tried.problems) | (problems or {}),
        said=said,
        preview=_preview(desk, tried),
        may_change=viewer().role == "administrator",
    )


def _preview(desk: Desk, tried: TriedOut) -> dict[str, Any]:
    mail = tried.mail
    return {
        "problems": [
            {"title": TITLES.get(name, name), "said": said} for name, said in tried.problems.items()
        ],
        "priority": tried.priority.value,
        "title": tried.inbox[0],
        "text": tried.inbox[1],
        "subject": mail.get("subject", ""),
        "mail_text": mail.get("text", ""),
        "frame_url": frame_of(desk.type.name, mail["html"]) if mail.get("html") else "",
        "sms": tried.sms,
        **parts_of(tried.sms),
        "whole_parts": parts_of(tried.whole)["parts"] if tried.whole != tried.sms else 0,
        "price": price(sms.prices(hub().sms_prices).cost(tried.sms, _phone(desk))),
    }


def _phone(desk: Desk) -> str:
    return next((one.address for one in desk.reader.reaches if one.channel == "sms"), TEST_NUMBER)


def frame_of(event: str, html: str) -> str:
    """The address at which a sandboxed frame finds it; '' where it cannot be kept: the text part stands in."""
    mark = hashlib.sha256(html.encode()).hexdigest()[:32]
    try:
        connect(hub().redis_url).set(_frame_key(event, mark), html, ex=FRAME_SECONDS)
    except redis.RedisError:
        return ""
    return url_for("templates.frame", event=event, d=mark)


def _frame_key(event: str, mark: str) -> str:
    return f"template-preview:{viewer().person_id}:{event}:{mark}"


# --- versions ------------------------------------------------------------------------------------------------------


@blueprint.get("/templates/<event>/versions")
@allow("office")
def versions(event: str) -> ResponseReturnValue:
    """What it was, and what differs between two."""
    desk = _desk(event)
    with step(viewer().organisation_id) as work:
        read, rows = reader(work.now), templates.versions(work, event)
        by_number = {str(row.version): row for row in rows}
        newest = str(rows[0].version) if rows else ""
        new = request.args.get("new", newest)
        before = next((str(row.version) for row in rows if row.version < _whole(new)), "0")
        old = request.args.get("old", before)
        compared = None
        if rows and (old in by_number or old == "0") and new in by_number:
            compared = difference(by_number.get(old), by_number[new])
    return render_template(
        "template_versions.html",
        template={"name": event, "title": desk.type.title, "version": desk.row.version if desk.row else 0},
        versions=shown(rows, read),
        olds=[
            *(option(str(one.version), _version(one.version), old) for one in rows),
            option("0", _("Built in"), old),
        ],
        news=[option(str(one.version), _version(one.version), new) for one in rows],
        old=_version(_whole(old)),
        new=_version(_whole(new)),
        compared=compared,
        may_change=viewer().role == "administrator",
    )


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def _version(number: int) -> str:
    return _("Version %(number)d", number=number) if number else _("Built in")


@blueprint.post("/templates/<event>/restore")
@allow("administrator")
def restore(event: str) -> ResponseReturnValue:
    """Save an earlier version once more, as the newest."""
    who, number = viewer(), _whole(request.form.get("version", ""))
    _desk(event)
    try:
        with step(who.organisation_id) as work:
            templates.restore(work, event, number, who.by, seen=_whole(request.form.get("seen", "")))
    except (Invalid, Conflict) as error:
        fields = error.fields if isinstance(error, Invalid) else ()
        flash(" ".join([str(error), *(one.message for one in fields)]), "error")
        return redirect(url_for(".versions", event=event), 303)
    flash(_("Version %(number)d counts again, as a new version.", number=number), "ok")
    return redirect(url_for(".versions", event=event), 303)
