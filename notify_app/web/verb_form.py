"""A verb's inputs as the fields of a form, and what came back: one way for every kind of work.

A field is filled with what the item knows already (a fact, who has the part), or with what was typed where it could not
be used. Moments are written in the reader's zone, records one on each line, people chosen from those whom the
declaration allows; where there are too many for a list, they are named. Nothing is decided here: `inputs.read` types
what `read` hands it, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app.domains import moves
from notify_app.domains.base import Field, FieldKind, Item, PersonRef, Verb, WorkKind
from notify_app.domains.fields import PERSONS
from notify_app.errors import FieldError, Invalid
from notify_app.pipeline.step import Step
from notify_app.policy import formats
from notify_app.policy.formats import Money
from notify_app.web.words import option, role_title

__all__ = ["ASSIGN", "CHOICE", "People", "assigning", "fields", "people_for", "read"]

# what `apply` offers beside the kind's own verbs, and the name of the person in its form
ASSIGN, CHOICE = "assign", "choice"
# more than these are named, not chosen
IN_A_LIST = 200
BETWEEN = "|"  # the parts of a record that is written on one line
PEOPLE = """
    SELECT p.id, p.name, p.role, coalesce(p.grade, '') AS grade FROM person p
    WHERE p.organisation_id = :org AND p.left_at IS NULL AND (p.role <> 'contact' OR :contacts)
    ORDER BY p.role = 'contact', lower(p.name), p.id LIMIT :most
"""
NAMED = """
    SELECT p.id FROM person p WHERE p.organisation_id = :org AND p.left_at IS NULL AND (lower(p.name) = lower(:said) OR EXISTS (
        SELECT FROM address a WHERE a.organisation_id = p.organisation_id AND a.person_id = p.id AND lower(a.value) = lower(:said)))
    ORDER BY p.id LIMIT 2
"""


@dataclass(frozen=True)
class People:
    """Those who can be chosen; `whole` is False where there are more of them than a list can hold."""

    known: tuple[PersonRef, ...] = ()
    whole: bool = True


def people_for(work: Step, verbs: Iterable[Verb], kind: WorkKind) -> People:
    """The people that these verbs may ask for, in one statement; none where they ask for nobody."""
    asked = [one for verb in verbs for one in verb.inputs if one.kind in PERSONS]
    if not asked:
        return People()
    contacts = any(_word_of(one, kind) == "role:contact" or "everyone" in one.among for one in asked)
    rows = work.all(PEOPLE, contacts=contacts, most=IN_A_LIST + 1)
    known = tuple(PersonRef(row.id, row.name, row.role, grade=row.grade) for row in rows[:IN_A_LIST])
    return People(known, len(rows) <= IN_A_LIST)


def assigning(kind: WorkKind) -> Verb:
    """What `apply` offers beside the kind's own verbs, as a verb: to give the work to somebody else, or to nobody."""
    role = kind.assignable or ""
    chosen = Field(CHOICE, role.capitalize(), FieldKind.person, among=(f"role:{kind.roles[role]}",))
    return Verb(ASSIGN, _("Assign"), _("Assigned"), tuple(kind.statuses), ("office",), (chosen,))


# --- out -----------------------------------------------------------------------------------------------------------


def fields(
    verb: Verb,
    kind: WorkKind,
    item: Item,
    people: People,
    zone: str,
    *,
    typed: MultiDict[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The form: [{name, id, title, kind, required, value, options, several, hint, error}]. `typed` is what was sent and
    could not be used, `problems` says why, by field."""
    kept = moves.needed(kind) if verb.origins else set()
    return [
        {
            "name": one.name,
            "id": f"{verb.verb}-{one.name}",
            "title": one.title,
            "kind": _widget(one, people),
            "required": one.required or (one.name in kept and _fact(one, kind, item) is not None),
            "several": one.kind is FieldKind.people,
            "options": _options(one, verb, kind, item, people, typed),
            "value": typed.get(one.name, "") if typed is not None else _known(one, kind, item, zone),
            "hint": _hint(one, people, zone),
            "error": (problems or {}).get(one.name, ""),
        }
        for one in verb.inputs
        if one.given
    ]


def _widget(one: Field, people: People) -> str:
    if one.kind in PERSONS:
        return "choice" if people.whole else "person"
    return str(one.kind)


def _hint(one: Field, people: People, zone: str) -> str:
    match one.kind:
        case FieldKind.moment:
            return _("Time in %(zone)s", zone=zone.replace("_", " "))
        case FieldKind.records if len(one.of) > 1:
            parts = f" {BETWEEN} ".join(part.title for part in one.of)
            return _("One on each line: %(parts)s", parts=parts)
        case FieldKind.records:
            return _("One on each line")
        case FieldKind.person | FieldKind.people if not people.whole:
            return _("The whole name, the email address or the phone number")
    return ""


def _options(
    one: Field, verb: Verb, kind: WorkKind, item: Item, people: People, typed: MultiDict[str, str] | None
) -> list[dict[str, Any]]:
    chosen = typed.getlist(one.name) if typed is not None else [_chosen(one, verb, kind, item)]
    if one.kind in PERSONS:
        found = [(str(person.id), _person_title(person)) for person in _able(one, kind, people)]
    elif one.kind is FieldKind.choice:
        found = list((one.offers(item) if one.offers else one.choices).items())
    else:
        return []
    if len(found) == 1 and one.required and one.offers:
        chosen = [found[0][0]]
    empty = [] if one.kind is FieldKind.people else [option("", _nothing(one, verb), "-")]
    return empty + [option(value, title, value if value in chosen else "") for value, title in found]


def _nothing(one: Field, verb: Verb) -> str:
    if one.required:
        return _("Choose…")
    return _("Nobody") if one.kind in PERSONS and verb.verb == ASSIGN else _("Not said")


def _able(one: Field, kind: WorkKind, people: People) -> list[PersonRef]:
    words = one.among or (_word_of(one, kind),)
    return [person for person in people.known if any(moves.is_one(word, person) for word in words)]


def _word_of(one: Field, kind: WorkKind) -> str:
    """Without `among`, whoever a source would name for the part."""
    return f"role:{kind.roles[one.name]}" if one.name in kind.roles and not one.among else "everyone"


def _person_title(person: PersonRef) -> str:
    if not person.grade:
        return person.name
    return _("%(name)s (%(role)s, grade %(grade)s)", name=person.name, role=role_title(person.role),
             grade=person.grade)  # fmt: skip


def _chosen(one: Field, verb: Verb, kind: WorkKind, item: Item) -> str:
    role = kind.assignable if verb.verb == ASSIGN else one.name
    if one.kind is FieldKind.person:
        holder = item.people.get(role or "")
        return str(holder.id) if holder else ""
    return str(_fact(one, kind, item) or "")


def _fact(one: Field, kind: WorkKind, item: Item) -> Any:
    """What the item says about it already, unless that belonged to one change."""
    passing = any(known.passing for known in kind.fields if known.name == one.name)
    return None if passing else item.data.get(one.name)


def _known(one: Field, kind: WorkKind, item: Item, zone: str) -> str:
    """The fact as its field writes it."""
    value = _fact(one, kind, item)
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else ""
        case Money():
            return f"{value.amount:f}"
        case datetime():
            return f"{formats.local(value, zone):%Y-%m-%dT%H:%M}"
        case list():
            return "\n".join(_line(one, record) for record in value)
    return str(value)


def _line(one: Field, record: Mapping[str, Any]) -> str:
    return f" {BETWEEN} ".join(str(record.get(part.name) or "") for part in one.of)


# --- in ------------------------------------------------------------------------------------------------------------


def read(
    work: Step,
    verb: Verb,
    kind: WorkKind,
    item: Item,
    form: MultiDict[str, str],
    people: People,
    zone: str,
) -> dict[str, Any]:
    """The verb's values as `apply` takes them: what comes back empty and was shown filled is cleared (None), what was empty
    and what the form did not bring is left out. Raises Invalid for a person whom nobody is called, or several are."""
    values: dict[str, Any] = {}
    for one in verb.inputs:
        value = _sent(work, one, kind, item, form, people, zone)
        if value not in ("", [], None):
            values[one.name] = value
        elif value is not None and one.name in form and _shown(one, kind, item, zone):
            values[one.name] = None
    return values


def _sent(
    work: Step,
    one: Field,
    kind: WorkKind,
    item: Item,
    form: MultiDict[str, str],
    people: People,
    zone: str,
) -> Any:
    """What was sent for one field: empty where it is, None where nothing is meant by it."""
    raw = form.get(one.name, "").strip()
    match one.kind:
        case FieldKind.yes_no:
            return True if raw else False if _is_fact(one, kind) else None
        case FieldKind.moment:
            return _moment(raw, one, kind, item, zone)
        case FieldKind.records:
            return _records(raw, one, kind, item, zone)
        case FieldKind.people:
            return [_person(work, one, said, people) for said in form.getlist(one.name) if said]
        case FieldKind.person:
            return _person(work, one, raw, people) if raw else ""
    return raw


def _shown(one: Field, kind: WorkKind, item: Item, zone: str) -> bool:
    """Whether the form showed a fact here; a choice that is not offered (any more) is shown as none."""
    if one.kind is FieldKind.choice:
        return _fact(one, kind, item) in (one.offers(item) if one.offers else one.choices)
    return _known(one, kind, item, zone) != ""


def _is_fact(one: Field, kind: WorkKind) -> bool:
    """Whether an empty box says no: to a fact of the item it does, a passing one is only said or not."""
    return any(known.name == one.name and not known.passing for known in kind.fields)


def _moment(raw: str, one: Field, kind: WorkKind, item: Item, zone: str) -> str:
    """With its offset; what was left as it was keeps its seconds."""
    known = _fact(one, kind, item)
    if isinstance(known, datetime) and raw == _known(one, kind, item, zone):
        return known.isoformat()
    try:
        at = datetime.fromisoformat(raw)
    except ValueError:
        return raw
    return (at if at.utcoffset() is not None else at.replace(tzinfo=ZoneInfo(zone))).isoformat()


def _records(raw: str, one: Field, kind: WorkKind, item: Item, zone: str) -> list[dict[str, str]] | None:
    """One a line; nothing where they are as they were, since a form may show less of a record than there is."""
    lines = [line.strip() for line in raw.splitlines() if line.strip()]
    if lines == [line.strip() for line in _known(one, kind, item, zone).splitlines()] and not one.required:
        return None
    return [_record(one, line) for line in lines]


def _record(one: Field, line: str) -> dict[str, str]:
    parts = [part.strip() for part in line.split(BETWEEN, len(one.of) - 1)]
    return {field.name: part for field, part in zip(one.of, parts, strict=False) if part}


def _person(work: Step, one: Field, said: str, people: People) -> str:
    """An id from the list, or whoever is called so."""
    if people.whole:
        return said
    found = work.all(NAMED, said=said)
    if len(found) == 1:
        return str(found[0].id)
    text = (
        _("%(title)s: several people are called so; write the email address.", title=one.title)
        if found
        else _(
            "%(title)s: nobody is called so; write the whole name, email address or number.", title=one.title
        )
    )
    raise Invalid(_("Nobody was chosen."), FieldError(one.name, text))
