"""The page behind a link in a message to somebody who does not sign in: one item, and the one answer that it waits for.

GET shows and never acts, because mail scanners follow links; the button's POST acts. A link is signed, names one
person and one item, expires, and answers once: what was answered is changed by the office. It is bound to the version of
the item that its message told of: if something that matters has changed since, the page says what, and a button that
was pressed on the older state does nothing but show the new one. A token that was not made here is refused before the
database is asked.

What can be answered, for every kind: the verbs of the step that waits for this person; where their part has no such
steps, what they may do (cancel a booking). Where a message asks something itself, `answer_link` is the page.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
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
from notify_app.secrets import Secrets
from notify_app.web import answer_link, link_page, verb_form
from notify_app.web.guard import allow
from notify_app.web.link_page import Opened
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
# the item as it was when the message was written, or when the button was shown
AS_IT_WAS = "SELECT after FROM change WHERE organisation_id = :org AND item_id = :item AND version = :version"


@blueprint.get("/l/<token>")
@allow("public")
def show(token: str) -> ResponseReturnValue:
    """The item, with the button for the answer asked for (`?answer=`), or the usual one."""
    link = _find(token)
    if link is None or link.expires_at <= link.now:
        return link_page.closed(link)
    if link.notification_id:
        return answer_link.show(link, token)
    with step(link.organisation_id) as work:
        opened = _open(work, link, token)
    return link_page.page(opened, request.args.get("answer", ""))


@blueprint.post("/l/<token>")
@allow("public")
def act(token: str) -> ResponseReturnValue:
    """Give the answer."""
    link = _find(token)
    if link is None or link.expires_at <= link.now:
        return link_page.closed(link)
    if link.notification_id:
        return answer_link.act(link, token)
    verb = request.form.get("answer", "")
    try:
        done, opened = _answer(link, token, verb)
    except Invalid as error:
        return _again(link, token, verb, {one.field: one.message for one in error.fields}, 422)
    except (Refused, Conflict, Forbidden):
        # answered meanwhile, by another link, by the office, on another phone; or not what it was any more
        return _again(link, token, verb, {}, 409)
    return link_page.done(opened, done)


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
    row = work.one(AS_IT_WAS, item=item.id, version=version)
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


def _again(link: Any, token: str, verb: str, problems: dict[str, str], status: int) -> Response:
    with step(link.organisation_id) as work:
        opened = _open(work, link, token)
    response = link_page.page(opened, verb, problems=problems)
    response.status_code = status
    return response
