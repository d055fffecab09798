"""Who is safe, who needs help, who is silent: the office's page of a roll-call, the answers of those who sign in, and
telling the silent again. Answers by private link are in `answer_link`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app import domains
from notify_app.domains.base import Answer
from notify_app.errors import Conflict, NotFound, Refused
from notify_app.ids import new_id
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, step
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.sign_in import safe_next
from notify_app.web.words import role_title
from notify_app.work import messages, rollcall
from notify_app.work.rollcall import Call

__all__ = ["answers_of", "asking", "blueprint", "said_of"]

blueprint = Blueprint("rollcall", __name__)

RECENT = """
    SELECT e.id, e.name, e.payload, e.created_at,
           (SELECT count(DISTINCT person_id) FROM notification n WHERE n.organisation_id = e.organisation_id
               AND n.event_id = e.id) AS told,
           (SELECT count(DISTINCT person_id) FROM answer a WHERE a.organisation_id = e.organisation_id
               AND a.event_id = e.id) AS answered
    FROM event e WHERE e.organisation_id = :org AND e.name = ANY(:names) AND NOT EXISTS (
        SELECT FROM written_message m WHERE m.organisation_id = e.organisation_id AND m.event_id = e.id
            AND m.again_of IS NOT NULL)
    ORDER BY e.created_at DESC LIMIT 30
"""
MINE = "SELECT 1 FROM notification WHERE organisation_id = :org AND person_id = :person AND id = :id"
# the last answers of somebody to the matters of these lines
MY_ANSWERS = """
    SELECT n.id, a.name FROM notification n
    LEFT JOIN written_message m ON m.organisation_id = n.organisation_id AND m.event_id = n.event_id
    JOIN LATERAL (
        SELECT name FROM answer a WHERE a.organisation_id = n.organisation_id AND a.person_id = n.person_id
            AND a.event_id = coalesce(m.again_of, n.event_id) ORDER BY a.id DESC LIMIT 1
    ) a ON true
    WHERE n.organisation_id = :org AND n.person_id = :person AND n.id = ANY(:ids)
"""


@blueprint.get("/rollcall")
@allow("office")
def show() -> ResponseReturnValue:
    """The latest roll-calls, whoever raised them."""
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        rows = work.all(RECENT, names=rollcall.asking())
    return render_template(
        "rollcalls.html",
        calls=[
            {
                "id": str(row.id),
                "title": row.payload.get("alert_message") or _title(row.name),
                "kind": _title(row.name),
                "url": url_for(".call", id=row.id),
                "told": row.told,
                "answered": row.answered,
                "silent": row.told - row.answered,
                "when": read.when(row.created_at),
            }
            for row in rows
        ],
    )


def _title(name: str) -> str:
    type_ = domains.event(name)
    return type_.title if type_ else name


@blueprint.get("/rollcall/<uuid:id>")
@allow("office")
def call(id: UUID) -> ResponseReturnValue:
    """Who has answered what, and who has not."""
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        found = rollcall.load(work, id)
        people = rollcall.standing(work, found)
        may = _may_send_again(work, found)
    groups = _groups(found, people, read)
    return render_template(
        "rollcall.html",
        title=str(found.payload.get("alert_message") or found.type.title),
        kind=found.type.title,
        facts=[
            {
                "title": one.title,
                "value": read.shaped(one.choices.get(value, value) if one.choices else value),
            }
            for one in found.type.facts
            if one.name != "alert_message"
            and (value := found.payload.get(one.name)) not in (None, "")
            and not one.secret
        ],
        when_raised=read.when(found.created_at),
        author=found.author,
        groups=groups,
        told=len(people),
        silent=next(group["count"] for group in groups if not group["name"]),
        rounds=[
            {"when": read.when(row.created_at), "author": row.author, "told": row.told}
            for row in found.rounds
        ],
        again_url=url_for(".again", id=found.id) if may else None,
        key=new_id().hex,
        seen=len(found.rounds),
    )


def _may_send_again(work: Step, found: Call) -> bool:
    member, happening = world.of(work).member(viewer().person_id), rollcall.happening_of(found.type)
    return bool(member and happening and messages.may(member.ref, happening))


def _groups(found: Call, people: list[Any], read: Reader) -> list[dict[str, Any]]:
    """Who needs help first, then who is silent, then who is well; who has left is not looked for."""
    tones = [(one.name, one.title, "bad" if one.danger else "good") for one in found.type.answers]
    order = [one for one in tones if one[2] == "bad"]
    order += [("", _("Silent"), "warn"), *(one for one in tones if one[2] == "good")]
    return [_group(name, title, tone, people, read) for name, title, tone in order]


def _group(name: str, title: str, tone: str, people: list[Any], read: Reader) -> dict[str, Any]:
    mine = [row for row in people if (row.answer or "") == name and (row.answer or not row.gone)]
    return {
        "name": name,
        "title": title,
        "tone": tone,
        "count": len(mine),
        "people": [
            {
                "id": str(row.person_id),
                "name": row.name,
                "role": role_title(row.role),
                "phone": row.phone or "",
                "answered": read.when(row.answered_at),
                "told": read.when(row.told_at),
                "times": row.times,
                "read": read.when(row.read_at),
                "unreached": row.unreached,
                "url": url_for("people.person", id=row.person_id),
            }
            for row in mine
        ],
    }


@blueprint.post("/rollcall/<uuid:id>/again")
@allow("office")
def again(id: UUID) -> ResponseReturnValue:
    """Tell the silent once more. Raises Forbidden for who may not raise the alert, NotFound."""
    who, form = viewer(), request.form
    seen = int(form["seen"]) if form.get("seen", "").isascii() and form.get("seen", "").isdigit() else 0
    try:
        with step(who.organisation_id) as work:
            told = rollcall.again(work, id, who.person_id, form.get("key", "")[:64] or new_id().hex, seen)
    except (Refused, Conflict) as refusal:
        flash(str(refusal), "error")
    else:
        if told:
            flash(ngettext("Sent again to %(num)d person.", "Sent again to %(num)d people.", told), "ok")
    return redirect(url_for(".call", id=id), 303)


# --- answers of those who sign in ----------------------------------------------------------------------------------


@blueprint.post("/inbox/<uuid:id>/answer")
@allow("member")
def answer(id: UUID) -> ResponseReturnValue:
    """Answer a line of one's own, in whichever organisation it is; the last answer counts. Raises NotFound, Invalid."""
    name = request.form.get("answer", "")
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            mine = work.one(MINE, person=one.person_id, id=id) is not None
            chosen = rollcall.answer(work, one.person_id, id, name) if mine else None
        if chosen:
            with step(one.organisation_id) as work:
                rollcall.notice(work, one.person_id, id)
            flash(said_of(chosen.title, danger=chosen.danger), "ok")
            return redirect(safe_next(request.form.get("next")), 303)
    raise NotFound(_("There is nothing to answer here."))


def said_of(title: str, *, danger: bool) -> str:
    """What somebody reads who has answered."""
    if danger:
        return _("“%(answer)s”: the office knows, and has your phone number.", answer=title)
    return _("“%(answer)s”: the office knows. You can change it while you can read this.", answer=title)


def answers_of(work: Step, person_id: UUID, lines: dict[UUID, str]) -> dict[UUID, list[dict[str, Any]]]:
    """What can be answered to these lines (id → event), with what was. No statement where nothing asks."""
    asking = {line: domains.event(name) for line, name in lines.items()}
    wanted = {line: type_.answers for line, type_ in asking.items() if type_ and type_.answers}
    if not wanted:
        return {}
    given = {row.id: row.name for row in work.all(MY_ANSWERS, person=person_id, ids=list(wanted))}
    return {line: _options(answers, given.get(line, "")) for line, answers in wanted.items()}


def asking() -> list[dict[str, Any]]:
    """The buttons of each event that asks, for each answer that may have been given and for none: what a line that arrives
    live is given."""
    return [
        {"event": name, "answered": chosen, "answers": _options(type_.answers, chosen)}
        for name in rollcall.asking()
        if (type_ := domains.event(name))
        for chosen in ("", *(one.name for one in type_.answers))
    ]


def _options(answers: Iterable[Answer], chosen: str) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "title": one.title, "danger": one.danger, "chosen": one.name == chosen}
        for one in answers
    ]
