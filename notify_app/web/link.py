"""The page behind a link in a message to somebody who does not sign in: one item, and the one answer that it waits for.

GET shows and never acts, because mail scanners follow links; the button's POST acts. A link is signed, names one
person and one item, expires, and answers once: what was answered is changed by the office. A token that was not made
here is refused before the database is asked. Where a message asks something itself, `answer_link` is the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, Transition, WorkKind
from notify_app.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from notify_app.extensions import db
from notify_app.pipeline import sql, world
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy.office import Branding, read
from notify_app.secrets import Secrets
from notify_app.web import answer_link
from notify_app.web.guard import allow
from notify_app.web.reader import Reader
from notify_app.work import apply

__all__ = ["blueprint"]

blueprint = Blueprint("link", __name__)

ABOUT = """
    SELECT p.name, p.role, coalesce(p.zone, o.zone) AS zone, coalesce(p.locale, o.locale) AS locale, o.name AS organisation,
           o.branding,
           (SELECT c.created_at FROM change c WHERE c.organisation_id = :org AND c.item_id = :item AND c.actor_id = p.id
             ORDER BY c.version DESC LIMIT 1) AS answered_at
    FROM person p JOIN organisation o ON o.id = p.organisation_id
    WHERE p.organisation_id = :org AND p.id = :person
"""


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
    verbs: list[Transition]

    @property
    def answers(self) -> list[Transition]:
        """What can be answered: something only while the item waits for its first answer, and once by each link."""
        if self.item.status != self.kind.first or self.used:
            return []
        return [move for move in self.verbs if move.target != self.item.status]


@blueprint.get("/l/<token>")
@allow("public")
def show(token: str) -> ResponseReturnValue:
    """The item, with the button for the answer asked for (`?answer=`), or the usual one."""
    link = _find(token)
    if link is None or link.expires_at <= link.now:
        return _closed(link)
    if link.notification_id:
        return answer_link.show(link, token)
    with step(link.organisation_id) as work:
        opened = _open(work, link, token)
    return _page(opened, request.args.get("answer", ""))


@blueprint.post("/l/<token>")
@allow("public")
def act(token: str) -> ResponseReturnValue:
    """Give the answer."""
    link = _find(token)
    if link is None or link.expires_at <= link.now:
        return _closed(link)
    if link.notification_id:
        return answer_link.act(link, token)
    verb, reason = request.form.get("answer", ""), request.form.get("reason", "").strip()[:2000]
    try:
        move, opened = _answer(link, token, verb, reason)
    except Invalid as error:
        sentence = " ".join(one.message for one in error.fields) or str(error)
        return _again(link, token, verb, sentence, reason, 422)
    except (Refused, Conflict, Forbidden):
        # answered meanwhile: by another link, by the office, or on another phone
        return _again(link, token, verb, "", reason, 409)
    return _done(opened, move)


def _find(token: str) -> Any:
    """The link's row with the hub's time, or None."""
    if len(token) > 64 or not Secrets(hub().secret_key).is_link(token):
        return None
    with db.engines["engine"].connect() as conn:
        return conn.execute(sql.FIND_LINK, {"hash": Secrets.hash_token(token)}).one_or_none()


def _open(work: Step, link: Any, token: str) -> Opened:
    item = apply.load(work, link.item_id)
    kind = domains.kind(item.kind)
    if kind is None:
        raise Refused("Items of this kind are not known to this release.")
    about = work.one(ABOUT, item=link.item_id, person=link.person_id)
    reader = Reader(work.now, about.zone, about.locale)
    if all(one.id != link.person_id for one in item.people.values()):
        raise NotFound("This link's item belongs to somebody else now.")
    actor = apply.Actor(about.role, link.person_id)
    moves = [one for one in apply.allowed(world.of(work), kind, item, actor) if isinstance(one, Transition)]
    return Opened(token, item, kind, actor, about, reader, link.used_at is not None, moves)


def _answer(link: Any, token: str, verb: str, reason: str) -> tuple[Transition, Opened]:
    """Change the item and tell those concerned, in one transaction. Raises Invalid, Refused, Conflict or Forbidden."""
    with step(link.organisation_id) as work:
        apply.load(work, link.item_id, lock=True)
        opened = _open(work, link, token)
        move = next((one for one in opened.answers if one.verb == verb), None)
        if move is None:
            raise Refused("It waits for no answer like that now.")
        used = work.run(
            "UPDATE link SET used_at = hub_now() WHERE organisation_id = :org AND id = :id AND used_at IS NULL",
            id=link.id,
        )
        if not used:
            raise Refused("This link has given its answer.")
        applied = apply.act(work, link.item_id, verb, {"reason": reason}, opened.actor)
        route(work, applied.drafts, Origin(work.now, actor_id=link.person_id))
        return move, Opened(
            token, applied.items[0], opened.kind, opened.actor, opened.about, opened.reader, True, []
        )


# --- pages ---------------------------------------------------------------------------------------------------------


def _page(opened: Opened, wanted: str, *, error: str | None = None, reason: str = "") -> Response:
    answers = opened.answers
    if not answers:
        return _state(opened)
    move = next((one for one in answers if one.verb == wanted), None) or next(
        (one for one in answers if one.primary), answers[0]
    )
    other = next((one for one in answers if one.verb != move.verb), None)
    question, button = _asked(move, opened.about.name)
    return _render(
        "confirm",
        question,
        _("%(organisation)s waits for your answer before it begins.", organisation=_company(opened)),
        opened=opened,
        action={
            "name": move.verb,
            "title": button,
            "danger": move.danger,
            "reason": "reason" in move.needs,
            "reason_title": _("Why? A few words are enough."),
        },
        other=_other(opened, other) if other else None,
        error=error,
        values={"reason": reason},
    )


def _asked(move: Transition, name: str) -> tuple[str, str]:
    """The question, and its button: in the words of somebody who pays, not of the office."""
    first = next(iter(name.split()), name)
    if move.verb == "approve":
        return _("%(name)s, do you approve?", name=first), _("Approve")
    if move.danger:
        return _("%(name)s, do you decline?", name=first), _("Decline")
    return _("%(title)s?", title=move.title), move.title


def _other(opened: Opened, move: Transition) -> dict[str, str]:
    address = url_for(".show", token=opened.token, answer=move.verb)
    return {"title": _("%(title)s instead", title=_asked(move, "")[1]), "url": address}


def _state(opened: Opened) -> Response:
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
    return _render("gone" if opened.item.status == opened.kind.first else "used", status, text, opened=opened)


def _done(opened: Opened, move: Transition) -> Response:
    title = _("Thank you") if not move.danger else _("We have noted it")
    text = _(
        "%(done)s: %(organisation)s knows, and goes on from here.",
        done=move.done,
        organisation=_company(opened),
    )
    return _render("done", title, text, opened=opened)


def _again(link: Any, token: str, verb: str, error: str, reason: str, status: int) -> Response:
    with step(link.organisation_id) as work:
        opened = _open(work, link, token)
    response = _page(opened, verb, error=error or None, reason=reason)
    response.status_code = status
    return response


def _closed(link: Any) -> Response:
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
    other: dict[str, str] | None = None,
    error: str | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    page = render_template(
        "link_action.html",
        state=state,
        title=title,
        text=text,
        item=_item(opened) if opened else None,
        action=action,
        token=opened.token if opened else "",
        error=error,
        other=other,
        organisation=organisation
        or (_organisation(opened) if opened else {"name": "", "phone": "", "email": ""}),
        values=values or {},
    )
    return make_response(page)


def _item(opened: Opened) -> dict[str, Any]:
    known = [(field, opened.item.data.get(field.name)) for field in opened.kind.fields]
    return {
        "number": opened.item.number,
        "title": opened.item.title,
        "facts": [
            {"title": one.title, "value": opened.reader.shaped(value)}
            for one, value in known
            if value not in (None, "")
        ],
    }


def _organisation(opened: Opened) -> dict[str, str]:
    look = read(Branding, opened.about.branding)
    return {"name": _company(opened), "phone": "", "email": look.reply_to or look.sender_address}
