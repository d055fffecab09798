"""What a person can do to an item now, as the page offers it: a button, or a form where something is asked.

`apply.allowed` says whose it is to do; what would be refused all the same is not offered: the way forward is shown
with the sentence that stands against it, everything else is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app.domains import moves
from notify_app.domains.base import Doing, Item, Transition, Verb, WorkKind
from notify_app.domains.fields import PERSONS
from notify_app.web import verb_form

__all__ = ["blocked", "final", "offered", "shaped"]


def final(kind: WorkKind) -> set[str]:
    """The states that no action of a person leads out of."""
    by_people = [move for move in kind.transitions if set(move.by) - {"source", "clock"}]
    return set(kind.statuses) - {origin for move in by_people for origin in move.origins}


def blocked(verb: Verb, item: Item, doing: Doing) -> str:
    """The sentence that refuses it whatever is filled in, or nothing. Who is asked for a person may still choose one
    that is possible."""
    if verb.guard is None or any(one.required and one.kind in PERSONS for one in verb.inputs):
        return ""
    return verb.guard(item, {}, doing)


def offered(kind: WorkKind, verbs: list[Verb], item: Item, doing: Doing) -> list[tuple[Verb, str]]:
    """Those to show, each with what stands against it: first what ends a step that waits for this person, then the way
    forward, what is dangerous last."""
    waits = _waits_for(kind, item, doing)
    shown = []
    for verb in verbs:
        against = blocked(verb, item, doing)
        nothing_left = any(one.required and one.offers and not one.offers(item) for one in verb.inputs)
        if nothing_left or (against and not (verb.primary and isinstance(verb, Transition))):
            continue
        shown.append((verb, against))
    return sorted(
        shown, key=lambda one: (one[0].danger, not one[0].primary, waits.get(one[0].verb, len(waits)))
    )


def _waits_for(kind: WorkKind, item: Item, doing: Doing) -> dict[str, int]:
    """The verbs of the steps that wait for this person, in the order of their declaration."""
    me = doing.person
    mine = [
        verb
        for task in moves.pending(kind, item)
        if me and (held := item.people.get(task.assignee)) and held.id == me.id
        for verb in task.verbs
    ]
    return {verb: at for at, verb in enumerate(dict.fromkeys(mine))}


def shaped(
    kind: WorkKind,
    verb: Verb,
    item: Item,
    people: verb_form.People,
    zone: str,
    url: str,
    *,
    against: str = "",
    typed: MultiDict[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One action of the page."""
    last = isinstance(verb, Transition) and verb.target in final(kind)
    shown = verb_form.fields(verb, kind, item, people, zone, typed=typed, problems=problems)
    return {
        "name": verb.verb,
        "title": _title(kind, verb, item),
        # beside its question, "Cancel" alone could mean either
        "button": _("%(verb)s this %(kind)s", verb=verb.title, kind=kind.title.lower())
        if verb.danger and isinstance(verb, Transition)
        else verb.title,
        "url": f"{url}/{verb.verb}",
        "primary": verb.primary,
        "danger": verb.danger,
        "against": against,
        "fields": shown,
        # nothing has to be said: one press is enough, and more can be said beside it
        "at_once": not verb.danger and not last and _optional(kind, verb),
        "confirm": _("Those concerned are told at once, and this cannot be taken back.") if last else "",
    }


def _optional(kind: WorkKind, verb: Verb) -> bool:
    """Whether it asks for nothing, or only for words that may be left out."""
    facts = {one.name for one in kind.fields if not one.passing} | set(kind.roles) | {verb_form.CHOICE}
    return not any(one.required or one.name in facts for one in verb.inputs)


def _title(kind: WorkKind, verb: Verb, item: Item) -> str:
    if verb.verb == verb_form.ASSIGN and kind.assignable in item.people:
        return _("Assign somebody else")
    return verb.title
