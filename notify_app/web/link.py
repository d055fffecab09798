"""The page behind a link in a message to somebody who does not sign in: one item, and the one answer that it waits for.

GET shows and never acts, because mail scanners follow links; the button's POST acts. A link is signed, names one
person and one item, expires, and answers once: what was answered is changed by the office. It is bound to the version of
the item that its message told of: if something that matters has changed since, the page says what, and a button that
was pressed on the older state does nothing but show the new one. A token that was not made here is refused before the
database is asked.

What can be answered, for every kind: the verbs of the step that waits for this person; where their part has no such
steps, what they may do (cancel a booking).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains import moves
from notify_app.domains.base import Item, Verb, WorkKind
from notify_app.domains.fields import PERSONS, plain
from notify_app.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from notify_app.extensions import db
from notify_app.pipeline import sql, world
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy.formats import unpack
from notify_app.policy.office import Branding, read
from notify_app.secrets import Secrets
from notify_app.web import verb_form
from notify_app.web.guard import allow
from notify_app.web.item_page import facts_of
from notify_app.web.reader import Reader
from notify_app.web.verbs import blocked
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
# the item as it was when the message was written, and as it was when the page was shown
VERSIONS = """
    SELECT version, after FROM change WHERE organisation_id = :org AND item_id = :item AND version = ANY(:versions)
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
    verbs: list[Verb] = field(default_factory=list)
    asked: bool = False  # whether a step waits for this very person
    news: list[str] = field(default_factory=list)  # what has changed since the message

    @property
    def answers(self) -> list[Verb]:
        """What can be answered: once by each link."""
        return [] if self.used else self.verbs


@blueprint.get("/l/<token>")
@allow("public")
def show(token: str) -> ResponseReturnValue:
    """The item, with the button for the answer asked for (`?answer=`), or the usual one."""
    link = _find(token)
    if link is None or link.expires_at <= link.now:
        return _closed(link)
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
    verb = request.form.get("answer", "")
    try:
        done, opened = _answer(link, token, verb)
    except Invalid as error:
        return _again(link, token, verb, {one.field: one.message for one in error.fields}, 422)
    except (Refused, Conflict, Forbidden):
        # answered meanwhile, by another link, by the office, on another phone; or not what it was any more
        return _again(link, token, verb, {}, 409)
    return _done(opened, done)


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
    asked, verbs = _answers(work, kind, item, actor)
    news = _since(work, kind, item, link.item_version, reader)
    return Opened(token, item, kind, actor, about, reader, link.used_at is not None, verbs, asked, news)


def _answers(work: Step, kind: WorkKind, item: Item, actor: apply.Actor) -> tuple[bool, list[Verb]]:
    """Whether a step waits for this person, and what they can answer without signing in."""
    mine = {role for role, one in item.people.items() if one.id == actor.person_id}
    doing = actor.doing(world.of(work))
    able = [
        one
        for one in apply.allowed(world.of(work), kind, item, actor)
        if not blocked(one, item, doing) and not any(asks.kind in PERSONS for asks in one.inputs)
    ]
    steps = [one for one in kind.tasks if one.assignee in mine]
    if not steps:
        return False, able
    waits = {verb for one in moves.pending(kind, item) if one in steps for verb in one.verbs}
    found = [one for one in able if one.verb in waits]
    return bool(found), found


def _answer(link: Any, token: str, name: str) -> tuple[Verb, Opened]:
    """Change the item and tell those concerned, in one transaction. Raises Invalid, Refused, Conflict or Forbidden."""
    with step(link.organisation_id) as work:
        apply.load(work, link.item_id, lock=True)
        opened = _open(work, link, token)
        verb = next((one for one in opened.answers if one.verb == name), None)
        if verb is None:
            raise Refused("It waits for no answer like that now.")
        if _since(work, opened.kind, opened.item, _seen(link), opened.reader):
            raise Conflict("It has changed since it was shown.")
        used = work.run(
            "UPDATE link SET used_at = hub_now() WHERE organisation_id = :org AND id = :id AND used_at IS NULL",
            id=link.id,
        )
        if not used:
            raise Refused("This link has given its answer.")
        nobody, zone = verb_form.People(), opened.reader.zone
        values = verb_form.read(work, verb, opened.kind, opened.item, request.form, nobody, zone)
        applied = apply.act(work, link.item_id, name, values, opened.actor)
        route(work, applied.drafts, Origin(work.now, actor_id=link.person_id))
        return verb, Opened(
            token, applied.items[0], opened.kind, opened.actor, opened.about, opened.reader, used=True
        )


# --- what has changed since ----------------------------------------------------------------------------------------


def _seen(link: Any) -> int | None:
    """The version on which the button stood; without one, that of the message."""
    version = request.form.get("version", "")
    return int(version) if version.isdecimal() and len(version) < 10 else link.item_version


def _since(work: Step, kind: WorkKind, item: Item, version: int | None, read: Reader) -> list[str]:
    """What matters to somebody who decides and is not as it was at that version: the facts and the state, in words. Who
    has which part, and what office and technician note, does not."""
    if version is None or version >= item.version:
        return []
    row = work.one(VERSIONS, item=item.id, versions=[version])
    if row is None:
        return [_("It is not as it was.")]
    before = unpack(row.after["data"])
    said = [
        _(
            "%(fact)s: %(value)s",
            fact=one.title,
            value=read.shaped(plain(one, item.data.get(one.name))) or _("none"),
        )
        for one in kind.fields
        if not (one.passing or one.secret) and before.get(one.name) != item.data.get(one.name)
    ]
    if row.after["status"] != item.status:
        said.append(kind.statuses[item.status])
    return said


# --- pages ---------------------------------------------------------------------------------------------------------


def _page(opened: Opened, wanted: str, *, problems: dict[str, str] | None = None) -> Response:
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


def _done(opened: Opened, verb: Verb) -> Response:
    title = _("Thank you") if not verb.danger else _("We have noted it")
    text = _(
        "%(done)s: %(organisation)s knows, and goes on from here.",
        done=verb.done,
        organisation=_company(opened),
    )
    return _render("done", title, text, opened=opened)


def _again(link: Any, token: str, verb: str, problems: dict[str, str], status: int) -> Response:
    with step(link.organisation_id) as work:
        opened = _open(work, link, token)
    response = _page(opened, verb, problems=problems)
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
    others: list[dict[str, str]] | None = None,
) -> Response:
    page = render_template(
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
    return make_response(page)


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
