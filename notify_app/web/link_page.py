"""What somebody sees behind a private link: the question and its button, how it stands, or kindly that it is over.

In the words of a customer, not of the office. Only shows; what is opened and answered stands in `web.link`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from flask_babel import gettext as _

from notify_app.domains.base import Item, Verb, WorkKind
from notify_app.policy.office import Branding, read
from notify_app.web import verb_form
from notify_app.web.item_page import facts_of
from notify_app.web.reader import Reader
from notify_app.work import apply

__all__ = ["Opened", "closed", "done", "page"]


@dataclass(frozen=True)
class Opened:
    """What a good link leads to."""

    token: str
    item: Item
    kind: WorkKind
    actor: apply.Actor
    about: Any
    reader: Reader
    used: bool
    verbs: list[Verb] = field(default_factory=list)
    asked: bool = False  # whether a step waits for this very person
    news: list[str] = field(default_factory=list)  # what has changed since the message

    @property
    def answers(self) -> list[Verb]:
        """What can be answered: once by each link."""
        return [] if self.used else self.verbs


def page(opened: Opened, wanted: str, *, problems: dict[str, str] | None = None) -> Response:
    """The question with its button (the one that is `wanted`, or the usual one), or how it stands."""
    answers = opened.answers
    verb = next((one for one in answers if one.verb == wanted), None)
    if verb is None and opened.asked and answers:
        verb = next((one for one in answers if one.primary), answers[0])
    if verb is None:
        return _state(opened, answers)
    question, button, text = _asked(verb, opened)
    nobody = verb_form.People()
    typed = request.form if request.method == "POST" and wanted == verb.verb else None
    fields = verb_form.fields(
        verb, opened.kind, opened.item, nobody, opened.reader.zone, typed=typed, problems=problems
    )
    return _render(
        "confirm",
        question,
        text,
        opened=opened,
        action={
            "name": verb.verb,
            "title": button,
            "danger": verb.danger,
            "fields": [_why(one) for one in fields],
        },
        others=_others(opened, [one for one in answers if one is not verb]),
    )


def _why(shown: dict[str, Any]) -> dict[str, Any]:
    """A reason is asked for in other words than the office's."""
    return shown | {"title": _("Why? A few words are enough.")} if shown["name"] == "reason" else shown


def _asked(verb: Verb, opened: Opened) -> tuple[str, str, str]:
    """The question, its button and what hangs on it: in the words of somebody who pays, not of the office."""
    name, company = opened.about.name, _company(opened)
    first = next(iter(name.split()), name)
    waits = _("%(organisation)s waits for your answer before it begins.", organisation=company)
    told = _("%(organisation)s is told at once.", organisation=company)
    match verb.verb:
        case "approve":
            return _("%(name)s, do you approve?", name=first), _("Approve"), waits
        case "deny":
            return _("%(name)s, do you decline?", name=first), _("Decline"), waits
        case "cancel":
            return _("%(name)s, do you want to cancel?", name=first), _("Cancel it"), told
    return f"{verb.title}?", verb.title, waits if opened.asked else told


def _others(opened: Opened, verbs: Sequence[Verb]) -> list[dict[str, str]]:
    """The ways to the other answers."""
    return [
        {
            "title": _("%(title)s instead", title=_asked(one, opened)[1])
            if opened.asked
            else f"{one.title}…",
            "url": url_for(".show", token=opened.token, answer=one.verb),
        }
        for one in verbs
    ]


def _state(opened: Opened, answers: list[Verb]) -> Response:
    """Nothing is asked (any more): how it stands."""
    status = opened.kind.statuses[opened.item.status]
    if opened.about.answered_at is not None:
        when = opened.reader.exact(opened.about.answered_at)
        text = _(
            "You answered on %(when)s. It stands at: %(status)s. If something has changed, please tell us.",
            when=when,
            status=status,
        )
        return _render("used", _("You have answered already"), text, opened=opened)
    text = _("Nothing is waiting for you here. It stands at: %(status)s.", status=status)
    return _render("stands", status, text, opened=opened, others=_others(opened, answers))


def done(opened: Opened, verb: Verb) -> Response:
    """The answer was given."""
    title = _("Thank you") if not verb.danger else _("We have noted it")
    text = _(
        "%(done)s: %(organisation)s knows, and goes on from here.",
        done=verb.done,
        organisation=_company(opened),
    )
    return _render("done", title, text, opened=opened)


def closed(link: Any) -> Response:
    """Expired, or never a link: nothing is said about any item."""
    if link is None:
        title, text = (
            _("This link leads nowhere"),
            _(
                "It is not complete, or it has been removed. Open it from the message once more, or ask who sent it."
            ),
        )
        response = _render("gone", title, text)
    else:
        title, text = (
            _("This link has expired"),
            _("Links work for 30 days. Please ask who sent it for a new one."),
        )
        response = _render(
            "expired", title, text, organisation={"name": link.organisation, "phone": "", "email": ""}
        )
    response.status_code = 404 if link is None else 410
    return response


def _company(opened: Opened) -> str:
    name: str = read(Branding, opened.about.branding).company_name or opened.about.organisation
    return name


def _render(
    state: str,
    title: str,
    text: str,
    *,
    opened: Opened | None = None,
    organisation: dict[str, str] | None = None,
    action: dict[str, Any] | None = None,
    others: list[dict[str, str]] | None = None,
) -> Response:
    shown = render_template(
        "link_action.html",
        state=state,
        title=title,
        text=text,
        item=_item(opened) if opened else None,
        news=opened.news if opened and state == "confirm" else [],
        action=action,
        token=opened.token if opened else "",
        others=others or [],
        organisation=organisation
        or (_organisation(opened) if opened else {"name": "", "phone": "", "email": ""}),
    )
    return make_response(shown)


def _item(opened: Opened) -> dict[str, Any]:
    return {
        "number": opened.item.number,
        "title": opened.item.title,
        "kind": opened.kind.name,
        "version": opened.item.version,
        "facts": facts_of(opened.kind, opened.item, opened.reader),
    }


def _organisation(opened: Opened) -> dict[str, str]:
    look = read(Branding, opened.about.branding)
    return {"name": _company(opened), "phone": "", "email": look.reply_to or look.sender_address}
