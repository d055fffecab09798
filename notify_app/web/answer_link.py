"""The page behind a private link of a message that asks something: the question and its answers, for who does not sign in.

GET shows, POST answers; the last answer counts, so the link goes on working until it expires. Called by `link`, which has
found the link's row.
"""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, render_template, request

from notify_app import domains
from notify_app.errors import Invalid
from notify_app.pipeline.step import Step, step
from notify_app.policy.formats import unpack
from notify_app.policy.office import Branding, read
from notify_app.web.reader import Reader
from notify_app.web.rollcall import answers_of, said_of
from notify_app.work import rollcall

__all__ = ["act", "show"]

ABOUT = """
    SELECT n.title, n.name, e.payload, e.created_at, p.name AS person, coalesce(p.zone, o.zone) AS zone,
           coalesce(p.locale, o.locale) AS locale, o.name AS organisation, o.branding, n.withdrawn_at IS NOT NULL AS withdrawn
    FROM notification n
    JOIN event e ON e.organisation_id = n.organisation_id AND e.id = n.event_id
    JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id
    JOIN organisation o ON o.id = n.organisation_id
    WHERE n.organisation_id = :org AND n.id = :id AND n.person_id = :person
"""


def show(link: Any, token: str) -> Response:
    """What is asked, and what was answered last."""
    with step(link.organisation_id) as work:
        return _page(work, link, token)


def act(link: Any, token: str) -> Response:
    """Keep the answer."""
    try:
        with step(link.organisation_id) as work:
            chosen = rollcall.answer(
                work, link.person_id, link.notification_id, request.form.get("answer", "")
            )
    except Invalid as error:
        with step(link.organisation_id) as work:
            response = _page(work, link, token, error=str(error))
        response.status_code = 422
        return response
    with step(link.organisation_id) as work:
        rollcall.notice(work, link.person_id, link.notification_id)
    with step(link.organisation_id) as work:
        return _page(work, link, token, said=said_of(chosen.title, danger=chosen.danger))


def _page(work: Step, link: Any, token: str, *, said: str = "", error: str = "") -> Response:
    about = work.one(ABOUT, id=link.notification_id, person=link.person_id)
    reader = Reader(work.now, about.zone, about.locale)
    type_, payload = domains.event(about.name), unpack(about.payload)
    answers = answers_of(work, link.person_id, {link.notification_id: about.name})
    last = rollcall.current(work, link.person_id, link.notification_id)
    look = read(Branding, about.branding)
    page = render_template(
        "answer_link.html",
        title=about.title,
        token=token,
        name=about.person.split(" ")[0],
        facts=[
            {
                "title": one.title,
                "value": reader.shaped(one.choices.get(value, value) if one.choices else value),
            }
            for one in (type_.facts if type_ else ())
            if (value := payload.get(one.name)) not in (None, "")
        ],
        answers=answers.get(link.notification_id, []),
        answered=reader.when(last.answered_at) if last else None,
        when=reader.when(about.created_at),
        said=said,
        error=error,
        organisation={
            "name": look.company_name or about.organisation,
            "email": look.reply_to or look.sender_address,
        },
    )
    return make_response(page)
